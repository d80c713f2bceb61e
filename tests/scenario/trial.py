"""What every fault is watched with: load, ARP questions, adverts; and what must hold whatever the fault is.

    with Trial(lab) as trial:
        hit = trial.now()
        ...
    trial.check(both_ms=0)
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections import Counter
from pathlib import Path

from lab import Lab, eventually
from lab.lb import LoadBalancer
from lab.recorder import FrameRecorder

FULL = bool(os.environ.get("LBD_FULL"))
INTERVAL = 0.1
# Active_Down_Interval of the least preferred of two nodes, and how long the switch-over itself may take (invariant I2).
DOWN = 0.31
SETTLE = DOWN + 0.1
LOG_LINES_A_SECOND = 10


def descriptors(pid: int) -> int:
    """How many descriptors the process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory_of(pid: int) -> dict[str, int]:
    """What the kernel says of the process's memory in bytes: VmSize, VmLck (locked), VmRSS (resident) and so on."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return {name: int(kilobytes) * 1024 for name, kilobytes in re.findall(r"(Vm\w+):\s+(\d+) kB", status)}


def resident_kb(pid: int) -> int:
    """The resident memory of the process."""
    return memory_of(pid)["VmRSS"] // 1024


def cpu_seconds(pid: int) -> float:
    """The processor time that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def metric(node: LoadBalancer, name: str) -> float:
    """The value of one metric, or the sum over all its labels."""
    code, text = node.api("GET", "/metrics")
    assert code == 200
    found = [line.rpartition(" ")[2] for line in text.splitlines() if re.match(rf"{re.escape(name)}(\{{| )", line)]
    return sum(float(value) for value in found)


def transitions(node: LoadBalancer) -> int:
    """How often the node's role has changed since its start."""
    return int(metric(node, "lbd_election_transitions_total"))


class Trial:
    """Probes that run inside the `with` block, and the judgement afterwards."""

    def __init__(self, lab: Lab, interval_ms: float = 5, vip_packets: bool = False, load: bool = True) -> None:
        self.lab = lab
        self.arp = lab.arpprobe()
        self.load = lab.openloop(interval_ms=interval_ms, timeout_ms=1000) if load else None
        self.frames = FrameRecorder(lab.lbs, vip_packets)
        self._stack = contextlib.ExitStack()
        self._descriptors = {node.pid: descriptors(node.pid) for node in lab.lbs if node.process and node.process.alive}
        # A node with a journal has its own limit on lines.
        self._log_sizes = {node: node.log.stat().st_size for node in lab.lbs if node.log.exists()}
        self._began = time.monotonic()
        self._ended = 0.0

    def __enter__(self) -> Trial:
        self._stack.enter_context(self.frames)
        self._stack.enter_context(self.arp)
        if self.load:
            self._stack.enter_context(self.load)
            eventually(lambda: self.load and len(self.load.connections()) >= 60)
        return self

    def __exit__(self, *exit_: object) -> None:
        self._ended = time.monotonic()
        self._stack.__exit__(*exit_)  # type: ignore[arg-type]

    @staticmethod
    def now() -> float:
        """The time on the clock of all probes."""
        return time.monotonic()

    def served_after(self, instant: float, within: float = 10.0) -> float:
        """Waits for the first success of a connection that began after the instant; returns when it ended."""
        assert self.load
        return self.load.succeeds_after(instant, within).end

    def outage_ms(self) -> float:
        """The longest time between two successes of the load."""
        assert self.load
        return self.load.result().gap_ms

    def paused_ms(self) -> float:
        """For how long within that the measuring client began nothing: it did not get the processor then, and saw nothing."""
        assert self.load
        result = self.load.result()
        begin, end = result.gap_start, result.gap_start + result.gap_ms / 1000
        starts = sorted(c.start for c in result.connections)
        return max((min(b, end) - max(a, begin)) * 1000 for a, b in zip(starts, starts[1:]) if b > begin and a < end)

    def gap_after_ms(self, instant: float) -> float:
        """The same, from the last success before the instant on."""
        assert self.load
        ends = sorted(c.end for c in self.load.connections() if c.outcome == "ok")
        return max((b - a) * 1000 for a, b in zip(ends, ends[1:]) if b > instant)

    def failed(self) -> dict[str, int]:
        """How many connections failed, by kind."""
        assert self.load
        return self.load.result().failures

    def single_after_ms(self, instant: float) -> float:
        """How long after the instant exactly one station answers, without a later change; fails if never."""
        changes = self.arp.changes()
        assert len(changes[-1][1]) == 1, f"in the end {changes[-1][1]} answer"
        return max((changes[-1][0] - instant) * 1000, 0.0)

    def check(self, both_ms: float | None = 0, same_descriptors: bool = True) -> None:
        """The invariants: owners, log rate, descriptors."""
        if both_ms is not None:
            assert self.arp.both_ms() <= both_ms, f"two owners for {self.arp.both_ms()} ms: {self.arp.changes()}"
        self._check_logs()
        for node in self.lab.lbs:
            before = self._descriptors.get(node.pid)
            if same_descriptors and before is not None and node.process and node.process.alive:
                eventually(lambda n=node, b=before: descriptors(n.pid) == b, 2.0, f"{node}: {before} descriptors again")

    def _check_logs(self) -> None:
        """No reason is told more often than ten times a second; numbers do not make a reason."""
        for node, start in self._log_sizes.items():
            text = node.log.read_bytes()[start:].decode(errors="replace")
            lines = Counter(re.sub(r"[\d.:]+", "#", line)[:50] for line in text.splitlines())
            allowed = LOG_LINES_A_SECOND * max(self._ended - self._began, 1.0)
            talkative = {line: count for line, count in lines.items() if count > allowed}
            assert not talkative, f"{node}: {talkative}"
