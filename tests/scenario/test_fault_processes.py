"""Goal (F01-F06): whatever happens to lbd's processes, the VIP is served again in time and never has two owners."""

from __future__ import annotations

import os
import signal

import pytest

from lab import VIP, Lab, eventually, holds, node_faults
from record import Measured
from trial import FULL, SETTLE, Trial

OUTAGE = 400.0
RESTART_PAUSE = 0.1  # RestartSec= of the unit
LEASE = 0.29


@pytest.fixture(name="uncaught")
def signals_are_not_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sanitizer would take the signal for a mistake of the program: here it ends lbd as it does without one."""
    monkeypatch.setenv("ASAN_OPTIONS", "verify_asan_link_order=0:handle_segv=0:handle_abort=0")


@pytest.mark.parametrize("_round", range(5 if FULL else 1))
def test_f01_keeper_killed(lab: Lab, measured: Measured, _round: int) -> None:
    """SIGKILL and no restart: the lease of the kernel ends, the peer takes over."""
    owner = lab.start()
    peer = lab.other(owner)
    with Trial(lab) as trial:
        hit = trial.now()
        owner.sigkill()
        trial.served_after(hit + 1.5)
    measured("F01 keeper killed: outage", trial.outage_ms(), "ms", at_most=OUTAGE)
    measured("F01 keeper killed: two owners", trial.arp.both_ms(), "ms", exactly=0)
    measured("F01 keeper killed: one owner after", trial.single_after_ms(hit), "ms", at_most=SETTLE * 1000)
    assert trial.frames.speakers() == [owner.name, peer.name]
    trial.check()


@pytest.mark.usefixtures("uncaught")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT], ids=lambda n: n.name)
def test_f02_f03_keeper_restarted_at_once(lab: Lab, measured: Measured, number: signal.Signals) -> None:
    """As systemd does it, 100 ms later: the new process listens first, so the peer takes over and keeps the VIP.

    Listening sockets do not outlive the keeper here, so clients may be refused until the lease ends.
    """
    fault = "F02" if number is signal.SIGKILL else "F03"
    owner = lab.start()
    peer = lab.other(owner)
    with Trial(lab) as trial:
        hit = trial.now()
        os.kill(owner.pid, number)
        assert owner.process
        assert owner.process.wait() == -number
        eventually(lambda: trial.now() >= hit + RESTART_PAUSE)
        owner.start(wait=False)
        trial.served_after(hit + 1.5)
        owner.wait_up()
    name = f"{fault} keeper {number.name}, restarted after 100 ms"
    measured(f"{name}: outage", trial.outage_ms(), "ms", at_most=OUTAGE)
    measured(f"{name}: refused connections", trial.failed().get("refused", 0), "")
    measured(f"{name}: two owners", trial.arp.both_ms(), "ms", exactly=0)
    assert trial.frames.speakers() == [owner.name, peer.name]
    assert owner.role() == "backup" and lab.owner() is peer
    trial.check()


@pytest.mark.usefixtures("uncaught")
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT], ids=lambda n: n.name)
def test_f03_proxy_crashes(lab: Lab, measured: Measured, number: signal.Signals) -> None:
    """The keeper says so in one line and starts another proxy behind open sockets; no role changes."""
    owner = lab.start()
    with Trial(lab) as trial:
        hit = trial.now()
        os.kill(owner.proxy_pid, number)
        trial.served_after(hit + 1.0)
    measured(f"F03 proxy {number.name}: outage", trial.outage_ms(), "ms", at_most=150)
    measured(f"F03 proxy {number.name}: refused connections", trial.failed().get("refused", 0), "", exactly=0)
    assert trial.frames.speakers() == [owner.name] and lab.owner() is owner
    told = [line for line in owner.logs(400).splitlines() if "proxy" in line and f"signal={number.value}" in line.replace(" ", "=")]
    assert len(told) == 1, owner.logs()
    trial.check()


def test_f04_keeper_hangs(lab: Lab, measured: Measured) -> None:
    """SIGSTOP of the whole daemon for five seconds: the peer owns; after SIGCONT the old owner steps back in silence."""
    owner = lab.start()
    peer = lab.other(owner)
    vip = bytes(map(int, VIP.split(".")))
    with Trial(lab, vip_packets=True) as trial:
        hit = trial.now()
        owner.signal_all(signal.SIGSTOP)
        trial.served_after(hit + 5.0)
        again = trial.now()
        owner.signal_all(signal.SIGCONT)
        eventually(lambda: owner.role() == "backup", 2.0)
        trial.served_after(again + 1.0)
    sent = [
        frame.at
        for frame in trial.frames.frames
        if frame.sent and frame.host == owner.name
        and vip == (frame.data[26:30] if frame.data[12:14] == b"\x08\x00" else frame.data[28:32])
    ]
    late = [at for at in sent if at > hit + LEASE + 0.02]
    assert len(sent) > 100
    measured("F04 daemon hangs 5 s: outage", trial.outage_ms(), "ms", at_most=OUTAGE)
    measured("F04 daemon hangs 5 s: two owners", trial.arp.both_ms(), "ms", exactly=0)
    measured("F04 daemon hangs 5 s: packets of the VIP after the lease", len(late), "", exactly=0)
    measured("F16 after SIGCONT: gap for clients", trial.gap_after_ms(again), "ms", at_most=50)
    assert trial.frames.speakers() == [owner.name, peer.name]
    trial.check()


def test_f05_short_hang(lab: Lab, measured: Measured) -> None:
    """SIGSTOP for one and a half advert intervals is no failure."""
    owner = lab.start()
    with Trial(lab) as trial:
        hit = trial.now()
        owner.sigstop()
        holds(lambda: True, 0.15)
        owner.sigcont()
        trial.served_after(hit + 1.0)
    measured("F05 keeper hangs 150 ms: failed connections", sum(trial.failed().values()), "", exactly=0)
    measured("F05 keeper hangs 150 ms: owner changes", len(trial.frames.speakers()) - 1, "", exactly=0)
    trial.check()


def test_f06_graceful_stop(lab: Lab, measured: Measured) -> None:
    """SIGTERM with a peer that is heard: a planned hand-over."""
    owner = lab.start()
    peer = lab.other(owner)
    with Trial(lab) as trial:
        hit = trial.now()
        assert owner.sigterm() == 0
        trial.served_after(hit + 1.0)
    measured("F06 SIGTERM: outage", trial.outage_ms(), "ms", at_most=62)
    assert trial.frames.speakers() == [owner.name, peer.name]
    last = [advert for advert in trial.frames.adverts() if advert.host == owner.name][-1]
    assert last.priority == 0
    assert not owner.has_address()
    trial.check()


def test_f06_graceful_stop_without_the_peer_link(lab: Lab, measured: Measured) -> None:
    """The same when only adverts pass, as beside Keepalived: priority 0, and the peer follows after its Skew_Time."""
    owner = lab.start()
    peer = lab.other(owner)
    with lab.drop(match="udp dport 8650"):
        eventually(lambda: not next(n for n in owner.status()["nodes"] if not n["self"])["heard"], 5.0)
        with Trial(lab) as trial:
            hit = trial.now()
            assert owner.sigterm() == 0
            trial.served_after(hit + 1.0)
    measured("F06 SIGTERM, adverts only: outage", trial.outage_ms(), "ms", at_most=62)
    assert trial.frames.speakers() == [owner.name, peer.name]
    trial.check()


@pytest.mark.parametrize("what", ["proxy", "control thread of the proxy", "worker of the proxy"])
def test_proxy_hangs(lab: Lab, measured: Measured, what: str) -> None:
    """A proxy of which all or one thread stands still cannot serve: the peer owns the VIP within a second."""
    owner = lab.start()
    peer = lab.other(owner)
    control, *workers = node_faults.threads(owner.proxy_pid)
    with Trial(lab) as trial:
        hit = trial.now()
        if what == "proxy":
            os.kill(owner.proxy_pid, signal.SIGSTOP)
            hung = None
        else:
            hung = node_faults.hang_thread(control if what.startswith("control") else workers[-1])
        eventually(lambda: trial.arp.owners() == (peer.name,), 3.0)
        trial.served_after(hit + 1.5)
        if hung:
            hung.heal()
    measured(f"{what} hangs: peer owns after", trial.single_after_ms(hit), "ms", at_most=1000)
    measured(f"{what} hangs: two owners", trial.arp.both_ms(), "ms", exactly=0)
    assert "proxy-stalled" in owner.logs(100)
    trial.check(same_descriptors=what == "proxy")
