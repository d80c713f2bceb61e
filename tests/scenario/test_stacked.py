"""Goal: on the control-plane nodes themselves, VIP:8443 before three API servers on 6443, every node's own included."""

from __future__ import annotations

import contextlib
import re
import time
from typing import Iterator

import pytest

from lab import Lab, eventually, netns, topology
from lab.host import ServerHost
from lab.lb import LoadBalancer
from lab.paths import REPOSITORY

EXAMPLE = REPOSITORY / "conf/lbd.stacked.yaml"
PORT = 8443
SERVICE = "10.196.35.200"
TAKEOVER_MS = 500


@pytest.fixture(name="stacked")
def stacked_cluster(lab3: Lab) -> Iterator[tuple[Lab, list[ServerHost]]]:
    """Three nodes with lbd of the example and an API server each; the lab's load balancers stand for the masters."""
    text = EXAMPLE.read_text(encoding="utf-8")
    for master, node in zip(topology.MASTERS, lab3.lbs):
        assert text.count(topology.address(master)) == 2
        text = text.replace(topology.address(master), node.address).replace(master, node.name)
    text = re.sub(r"(?m)^key_file:.*$", f"key_file: {lab3.key_file}", text)
    servers = [ServerHost(node.name, lab3.directory / "servers", lab3.authority) for node in lab3.lbs]
    for server in servers:
        server.start()
    for node in lab3.lbs:
        eventually(servers[lab3.lbs.index(node)].serves, 10.0, f"API server of {node}")
        node.start(text, wait=False)
    for node in lab3.lbs:
        node.wait_up()
    eventually(lambda: len(lab3.holders()) == 1, 10.0, "one owner of the VIP")
    eventually(lambda: states(lab3.owner()) == ["up"] * 3, 10.0, "all API servers up")
    yield lab3, servers


def states(node: LoadBalancer) -> list[str]:
    """The states of the API servers as the node sees them."""
    return [server["state"] for server in node.status()["services"][0]["servers"]]


def answers(lab: Lab, name: str) -> set[str]:
    """Which API servers answer through the VIP when this host asks."""
    host = lab[name]
    return {host.get(topology.VIP, PORT, "/whoami", tls=True).body.split()[0] for _ in range(12)}


def test_every_node_reaches_every_server(stacked: tuple[Lab, list[ServerHost]]) -> None:
    """A client, and a kubelet on each of the nodes, the owner among them, reach all three by way of the VIP."""
    lab, _ = stacked
    names = {node.name for node in lab.lbs}
    for name in (topology.CLIENT, *sorted(names)):
        assert answers(lab, name) == names
    assert lab.owner().get(topology.address("k8s-lb-1"), topology.API_PORT, "/readyz", tls=True).status == 200


def test_beside_kube_proxy_in_ipvs_mode(stacked: tuple[Lab, list[ServerHost]]) -> None:
    """As kube-proxy leaves a node with strictARP: every service's addresses on kube-ipvs0, and ARP answered for an interface's own
    addresses alone. Nobody answers for a service's address; the VIP is handed over and answered for by one node."""
    lab, _ = stacked
    for node in lab.lbs:
        # As good as kube-proxy's kind, which not every kernel has.
        node.run("ip", "link", "add", "kube-ipvs0", "type", "bridge")
        node.run("ip", "address", "add", f"{SERVICE}/32", "dev", "kube-ipvs0")
    names = {node.name for node in lab.lbs}
    with lab.arpprobe(SERVICE) as service:
        eventually(lambda: set(service.owners()) == names, 5.0, "without strictARP all answer")
    for node in lab.lbs:
        for key, value in (("arp_ignore", "1"), ("arp_announce", "2")):
            netns.sysctl(node.name, f"ipv4/conf/all/{key}", value)
    owner = lab.owner()
    with lab.arpprobe() as arp, lab.arpprobe(SERVICE) as service, lab.openloop(port=PORT, mode="connect") as load:
        eventually(lambda: len(load.connections()) >= 20)
        assert owner.lbctl("failover", "--wait").code == 0
        moved = time.monotonic()
        load.succeeds_after(moved + 0.5)
    assert lab.owner() is not owner and arp.owners() == (lab.owner().name,)
    assert arp.both_ms() == 0 and service.owners() == ()
    assert load.result().failures == {}
    assert answers(lab, topology.CLIENT) == names == answers(lab, owner.name)


def test_own_server_dies(stacked: tuple[Lab, list[ServerHost]]) -> None:
    """The owner's own API server ends: the VIP stays, the other two serve, and no connection that is new then fails."""
    lab, servers = stacked
    owner = lab.owner()
    servers[lab.lbs.index(owner)].stop()
    eventually(lambda: states(owner).count("up") == 2, 10.0)
    assert lab.owner() is owner
    assert answers(lab, owner.name) == {node.name for node in lab.lbs} - {owner.name}


def test_a_control_plane_node_dies(stacked: tuple[Lab, list[ServerHost]]) -> None:
    """Power off at the owner, lbd and API server at once: a peer takes the VIP in three adverts and serves with what is left."""
    lab, _ = stacked
    owner = lab.owner()
    with lab.openloop(port=PORT, mode="connect") as load:
        eventually(lambda: len(load.connections()) >= 50)
        off = time.monotonic()
        lab.power_off(owner.name)
        load.succeeds_after(off + 0.05)
        eventually(lambda: len([c for c in load.connections() if c.start > off + 1.2]) >= 50)
    assert load.result().gap_ms < TAKEOVER_MS
    survivor = next(node for node in lab.holders() if node is not owner)
    rest = {node.name for node in lab.lbs} - {owner.name}

    def served() -> bool:
        with contextlib.suppress(OSError):
            return answers(lab, topology.CLIENT) == rest == answers(lab, survivor.name)
        return False

    eventually(served, 10.0, "both other API servers")
