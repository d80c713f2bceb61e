"""Goal: the API answers as the contract says, refuses in its own words, and nobody who misuses it is noticed by others."""

from __future__ import annotations

import json
import socket

import pytest

from lab import Lab, eventually, topology
from lab.lb import LoadBalancer

pytestmark = pytest.mark.patient


def refused(node: LoadBalancer, method: str, path: str, body: object = None) -> tuple[int, str]:
    """Status and error code of a request that must not succeed."""
    status, answer = node.api(method, path, body)
    assert status >= 400 and answer["error"]["message"], answer
    return status, answer["error"]["code"]


def raw(node: LoadBalancer, request: bytes) -> socket.socket:
    """A connection to the admin socket with some bytes sent."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(5.0)
    connection.connect(str(node.socket))
    connection.sendall(request)
    return connection


def test_refusals(shared_lab: Lab) -> None:
    """Wrong paths, methods, names, values and bodies: each with its status and code."""
    node = shared_lab.lbs[0]
    server = "/v1/servers/kube-api/k8s-master-1"
    assert refused(node, "GET", "/v1/nothing") == (404, "not-found")
    assert refused(node, "POST", "/v1/status") == (405, "method-not-allowed")
    assert refused(node, "POST", "/v1/servers/nothing/x", {"admin": "drain"}) == (404, "unknown-service")
    assert refused(node, "POST", "/v1/servers/kube-api/nobody", {"admin": "drain"}) == (404, "unknown-server")
    for body in ({}, [], {"admin": "off"}, {"weight": 0}, {"weight": 257}, {"weight": "9"}, {"admin": "drain", "x": 1}):
        assert refused(node, "POST", server, body) == (400, "bad-request"), body
    assert refused(node, "POST", "/v1/standby", {"on": 1}) == (400, "bad-request")
    assert refused(node, "POST", "/v1/failover", {"to": 5}) == (400, "bad-request")
    assert refused(node, "GET", "/v1/events?since=x") == (400, "bad-request")
    assert refused(node, "GET", "/v1/why?subject=kube-api") == (400, "bad-request")
    assert refused(node, "GET", "/v1/connections?client=here") == (400, "bad-request")
    assert refused(node, "GET", "/v1/connections?service=nothing") == (404, "unknown-service")
    assert refused(node, "GET", "/v1/connections?server=kube-api/nobody") == (404, "unknown-server")
    assert refused(node, "GET", "/v1/connections?server=nobody") == (404, "unknown-server")
    assert node.api("GET", "/v1/connections?service=kube-api&server=k8s-master-1") == (200, {"total": 0, "connections": []})
    misspelt = node.lbctl("connections", "--service", "kube-ap")
    assert misspelt.code == 1 and "there are kube-api, ingress-http, ingress-https" in misspelt.stderr
    assert refused(node, "DELETE", "/v1/connections/x") == (400, "bad-request")
    assert refused(node, "DELETE", "/v1/connections/999999999") == (404, "unknown-connection")
    assert refused(node, "DELETE", "/v1/connections") == (400, "bad-request")
    assert node.server("kube-api", "k8s-master-1")["admin"] == "ready"


def test_check_diff_and_config(shared_lab: Lab) -> None:
    """The dumped configuration is good and no change; a bad one is told with line and column."""
    node = shared_lab.lbs[0]
    _, running = node.api("GET", "/v1/config")
    dumped = shared_lab.directory / "dumped.yaml"
    dumped.write_text(running["yaml"], encoding="utf-8")
    assert node.lbctl("check", str(dumped)).code == 0
    same = node.lbctl("--json", "diff", str(dumped))
    assert json.loads(same.stdout)["changes"] == []
    assert running["hash"] == node.status()["config"]
    dumped.write_text(shared_lab.config(replace={"balance: source": "balance: first"}), encoding="utf-8")
    changes = json.loads(node.lbctl("--json", "diff", str(dumped)).stdout)["changes"]
    assert {(c["service"], c["key"], c["from"], c["to"]) for c in changes} >= {
        ("ingress-http", "balance", "source", "first")
    }
    dumped.write_text("cluster: k8s\nnodez: {}\n", encoding="utf-8")
    bad = node.lbctl("check", str(dumped))
    assert bad.code == 1 and f"{dumped}:2:1:" in bad.stderr


def test_sessions_are_listed_filtered_and_ended(shared_lab: Lab) -> None:
    """A connection shows up with its addresses; DELETE resets it and no other."""
    owner = shared_lab.owner()
    with shared_lab.sessions(4) as sessions:
        _, answer = owner.api("GET", "/v1/connections?service=ingress-http")
        found = answer["connections"]
        assert answer["total"] == len(found) == 4
        assert all(c["state"] == "established" and c["client"].startswith("10.196.35.100:") for c in found)
        assert all(c["local"] == f"{topology.VIP}:80" and c["age_seconds"] >= 0 for c in found)
        _, none = owner.api("GET", "/v1/connections?client=10.196.35.0/28")
        assert none == {"total": 0, "connections": []}
        _, counted = owner.api("GET", "/v1/connections?limit=0&client=10.196.35.100")
        assert counted["total"] >= 4 and counted["connections"] == []
        status, ended = owner.api("DELETE", f"/v1/connections/{found[0]['id']}")
        assert (status, ended["ended"]) == (200, 1)
        eventually(lambda: sessions.broken_so_far() == 1)
        _, left = owner.api("GET", "/v1/connections?service=ingress-http")
        assert {c["id"] for c in left["connections"]} == {c["id"] for c in found[1:]}


def test_events_are_followed(shared_lab: Lab) -> None:
    """follow=1 tells what happens from now on, one JSON object a line; since tells only what is newer."""
    node = shared_lab.lbs[1]
    _, before = node.api("GET", "/v1/events")
    newest = before["events"][-1]["id"]
    request = f"GET /v1/events?since={newest}&follow=1 HTTP/1.1\r\nHost: lbd\r\n\r\n"
    with raw(node, request.encode()) as stream, stream.makefile("rb") as lines:
        node.api("POST", "/v1/servers/kube-api/k8s-master-1", {"weight": 50})
        told = next(line for line in lines if line.startswith(b"{"))
        node.api("POST", "/v1/servers/kube-api/k8s-master-1", {"weight": 100})
        again = next(line for line in lines if line.startswith(b"{"))
    first, second = json.loads(told), json.loads(again)
    assert (first["kind"], first["subject"], first["to"]) == ("admin", "kube-api/k8s-master-1", "weight 50")
    assert second["id"] == first["id"] + 1 > newest
    _, after = node.api("GET", f"/v1/events?since={first['id']}")
    assert [e["id"] for e in after["events"]] == [second["id"]]
    _, last = node.api("GET", "/v1/events?n=1")
    assert [e["id"] for e in last["events"]] == [second["id"]]


def test_why(shared_lab: Lab) -> None:
    """The VIP and a server are explained in words, with the decisions behind them."""
    owner = shared_lab.owner()
    _, vip = owner.api("GET", "/v1/why?subject=vip")
    assert f"{owner.name} is active" in vip["text"] and any(e["to"] == "active" for e in vip["events"])
    _, server = owner.api("GET", "/v1/why?subject=kube-api/k8s-master-2")
    assert "is up since" in server["text"] and '"200"' in server["text"]
    assert any((e["from"], e["to"]) == ("unknown", "up") for e in server["events"])


def test_big_and_idle_clients(shared_lab: Lab) -> None:
    """A body beyond 256 kB is refused; 300 idle connections do not keep an administrator out."""
    node = shared_lab.lbs[0]
    status, _ = node.api("POST", "/v1/check", "x" * (300 * 1024))
    assert status == 413
    idle = [raw(node, b"GET /v1/status HTT") for _ in range(40)]
    for _ in range(260):
        try:
            idle.append(raw(node, b""))
        except (BlockingIOError, TimeoutError):
            break
    eventually(lambda: node.status()["node"] == node.name, 2.0)
    assert node.lbctl("status").code in (0, 1)
    for connection in idle:
        connection.close()
    assert node.role() in ("active", "backup")


def test_readers_who_do_not_read(shared_lab: Lab) -> None:
    """Twenty followers and pipelined requests without a reader: the API goes on for others."""
    node = shared_lab.lbs[0]
    follow = b"GET /v1/events?follow=1 HTTP/1.1\r\nHost: lbd\r\n\r\n"
    deaf = [raw(node, follow) for _ in range(20)]
    deaf.append(raw(node, b"GET /v1/status HTTP/1.1\r\nHost: lbd\r\n\r\n" * 500))
    for weight in range(1, 60):
        assert node.api("POST", "/v1/servers/kube-api/k8s-master-1", {"weight": weight})[0] == 200
    assert node.api("POST", "/v1/servers/kube-api/k8s-master-1", {"weight": 100})[0] == 200
    for connection in deaf:
        connection.close()
    assert node.status()["node"] == node.name
