"""Goal: when the owner vanishes without a word, its peer serves within 450 ms and the VIP never has two owners."""

from __future__ import annotations

import time

from lab import VIP, Lab, eventually

from measure import failures


def test_power_off_without_carrier_loss(lab: Lab) -> None:
    """The owner is cut off at the switch; it notices nothing itself."""
    owner = lab.start()
    peer = lab.other(owner)
    with lab.arpprobe() as arp, lab.openloop() as load:
        eventually(lambda: len(load.connections()) >= 100)
        cut = time.monotonic()
        lab.power_off(owner.name)
        off = time.monotonic()
        load.succeeds_after(off)
        eventually(lambda: len([c for c in load.connections() if c.start > off + 1.5]) >= 100)
    assert load.result().gap_ms <= 450
    assert failures(load, cut, off) == []
    assert arp.owners() == (peer.name,)
    assert arp.both_ms() == 0
    assert peer.status()["reason"] == "active-down-timer"


def test_old_owner_returns_without_taking_the_vip_back(lab: Lab) -> None:
    """After the power is back the two agree at once, and the new owner or the old one goes on alone."""
    owner = lab.start()
    peer = lab.other(owner)
    lab.power_off(owner.name)
    eventually(lambda: peer.role() == "active", 3.0)
    lab.power_on(owner.name)
    eventually(lambda: sorted(n.role() for n in lab.lbs) == ["active", "backup"], 3.0)
    eventually(lambda: len(lab.holders()) == 1, 3.0)
    eventually(lambda: lab.client.get(VIP, 80, timeout=0.5).status == 200, 3.0)

