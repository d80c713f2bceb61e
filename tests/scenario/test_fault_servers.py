"""Goal (F34-F36, F38-F40): whatever a server does, no connection is lost that another server can take."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest

from lab import Lab, eventually, holds, topology
from lab.faults import Fault
from lab.host import ServerHost
from lab.lb import LoadBalancer

from data_path import ECHO, Usage, echo_service, pushes, server, service, start_echo
from measure import failures, slowest_ms
from record import Measured
from trial import FULL

SLOW, PUSHED = 7001, 7002


def state(node: LoadBalancer, service_: str, name: str) -> str:
    """What the node thinks of the server."""
    return node.server(service_, name)["state"]


def busiest(lab: Lab, node: LoadBalancer) -> ServerHost:
    """The worker with the sessions."""
    return max(lab.workers, key=lambda w: node.server("ingress-http", w.name)["sessions"])


def test_f34_server_killed(lab: Lab, measured: Measured) -> None:
    """nginx of a worker is killed: new connections go elsewhere, its sessions learn of it at once."""
    owner = lab.start()
    with lab.openloop() as load, lab.sessions(30) as sessions:
        worker = busiest(lab, owner)
        doomed = owner.server("ingress-http", worker.name)["sessions"]
        killed = time.monotonic()
        worker.stop()
        gone = time.monotonic()
        eventually(lambda: sessions.broken_so_far() >= min(doomed, 30), 2.0)
        load.succeeds_after(gone + 1.0)
    measured("F34 server killed: connections lost", len(failures(load, killed, gone)), "", exactly=0)
    told = max(s["broken_at"] for s in sessions.broken()) - killed
    measured("F34 server killed: sessions learn of it within", told * 1000, "ms", at_most=100)


def test_f35_server_vanishes(lab: Lab, measured: Measured) -> None:
    """Everything to and from a worker is lost: it is down in time, its sessions are reset then, no connection is lost."""
    owner = lab.start()
    with lab.openloop() as load, lab.sessions(30) as sessions:
        worker = busiest(lab, owner)
        hit = time.monotonic()
        lab.blackhole(worker.name)
        eventually(lambda: state(owner, "ingress-http", worker.name) == "down", 12.0)
        down = time.monotonic()
        eventually(lambda: sessions.broken_so_far() == 30, 2.0)
        load.succeeds_after(down + 0.5)
    measured("F35 server vanishes: down after", (down - hit) * 1000, "ms", at_most=7500)
    measured("F35 server vanishes: connections lost", len(failures(load, hit)), "", exactly=0)
    measured("F35 server vanishes: slowest new connection", slowest_ms(load, hit), "ms", at_most=300)
    told = max(s["broken_at"] for s in sessions.broken()) - down
    measured("F35 server vanishes: sessions are reset after it is down, within", max(told, 0) * 1000, "ms", at_most=100)


def test_f36_server_refuses(lab: Lab, measured: Measured) -> None:
    """A worker answers every SYN with a reset."""
    owner = lab.start()
    with lab.openloop() as load:
        eventually(lambda: len(load.connections()) >= 50)
        worker = max(lab.workers, key=lambda w: owner.server("ingress-http", w.name)["sessions_total"])
        hit = time.monotonic()
        lab.refuse(worker.name, topology.HTTP_PORT)
        cut = time.monotonic()
        eventually(lambda: state(owner, "ingress-http", worker.name) == "down", 12.0)
        load.succeeds_after(time.monotonic() + 0.5)
    assert changes(owner, worker)[-1]["to"] == "down"
    measured("F36 server refuses: connections lost", len(failures(load, hit, cut)), "", exactly=0)
    measured("F36 server refuses: slowest new connection", slowest_ms(load, cut), "ms", at_most=300)


def test_f38_slow_server(lab: Lab, measured: Measured) -> None:
    """Fifty clients send as fast as they can to a server that reads 1 kB a second: nothing piles up in between."""
    count = 50

    def reads_slowly(sock: socket.socket) -> None:
        while sock.recv(100):
            time.sleep(0.1)

    worker = lab.workers[0]
    text = service("slow", SLOW, {worker.name: f"{worker.address}:{SLOW}"})
    with server(worker, SLOW, reads_slowly):
        owner = lab.start(lab.config(append=text))
        lab.client.get(topology.VIP, 80)
        usage = Usage(owner)
        with lab.openloop(interval_ms=10) as load, contextlib.ExitStack() as stack:
            senders = [stack.enter_context(lab.client.connect(topology.VIP, SLOW)) for _ in range(count)]
            for sock in senders:
                threading.Thread(target=quiet(pushes()), args=(sock,), daemon=True).start()
            eventually(lambda: owner.server("slow", worker.name)["sessions"] == count)
            holds(lambda: True, 20.0 if FULL else 2.0)
            grown = usage.grown_kb() / count
            for sock in senders:
                sock.shutdown(socket.SHUT_RDWR)
    measured("F38 slow server: resident memory for each session", grown, "kB", at_most=64)
    measured("F38 slow server: failed connections to others", sum(load.result().failures.values()), "", exactly=0)


def quiet(what):  # type: ignore[no-untyped-def] # a function of a socket
    """The same, ending silently when the socket does."""

    def run(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            what(sock)

    return run


@pytest.mark.patient
def test_f39_server_vanishes_in_mid_session(lab: Lab, measured: Measured) -> None:
    """Sessions are kept when their server dies; still the kernel's timers end those of one that has vanished."""
    timeout, idle = (30.0, 35.0) if FULL else (3.0, 4.0)
    timers = "" if FULL else "    keepalive: 2s/1s/2\n    user_timeout: 3s\n"
    start_echo(lab)
    owner = lab.start(lab.config(append=echo_service(lab, f"    on_dead: keep\n{timers}", count=1)))
    with lab.client.connect(topology.VIP, ECHO, 60.0) as busy, lab.client.connect(topology.VIP, ECHO, 60.0) as still:
        for sock in (busy, still):
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
        # The options of the server's side are set after a second.
        holds(lambda: True, 1.3)
        lab.blackhole(lab.workers[0].name)
        hit = time.monotonic()
        busy.sendall(b"unheard")
        ended = {}
        for name, sock in (("sending", busy), ("idle", still)):
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(1) == b""
            ended[name] = time.monotonic() - hit
    measured("F39 server vanishes: a session that sends ends after", ended["sending"] * 1000, "ms", at_most=timeout * 1000 + 1500)
    measured("F39 server vanishes: an idle session ends after", ended["idle"] * 1000, "ms", at_most=idle * 1000 + 1500)
    assert "end=sD reason=server-timeout" in owner.logs(200)


