"""Goal: an upgrade replaces the running programs by the installed ones without a client or a server noticing it, and without a role
changing.

A new program that cannot take over is an error and nothing else.
"""

from __future__ import annotations

import hashlib
import http.server
import os
import random
import re
import socket
import socketserver
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from lab import VIP, Lab, eventually, netns, node_faults, paths, realtime, topology
from lab.lb import LoadBalancer
from lab.paths import program
from echo_stream import ECHO, Stream
from overlap import LATE_ANSWER
from record import Measured
from trial import descriptors, resident_kb

FULL = bool(os.environ.get("LBD_FULL"))


def start(lab: Lab, text: str | None = None, **options: Any) -> LoadBalancer:
    """As lab.start, as punctual as under systemd: a program has to begin within a lease, which a starved one does not."""
    return lab.start(text, priority=realtime.available(), **options)


def upgrade(node: LoadBalancer, source: Path | None = None) -> None:
    """`lbctl upgrade`: another process serves afterwards, alone; the keeper is what is installed now, and still itself."""
    keeper, before = node.pid, node.proxy_pid
    term = (node.role(), node.status()["since"])
    if node.installed:
        node.install(node.installed, source)
    done = node.lbctl("upgrade")
    assert done.code == 0 and " was replaced by lbd " in done.stdout, f"{done.stderr}{node.logs()}"
    alone(node, but=before)
    assert node.pid == keeper and (node.role(), node.status()["since"]) == term
    if node.installed:
        assert os.stat(f"/proc/{keeper}/exe").st_ino == (node.installed / "lbd").stat().st_ino


def versions(node: LoadBalancer) -> tuple[str, str]:
    """Those of the keeper and of the proxy."""
    status = node.status()
    return next(n["version"] for n in status["nodes"] if n["self"]), status["version"]


def followed(node: LoadBalancer) -> None:
    """The keeper has followed its proxy."""
    eventually(lambda: node.status()["upgrade"] is None, 7.0, "an upgraded keeper")


def alone(node: LoadBalancer, but: int) -> None:
    """One proxy, which is not that one any more."""
    eventually(lambda: len(proxies(node)) == 1 and but not in proxies(node), 3.0, "a new proxy, alone")


def proxies(node: LoadBalancer) -> list[int]:
    """The keeper's children, also those that have ended and that it does not know of yet."""
    return [int(pid) for pid in Path(f"/proc/{node.pid}/task/{node.pid}/children").read_text(encoding="ascii").split()]


def connections(node: LoadBalancer, service: str) -> list[dict[str, Any]]:
    """The live sessions of a service."""
    return [c for c in node.api("GET", "/v1/connections")[1]["connections"] if c["service"] == service]


