"""Waiting for conditions with a deadline; the only place in the lab where time passes idly."""

from __future__ import annotations

import os
import select
import time
from typing import Callable, TypeVar

T = TypeVar("T")

STEP = 0.01
# Instrumented programs get that much more time.
SLOWER = float(os.environ.get("LBD_SLOW", "1"))


class NotYet(AssertionError):
    """A condition did not come true before its deadline."""


def eventually(condition: Callable[[], T], within: float = 5.0, what: str = "") -> T:
    """Returns the first truthy value of `condition`; an OSError or AssertionError from it counts as not yet."""
    within *= SLOWER
    deadline = time.monotonic() + within
    while True:
        try:
            last: object = condition()
            if last:
                return last  # type: ignore[return-value]
        except (OSError, AssertionError) as error:
            last = error
        if time.monotonic() >= deadline:
            raise NotYet(f"not within {within} s: {what or _name(condition)}; last seen: {last!r}")
        select.select([], [], [], STEP)


def holds(condition: Callable[[], object], during: float, what: str = "") -> None:
    """Fails as soon as `condition` is not truthy at some look during the time."""
    deadline = time.monotonic() + during
    while time.monotonic() < deadline:
        last = condition()
        assert last, f"did not hold for {during} s: {what or _name(condition)}; seen: {last!r}"
        select.select([], [], [], STEP)


def _name(condition: Callable[[], object]) -> str:
    code = getattr(condition, "__code__", None)
    return f"condition at {code.co_filename}:{code.co_firstlineno}" if code else repr(condition)
