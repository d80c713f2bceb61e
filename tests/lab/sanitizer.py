"""Programs built with sanitizers: ended in order, so that leaks are looked for, and what was found in their logs."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Iterable

if TYPE_CHECKING:
    from .lb import LoadBalancer

REPORT = re.compile(r"ERROR: AddressSanitizer|LeakSanitizer|WARNING: ThreadSanitizer|runtime error: ")
END_TIMEOUT = 30.0
LINES = 60


def active() -> bool:
    """Whether the programs under test were built with one; `make asan` and `make tsan` say so."""
    return bool(os.environ.get("LBD_SANITIZE"))


def report(text: str) -> str:
    """What follows the first report in the text; empty if there is none."""
    found = REPORT.search(text)
    return "\n".join(text[found.start() :].splitlines()[:LINES]) if found else ""


def end_in_order(balancers: Iterable[LoadBalancer]) -> list[str]:
    """Ends every lbd that still runs, and tells of those that did not."""
    late = []
    for balancer in balancers:
        process = balancer.process
        if process is None or not process.alive:
            continue
        balancer.signal_all(signal.SIGCONT)
        try:
            process.terminate(END_TIMEOUT)
        except AssertionError as error:
            late.append(f"{balancer.name}: {error}")
    return late


def reports(directories: Iterable[Path]) -> list[str]:
    """The first report of each log in the directories."""
    logs = [log for directory in directories for log in sorted(directory.glob("*.log"))]
    texts = ((log, report(log.read_text(encoding="utf-8", errors="replace"))) for log in logs)
    return [f"{log}: {text}" for log, text in texts if text]
