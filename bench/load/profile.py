"""Where the processor time of a program went, from a recording of perf with call chains.

    perf record -a -g -e cpu-clock -F 2999 -o FILE -- make bench-load LOAD="--only connect --threads 1"
    /usr/bin/python3 bench/load/profile.py FILE lbd-worker-0 haproxy

Each sample belongs to the program itself, to the system call that it was in, or to the work on packets that the kernel
does at the end of a call that sends: there the other end of a virtual cable receives what was sent.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from typing import Iterator

SYSTEM_CALL = "__x64_sys_"
PACKETS = {"net_rx_action", "__do_softirq", "handle_softirqs"}
PARTS = 16
SYMBOLS = 8

# Of each sample: the program's name, and symbol and object of each frame, the innermost first.
Sample = tuple[str, list[tuple[str, str]]]


def samples(path: str) -> Iterator[Sample]:
    """Every sample of a recording."""
    argv = ["perf", "script", "-i", path, "-F", "comm,ip,sym,dso"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace") as perf:
        assert perf.stdout
        program, frames = "", []
        for line in perf.stdout:
            if line.strip() and not line[0].isspace():
                program, frames = line.strip(), []
            elif line.strip():
                words = line.split(None, 2)
                frames.append((words[1], words[-1].strip()))
            elif program:
                yield program, frames
                program = ""


def part(frames: list[tuple[str, str]]) -> str:
    """What a sample is counted as."""
    names = [name for name, _ in frames]
    if not any("kernel" in where for _, where in frames):
        return "the program itself"
    if PACKETS.intersection(names):
        if any(name.startswith("nft_do_chain") for name in names):
            return "packets: firewall"
        if "tcp_v4_rcv" in names:
            return "packets: TCP of the receiver"
        return "packets: bridge" if any(name.startswith("br_") for name in names) else "packets: cable, IP"
    call = next((name for name in names if name.startswith(SYSTEM_CALL)), None)
    return call.removeprefix(SYSTEM_CALL) if call else "entering and leaving the kernel"


def main() -> int:
    """Prints a list for each program that was named."""
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    parts: dict[str, Counter[str]] = {name: Counter() for name in sys.argv[2:]}
    symbols: dict[str, Counter[str]] = {name: Counter() for name in sys.argv[2:]}
    for program, frames in samples(sys.argv[1]):
        if program in parts and frames:
            parts[program][part(frames)] += 1
            symbols[program][frames[0][0]] += 1
    for program, counted in parts.items():
        total = max(counted.total(), 1)
        print(f"{program}: {counted.total()} samples")
        for name, number in counted.most_common(PARTS):
            print(f"  {100 * number / total:5.1f} %  {name}")
        print("  symbols: " + ", ".join(f"{name} {100 * n / total:.1f}" for name, n in symbols[program].most_common(SYMBOLS)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
