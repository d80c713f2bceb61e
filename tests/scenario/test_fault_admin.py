"""Goal (F59, F60, F62): broken files, reloads without end and misused API sockets are refused, and nobody else notices."""

from __future__ import annotations

import contextlib
import resource
import socket
import statistics
import subprocess
import time
from typing import Iterator

import pytest

from lab import Lab, eventually, holds, netns, sanitizer, topology
from lab.lb import LoadBalancer
from lab.paths import program
from record import Measured
from trial import FULL, INTERVAL, Trial, descriptors, resident_kb, transitions

IDLE = 1000
DEAF = 60
LINE = 1 << 20
# The pages that so many sessions and overlapping configurations need at once are all in use after some hundred reloads.
RELOADS, WARM = (1000, 200) if FULL else (40, 20)
# How long requests flood the socket, and how often an administrator comes meanwhile.
FLOOD, FLOOD_LOOKS = 60.0 if FULL else 2.0, 8
SERVERS = 1000
STATUS_RUNS = 15
STATUS_MS, STATUS_PATIENCE = 20, 15.0
WEIGHTED = "      k8s-worker-3: {address: 10.196.35.27:30080, weight: 7, backup: true}"
TRAFFIC = ("sessions", "sessions_total", "bytes_in", "bytes_out", "connect_ms")

ANCHORS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 30))
BROKEN = {
    "syntax": "cluster: [k8s\n",
    "type": "    listen: eighty\n",
    "range": "10.196.35.20:99999",
    "duplicate key": "cluster: k8s\ncluster: k9s\n",
    "anchor bomb": ANCHORS,
    "10 MB": "# " + "x" * (10 << 20) + "\n",
    "nesting": "cluster: " + "[" * 5000 + "]" * 5000 + "\n",
}


def broken(lab: Lab, kind: str) -> str:
    """The lab's file with this fault in it."""
    text = BROKEN[kind]
    if kind == "type":
        return lab.config(replace={"    listen: 80\n": text})
    if kind == "range":
        return lab.config(replace={"10.196.35.20:6443": text})
    return text + lab.config() if kind in ("anchor bomb", "10 MB") else lab.config(replace={"cluster: k8s\n": text})


def test_f59_broken_files_at_reload(lab: Lab, measured: Measured) -> None:
    """Each is refused as a whole within 100 ms; what runs stays, no connection is lost, the memory comes back."""
    owner = lab.start()
    before = owner.status()["config"]
    took: dict[str, float] = {}
    with Trial(lab) as trial:
        for round_ in range(2):
            resident = {pid: resident_kb(pid) for pid in (owner.pid, owner.proxy_pid)}
            for kind in BROKEN:
                owner.write_config(broken(lab, kind))
                began = trial.now()
                code, answer = owner.api("POST", "/v1/reload")
                took[kind] = (trial.now() - began) * 1000
                assert code == 422 and answer["error"]["code"] == "bad-configuration", (kind, code, answer)
                assert "lbd.yaml:" in answer["error"]["message"], (kind, answer)
                holds(lambda: True, 0.15)
        grown = max(resident_kb(pid) - kb for pid, kb in resident.items())
        trial.served_after(trial.now())
    measured("F59 broken files: the slowest was refused after", max(took.values()), "ms", at_most=100)
    measured("F59 broken files: memory grew in the second round by", grown, "kB", at_most=256)
    measured("F59 broken files: failed connections", sum(trial.failed().values()), "", exactly=0)
    assert owner.status()["config"] == before and lab.owner() is owner
    trial.check()


