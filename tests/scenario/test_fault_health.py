"""Goal: whatever a server does or fails to do, its check ends in time with the right reason and costs nobody else anything."""

from __future__ import annotations

import re
import time

import pytest

from lab import VIP, Lab, eventually, holds
from lab.host import ServerHost
from lab.lb import LoadBalancer
from lab.paths import REPOSITORY
from lab.pki import Authority
from record import Measured
from trial import DOWN, FULL, descriptors, resident_kb, transitions

HOSTILE = str(REPOSITORY / "tests/lab/hostile.py")
# Defaults of a check.
INTERVAL, FAST, TIMEOUT = 2.0, 0.5, 1.5
# A check begins at most one interval after the former; others that begin beside it have failed when it has.
CATALOGUE = INTERVAL + TIMEOUT
# How long after the answer to a check each server stops.
PHASES = (0.0, 0.0, 0.4, 0.8, 1.2, 1.6)
# How long "none here, some there" must last before the VIP moves.
NO_SERVERS_HOLD = 3.0

# What a hostile server does, whether inside TLS, and what may be thought of it.
BEHAVIOURS = (
    ("garbage", False, {"not-ready": "not HTTP"}),
    ("endless-head", False, {"not-ready": "not HTTP"}),
    ("endless-line", False, {"not-ready": "not HTTP"}),
    ("endless-body", False, {"not-ready": "200 without the body"}),
    ("endless-chunks", False, {"not-ready": "not HTTP"}),
    ("slow", False, {"down": "timeout"}),
    ("silent", False, {"down": "timeout"}),
    ("chunked", False, {"up": "200"}),
    ("good", True, {"up": "200"}),
    ("garbage", True, {"not-ready": "not HTTP"}),
    ("endless-head", True, {"not-ready": "not HTTP"}),
    ("silent", True, {"down": "timeout"}),
)
FIRST_PORT = 31000
HOSTILE_TIMEOUT = 0.4


def start_hostile(lab: Lab, worker: ServerHost, port: int, behaviour: str, tls: bool) -> None:
    """The behaviour on a port of a worker, once it listens."""
    certificate = lab.authority.issue("server")
    files = (str(certificate.certificate), str(certificate.key)) if tls else ()
    worker.spawn("/usr/bin/python3", HOSTILE, str(port), behaviour, *files, log=f"hostile-{port}")
    eventually(lambda: worker.connect("127.0.0.1", port, 1.0).close() is None, 5.0)


def service(name: str, port: int, check: str, listen: int = 0) -> str:
    """A service of one server, a port of the first worker, checked often."""
    times = f"interval: 100ms, fast_interval: 100ms, timeout: {HOSTILE_TIMEOUT * 1000:.0f}ms, rise: 1, fall: 1"
    where = f"    listen: {listen or port}\n    servers: {{one: '10.196.35.23:{port}'}}\n"
    return f"  {name}:\n{where}    check: {{{check}, {times}}}\n"


def only(node: LoadBalancer, name: str) -> dict:
    """The one server of a service."""
    return node.server(name, "one")


def test_hostile_servers(lab: Lab, measured: Measured) -> None:
    """F42. Garbage, endless heads, lines, bodies and chunks, slow bytes, silence, plain and in TLS: each check ends within its
    budget and says what was wrong; memory and descriptors do not grow, other checks do not wait."""
    text = ""
    for number, (behaviour, tls, _) in enumerate(BEHAVIOURS):
        start_hostile(lab, lab.workers[0], FIRST_PORT + number, behaviour, tls)
        kind = "type: https, verify: false" if tls else "type: http"
        wanted = "is ok" if behaviour == "chunked" else "ok"
        text += service(f"{behaviour}{'-tls' if tls else ''}", FIRST_PORT + number, f"{kind}, path: /, body: {wanted}")
    node = lab.lbs[0]
    node.start(lab.config(append=text))
    eventually(lambda: all(only(node, f"{b}{'-tls' if t else ''}")["check"]["last"] for b, t, _ in BEHAVIOURS))
    before, open_before = resident_kb(node.proxy_pid), descriptors(node.proxy_pid)
    lasts = {}
    for behaviour, tls, wanted in BEHAVIOURS:
        name = f"{behaviour}{'-tls' if tls else ''}"
        eventually(lambda n=name, w=wanted: only(node, n)["state"] in w, 5.0, name)
        found = only(node, name)
        assert found["check"]["result"] == wanted[found["state"]], (name, found)
        lasts[name] = found["check"]["last"]
    # They go on being checked, and none takes longer than its budget.
    deadline = time.monotonic() + (60 if FULL else 3)
    slowest, grown = 0.0, 0
    while time.monotonic() < deadline:
        slowest = max(slowest, *(only(node, name)["check"]["duration_ms"] for name in lasts))
        grown = max(grown, resident_kb(node.proxy_pid) - before)
    assert all(only(node, name)["check"]["last"] > last for name, last in lasts.items())
    assert node.server("kube-api", "k8s-master-1")["state"] == "up"
    measured("F42 slowest check of a hostile server", slowest, "ms", at_most=HOSTILE_TIMEOUT * 1000 + 100)
    measured("F42 memory that hostile servers cost", grown, "kB", at_most=2048)
    assert descriptors(node.proxy_pid) <= open_before + 2 * len(BEHAVIOURS)


