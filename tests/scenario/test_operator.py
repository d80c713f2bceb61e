"""Goal: with the documented commands alone an operator learns what is going on and why, and does what there is to do."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Iterator

import pytest

from lab import Lab, eventually, holds, topology
from lab.lb import LoadBalancer
from lab.paths import program
from trial import metric

pytestmark = pytest.mark.patient

COMPLETION = Path(__file__).resolve().parents[2] / "conf/completion/lbctl.bash"
WORKER = "ingress-http/k8s-worker-1"
IP_FREEBIND = 15


def told(node: LoadBalancer, *arguments: str) -> str:
    """What a command that must succeed prints."""
    done = node.lbctl(*arguments)
    assert done.code == 0, (arguments, done)
    return done.stdout


def test_a_new_operator(lab: Lab) -> None:
    """Which node owns the VIP, why it moved last, which server is out and why; then one is taken out, no request lost."""
    first = lab.start()
    owner = lab.other(first)
    assert told(first, "failover", "--to", owner.name, "--wait")
    lab.masters[1].stop()
    eventually(lambda: owner.server("kube-api", "k8s-master-2")["state"] == "down", 10.0)
    # Which node owns the VIP: the first line, on either node.
    for node in lab.lbs:
        assert re.search(rf"\A.*owner {owner.name}\b", node.lbctl("status").stdout), node.lbctl("status").stdout
    # Why it moved last.
    why = told(owner, "why", "vip")
    assert f"{owner.name} is active" in why and "(handover)" in why.splitlines()[0]
    assert re.search(r"vip .*backup +active .*handover", why), why
    # Which server is out, and why.
    screen = owner.lbctl("status").stdout
    assert re.search(r"k8s-master-2 .* down ", screen)
    reason = told(owner, "why", "kube-api/k8s-master-2")
    assert "kube-api/k8s-master-2 is down" in reason and "refused" in reason
    assert re.search(r"server +kube-api/k8s-master-2 +up +down", reason), reason
    # A server is taken out for maintenance.
    with lab.openloop(80, mode="http") as load:
        eventually(lambda: len(load.connections()) >= 50)
        assert "is now in drain" in told(owner, "drain", WORKER, "--wait", "10s")
        assert owner.server(*WORKER.split("/"))["sessions"] == 0
        lab.workers[0].stop()
        count = len(load.connections())
        eventually(lambda: len(load.connections()) >= count + 100)
    assert load.result().failures == {}


def test_drain_waits_and_kills(lab: Lab) -> None:
    """--wait gives up with what is left; --kill-after resets that, and nothing of another server."""
    owner = lab.start()
    with lab.sessions(9, port=80) as sessions:
        per = {w.name: owner.server("ingress-http", w.name)["sessions"] for w in lab.workers}
        busy = max(per, key=lambda name: per[name])
        waited = owner.lbctl("drain", f"ingress-http/{busy}", "--wait", "300ms")
        assert waited.code == 1 and f"left on ingress-http/{busy}" in waited.stderr and sessions.broken_so_far() == 0
        assert told(owner, "drain", f"ingress-http/{busy}", "--kill-after", "300ms")
        eventually(lambda: sessions.broken_so_far() >= per[busy])
    assert len(sessions.broken()) == per[busy]


def test_connections_weight_limit_and_kill(lab: Lab) -> None:
    """Live sessions by each filter; one is reset by its number; a weight and a limit are taken and given back."""
    owner = lab.start()
    with lab.sessions(6, port=80) as sessions:
        table = told(owner, "connections", "--service", "ingress-http", "--client", "10.196.35.100/32")
        assert table.splitlines()[-1] == "6 sessions" and "established" in table
        server = json.loads(told(owner, "--json", "connections"))["connections"][0]["server"]
        of_server = told(owner, "connections", "--server", server)
        assert all(server in line for line in of_server.splitlines()[1:-1])
        assert told(owner, "connections", "--client", "10.1.0.0/16").endswith("0 sessions\n")
        number = table.splitlines()[1].split()[0]
        assert told(owner, "kill", number) == "1 session ended\n"
        eventually(lambda: sessions.broken_so_far() == 1)
        assert owner.lbctl("kill", number).code == 1
        assert told(owner, "kill", f"ingress-http/{server}")
    assert "has weight 20 now" in told(owner, "weight", WORKER, "20")
    assert "at most 1 session now" in told(owner, "limit", WORKER, "1")
    found = owner.server(*WORKER.split("/"))
    assert (found["weight"], found["max_connections"], found["ordered"]) == (20, 1, True)
    assert "no limit" in told(owner, "limit", WORKER, "none") and owner.lbctl("limit", WORKER, "x").code == 2
    assert owner.lbctl("weight", WORKER, "0").code == 1


def test_limit_holds(lab: Lab) -> None:
    """A server with a limit takes no session above it while others may; the others take what is left."""
    owner = lab.start()
    assert told(owner, "limit", WORKER, "1") and told(owner, "drain", "ingress-http/k8s-worker-2")
    with lab.sessions(8, port=80) as sessions:
        held = {w.name: owner.server("ingress-http", w.name)["sessions"] for w in lab.workers}
        assert held["k8s-worker-1"] <= 1 and held["k8s-worker-2"] == 0 and sum(held.values()) == 8
    assert sessions.broken() == []


def test_failover_standby_and_the_last_node(lab: Lab) -> None:
    """--to and --wait; standby survives a restart; on the last node it warns; a stopped peer is told as stopped."""
    owner = lab.start()
    peer = lab.other(owner)
    unknown = owner.lbctl("failover", "--to", "nobody")
    assert unknown.code == 1 and "nobody" in unknown.stderr
    assert told(owner, "failover", "--to", peer.name, "--wait") and peer.role() == "active"
    assert told(peer, "standby", "on") == "this node is on standby\n"
    eventually(lambda: owner.role() == "active")
    assert peer.lbctl("status").code == 2 and "lbctl standby off" in peer.lbctl("status").stdout
    assert peer.sigterm() == 0
    eventually(lambda: f"{peer.name} was stopped" in owner.lbctl("status").stdout, 3.0)
    assert f"{peer.name} was stopped" in told(owner, "why", "vip")
    peer.start(wait=False)
    eventually(lambda: peer.status()["standby"], 10.0)
    holds(lambda: peer.role() != "active", 0.5)
    last = told(owner, "standby", "on")
    assert "nobody owns the VIP" in last and "lbctl standby off" in last
    assert told(owner, "standby", "off") and told(peer, "standby", "off")
    eventually(lambda: len(lab.holders()) == 1 and lab.owner().lbctl("status").code == 0, 5.0)


def test_a_refused_reload_is_not_forgotten(lab: Lab) -> None:
    """status and doctor tell it until a reload succeeds, also when the proxy has been started again."""
    owner = lab.start()
    owner.write_config(lab.config(replace={"balance: source": "blance: source"}))
    refused = owner.lbctl("reload")
    assert refused.code == 1
    assert owner.lbctl("check").code == 1, "without FILE it judges the daemon's file"
    former = owner.proxy_pid
    os.kill(former, signal.SIGKILL)
    eventually(lambda: owner.proxy_pid != former and "was refused, the former file runs on" in owner.lbctl("status").stdout, 8.0)
    doctor = owner.lbctl("doctor").stdout
    assert "warning: reload: the last one was refused" in doctor and "do:  lbctl check names every error" in doctor
    owner.write_config()
    assert told(owner, "reload") == "nothing changed\n"
    assert "refused" not in owner.lbctl("status").stdout
    last = [e for e in owner.api("GET", "/v1/events")[1]["events"] if e["kind"] == "config"][-1]
    assert last["to"] == "unchanged"


def test_doctor(lab: Lab) -> None:
    """Each finding that is not well says what, why it matters and what to do; the port is the one of the file."""
    owner = lab.start(lab.config(append="peer_port: 8651\n"))
    peer = lab.other(owner)
    well = owner.lbctl("doctor")
    assert " bad " not in well.stdout and "hears this node" in well.stdout, well.stdout
    limit = json.loads(told(owner, "--json", "status"))["session_limit"]
    assert f"at most {limit} sessions at a time" in well.stdout and limit > 100
    peer.signal_all(signal.SIGKILL)
    eventually(lambda: "not heard on UDP port 8651" in owner.lbctl("doctor").stdout, 5.0)
    findings = json.loads(owner.lbctl("--json", "doctor").stdout)["findings"]
    bad = next(f for f in findings if f["check"] == f"peer {peer.name}")
    assert bad["level"] == "bad" and "nobody takes over" in bad["why"] and "firewall" in bad["do"]
    assert owner.lbctl("doctor").code == 1 and all(f["why"] and f["do"] for f in findings)


@contextlib.contextmanager
def has_port(node: LoadBalancer, kind: socket.SocketKind, address: str, port: int) -> Iterator[None]:
    """This process has the port of the node meanwhile, and would share it."""
    with node.inside():
        sock = socket.socket(socket.AF_INET, kind)
    with sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        sock.bind((address, port))
        if kind == socket.SOCK_STREAM:
            sock.listen()
        yield


def clashes(node: LoadBalancer, *file: str, code: int = 1) -> list[str]:
    """What doctor finds of programs that have lbd's ports."""
    done = node.lbctl("--json", "doctor", *file)
    assert done.code == code, done
    found = [f for f in json.loads(done.stdout)["findings"] if f["check"] == "listening ports"]
    assert all("neither starts nor reloads" in f["why"] and "stop that program" in f["do"] for f in found)
    return [f["found"] for f in found if f["level"] == "bad"] or [f["level"] for f in found]


