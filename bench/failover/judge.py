"""What the figures must show: lbd never worse than the tuned pair, far better than the guide's, and itself twice alike."""

from __future__ import annotations

from statistics import median
from typing import Any, Iterable, NamedTuple

from .faults import BY_KEY, FAULTS, TOGETHER



class Figure(NamedTuple):
    """What is compared: `steps` is what the ruler can tell apart, `noise` what two runs of one stack differ by at most.

    Connections start each 5 ms, ownership is asked for each 10 ms, a download has a piece each 5 ms, servers do not get
    exactly equal shares of the sessions; between two runs the machine has other work to do.
    """

    title: str
    steps: float
    noise: float


# The figures of which less is better and lbd must not have more than the tuned pair.
BETTER = {
    "plain_gap_ms": Figure("longest gap", 5.0, 25.0),
    "retrying_gap_ms": Figure("longest gap, retrying", 5.0, 25.0),
    "plain_worst_ms": Figure("longest wait", 5.0, 60.0),
    "retrying_worst_ms": Figure("longest wait, retrying", 5.0, 60.0),
    "plain_failed": Figure("failed", 0.5, 0.5),
    "retrying_failed": Figure("failed, retrying", 0.5, 0.5),
    "busy_lost": Figure("busy sessions lost", 15.0, 15.0),
    "idle_lost": Figure("idle sessions lost", 15.0, 15.0),
    "idle_learn_ms": Figure("idle learn after", 5.0, 60.0),
    "stall_ms": Figure("download stalls", 5.0, 60.0),
    "unowned_ms": Figure("unowned", 10.0, 25.0),
    "double_ms": Figure("doubly owned", 10.0, 0.0),
}
# Where lbd must be ten times better than the guide, and by which figure.
TENTH = {"power-off": "plain_gap_ms", "proxy-killed": "plain_gap_ms", "proxy-stopped": "plain_gap_ms", "server-off": "plain_worst_ms"}


class Spread(NamedTuple):
    """Median, least and most of one figure over the rounds."""

    median: float
    least: float
    most: float


def spreads(lines: Iterable[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Spread]]:
    """For each stack and fault every figure's spread."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in lines:
        if "error" not in line:
            groups.setdefault((line["stack"], line["fault"]), []).append(line)
    found = {}
    for key, same in groups.items():
        names = [name for name, value in same[0].items() if isinstance(value, (int, float)) and name not in ("round", "phase")]
        found[key] = {name: Spread(median(v := [line[name] for line in same]), min(v), max(v)) for name in names}
    return found


class Losses(NamedTuple):
    """Where a stack is worse than the tuned pair, or not ten times better than the guide where it must be.

    `apart`: each round of the one was worse than each of the other, by more than the ruler's step. `median`: only the
    median was; the rounds of the two are mixed.
    """

    apart: list[str]
    median: list[str]


def _beside_tuned(title: str, mine: dict[str, Spread], tuned: dict[str, Spread], out: Losses) -> None:
    double, failed = tuned["double_ms"].median, tuned["plain_failed"].median
    but = f", which has two owners for {double:g} ms" if double > mine["double_ms"].median else ""
    but += f", which fails {failed:g} connections" if failed > mine["plain_failed"].median else ""
    for name, figure in BETTER.items():
        a, b = mine[name], tuned[name]
        if a.median <= b.median + figure.steps:
            continue
        both = "" if a.least == a.most and b.least == b.most else f" ({a.least:g} to {a.most:g}, and {b.least:g} to {b.most:g})"
        where = out.apart if a.least > b.most + figure.steps else out.median
        where.append(f"{title}: {figure.title} {a.median:g}, tuned {b.median:g}{both}{but}")
    # Where the pair has two owners there is to be one, not fewer milliseconds of two.
    if double > 0 and 0 < mine["double_ms"].median <= double + BETTER["double_ms"].steps:
        out.apart.append(f"{title}: doubly owned {mine['double_ms'].median:g} and not 0, tuned {double:g}")


def losses(lines: list[dict[str, Any]], stack: str = "lbd") -> Losses:
    """Of that stack."""
    found = spreads(lines)
    out = Losses([], [])
    for fault in FAULTS:
        mine, tuned, guide = (found.get((name, fault.key)) for name in (stack, "tuned", "guide"))
        if mine and tuned:
            _beside_tuned(fault.title, mine, tuned, out)
        if mine and guide and fault.key in TENTH:
            name = TENTH[fault.key]
            if mine[name].median > guide[name].median / 10:
                title = BETTER[name].title
                out.apart.append(f"{fault.title}: {title} {mine[name].median:g} is more than a tenth of the guide's {guide[name].median:g}")
    return out


def _beside(found: dict[tuple[str, str], dict[str, Spread]], fault: str) -> set[str]:
    """The stacks that the fault was measured of."""
    return {stack for stack, key in found if key == fault}


def compare(ones: list[dict[str, Any]], others: list[dict[str, Any]], stack: str = "lbd") -> int:
    """Prints where the rows of one stack of two runs do not overlap; 1 if anywhere."""
    first, second = spreads(ones), spreads(others)
    apart = checked = 0
    for key in sorted(set(first) & set(second)):
        if key[0] != stack:
            continue
        if key[1] in TOGETHER and _beside(first, key[1]) != _beside(second, key[1]):
            print(f"{BY_KEY[key[1]].title}: not compared, as the stacks that shared the machine were others")
            continue
        for name, figure in BETTER.items():
            a, b = first[key][name], second[key][name]
            checked += 1
            if a.least > b.most + figure.noise or b.least > a.most + figure.noise:
                apart += 1
                print(f"{BY_KEY[key[1]].title}: {figure.title}: {a.least:g} to {a.most:g}, then {b.least:g} to {b.most:g}")
    print(f"{checked} rows of {stack} compared, {apart} do not agree within least and most")
    return 1 if apart or not checked else 0


# What must hold for lbd by itself: fault, figure, bar; and what a violation means. The short form and the planted faults
# are judged by these.
GAP_BARS = {
    "none": 100,
    "power-off": 450,
    "power-off-carrier": 450,
    "clean-stop": 450,
    "planned-switch": 450,
    "election-killed": 450,
    "election-stopped": 450,
    "proxy-killed": 250,
    "everything-killed": 450,
    "server-killed": 100,
    "server-off": 100,
    "short-stop": 100,
}
UNDISTURBED = ("none", "short-stop", "server-killed", "server-off")
RETRANSMISSION_MS = 900


def violations(line: dict[str, Any]) -> list[str]:
    """What a trial of lbd shows that must not be."""
    key = line["fault"]
    if "error" in line:
        return [f"could not be measured: {line['error']}"]
    found = []
    if key in GAP_BARS and line["plain_gap_ms"] > GAP_BARS[key]:
        found.append(f"no answer for {line['plain_gap_ms']:g} ms, at most {GAP_BARS[key]} may be")
    if key not in ("partition", "one-way") and line["double_ms"] > 0:
        found.append(f"two owners for {line['double_ms']:g} ms")
    if key in UNDISTURBED:
        if line["plain_failed"] > line["plain_under_way"]:
            found.append(f"failed connections: {line['plain_failures']}")
        if line["plain_worst_ms"] > RETRANSMISSION_MS:
            found.append(f"a connection took {line['plain_worst_ms']:g} ms: its first packet was lost")
        if line["moves"]:
            found.append("the VIP moved")
    return found
