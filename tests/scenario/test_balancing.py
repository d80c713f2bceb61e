"""Goal: who gets a connection: weights and their change, slow start, backup servers, limits, networks; all at run time."""

from __future__ import annotations

import contextlib
import time
from collections import Counter

import pytest

from lab import Lab, eventually, holds, topology
from lab.host import Host
from lab.lb import LoadBalancer

from data_path import ECHO, start_echo

pytestmark = pytest.mark.patient


def service(lab: Lab, options: str, *each: str) -> str:
    """The echo service with options of its own and of each worker's server."""
    lines = ""
    for worker, more in zip(lab.workers, each or ("", "", "")):
        address = f"{worker.address}:{topology.ECHO_PORT}"
        lines += f"      {worker.name}: {{address: {address}{more}}}\n"
    return f"  echo:\n    listen: {ECHO}\n{options}    servers:\n{lines}"


def shares(lab: Lab, count: int) -> Counter[str]:
    """Which servers answer so many connections, one after another."""
    found: Counter[str] = Counter()
    for _ in range(count):
        with lab.client.connect(topology.VIP, ECHO) as sock:
            found[sock.makefile().readline().strip()] += 1
    return found


def refused(node: LoadBalancer) -> int:
    """How many connections the service has refused."""
    return next(s for s in node.status()["services"] if s["name"] == "echo")["refused"]


def is_reset(host: Host) -> bool:
    """Whether a new connection of the host is, rather than echoing."""
    try:
        with host.connect(topology.VIP, ECHO) as sock:
            sock.sendall(b"x")
            return sock.recv(1) == b""
    except (ConnectionResetError, BrokenPipeError):
        return True


def test_weights_change_at_run_time(lab: Lab) -> None:
    """Shares follow the weights of the file, then those that an administrator sets, at once and exactly."""
    start_echo(lab, banner=True)
    options = "    balance: roundrobin\n    slow_start: 0\n"
    owner = lab.start(lab.config(append=service(lab, options, ", weight: 100", ", weight: 50", ", weight: 50") + "workers: 1\n"))
    first, second, third = (worker.name for worker in lab.workers)
    eventually(lambda: all(owner.server("echo", w.name)["state"] == "up" for w in lab.workers))
    found = shares(lab, 200)
    assert abs(found[first] - 100) <= 2 and abs(found[second] - 50) <= 2 and abs(found[third] - 50) <= 2, found
    assert owner.lbctl("weight", f"echo/{first}", "10").code == 0
    assert owner.lbctl("weight", f"echo/{second}", "90").code == 0
    found = shares(lab, 150)
    assert abs(found[first] - 10) <= 2 and abs(found[second] - 90) <= 2 and abs(found[third] - 50) <= 2, found


def test_a_server_that_comes_back_starts_slowly(lab: Lab) -> None:
    """Its weight grows from little to all of it within slow_start, and its share with it."""
    start_echo(lab, banner=True)
    options = "    balance: roundrobin\n    slow_start: 4s\n    check: {interval: 200ms, fast_interval: 100ms}\n"
    owner = lab.start(lab.config(append=service(lab, options)))
    name = lab.workers[0].name
    lab.workers[0].echo.kill()  # type: ignore[union-attr] # started above
    eventually(lambda: owner.server("echo", name)["state"] == "down")
    lab.workers[0].start_echo(banner=True)
    eventually(lambda: owner.server("echo", name)["state"] == "up")
    back = time.monotonic()
    weights = []
    while time.monotonic() < back + 4.5:
        weights.append(owner.server("echo", name)["effective_weight"])
        if len(weights) == 1:
            early = shares(lab, 60)
        holds(lambda: True, 0.2)
    assert weights == sorted(weights) and weights[0] <= 50 and weights[-1] == 100, weights
    assert len(set(weights)) >= 4, weights
    assert early[name] <= 12 and shares(lab, 60)[name] >= 18


