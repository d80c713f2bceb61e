"""The pictures: the gap by fault and stack, and the course of one failover."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402 # a backend without a screen comes first

from lab.topology import host_of_mac  # noqa: E402

from .faults import FAULTS  # noqa: E402
from .figures import Records, Window, gap  # noqa: E402
from .judge import Spread  # noqa: E402
from .matrix import STACKS  # noqa: E402

COLOURS = {"lbd": "#1769aa", "lbd-fast": "#6db3e8", "guide": "#c0392b", "tuned": "#e59866"}
LEAST_MS = 5.0  # connections start each 5 ms: what is less cannot be seen
BEFORE, AFTER = 0.25, 0.45


def gaps(rows: dict[tuple[str, str], dict[str, Spread]], path: Path) -> None:
    """A bar a stack for each fault, from least to most a line over it; logarithmic, since they differ by a thousand."""
    faults = [fault for fault in FAULTS if any((stack, fault.key) in rows for stack in STACKS)]
    figure, axes = pyplot.subplots(figsize=(9, 0.42 * len(faults) + 1.4))
    height = 0.8 / len(STACKS)
    for place, stack in enumerate(STACKS):
        for at, fault in enumerate(faults):
            found = rows.get((stack, fault.key))
            if not found:
                continue
            spread = found["plain_gap_ms"]
            values = [max(value, LEAST_MS) for value in spread]
            y = at + (place - (len(STACKS) - 1) / 2) * height
            axes.barh(y, values[0], height, color=COLOURS[stack], label=stack if at == 0 else None)
            axes.plot(values[1:], [y, y], color="black", linewidth=0.8)
    axes.set_yticks(range(len(faults)), [fault.title for fault in faults])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(left=LEAST_MS)
    axes.set_xlabel("longest time without an answer to a new connection, ms (median; line: least to most)")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="upper right")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def timeline(directory: Path, path: Path, title: str) -> None:
    """Adverts, ownership and requests around the moment at which the owner lost power."""
    moment, owner = (directory / "hit").read_text(encoding="ascii").split()
    hit = float(moment)
    records = Records(directory / "client.records", directory / "owner.records")
    adverts = [line.split()[1:] for line in (directory / "adverts.records").read_text(encoding="ascii").splitlines() if line]
    last = max(c.end for c in records.connects["plain"])
    after = gap(records.connects["plain"], Window(hit, hit, last))[1] - hit + AFTER
    hosts = sorted({host for _, host, _ in adverts} | {owner})

    def ms(instant: float) -> float:
        return (instant - hit) * 1000

    figure, (upper, lower) = pyplot.subplots(2, 1, figsize=(9, 4.6), sharex=True, height_ratios=(1, 1.4))
    for row, host in enumerate(hosts):
        times = [ms(float(when)) for when, name, _ in adverts if name == host]
        upper.scatter(times, [row + 0.2] * len(times), marker="|", s=90, color="black", label="advert" if row == 0 else None)
        told = [ms(when) for when, mac in records.announcements if host_of_mac(mac) == host]
        upper.scatter(told, [row + 0.2] * len(told), marker="v", s=22, color="#c0392b", label="announcement" if row == 0 else None)
        for (since, stations), (until, _) in zip(records.owners, [*records.owners[1:], (hit + after, ())]):
            if host in map(host_of_mac, stations):
                upper.barh(row - 0.15, ms(until) - ms(since), 0.25, ms(since), color=COLOURS["lbd"])
    upper.set_yticks(range(len(hosts)), hosts)
    upper.set_ylim(-0.6, len(hosts) - 0.3)
    upper.set_title(f"{title}: {owner} loses power at 0; bars: who answers ARP for the VIP", fontsize=10)
    upper.legend(loc="upper left", fontsize=8)
    for kind, colour in (("plain", "#444444"), ("retrying", "#1769aa")):
        shown = [c for c in records.connects[kind] if -BEFORE <= c.start - hit <= after]
        ok = [c for c in shown if c.outcome == "ok"]
        bad = [c for c in shown if c.outcome != "ok"]
        lower.scatter([ms(c.start) for c in ok], [c.ms for c in ok], s=7, color=colour, label=f"{kind}: answered")
        if bad:
            lower.scatter([ms(c.start) for c in bad], [c.ms for c in bad], s=16, marker="x", color="#c0392b", label=f"{kind}: failed")
    lower.set_yscale("log")
    lower.set_ylabel("ms until the answer")
    lower.set_xlabel("a new connection was started, ms after the fault")
    lower.set_xlim(-BEFORE * 1000, after * 1000)
    lower.grid(alpha=0.3)
    lower.legend(loc="upper right", fontsize=8)
    for axes in (upper, lower):
        axes.axvline(0, color="#c0392b", linewidth=0.8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def draw(rows: dict[tuple[str, str], dict[str, Spread]], results: Path) -> list[tuple[str, str]]:
    """Draws what there are results for; returns title and file name of each picture."""
    pictures: list[tuple[str, str]] = []
    gaps(rows, results / "failover-gap.png")
    pictures.append(("The gap by fault and stack", "failover-gap.png"))
    for stack in STACKS:
        directory = results / "timeline" / f"{stack}-power-off"
        if (directory / "hit").exists():
            name = f"failover-timeline-{stack}.png"
            timeline(directory, results / name, stack)
            pictures.append((f"The course of a failover of {stack}", name))
    return pictures
