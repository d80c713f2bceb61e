"""Goal (F45-F50): clients that finish first, reset, vanish, do not read or do not speak; whole answers, bounded memory."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time

import pytest

from lab import Lab, eventually, holds, topology
from lab.lb import LoadBalancer
from lab.probes import HalfClose

from data_path import ECHO, Usage, echo_service, pushes, server, service, start_echo
from record import Measured
from trial import FULL, descriptors

FIRST, PUSH = 7001, 7002
HALF_CLOSES = 10000


def reset(sock: socket.socket) -> None:
    """Closes with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def lasting_descriptors(node: LoadBalancer) -> int:
    """Descriptors of its proxy, without those that a check has for a moment."""
    counts = []
    for _ in range(10):
        counts.append(descriptors(node.proxy_pid))
        holds(lambda: True, 0.02)
    return min(counts)


def judge_resets(measured: Measured, name: str, took: list[float]) -> None:
    """Within 10 ms; one of many may have met a program that did not get the processor."""
    measured(f"{name}, median", sorted(took)[len(took) // 2], "ms", at_most=10)
    measured(f"{name}, worst", max(took), "ms", at_most=100)


def test_f45_client_finishes_first(lab: Lab, measured: Measured) -> None:
    """The client sends, shuts its side down and only then reads: everything comes back."""
    start_echo(lab)
    lab.start(lab.config(append=echo_service(lab)))
    with lab.halfclose(HALF_CLOSES, ECHO) as clients:
        eventually(clients.finished, 60.0)
    measured(f"F45 client half-closes {HALF_CLOSES} connections: whole answers", clients.summary["whole"], "", exactly=HALF_CLOSES)


def test_f46_server_finishes_first(lab: Lab, measured: Measured) -> None:
    """The server sends and shuts its side down; the client reads to the end and only then answers."""
    worker = lab.workers[0]
    # Checks go to nginx, so that every connection of the server is a client's.
    options = f"    check: {{type: tcp, port: {topology.HTTP_PORT}}}\n"
    text = service("first", FIRST, {worker.name: f"{worker.address}:{FIRST}"}, options)
    with HalfClose(worker, "-l", worker.address, str(FIRST)) as servers:
        lab.start(lab.config(append=text))
        with lab.halfclose(HALF_CLOSES, FIRST, answers=True) as clients:
            eventually(clients.finished, 60.0)
        eventually(lambda: lab.owner().server("first", worker.name)["sessions"] == 0)
    assert clients.summary["broken"] == 0 and servers.summary["broken"] == 0
    measured(f"F46 server half-closes {HALF_CLOSES} connections: whole answers", servers.summary["whole"], "", exactly=HALF_CLOSES)


def test_f47_client_resets_in_mid_transfer(lab: Lab, measured: Measured) -> None:
    """While the server pushes as fast as it can the client resets: the server sees a reset, and no pipe is kept."""
    worker, rounds = lab.workers[0], 50
    seen: list[tuple[float, BaseException]] = []

    def push(sock: socket.socket) -> None:
        try:
            pushes()(sock)
        except OSError as error:
            seen.append((time.monotonic(), error))

    with server(worker, PUSH, push):
        options = f"    check: {{type: tcp, port: {topology.HTTP_PORT}}}\n"
        owner = lab.start(lab.config(append=service("push", PUSH, {worker.name: f"{worker.address}:{PUSH}"}, options)))
        before = lasting_descriptors(owner)
        took = []
        for number in range(rounds):
            sock = lab.client.connect(topology.VIP, PUSH)
            got = 0
            while got < 3_000_000:
                got += len(sock.recv(1 << 18))
            hit = time.monotonic()
            reset(sock)
            eventually(lambda n=number: len(seen) == n + 1, 2.0)
            took.append((seen[-1][0] - hit) * 1000)
        assert all(isinstance(error, ConnectionResetError) for _, error in seen), {repr(error) for _, error in seen}
        # Pipes wait for the next use: no more of them than sessions at a time.
        eventually(lambda: owner.server("push", worker.name)["sessions"] == 0)
        kept = lasting_descriptors(owner) - before
    name = f"F47 {rounds} clients reset in mid-transfer"
    judge_resets(measured, f"{name}: server sees a reset after", took)
    measured(f"{name}: descriptors kept", kept, "", at_most=2 * (os.cpu_count() or 1))


def test_f47_server_resets_in_mid_transfer(lab: Lab, measured: Measured) -> None:
    """The same the other way: the server resets while it pushes, and the client, which reads all the time, sees a reset."""
    worker, rounds = lab.workers[0], 50
    hits: list[float] = []

    def push_and_reset(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for _ in range(50):
                sock.sendall(b"x" * 65536)
        hits.append(time.monotonic())
        reset(sock)

    with server(worker, PUSH, push_and_reset):
        options = f"    check: {{type: tcp, port: {topology.HTTP_PORT}}}\n"
        owner = lab.start(lab.config(append=service("push", PUSH, {worker.name: f"{worker.address}:{PUSH}"}, options)))
        before = lasting_descriptors(owner)
        took = []
        for number in range(rounds):
            with lab.client.connect(topology.VIP, PUSH) as sock, pytest.raises(ConnectionResetError):
                while sock.recv(1 << 18):
                    pass
                pytest.fail("the client saw an orderly end")
            seen = time.monotonic()
            took.append((seen - hits[number]) * 1000)
        eventually(lambda: owner.server("push", worker.name)["sessions"] == 0)
        kept = lasting_descriptors(owner) - before
    name = f"F47 {rounds} servers reset in mid-transfer"
    judge_resets(measured, f"{name}: client sees a reset after", took)
    measured(f"{name}: descriptors kept", kept, "", at_most=2 * (os.cpu_count() or 1))


@pytest.mark.patient
def test_f48_client_vanishes(lab: Lab, measured: Measured) -> None:
    """A client that is cut off is found out: at once, nearly, where it is sent to, and by keepalive where it is idle."""
    timeout, idle = (30.0, 35.0) if FULL else (3.0, 4.0)
    timers = "" if FULL else "    keepalive: 2s/1s/2\n    user_timeout: 3s\n"
    worker = lab.workers[0]
    with server(worker, PUSH, pushes()):
        start_echo(lab)
        checked = f"    check: {{type: tcp, port: {topology.HTTP_PORT}}}\n{timers}"
        push = service("push", PUSH, {worker.name: f"{worker.address}:{PUSH}"}, checked)
        owner = lab.start(lab.config(append=echo_service(lab, timers, count=1) + push))
        with lab.client.connect(topology.VIP, ECHO) as still, lab.client.connect(topology.VIP, PUSH) as busy:
            still.sendall(b"x")
            assert still.recv(1) == b"x" and busy.recv(1)
            hit = time.monotonic()
            lab.blackhole("client")
            freed = {}
            for name in ("push", "echo"):
                eventually(lambda n=name: owner.server(n, worker.name)["sessions"] == 0, idle + 25)
                freed[name] = time.monotonic() - hit
    measured("F48 client vanishes: a session towards it is freed after", freed["push"] * 1000, "ms", at_most=timeout * 1000 + 3500)
    measured("F48 client vanishes: an idle session is freed after", freed["echo"] * 1000, "ms", at_most=idle * 1000 + 3500)


def test_f49_clients_that_do_not_read(lab: Lab, measured: Measured) -> None:
    """A hundred clients ask for 1 GB each and read nothing: memory is bounded, others are served, and one reads on."""
    count = 100
    owner = lab.start()
    with lab.openloop(interval_ms=10) as others, contextlib.ExitStack() as stack:
        usage = Usage(owner)
        sockets = [stack.enter_context(lab.client.connect(topology.VIP, 80)) for _ in range(count)]
        for sock in sockets:
            sock.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        holds(lambda: True, 2.0)
        grown = usage.grown_kb() / count
        got = 0
        while got < 50_000_000:
            block = sockets[0].recv(1 << 20)
            assert block
            got += len(block)
    measured(f"F49 {count} clients that do not read: resident memory for each session", grown, "kB", at_most=64)
    measured(f"F49 {count} clients that do not read: failed connections of others", sum(others.result().failures.values()), "", exactly=0)
    assert usage.same_process(owner)


def test_f50_silent_clients(lab: Lab, measured: Measured) -> None:
    """Ten thousand connections from one address that never say a word: most are refused, the others end in time."""
    count, share, idle = 10000, 2000, 3.0
    limits = f"    max_connections_per_source: {share}\n    idle_timeout: {idle:g}s\n"
    text = lab.config(replace={"    listen: 80\n": f"    listen: 80\n{limits}"})
    owner = lab.start(text)
    usage = Usage(owner)
    with lab.openloop(interval_ms=10, host=lab.observer) as others:
        with lab.crowd(count, 80, rate=5000) as crowd:
            eventually(lambda: crowd.settled(count) and 0 < crowd.open() <= share, 20.0)
            grown = usage.grown_kb()
            eventually(lambda: crowd.open() == 0, idle + 5.0)
    name = f"F50 {count} silent clients"
    refused = int(next(s for s in owner.status()["services"] if s["name"] == "ingress-http")["refused"])
    measured(f"{name}: refused over the limit of {share} for each source", refused, "", at_least=count - share, at_most=count - share)
    measured(f"{name}: resident memory of the proxy", grown, "kB", at_most=share * 2)
    measured(f"{name}: failed connections of others", sum(others.result().failures.values()), "", exactly=0)
    assert set(crowd.endings()) == {"reset"} and sum(crowd.endings().values()) == count
