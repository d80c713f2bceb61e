"""The lab itself: the cluster answers, faults do what they say, and the probes see what happens.

HAProxy and Keepalived stand in for lbd, so a failure here is the lab's and not the product's.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from typing import Iterator

import pytest

from lab import ARP, VIP, VRRP, Lab, NotYet, eventually, holds, netns, topology


@pytest.fixture(name="lab")
def fresh_cluster() -> Iterator[Lab]:
    """A cluster of its own for each test."""
    with Lab() as lab:
        yield lab


def answers(lab: Lab, host: str) -> bool:
    """Whether a worker answers the client within a short time."""
    with contextlib.suppress(OSError):
        return lab.client.get(topology.address(host), topology.HTTP_PORT, timeout=0.3).status == 200
    return False


def test_clusters_are_built_quickly_and_leave_nothing() -> None:
    """Two clusters, one after the other, each up in less than two seconds and gone without a trace."""
    for _ in range(2):
        began = time.monotonic()
        with Lab(balancers=3) as lab:
            assert time.monotonic() - began < 2.0
            assert lab.lbs[2].address in lab.lbs[2].addresses()
        assert not os.listdir("/run/netns")


def test_servers_answer(lab: Lab) -> None:
    """Every server answers in its own name and tells the address it was called from."""
    for worker in lab.workers:
        expected = f"{worker.name} {lab.client.address}\n"
        assert lab.client.get(worker.address, topology.HTTP_PORT).body == expected
        assert lab.client.get(worker.address, topology.HTTPS_PORT, tls=True).body == expected
        assert lab.client.get(worker.address, topology.HTTP_PORT, "/healthz").status == 200
    for master in lab.masters:
        assert lab.client.get(master.address, topology.API_PORT, "/readyz", tls=True).body == "ok"
        master.answer_with(403)
        assert lab.client.get(master.address, topology.API_PORT, "/readyz", tls=True).status == 403
        master.answer_with(None)
        assert lab.client.get(master.address, topology.API_PORT, "/readyz", tls=True).status == 200


def test_stopped_server_refuses_and_hung_server_is_silent(lab: Lab) -> None:
    """The three ways in which a server fails look different to a client."""
    gone, hung, rejecting = lab.workers
    gone.stop()
    with pytest.raises(ConnectionRefusedError):
        lab.client.get(gone.address, topology.HTTP_PORT)
    hung.hang()
    with pytest.raises(TimeoutError):
        lab.client.get(hung.address, topology.HTTP_PORT, timeout=0.3)
    hung.resume()
    assert answers(lab, hung.name)
    with lab.refuse(rejecting.name, topology.HTTP_PORT), pytest.raises(ConnectionRefusedError):
        lab.client.get(rejecting.address, topology.HTTP_PORT)
    assert answers(lab, rejecting.name)


def test_watch_through_the_api_port(lab: Lab) -> None:
    """An etcd watch lives on port 6443 of a master and reports what is put there, certificates verified."""
    lab.start_etcd()
    address = lab.masters[0].address
    log = lab.directory / "watch"
    with open(log, "wb") as out, subprocess.Popen(lab.etcdctl_argv("watch", "k", address=address), stdout=out) as watch:
        netns.command(*lab.etcdctl_argv("put", "k", "before", address=address))
        put = iter(range(1000))

        def seen() -> bool:
            netns.command(*lab.etcdctl_argv("put", "k", f"value-{next(put)}", address=address))
            return "value-" in log.read_text(encoding="ascii")

        eventually(seen, 10.0, "the watch reports a change")
        watch.kill()


@pytest.mark.parametrize("carrier_loss", [False, True])
def test_power_off(lab: Lab, carrier_loss: bool) -> None:
    """A host that is off answers nobody; it notices only where the carrier goes as well."""
    worker = lab.workers[0]
    with lab.power_off(worker.name, carrier_loss):
        assert not answers(lab, worker.name)
        assert ("NO-CARRIER" in worker.run("ip", "link", "show", topology.INTERFACE)) == carrier_loss
        assert answers(lab, lab.workers[1].name)
    eventually(lambda: answers(lab, worker.name), 3.0)


def test_partition_and_one_way_drop(lab: Lab) -> None:
    """A partition cuts two sets and nobody else; a one-way drop leaves the other direction."""
    ones, others = lab.workers[0], lab.workers[1]
    with lab.partition([ones.name], [others.name, lab.client.name]):
        assert not answers(lab, ones.name)
        assert answers(lab, others.name)
    eventually(lambda: answers(lab, ones.name), 3.0)
    with lab.drop(ones.name, lab.client.name, "tcp sport 30080"):
        opened = counter(ones.name, "TcpInSegs")
        assert not answers(lab, ones.name)
        assert counter(ones.name, "TcpInSegs") > opened, "the way there was to stay open"


def counter(host: str, name: str) -> int:
    """A counter of the host's kernel."""
    lines = netns.command("ip", "netns", "exec", host, "nstat", "-asz", name).splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name)))


