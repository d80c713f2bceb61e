"""Inside a namespace: one stack through a list of trials, a line of JSON for each as soon as it is known."""

from __future__ import annotations

import json
import sys
import time
import traceback
from pathlib import Path
from random import Random
from typing import Any

from .faults import BY_KEY
from .stack import Stack
from .stack_haproxy import Guide, Tuned
from .stack_lbd import AnnouncesLate, DropsConnects, KeepsVip, Lbd, LbdFast
from .trial import Bench, logs

STACKS: dict[str, type[Stack]] = {kind.name: kind for kind in (Lbd, LbdFast, Guide, Tuned, KeepsVip, DropsConnects, AnnouncesLate)}

GOLDEN = (5**0.5 - 1) / 2


def say(line: dict[str, Any]) -> None:
    """One line to whoever started this."""
    print(json.dumps(line), flush=True)


def phase(seed: int, key: str, turn: int) -> float:
    """Where between two adverts the fault hits: the same for every stack, evenly spread over the rounds."""
    return (Random(f"{seed}/{key}").random() + turn * GOLDEN) % 1.0


def trial(bench: Bench, name: str, key: str, turn: int, seed: int, timeline: Path | None) -> None:
    """Runs one trial, tells its figures or why there are none, and restores the state before."""
    what = {"stack": name, "fault": key, "round": turn}
    say({"begin": True, **what})
    began = time.monotonic()
    when = phase(seed, key, turn)
    try:
        say({**what, "phase": round(when, 3), **bench.run(BY_KEY[key], when, timeline)})
    except Exception as error:  # pylint: disable=broad-exception-caught # whatever it was, the next trial may succeed
        say({**what, "phase": round(when, 3), "error": f"{type(error).__name__}: {error}"[:600]})
        traceback.print_exc()
        print(logs(bench.lab.lbs), file=sys.stderr)
    note = bench.recover(BY_KEY[key])
    say({"end": True, **what, "seconds": round(time.monotonic() - began, 1), **({"note": note[:300]} if note else {})})


def main(arguments: list[str]) -> int:
    """STACK SEED TIMELINE-DIRECTORY|- FAULT:ROUND ..."""
    name, seed, timeline, *cells = arguments
    bench: Bench | None = None
    try:
        for cell in cells:
            key, _, turn = cell.partition(":")
            kept = Path(timeline) / f"{name}-{key}" if timeline != "-" and turn == "1" and key == "power-off" else None
            bench = bench or Bench(STACKS[name])
            try:
                trial(bench, name, key, int(turn), int(seed), kept)
            except Exception:  # pylint: disable=broad-exception-caught # this lab is beyond repair, another one may not be
                traceback.print_exc()
                print(logs(bench.lab.lbs), file=sys.stderr)
                bench.close()
                bench = None
    finally:
        if bench:
            bench.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
