"""Goal: when the owner dies, its clients and servers learn it within half a second of the takeover, not after minutes.

The owner tells its peer the connections of the VIP as they open and close; a peer that takes over without a hand-over
sends each end one segment that it has to answer, and the answer meets a reset.
"""

from __future__ import annotations

import os
import time
from typing import Iterator

import pytest

from lab import VIP, Lab, eventually, netns, topology
from lab.lb import LoadBalancer
from lab.probes import Crowd
from record import Measured

FULL = os.environ.get("LBD_FULL") == "1"
CLIENTS = 5000 if FULL else 1000

ECHO = f"""
  echo:
    listen: {topology.ECHO_PORT}
    servers:
      k8s-worker-1: 10.196.35.23:{topology.ECHO_PORT}
      k8s-worker-2: 10.196.35.24:{topology.ECHO_PORT}
"""


@pytest.fixture(name="echo_lab")
def lab_with_echo(lab: Lab) -> Iterator[Lab]:
    """The reference cluster with an echo service."""
    for worker in lab.workers[:2]:
        worker.start_echo()
    lab.start(lab.config(append=ECHO))
    yield lab


def wake(node: LoadBalancer) -> dict[str, int]:
    """What a node says of waking."""
    return node.status()["wake"]


def known(lab: Lab, count: int) -> None:
    """Waits until the peer knows so many connections of the owner."""
    eventually(lambda: wake(lab.other(lab.owner()))["held"] == count, 5.0, f"{count} connections known at the peer")


def ended_at(crowd: Crowd, share: float, count: int) -> float:
    """When that share of the connections had ended."""
    return next(float(instant) for instant, _, ended in crowd.lines() if int(ended) >= share * count)


def established(host: str) -> int:
    """Connections that the echo server of this host believes to have."""
    where = ("state", "established", f"sport = :{topology.ECHO_PORT}")
    return len(netns.command("ip", "netns", "exec", host, "ss", "-Htn", *where).splitlines())


def test_clients_and_servers_know(echo_lab: Lab, measured: Measured) -> None:
    """Power off under idle clients: 99 of 100 know in time; what was opened since is left alone."""
    lab = echo_lab
    owner = lab.owner()
    peer = lab.other(owner)
    with lab.crowd(CLIENTS, topology.ECHO_PORT) as crowd:
        eventually(lambda: crowd.open() == CLIENTS, 10.0)
        known(lab, CLIENTS)
        lab.power_off(owner.name)
        eventually(lambda: peer.role() == "active", 3.0)
        taken = time.monotonic()
        fresh = lab.client.connect(VIP, topology.ECHO_PORT, timeout=5.0)
        eventually(lambda: crowd.ended() >= 0.99 * CLIENTS, 5.0)
        late = (ended_at(crowd, 0.99, CLIENTS) - taken) * 1000
        for worker in lab.workers[:2]:
            eventually(lambda w=worker: established(w.name) <= 1, 3.0, "servers know")
        # All rounds are over.
        eventually(lambda: wake(peer)["segments"] >= 3 * 2 * CLIENTS, 5.0)
        fresh.sendall(b"still here")
        assert fresh.recv(100) == b"still here"
        fresh.close()
    measured("99 of 100 clients know after the takeover", late, "ms", at_most=500)
    assert wake(peer)["woken_clients"] == CLIENTS
