"""The whole matrix: which trials there are, on how many labs at once they run, and what is known of them so far."""

from __future__ import annotations

import json
import os
import platform
import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterable

from .faults import BUSY_LOOPS, FAULTS, ORDER, TOGETHER

REPOSITORY = Path(__file__).resolve().parents[2]
STACKS = ("lbd", "lbd-fast", "guide", "tuned")
PATIENT = ("guide",)
PYTHON = "/usr/bin/python3"
# What a trial takes beside the time that is watched: starting the load and going back to the state before.
BESIDE = {"guide": 7.0}
BESIDE_ELSE = 2.5
START_SECONDS = 5.0
SILENT_SECONDS = 180.0


@dataclass(frozen=True)
class Cell:
    """One trial to be run."""

    stack: str
    fault: str
    turn: int

    @property
    def seconds(self) -> float:
        """How long it takes, roughly."""
        fault = next(f for f in FAULTS if f.key == self.fault)
        watched = fault.patient if self.stack in PATIENT else fault.quick
        inside = {"servers-down": 3.0, "reloads": 3.5, "partition": 3.0, "one-way": 3.0, "advert-loss": 5.0, "reboot": 3.0}
        return watched + inside.get(self.fault, 0.0) + BESIDE.get(self.stack, BESIDE_ELSE)


@dataclass
class Job:
    """Trials that one lab runs one after another."""

    stack: str
    cells: list[Cell]
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """How long it takes, roughly."""
        return START_SECONDS + sum(cell.seconds for cell in self.cells)


class Store:
    """The results as JSON lines: the first says of what, each other one is a trial."""

    def __init__(self, path: Path, head: dict[str, Any]) -> None:
        self.path = path
        self._lock = threading.Lock()
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(head) + "\n", encoding="utf-8")

    def add(self, line: dict[str, Any]) -> None:
        """Keeps one trial."""
        with self._lock, self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def known(self) -> set[Cell]:
        """The trials that have figures."""
        _, lines = load(self.path)
        return {Cell(line["stack"], line["fault"], line["round"]) for line in lines if "error" not in line}