def test_f60_reloads_under_load(lab: Lab, measured: Measured) -> None:
    """A changed file each 50 ms: no connection fails, no session is lost, descriptors and memory stay."""
    owner = lab.start()
    files = [lab.config(), lab.config(replace={"      k8s-worker-3: 10.196.35.27:30080\n": ""})]

    def reload(times: int) -> None:
        for number in range(times):
            due = time.monotonic() + 0.05
            owner.write_config(files[number % 2])
            owner.sighup()
            holds(lambda end=due: True, max(0.0, due - time.monotonic()))

    # 2,000 connections a second for a minute are more than the ports that a host has by default.
    for host in (owner, lab.client):
        netns.sysctl(host.name, "ipv4/ip_local_port_range", "1024 65535")
    with Trial(lab, interval_ms=0.5 if FULL else 2) as trial, lab.sessions(30) as sessions:
        reload(WARM)
        holds(lambda: True, 0.5)
        pids = (owner.pid, owner.proxy_pid)
        files_before, memory_before = [descriptors(p) for p in pids], [resident_kb(p) for p in pids]
        reload(RELOADS)
        eventually(lambda: owner.status()["config"] and owner.lbctl("diff").stdout.startswith("nothing would change"), 5.0)
        holds(lambda: True, 0.5)
        memory = [(resident_kb(p) - was) / was * 100 for p, was in zip(pids, memory_before)]
        eventually(lambda: abs(descriptors(pids[0]) - files_before[0]) <= 2, 3.0)
    measured(f"F60 {RELOADS} reloads under load: failed connections", sum(trial.failed().values()), "", exactly=0)
    measured(f"F60 {RELOADS} reloads under load: sessions lost", len(sessions.broken()), "", exactly=0)
    measured(f"F60 {RELOADS} reloads under load: memory of the keeper grew by", memory[0], "%", at_most=1)
    measured(f"F60 {RELOADS} reloads under load: memory of the proxy grew by", memory[1], "%", at_most=1 if FULL else 5)
    # Each reload is worth its line, so the rate of lines is not judged.
    assert lab.owner() is owner and trial.arp.both_ms() == 0


def advert_gap_ms(trial: Trial, owner: LoadBalancer, since: float, until: float) -> float:
    """The longest time between two adverts of the owner."""
    at = [a.at for a in trial.frames.adverts() if a.host == owner.name and since <= a.at <= until]
    return max((b - a) * 1000 for a, b in zip(at, at[1:]))


def connected(sock: socket.socket, node: LoadBalancer) -> bool:
    """Connects; False while the queue of the socket is full."""
    with contextlib.suppress(BlockingIOError):
        sock.connect(str(node.socket))
        return True
    return False


@contextlib.contextmanager
def clients(node: LoadBalancer, count: int, request: bytes = b"") -> Iterator[list[socket.socket]]:
    """Connections to the admin socket that send this and then nothing."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(count):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.settimeout(2.0)
            eventually(lambda s=sock: connected(s, node), 5.0)
            if request:
                with contextlib.suppress(OSError):
                    sock.sendall(request)
            found.append(sock)
        yield found


def get_in(node: LoadBalancer) -> float:
    """How long an administrator waits for an answer, in milliseconds."""
    began = time.monotonic()
    done = subprocess.run([program("lbctl"), "--socket", str(node.socket), "version"], capture_output=True, check=False)
    assert done.returncode == 0, done
    return (time.monotonic() - began) * 1000


def test_f62_misused_admin_socket(lab: Lab, measured: Measured) -> None:
    """Idle clients, lines of 1 MB, halves of requests, readers that do not read, a flood: adverts and clients do not notice."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, max(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    owner = lab.start()
    before = sum(map(transitions, lab.lbs))
    follow = b"GET /v1/events?follow=1 HTTP/1.1\r\nHost: lbd\r\n\r\n"
    waits = []
    with Trial(lab) as trial:
        with clients(owner, 64):
            holds(lambda: True, 2.0)
        calm = trial.now()
        resident = resident_kb(owner.proxy_pid)
        with clients(owner, IDLE):
            waits.append(get_in(owner))
            with clients(owner, 20, b"GET /" + b"x" * LINE), clients(owner, 20, b"POST /v1/check HTTP/1.1\r\nHos"):
                waits.append(get_in(owner))
        with clients(owner, DEAF + 40, follow), clients(owner, 1, b"GET /v1/status HTTP/1.1\r\nHost: lbd\r\n\r\n" * 2000):
            waits.append(get_in(owner))
            for weight in range(1, 40):
                # Each order is a line of the log, and a trial allows ten a second.
                time.sleep(0.1)
                assert owner.api("POST", "/v1/servers/kube-api/k8s-master-1", {"weight": weight})[0] == 200
            waits.append(get_in(owner))
        for _ in range(300):
            owner.api("GET", "/v1/status")
        ended = trial.now()
        holds(lambda: True, 1.0)
        grown = resident_kb(owner.proxy_pid) - resident
    worst = advert_gap_ms(trial, owner, calm, ended)
    measured("F62 misused admin socket: longest time between two adverts", worst, "ms", at_most=1.5 * INTERVAL * 1000)
    measured("F62 misused admin socket: an administrator waited at most", max(waits), "ms", at_most=1000)
    measured("F62 misused admin socket: memory of the proxy grew by", grown, "kB", at_most=1024)
    measured("F62 misused admin socket: transitions", sum(map(transitions, lab.lbs)) - before, "", exactly=0)
    measured("F62 misused admin socket: failed connections", sum(trial.failed().values()), "", exactly=0)
    trial.check(same_descriptors=False)