@pytest.mark.patient
def test_f40_server_flaps(lab: Lab, measured: Measured) -> None:
    """A worker refuses for half of each second: no connection is lost, and its state does not flap along."""
    seconds = 60 if FULL else 9
    owner = lab.start()
    log = owner.log.stat().st_size
    with lab.openloop() as load:
        eventually(lambda: len(load.connections()) >= 50)
        worker = max(lab.workers, key=lambda w: owner.server("ingress-http", w.name)["sessions_total"])
        before = len(changes(owner, worker))
        began = time.monotonic()
        for second in range(seconds):
            fault: Fault = lab.refuse(worker.name, topology.HTTP_PORT)
            holds(lambda: True, began + second + 0.5 - time.monotonic())
            fault.heal()
            holds(lambda: True, began + second + 1.0 - time.monotonic())
        ended = time.monotonic()
    changed = len(changes(owner, worker)) - before
    lines = [line for line in owner.log.read_bytes()[log:].decode().splitlines() if worker.name in line and "session" not in line]
    name = f"F40 server flaps for {seconds} s"
    measured(f"{name}: changes of its state", changed, "", at_most=seconds / 3)
    measured(f"{name}: lines about it", len(lines) / (ended - began), "/s", at_most=10)
    refused = [c for c in load.connections() if c.outcome != "ok" and c.connected is None]
    measured(f"{name}: connections lost before the first byte", len(refused), "", exactly=0)


def changes(node: LoadBalancer, worker: ServerHost) -> list[dict[str, str]]:
    """Every change of the state of the worker's HTTP server that the node remembers."""
    events = node.api("GET", "/v1/events?n=1000")[1]["events"]
    return [event for event in events if event["kind"] == "server" and event["subject"] == f"ingress-http/{worker.name}"]