def load(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The head and the trials of a file of results; of a trial that was repeated, the last."""
    head, *lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    last = {(line["stack"], line["fault"], line["round"]): line for line in lines}
    return head, list(last.values())


def head(seed: int, rounds: int) -> dict[str, Any]:
    """What the results are of."""

    def first_line(*argv: str) -> str:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=REPOSITORY)
        return (done.stdout + done.stderr).partition("\n")[0].strip()

    cpu = next((line for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if "model name" in line), ":")
    return {
        "head": True,
        "seed": seed,
        "rounds": rounds,
        "began": time.strftime("%Y-%m-%d %H:%M:%S"),
        "revision": first_line("git", "rev-parse", "--short", "HEAD"),
        "haproxy": first_line("haproxy", "-v").split()[2],
        "keepalived": first_line("keepalived", "-v").split()[1],
        "kernel": platform.release(),
        "processor": cpu.partition(":")[2].strip(),
        "processors": os.cpu_count(),
    }


def cells(stacks: Iterable[str], faults: Iterable[str], rounds: int) -> list[Cell]:
    """Every trial, round by round, so that what changes on the machine changes for all stacks."""
    faults = sorted(faults, key=ORDER.index)
    return [Cell(stack, fault, turn) for turn in range(1, rounds + 1) for stack in stacks for fault in faults]


def alone(todo: list[Cell]) -> list[Job]:
    """A lab for each stack and round."""
    jobs: dict[tuple[str, int], Job] = {}
    for cell in todo:
        if cell.fault not in TOGETHER:
            jobs.setdefault((cell.stack, cell.turn), Job(cell.stack, [])).cells.append(cell)
    return list(jobs.values())


def together(todo: list[Cell]) -> list[Job]:
    """The trials for which all stacks share the machine: a lab for each stack, all at once."""
    jobs: dict[str, Job] = {}
    for cell in todo:
        if cell.fault in TOGETHER:
            jobs.setdefault(cell.stack, Job(cell.stack, [])).cells.append(cell)
    for job in jobs.values():
        job.environment["BENCH_BUSY"] = str(max(1, round(BUSY_LOOPS / len(jobs))))
    return list(jobs.values())


class Progress:
    """What is under way and how long the rest takes: one line that is written over on a terminal, else now and then one."""

    EVERY_SECONDS = 30.0

    def __init__(self, jobs: list[Job], lanes: int, shared: list[Job]) -> None:
        self._seconds = sum(job.seconds for job in jobs)
        self._shared = max((job.seconds for job in shared), default=0.0)
        self._lanes = lanes
        self._total = sum(len(job.cells) for job in [*jobs, *shared])
        self._done = self._failed = 0
        self._running: dict[int, str] = {}
        self._said = 0.0
        self._lock = threading.Lock()

    def remaining(self) -> float:
        """Seconds, roughly."""
        return max(self._seconds, 0.0) / self._lanes + max(self._shared, 0.0)

    def begin(self, lane: int, cell: Cell) -> None:
        """A trial has begun."""
        with self._lock:
            self._running[lane] = f"{cell.stack}: {cell.fault} ({cell.turn})"
            self._show()

    def end(self, lane: int, cell: Cell, failed: bool) -> None:
        """A trial has ended."""
        with self._lock:
            self._running.pop(lane, None)
            self._done += 1
            self._failed += failed
            if cell.fault in TOGETHER:
                self._shared -= cell.seconds / len(STACKS)
            else:
                self._seconds -= cell.seconds
            self._show()

    def note(self, text: str) -> None:
        """A line of its own."""
        with self._lock:
            sys.stderr.write(("\r\033[K" if sys.stderr.isatty() else "") + text + "\n")

    def _show(self) -> None:
        minutes, seconds = divmod(int(self.remaining()), 60)
        left = f"{minutes} min {seconds:02} s left" if minutes else f"{seconds} s left"
        failed = f", {self._failed} failed" if self._failed else ""
        line = f"{self._done}/{self._total}{failed}, {left}: {', '.join(self._running.values())}"
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\033[K{line[:150]}")
        elif time.monotonic() - self._said >= self.EVERY_SECONDS:
            self._said = time.monotonic()
            sys.stderr.write(line + "\n")
        sys.stderr.flush()


class Watchdog:
    """Ends a lab that says nothing for much longer than any trial takes, so that the others still have their turn."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._fed = threading.Event()
        self._over = False
        threading.Thread(target=self._watch, daemon=True).start()

    def feed(self) -> None:
        """It has said something."""
        self._fed.set()

    def stop(self) -> None:
        """It has ended."""
        self._over = True
        self._fed.set()

    def _watch(self) -> None:
        while self._fed.wait(SILENT_SECONDS) and not self._over:
            self._fed.clear()
        if not self._over:
            self._process.send_signal(signal.SIGKILL)


class Lanes:
    """Runs jobs, a few at once, each in a namespace that ends with it."""

    def __init__(self, store: Store, seed: int, timelines: Path | None, progress: Progress, logs: Path) -> None:
        self._store = store
        self._seed = seed
        self._timelines = timelines
        self._progress = progress
        self._logs = logs
        self._processes: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def run(self, jobs: list[Job], lanes: int) -> None:
        """Runs all jobs on so many lanes; an interrupt ends every lab before it is passed on."""
        waiting: queue.Queue[Job] = queue.Queue()
        for job in jobs:
            waiting.put(job)
        threads = [threading.Thread(target=self._lane, args=(lane, waiting), daemon=True) for lane in range(lanes)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.2)
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """Ends what runs; with its first process a namespace ends, and all in it."""
        self._stopped = True
        for process in list(self._processes):
            process.send_signal(signal.SIGKILL)
            process.wait()

    def _lane(self, lane: int, waiting: queue.Queue[Job]) -> None:
        while not self._stopped:
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            self._run(lane, job)

    def _run(self, lane: int, job: Job) -> None:
        """One job; what it did not come to is noted as failed, and the next job begins."""
        environment = {
            **os.environ,
            **job.environment,
            "PYTHONPATH": f"{REPOSITORY / 'bench'}:{REPOSITORY / 'tests'}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "LBD_LAB_REALTIME": "1",
        }
        words = [f"{cell.fault}:{cell.turn}" for cell in job.cells]
        argv = [str(REPOSITORY / "tests/lab/enter"), PYTHON, "-m", "failover.worker", job.stack, str(self._seed)]
        argv += [str(self._timelines or "-"), *words]
        missing = set(job.cells)
        with (self._logs / f"{job.stack}.log").open("a", encoding="utf-8") as log:
            with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=log, text=True, process_group=0) as process:
                self._processes.add(process)
                assert process.stdout
                watchdog = Watchdog(process)
                for line in process.stdout:
                    watchdog.feed()
                    self._take(lane, json.loads(line), missing)
                watchdog.stop()
            self._processes.discard(process)
        if not self._stopped:
            for cell in missing:
                error = f"the lab ended with {process.returncode} before this trial, see {log.name}"
                self._store.add({"stack": cell.stack, "fault": cell.fault, "round": cell.turn, "error": error})
                self._progress.note(f"{cell.stack}: {cell.fault} ({cell.turn}): {error}")
                self._progress.end(lane, cell, True)

    def _take(self, lane: int, line: dict[str, Any], missing: set[Cell]) -> None:
        """What a lab says: a trial begins, its figures, it is over."""
        cell = Cell(line["stack"], line["fault"], line["round"])
        if "begin" in line:
            self._progress.begin(lane, cell)
        elif "end" not in line:
            missing.discard(cell)
            self._store.add(line)
            if "error" in line:
                self._progress.note(f"{cell.stack}: {cell.fault} ({cell.turn}): {line['error']}")
            self._progress.end(lane, cell, "error" in line)
        elif "note" in line:
            self._progress.note(f"{cell.stack}: {line['note']}")
