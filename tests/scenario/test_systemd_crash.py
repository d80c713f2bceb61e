"""Goal (F02, F03, F65): systemd mends a crash so fast that the node stays the owner, and a hang in time; no end leaves
anything of the VIP behind that nobody looks after.
"""

from __future__ import annotations

import re
import time

import pytest

from lab import VIP, eventually, holds
from lab.systemd import SystemdLab, SystemdNode
from record import Measured
from trial import FULL, SETTLE, Trial, transitions

pytestmark = pytest.mark.systemd

OUTAGE = 150.0
BUSY = IDLE = 200
# A process that ends sooner than this after its start is not resumed and not started again at once.
YOUNG = 1.0


def grown_up(machines: SystemdLab) -> SystemdNode:
    """The owner, which runs for long enough that its crash is not one of a program that cannot even start."""
    owner = machines.settle()
    eventually(lambda: owner.lived(YOUNG + 0.3), 5.0)
    return owner


def kill(node: SystemdNode, name: str, whom: str = "main") -> None:
    """A signal to the keeper alone, or to all."""
    assert node.systemctl("kill", "-s", name, f"--kill-whom={whom}", "lbd").code == 0


@pytest.mark.parametrize("_round", range(5 if FULL else 1))
@pytest.mark.parametrize("name", ["KILL", "SEGV", "ABRT"])
def test_f02_f03_keeper_resumes(machines: SystemdLab, measured: Measured, name: str, _round: int) -> None:
    """The next process goes on as the same owner: connections wait in the kept sockets, and the peer notices nothing."""
    owner = grown_up(machines)
    peer = machines.other(owner)
    before, former = transitions(peer), owner.pid
    with Trial(machines) as trial:
        hit = trial.now()
        kill(owner, name)
        eventually(lambda: owner.pid != former)
        trial.served_after(hit + 1.0)
    fault = "F02" if name == "KILL" else "F03"
    measured(f"{fault} keeper SIG{name} under systemd: outage", trial.outage_ms(), "ms", at_most=OUTAGE)
    # From the moment in which systemd learned of the end to that in which it started the next process.
    left, started = (int(owner.show(f"{what}TimestampMonotonic")) for what in ("ActiveExit", "ExecMainStart"))
    measured(f"{fault} keeper SIG{name} under systemd: of that systemd's", (started - left) / 1000, "ms")
    measured(f"{fault} keeper SIG{name} under systemd: refused connections", trial.failed().get("refused", 0), "", exactly=0)
    measured(f"{fault} keeper SIG{name} under systemd: two owners", trial.arp.both_ms(), "ms", exactly=0)
    measured(f"{fault} keeper SIG{name} under systemd: role changes of the peer", transitions(peer) - before, "", exactly=0)
    assert trial.frames.speakers() == [owner.name]
    assert trial.arp.owners() == (owner.name,)
    # Only sessions that were open end: the kernel closes the sockets of the proxy.
    assert set(trial.failed()) <= {"reset", "eof"} and sum(trial.failed().values()) <= 3, trial.failed()
    assert owner.role() == "active" and owner.status()["reason"] == "resumed"
    assert len(re.findall(r"resumed after_ms", owner.journal("-n", "100", "_PID=" + owner.show("MainPID")))) == 1


@pytest.mark.skipif(not FULL, reason="a machine that is busy with other things restarts lbd too late for its lease: LBD_FULL=1")
@pytest.mark.parametrize("name", ["KILL", "SEGV", "ABRT"])
def test_f02_f03_sessions_outlive_the_keeper(machines: SystemdLab, measured: Measured, name: str) -> None:
    """The running proxy goes on with every session and serves new connections; twice in a row."""
    owner = grown_up(machines)
    proxy = owner.proxy_pid
    with machines.crowd(IDLE, 80) as crowd, machines.sessions(BUSY) as sessions, Trial(machines) as trial:
        for _ in range(2):
            former, hit = owner.pid, trial.now()
            kill(owner, name)
            eventually(lambda f=former: owner.pid != f)
            trial.served_after(hit + YOUNG + 0.5)
    fault = "F02" if name == "KILL" else "F03"
    lost = len(sessions.broken()) + sum(crowd.endings().values())
    stall = sessions.longest_stall_ms()
    measured(f"{fault} keeper SIG{name} under systemd: longest stall of a session", stall, "ms", at_most=OUTAGE)
    measured(f"{fault} keeper SIG{name} under systemd: sessions lost", lost, "", exactly=0)
    measured(f"{fault} keeper SIG{name} under systemd: failed connections", sum(trial.failed().values()), "", exactly=0)
    assert owner.proxy_pid == proxy and trial.arp.owners() == (owner.name,) and trial.arp.both_ms() == 0


