"""Goal: what checks and administrators say about a server is what its clients meet, also across a reload."""

from __future__ import annotations

import subprocess
import time
from typing import Iterator

import pytest

from lab import Lab, eventually

pytestmark = pytest.mark.patient

AGENT_PORT = 9777
HTTP_CHECK = "    check: {type: http, path: /healthz, expect: [200, 404]}\n"
# `source` would send the lab's only client to one server.
SPREAD = {"    balance: source\n": ""}
AGENT_CHECK = f"""\
    check: {{type: agent, port: {AGENT_PORT}, interval: 100ms, fast_interval: 100ms, rise: 1, fall: 1}}
    slow_start: 0
"""

AGENT = """
import socket, sys
server = socket.create_server(("0.0.0.0", int(sys.argv[1])))
while True:
    connection, peer = server.accept()
    with open(sys.argv[2], "rb") as file:
        line = file.read()
    connection.sendall(line)
    connection.close()
    if len(sys.argv) > 3:
        with open(sys.argv[3], "ab") as file:
            file.write(peer[0].encode() + b" " + line)
"""


@pytest.fixture(name="agents")
def agents_on_workers(lab: Lab) -> Iterator[None]:
    """On each worker an agent that says what stands in the file agent.txt of its directory."""
    running = []
    for worker in lab.workers:
        say(lab, worker.name, "up")
        argv = ["/usr/bin/python3", "-c", AGENT, str(AGENT_PORT), str(worker.directory / "agent.txt")]
        running.append(subprocess.Popen(["ip", "netns", "exec", worker.name, *argv]))
    yield
    for process in running:
        process.kill()
        process.wait()


def say(lab: Lab, worker: str, line: str) -> None:
    """What the agent of a worker tells from now on."""
    file = lab[worker].directory / "agent.new"
    file.write_text(line + "\n", encoding="ascii")
    file.rename(file.with_name("agent.txt"))


def test_agent(lab: Lab, agents: None) -> None:  # pylint: disable=unused-argument
    """An agent sets the share of the weight, drains its server, and takes it down with its sessions."""
    owner = lab.start(lab.config(replace={HTTP_CHECK: AGENT_CHECK, **SPREAD}))
    one = "k8s-worker-1"

    def server() -> dict:
        return owner.server("ingress-http", one)

    eventually(lambda: all(s["state"] == "up" for s in services(owner, "ingress-http")))
    assert server()["check"]["result"] == "agent: up"
    say(lab, one, "50%")
    eventually(lambda: server()["effective_weight"] == 50)
    say(lab, one, "0%")
    eventually(lambda: server()["effective_weight"] == 0 and server()["state"] == "up")
    say(lab, one, "up 100%")
    eventually(lambda: server()["effective_weight"] == 100)
    with lab.sessions(30) as sessions:
        mine = server()["sessions"]
        assert mine > 0
        say(lab, one, "drain")
        eventually(lambda: server()["state"] == "not-ready")
        assert server()["sessions"] == mine and sessions.broken_so_far() == 0
        say(lab, one, "down # for good")
        eventually(lambda: server()["state"] == "down")
        eventually(lambda: sessions.broken_so_far() == mine)


def services(node, name: str) -> list[dict]:  # type: ignore[no-untyped-def] # a LoadBalancer
    """The servers of a service."""
    return next(s for s in node.status()["services"] if s["name"] == name)["servers"]


def test_admin_state_survives_reloads_and_moves(lab: Lab) -> None:
    """drain and maint stay through a reload, also when the server gets another address."""
    owner = lab.start()
    assert owner.lbctl("drain", "ingress-http/k8s-worker-1").code == 0
    assert owner.lbctl("maint", "ingress-http/k8s-worker-2").code == 0
    moved = lab.config(replace={"k8s-worker-1: 10.196.35.23:30080": "k8s-worker-1: 10.196.35.23:30443"})
    owner.write_config(moved)
    assert owner.lbctl("reload").code == 0
    assert owner.server("ingress-http", "k8s-worker-1")["address"] == "10.196.35.23:30443"
    assert owner.server("ingress-http", "k8s-worker-1")["admin"] == "drain"
    assert owner.server("ingress-http", "k8s-worker-2")["admin"] == "maint"


def test_maint_resets_sessions_and_stops_checks(lab: Lab) -> None:
    """maint ends the server's sessions; it is not checked until ready, then up again with a weight that grows."""
    owner = lab.start(lab.config(replace=SPREAD))
    with lab.sessions(30) as sessions:
        mine = owner.server("ingress-http", "k8s-worker-1")["sessions"]
        assert mine > 0
        assert owner.lbctl("maint", "ingress-http/k8s-worker-1").code == 0
        eventually(lambda: sessions.broken_so_far() == mine)
    assert len(sessions.broken()) == mine
    last = owner.server("ingress-http", "k8s-worker-1")["check"]["last"]
    other = owner.server("ingress-http", "k8s-worker-2")["check"]["last"]
    eventually(lambda: owner.server("ingress-http", "k8s-worker-2")["check"]["last"] != other)
    assert owner.server("ingress-http", "k8s-worker-1")["check"]["last"] == last
    assert owner.lbctl("ready", "ingress-http/k8s-worker-1").code == 0
    eventually(lambda: owner.server("ingress-http", "k8s-worker-1")["state"] == "up", 2.0)
    weight = eventually(lambda: owner.server("ingress-http", "k8s-worker-1")["effective_weight"], 2.0)
    assert weight < 60
    eventually(lambda: owner.server("ingress-http", "k8s-worker-1")["effective_weight"] > weight + 10, 4.0)


def test_verified_tls_checks(lab: Lab) -> None:
    """With the right authority the API servers are up; a reload that names a missing one is refused and changes nothing."""
    unverified, ca_file = "verify: false", str(lab.authority.ca_file)
    owner = lab.start(lab.config(replace={unverified: f"verify: true, ca_file: {ca_file}"}))
    eventually(lambda: all(s["state"] == "up" for s in services(owner, "kube-api")))
    owner.write_config(lab.config(replace={unverified: "verify: true, ca_file: /nonexistent/ca.crt"}))
    refused = owner.lbctl("reload")
    assert refused.code == 1 and "/nonexistent/ca.crt" in refused.stderr and "kube-api" in refused.stderr
    assert all(s["state"] == "up" for s in services(owner, "kube-api"))
    owner.write_config(lab.config(replace={unverified: "verify: true"}))
    assert owner.lbctl("reload").code == 0
    eventually(lambda: all(s["state"] == "not-ready" for s in services(owner, "kube-api")), 8.0)
    assert services(owner, "kube-api")[0]["check"]["result"].startswith("tls: ")


def test_failed_connections_are_told_at_once(lab: Lab) -> None:
    """A server that refuses is down long before its slow checks would find out, because clients found out."""
    slow = "    check: {type: http, path: /healthz, expect: [200, 404], interval: 60s, fast_interval: 200ms}\n"
    owner = lab.start(lab.config(replace={HTTP_CHECK: slow}))
    worker = lab.workers[1]
    eventually(lambda: all(s["state"] == "up" for s in services(owner, "ingress-http")))
    with lab.openloop() as load:
        eventually(lambda: len(load.connections()) >= 100)
        worker.stop()
        stopped = time.monotonic()
        # `source` sends one client to one server; every client port is the same client, so ask until it is that one.
        for server in ("k8s-worker-1", "k8s-worker-3"):
            owner.lbctl("drain", f"ingress-http/{server}")
        eventually(lambda: owner.server("ingress-http", worker.name)["state"] == "down", 5.0)
        assert time.monotonic() - stopped < 5.0
