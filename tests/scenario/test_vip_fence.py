"""Goal: whatever others do to the owner's address or rules, the VIP is back in milliseconds or given up in order."""

from __future__ import annotations

import ipaddress

from lab import VIP, Lab, eventually, holds
from lab.lb import LoadBalancer
from lab.topology import INTERFACE

FOREIGN = 4000


def life(owner: LoadBalancer) -> str:
    """What ip(8) says about the VIP of the owner, its lifetime included."""
    return owner.run("ip", "address", "show", "dev", INTERFACE, "to", VIP)


def test_address_removed_by_hand(lab: Lab) -> None:
    """It is added again at once and announced; no role changes."""
    owner = lab.start()
    since = owner.status()["since"]
    with lab.arpprobe() as arp:
        owner.run("ip", "address", "del", f"{VIP}/32", "dev", INTERFACE)
        eventually(owner.has_address, 0.5)
        holds(lambda: arp.owners() in ((owner.name,), ()), 0.3)
    assert arp.none_ms() <= 50 and arp.both_ms() == 0
    assert owner.status()["since"] == since


def test_address_made_permanent_by_others(lab: Lab) -> None:
    """The finite life, without which a dead lbd would keep the address, is back within a second."""
    owner = lab.start()
    owner.run("ip", "address", "change", f"{VIP}/32", "dev", INTERFACE, "valid_lft", "forever")
    eventually(lambda: "valid_lft 2sec" in life(owner), 1.5)


def test_all_rules_flushed_by_others(lab: Lab) -> None:
    """The firewall of the host starts anew: the guard of the VIP stands, or stands again, and nothing moves."""
    owner = lab.start()
    owner.run("nft", "flush", "ruleset")
    eventually(lambda: "lease4" in owner.run("nft", "list", "ruleset"), 1.0)
    assert lab.client.get(VIP, 80, timeout=1.0).status == 200
    assert lab.owner() is owner


def test_flood_of_other_addresses(lab: Lab) -> None:
    """Thousands of messages about others, more than the socket holds, do not hide that the VIP was removed."""
    owner = lab.start()
    addresses = [str(ipaddress.ip_address("172.16.0.0") + number) for number in range(FOREIGN)]
    lines = [f"address add {address}/32 dev lo" for address in addresses]
    lines += [f"address del {VIP}/32 dev {INTERFACE}"]
    lines += [f"address del {address}/32 dev lo" for address in addresses]
    with lab.arpprobe() as arp:
        owner.run("ip", "-batch", "-", stdin="\n".join(lines) + "\n")
        eventually(owner.has_address, 0.5)
    assert arp.none_ms() <= 200 and arp.both_ms() == 0
    assert lab.owner() is owner


def test_peer_does_not_answer_with_a_stray_address(lab: Lab) -> None:
    """The VIP put on the backup by hand: its kernel neither answers for it nor takes its packets."""
    owner = lab.start()
    backup = lab.other(owner)
    with lab.arpprobe() as arp:
        backup.run("ip", "address", "add", f"{VIP}/32", "dev", INTERFACE)
        holds(lambda: arp.owners() == (owner.name,), 0.5)
        backup.run("ip", "address", "del", f"{VIP}/32", "dev", INTERFACE)
    assert arp.both_ms() == 0


def test_another_manager_keeps_removing_the_address(lab: Lab) -> None:
    """After five times within ten seconds the owner gives up in order, and the peer, whom nobody disturbs, serves."""
    owner = lab.start()
    peer = lab.other(owner)

    def remove() -> bool:
        if owner.has_address():
            owner.run("ip", "address", "del", f"{VIP}/32", "dev", INTERFACE)
        return owner.role() == "fault"

    eventually(remove, 5.0)
    assert owner.status()["reason"] == "vip-lost"
    eventually(lambda: peer.role() == "active", 1.0)
    assert lab.owner() is peer
    assert lab.client.get(VIP, 80, timeout=1.0).status == 200


def test_another_station_takes_the_address(lab: Lab) -> None:
    """A stranger with the VIP is noticed although it announces nothing: the owner asks around."""
    owner = lab.start()
    lab.observer.run("ip", "address", "add", f"{VIP}/32", "dev", INTERFACE)
    eventually(lambda: f"claimed by another station mac={lab.observer.mac}" in owner.logs(200), 7.0)
    assert owner.role() == "active"