def proxies(node: SystemdNode) -> int:
    """How many proxies there are on the node."""
    return len(node.on("pgrep", "-x", "lbd-proxy").stdout.split())


def test_no_proxy_is_left(machines: SystemdLab) -> None:
    """A restart, a kill of all, and a stop while keeper and proxy hang: one proxy where lbd runs, none where it does not."""
    owner = grown_up(machines)
    former = owner.proxy_pid
    assert owner.systemctl("restart", "lbd").code == 0
    owner.wait_up()
    assert proxies(owner) == 1 and owner.proxy_pid != former
    eventually(lambda: owner.lived(YOUNG + 0.3), 5.0)
    keeper, former = owner.pid, owner.proxy_pid
    kill(owner, "KILL", "all")
    eventually(lambda: owner.pid != keeper and owner.proxy_pid != former and proxies(owner) == 1, 5.0)
    owner.wait_up()

    owner.drop_in("patience", "[Service]\nTimeoutStopSec=500ms\n")
    try:
        kill(owner, "STOP", "all")
        owner.systemctl("stop", "lbd")
        assert proxies(owner) == 0 and not owner.has_address() and not owner.rules()
        assert owner.show("NFileDescriptorStore") == "0"
    finally:
        owner.drop_in("patience", None)
        assert owner.systemctl("start", "lbd").code == 0
    owner.wait_up()


def test_handed_over_then_killed(machines: SystemdLab) -> None:
    """What was given up is not taken up: the record says so although the last advert is fresh enough."""
    owner = grown_up(machines)
    peer = machines.other(owner)
    with Trial(machines) as trial:
        assert owner.lbctl("failover", "--wait").code == 0
        kill(owner, "KILL")
        hit = trial.now()
        eventually(lambda: owner.role() == "backup", 5.0)
        trial.served_after(hit + 1.0)
    assert trial.arp.both_ms() == 0 and trial.arp.owners() == (peer.name,)
    assert 'resume=no reason="the former process did not own the VIP"' in owner.journal("-n", "40")


def test_other_election_is_not_resumed(machines: SystemdLab) -> None:
    """The file was changed and not reloaded: what was kept is of another election, so the node listens first."""
    owner = grown_up(machines)
    peer = machines.other(owner)
    owner.write_config(machines.config() + "election: {interval: 200ms}\n")
    with Trial(machines) as trial:
        hit = trial.now()
        kill(owner, "KILL")
        eventually(lambda: trial.arp.owners() == (peer.name,), 3.0)
        trial.served_after(hit + 1.0)
    assert 'resume=no reason="what was kept is of another election"' in owner.journal("-n", "60")
    assert trial.arp.both_ms() == 0
    owner.write_config()
    assert owner.systemctl("restart", "lbd").code == 0


def test_listeners_of_a_reload_are_kept(machines: SystemdLab) -> None:
    """What a reload adds is kept from then on, what it removes is not; a crash refuses nobody on the new port either."""
    owner = grown_up(machines)
    peer = machines.other(owner)
    kept = int(owner.show("NFileDescriptorStore"))
    more = machines.config(replace={"listen: 80\n": "listen: [80, 8080]\n"})
    for node in (owner, peer):
        node.write_config(more)
        assert node.systemctl("reload", "lbd").code == 0
    eventually(lambda: int(owner.show("NFileDescriptorStore")) > kept, 2.0)
    with machines.openloop(port=8080) as load:
        hit = time.monotonic()
        kill(owner, "KILL")
        load.succeeds_after(hit + 1.0)
    assert load.result().failures.get("refused", 0) == 0
    assert owner.role() == "active" and owner.status()["reason"] == "resumed"
    for node in (owner, peer):
        node.write_config()
        assert node.systemctl("reload", "lbd").code == 0
    eventually(lambda: int(owner.show("NFileDescriptorStore")) == kept, 2.0, "descriptors as before")


