"""Measured values: each is compared with its bar at once and, for the table in README.md, kept as a line of JSON.

The lines go to the file that $LBD_MEASURED names; without it a value is only judged.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Iterator

import pytest

from lab import sanitizer


# Instrumented programs get that much more time.
SLOWER = float(os.environ.get("LBD_SLOW", "1"))


class Measured:
    """Takes the measured values of one test."""

    def __init__(self, test: str) -> None:
        self._test = test

    def __call__(
        self,
        name: str,
        value: float,
        unit: str,
        at_most: float | None = None,
        at_least: float | None = None,
        exactly: float | None = None,
    ) -> None:
        """Notes `name` (it begins with the fault's id) and fails where the value misses its bar.

        Without a bar the value is only shown.
        """
        if at_most is not None and unit == "ms":
            at_most *= SLOWER
        # A sanitizer keeps what was freed and remembers who allocated it.
        if "memory" in name and sanitizer.active():
            at_most = exactly = None
        bars = [(sign, bar) for sign, bar in (("<=", at_most), (">=", at_least), ("=", exactly)) if bar is not None]
        line: dict[str, Any] = {
            "name": name,
            "value": value,
            "unit": unit,
            "bar": " and ".join(f"{sign} {bar:g}" for sign, bar in bars),
            "test": self._test,
        }
        if os.environ.get("LBD_MEASURED"):
            with Path(os.environ["LBD_MEASURED"]).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        holds = {"<=": lambda bar: value <= bar, ">=": lambda bar: value >= bar, "=": lambda bar: value == bar}
        missed = [f"{sign} {bar:g}" for sign, bar in bars if not holds[sign](bar)]
        assert not missed, f"{name}: {value:g} {unit}, wanted {' and '.join(missed)}"


@pytest.fixture(name="measured")
def measured_values(request: pytest.FixtureRequest) -> Iterator[Measured]:
    """Where a test tells what it measured."""
    yield Measured(f"{request.node.path.name}::{request.node.name}")