def test_doctor_names_who_has_a_port(lab: Lab) -> None:
    """Before the first start and while lbd runs: a service's port, the peer link's, the metrics'; program and process."""
    node, name = lab.lbs[0], Path("/proc/self/comm").read_text(encoding="ascii").strip()
    me, file = f"{name} (pid {os.getpid()})", str(node.config_file)
    node.write_config(lab.config(append="metrics: {listen: 127.0.0.1:9100}\n"))
    assert clashes(node, file, code=4) == ["ok"]
    assert "lbd does not run" in node.lbctl("doctor", file).stdout
    port = topology.API_PORT
    squatter = node.spawn(program("tests/lab/echod"), "0.0.0.0", str(port))
    taken = [f"service kube-api, TCP {topology.VIP}:{port}: echod (pid {squatter.pid}) has 0.0.0.0:{port}"]
    eventually(lambda: clashes(node, file, code=4) == taken)
    squatter.kill()
    with has_port(node, socket.SOCK_DGRAM, node.address, 8650), has_port(node, socket.SOCK_STREAM, "127.0.0.1", 9100):
        assert clashes(node, file, code=4) == [
            f"peer_port, UDP {node.address}:8650: {me} has {node.address}:8650",
            f"metrics.listen, TCP 127.0.0.1:9100: {me} has 127.0.0.1:9100",
        ]
    owner = lab.start()
    assert clashes(owner, code=0) == ["ok"]
    # Who shares the port of the VIP gets a part of its connections.
    with has_port(owner, socket.SOCK_STREAM, topology.VIP, 80):
        assert clashes(owner) == [f"service ingress-http, TCP {topology.VIP}:80: {me} has {topology.VIP}:80"]
    # A reload that somebody else's port forbids.
    with has_port(owner, socket.SOCK_STREAM, "0.0.0.0", 7000):
        owner.write_config(lab.config(append="  more:\n    listen: 7000\n    servers: {a: 10.196.35.23:7000}\n"))
        assert clashes(owner) == [f"service more, TCP {topology.VIP}:7000: {me} has 0.0.0.0:7000"]


