"""The results as text: one table for the terminal and bench/README.md, a short one for README.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import judge
from .faults import FAULTS
from .judge import Spread
from .matrix import REPOSITORY, STACKS

BEGIN, END = "<!-- failover: begin -->", "<!-- failover: end -->"
COLUMNS = (
    ("gap", "plain_gap_ms"),
    ("gap, retrying", "retrying_gap_ms"),
    ("served after", "plain_new_after_ms"),
    ("failed", "plain_failed"),
    ("failed, retrying", "retrying_failed"),
    ("p50", "plain_p50_ms"),
    ("p99", "plain_p99_ms"),
    ("worst", "plain_worst_ms"),
    ("worst, retrying", "retrying_worst_ms"),
    ("busy lost", "busy_lost"),
    ("idle lost", "idle_lost"),
    ("idle learn after", "idle_learn_ms"),
    ("download stall", "stall_ms"),
    ("unowned", "unowned_ms"),
    ("two owners", "double_ms"),
    ("moves", "moves"),
)
Rows = dict[tuple[str, str], dict[str, Spread]]


def number(value: float) -> str:
    """Without digits that mean nothing."""
    return f"{value:.0f}" if value == int(value) or abs(value) >= 20 else f"{value:.1f}"


def cell(spread: Spread) -> str:
    """The median, and the range where there is one."""
    if number(spread.least) == number(spread.most):
        return number(spread.median)
    return f"{number(spread.median)} ({number(spread.least)}–{number(spread.most)})"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def about(head: dict[str, Any], lines: list[dict[str, Any]]) -> str:
    """Of what, when and where."""
    failed = sum("error" in line for line in lines)
    rounds = max((line["round"] for line in lines), default=0)
    return (
        f"Measured {head['began'][:10]} at {head['revision']} beside HAProxy {head['haproxy']} and Keepalived {head['keepalived']}, "
        f"Linux {head['kernel']}, {head['processors']} × {head['processor']}; seed {head['seed']}, {rounds} rounds, "
        f"{len(lines)} trials, {failed} of them could not be measured. Median (least–most), milliseconds or counts."
    )


def whole(rows: Rows) -> str:
    """Every figure of every fault and stack."""
    body = []
    for fault in FAULTS:
        for stack in STACKS:
            figures = rows.get((stack, fault.key))
            if figures:
                body.append([fault.title, stack, *(cell(figures[name]) for _, name in COLUMNS)])
    return _table(["fault", "stack", *(title for title, _ in COLUMNS)], body)


def brief(rows: Rows) -> str:
    """The gap of every stack in every fault, what it cost, and who had two owners."""
    body = []
    for fault in FAULTS:
        found = [rows.get((stack, fault.key)) for stack in STACKS]
        if not any(found):
            continue
        row = [fault.title]
        for figures in found:
            if not figures:
                row.append("–")
                continue
            failed, double = figures["plain_failed"].median, figures["double_ms"].median
            lost = figures["busy_lost"].median + figures["idle_lost"].median
            extra = [f"{number(failed)} failed"] if failed else []
            extra += [f"{number(lost)} lost"] if lost else []
            extra += [f"two owners {number(double)} ms"] if double else []
            row.append(", ".join([f"{number(figures['plain_gap_ms'].median)} ms", *extra]))
        body.append(row)
    meaning = (
        "Milliseconds: the longest time without an answer to a new connection (one is started each 5 ms); failed: of these; "
        "lost: of 400 established sessions; two owners: for how long more than one station answered ARP for the VIP."
    )
    return f"{_table(['fault', *STACKS], body)}\n\n{meaning}"


def verdict(lines: list[dict[str, Any]]) -> str:
    """Where lbd does not have the better figure."""
    found = judge.losses(lines)
    stacks = {line["stack"] for line in lines}
    if not {"lbd", "tuned"} <= stacks:
        return ""
    parts = [
        ("Where lbd has the worse figure:", found.apart),
        ("Where lbd has the worse median and the rounds of both are mixed:", found.median),
    ]
    told = [head + "\n\n" + "\n".join(f"* {loss}" for loss in list_) for head, list_ in parts if list_]
    return "\n\n".join(told) or "lbd has no worse figure than the tuned pair."


def text(head: dict[str, Any], lines: list[dict[str, Any]]) -> str:
    """For the terminal."""
    rows = judge.spreads(lines)
    table = whole(rows).splitlines()
    cells = [[part.strip() for part in line.strip("|").split("|")] for line in table if not line.startswith("|---")]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))] if cells else []
    aligned = "\n".join("  ".join(part.ljust(width) for part, width in zip(row, widths)).rstrip() for row in cells)
    return "\n".join([about(head, lines), "", aligned, "", verdict(lines)])


def replace(document: Path, content: str) -> None:
    """Puts the content between the document's markers."""
    before, _, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"{document} has no place for the results: {BEGIN} ... {END}")
    document.write_text(f"{before}{BEGIN}\n{content}\n{END}{after}", encoding="utf-8")


def publish(head: dict[str, Any], lines: list[dict[str, Any]], results: Path) -> None:
    """Draws the plots and writes both READMEs."""
    from . import plots  # pylint: disable=import-outside-toplevel # what only measures needs no matplotlib

    rows = judge.spreads(lines)
    pictures = plots.draw(rows, results)
    shown = "\n".join(f"![{title}]({{path}}{name})" for title, name in pictures)
    bench = REPOSITORY / "bench" / "README.md"
    link = results.relative_to(REPOSITORY / "bench") if results.is_relative_to(REPOSITORY / "bench") else results
    parts = [about(head, lines), shown.replace("{path}", f"{link}/"), whole(rows), verdict(lines)]
    replace(bench, "\n\n".join(part for part in parts if part))
    first = shown.splitlines()[:1]
    parts = [*(line.replace("{path}", f"bench/{link}/") for line in first), brief(rows), about(head, lines)]
    replace(REPOSITORY / "README.md", "\n\n".join(parts))
