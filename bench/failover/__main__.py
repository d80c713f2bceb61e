"""`make bench-failover`: every fault on every stack, what a client felt, as a table and as pictures in the READMEs.

    python3 -m failover [--rounds N] [--stacks A,B] [--faults X,Y] [--seed N] [--resume] [--results DIRECTORY] [--no-readme]
    python3 -m failover --compare OTHER.jsonl     do the rows of lbd of two runs agree?
    python3 -m failover --show                    the table of what is there, and where lbd loses
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from pathlib import Path

from . import judge, report
from .faults import FAULTS
from .matrix import REPOSITORY, STACKS, Lanes, Progress, Store, alone, cells, head, load, together

RESULTS = REPOSITORY / "bench" / "results"
LANES = 2


def words(text: str, known: list[str]) -> list[str]:
    """A list from the command line; every word must be known."""
    found = text.split(",")
    strange = [word for word in found if word not in known]
    if strange:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(strange)}; known are {', '.join(known)}")
    return found


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench-failover", description="what faults cost the clients of a VIP")
    stacks = list(STACKS)
    faults = [fault.key for fault in FAULTS]
    parser.add_argument("--rounds", type=int, default=5, help="how often each fault is measured on each stack (5)")
    parser.add_argument("--stacks", type=lambda text: words(text, stacks), default=stacks, help=", ".join(stacks))
    parser.add_argument("--faults", type=lambda text: words(text, faults), default=faults, help="all unless named")
    parser.add_argument("--lanes", type=int, default=LANES, help=f"labs at once ({LANES})")
    parser.add_argument("--seed", type=int, help="random unless given; it is printed and kept")
    parser.add_argument("--resume", action="store_true", help="go on with the results that are there: what failed or is missing")
    parser.add_argument("--results", type=Path, default=RESULTS, help="directory of the results")
    parser.add_argument("--no-readme", action="store_true", help="leave the READMEs as they are")
    parser.add_argument("--show", action="store_true", help="measure nothing: the table of the results that are there")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="measure nothing: compare lbd's rows with another run's")
    return parser.parse_args()


def measure(arguments: argparse.Namespace, path: Path) -> None:
    """Runs what is to be run; the results are in the file afterwards."""
    if path.exists() and not arguments.resume:
        path.rename(path.with_suffix(".before.jsonl"))
    seed = arguments.seed if arguments.seed is not None else random.randrange(1 << 31)
    if path.exists():
        seed = load(path)[0]["seed"]
    store = Store(path, head(seed, arguments.rounds))
    known = store.known()
    todo = [cell for cell in cells(arguments.stacks, arguments.faults, arguments.rounds) if cell not in known]
    single, shared = alone(todo), together(todo)
    progress = Progress(single, arguments.lanes, shared)
    minutes = progress.remaining() / 60
    print(f"seed {seed}: {len(todo)} trials, about {minutes:.0f} min; results in {path}", flush=True)
    lanes = Lanes(store, seed, path.parent / "timeline", progress, path.parent)
    began = time.monotonic()
    lanes.run(single, arguments.lanes)
    lanes.run(shared, len(shared))
    print(f"\nmeasured in {(time.monotonic() - began) / 60:.1f} min", flush=True)


def main() -> int:
    """0: measured (or shown); 1: a trial failed, or two runs do not agree; 130: interrupted."""
    arguments = parse()
    path = arguments.results / "failover.jsonl"
    if arguments.compare:
        return judge.compare(load(path)[1], load(arguments.compare)[1])
    if not arguments.show:
        try:
            # Where it was started in the background, the shell has it ignore the interrupt.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            measure(arguments, path)
        except KeyboardInterrupt:
            print("\ninterrupted; what was measured is kept, --resume goes on", file=sys.stderr)
            return 130
    about, lines = load(path)
    print(report.text(about, lines))
    if not arguments.show and not arguments.no_readme:
        report.publish(about, lines, arguments.results)
    failed = [line for line in lines if "error" in line]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
