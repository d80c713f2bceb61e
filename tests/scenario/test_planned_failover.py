"""Goal: `lbctl failover` and SIGTERM move the VIP in milliseconds, and no connection fails.

The load goes on for longer than a SYN that was held back takes to come again.
"""

from __future__ import annotations

import time

from lab import Lab, eventually

from measure import failures
from record import Measured


def test_failover_by_command(lab: Lab, measured: Measured) -> None:
    """There and back: gap at most 50 ms, no failure but sessions that were under way."""
    lab.start()
    for _ in range(2):
        owner = lab.owner()
        peer = lab.other(owner)
        with lab.arpprobe() as arp, lab.openloop() as load:
            eventually(lambda: len(load.connections()) >= 100)
            began = time.monotonic()
            done = owner.lbctl("failover")
            ended = time.monotonic()
            load.succeeds_after(ended + 1.5)
        assert done.code == 0, done.stderr
        assert lab.owner() is peer
        measured("failover by command: gap", load.result().gap_ms, "ms", at_most=50)
        assert failures(load, began, ended) == []
        assert arp.both_ms() == 0
        assert peer.status()["reason"] == "handover"


def test_sigterm_hands_over(lab: Lab, measured: Measured) -> None:
    """A clean stop of the owner: gap at most 100 ms, exit code 0, nothing of lbd left on the node."""
    owner = lab.start()
    peer = lab.other(owner)
    with lab.arpprobe() as arp, lab.openloop() as load:
        eventually(lambda: len(load.connections()) >= 100)
        began = time.monotonic()
        assert owner.sigterm() == 0
        ended = time.monotonic()
        load.succeeds_after(ended + 1.5)
    measured("SIGTERM: gap", load.result().gap_ms, "ms", at_most=100)
    assert failures(load, began, ended) == []
    assert lab.owner() is peer
    assert arp.both_ms() == 0
    assert not owner.has_address()
    assert "lbd" not in owner.run("nft", "list", "tables")


def test_failover_without_a_peer_is_refused(lab: Lab) -> None:
    """Nobody to take the VIP: one sentence, exit code 1, and the owner goes on."""
    owner = lab.start()
    lab.other(owner).sigterm()
    refused = owner.lbctl("failover")
    assert refused.code == 1 and refused.stderr.strip().count("\n") == 0
    assert owner.role() == "active" and owner.has_address()


def test_backup_that_stops_moves_nothing(lab: Lab) -> None:
    """The load does not notice that the backup leaves and comes back."""
    owner = lab.start()
    peer = lab.other(owner)
    with lab.openloop() as load:
        assert peer.sigterm() == 0
        peer.start()
        eventually(lambda: len(load.connections()) >= 300)
    assert load.result().failures == {}
    assert lab.owner() is owner
