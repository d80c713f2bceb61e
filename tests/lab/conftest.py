"""Lets tests say `from lab import ...` and refuses to run outside of a namespace."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def pytest_configure() -> None:
    """The lab must not touch the machine's own network."""
    if os.environ.get("LBD_LAB") != "inside":
        raise pytest.UsageError("run this with tests/lab/enter /usr/bin/python3 -m pytest ...")