def read_some(fd: int, seconds: float) -> bytes:
    """What comes from a terminal within the time."""
    seen = b""
    end = time.monotonic() + seconds
    while select.select([fd], [], [], max(0.0, end - time.monotonic()))[0]:
        try:
            seen += os.read(fd, 65536)
        except OSError:
            break
    return seen


def test_watch_and_follow(lab: Lab) -> None:
    """`status --watch` clears a terminal once and draws over; `events -f` tells what happens while it runs."""
    owner = lab.start()
    argv = ["ip", "netns", "exec", owner.name, program("lbctl"), "--socket", str(owner.socket)]
    master, slave = pty.openpty()
    with subprocess.Popen([*argv, "status", "--watch"], stdout=slave, env={**os.environ, "TERM": "xterm"}) as watch:
        seen = read_some(master, 2.6)
        watch.terminate()
    os.close(slave)
    os.close(master)
    assert seen.count(b"\x1b[2J") == 1 and seen.count(b"\x1b[H") >= 2 and seen.count(b"kube-api") >= 2
    with subprocess.Popen([*argv, "events", "-f", "-n", "1"], stdout=subprocess.PIPE) as follow:
        assert follow.stdout
        follow.stdout.readline()
        told(owner, "weight", WORKER, "33")
        lines = iter(follow.stdout.readline, b"")
        assert any(b"weight 33" in line for line in lines)
        follow.terminate()


