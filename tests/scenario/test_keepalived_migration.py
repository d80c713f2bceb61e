"""Goal: a site goes from HAProxy and Keepalived to lbd node by node, by the steps of README.md, and the VIP is never away
for longer than one failover of the pair that it had before."""

from __future__ import annotations

import re
import time

import pytest

from lab import VIP, Lab, eventually, holds, realtime, topology
from lab.lb import LoadBalancer
from lab.paths import REPOSITORY
from lab.probes import ArpProbe
from lab.recorder import FrameRecorder
from overlap import Waits, allowed_ms, shared_ms
from record import Measured

pytestmark = pytest.mark.patient

PRIORITIES = (200, 150)
# What lbctl status exits with.
OWNER, BACKUP, NOT_ALL_WELL = 0, 1, 3


def readme_election(lab: Lab) -> str:
    """The election that README.md shows, with this cluster's password."""
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    found = re.search(r"\n( *)election:\n(?:\1  .*\n)+", text)
    assert found, "README.md shows no election"
    block = found[0].replace("\n" + found[1], "\n")
    password = lab.directory / "vrrp.password"
    password.write_text("k8s-lab\n", encoding="ascii")
    password.chmod(0o600)
    assert "/etc/lbd/vrrp.password" in block
    return block.replace("/etc/lbd/vrrp.password", str(password))


def configuration(lab: Lab, election: str) -> str:
    """lbd.yaml with the priorities of keepalived.conf."""
    lines = ((f"{n.name}: {n.address}\n", f"{n.name}: {{address: {n.address}, priority: {p}}}\n") for n, p in zip(lab.lbs, PRIORITIES))
    return lab.config(election, dict(lines))


def disable_guide(node: LoadBalancer) -> None:
    """systemctl disable --now keepalived haproxy."""
    for process in reversed(node.guide_processes):
        if process.alive:
            process.terminate()


def start_lbd(node: LoadBalancer, text: str) -> None:
    """systemctl enable --now lbd; the next step comes when the node is backup and sees its servers."""
    node.start(text, priority=realtime.available())
    server = (topology.MASTERS[0], "kube-api")
    eventually(lambda: node.server(server[1], server[0])["state"] == "up" and node.role() == "backup", 10.0, f"{node} backup")


def owner_named(lab: Lab, node: LoadBalancer, owner: LoadBalancer, arp: ArpProbe) -> None:
    """What README.md bids to wait for: lbd on the node names the owner, which nobody has disturbed."""
    eventually(lambda: node.status()["owner"] == owner.name, 4.0, f"{node} has heard {owner}")
    assert lab.holders() == [owner] and arp.owners() == (owner.name,) and node.role() == "backup"


def verdicts(lab: Lab) -> list[int]:
    """The exit status of lbctl status on each node."""
    return [node.lbctl("status").code for node in lab.lbs]


def unowned_ms(arp: ArpProbe, since: float, until: float) -> float:
    """The longest time without an answer in that time."""
    changes = [*arp.changes(), (until, ("end",))]
    spans = [(max(a, since), min(b, until)) for (a, who), (b, _) in zip(changes, changes[1:]) if not who]
    return max((max(end - begin, 0.0) * 1000 for begin, end in spans), default=0.0)


def guide_failover_ms(lab: Lab, arp: ArpProbe) -> float:
    """How long the VIP is away when its owner under Keepalived loses power; the owner is back afterwards."""
    owner, backup = lab.lbs
    began = time.monotonic()
    off = lab.power_off(owner.name)
    eventually(lambda: arp.owners() == (backup.name,), 6.0, "the backup owns the VIP")
    failover = unowned_ms(arp, began, time.monotonic())
    off.heal()
    eventually(lambda: arp.owners() == (owner.name,) and lab.holders() == [owner], 6.0, "the owner has it again")
    return failover


def test_node_by_node(lab: Lab, measured: Measured) -> None:
    """The pair of the guide, one of each, two lbd that elect as Keepalived did, two lbd with the defaults."""
    first, second = lab.lbs
    lab.start_guide(multicast=True)
    text = configuration(lab, readme_election(lab))
    with lab.arpprobe() as arp, lab.openloop(interval_ms=20, timeout_ms=1000) as load, FrameRecorder(lab.lbs) as frames:
        eventually(lambda: arp.owners() == (first.name,), 6.0)
        failover = guide_failover_ms(lab, arp)
        began = time.monotonic()

        # Step 2: the backup first.
        disable_guide(second)
        start_lbd(second, text)
        holds(lambda: second.role() == "backup" and arp.owners() == (first.name,), 4.0, "Keepalived stays owner")
        told = second.lbctl("status")
        assert told.code == NOT_ALL_WELL and first.name in told.stdout, told
        # Its way back, and forth again.
        second.sigterm()
        second.start_guide(multicast=True)
        holds(lambda: arp.owners() == (first.name,), 4.0, "Keepalived stays owner")
        disable_guide(second)
        start_lbd(second, text)
        owner_named(lab, second, first, arp)

        # Step 3: the VIP moves, back, and for good.
        keepalived = first.guide_processes[1]
        keepalived.terminate()
        eventually(lambda: arp.owners() == (second.name,), 4.0, "lbd owns the VIP")
        disable_guide(first)
        back = time.monotonic()
        with Waits(second) as waits:
            first.start_guide(multicast=True)
            eventually(lambda: arp.owners() == (first.name,), 8.0, "Keepalived takes the VIP back")
        first.guide_processes[1].terminate()
        eventually(lambda: arp.owners() == (second.name,), 4.0, "lbd owns the VIP again")

        # Step 4: the other node.
        disable_guide(first)
        start_lbd(first, text)
        holds(lambda: first.role() == "backup" and arp.owners() == (second.name,), 5.0, "lbd stays owner")
        eventually(lambda: verdicts(lab) == [BACKUP, OWNER], 5.0, "all is well")
        moved = unowned_ms(arp, began, time.monotonic())

        # Step 5: the defaults.
        text = configuration(lab, "")
        restarted = time.monotonic()
        first.sigterm()
        second.sigterm()
        second.start(text)
        eventually(lambda: arp.owners() == (second.name,), 6.0, "the restarted owner")
        first.start(text)
        load.succeeds_after(time.monotonic())
        eventually(lambda: verdicts(lab) == [BACKUP, OWNER], 5.0, "all is well")
        ended = time.monotonic()
    measured("Migration: failover of the guide's pair", failover, "ms", at_least=1000)
    measured("Migration: VIP away while the programs are replaced", moved, "ms", at_most=failover)
    measured("Migration: VIP away while the election changes", unowned_ms(arp, restarted, ended), "ms", at_most=failover)
    allowed = allowed_ms(frames, second, first, back, waits)
    measured("Migration: two owners", shared_ms(arp, began, ended), "ms", at_most=allowed)
    assert [node.role() for node in lab.lbs] == ["backup", "active"] and lab.holders() == [second]
    assert VIP in second.addresses() and topology.VIP not in first.addresses()
