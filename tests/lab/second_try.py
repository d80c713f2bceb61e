"""A pytest plugin: a scenario that fails is tried once more, and what then passes is named at the end.

Scenarios measure milliseconds on machines that do other things as well; a defect fails twice. LBD_STRICT=1 turns it off.
Load with `-p lab.second_try`, or by `pytest_plugins` in a conftest.
"""

from __future__ import annotations

import os

import pytest
from _pytest.runner import runtestprotocol

_unsteady: list[str] = []


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Runs the test, and once more where it failed; only the last run is reported."""
    if os.environ.get("LBD_STRICT"):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    if any(report.failed for report in reports):
        first = next(report for report in reports if report.failed)
        item._initrequest()  # type: ignore[attr-defined] # fixtures anew, as at the first run
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if not any(report.failed for report in reports):
            reason = str(first.longrepr).strip().splitlines()
            cause = next((line for line in reversed(reason) if line.startswith("E ")), reason[-1])
            _unsteady.append(f"{item.nodeid}: {cause.removeprefix('E ').strip()}")
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names what passed only at the second try."""
    for line in _unsteady:
        terminalreporter.write_line(f"unsteady: {line}")
