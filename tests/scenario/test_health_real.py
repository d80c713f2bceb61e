"""Goal: checks agree with the servers people have: etcd, nginx, kube-proxy's ports, agents as HAProxy understands them."""

from __future__ import annotations

import csv
import socket
import time
from pathlib import Path

import pytest

from lab import Lab, eventually
from lab.host import Host
from lab.lb import LoadBalancer
from lab.paths import REPOSITORY
from lab.topology import ETCD_PORT, HTTP_PORT, PROXY_HTTP_PORT
from record import Measured
from test_control_checks import AGENT, AGENT_PORT, say

pytestmark = pytest.mark.patient

OFTEN = "interval: 100ms, fast_interval: 100ms, timeout: 1s, rise: 1, fall: 1"
HOSTILE = str(REPOSITORY / "tests/lab/hostile.py")
TOKEN_PORT = 8081

TOKEN_NGINX = """\
user root;
daemon off;
master_process off;
error_log stderr error;
pid {directory}/token.pid;
events {{}}
http {{
    access_log off;
    server {{
        listen {port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        location / {{
            if ($http_authorization != "Bearer two") {{ return 401; }}
            return 200 "ok";
        }}
    }}
}}
"""

HAPROXY = """\
global
    stats socket {directory}/haproxy.sock mode 600 level admin
defaults
    timeout connect 1s
    timeout client 1s
    timeout server 1s
    mode tcp
backend servers
    server one {address}:{port} weight 100 check inter 100ms agent-check agent-port {agent} agent-inter 100ms
"""


def service(name: str, check: str, server: str, more: str = "") -> str:
    """A service of one server, checked often."""
    listen = 20000 + sum(name.encode()) % 1000
    return f"  {name}:\n    listen: {listen}\n    check: {{{check}, {OFTEN}}}\n{more}    servers: {{one: {server}}}\n"


def check_of(node: LoadBalancer, name: str) -> tuple[str, str]:
    """State and result of the one server."""
    server = node.server(name, "one")
    return server["state"], server["check"]["result"]


def expect(node: LoadBalancer, name: str, state: str, result: str) -> None:
    """Waits for state and result (its beginning)."""
    eventually(lambda: check_of(node, name)[0] == state and check_of(node, name)[1].startswith(result), 8.0, f"{name} {state} {result}")


def test_etcd(lab: Lab) -> None:
    """etcd's /health over TLS with its authority, and in client-certificate mode with and without a certificate to show."""
    plain, strict = lab.masters[0], lab.masters[1]
    plain.start_etcd()
    strict.start_etcd(client_certificates=True)
    for master in (plain, strict):
        eventually(lambda m=master: m.listens(ETCD_PORT), 15.0, "etcd")
    certificate = lab.authority.issue("check", days=40)
    health = f"type: https, path: /health, ca_file: {lab.authority.ca_file}, body: '\"health\":\"true\"'"
    shown = f"{health}, cert_file: {certificate.certificate}, key_file: {certificate.key}"
    text = service("etcd", health, f"'{plain.address}:{ETCD_PORT}'")
    text += service("strict", shown, f"'{strict.address}:{ETCD_PORT}'")
    text += service("unknown", health, f"'{strict.address}:{ETCD_PORT}'")
    text += service("broken", health.replace("true", "false"), f"'{plain.address}:{ETCD_PORT}'")
    node = lab.lbs[0]
    node.start(lab.config(append=text))
    expect(node, "etcd", "up", "200")
    expect(node, "strict", "up", "200")
    expect(node, "unknown", "not-ready", "tls: ")
    expect(node, "broken", "not-ready", "200 without the body")
    days = lambda server: server["check"]["client_certificate_ends"]  # noqa: E731 # said twice
    assert days(node.server("strict", "one")) and not days(node.server("etcd", "one"))
    plain.etcd.kill()  # type: ignore[union-attr] # started above
    expect(node, "etcd", "down", "refused")