def test_backup_servers_wait(lab: Lab) -> None:
    """A backup gets nothing while another server is up, everything once none is, nothing when one is back."""
    start_echo(lab, banner=True)
    options = "    slow_start: 0\n    check: {interval: 200ms, fast_interval: 100ms}\n"
    owner = lab.start(lab.config(append=service(lab, options, "", "", ", backup: true")))
    first, second, backup = lab.workers
    eventually(lambda: all(owner.server("echo", w.name)["state"] == "up" for w in lab.workers))
    assert backup.name not in shares(lab, 40)
    for worker in (first, second):
        worker.echo.kill()  # type: ignore[union-attr] # started above
    assert set(shares(lab, 10)) == {backup.name}
    eventually(lambda: all(owner.server("echo", w.name)["state"] == "down" for w in (first, second)))
    assert set(shares(lab, 10)) == {backup.name}
    first.start_echo(banner=True)
    eventually(lambda: owner.server("echo", first.name)["state"] == "up")
    assert set(shares(lab, 10)) == {first.name}


def test_when_all_are_down_all_are_tried(lab: Lab) -> None:
    """No check passes, but every server works: `refuse` resets at once, `try_all` uses them all, though none that is drained."""
    start_echo(lab, banner=True)
    options = "    balance: roundrobin\n    slow_start: 0\n    check: {type: tcp, port: 9, interval: 200ms, fast_interval: 100ms}\n"
    owner = lab.start(lab.config(append=service(lab, options)))
    names = {worker.name for worker in lab.workers}
    eventually(lambda: all(owner.server("echo", name)["state"] == "down" for name in names))
    assert all(is_reset(lab.client) for _ in range(5))
    owner.write_config(lab.config(append=service(lab, f"{options}    when_all_down: try_all\n")))
    assert owner.lbctl("reload").code == 0
    eventually(lambda: not is_reset(lab.client))
    assert set(shares(lab, 30)) == names
    assert all(owner.server("echo", name)["state"] == "down" for name in names)
    drained = lab.workers[0].name
    assert owner.lbctl("drain", f"echo/{drained}").code == 0
    assert set(shares(lab, 20)) == names - {drained}


def test_limits_of_servers_services_and_sources(lab: Lab) -> None:
    """Full servers are passed over; over the service's or the source's limit a connection is reset and counted."""
    start_echo(lab, banner=True)
    limits = "    max_connections: 8\n    max_connections_per_source: 6\n    balance: first\n"
    one = ", max_connections: 2"
    owner = lab.start(lab.config(append=service(lab, limits, one, one, "")))
    eventually(lambda: all(owner.server("echo", w.name)["state"] == "up" for w in lab.workers))
    with contextlib.ExitStack() as stack:
        names: Counter[str] = Counter()

        def hold(host: Host) -> None:
            sock = stack.enter_context(host.connect(topology.VIP, ECHO))
            names[sock.makefile().readline().strip()] += 1

        for _ in range(6):
            hold(lab.client)
        assert [names[worker.name] for worker in lab.workers] == [2, 2, 2]
        assert is_reset(lab.client) and refused(owner) == 1
        for _ in range(2):
            hold(lab.observer)
        assert is_reset(lab.observer) and refused(owner) == 2
    eventually(lambda: not is_reset(lab.client))


def test_ten_thousand_networks(lab: Lab) -> None:
    """Of 10,000 networks the longest prefix decides; another list is taken over by a reload, within a second."""
    start_echo(lab)
    many = ", ".join(f"11.{i >> 8}.{i & 255}.0/24" for i in range(9998))
    lists = f"    allow: [0.0.0.0/0, {lab.client.address}]\n    deny: [{many}, 10.196.35.0/24]\n"
    owner = lab.start(lab.config(append=service(lab, lists)))
    eventually(lambda: not is_reset(lab.client))
    assert is_reset(lab.observer) and refused(owner) == 1
    owner.write_config(lab.config(append=service(lab, lists.replace(lab.client.address, lab.observer.address))))
    began = time.monotonic()
    assert owner.lbctl("reload").code == 0
    assert time.monotonic() - began < 1.0
    eventually(lambda: is_reset(lab.client) and not is_reset(lab.observer), 2.0)