def totals(screen: str, name: str) -> list[str]:
    """The columns SESSIONS to OUT of a line of the screen."""
    line = next(line for line in screen.splitlines() if line.strip().startswith(name))
    found = re.search(r" (\d+) +(\d+) +([\d.]+ k?B) +([\d.]+ k?B)(?= |$)", line)
    assert found, line
    return list(found.groups())


def test_clear_counters(lab: Lab) -> None:
    """What status counts begins at zero, through reloads; nothing in the metrics falls but what was the longest so far."""
    owner = lab.start()
    for _ in range(6):
        assert lab.client.get(topology.VIP, 80).status == 200
    eventually(lambda: int(totals(owner.lbctl("status").stdout, "ingress-http")[1]) >= 6, 5.0)
    before = metric(owner, "lbd_service_sessions_total")
    owner.signal_all(signal.SIGSTOP)
    holds(lambda: True, 0.15)
    owner.signal_all(signal.SIGCONT)
    eventually(lambda: metric(owner, "lbd_loop_stall_seconds_max") > 0.05, 5.0)
    assert "count from now on" in told(owner, "clear", "counters")
    screen = owner.lbctl("status").stdout
    assert totals(screen, "ingress-http") == ["0", "0", "0 B", "0 B"] == totals(screen, "k8s-worker-1"), screen
    assert "TOTAL, IN and OUT since 20" in screen
    assert metric(owner, "lbd_service_sessions_total") == before
    assert lab.client.get(topology.VIP, 80).status == 200
    owner.write_config(lab.config(replace={"      k8s-worker-3: 10.196.35.27:30080\n": ""}))
    assert told(owner, "reload")
    eventually(lambda: totals(owner.lbctl("status").stdout, "ingress-http")[:2] == ["0", "1"], 5.0)
    found = next(s for s in owner.status()["services"] if s["name"] == "ingress-http")
    assert found["sessions_total"] == found["cleared"]["sessions_total"] + 1 >= 7
    assert owner.api("DELETE", "/v1/counters")[1]["ok"] is True
    assert any(e["subject"] == "counters" and e["to"] == "cleared" for e in owner.api("GET", "/v1/events")[1]["events"])
    refused = owner.lbctl("clear", "everything")
    assert refused.code == 2 and "counters" in refused.stderr


