"""Goal (F02, F03): where a service manager keeps its descriptors, a keeper that crashes is nobody's concern: the next one goes on with
the running proxy, every session lives, nobody is refused, no role changes; and no way of ending leaves a process behind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Iterator

import pytest

from lab import Lab, eventually, holds, netns
from lab.lb import LoadBalancer
from record import Measured
from trial import FULL, Trial, descriptors, transitions

OUTAGE = 150.0
BUSY = IDLE = 200
# A process that ends sooner than this after its start is not resumed.
YOUNG = 1.0


def resumed(node: LoadBalancer, former: int) -> bool:
    """Another keeper is there and owns the VIP."""
    return node.pid != former and node.status()["reason"] == "resumed"


def gone(pid: int) -> bool:
    """The process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def proxies(node: LoadBalancer) -> int:
    """How many proxies run on the node."""
    count = 0
    for pid in netns.processes(node.name):
        # One that ends meanwhile is none.
        with contextlib.suppress(OSError):
            count += not gone(pid) and Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"lbd-proxy")
    return count


@contextlib.contextmanager
def held_up(node: LoadBalancer) -> Iterator[None]:
    """Nobody starts another keeper inside the block."""
    assert node.process
    node.process.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        node.process.signal(signal.SIGCONT)


def grown_up(lab: Lab) -> LoadBalancer:
    """The owner, whose crash is not that of a program that cannot even start."""
    owner = lab.start(managed=True)
    begun = time.monotonic()
    eventually(lambda: time.monotonic() > begun + YOUNG)
    return owner


@pytest.mark.parametrize("name", ["KILL", "SEGV", "ABRT"] if FULL else ["KILL"])
def test_f02_f03_sessions_outlive_the_keeper(lab: Lab, measured: Measured, name: str) -> None:
    """200 busy and 200 idle sessions, and a new connection each 5 ms: none notices the end of one keeper, nor that of the next."""
    owner = grown_up(lab)
    peer = lab.other(owner)
    changes, proxy, total = transitions(peer), owner.proxy_pid, owner.status()["services"][1]["sessions_total"]
    with lab.crowd(IDLE, 80) as crowd, lab.sessions(BUSY) as sessions, Trial(lab) as trial:
        for _ in range(2):
            former = owner.pid
            before = descriptors(former)
            hit = trial.now()
            os.kill(former, getattr(signal, f"SIG{name}"))
            eventually(lambda f=former: resumed(owner, f), 5.0)
            trial.served_after(hit + YOUNG + 0.3)
            eventually(lambda b=before: descriptors(owner.pid) == b, 2.0, "descriptors of the keeper as before")
            assert owner.proxy_pid == proxy
    fault = "F02" if name == "KILL" else "F03"
    lost = len(sessions.broken()) + sum(crowd.endings().values())
    stall = sessions.longest_stall_ms()
    measured(f"{fault} keeper SIG{name}, descriptors kept: outage", trial.outage_ms(), "ms", at_most=OUTAGE)
    measured(f"{fault} keeper SIG{name}, descriptors kept: longest stall of a session", stall, "ms", at_most=OUTAGE)
    measured(f"{fault} keeper SIG{name}, descriptors kept: sessions lost", lost, "", exactly=0)
    assert trial.failed() == {}
    assert transitions(peer) == changes and trial.arp.owners() == (owner.name,) and trial.arp.both_ms() == 0
    service = owner.status()["services"][1]
    assert {server["state"] for server in service["servers"]} == {"up"} and service["sessions_total"] > total


def test_both_killed(lab: Lab, measured: Measured) -> None:
    """What was kept leads to nobody: another proxy is started on the same listening sockets."""
    owner = grown_up(lab)
    former, proxy = owner.pid, owner.proxy_pid
    with Trial(lab) as trial:
        hit = trial.now()
        for pid in (former, proxy):
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: resumed(owner, former) and owner.proxy_pid != proxy, 5.0)
        trial.served_after(hit + 1.0)
    measured("F02 keeper and proxy killed, descriptors kept: refused", trial.failed().get("refused", 0), "", exactly=0)
    assert trial.arp.owners() == (owner.name,) and trial.arp.both_ms() == 0


def test_proxy_killed_while_nobody_looks(lab: Lab) -> None:
    """The keeper that comes finds that it has ended, and starts another."""
    owner = grown_up(lab)
    former, proxy = owner.pid, owner.proxy_pid
    with held_up(owner):
        for pid in (former, proxy):
            os.kill(pid, signal.SIGKILL)
            eventually(lambda p=pid: gone(p), 2.0)
    eventually(lambda: owner.pid != former and owner.proxy_pid != proxy and owner.role() in ("active", "backup"), 5.0)
    assert proxies(owner) == 1


def test_proxy_hangs_while_nobody_looks(lab: Lab) -> None:
    """It does not answer the keeper that comes, which ends it and starts another."""
    owner = grown_up(lab)
    former, proxy = owner.pid, owner.proxy_pid
    os.kill(proxy, signal.SIGSTOP)
    os.kill(former, signal.SIGKILL)
    eventually(lambda: gone(proxy), 5.0)
    eventually(lambda: proxies(owner) == 1 and owner.role() in ("active", "backup"), 5.0)


def test_nobody_comes(lab: Lab) -> None:
    """The proxy ends after three seconds without a keeper, and at once where none can come any more."""
    owner = grown_up(lab)
    peer = lab.other(owner)
    proxy = owner.proxy_pid
    with held_up(owner):
        os.kill(owner.pid, signal.SIGKILL)
        hit = time.monotonic()
        holds(lambda: not gone(proxy), 2.0)
        eventually(lambda: gone(proxy), 3.0)
        assert time.monotonic() - hit >= 2.9
    proxy = peer.proxy_pid
    keeper = peer.pid
    assert peer.process
    peer.process.kill()
    os.kill(keeper, signal.SIGKILL)
    eventually(lambda: gone(proxy), 1.0)