def test_loss_is_a_share(lab: Lab) -> None:
    """Half of the ARP questions lost: some slots have an answer and some have none."""
    worker = lab.workers[0]
    with lab.drop(lab.observer.name, worker.name, ARP, percent=50), lab.arpprobe(worker.address, 2) as arp:
        eventually(lambda: len(arp.changes()) > 20, 10.0, "twenty changes")
    slots = arp.summary["slots"]
    assert 0.2 * slots < sum(arp.summary["stations"].values()) < 0.8 * slots


def test_guide_stack_fails_over_in_seconds(lab: Lab) -> None:
    """Power-off of the Keepalived owner: a gap of seconds, the answer to ARP moves, sessions stall or break."""
    owner = lab.start_guide()
    backup = lab.other(owner)
    with lab.arpprobe() as arp, lab.openloop() as load, lab.sessions(10) as sessions:
        off = time.monotonic()
        lab.power_off(owner.name)
        load.succeeds_after(off + 0.1, within=10.0)
    result = load.result(exclude=[off])
    assert 1000 < result.gap_ms < 6000
    assert off - 0.1 < result.gap_start < off + 0.1
    assert result.failures.keys() <= {"timeout"}
    assert abs(load.summary["gap_ms"] - result.gap_ms) < 0.01
    assert [hosts for _, hosts in arp.changes()] == [(owner.name,), (), (backup.name,)]
    assert 1000 < arp.none_ms() < 6000
    assert arp.both_ms() == 0
    assert all(s["broken"] or s["longest_stall_ms"] > 1000 for s in sessions.sessions)


def test_one_way_loss_of_adverts_makes_two_owners(lab: Lab) -> None:
    """The owner's adverts vanish and nothing else does: the ARP probe sees two stations in the same slot."""
    owner = lab.start_guide()
    with lab.arpprobe() as arp, lab.drop(owner.name, match=VRRP):
        eventually(lambda: len(arp.owners()) == 2, 10.0, "two owners")
        assert len(lab.holders()) == 2
    assert arp.both_ms() > 0


@pytest.mark.parametrize("address", ["10.196.35.77/32", "fd00:35::77/128"])
def test_arpprobe_sees_every_station(lab: Lab, address: str) -> None:
    """One host has an address, two, the other one: by ARP and by neighbour solicitation."""
    ones, others = lab.workers[:2]
    how = ("nodad",) if ":" in address else ()
    ones.run("ip", "address", "add", address, "dev", topology.INTERFACE, *how)
    with lab.arpprobe(address.partition("/")[0]) as arp:
        eventually(lambda: arp.owners() == (ones.name,), 2.0)
        others.run("ip", "address", "add", address, "dev", topology.INTERFACE, *how)
        eventually(lambda: sorted(arp.owners()) == sorted((ones.name, others.name)), 2.0)
        ones.run("ip", "address", "del", address, "dev", topology.INTERFACE)
        eventually(lambda: arp.owners() == (others.name,), 2.0)
    assert arp.both_ms() > 0


