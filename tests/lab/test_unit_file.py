"""The unit file as systemd reads it: no mistakes, and no more privileges than were agreed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lab.paths import REPOSITORY

UNIT = REPOSITORY / "systemd" / "lbd.service"
EXPOSURE = 2.0  # of 10; the units of HAProxy, Keepalived and nginx have 9.6


def analyze(*arguments: str | Path) -> str:
    """Both streams of systemd-analyze."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("this machine has no systemd-analyze")
    argv = ["systemd-analyze", *map(str, arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def test_exposure() -> None:
    """What a compromised lbd could reach, as systemd counts it."""
    told = analyze("security", "--offline=true", UNIT)
    found = re.search(r"Overall exposure level for lbd.service: ([\d.]+)", told)
    assert found, told
    assert float(found[1]) <= EXPOSURE, told


def test_three_capabilities() -> None:
    """Neither the account nor the bounding set leaves a way to more."""
    settings = dict(line.split("=", 1) for line in UNIT.read_text(encoding="utf-8").splitlines() if re.match(r"\w+=", line))
    assert settings["User"] == "lbd"
    wanted = {"CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_NET_BIND_SERVICE"}
    assert set(settings["AmbientCapabilities"].split()) == set(settings["CapabilityBoundingSet"].split()) == wanted