def test_token_that_is_renewed(lab: Lab) -> None:
    """A token that the server does not accept is a warning that says so; a renewed file is read without a reload."""
    worker, token = lab.workers[0], lab.directory / "token"
    configuration = worker.directory / "token.conf"
    shown = lab.authority.issue("server")
    values = {"directory": worker.directory, "port": TOKEN_PORT, "certificate": shown.certificate, "key": shown.key}
    configuration.write_text(TOKEN_NGINX.format(**values), encoding="ascii")
    worker.spawn("nginx", "-e", "stderr", "-p", str(worker.directory), "-c", str(configuration), log="token")
    eventually(lambda: worker.listens(TOKEN_PORT), 5.0)
    token.write_text("one\n", encoding="ascii")
    server = f"'{worker.address}:{TOKEN_PORT}'"
    check = f"type: https, path: /, ca_file: {lab.authority.ca_file}"
    text = service("with", f"{check}, bearer_file: {token}", server) + service("without", check, server)
    node = lab.lbs[0]
    node.start(lab.config(append=text))
    expect(node, "with", "up", "401")
    expect(node, "without", "up", "401")
    assert "does not accept the token" in node.server("with", "one")["check"]["cause"]
    assert "set bearer_file" in node.server("without", "one")["check"]["cause"]
    assert "does not accept the token" in node.lbctl("why", "with/one").stdout
    events = node.api("GET", "/v1/events")[1]["events"]
    assert any(e["subject"] == "with/one" and e["to"] == "warning" and "does not accept" in e["reason"] for e in events)
    token.write_text("two words\n", encoding="ascii")
    eventually(lambda: "more than one token" in node.logs(200), 5.0)
    token.write_text("two\n", encoding="ascii")
    expect(node, "with", "up", "200")
    assert not node.server("with", "one")["check"]["warning"]
    assert node.server("without", "one")["check"]["warning"]


def test_other_port_and_proxy_header(lab: Lab) -> None:
    """kube-proxy's 10256 and a healthCheckNodePort judge a NodePort; checks of a service with send_proxy begin with its header."""
    worker = lab.workers[0]
    kube_proxy = worker.spawn("/usr/bin/python3", HOSTILE, "10256", "good", log="kube-proxy")
    eventually(lambda: worker.listens(10256), 5.0)
    node_port = f"'{worker.address}:30443'"
    text = service("node-port", "type: http, path: /healthz, port: 10256", node_port)
    text += service("local", f"type: http, path: /healthz, port: {HTTP_PORT}", node_port)
    proxied = f"'{worker.address}:{PROXY_HTTP_PORT}'"
    text += service("headed", "type: http, path: /healthz", proxied, "    send_proxy: v2\n")
    text += service("headed-one", "type: http, path: /healthz", proxied, "    send_proxy: v1\n")
    text += service("bare", "type: http, path: /healthz", proxied)
    node = lab.lbs[0]
    node.start(lab.config(append=text))
    for name in ("node-port", "local", "headed", "headed-one"):
        expect(node, name, "up", "200")
    eventually(lambda: check_of(node, "bare")[0] in ("down", "not-ready"), 5.0)
    worker.answer_with(503)
    expect(node, "local", "not-ready", "503")
    assert check_of(node, "node-port") == ("up", "200")
    kube_proxy.kill()
    expect(node, "node-port", "down", "refused")


def test_servers_known_within_one_timeout(lab: Lab, measured: Measured) -> None:
    """A start knows every server within one timeout of a check, those that are silent and those that refuse among them."""
    lab.workers[1].stop()
    lab.masters[2].hang()
    node = lab.lbs[0]
    with lab.blackhole(lab.workers[2].name):
        node.start(wait=False)
        servers = lambda: [s for v in node.status()["services"] for s in v["servers"]]  # noqa: E731 # said twice
        eventually(lambda: servers(), 10.0)
        began = time.monotonic()
        eventually(lambda: all(s["state"] != "unknown" for s in servers()), 10.0)
        measured("all servers known after the start", (time.monotonic() - began) * 1000, "ms", at_most=1500 + 250)
        states = {s["name"]: s["state"] for s in servers()}
    assert states["k8s-worker-2"] == states["k8s-worker-3"] == states["k8s-master-3"] == "down"
    assert states["k8s-worker-1"] == states["k8s-master-1"] == "up"


