"""`make bench-load`: measures everything and writes the tables into bench/README.md; a part is only printed."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable

from lab import netns, topology
from lab.host import Host
from lab.lb import LoadBalancer
from lab.paths import REPOSITORY, base, program
from lab.process import kill_all

from . import loads, scale, table
from .pairs import Figures, Rounds, in_turns
from .proxies import CONTENDERS, DIRECT, HAPROXY, LBD, ORIGIN, ORIGIN_PORTS, Proxies, prepare, processor, versions

NODE = "k8s-lb-1"
README = REPOSITORY / "bench" / "README.md"
RESULTS = REPOSITORY / "bench" / "results"
BEGIN, END = "<!-- load: begin -->", "<!-- load: end -->"
ROUNDS = 5
PIECES = ("keepalive", "bulk", "connect", "latency", "idle", "scale")


class Stage:
    """The hosts of a comparison: the client, one node with all proxies, the origin."""

    def __init__(self) -> None:
        base().mkdir(parents=True, exist_ok=True)
        self.directory = Path(tempfile.mkdtemp(dir=base()))
        self._names = [NODE, ORIGIN, topology.CLIENT]
        netns.create(self._names)
        prepare(NODE)
        self.node = LoadBalancer(NODE, self.directory, lambda: "")
        self.origin = Host(ORIGIN, self.directory)
        self.client = Host(topology.CLIENT, self.directory)
        ports = [str(port) for port in ORIGIN_PORTS]
        self.origin.spawn(program("bench/load/origin"), "0.0.0.0", *ports)

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._names:
            kill_all(name)
        netns.delete(self._names)


def added(rounds: Rounds) -> Rounds:
    """What each contender adds to the direct path of its round."""
    p50 = rounds["p50_us"]
    return {"p50_us": {name: [a - b for a, b in zip(p50[name], p50[DIRECT])] for name in p50 if name != DIRECT}}


def measure(stage: Stage, threads: int, options: argparse.Namespace) -> dict[str, Rounds]:
    """Every chosen load with so many threads."""
    found: dict[str, Rounds] = {}

    def turns(piece: str, names: tuple[str, ...], run: Callable[[str], Figures]) -> None:
        began = time.monotonic()
        found[piece] = in_turns(names, options.rounds, run)
        print(f"  {piece}, {threads} thread(s): {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)

    with Proxies(stage.node, threads, options.contenders) as proxies:
        if "keepalive" in options.only:
            turns("keepalive", options.contenders, lambda name: loads.keepalive(proxies, name, options.seconds))
        if "bulk" in options.only:
            turns("bulk", options.contenders, lambda name: loads.bulk(proxies, name, options.bulk))
        if "connect" in options.only:
            turns("connect", options.contenders, lambda name: loads.connect(proxies, name, options.seconds))
        if "latency" in options.only:
            turns("latency", (DIRECT, *options.contenders), lambda name: loads.latency(proxies, name, options.seconds / 2))
            found["latency"] = added(found["latency"])
        if "idle" in options.only:
            turns("idle", options.contenders, lambda name: loads.idle(proxies, name, options.sessions))
    return found


def write_table(text: str) -> None:
    """Replaces what stands between the markers."""
    before, begin, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin and end, f"{README} has no {BEGIN} ... {END}"
    README.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def heading() -> str:
    """With what and on what it was measured."""
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    found = versions()
    return (
        f"Measured {today} on {processor()}, Linux {platform.release()}: lbd against haproxy {found['haproxy']} and "
        f"nginx {found['nginx']}. Medians; a ratio is the median of the rounds' ratios."
    )


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench-load", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PIECES, default=list(PIECES), help="measure a part, write no table")
    parser.add_argument("--smoke", action="store_true", help="everything once and tiny: does it run at all?")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a load that has no end of its own")
    parser.add_argument("--bulk", type=int, default=10**9, help="bytes of one download")
    parser.add_argument("--sessions", type=int, default=loads.IDLE_SESSIONS)
    parser.add_argument("--services", type=int, default=scale.SERVICES)
    parser.add_argument("--checks", type=float, default=scale.CHECK_SECONDS, help="seconds of watching 10,000 checks")
    options = parser.parse_args()
    options.contenders = CONTENDERS
    options.whole = set(options.only) == set(PIECES) and options.rounds >= ROUNDS and not options.smoke
    if options.smoke:
        options.threads, options.rounds, options.seconds = [1], 1, 0.1
        options.bulk, options.sessions, options.services = 10**7, 200, 20
        options.checks = 0.3
        options.contenders = (LBD, HAPROXY)
    return options


def main() -> int:
    """Measures, prints, writes; 1 when the whole was measured and a bar was missed."""
    options = parse()
    if os.environ.get("LBD_LAB") != "inside":
        print("bench-load: run this with make bench-load", file=sys.stderr)
        return 2
    parts: list[str] = []
    record: dict[str, Any] = {}
    good = True
    with Stage() as stage:
        for threads in options.threads if set(options.only) != {"scale"} else []:
            record[str(threads)] = measure(stage, threads, options)
            lines, met = table.lines(threads, record[str(threads)])
            parts.append("\n".join(lines))
            good = good and met
        if "scale" in options.only:
            lines, met, record["scale"] = scale.run(stage.node, stage.origin, options.services, options.checks)
            parts.append("\n".join(lines))
            good = good and met
    text = "\n\n".join([heading(), *parts])
    print(text)
    if options.whole:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "load.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
        write_table(text)
    return 0 if good or not options.whole else 1


if __name__ == "__main__":
    sys.exit(main())
