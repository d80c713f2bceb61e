"""What was measured as a table, beside the bars."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field

from .pairs import Rounds, median, ratio
from .proxies import CONTENDERS, HAPROXY, LBD, SPLICE

AT_MOST, AT_LEAST = "≤", "≥"
_HOLDS = {AT_MOST: operator.le, AT_LEAST: operator.ge}


@dataclass(frozen=True)
class Bar:
    """lbd's figure against another contender's, round by round; without one, lbd's figure itself."""

    sign: str
    bound: float
    against: str | None = HAPROXY

    def judge(self, rounds: dict[str, list[float]]) -> tuple[str, bool]:
        """What is to be said, and whether it holds."""
        value = ratio(rounds, LBD, self.against) if self.against else median(rounds[LBD])
        good = bool(_HOLDS[self.sign](value, self.bound))
        shown, unit = (f"{value:.2f} ×", f" × {self.against}") if self.against else (number(value), "")
        return f"{shown} ({self.sign} {self.bound:g}{unit}{', met' if good else ', missed'})", good


@dataclass(frozen=True)
class Row:
    """A figure of a load and what is asked of it."""

    load: str
    figure: str
    title: str
    bars: tuple[Bar, ...] = field(default_factory=tuple)


ROWS = (
    Row("keepalive", "cpu_us", "CPU per request of 1 kB, 64 connections, µs", (Bar(AT_MOST, 0.95),)),
    Row("keepalive", "per_second", "requests/s at that load", (Bar(AT_LEAST, 1.0),)),
    Row("keepalive", "p99_us", "p99 at that load, µs", (Bar(AT_MOST, 1.0),)),
    Row("bulk", "gb_per_second", "4 downloads of 1 GB: GB/s", (Bar(AT_LEAST, 2.2), Bar(AT_LEAST, 1.0, SPLICE))),
    Row("bulk", "cpu_per_gb", "CPU per GB of these, s", (Bar(AT_MOST, 0.45), Bar(AT_MOST, 1.0, SPLICE))),
    Row("connect", "per_second", "new connections/s (connect, request, close)", (Bar(AT_LEAST, 1.05),)),
    Row("connect", "cpu_us", "CPU per connection, µs", (Bar(AT_MOST, 0.95),)),
    Row("idle", "bytes", "memory per idle session, bytes", (Bar(AT_MOST, 700, None),)),
    Row("latency", "p50_us", "p50 added to the direct path, µs", (Bar(AT_MOST, 1.0),)),
)


def number(value: float) -> str:
    """Three digits that mean something."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def lines(threads: int, measured: dict[str, Rounds]) -> tuple[list[str], bool]:
    """A table of all rows that were measured with so many threads; whether every bar was met."""
    found = [f"| {threads} thread{'s' if threads > 1 else ''} | " + " | ".join(CONTENDERS) + " | lbd beside them (bar) |"]
    found.append("|---|" + "---:|" * len(CONTENDERS) + "---|")
    all_good = True
    for row in ROWS:
        rounds = measured.get(row.load, {}).get(row.figure)
        if rounds is None:
            continue
        values = " | ".join(number(median(rounds[name])) if name in rounds else "" for name in CONTENDERS)
        verdicts = [bar.judge(rounds) for bar in row.bars if bar.against is None or bar.against in rounds]
        all_good = all_good and all(good for _, good in verdicts)
        found.append(f"| {row.title} | {values} | {'; '.join(text for text, _ in verdicts)} |")
    return found, all_good