def test_maintenance(lab: Lab) -> None:
    """maint resets what is left of a server; where that is kept, --wait says how much it is and --kill-after ends it."""
    owner = lab.start(lab.config(replace={"    balance: source\n": "    balance: leastconn\n    on_dead: keep\n"}))
    with lab.sessions(6, port=80) as sessions:
        assert owner.server("ingress-http", "k8s-worker-1")["sessions"] == 2
        waited = owner.lbctl("maint", WORKER, "--wait", "300ms")
        assert waited.code == 1 and "2 sessions are left" in waited.stderr and sessions.broken_so_far() == 0
        assert "is now in maint" in told(owner, "maint", WORKER, "--kill-after", "0")
        eventually(lambda: sessions.broken_so_far() == 2)
        assert "is ready on this node" in told(owner, "ready", WORKER)


def complete(node: LoadBalancer, *words: str) -> set[str]:
    """What bash offers behind these words."""
    script = f'. {COMPLETION}; COMP_WORDS=(lbctl "$@"); COMP_CWORD=$#; _lbctl; printf "%s\\n" "${{COMPREPLY[@]}}"'
    where = {"LBD_SOCKET": str(node.socket), "PATH": f"{Path(program('lbctl')).parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script, "complete", *words], env=where, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_completion(shared_lab: Lab) -> None:
    """Every command and option of the help, and the names of servers, services and nodes."""
    node = shared_lab.lbs[0]
    commands = set(re.findall(r"^  ([a-z]+) ", told(node, "--help"), re.MULTILINE))
    assert len(commands) >= 20 and complete(node, "") == commands | {"--socket", "--json", "--help", "--version"}
    assert complete(node, "st") == {"status", "standby"}
    for command in commands:
        options = set(re.findall(r"^  -\w, (--[\w-]+)", told(node, command, "--help"), re.MULTILINE))
        assert complete(node, command, "--") == options, command
    servers = {f"{s['name']}/{x['name']}" for s in node.status()["services"] for x in s["servers"]}
    for command in ("drain", "ready", "maint", "weight", "limit", "kill"):
        assert servers <= complete(node, command, ""), command
    assert servers | {"vip"} == complete(node, "why", "")
    assert complete(node, "failover", "--to", "") == {"k8s-lb-1", "k8s-lb-2"}
    assert complete(node, "connections", "--service", "kube") == {"kube-api"}
    assert complete(node, "--json", "standby", "") == {"on", "off"}


def test_every_route_answers(shared_lab: Lab) -> None:
    """Each route that only reads or judges, or changes nothing that another test sees, by its success."""
    node = shared_lab.owner()
    for path in ("status", "services", "connections", "events", "config", "why"):
        code, answer = node.api("GET", f"/v1/{path}")
        assert code == 200 and isinstance(answer, dict), path
    config = node.api("GET", "/v1/config")[1]
    assert config["file"] == str(node.config_file) and config["peer_port"] == 8650 and "cluster: k8s" in config["yaml"]
    assert "lbd_build_info" in node.api("GET", "/metrics")[1] and node.api("GET", "/healthz")[1]["ok"] is True
    same = config["yaml"].encode()
    assert node.api("POST", "/v1/check", same)[1]["ok"] is True
    assert node.api("POST", "/v1/diff", same)[1]["message"] == "nothing would change\n"
    assert node.api("POST", "/v1/diff", same + b"vip: 1\n")[0] == 422
    assert node.api("POST", "/v1/failover", {"to": node.name})[0] == 200
    assert node.api("POST", "/v1/standby", {"on": False})[0] == 200
    assert node.api("POST", "/v1/reload")[0] == 200
    assert [s["name"] for s in node.api("GET", "/v1/services")[1]["services"]] == ["kube-api", "ingress-http", "ingress-https"]
    assert topology.VIP in node.lbctl("config").stdout
