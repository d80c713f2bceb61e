"""System calls that the sandbox refused to lbd itself: each is one that the tables in daemon/sys/syscalls.c forgot."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Iterable

LINE = re.compile(r"^(?:<4>)?(\S+) sandbox refused call=(\S+)", re.MULTILINE)


def of_log(log: Path) -> list[tuple[str, str]]:
    """Program and call of each refusal that the log names."""
    return LINE.findall(log.read_text(encoding="utf-8", errors="replace"))


def reports(directories: Iterable[Path]) -> list[str]:
    """A line for each log with a refusal in the directories."""
    logs = [log for directory in directories for log in sorted(directory.glob("*.log"))]
    found = ((log, sorted(set(of_log(log)))) for log in logs)
    return [f"{log}: the sandbox refused {calls}" for log, calls in found if calls]
