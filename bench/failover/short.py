"""The short form in `make test`: lbd through the most telling faults once, planted faults that must be found, and an
interrupt that must leave nothing behind.

Ends with `N passed, N failed`. A trial that shows what must not be is run once more, as scenarios are, since milliseconds
are measured beside whatever else the machine does; LBD_STRICT=1 turns that off.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lab.process import tail

from .judge import violations
from .known import problems as problems_with_known
from .matrix import Cell, Job, Lanes, Progress, Store, load

FAULTS = (
    "none",
    "power-off",
    "planned-switch",
    "clean-stop",
    "election-killed",
    "proxy-killed",
    "everything-killed",
    "server-off",
    "server-killed",
    "short-stop",
)
# Stack with a planted fault, the fault that brings it out, and what the harness must say of it.
PLANTED = (
    ("keeps-vip", "everything-killed", "two owners"),
    ("drops-connects", "none", "its first packet was lost"),
    ("announces-late", "power-off", "no answer for"),
)
WATCHED_SECONDS = "2"
LOG_LINES = 40
ORIGINS_WITHIN = 10.0
ENDED_WITHIN = 5.0


def measure(jobs: list[Job], seed: int, directory: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Runs the jobs, two labs at once; the figures of each stack and fault."""
    results = directory / "short.jsonl"
    progress = Progress(jobs, 2, [])
    Lanes(Store(results, {"seed": seed}), seed, None, progress, directory).run(jobs, 2)
    return {(line["stack"], line["fault"]): line for line in load(results)[1]}


def job(stack: str, faults: list[str]) -> Job:
    """One lab, each fault once."""
    return Job(stack, [Cell(stack, fault, 1) for fault in faults], {"BENCH_WATCHED": WATCHED_SECONDS})


def show(line: dict[str, Any]) -> None:
    """The figures of one trial in a line."""
    if "error" not in line:
        print(
            f"{line['stack']}: {line['fault']}: gap {line['plain_gap_ms']:g} ms, worst {line['plain_worst_ms']:g} ms, "
            f"failed {line['plain_failed']}, sessions lost {line['busy_lost']}, two owners {line['double_ms']:g} ms"
        )


def carriers(mark: str) -> list[int]:
    """The processes that have the mark in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
    return found


def interrupted(directory: Path) -> str:
    """Ctrl-C in the middle of a trial: what is wrong afterwards, or nothing."""
    mark = f"BENCH_MARK={directory}"
    argv = [sys.executable, "-m", "failover", "--rounds", "1", "--stacks", "lbd", "--faults", "none", "--no-readme"]
    environment = {**os.environ, "BENCH_MARK": str(directory)}
    with subprocess.Popen(
        [*argv, "--results", str(directory / "interrupted")],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    ) as whole:
        deadline = time.monotonic() + ORIGINS_WITHIN
        while time.monotonic() < deadline and not any(_runs(pid, "origin") for pid in carriers(mark)):
            time.sleep(0.1)
        busy = len(carriers(mark))
        whole.send_signal(signal.SIGINT)
        try:
            code = whole.wait(ENDED_WITHIN)
        except subprocess.TimeoutExpired:
            whole.kill()
            return f"it goes on {ENDED_WITHIN:g} s after the interrupt"
    left = carriers(mark)
    if busy < 10:
        return f"only {busy} processes before the interrupt: that proves nothing"
    return f"{len(left)} processes are left" if left else "" if code == 130 else f"it ended with {code}, not with 130"


def _runs(pid: int, name: str) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip() == name
    return False


def run(directory: Path) -> int:
    """Measures and judges; the number of failures."""
    seed = random.randrange(1 << 31)
    print(f"seed {seed}")
    planted = [job(stack, [fault]) for stack, fault, _ in PLANTED]
    found = measure([job("lbd", list(FAULTS)), *planted], seed, directory)
    wrong = [fault for fault in FAULTS if violations(found["lbd", fault])]
    if wrong and not os.environ.get("LBD_STRICT"):
        for fault in wrong:
            print(f"unsteady: failover {fault}: {'; '.join(violations(found['lbd', fault]))}")
        found |= measure([job("lbd", wrong)], seed + 1, directory)
    passed = failed = 0
    if any("error" in line for line in found.values()):
        for log in sorted(directory.glob("*.log")):
            print(f"---- {log.name}\n{tail(log, LOG_LINES)}")
    for fault in FAULTS:
        show(found["lbd", fault])
        problems = violations(found["lbd", fault])
        passed, failed = passed + (not problems), failed + bool(problems)
        for problem in problems:
            print(f"lbd: {fault}: {problem}")
    for stack, fault, said in PLANTED:
        line = found[stack, fault]
        show(line)
        seen = any(said in problem for problem in violations(line))
        passed, failed = passed + seen, failed + (not seen)
        if not seen:
            print(f"the planted fault of {stack} in {fault} was not found, wanted: {said}; seen: {violations(line)}")
    for what, wrong in (("known records", "; ".join(problems_with_known(directory))), ("interrupted", interrupted(directory))):
        passed, failed = passed + (not wrong), failed + bool(wrong)
        if wrong:
            print(f"{what}: {wrong}")
    print(f"{passed} passed, {failed} failed")
    return failed


def main() -> int:
    """1 if anything failed."""
    # Whoever ends this ends its labs, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as directory:
        return 1 if run(Path(directory)) else 0


if __name__ == "__main__":
    sys.exit(main())