@pytest.mark.patient
@pytest.mark.parametrize("behaviour", ["cut", "tls-cut"])
def test_cut_at_every_offset(lab: Lab, behaviour: str) -> None:
    """F42. An answer, and a TLS handshake with one, that ends after each possible number of bytes: never up unless what was
    asked for was there, never a check that hangs, and up when it is whole."""
    worker, tls = lab.workers[0], behaviour == "tls-cut"
    start_hostile(lab, worker, FIRST_PORT, behaviour, tls)
    check = "type: https, verify: false" if tls else "type: http"
    often = service("cut", FIRST_PORT, f"{check}, path: /, body: ok").replace("interval: 100ms", "interval: 10ms")
    node = lab.lbs[0]
    node.start(lab.config(append=often))
    rounds = 300 if tls else 2 * 75

    def connections() -> int:
        return int((worker.directory / f"hostile-{FIRST_PORT}.log").read_text(encoding="ascii").split()[-1])

    seen = set()

    def enough() -> bool:
        found = only(node, "cut")
        seen.add((found["state"], found["check"]["result"]))
        assert found["check"]["duration_ms"] < HOSTILE_TIMEOUT * 1000, found
        return connections() >= rounds

    eventually(enough, 30.0, f"{rounds} connections")
    results = {result for state, result in seen}
    assert ("up", "200") in seen, seen
    assert results & {"closed without an answer", "not HTTP", "reset"} or any(r.startswith("tls: ") for r in results), seen
    assert not results & {"timeout"}, seen


def hang_spread(lab: Lab, node: LoadBalancer) -> dict[str, float]:
    """Hangs each server as long after an answer to a check as PHASES says; returns when each was hit."""
    waiting = dict(zip((*lab.masters, *lab.workers), PHASES))
    first = {server: health(node, server)["check"]["last"] for server in waiting}
    answered: dict[ServerHost, float] = {}
    hit: dict[str, float] = {}

    def all_hit() -> bool:
        for server, phase in list(waiting.items()):
            now = time.monotonic()
            if server not in answered and health(node, server)["check"]["last"] != first[server]:
                answered[server] = now
            if now >= answered.get(server, now) + phase and server in answered:
                server.hang()
                hit[server.name] = time.monotonic()
                del waiting[server]
        return not waiting

    eventually(all_hit, 2 * INTERVAL + max(PHASES))
    return hit


def health(node: LoadBalancer, server: ServerHost) -> dict:
    """The server as the service sees it that checks it by HTTP."""
    return node.server("kube-api" if server.port == 6443 else "ingress-http", server.name)


@pytest.mark.patient
def test_servers_that_accept_and_never_answer(lab: Lab, measured: Measured) -> None:
    """F37. A stopped server still takes connections: checks by HTTP and in TLS fail by their budget, and it is down then, whenever
    between two checks it has stopped. With the default times."""
    node = lab.lbs[0]
    node.start(lab.config())
    servers = {server.name: server for server in (*lab.masters, *lab.workers)}
    eventually(lambda: all(health(node, server)["state"] == "up" for server in servers.values()))
    hit = hang_spread(lab, node)
    took: dict[str, float] = {}

    def all_down() -> bool:
        for name, server in servers.items():
            if name not in took and health(node, server)["state"] == "down":
                took[name] = time.monotonic() - hit[name]
        return len(took) == len(servers)

    eventually(all_down, 12.0)
    for name, server in servers.items():
        found = health(node, server)["check"]
        assert found["result"] == "timeout" and found["duration_ms"] < TIMEOUT * 1000 + 100, (name, found)
    measured(f"F37 {len(took)} hung servers: the last is down after", max(took.values()) * 1000, "ms", at_most=CATALOGUE * 1000)
    for server in servers.values():
        server.resume()
    eventually(lambda: all(health(node, server)["state"] == "up" for server in servers.values()), 12.0)