@pytest.mark.parametrize("mode", ["http", "connect", "banner", "echo"])
def test_openloop_modes(lab: Lab, mode: str) -> None:
    """Each way of asking succeeds against a server that answers so, and fails once it is gone."""
    worker = lab.workers[0]
    worker.start_echo(banner=mode == "banner")
    port = topology.HTTP_PORT if mode == "http" else topology.ECHO_PORT
    with lab.openloop(port, mode=mode, address=worker.address, timeout_ms=300) as load:
        load.succeeds_after(0.0)
        worker.kill_all()
        # What a process that is about to end has not accepted is still reset.
        eventually(lambda: load.connections()[-1].outcome == "refused", 5.0, "a connection after the end")
        gone = time.monotonic()
        eventually(lambda: any(c.start > gone for c in load.connections()), 5.0, "another one")
    result = load.result()
    assert result.ok == load.summary["ok"] > 0
    assert {c.outcome for c in result.connections if c.start > gone} == {"refused"}
    assert mode != "http" or result.servers() == {worker.name: result.ok}


def test_openloop_without_ports_ends(lab: Lab) -> None:
    """A host that has no local ports left: what is due fails, and the client can be told to stop."""
    worker = lab.workers[0]
    netns.sysctl(lab.client.name, "ipv4/ip_local_port_range", "2000 2100")
    worker.start_echo()
    with lab.openloop(topology.ECHO_PORT, mode="banner", address=worker.address, interval_ms=0.2, timeout_ms=2000) as load:
        holds(lambda: True, 1.0)
    assert load.summary["attempts"] > 4000 and load.summary["failures"]["other"] > 3500


@pytest.mark.parametrize("echo", [False, True])
def test_sessions_last_and_break(lab: Lab, echo: bool) -> None:
    """Sessions are answered until their server ends, and each tells when and how it broke."""
    worker = lab.workers[0]
    worker.start_echo()
    port = topology.ECHO_PORT if echo else topology.HTTP_PORT
    with lab.sessions(30, port, echo=echo, address=worker.address) as sessions:
        assert sessions.broken_so_far() == 0
        gone = time.monotonic()
        worker.kill_all()
        eventually(lambda: sessions.broken_so_far() == 30, 5.0, "all broken")
    assert len(sessions.broken()) == 30
    assert all(s["broken"] in ("reset", "eof", "refused") and s["broken_at"] > gone for s in sessions.sessions)
    assert all(s["answers"] > 0 for s in sessions.sessions)


def test_blackhole_is_noticed_by_sessions(lab: Lab) -> None:
    """Packets to a port vanish for a while: the sessions stall, and go on."""
    worker = lab.workers[0]
    with lab.sessions(5, topology.HTTP_PORT, address=worker.address) as sessions:
        before = time.monotonic()
        with lab.blackhole(worker.name, topology.HTTP_PORT):
            with pytest.raises(TimeoutError):
                lab.client.connect(worker.address, topology.HTTP_PORT, timeout=0.3)
            lab.client.connect(worker.address, topology.HTTPS_PORT, timeout=1.0).close()
        eventually(lambda: answers(lab, worker.name), 3.0)
    assert not sessions.broken()
    assert sessions.longest_stall_ms() > 250
    told = sessions.stalls_ms([before, time.monotonic()])
    assert told[:5] == [0.0] * 5 and len(told) == 10 and told[-1] == pytest.approx(sessions.longest_stall_ms(), abs=1)


def test_throttled_host_is_slow(lab: Lab) -> None:
    """Towards a throttled client a megabyte takes its time."""
    worker = lab.workers[0]
    with lab.throttle(lab.client.name, 4000), lab.client.connect(worker.address, topology.HTTP_PORT) as sock:
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: lab\r\n\r\n")
        began = time.monotonic()
        received = 0
        while received < 250_000:
            received += len(sock.recv(65536))
        assert time.monotonic() - began > 0.25


def test_waiting_has_a_deadline() -> None:
    """`eventually` gives up and says what it last saw; `holds` fails at the first miss."""
    with pytest.raises(NotYet, match="last seen: 0"):
        eventually(lambda: 0, within=0.05)
    looks = iter([True, True, False])
    with pytest.raises(AssertionError):
        holds(lambda: next(looks), during=1.0)


def test_vip_is_free_at_first(lab: Lab) -> None:
    """Nobody answers for the VIP before a load balancer runs."""
    assert not lab.holders()
    with pytest.raises(OSError):
        lab.client.connect(VIP, 80, timeout=0.3)
