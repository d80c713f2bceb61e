"""Goal (F30-F33, F51, F52): memory, descriptors, queues and ports run short; what there is room for is served."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import time
from pathlib import Path

import pytest

from lab import Lab, eventually, holds, sanitizer, topology

from data_path import ECHO, Usage, echo_service, kernel_counter, service, start_echo, time_wait, write_sysctl
from record import Measured
from trial import FULL, Trial, metric, transitions

MEGABYTE = 1 << 20


def data_bytes(pid: int) -> int:
    """How much private memory the process may write to, which is what RLIMIT_DATA limits."""
    found = re.search(r"VmData:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    assert found
    return int(found[1]) * 1024


@pytest.mark.skipif(sanitizer.active(), reason="a sanitizer ends the program where malloc would say no")
def test_f30_memory_runs_out(lab: Lab, measured: Measured) -> None:
    """The proxy may have a few MB more than it has, and 1,000 clients do not read what they asked for: some are shed."""
    count, room = 1000, 4
    # The kernel's buffers are not what is measured here.
    for host in (lab.client, *lab.lbs, *lab.workers):
        for buffers in ("tcp_rmem", "tcp_wmem"):
            write_sysctl(host, f"ipv4/{buffers}", "4096 32768 65536")
    owner = lab.start()
    before = transitions(owner)
    usage = Usage(owner)
    limit = data_bytes(owner.proxy_pid) + room * MEGABYTE
    resource.prlimit(owner.proxy_pid, resource.RLIMIT_DATA, (limit, limit))
    with Trial(lab, load=False) as trial:
        request = "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"
        with lab.crowd(count, 80, rate=1000, text=request) as crowd:
            eventually(lambda: crowd.settled(count), 15.0)
            holds(lambda: owner.lbctl("status").code == 0, 2.0)
            grown = usage.grown_kb()
    name = f"F30 {room} MB of memory for 1,000 slow readers"
    measured(f"{name}: proxies that ended", int(not usage.same_process(owner)), "", exactly=0)
    measured(f"{name}: resident memory more", grown, "kB", at_most=room * 1024)
    measured(f"{name}: clients shed", sum(crowd.endings().values()), "", at_least=1, at_most=count - 1)
    measured(f"{name}: transitions", transitions(owner) - before, "", exactly=0)
    measured(f"{name}: two owners", trial.arp.both_ms(), "ms", exactly=0)
    eventually(lambda: lab.client.get(topology.VIP, 80).status == 200, 3.0)
    assert "reason=resource" in owner.logs(400)


def test_f31_descriptors_run_out(lab: Lab, measured: Measured) -> None:
    """256 descriptors, 1,000 clients that stay: no spinning, lbctl answers, adverts go on, and all goes on afterwards."""
    count = 1000
    for node in lab.lbs:
        node.start(nofile=256, wait=False)
    for node in lab.lbs:
        node.wait_up()
    eventually(lambda: lab.client.get(topology.VIP, 80, timeout=1.0).status == 200, 10.0)
    owner = lab.owner()
    before = transitions(owner)
    log = owner.log.stat().st_size
    with Trial(lab, load=False) as trial, lab.crowd(count, 80) as crowd:
        eventually(lambda: crowd.settled(count), 5.0)
        holds(lambda: True, 0.5)
        usage = Usage(owner)
        holds(lambda: owner.lbctl("status").code in (0, 2), 2.0)
        cpu = usage.cpu_percent()
        served = owner.status()["services"][1]["sessions"]
    lines = owner.log.read_bytes()[log:].decode().count("accepting pauses")
    measured("F31 256 descriptors, 1,000 clients: processor of the proxy", cpu, "%", at_most=10)
    measured("F31 256 descriptors, 1,000 clients: served at a time", served, "", at_least=20)
    measured("F31 256 descriptors, 1,000 clients: lines about it", lines, "", at_least=1, at_most=12)
    measured("F31 256 descriptors, 1,000 clients: transitions", transitions(owner) - before, "", exactly=0)
    left = time.monotonic()
    eventually(lambda: lab.client.get(topology.VIP, 80, timeout=1.0).status == 200, 5.0)
    measured("F31 256 descriptors: serves again after the clients left", (time.monotonic() - left) * 1000, "ms", at_most=1500)
    trial.check(same_descriptors=False)


def test_f32_accept_queue_overflows(lab: Lab, measured: Measured) -> None:
    """5,000 clients come at once while the proxy stands still: the kernel drops some, they try again, and it is told."""
    count = 5000
    for node in lab.lbs:
        write_sysctl(node, "core/somaxconn", "256")
    owner = lab.start()
    before = kernel_counter(owner, "TcpExtListenDrops")
    os.kill(owner.proxy_pid, signal.SIGSTOP)
    with lab.crowd(count, 80) as crowd:
        holds(lambda: True, 0.3)
        os.kill(owner.proxy_pid, signal.SIGCONT)
        eventually(lambda: crowd.open() == count, 20.0)
        counted = "lbd_service_queue_dropped_total"
        # The sockets' own count has a few more than the host's.
        eventually(lambda: metric(owner, counted) >= kernel_counter(owner, "TcpExtListenDrops") - before, 5.0)
        dropped = int(metric(owner, counted))
        assert dropped <= 1.2 * (kernel_counter(owner, "TcpExtListenDrops") - before)
        told = owner.lbctl("doctor").stdout
    measured(f"F32 {count} clients, queues of 256: dropped by the kernel, and counted", dropped, "", at_least=100)
    measured(f"F32 {count} clients, queues of 256: reset", sum(crowd.endings().values()), "", exactly=0)
    measured(f"F32 {count} clients, queues of 256: served in the end", crowd.summary["open"], "", exactly=count)
    assert f"ingress-http: {dropped} connections were dropped" in told and lab.owner() is owner


@pytest.mark.alone
@pytest.mark.skipif(sanitizer.active(), reason="a program with a sanitizer floods nobody")
def test_f33_flood_of_syns(lab: Lab, measured: Measured) -> None:
    """50,000 SYNs a second from nowhere at the HTTP port of the VIP: clients are served, adverts go on."""
    owner = lab.start()
    # Answers to the flood are sent to somebody who drops them.
    owner.run("ip", "route", "add", "198.18.0.0/15", "via", topology.address(topology.OBSERVER))
    write_sysctl(owner, "ipv4/tcp_syncookies", "1")
    before, cookies = transitions(owner), kernel_counter(owner, "TcpExtSyncookiesSent")
    with Trial(lab, interval_ms=20) as trial:
        with lab.synflood(50000, topology.VIP, 80) as flood:
            holds(lambda: True, 30.0 if FULL else 3.0)
    assert trial.load
    result = trial.load.result()
    measured("F33 flood of SYNs: sent", flood.summary["sent"] / flood.summary["seconds"], "/s", at_least=30000)
    measured("F33 flood of SYNs: cookies", kernel_counter(owner, "TcpExtSyncookiesSent") - cookies, "", at_least=10000)
    measured("F33 flood of SYNs: clients served", result.ok / (result.ok + result.failed) * 100, "%", at_least=99)
    measured("F33 flood of SYNs: transitions", transitions(owner) - before, "", exactly=0)
    trial.check()


def test_f51_source_ports_run_out(lab: Lab, measured: Measured) -> None:
    """200 local ports for each server: the sessions go to all three, who is over is reset at once, nothing spins."""
    room = 600
    start_echo(lab)
    options = f"    balance: first\n    check: {{type: tcp, port: {topology.HTTP_PORT}}}\n"
    owner = lab.start(lab.config(append=echo_service(lab, options)))
    write_sysctl(owner, "ipv4/ip_local_port_range", "40000 40199")
    write_sysctl(owner, "ipv4/tcp_tw_reuse", "1")
    with lab.crowd(room - 50, ECHO, rate=1000) as crowd:
        eventually(lambda: crowd.settled(room - 50), 10.0)
        holds(lambda: crowd.ended() == 0, 0.5)
        sessions = [owner.server("echo", worker.name)["sessions"] for worker in lab.workers]
        with lab.crowd(100, ECHO, rate=1000) as more:
            eventually(lambda: more.settled(100), 5.0)
            usage = Usage(owner)
            with lab.openloop(ECHO, mode="echo", interval_ms=2) as load:
                holds(lambda: True, 2.0)
            cpu = usage.cpu_percent()
    assert set(load.result().failures) == {"reset"} and load.result().ok == 0
    states = [owner.server("echo", worker.name)["state"] for worker in lab.workers]
    ended = time.monotonic()
    eventually(lambda: echoes(lab), 5.0)
    measured("F51 200 ports: sessions refused while any server has one left", sum(crowd.endings().values()), "", exactly=0)
    measured("F51 200 ports: sessions on the first server", sessions[0], "", at_least=190, at_most=200)
    measured("F51 200 ports: sessions on the others", sum(sessions[1:]), "", at_least=room - 50 - 200)
    measured("F51 no port left: processor at 500 connections/s", cpu, "%", at_most=20)
    measured("F51 no port left: servers thought down", sum(state != "up" for state in states), "", exactly=0)
    measured("F51 ports are free again: served after", (time.monotonic() - ended) * 1000, "ms", at_most=2500)


def echoes(lab: Lab) -> bool:
    """Whether the echo service does."""
    with lab.client.connect(topology.VIP, ECHO, 1.0) as sock:
        sock.sendall(b"x")
        return sock.recv(1) == b"x"


def test_f52_short_connections(lab: Lab, measured: Measured) -> None:
    """Clients that finish first, at a high rate, with few ports: what is left of each connection stops no later one."""
    seconds, rate = (60.0, 5) if FULL else (4.0, 1)
    start_echo(lab)
    owner = lab.start(lab.config(append=echo_service(lab, f"    check: {{type: tcp, port: {topology.HTTP_PORT}}}\n")))
    write_sysctl(owner, "ipv4/ip_local_port_range", "40000 40999" if rate == 1 else "20000 60000")
    write_sysctl(owner, "ipv4/tcp_tw_reuse", "1")
    with contextlib.ExitStack() as stack:
        loads = [stack.enter_context(lab.openloop(ECHO, mode="echo", interval_ms=1)) for _ in range(rate)]
        holds(lambda: True, seconds)
    ok = sum(load.result().ok for load in loads)
    name = f"F52 {rate},000 short connections/s for {seconds:g} s"
    measured(f"{name}: served", ok / seconds, "/s", at_least=rate * 500)
    measured(f"{name}: lost", sum(load.result().failed for load in loads), "", exactly=0)
    measured(f"{name}: in TIME_WAIT on the load balancer", time_wait(owner) / ok * 100, "% of them", at_most=100)


def test_nine_thousand_sessions(lab: Lab, measured: Measured) -> None:
    """As many sessions at once as the descriptors of this machine allow: all speak, and each byte that comes back is compared."""
    room = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    count, message = (9000 if room >= 20000 else room // 4), 1000
    start_echo(lab)
    owner = lab.start(lab.config(append=echo_service(lab)))
    usage = Usage(owner)

    def echoing() -> int:
        return next(s for s in owner.status()["services"] if s["name"] == "echo")["sessions"]

    # Each session begins elsewhere in the pattern, so that bytes of another one are wrong bytes.
    with lab.streams(f"many:{count}:{message}:1500", port=ECHO) as streams:
        eventually(lambda: echoing() == count)
        live, grown = echoing(), usage.grown_kb()
        holds(lambda: True, 3.0)
        still = echoing()
    sessions = streams.summary["sessions"]
    measured(f"{count} sessions at once: live", min(live, still), "", exactly=count)
    measured(f"{count} sessions at once: broken, or with a wrong byte", len(streams.broken()), "", exactly=0)
    measured(f"{count} sessions at once: bytes compared of each, least", min(s["bytes"] for s in sessions), "bytes", at_least=2 * message)
    measured(f"{count} sessions at once: resident memory for each", grown * 1024 / count, "bytes", at_most=1500)
