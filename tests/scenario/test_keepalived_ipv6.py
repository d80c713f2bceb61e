"""Goal: an IPv6 VIP moves between two lbd, and between lbd and Debian's Keepalived, by multicast and by unicast."""

from __future__ import annotations

import json

import pytest

from lab import Lab, eventually, holds, topology
from lab.keepalived import Cell, Keepalived
from lab.lb import LoadBalancer
from trial import metric

pytestmark = pytest.mark.patient

VIP6 = topology.VIP6
PRIORITIES = (150, 100)


def configuration(lab: Lab, election: str = "") -> str:
    """lbd.yaml with the IPv6 addresses of nodes and VIP."""
    replace = {f"vips: [{topology.VIP}]": f'vips: ["{VIP6}"]'}
    for node, priority in zip(lab.lbs, PRIORITIES):
        replace[f"{node.name}: {node.address}\n"] = f'{node.name}: {{address: "{node.address6}", priority: {priority}}}\n'
    return lab.config(election, replace)


def refused(lab: Lab) -> bool:
    """Whether a host has the VIP and nothing listens there."""
    try:
        lab.client.get(VIP6, 80, timeout=0.5)
    except ConnectionRefusedError:
        return True
    return False


def assert_owner(lab: Lab, node: LoadBalancer, within: float = 2.0) -> None:
    """The node alone has the VIP, answers at it (Keepalived's refuses, nothing listens there), and the client has its MAC."""
    eventually(lambda: [n for n in lab.lbs if n.has_address(VIP6)] == [node], within, f"{node} owns {VIP6}")
    if node.process and node.process.alive:
        eventually(lambda: lab.client.get(VIP6, 80, timeout=0.5).status == 200, within, "service on the VIP")
    else:
        eventually(lambda: refused(lab), within, "a refusal from the VIP")
    known = json.loads(lab.client.run("ip", "-j", "-6", "neigh", "show", VIP6))
    assert [entry["lladdr"] for entry in known] == [node.mac]


def flags(node: LoadBalancer) -> set[str]:
    """What the kernel says of the VIP on the node."""
    links = json.loads(node.run("ip", "-j", "-6", "addr", "show", "dev", topology.INTERFACE))
    info = next(i for link in links for i in link.get("addr_info", []) if i["local"] == VIP6)
    return {name for name, value in info.items() if value is True}


def test_two_lbd(lab: Lab) -> None:
    """The VIP is usable at once, without duplicate address detection, and moves when its owner stops."""
    text = configuration(lab)
    first, second = lab.lbs
    for node in lab.lbs:
        node.start(text, wait=False)
    for node in lab.lbs:
        node.wait_up()
    assert_owner(lab, first, 5.0)
    assert "nodad" in flags(first) and "tentative" not in flags(first)
    first.sigterm()
    assert_owner(lab, second)
    second.sigkill()
    first.start(text)
    assert_owner(lab, first, 5.0)


@pytest.mark.parametrize("multicast", [True, False], ids=["multicast", "unicast"])
def test_beside_keepalived(lab: Lab, multicast: bool) -> None:
    """The short form of the matrix: lbd owns, resigns, comes back as backup, takes over from a Keepalived that resigns, loses to a higher priority."""
    lbd, other = lab.lbs
    cell = Cell(3, multicast, family=6, vips=(VIP6,))
    text = configuration(lab, cell.election(lab.directory / "vrrp.password"))
    keepalived = Keepalived(other, lbd, cell)
    lbd.start(text)
    assert_owner(lab, lbd, 5.0)
    keepalived.start(100)
    holds(lambda: lbd.has_address(VIP6) and not other.has_address(VIP6), 2 * cell.down)
    lbd.sigterm()
    assert_owner(lab, other)
    lbd.start(text)
    holds(lambda: other.has_address(VIP6) and not lbd.has_address(VIP6), 4 * cell.down)
    keepalived.stop()
    assert_owner(lab, lbd)
    keepalived.start(200)
    assert_owner(lab, other)
    assert keepalived.dropped() == []
    assert metric(lbd, "lbd_adverts_dropped_total") == 0