@pytest.mark.alone
def test_f62_flood_of_requests(lab: Lab, measured: Measured) -> None:
    """Clients that pipeline requests as fast as they are answered: adverts and an administrator do not notice."""
    owner = lab.start()
    before = sum(map(transitions, lab.lbs))
    waits = []
    with Trial(lab) as trial:
        # What the first requests of so many clients allocate stays with the process.
        with lab.flood(owner, owner.socket, "/healthz"):
            holds(lambda: True, 0.5)
        calm, resident = trial.now(), resident_kb(owner.proxy_pid)
        with lab.flood(owner, owner.socket, "/healthz") as flood:
            for _ in range(FLOOD_LOOKS):
                holds(lambda: True, FLOOD / FLOOD_LOOKS)
                waits.append(get_in(owner))
        ended, grown = trial.now(), resident_kb(owner.proxy_pid) - resident
    worst = advert_gap_ms(trial, owner, calm, ended)
    measured("F62 flood: requests answered a second", flood.rate(), "", at_least=1000)
    measured("F62 flood: longest time between two adverts", worst, "ms", at_most=1.5 * INTERVAL * 1000)
    measured("F62 flood: an administrator waited at most", max(waits), "ms", at_most=1000)
    measured("F62 flood: memory of the proxy grew by", grown, "kB", at_most=1024)
    measured("F62 flood: transitions", sum(map(transitions, lab.lbs)) - before, "", exactly=0)
    measured("F62 flood: failed connections", sum(trial.failed().values()), "", exactly=0)
    trial.check(same_descriptors=False)


@pytest.mark.alone
def test_status_of_a_thousand_servers(lab: Lab, measured: Measured) -> None:
    """`lbctl status` on a node with 1,000 servers, from its start to its end."""
    services = ""
    for number in range(10):
        services += f"  many-{number}:\n    listen: {20000 + number}\n    check: {{interval: 60s, fast_interval: 60s}}\n    servers:\n"
        services += "".join(f"      s{n}: 10.196.35.23:{10000 + 100 * number + n}\n" for n in range(SERVERS // 10))
    owner = lab.start(lab.config(append=services))
    argv = [program("lbctl"), "--socket", str(owner.socket), "status"]
    took: list[float] = []
    # What is measured is lbctl and the daemon, not who else has the processors: the looks go on until one had them.
    end = time.monotonic() + STATUS_PATIENCE
    while len(took) < STATUS_RUNS or (min(took) > STATUS_MS and time.monotonic() < end):
        began = time.monotonic()
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        took.append((time.monotonic() - began) * 1000)
    assert len(done.stdout.splitlines()) > SERVERS and topology.VIP in done.stdout
    measured("status of 1,000 servers: median", statistics.median(took), "ms")
    measured("status of 1,000 servers: best", min(took), "ms", at_most=None if sanitizer.active() else STATUS_MS)


def test_brief_status_is_the_same_screen(lab: Lab) -> None:
    """What lbctl asks for is less, and every value in it is that of the whole answer; another detail is refused."""
    owner = lab.start(lab.config(replace={"      k8s-worker-3: 10.196.35.27:30080": WEIGHTED}))
    assert lab.client.get(topology.VIP, 80).status == 200
    with lab.sessions(6, port=80):
        whole, brief, node = (owner.api("GET", f"/v1/status?detail={d}")[1] for d in ("full", "brief", "node"))
    assert node.keys() == whole.keys() - {"services"} and brief.keys() == whole.keys()
    assert sum(s["sessions"] for s in brief["services"]) == 6
    for some, every in zip(brief["services"], whole["services"]):
        assert {k: v for k, v in some.items() if k != "servers"} == {k: v for k, v in every.items() if k != "servers"}
        for short, full in zip(some["servers"], every["servers"]):
            usual = {"effective_weight": full["weight"], "backup": False, **dict.fromkeys(TRAFFIC, 0)}
            assert {**usual, **short, "check": None} == {**{k: full[k] for k in (*usual, *short)}, "check": None}
            assert short["check"] == {"result": full["check"]["result"]}
    assert owner.api("GET", "/v1/status?detail=much")[0] == 400
