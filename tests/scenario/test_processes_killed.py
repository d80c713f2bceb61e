"""Goal: the proxy or the whole daemon may be killed or hang; the VIP is served again in time and never owned twice."""

from __future__ import annotations

import os
import signal
import time

from lab import Lab, eventually

from measure import failures


def test_proxy_killed(lab: Lab) -> None:
    """The keeper starts another proxy on the same listening sockets: nobody is refused, no role changes."""
    owner = lab.start()
    since = owner.status()["since"]
    with lab.arpprobe() as arp, lab.openloop() as load:
        eventually(lambda: len(load.connections()) >= 100)
        killed = time.monotonic()
        os.kill(owner.proxy_pid, signal.SIGKILL)
        load.succeeds_after(killed + 1.0)
    result = load.result(exclude=[killed])
    assert result.gap_ms <= 250
    assert result.failures.get("refused", 0) == 0
    assert failures(load, killed) == []
    assert lab.owner() is owner and arp.both_ms() == 0 and arp.none_ms() <= 30
    assert owner.role() == "active" and owner.status()["since"] == since


def test_whole_daemon_killed(lab: Lab) -> None:
    """Every process of lbd on the owner gets SIGKILL: the lease in the kernel ends, the peer takes over."""
    owner = lab.start()
    peer = lab.other(owner)
    with lab.arpprobe() as arp, lab.openloop() as load:
        eventually(lambda: len(load.connections()) >= 100)
        killed = time.monotonic()
        owner.signal_all(signal.SIGKILL)
        load.succeeds_after(killed + 1.5)
    assert load.result().gap_ms <= 450
    assert arp.both_ms() == 0 and arp.owners() == (peer.name,)
    eventually(lambda: not owner.has_address(), 4.0, "the address runs out by itself")


def test_keeper_killed_takes_its_proxy_along(lab: Lab) -> None:
    """SIGKILL of the keeper alone leaves no proxy behind, and the node can be started again."""
    owner = lab.start()
    peer = lab.other(owner)
    proxy = owner.proxy_pid
    owner.sigkill()
    eventually(lambda: not os.path.exists(f"/proc/{proxy}"), 2.0)
    eventually(lambda: peer.role() == "active", 3.0)
    owner.start()
    assert owner.role() == "backup" and lab.owner() is peer


def test_daemon_stopped_and_continued(lab: Lab) -> None:
    """SIGSTOP for five seconds: the peer takes over within 450 ms; after SIGCONT the old owner steps back at once."""
    owner = lab.start()
    peer = lab.other(owner)
    with lab.arpprobe() as arp, lab.openloop() as load:
        eventually(lambda: len(load.connections()) >= 100)
        stopped = time.monotonic()
        owner.signal_all(signal.SIGSTOP)
        load.succeeds_after(stopped + 5.0, within=10.0)
        continued = time.monotonic()
        owner.signal_all(signal.SIGCONT)
        eventually(lambda: owner.role() == "backup", 2.0)
        load.succeeds_after(continued + 1.0)
    assert load.result().gap_ms <= 450
    assert arp.both_ms() == 0 and arp.owners() == (peer.name,)


def test_short_hang_moves_nothing(lab: Lab) -> None:
    """SIGSTOP for one and a half advert intervals is not a failure."""
    owner = lab.start()
    with lab.arpprobe() as arp, lab.openloop() as load:
        eventually(lambda: len(load.connections()) >= 100)
        owner.sigstop()
        stopped = time.monotonic()
        load.succeeds_after(stopped + 0.15)
        owner.sigcont()
        load.succeeds_after(stopped + 1.0)
    assert load.result().failures == {}
    assert lab.owner() is owner and arp.both_ms() == 0
    assert lab.other(owner).role() == "backup"


def test_proxy_that_hangs_yields_the_vip(lab: Lab) -> None:
    """A stopped proxy cannot serve: the peer owns the VIP within about a second, and the hung one is replaced."""
    owner = lab.start()
    peer = lab.other(owner)
    hung = owner.proxy_pid
    os.kill(hung, signal.SIGSTOP)
    eventually(lambda: peer.role() == "active", 1.5)
    eventually(lambda: owner.proxy_pid != hung, 6.0)
    eventually(lambda: owner.role() == "backup", 6.0)
