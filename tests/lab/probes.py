"""Running the measuring programs and reading what they found. Times are time.monotonic() seconds."""

from __future__ import annotations

import bisect
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable

from . import topology
from .host import Host
from .paths import program
from .process import Process, tail
from .wait import eventually

END_TIMEOUT = 15.0


class Probe:
    """A measuring program on a host; it runs inside the `with` block and its findings are read afterwards."""

    name = ""

    def __init__(self, host: Host, *arguments: str) -> None:
        self.host = host
        number = len(list(host.directory.glob(f"{self.name}-*.records")))
        stem = host.directory / f"{self.name}-{number}"
        self.records_file = stem.with_suffix(".records")
        self._summary_file = stem.with_suffix(".json")
        self._log = stem.with_suffix(".log")
        self._argv = [program(f"tests/lab/{self.name}"), "-o", str(self.records_file), *arguments]
        self._process: Process | None = None
        self.summary: dict[str, Any] = {}

    def start(self) -> None:
        """Starts to measure and waits for the first record."""
        self.records_file.touch()
        self._process = Process(self._argv, self.host.name, self._log, stdout=self._summary_file)
        eventually(lambda: self._first_record() or self._ended(), 10.0, f"first record of {self.name}")
        assert not self._ended() or self._process.returncode == 0, tail(self._log)

    def _first_record(self) -> bool:
        return self.records_file.stat().st_size > 0

    def _ended(self) -> bool:
        return self._process is not None and not self._process.alive

    def stop(self) -> None:
        """Ends the measuring and reads the summary."""
        assert self._process, f"{self.name} was not started"
        code = self._process.terminate(END_TIMEOUT)
        assert code == 0, f"{self.name} ended with {code}: {tail(self._log)}"
        self.summary = json.loads(self._summary_file.read_text(encoding="ascii"))

    def lines(self) -> list[list[str]]:
        """The complete records so far, split into words; also while measuring."""
        text = self.records_file.read_text(encoding="ascii")
        return [line.split() for line in text[: text.rfind("\n") + 1].splitlines()]

    def __enter__(self):  # type: ignore[no-untyped-def] # returns the subclass
        self.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            self.stop()
        except AssertionError:
            if kind is None:
                raise


@dataclass(frozen=True)
class Connection:
    """One connection of the open-loop client."""

    start: float
    connected: float | None
    end: float
    outcome: str
    server: str

    def alive_at(self, instant: float) -> bool:
        """Whether it was under way at that time."""
        return self.start <= instant <= self.end


@dataclass(frozen=True)
class LoadResult:
    """What the open-loop client saw; `gap_ms` is the longest time between two successes in a row."""

    connections: list[Connection]
    ok: int
    failures: dict[str, int]
    gap_ms: float
    gap_start: float

    @property
    def failed(self) -> int:
        """The number of connections that failed."""
        return sum(self.failures.values())

    def servers(self) -> dict[str, int]:
        """How many successful connections each server answered."""
        names = [connection.server for connection in self.connections if connection.outcome == "ok"]
        return {name: names.count(name) for name in sorted(set(names))}


class OpenLoop(Probe):
    """New connections at a steady rate, whatever happens to the earlier ones."""

    name = "openloop"

    def connections(self) -> list[Connection]:
        """The connections that have ended so far, also while measuring."""
        ended = []
        for start, connected, end, outcome, server in self.lines():
            began = float(connected)
            ended.append(Connection(float(start), began if began >= 0 else None, float(end), outcome, server))
        return ended

    def succeeds_after(self, instant: float, within: float = 10.0) -> Connection:
        """Waits for the first success of a connection that was started after the instant."""

        def first() -> Connection | None:
            return next((c for c in self.connections() if c.start > instant and c.outcome == "ok"), None)

        success = eventually(first, within, "a connection that succeeds")
        assert success
        return success

    def result(self, exclude: Iterable[float] = ()) -> LoadResult:
        """The findings; connections that were under way at an `exclude`d instant are not counted as failures."""
        instants = list(exclude)
        every = self.connections()
        counted = [c for c in every if c.outcome == "ok" or not any(c.alive_at(t) for t in instants)]
        failures: dict[str, int] = {}
        for connection in counted:
            if connection.outcome != "ok":
                failures[connection.outcome] = failures.get(connection.outcome, 0) + 1
        successes = sorted(c.end for c in every if c.outcome == "ok")
        gaps = ((after - before, before) for before, after in zip(successes, successes[1:]))
        gap, gap_start = max(gaps, default=(0.0, 0.0))
        return LoadResult(counted, len(successes), failures, gap * 1000, gap_start)


