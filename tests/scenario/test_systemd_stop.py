"""Goal: under a real systemd each ordered end hands the VIP over first and leaves nothing behind: stop, restart, reboot."""

from __future__ import annotations

import threading

import pytest

from lab import VIP, eventually
from lab.systemd import SystemdLab, SystemdNode
from record import Measured
from trial import Trial

pytestmark = pytest.mark.systemd

# As for SIGTERM with a peer that is heard.
HANDED_OVER = 62.0


def bytes_in(node: SystemdNode) -> dict[str, int]:
    """What each live session brought so far."""
    return {c["id"]: c["bytes_in"] for c in node.api("GET", "/v1/connections")[1]["connections"]}


def nothing_left(node: SystemdNode) -> None:
    """No address and no rule of lbd on the node."""
    assert VIP not in node.addresses()
    assert not node.rules()


def test_stop(machines: SystemdLab, measured: Measured) -> None:
    """`systemctl stop` returns when the peer serves and nothing of lbd is left; systemd keeps no socket."""
    owner = machines.settle()
    peer = machines.other(owner)
    with Trial(machines) as trial:
        hit = trial.now()
        assert owner.systemctl("stop", "lbd").code == 0
        nothing_left(owner)
        assert machines.holders() == [peer]
        trial.served_after(hit + 1.0)
    measured("systemctl stop: outage", trial.outage_ms(), "ms", at_most=HANDED_OVER)
    measured("systemctl stop: two owners", trial.arp.both_ms(), "ms", exactly=0)
    assert owner.show("NFileDescriptorStore") == "0" and owner.show("Result") == "success"
    assert "election left: " in owner.journal("-n", "30") and "not handed over" not in owner.journal("-n", "30")


def test_stop_takes_the_sessions_along(machines: SystemdLab) -> None:
    """Fifty sessions that ask each 20 ms are open while the owner is stopped: each goes on at the peer."""
    owner = machines.settle()
    peer = machines.other(owner)
    before = peer.status()["moves"]["here"]
    with machines.sessions(50) as sessions:
        assert owner.systemctl("stop", "lbd").code == 0
        assert machines.holders() == [peer]
        assert peer.status()["moves"]["here"] - before == 50
        nothing_left(owner)
        moved = bytes_in(peer)
        assert len(moved) == 50
        eventually(lambda: all(count > moved[number] for number, count in bytes_in(peer).items()), 3.0, "each goes on")
    assert sessions.broken() == []


def test_stop_of_both(machines: SystemdLab) -> None:
    """The last one has nobody to hand over to, and leaves nothing all the same."""
    owner = machines.settle()
    peer = machines.other(owner)
    for node in (peer, owner):
        assert node.systemctl("stop", "lbd").code == 0
    for node in (peer, owner):
        nothing_left(node)


def test_restart(machines: SystemdLab, measured: Measured) -> None:
    """`systemctl restart` of the owner is a hand-over and a new backup; sockets are kept, the VIP is not."""
    owner = machines.settle()
    peer = machines.other(owner)
    with Trial(machines) as trial:
        hit = trial.now()
        assert owner.systemctl("restart", "lbd").code == 0
        trial.served_after(hit + 1.0)
    measured("systemctl restart: outage", trial.outage_ms(), "ms", at_most=HANDED_OVER)
    assert trial.arp.both_ms() == 0 and trial.arp.owners() == (peer.name,)
    eventually(lambda: owner.role() == "backup", 5.0)
    assert 'resume=no reason="the former process did not own the VIP"' in owner.journal("-n", "40")


def test_two_starts_at_once(machines: SystemdLab) -> None:
    """Two jobs are one start, and whoever runs the program beside the service is told so and changes nothing."""
    owner = machines.settle()
    assert owner.systemctl("stop", "lbd").code == 0
    results = []
    threads = [threading.Thread(target=lambda: results.append(owner.systemctl("start", "lbd").code)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [0, 0]
    assert owner.show("NRestarts") == "0"

    owner = machines.settle()
    former = owner.pid
    with Trial(machines) as trial:
        hit = trial.now()
        second = owner.on("lbd")
        assert second.code == 1 and "another lbd answers on /run/lbd/lbd.sock; stop it first" in second.stderr, second
        resign = owner.on("lbd", "--resign")
        assert resign.code == 1 and "a running lbd holds the VIP's rules" in resign.stderr, resign
        trial.served_after(hit)
    assert not trial.failed() and owner.pid == former and owner.role() == "active"


def test_reboot(machines: SystemdLab, measured: Measured) -> None:
    """The machine goes down in order: the VIP is at the peer before the network goes, and never left behind."""
    owner = machines.settle()
    peer = machines.other(owner)
    with Trial(machines) as trial:
        hit = trial.now()
        owner.systemctl("reboot")
        owner.wait_down()
        # The interface outlives the machine here; what is on it would be on the network.
        nothing_left(owner)
        assert owner.address not in owner.addresses(), "the network went down, too"
        trial.served_after(hit + 1.0)
    measured("systemctl reboot: outage", trial.outage_ms(), "ms", at_most=HANDED_OVER)
    measured("systemctl reboot: two owners", trial.arp.both_ms(), "ms", exactly=0)
    assert trial.frames.speakers() == [owner.name, peer.name]
    owner.boot()
    owner.wait_up()
    eventually(lambda: owner.role() == "backup", 5.0, "backup after the boot")
    assert machines.owner() is peer
