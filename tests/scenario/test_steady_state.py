"""Goal: clients reach every service through the VIP on either node, and nothing fails while nothing happens."""

from __future__ import annotations

import subprocess

import pytest

from lab import VIP, Lab, capture, eventually, netns, topology

pytestmark = pytest.mark.patient

VRRP_PROTOCOL = 112
HMAC_TRAILER = 28
HMAC_TYPE = 1


def test_every_service_answers_on_either_node(lab: Lab) -> None:
    """HTTP and HTTPS pages from the workers and the API servers' health, before and after the VIP has moved."""
    first = lab.start()
    for _ in range(2):
        page = lab.client.get(VIP, 80)
        assert page.status == 200 and page.body.startswith("k8s-worker-")
        assert lab.client.get(VIP, 443, tls=True).status == 200
        assert lab.client.get(VIP, topology.API_PORT, "/readyz", tls=True).body == "ok"
        if lab.owner() is first:
            assert lab.other(first).lbctl("failover").code == 0
            eventually(lambda: lab.owner() is not first, 2.0)
    assert lab.owner() is not first


def test_steady_load_without_a_failure(lab: Lab) -> None:
    """A connection each 5 ms for three seconds and 50 keep-alive sessions: no failure, all servers used."""
    lab.start()
    with lab.sessions(50) as sessions, lab.openloop() as load:
        eventually(lambda: len(load.connections()) >= 600, 10.0)
    result = load.result()
    assert result.failures == {}
    assert not sessions.broken()


def test_servers_share_the_api_connections(lab: Lab) -> None:
    """leastconn spreads connections over all three API servers."""
    lab.start()
    with lab.openloop(topology.API_PORT, mode="connect") as load:
        eventually(lambda: len(load.connections()) >= 300, 10.0)
    assert load.result().failures == {}
    service = next(s for s in lab.owner().status()["services"] if s["name"] == "kube-api")
    totals = [server["sessions_total"] for server in service["servers"]]
    assert min(totals) > 0.2 * sum(totals), totals


def test_etcd_watch_stays_open(lab: Lab) -> None:
    """A watch over TLS through the VIP reports changes as they are made, and lbd sees its session."""
    lab.start_etcd()
    lab.start()
    log = lab.directory / "watch"
    with open(log, "wb") as out, subprocess.Popen(lab.etcdctl_argv("watch", "k"), stdout=out) as watch:
        for number in range(5):

            def seen(value: str = f"value-{number}") -> bool:
                # Each API server has an etcd of its own here, and the watch is at one of them.
                for master in lab.masters:
                    netns.command(*lab.etcdctl_argv("put", "k", value, address=master.address))
                return value in log.read_text(encoding="ascii")

            eventually(seen, 10.0, "the watch reports a change")
        assert watch.poll() is None
        watch.kill()


def assert_good_adverts(lab: Lab, sender: str, packets: list[bytes]) -> None:
    """tcpdump reads every packet as an advert with the right fields and checksums."""
    text = capture.tcpdump(packets, lab.directory / "adverts.pcap", "-vvn")
    adverts = [line for line in text.splitlines() if "VRRPv3" in line]
    assert len(adverts) == len(packets)
    assert "bad" not in text, text
    for advert in adverts:
        assert f"{sender} >" in advert and "intvl 10cs" in advert and VIP in advert, advert
    assert text.count("ttl 255") == text.count("tos 0xc0") == len(packets)


def test_adverts_as_tcpdump_reads_them(lab: Lab) -> None:
    """Without authentication tcpdump finds nothing wrong with the adverts."""
    owner = lab.start(lab.config(append="election: {auth: none}\n"))
    assert_good_adverts(lab, owner.address, capture.frames(lab.other(owner), VRRP_PROTOCOL, 20))


def test_signed_adverts_as_tcpdump_reads_them(lab: Lab) -> None:
    """The HMAC trailer, which the checksum leaves out and tcpdump does not know, follows an advert that is good."""
    owner = lab.start()
    packets = capture.frames(lab.other(owner), VRRP_PROTOCOL, 20)
    assert all(packet[14 + 20 + 12] == HMAC_TYPE for packet in packets), "the trailer begins after one address"
    assert_good_adverts(lab, owner.address, [capture.shorten(packet, HMAC_TRAILER) for packet in packets])