def waits_ms(sessions: Iterable[int], instants: Iterable[float], stalls: Iterable[tuple[float, int, float]]) -> list[float]:
    """How long each of the sessions waited after each of these instants, up to the next one, in order; 0 where no stall is told.

    A stall is when it ended, of which session, and its milliseconds.
    """
    begins = sorted(instants)
    waits = {(number, begin): 0.0 for number in sessions for begin in range(len(begins))}
    for ended, number, duration in stalls:
        key = (number, bisect.bisect(begins, ended) - 1)
        if key in waits:
            waits[key] = max(waits[key], duration)
    return sorted(waits.values())


class Sessions(Probe):
    """Long-lived sessions that ask again and again."""

    name = "sessions"

    @property
    def sessions(self) -> list[dict[str, Any]]:
        """Per session: server, answers, longest_stall_ms, longest_stall_start, broken (kind or None), broken_at."""
        return self.summary["sessions"]

    def broken(self) -> list[dict[str, Any]]:
        """The sessions that broke."""
        return [session for session in self.sessions if session["broken"]]

    def longest_stall_ms(self) -> float:
        """The longest wait of any session that did not break."""
        return max((s["longest_stall_ms"] for s in self.sessions if not s["broken"]), default=0.0)

    def broken_so_far(self) -> int:
        """The number of broken sessions, also while measuring."""
        return sum(words[0] == "broken" for words in self.lines())

    def stalls_ms(self, instants: Iterable[float]) -> list[float]:
        """How long each session waited for an answer after each of these instants, up to the next one, in order.

        0 where it was not more than 50 ms.
        """
        stalls = ((float(w[1]), int(w[2]), float(w[3])) for w in self.lines() if w[0] == "stall")
        return waits_ms(range(len(self.sessions)), instants, stalls)


class Streams(Probe):
    """Sessions of several kinds with an echo server, every byte compared."""

    name = "streams"

    def broken(self) -> list[dict[str, Any]]:
        """The sessions that broke, brought a wrong byte, or did not come to their end."""
        return [session for session in self.summary["sessions"] if session["end"] != "ok"]

    def broken_so_far(self) -> list[list[str]]:
        """The records of those that broke, also while measuring."""
        return [words for words in self.lines() if words[0] == "broken"]

    def stalls_ms(self, kinds: Iterable[str], instants: Iterable[float]) -> list[float]:
        """How long each session of the kinds waited for what it had sent to come back, after each of these instants, in order.

        Up to the next one; 0 where it was not more than 50 ms.
        """
        numbers = [number for number, session in enumerate(self.summary["sessions"]) if session["kind"] in kinds]
        stalls = ((float(w[1]), int(w[3]), float(w[4])) for w in self.lines() if w[0] == "stall")
        return waits_ms(numbers, instants, stalls)


class ArpProbe(Probe):
    """Who owns the VIP, by asking for it every 10 ms."""

    name = "arpprobe"

    def changes(self) -> list[tuple[float, tuple[str, ...]]]:
        """From when on which hosts answered, in order, also while measuring; () is nobody."""
        found = []
        for instant, stations in self.lines():
            hosts = () if stations == "-" else tuple(topology.host_of_mac(mac) for mac in stations.split(","))
            found.append((float(instant), hosts))
        return found

    def owners(self) -> tuple[str, ...]:
        """Who answers at present."""
        return self.changes()[-1][1]

    def none_ms(self) -> float:
        """For how long nobody answered."""
        return self.summary["none_ms"]

    def longest_none_ms(self) -> float:
        """For how long nobody answered at a time; one answer that comes after its slot, as on a busy machine, leaves 10 ms."""
        return self.summary["longest_none_ms"]

    def both_ms(self) -> float:
        """For how long more than one answered."""
        return self.summary["both_ms"]


class Flood(Probe):
    """Requests over a UNIX socket, as many as its server answers."""

    name = "flood"

    def rate(self) -> float:
        """Answers a second, once the block is left."""
        return self.summary["answers"] / self.summary["seconds"]


class Crowd(Probe):
    """Connections that do nothing, held until the end of the block."""

    name = "crowd"

    def open(self) -> int:
        """How many are open, to a hundredth of all; also while they are being opened."""
        return int(self.lines()[-1][1])

    def ended(self) -> int:
        """How many have ended, likewise."""
        return int(self.lines()[-1][2])

    def settled(self, count: int) -> bool:
        """Whether of so many each is either open or has ended, to a hundredth."""
        return self.open() + self.ended() >= count - count // 100 - 1

    def endings(self) -> dict[str, int]:
        """How many ended in which way, once the block is left."""
        return {how: count for how, count in self.summary["ended"].items() if count}


class HalfClose(Probe):
    """Connections on which one end finishes first and the other sends everything back."""

    name = "halfclose"

    def finished(self) -> bool:
        """Whether every connection has ended (a client)."""
        return self._ended()


class SynFlood(Probe):
    """SYNs from addresses that nobody has."""

    name = "synflood"
