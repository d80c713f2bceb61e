"""Goal: when the owner dies, its clients and servers learn it within half a second of the takeover, not after minutes.

The owner tells its peer the connections of the VIP as they open and close; a peer that takes over without a hand-over
sends each end one segment that it has to answer, and the answer meets a reset.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from typing import Callable, Iterator

import pytest

from lab import VIP, Lab, eventually, holds, netns, topology
from lab.lb import LoadBalancer
from lab.probes import Crowd
from record import Measured

FULL = os.environ.get("LBD_FULL") == "1"
CLIENTS = 5000 if FULL else 1000

PEER_PORT = 8650
# Younger ones are not told; with what may pass between the client's look at the clock and the worker's.
LASTING = 0.08
ECHO = f"""
  echo:
    listen: {topology.ECHO_PORT}
    servers:
      k8s-worker-1: 10.196.35.23:{topology.ECHO_PORT}
      k8s-worker-2: 10.196.35.24:{topology.ECHO_PORT}
"""


def start(lab: Lab, append: str = "", key: bool = True) -> LoadBalancer:
    """The reference cluster with an echo service; its owner."""
    for worker in lab.workers[:2]:
        worker.start_echo()
    return lab.start(lab.config(append=ECHO + append, key=key))


@pytest.fixture(name="echo_lab")
def lab_with_echo(lab: Lab) -> Iterator[Lab]:
    """The reference cluster with an echo service."""
    start(lab)
    yield lab


def wake(node: LoadBalancer) -> dict[str, int]:
    """What a node says of waking."""
    return node.status()["wake"]


def known(node: LoadBalancer, count: int) -> None:
    """Waits until the node knows so many connections of the owner."""
    eventually(lambda: wake(node)["held"] == count, 5.0, f"{count} connections known at {node}")


def knowing_ms(crowd: Crowd, count: int, since: float) -> float:
    """After how long 99 of 100 had been told."""
    return (next(float(at) for at, _, ended in crowd.lines() if int(ended) >= 0.99 * count) - since) * 1000


def established(host: str) -> int:
    """Connections that the echo server of this host believes to have."""
    where = ("state", "established", f"sport = :{topology.ECHO_PORT}")
    return len(netns.command("ip", "netns", "exec", host, "ss", "-Htn", *where).splitlines())


def servers_know(lab: Lab) -> bool:
    """The new connection of the test may be the only one."""
    left = [established(worker.name) for worker in lab.workers[:2]]
    assert sum(left) <= 1, f"connections that servers believe in: {left}"
    return True


def all_sent(node: LoadBalancer) -> bool:
    """Every client was told three times, every server twice; a hundredth the kernel may have had no room for."""
    assert wake(node)["segments"] >= 0.99 * (3 + 2) * CLIENTS, wake(node)
    return True


class Meter:
    """The kernel's count of bytes of the stream to the other node: both ways, from the IP header on."""

    def __init__(self, node: LoadBalancer) -> None:
        self.node = node
        rules = f"tcp dport {PEER_PORT} counter\ntcp sport {PEER_PORT} counter\n"
        chains = (f"chain {way} {{\ntype filter hook {way} priority 0\n{rules}}}\n" for way in ("input", "output"))
        node.run("nft", "-f", "-", stdin=f"table inet measured {{\n{''.join(chains)}}}\n")

    def bytes(self) -> int:
        """So far."""
        lines = self.node.run("nft", "list", "table", "inet", "measured").splitlines()
        return sum(int(line.split("bytes")[1].split()[0]) for line in lines if "counter" in line)


DEATHS: dict[str, Callable[[Lab, LoadBalancer], object]] = {
    "power-off": lambda lab, node: lab.power_off(node.name),
    "killed": lambda _, node: node.sigkill(),
}


@pytest.mark.parametrize("death", DEATHS)
def test_clients_and_servers_know(echo_lab: Lab, measured: Measured, death: str) -> None:
    """The owner dies under idle clients: 99 of 100 know in time; what was opened since is left alone, also later."""
    lab = echo_lab
    owner = lab.owner()
    peer = lab.other(owner)
    with lab.crowd(CLIENTS, topology.ECHO_PORT) as crowd:
        eventually(lambda: crowd.open() == CLIENTS, 20.0)
        known(peer, CLIENTS)
        DEATHS[death](lab, owner)
        eventually(lambda: peer.role() == "active", 3.0)
        taken = time.monotonic()
        fresh = lab.client.connect(VIP, topology.ECHO_PORT, timeout=5.0)
        eventually(lambda: crowd.ended() >= 0.99 * CLIENTS, 5.0)
        late = knowing_ms(crowd, CLIENTS, taken)
        assert wake(peer)["woken_clients"] == wake(peer)["woken_servers"] == CLIENTS
        eventually(lambda: servers_know(lab), 3.0)
        eventually(lambda: all_sent(peer), 5.0)
        if death == "killed":
            # The node comes back: it wakes nobody, and is told of the one connection there is.
            owner.start(lab.config(append=ECHO))
            known(owner, 1)
        fresh.sendall(b"still here")
        assert fresh.recv(100) == b"still here"
        fresh.close()
    measured(f"owner {death}: 99 of 100 clients know after the takeover", late, "ms", at_most=500)
    assert "clients and" in peer.lbctl("why", "vip").stdout