def test_busy_sessions_do_not_notice(lab: Lab, measured: Measured) -> None:
    """200 sessions that ask every 20 ms, a new connection each 5 ms, and another version, the former, the other one again: nothing
    breaks, nothing fails."""
    for node in lab.lbs:
        node.install(lab.directory / "installed")
    owner = start(lab)
    this = versions(owner)[0]
    other = f"{this}+next"
    with lab.sessions(count=200, interval_ms=20) as sessions, lab.openloop() as load, lab.arpprobe() as arp:
        for source, version in ((paths.edition("next"), other), (None, this), (paths.edition("next"), other)):
            upgrade(owner, source)
            assert versions(owner) == (version, version)
            load.succeeds_after(time.monotonic() + 0.2)
    assert sessions.broken() == []
    assert load.result().failures == {}
    assert arp.longest_none_ms() < LATE_ANSWER * 1000 and arp.both_ms() == 0
    assert owner.sigterm(within=5.0) == 0, "it hears signals as before"
    stalls = sorted(session["longest_stall_ms"] for session in sessions.sessions)
    measured("upgrade: stall, median", stalls[len(stalls) // 2], "ms", at_most=250)
    measured("upgrade: stall, 99 %", stalls[len(stalls) * 99 // 100], "ms", at_most=600)
    measured("upgrade: stall, worst", stalls[-1], "ms")


@pytest.fixture(name="streams")
def full_streams(lab: Lab) -> Iterator[list[Stream]]:
    """An echo service with four streams through it that fill both ways."""
    for worker in lab.workers[:2]:
        worker.start_echo()
    start(lab, lab.config(append=ECHO))
    streams = [Stream(lab, seed) for seed in range(4)]
    for stream in streams:
        stream.start()
    yield streams


def download(lab: Lab, size: int) -> tuple[socket.socket, Callable[[], str]]:
    """A download that has begun, and what reads the rest of it: the checksum."""
    sock = lab.client.connect(VIP, 80, timeout=20.0)
    sock.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(65536)
    body = head.split(b"\r\n\r\n", 1)[1]

    def rest() -> str:
        digest, count = hashlib.sha256(body), len(body)
        while chunk := sock.recv(65536):
            digest.update(chunk)
            count += len(chunk)
        assert count == size
        return digest.hexdigest()

    return sock, rest


def test_every_byte_arrives_in_order(lab: Lab, streams: list[Stream]) -> None:
    """Full streams, a download, half-closed, unread and idle sessions, three upgrades: every byte, in order."""
    owner = lab.owner()
    content = random.Random(7).randbytes(1 << 20) * 32
    for worker in lab.workers:
        (worker.directory / "big").write_bytes(content)
    _, rest = download(lab, len(content))
    half, unread, idle = (lab.client.connect(VIP, topology.ECHO_PORT) for _ in range(3))
    unread.sendall(b"unread" * 100)
    idle.sendall(b"x")
    assert idle.recv(10) == b"x"
    half.sendall(b"h")
    assert half.recv(10) == b"h"
    for number in range(3):
        before = [stream.count for stream in streams]
        upgrade(owner)
        if number == 1:
            half.shutdown(socket.SHUT_WR)
        eventually(lambda: all(s.count > b + 200_000 for s, b in zip(streams, before)), 15.0, "all streams go on")
    assert half.recv(10) == b"", "the server's FIN is passed on"
    idle.sendall(b"still here")
    assert idle.recv(100) == b"still here"
    got = b""
    while len(got) < 600:
        got += unread.recv(4096)
    assert got == b"unread" * 100
    assert rest() == hashlib.sha256(content).hexdigest()
    for stream in streams:
        stream.finish()


def test_a_watch_survives(lab: Lab) -> None:
    """An etcd watch over TLS reports what is written after each upgrade, on the same connection."""
    lab.start_etcd()
    owner = start(lab)
    log = lab.directory / "watch"
    with open(log, "wb") as out:
        watch = subprocess.Popen(lab.etcdctl_argv("watch", "k"), stdout=out)

    def reports(value: str) -> None:
        def seen() -> bool:
            for master in lab.masters:
                netns.command(*lab.etcdctl_argv("put", "k", value, address=master.address))
            return value in log.read_text(encoding="ascii")

        eventually(seen, 10.0, "the watch reports a change")

    try:
        reports("before")
        clients = {c["client"] for c in connections(owner, "kube-api")}
        for number in range(2):
            upgrade(owner)
            reports(f"after-{number}")
        assert {c["client"] for c in connections(owner, "kube-api")} >= clients
        assert watch.poll() is None
    finally:
        watch.kill()
        watch.wait()


def test_what_is_known_stays_known(lab: Lab) -> None:
    """Orders, health, counters, the numbers of sessions and their ends by number: the new proxy has them at once."""
    owner = start(lab)
    lab.workers[0].stop()
    eventually(lambda: owner.server("ingress-http", "k8s-worker-1")["state"] == "down", 10.0)
    assert owner.lbctl("maint", "ingress-http/k8s-worker-2").code == 0
    assert owner.lbctl("weight", "ingress-http/k8s-worker-3", "77").code == 0
    with lab.sessions(count=20):
        before = {c["id"]: c["client"] for c in connections(owner, "ingress-http")}
        totals = {s["name"]: s["sessions_total"] for s in service(owner)["servers"]}
        upgrade(owner)
        assert {c["id"]: c["client"] for c in connections(owner, "ingress-http")} == before
        after = {s["name"]: s for s in service(owner)["servers"]}
        assert after["k8s-worker-1"]["state"] == "down"
        assert after["k8s-worker-2"]["admin"] == "maint"
        assert after["k8s-worker-3"]["weight"] == 77
        assert all(after[name]["sessions_total"] >= total for name, total in totals.items())
        victim = next(iter(before))
        assert owner.lbctl("kill", str(victim)).code == 0
        eventually(lambda: victim not in {c["id"] for c in connections(owner, "ingress-http")}, 2.0)
    assert owner.lbctl("ready", "ingress-http/k8s-worker-2").code == 0
    eventually(lambda: owner.server("ingress-http", "k8s-worker-2")["state"] == "up", 5.0)


def test_sessions_of_what_was_taken_out_go_on(lab: Lab) -> None:
    """A server and a service leave the file while sessions use them: the sessions outlive two upgrades, under their names."""
    for worker in lab.workers[:2]:
        worker.start_echo()
    owner = start(lab, lab.config(append=ECHO))
    socks = [lab.client.connect(VIP, topology.ECHO_PORT) for _ in range(4)]

    def all_answer() -> None:
        for number, sock in enumerate(socks):
            sock.sendall(b"%d" % number)
            assert sock.recv(10) == b"%d" % number

    all_answer()
    before = {c["id"]: (c["service"], c["server"]) for c in connections(owner, "echo")}
    one_less = "".join(line for line in ECHO.splitlines(keepends=True) if "k8s-worker-2" not in line)
    for config in (lab.config(append=one_less), lab.config()):
        owner.write_config(config)
        assert owner.lbctl("reload").code == 0
        upgrade(owner)
        all_answer()
        assert {c["id"]: (c["service"], c["server"]) for c in connections(owner, "echo")} == before
    for sock in socks:
        sock.close()
    eventually(lambda: not connections(owner, "echo"), 3.0, "they end like others")


def service(node: LoadBalancer, name: str = "ingress-http") -> dict[str, Any]:
    """The status of a service."""
    return next(entry for entry in node.status()["services"] if entry["name"] == name)


BROKEN = {
    "exit": "before it was ready: exit code 7",
    "hang": "not ready within 2 s",
    "foreign": "does not understand this keeper: restart lbd",
    "version": "takes sessions in version 9 to 9",
    "crash": "while it took over: killed by signal 9",
}


def test_a_broken_program_is_an_error_only(lab: Lab, measured: Measured) -> None:
    """One that ends, hangs, speaks another version or dies among the sessions: named, and nothing else happens."""
    fault = lab.directory / "heir"
    fault.write_text("", encoding="ascii")
    owner = start(lab, env={**node_faults.preload("heir"), "LAB_HEIR": str(fault)})
    with lab.sessions(count=200, interval_ms=20) as sessions, lab.openloop() as load:
        pid = owner.proxy_pid
        for mode, reason in BROKEN.items():
            fault.write_text(mode, encoding="ascii")
            done = owner.lbctl("upgrade")
            assert done.code == 1 and reason in done.stderr, f"{mode}: {done.stderr}"
            eventually(lambda: proxies(owner) == [pid], 3.0, "the running proxy alone")
            load.succeeds_after(time.monotonic() + 0.1)
        fault.write_text("", encoding="ascii")
        code, answer = owner.api("POST", "/v1/upgrade", {})
        assert code == 200 and "sessions went on" in answer["message"], answer
        alone(owner, but=pid)
        followed(owner)
    assert sessions.broken() == []
    assert load.result().failures == {}
    measured("upgrade given up: stall, worst", max(s["longest_stall_ms"] for s in sessions.sessions), "ms", at_most=600)


def test_a_broken_lbd_is_an_error_only(lab: Lab) -> None:
    """One that ends, hangs, is something else, cannot be run or goes on from another state: named before anything is replaced."""
    place = lab.directory / "installed"
    for node in lab.lbs:
        node.install(place)
    fault = lab.directory / "heir"
    fault.write_text("", encoding="ascii")
    owner = start(lab, env={**node_faults.preload("heir"), "LAB_HEIR": str(fault)})
    upgrade(owner, paths.edition("later"))
    running = (owner.pid, os.stat(f"/proc/{owner.pid}/exe").st_ino, owner.proxy_pid)
    lbd = paths.edition("later") / "lbd"
    broken = {
        "ended with exit code 1": (Path("/usr/bin/false"), 0o755, ""),
        "did not answer within 2 s": (lbd, 0o755, "lbd-hang"),
        "does not answer as lbd does": (Path("/usr/bin/echo"), 0o755, ""),
        "cannot be run": (lbd, 0o644, ""),
        "of version 1 to 1, and this lbd leaves version 2": (None, 0o755, ""),
    }
    with lab.openloop() as load:
        for reason, (source, mode, mood) in broken.items():
            owner.install(place, source, mode)
            fault.write_text(mood, encoding="ascii")
            done = owner.lbctl("upgrade")
            assert done.code == 1 and reason in done.stderr, f"{reason}: {done.stderr}"
        fault.write_text("", encoding="ascii")
        owner.install(place, lbd.parent)
        owner.write_config(lab.config() + "election: {interval: 200ms}\n")
        done = owner.lbctl("upgrade")
        assert done.code == 1 and "is not what is in force" in done.stderr, done.stderr
        assert running == (owner.pid, os.stat(f"/proc/{owner.pid}/exe").st_ino, owner.proxy_pid)
        eventually(lambda: proxies(owner) == [owner.proxy_pid], 3.0, "no process is left")
        load.succeeds_after(time.monotonic() + 0.1)
        owner.write_config(lab.config())
        upgrade(owner, lbd.parent)
    assert load.result().failures == {}


# What an lbd is not given that was executed in the place of another one: at first, beside the running proxy, and last.
REFUSED = {
    "lbd-early": "cannot list the addresses of this host",
    "lbd-middle": "cannot open rtnetlink",
    "lbd-late": "cannot set no_new_privs",
}


def test_an_lbd_that_cannot_go_on(lab: Lab) -> None:
    """It passed its trial, was executed and cannot go on: the former one is executed again, though its file was replaced, as the same
    process and the same owner, and says why."""
    place = lab.directory / "installed"
    for node in lab.lbs:
        node.install(place)
    fault = lab.directory / "heir"
    fault.write_text("", encoding="ascii")
    owner = start(lab, env={**node_faults.preload("heir"), "LAB_HEIR": str(fault)})
    former = (owner.pid, os.stat(f"/proc/{owner.pid}/exe").st_ino, owner.role(), owner.status()["since"])
    with lab.sessions(count=50, interval_ms=20) as sessions, lab.openloop() as load, lab.arpprobe() as arp:
        open_before = descriptors(owner.pid)
        for mood, reason in REFUSED.items():
            owner.install(place)
            fault.write_text(mood, encoding="ascii")
            done = owner.lbctl("upgrade")
            assert done.code == 1 and f"could not go on: {reason}" in done.stderr, f"{mood}: {done}{owner.logs()}"
            assert former == (owner.pid, os.stat(f"/proc/{owner.pid}/exe").st_ino, owner.role(), owner.status()["since"])
            assert reason in owner.status()["upgrade"]
            assert Path(f"/proc/{owner.pid}/comm").read_text(encoding="ascii") == "lbd\n"
            eventually(lambda: len(proxies(owner)) == 1 and descriptors(owner.pid) == open_before, 3.0, "nothing is left open")
            load.succeeds_after(time.monotonic() + 0.1)
        fault.write_text("", encoding="ascii")
        upgrade(owner)
    assert sessions.broken() == []
    assert load.result().failures == {}
    assert arp.longest_none_ms() < LATE_ANSWER * 1000 and arp.both_ms() == 0


class Former(http.server.BaseHTTPRequestHandler):
    """The API of an lbd that replaced its proxy alone, or nothing."""

    def do_GET(self) -> None:  # noqa: N802 # its name in http.server
        """Any question is one for the status."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"version": "0.0.9", "nodes": [{"name": "k8s-lb-1", "self": true}]}')

    def log_message(self, *_: object) -> None:  # type: ignore[override]
        """Nobody reads it."""

    def address_string(self) -> str:
        """A UNIX socket's client has none."""
        return ""


def test_an_lbd_that_is_too_old(tmp_path: Path) -> None:
    """It is not asked for what it would do by half: whoever installed a newer one is told to restart it."""
    with socketserver.UnixStreamServer(str(tmp_path / "lbd.sock"), Former) as former:
        former.timeout = 5.0
        with ThreadPoolExecutor(1) as pool:
            pool.submit(former.handle_request)
            done = subprocess.run(
                [program("lbctl"), "--socket", str(tmp_path / "lbd.sock"), "upgrade"], capture_output=True, text=True, timeout=5, check=False
            )
    assert done.returncode == 1 and "too old to replace itself; restart it" in done.stderr, done


def test_a_crash_after_an_upgrade(lab: Lab) -> None:
    """What a service manager keeps is what the upgraded keeper has: one that comes after its crash goes on in its place."""
    for node in lab.lbs:
        node.install(lab.directory / "installed")
    owner = start(lab, managed=True)
    with lab.sessions(count=50, interval_ms=20) as sessions, lab.openloop() as load:
        begun = time.monotonic()
        for _ in range(2):
            upgrade(owner)
        load.succeeds_after(begun + 1.5)
        keeper, proxy = owner.pid, owner.proxy_pid
        owner.sigkill()
        eventually(lambda: owner.pid != keeper and owner.status()["reason"] == "resumed", 5.0)
        load.succeeds_after(time.monotonic() + 0.2)
        assert owner.proxy_pid == proxy
        upgrade(owner)
    assert sessions.broken() == []
    assert load.result().failures == {}


@pytest.mark.skipif(not FULL, reason="has to be quicker than an upgrade: LBD_FULL=1")
def test_an_lbd_that_vanishes(lab: Lab) -> None:
    """It was tried and is gone when it is to be executed: the running one goes on with the new proxy, and says so."""
    for node in lab.lbs:
        node.install(lab.directory / "installed")
    owner = start(lab)
    assert owner.installed
    proxy = owner.proxy_pid
    with ThreadPoolExecutor() as pool, lab.sessions(count=50, interval_ms=20) as sessions:
        upgrading = pool.submit(owner.lbctl, "upgrade")
        eventually(lambda: owner.proxy_pid != proxy, 3.0)
        (owner.installed / "lbd").unlink()
        done = upgrading.result()
        assert done.code == 1 and "/lbd cannot be run: No such file" in done.stderr, done
        assert owner.role() == "active" and len(proxies(owner)) == 1
        upgrade(owner)
    assert sessions.broken() == []


@pytest.mark.skipif(not FULL, reason="a hundred upgrades: LBD_FULL=1")
def test_a_hundred_upgrades(lab: Lab, measured: Measured) -> None:
    """A hundred upgrades under load, to another version and back: no session lost, no connect failed, descriptors and memory as at
    first."""
    for node in lab.lbs:
        node.install(lab.directory / "installed")
    owner = start(lab)
    sources = (paths.edition("next"), None)

    def use() -> list[tuple[int, int]]:
        """Descriptors and kB of both; connections of the load come and go, so the fewest."""
        load.succeeds_after(time.monotonic() + 0.5)
        both = owner.pid, owner.proxy_pid
        counts: list[list[int]] = [[], []]
        begun = time.monotonic()
        while time.monotonic() < begun + 1.0:
            for pid, seen in zip(both, counts):
                seen.append(descriptors(pid))
        return [(min(seen), resident_kb(pid)) for pid, seen in zip(both, counts)]

    with lab.sessions(count=200, interval_ms=20) as sessions, lab.openloop() as load, lab.arpprobe() as arp:
        for number in range(3):
            upgrade(owner, sources[number % 2])
        first = use()
        for number in range(3, 103):
            upgrade(owner, sources[number % 2])
        last = use()
    assert sessions.broken() == []
    assert load.result().failures == {}
    assert arp.both_ms() == 0
    stalls = sorted(session["longest_stall_ms"] for session in sessions.sessions)
    measured("100 upgrades: the longest stall of a session, median", stalls[len(stalls) // 2], "ms")
    for name, (fds, kb), (fds_now, kb_now) in zip(("keeper", "proxy"), first, last):
        measured(f"100 upgrades: descriptors of the {name}", abs(fds_now - fds), "", at_most=fds // 100)
        measured(f"100 upgrades: memory of the {name}", (kb_now - kb) * 100 / kb, "%", at_most=1)


@pytest.mark.skipif(not FULL, reason="thousands of sessions: LBD_FULL=1")
@pytest.mark.parametrize("count", [1000, 5000])
def test_thousands_stand_still_for_moments(lab: Lab, measured: Measured, count: int) -> None:
    """So many sessions go on in the new proxy after what the keeper measured as their stall."""
    for worker in lab.workers[:2]:
        worker.start_echo()
    owner = start(lab, lab.config(append=ECHO))
    stalls = []
    with lab.crowd(count, topology.ECHO_PORT, rate=2000) as crowd:
        eventually(lambda: crowd.settled(count), 20.0, "all are there")
        eventually(lambda: service(owner, "echo")["sessions"] == count, 20.0, "each has a server")
        for _ in range(5):
            before = owner.proxy_pid
            code, answer = owner.api("POST", "/v1/upgrade", {})
            assert code == 200, answer
            found = re.search(r"(\d+) sessions went on after ([\d.]+) ms", answer["message"])
            assert found and int(found[1]) == count, answer
            stalls.append(float(found[2]))
            alone(owner, but=before)
            followed(owner)
        assert crowd.ended() == 0
    measured(f"upgrade: {count} sessions stand still", sorted(stalls)[2], "ms", at_most=count / 10)
