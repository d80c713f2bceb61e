"""Goal: clients reach every service through the VIP on either node, and nothing fails while nothing happens."""

from __future__ import annotations

import subprocess

from lab import VIP, Lab, eventually, netns, topology


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


def test_adverts_as_tcpdump_reads_them(lab: Lab) -> None:
    """tcpdump finds VRRPv3 adverts of one sender with the right fields and no bad checksum."""
    owner = lab.start()
    capture = lab.other(owner).run("timeout", "10", "tcpdump", "-vvnli", "eth0", "-c", "20", "ip", "proto", "112")
    adverts = [line for line in capture.splitlines() if "VRRPv3" in line]
    assert len(adverts) == 20
    assert "bad" not in capture
    for advert in adverts:
        assert f"{owner.address} >" in advert and "intvl 10cs" in advert and VIP in advert, advert
    assert "ttl 255" in capture and "tos 0xc0" in capture
