"""Fixtures of the scenarios: a fresh cluster for each test, and the nodes' logs where one fails.

Run with `tests/lab/enter /usr/bin/python3 -m pytest tests/scenario`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Iterator

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import Lab  # noqa: E402 # the path above comes first
from lab import systemd  # noqa: E402

from record import measured_values  # noqa: E402,F401 # a fixture for all files

pytest_plugins = ["lab.second_try"]

LOG_LINES = 60


def pytest_configure(config: pytest.Config) -> None:
    """The lab must not touch the machine's own network."""
    config.addinivalue_line("markers", "patient: measures no milliseconds and leaves the processor alone; may run beside others")
    config.addinivalue_line("markers", "alone: takes the whole processor, or needs it; nothing runs beside")
    config.addinivalue_line("markers", "systemd: boots machines with a systemd of their own, which needs root")
    if os.environ.get("LBD_LAB") != "inside":
        raise pytest.UsageError("run this with tests/lab/enter /usr/bin/python3 -m pytest ...")


@pytest.fixture(name="lab")
def fresh_lab() -> Iterator[Lab]:
    """Two load balancers without lbd running, all servers up; for a test that breaks things."""
    with Lab() as lab:
        yield lab


@pytest.fixture(name="lab3")
def fresh_lab_of_three() -> Iterator[Lab]:
    """The same with three load balancers."""
    with Lab(balancers=3) as lab:
        yield lab


@pytest.fixture(name="shared_lab", scope="module")
def lab_of_module() -> Iterator[Lab]:
    """One cluster with lbd running on both nodes for all tests of a file; for tests that leave it as it was."""
    with Lab() as lab:
        lab.start()
        yield lab


@pytest.fixture(name="machines", scope="module")
def booted_machines() -> Iterator[systemd.SystemdLab]:
    """Both load balancers under a systemd of their own, lbd enabled; one boot for all tests of a file."""
    reason = systemd.missing()
    if reason:
        pytest.skip(reason)
    with systemd.SystemdLab() as lab:
        yield lab


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Adds the tails of the nodes' logs to the report of a failure."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if not report.failed:
        return
    for name in ("lab", "lab3", "shared_lab", "machines"):
        lab = getattr(item, "funcargs", {}).get(name)
        if lab is not None:
            report.sections.append((f"logs of {name}", lab.logs(LOG_LINES)))
