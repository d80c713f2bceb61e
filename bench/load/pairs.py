"""Runs contenders in turns and compares what they did round by round, so that a slow moment of the machine hits all."""

from __future__ import annotations

import statistics
from typing import Callable, Iterable

Figures = dict[str, float]
# figure -> contender -> one value a round
Rounds = dict[str, dict[str, list[float]]]


def in_turns(names: Iterable[str], rounds: int, run: Callable[[str], Figures]) -> Rounds:
    """Each round runs every contender once; the order is turned from round to round."""
    names = list(names)
    found: Rounds = {}
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            for figure, value in run(name).items():
                found.setdefault(figure, {}).setdefault(name, []).append(value)
    return found


def median(values: Iterable[float]) -> float:
    """The middle one."""
    return statistics.median(list(values))


def ratio(rounds: dict[str, list[float]], of: str, to: str) -> float:
    """The median of the ratios of each round."""
    return median(a / b if b else float("inf") for a, b in zip(rounds[of], rounds[to], strict=True))
