"""What scenarios ask of the load around a fault."""

from __future__ import annotations

from lab.probes import Connection, OpenLoop


def failures(load: OpenLoop, began: float, ended: float | None = None) -> list[Connection]:
    """The failed connections, without those that were under way while the fault was injected (`began` to `ended`)."""
    last = began if ended is None else ended
    return [c for c in load.connections() if c.outcome != "ok" and not (c.start <= last and c.end >= began)]


def slowest_ms(load: OpenLoop, after: float) -> float:
    """The longest duration of a successful connection that was started after the instant."""
    return max(((c.end - c.start) * 1000 for c in load.connections() if c.outcome == "ok" and c.start > after), default=0.0)