def test_telling_costs_little(echo_lab: Lab, measured: Measured) -> None:
    """What is told of a connection that opens and closes fits into 40 bytes, headers included; of a short one nothing."""
    owner = echo_lab.owner()
    peer = echo_lab.other(owner)
    eventually(lambda: wake(owner)["nodes"] == 1, 3.0, "the peer is told")
    meter = Meter(owner)
    with echo_lab.openloop(topology.ECHO_PORT, interval_ms=2, mode="echo") as load:
        eventually(lambda: len(load.connections()) >= 500, 10.0)
    known(peer, 0)
    short = meter.bytes()
    # On a machine that stood still meanwhile some lasted.
    lasting = [c for c in load.connections() if c.end - c.start > LASTING]
    with echo_lab.crowd(CLIENTS, topology.ECHO_PORT, rate=500) as crowd:
        eventually(lambda: crowd.open() == CLIENTS, 30.0)
        known(peer, CLIENTS)
        assert wake(owner)["told"] == CLIENTS
    known(peer, 0)
    measured("short connections: bytes told of each", (short - 40 * len(lasting)) / 500, "bytes", at_most=1)
    measured("bytes told of a connection", (meter.bytes() - short) / CLIENTS, "bytes", at_most=40)


def test_a_hand_over_wakes_nobody(echo_lab: Lab) -> None:
    """Sessions that move with the VIP are not woken; then the new owner's peer knows them, and wakes them when it dies."""
    lab = echo_lab
    first = lab.owner()
    second = lab.other(first)
    with lab.crowd(100, topology.ECHO_PORT) as crowd:
        eventually(lambda: crowd.open() == 100, 5.0)
        known(second, 100)
        assert first.lbctl("failover").code == 0
        eventually(lambda: second.role() == "active", 3.0)
        known(first, 100)
        assert wake(second)["held"] == wake(second)["woken_clients"] == 0
        assert crowd.ended() == 0
        second.sigkill()
        eventually(lambda: first.role() == "active", 3.0)
        eventually(lambda: crowd.ended() >= 99, 5.0)
        assert wake(first)["woken_clients"] == 100


def test_without_key_nothing_is_told(lab: Lab) -> None:
    """There is nobody to trust: no byte goes to the peer's port, nothing is sent to clients, and status says why."""
    owner = start(lab, key=False)
    peer = lab.other(owner)
    meter = Meter(owner)
    with lab.crowd(100, topology.ECHO_PORT) as crowd:
        eventually(lambda: crowd.open() == 100, 5.0)
        holds(lambda: wake(peer)["held"] == 0 and wake(owner)["nodes"] == 0, 1.0)
        assert not wake(owner)["possible"] and meter.bytes() == 0
        assert "without key_file no node can wake" in peer.lbctl("status").stdout
        lab.power_off(owner.name)
        eventually(lambda: peer.role() == "active", 3.0)
        holds(lambda: crowd.ended() == 0 and wake(peer)["segments"] == 0, 0.5)


def shut_out(sock: socket.socket) -> bool:
    """Whether the other end closes the connection."""
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def tls_with_another_key(node: LoadBalancer, peer: LoadBalancer) -> str:
    """What a TLS client with a key of its own says of its attempt."""
    where = ("-connect", f"{peer.address}:{PEER_PORT}", "-bind", f"{node.address}:0")
    key = ("-psk", "11" * 32, "-psk_identity", "lbd")
    argv = ["ip", "netns", "exec", node.name, "openssl", "s_client", "-tls1_3", *where, *key]
    done = subprocess.run(argv, input="", capture_output=True, text=True, timeout=10, check=False)
    return done.stdout + done.stderr


def test_who_has_not_the_key_changes_nothing(echo_lab: Lab) -> None:
    """At another host and at the owner's address: silence, rubbish, TLS with another key, more than a node needs."""
    lab = echo_lab
    owner = lab.owner()
    peer = lab.other(owner)
    with lab.crowd(100, topology.ECHO_PORT) as crowd:
        eventually(lambda: crowd.open() == 100, 5.0)
        known(peer, 100)
        assert shut_out(lab.client.connect(peer.address, PEER_PORT)), "only nodes come in"
        answer = tls_with_another_key(owner, peer)
        assert "CONNECTED" in answer and "Verify return code" not in answer.split("no peer certificate")[0]
        assert "New, (NONE)" in answer
        visitors = [owner.connect(peer.address, PEER_PORT) for _ in range(20)]
        for sock in visitors[:2]:
            sock.sendall(os.urandom(4096))
        for sock in visitors:
            assert shut_out(sock)
        assert wake(peer)["held"] == 100 and crowd.ended() == 0
        with lab.client.connect(VIP, topology.ECHO_PORT):
            known(peer, 101)
            # A peer that has forgotten everything is told everything.
            os.kill(peer.proxy_pid, signal.SIGKILL)
            eventually(lambda: wake(peer)["held"] == 101, 8.0, "told anew")


@pytest.mark.skipif(not FULL, reason="a long form: LBD_FULL=1")
def test_ipv6(lab: Lab) -> None:
    """The same over IPv6; its servers, which are reached over IPv4, are not known to come from the VIP."""
    replace = {f"vips: [{VIP}]": f'vips: ["{topology.VIP6}"]'}
    for node in lab.lbs:
        replace[f"{node.name}: {node.address}\n"] = f'{node.name}: "{node.address6}"\n'
    for node in lab.lbs:
        node.start(lab.config(replace=replace), wait=False)
    for node in lab.lbs:
        node.wait_up()
    owner = eventually(lambda: [node for node in lab.lbs if node.role() == "active"], 10.0)[0]
    peer = lab.other(owner)
    eventually(lambda: lab.client.get(topology.VIP6, 80, timeout=1.0).status == 200, 5.0)
    with lab.crowd(100, 80, address=topology.VIP6) as crowd:
        eventually(lambda: crowd.open() == 100, 5.0)
        known(peer, 100)
        lab.power_off(owner.name)
        eventually(lambda: peer.role() == "active", 3.0)
        eventually(lambda: crowd.ended() >= 99, 2.0)
        assert wake(peer)["woken_clients"] == 100 and wake(peer)["woken_servers"] == 0
