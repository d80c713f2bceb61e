"""Records whose figures are known: what the harness computes from them must be that. Part of the short form."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

from .figures import Connect, Records, Window, figures
from .judge import compare, losses, violations

HIT, SERVED, END = 100.0, 100.3, 102.0
ONE, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"


def _client() -> str:
    """Answers in 1 ms but for 300 ms from the fault on; of three idle sessions one learns, one never, one lives."""
    lines = []
    for tick in range(0, 600):
        start = HIT - 1.0 + tick * 0.005
        away = HIT <= start < SERVED
        for letter in "kr":
            if not away:
                lines.append(f"connect {letter} {start:.6f} {start:.6f} {start + 0.001:.6f} ok 0 k8s-worker-1")
            elif letter == "r":
                lines.append(f"connect r {start:.6f} {SERVED:.6f} {SERVED + 0.001:.6f} ok 3 k8s-worker-1")
            else:
                lines.append(f"connect k {start:.6f} 0.000000 {start + 0.001:.6f} refused 0 -")
    lines += [f"idle lost {HIT + 0.1:.6f} reset 1 0.001 90.0", f"idle unaware {END:.6f} - 1 0.001 90.0", f"idle alive {END:.6f} - 2 0.001 90.0"]
    lines += [f"busy lost {HIT + 0.35:.6f} reset 50 0.002 90.0", f"busy alive {END:.6f} - 90 0.310 {HIT:.6f}"]
    return "\n".join([*lines, f"stream 123456 1 0.320000 {HIT:.6f}", f"ended {END:.6f}", ""])


def _owner() -> str:
    """One owner; nobody for 200 ms; both for 50 ms; then the other one."""
    changes = [(HIT - 2, ONE), (HIT + 0.05, "-"), (HIT + 0.25, f"{ONE},{OTHER}"), (HIT + 0.3, OTHER)]
    lines = [f"owners {when:.6f} {stations}" for when, stations in changes]
    return "\n".join([*lines, f"announce {HIT + 0.25:.6f} {OTHER}", f"ended {END + 1:.6f}", ""])


WANTED = {
    "plain_gap_ms": 305,
    "plain_new_after_ms": 301,
    "plain_failed": 60,
    "retrying_gap_ms": 305,
    "retrying_failed": 0,
    "retrying_retries": 180,
    "retrying_worst_ms": 301,
    "busy_lost": 1,
    "idle_lost": 2,
    "idle_unaware": 1,
    "idle_learn_worst_ms": 2000,
    "unowned_ms": 200,
    "double_ms": 50,
    "moves": 1,
    "stall_ms": 320,
}


def _line(stack: str, turn: int, found: dict[str, Any], **other: float) -> dict[str, Any]:
    return {"stack": stack, "fault": "power-off", "round": turn, **found, **other}


def problems(directory: Path) -> list[str]:
    """What the harness computes or concludes wrongly."""
    client, owner = directory / "known-client.records", directory / "known-owner.records"
    client.write_text(_client(), encoding="ascii")
    owner.write_text(_owner(), encoding="ascii")
    records = Records(client, owner)
    found = figures(records, Window(HIT, HIT, END))
    wrong = [f"{name} is {found[name]}, wanted {value}" for name, value in WANTED.items() if abs(found[name] - value) > 1.5]
    # Servers that were back only 250 ms after the fault: what was missing before is not the balancer's.
    late = figures(records, Window(HIT, HIT + 0.25, END))["plain_gap_ms"]
    if abs(late - 51) > 1.5:
        wrong.append(f"the gap after a return is {late}, wanted 51")
    # Begun while the fault was being made, answered never: as one that was under way, no wait; begun later, one.
    records.connects["retrying"].append(Connect(HIT + 0.004, HIT + 1.9, "timeout", 0))
    for struck, wanted in ((HIT + 0.01, 301), (HIT, 1896)):
        worst = figures(records, Window(HIT, HIT, END, struck))["retrying_worst_ms"]
        if abs(worst - wanted) > 1.5:
            wrong.append(f"the longest wait is {worst}, wanted {wanted}")
    # Who tries again until the servers are back has waited for the balancer only from then on.
    worst = figures(records, Window(HIT, HIT + 1.0, END))["retrying_worst_ms"]
    if abs(worst - 900) > 1.5:
        wrong.append(f"the longest wait after a return is {worst}, wanted 900")
    if not any("two owners" in text for text in violations(_line("lbd", 1, found))):
        wrong.append("two owners are not a violation")
    alike = [_line("lbd", turn, found) for turn in (1, 2)]
    slower = [_line("lbd", turn, found, plain_gap_ms=900.0) for turn in (1, 2)]
    shared, other = ([{**line, "fault": "busy-processor"} for line in lines] for lines in (alike, slower))
    beside = [{**line, "stack": "tuned"} for line in shared]
    with contextlib.redirect_stdout(io.StringIO()):
        if compare(alike, alike) != 0 or compare(alike, slower) != 1:
            wrong.append("two runs are compared wrongly")
        if compare(shared, other) != 1 or compare([*alike, *shared, *beside], [*alike, *other]) != 0:
            wrong.append("two runs of which one had the machine to itself are compared wrongly")
    tuned = [_line("tuned", turn, found) for turn in (1, 2)]
    mixed = [_line("lbd", 1, found), *(_line("lbd", turn, found, plain_gap_ms=900.0) for turn in (2, 3))]
    one_owner = [_line("lbd", turn, found, double_ms=0.0) for turn in (1, 2)]
    wanted = ((one_owner, 0, 0), ([{**line, "plain_gap_ms": 900.0} for line in one_owner], 1, 0), (alike, 1, 0), (mixed, 1, 1))
    for lines, apart, median in wanted:
        seen = losses([*lines, *tuned])
        if (len(seen.apart), len(seen.median)) != (apart, median):
            wrong.append(f"losses against the tuned pair are found wrongly: {seen}, wanted {apart} and {median}")
    return wrong
