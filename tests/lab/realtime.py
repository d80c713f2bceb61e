"""Realtime priority for chosen processes of the lab, as systemd gives it to lbd in production.

Inside the lab's user namespace nobody may ask for it, but a process that has it passes it on to its children. So
`LBD_LAB_REALTIME=1 tests/lab/enter` starts everything with it where the caller may; here it is taken from everything
again but from one thread, which starts the processes that shall have it.
"""

from __future__ import annotations

import concurrent.futures
import os
from typing import Callable, TypeVar

T = TypeVar("T")


def _hold() -> concurrent.futures.ThreadPoolExecutor | None:
    if os.environ.get("LBD_LAB") != "inside" or os.sched_getscheduler(0) != os.SCHED_RR:
        return None
    holder = concurrent.futures.ThreadPoolExecutor(1)
    holder.submit(os.getpid).result()  # the thread begins with the priority of this one
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return holder


_HOLDER = _hold()


def available() -> bool:
    """Whether processes can be started with it."""
    return _HOLDER is not None


def start(starter: Callable[[], T]) -> T:
    """Calls `starter`; what it forks has realtime priority."""
    assert _HOLDER, "realtime priority cannot be had here"
    return _HOLDER.submit(starter).result()