def test_f65_keeper_hangs(machines: SystemdLab, measured: Measured) -> None:
    """The peer owns the VIP long before the watchdog ends the keeper, which is backup after its restart."""
    owner = machines.settle()
    peer = machines.other(owner)
    former = owner.pid
    with Trial(machines) as trial:
        hit = trial.now()
        kill(owner, "STOP")
        eventually(lambda: trial.arp.owners() == (peer.name,), 3.0)
        eventually(lambda: owner.pid != former and owner.role() == "backup", 6.0)
        back = trial.now()
        trial.served_after(back)
    assert "watchdog" in owner.journal("-n", "60").lower()
    measured("F65 keeper hangs under systemd: running again after", (back - hit) * 1000, "ms", at_most=3000)
    measured("F65 keeper hangs under systemd: peer owns after", trial.single_after_ms(hit), "ms", at_most=SETTLE * 1000)
    measured("F65 keeper hangs under systemd: two owners", trial.arp.both_ms(), "ms", exactly=0)
    assert trial.frames.speakers() == [owner.name, peer.name]


def test_proxy_hangs(machines: SystemdLab) -> None:
    """The keeper deals with it: the VIP goes to the peer, the proxy is ended and started anew; systemd has nothing to do."""
    owner = machines.settle()
    peer = machines.other(owner)
    restarts, former = owner.show("NRestarts"), owner.proxy_pid
    with Trial(machines) as trial:
        hit = trial.now()
        assert owner.on("pkill", "-STOP", "-f", "^lbd-proxy").code == 0
        eventually(lambda: trial.arp.owners() == (peer.name,), 3.0)
        trial.served_after(hit + 1.0)
        eventually(lambda: owner.proxy_pid != former, 5.0)
        eventually(lambda: owner.role() == "backup", 5.0)
    assert trial.arp.both_ms() == 0
    assert owner.show("NRestarts") == restarts


@pytest.mark.parametrize("policy", ["no", "on-success"])
def test_killed_and_not_restarted(machines: SystemdLab, policy: str) -> None:
    """With no other start to come there is nobody to resume: no address and no rule stay."""
    owner = grown_up(machines)
    peer = machines.other(owner)
    owner.drop_in("policy", f"[Service]\nRestart={policy}\n")
    try:
        with Trial(machines) as trial:
            hit = trial.now()
            kill(owner, "KILL", "all")
            eventually(lambda: owner.show("ActiveState") == "failed", 3.0)
            assert not owner.has_address() and not owner.rules()
            trial.served_after(hit + 1.0)
        assert trial.arp.owners() == (peer.name,) and trial.arp.both_ms() == 0
        assert owner.show("NFileDescriptorStore") == "0"
    finally:
        owner.drop_in("policy", None)


def test_start_limit_never_gives_up(machines: SystemdLab) -> None:
    """More crashes in a row than systemd's default limit allows, and a file that cannot be used: it is tried on and on,
    but not in a busy loop, and what was mended is taken up without a word."""
    machines.settle()
    node = machines.nodes[1]
    for _ in range(6):
        former = node.pid
        kill(node, "KILL", "all")
        eventually(lambda f=former: node.pid != f, 3.0)
    eventually(lambda: node.role() in ("backup", "active"), 5.0)

    node.write_config("cluster: [\n")
    before = int(node.show("NRestarts"))
    kill(node, "KILL", "all")
    eventually(lambda: int(node.show("NRestarts")) >= before + 3, 6.0)
    begun, count = time.monotonic(), int(node.show("NRestarts"))
    holds(lambda: not node.has_address(), 1.5)
    assert (int(node.show("NRestarts")) - count) / (time.monotonic() - begun) <= 3, "a busy loop"
    assert node.show("SubState") in ("auto-restart", "start", "stop-post")
    node.write_config()
    eventually(lambda: node.role() in ("backup", "active"), 5.0, "up again by itself")
    assert VIP in {entry["address"] for entry in node.status()["vips"]}
