"""From the records of one trial to its figures: milliseconds and counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence

KINDS = {"k": "plain", "r": "retrying"}


@dataclass(frozen=True)
class Connect:
    """One new connection."""

    start: float
    end: float
    outcome: str
    retries: int

    @property
    def ms(self) -> float:
        """How long the client waited for the answer or the failure."""
        return (self.end - self.start) * 1000


@dataclass(frozen=True)
class Session:
    """One session that was to stay."""

    state: str  # lost, alive, unaware
    when: float
    how: str
    answers: int
    stall: float


@dataclass(frozen=True)
class Window:
    """What is judged: from the fault to the end; `back` is when what no stack can replace was there again, else the fault.

    Making a fault takes milliseconds: until `struck` a connection may have met its beginning.
    """

    hit: float
    back: float
    end: float
    struck: float = 0.0


class Records:
    """What the client and the owner's watcher wrote down."""

    def __init__(self, client: Path, owner: Path) -> None:
        self.connects: dict[str, list[Connect]] = {"plain": [], "retrying": []}
        self.sessions: dict[str, list[Session]] = {"busy": [], "idle": []}
        self.stream: tuple[int, int, float, float] = (0, 0, 0.0, 0.0)  # bytes, breaks, stall, when that began
        self.owners: list[tuple[float, tuple[str, ...]]] = []
        self.announcements: list[tuple[float, str]] = []
        for line in (*client.read_text(encoding="ascii").splitlines(), *owner.read_text(encoding="ascii").splitlines()):
            self._take(line.split())

    def _take(self, words: list[str]) -> None:
        match words:
            case ["connect", letter, start, _, end, outcome, retries, _]:
                self.connects[KINDS[letter]].append(Connect(float(start), float(end), outcome, int(retries)))
            case ["busy" | "idle" as kind, state, when, how, answers, stall, _]:
                self.sessions[kind].append(Session(state, float(when), how, int(answers), float(stall)))
            case ["stream", count, breaks, stall, start]:
                self.stream = (int(count), int(breaks), float(stall), float(start))
            case ["owners", when, stations]:
                self.owners.append((float(when), () if stations == "-" else tuple(stations.split(","))))
            case ["announce", when, station]:
                self.announcements.append((float(when), station))
            case ["ended", _]:
                pass
            case _:
                raise ValueError(f"a record of no kind: {words}")


def quantile(values: Sequence[float], q: float) -> float:
    """Of sorted values; 0 where there are none."""
    return values[min(int(q * len(values)), len(values) - 1)] if values else 0.0


def gap(connects: list[Connect], window: Window) -> tuple[float, float]:
    """The longest time without a success that reaches into the window, and when it ended (the window's end, if never)."""
    ends = sorted(c.end for c in connects if c.outcome == "ok" and c.end <= window.end)
    before = [end for end in ends if end <= window.back]
    marks = [max(before[-1] if before else window.hit, window.back if window.back > window.hit else 0.0)]
    marks += [end for end in ends if end > window.back] + [window.end]
    length, end = max((after - before, after) for before, after in zip(marks, marks[1:]))
    return length, end


def _connect_figures(kind: str, connects: list[Connect], window: Window) -> dict[str, Any]:
    """Of the connections that began in the window or were under way when the fault hit."""
    mine = [c for c in connects if c.end >= window.hit and c.start <= window.end]
    waits = sorted(c.ms for c in mine if c.outcome == "ok")
    # What was half-way through the fault can be saved by nobody who only relays; it is a failure, but no wait.
    lost = [c for c in mine if c.outcome != "ok" and c.start <= max(window.hit, window.struck)]
    # Who tries again waits for the servers of its own will; what came too late after their return is the balancer's.
    since = window.back if kind == "retrying" and window.back > window.hit else 0.0
    length, end = gap(connects, window)
    failures = Counter(c.outcome for c in mine if c.outcome != "ok")
    return {
        f"{kind}_gap_ms": length * 1000,
        f"{kind}_new_after_ms": (end - window.back) * 1000 if length > 0.03 else 0.0,
        f"{kind}_count": len(mine),
        f"{kind}_failed": sum(failures.values()),
        f"{kind}_under_way": len(lost),
        f"{kind}_failures": dict(sorted(failures.items())),
        f"{kind}_retries": sum(c.retries for c in mine),
        f"{kind}_p50_ms": quantile(waits, 0.5),
        f"{kind}_p99_ms": quantile(waits, 0.99),
        f"{kind}_worst_ms": max(((c.end - max(c.start, since)) * 1000 for c in mine if c not in lost and c.end > since), default=0.0),
    }


def _session_figures(sessions: dict[str, list[Session]], window: Window) -> dict[str, Any]:
    """How many lost their path; of the idle ones, how long until each knew (the whole window where it never did)."""
    gone = {kind: [s for s in found if s.state == "unaware" or s.state == "lost"] for kind, found in sessions.items()}
    learned = sorted((min(s.when, window.end) - window.hit) * 1000 for s in gone["idle"] if s.state == "lost")
    unaware = sum(s.state == "unaware" or s.when > window.end for s in gone["idle"])
    whole = (window.end - window.hit) * 1000
    waits = sorted([ms for ms in learned if ms < whole] + [whole] * unaware)
    return {
        "busy_lost": len(gone["busy"]),
        "busy_stall_ms": max((s.stall * 1000 for s in sessions["busy"] if s.state == "alive"), default=0.0),
        "idle_lost": len(gone["idle"]),
        "idle_unaware": unaware,
        "idle_learn_ms": quantile(waits, 0.5),
        "idle_learn_worst_ms": waits[-1] if waits else 0.0,
    }


def _owner_figures(owners: list[tuple[float, tuple[str, ...]]], window: Window) -> dict[str, Any]:
    """For how long nobody and more than one answered for the VIP, and how often another one did than before."""
    none = both = 0.0
    holders = []
    for (since, stations), (until, _) in zip(owners, [*owners[1:], (window.end, ())]):
        length = max(0.0, min(until, window.end) - max(since, window.hit))
        none += length if not stations else 0.0
        both += length if len(stations) > 1 else 0.0
        if until > window.hit and since < window.end and len(stations) == 1:
            holders.append(stations)
    changes = sum(before != after for before, after in zip(holders, holders[1:]))
    return {"unowned_ms": none * 1000, "double_ms": both * 1000, "moves": changes}


def figures(records: Records, window: Window) -> dict[str, Any]:
    """Everything that is told of one trial."""
    found: dict[str, Any] = {}
    for kind, connects in records.connects.items():
        found |= _connect_figures(kind, connects, window)
    found |= _session_figures(records.sessions, window)
    found |= _owner_figures(records.owners, window)
    received, breaks, stall, _ = records.stream
    found |= {"stall_ms": stall * 1000, "download_breaks": breaks, "download_bytes": received}
    found["watched_ms"] = (window.end - window.hit) * 1000
    return {key: round(value, 1) if isinstance(value, float) else value for key, value in found.items()}