@pytest.mark.patient
def test_certificates(lab: Lab) -> None:
    """F41. Expired, signed by somebody else, for another name: not ready, with the reason; accepted where nothing is verified.
    A certificate that ends soon is seen in status, metrics, doctor and why."""
    worker, other = lab.workers[0], Authority(lab.directory / "other-pki", "other")
    certificates = {
        "expired": lab.authority.issue("expired", days=-1),
        "stranger": other.issue("server"),
        "soon": lab.authority.issue("soon", days=5),
    }
    for number, (name, certificate) in enumerate(certificates.items()):
        port = FIRST_PORT + number
        files = (str(certificate.certificate), str(certificate.key))
        worker.spawn("/usr/bin/python3", HOSTILE, str(port), "good", *files, log=f"hostile-{port}")
        eventually(lambda p=port: worker.connect("127.0.0.1", p, 1.0).close() is None, 5.0)
    verified = f"type: https, path: /, ca_file: {lab.authority.ca_file}"
    text = service("expired", FIRST_PORT, verified) + service("stranger", FIRST_PORT + 1, verified)
    text += service("soon", FIRST_PORT + 2, verified)
    text += service("named", FIRST_PORT + 2, f"{verified}, sni: other.example", listen=31999)
    text += service("accepted", FIRST_PORT, "type: https, path: /, verify: false", listen=31998)
    node = lab.lbs[0]
    node.start(lab.config(append=text))
    wanted = {
        "expired": ("not-ready", "tls: certificate has expired"),
        "stranger": ("not-ready", "tls: unable to get local issuer certificate"),
        "named": ("not-ready", "tls: hostname mismatch"),
        "soon": ("up", "200"),
        "accepted": ("up", "200"),
    }
    for name, (state, result) in wanted.items():
        eventually(lambda n=name, s=state: only(node, n)["state"] == s, 5.0, name)
        assert only(node, name)["check"]["result"] == result, name
    assert only(node, "soon")["check"]["certificate_ends"] > only(node, "expired")["check"]["certificate_ends"]
    doctor = node.lbctl("doctor").stdout
    assert re.search(r"(?m)^bad +certificates +expired/one", doctor), doctor
    assert "its certificate ends at" in node.lbctl("why", "soon/one").stdout
    metrics = node.lbctl("metrics").stdout
    found = re.search(r'lbd_server_certificate_expiry_timestamp_seconds\{service="soon",server="one"\} (\d+)', metrics)
    assert found and 4.5 < (int(found[1]) - time.time()) / 86400 < 5.5


@pytest.mark.patient
def test_all_servers_down_everywhere(lab: Lab, measured: Measured) -> None:
    """F43. No server anywhere moves nothing; the first one that is back is used within its rise time."""
    owner = lab.start()
    before = {node: transitions(node) for node in lab.lbs}
    for server in (*lab.masters, *lab.workers):
        server.stop()
    for node in lab.lbs:
        eventually(lambda n=node: all(s["state"] == "down" for v in n.status()["services"] for s in v["servers"]), 12.0)
    holds(lambda: owner.role() == "active", NO_SERVERS_HOLD + 1)
    measured("F43 role changes", sum(transitions(node) - before[node] for node in lab.lbs), "", exactly=0)
    lab.masters[0].start()
    eventually(lab.masters[0].serves)
    back = time.monotonic()
    eventually(lambda: lab.client.get(VIP, 6443, "/readyz", True, 1.0).status == 200, 6.0)
    # The next check may be a whole interval away, the second success follows fast.
    measured("F43 served again after", (time.monotonic() - back) * 1000, "ms", at_most=(INTERVAL + FAST + 0.3) * 1000)


@pytest.mark.patient
def test_servers_lost_by_one_node_alone(lab: Lab, measured: Measured) -> None:
    """F44. The owner alone cannot reach any server: the VIP goes to the node that can, and stays there."""
    owner = lab.start()
    peer = lab.other(owner)
    servers = [server.name for server in (*lab.masters, *lab.workers)]
    with lab.partition(owner.name, servers):
        hit = time.monotonic()
        eventually(lambda: peer.role() == "active" and peer.has_address() and not owner.has_address(), 20.0)
        bar = CATALOGUE + NO_SERVERS_HOLD + DOWN + 0.5
        measured("F44 VIP where servers are reached after", (time.monotonic() - hit) * 1000, "ms", at_most=bar * 1000)
        assert lab.client.get(VIP, 6443, "/readyz", True).status == 200
        assert "no-servers" in owner.lbctl("why", "vip").stdout
    holds(lambda: peer.role() == "active", 1.0)