def haproxy_says(host: Host) -> tuple[str, str, str]:
    """Status, weight and limit of the one server as HAProxy has them."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(host.directory / "haproxy.sock"))
        connection.sendall(b"show stat\n")
        text = b"".join(iter(lambda: connection.recv(65536), b"")).decode().lstrip("# ")
    row = next(row for row in csv.DictReader(text.splitlines()) if row["svname"] == "one")
    return row["status"].split()[0], row["weight"], row["slim"]


def as_haproxy(server: dict) -> tuple[str, str, str]:
    """What lbd says of a server in HAProxy's words."""
    state = {"up": "UP", "down": "DOWN"}.get(server["state"], "DRAIN")
    weight = str(server["effective_weight"])
    return state, weight, str(server["max_connections"] or "")


# What the agent says, one after the other: what a line leaves out stays as it was.
LINES = (
    "up",
    "75%",
    "drain",
    "50%",
    "up",
    "ready",
    "down # disk is full",
    "30%",
    "up 100%",
    "maxconn:30",
    "maint",
    "ready",
    "ready up 80% maxconn:40",
    "stopped",
    "up\tready, 100%",
    "fail",
    "up",
    "0%",
    "100%",
)


def test_agent_as_haproxy_understands_it(lab: Lab) -> None:
    """Both are told the same lines by the same agent; state, weight and limit are the same after each of them."""
    worker, other = lab.workers[0], lab.observer
    say(lab, worker.name, "up")
    told = worker.directory / "told.txt"
    worker.spawn("/usr/bin/python3", "-c", AGENT, str(AGENT_PORT), str(worker.directory / "agent.txt"), str(told), log="agent")
    eventually(lambda: worker.listens(AGENT_PORT), 5.0)
    configuration = Path(other.directory / "haproxy.cfg")
    values = {"directory": other.directory, "address": worker.address, "port": HTTP_PORT, "agent": AGENT_PORT}
    configuration.write_text(HAPROXY.format(**values), encoding="ascii")
    other.spawn("haproxy", "-db", "-f", str(configuration))
    eventually(lambda: haproxy_says(other)[0] == "UP", 10.0, "HAProxy up")
    node = lab.lbs[0]
    check = f"type: agent, port: {AGENT_PORT}"
    node.start(lab.config(append=service("web", check, f"'{worker.address}:{HTTP_PORT}'", "    slow_start: 0\n")))
    expect(node, "web", "up", "agent: up")
    for line in LINES:
        told.write_text("", encoding="ascii")
        say(lab, worker.name, line)
        heard = line.split("#")[0]
        # While it drains a server HAProxy does not show that it missed a line.
        eventually(lambda t=f"{other.address} {line}\n": t in told.read_text(encoding="ascii"), 5.0, f"HAProxy hears {line!r}")
        eventually(lambda h=heard: node.server("web", "one")["check"]["result"] == f"agent: {h}", 5.0, line)
        eventually(lambda: same(haproxy_says(other), node.server("web", "one")), 5.0, f"after {line!r} the same")


def same(haproxy: tuple[str, str, str], server: dict) -> bool:
    """The same state, and for a server that takes sessions the same weight; the same limit."""
    state, weight, limit = haproxy
    told_state, told_weight, told_limit = as_haproxy(server)
    # HAProxy calls a weight of 0 and maintenance by names of their own; all of them mean: no new sessions.
    out = {"DRAIN", "MAINT", "NOLB"}
    alike = told_state == state or (told_state in out and state in out) or (told_weight == "0" and state in out)
    assert alike and limit == told_limit, (haproxy, as_haproxy(server))
    assert state != "UP" or weight == told_weight, (haproxy, as_haproxy(server))
    return True
