"""Goal: a reload changes what the file changed and nothing else; a broken file changes nothing at all."""

from __future__ import annotations

from lab import Lab, eventually

WITHOUT_WORKER_3 = {"      k8s-worker-3: 10.196.35.27:30080\n": ""}


def names(lab: Lab, service: str) -> list[str]:
    """The servers of a service as the owner has them."""
    found = next(s for s in lab.owner().status()["services"] if s["name"] == service)
    return [server["name"] for server in found["servers"]]


def test_server_added_and_removed_under_load(lab: Lab) -> None:
    """worker-3 joins, worker-1 leaves: no connection fails, no session is lost, counters go on."""
    small = lab.config(replace=WITHOUT_WORKER_3)
    without_1 = lab.config(replace={"      k8s-worker-1: 10.196.35.23:30080\n": ""})
    owner = lab.start(small)
    with lab.sessions(60) as sessions, lab.openloop() as load:
        eventually(lambda: len(load.connections()) >= 100)
        before = owner.server("ingress-http", "k8s-worker-2")
        owner.write_config(without_1)
        done = owner.lbctl("reload")
        assert done.code == 0, done.stderr
        eventually(lambda: owner.server("ingress-http", "k8s-worker-3")["state"] == "up", 5.0)
        eventually(lambda: len(load.connections()) >= 400)
        after = owner.server("ingress-http", "k8s-worker-2")
    assert load.result().failures == {}
    assert sessions.broken() == []
    assert names(lab, "ingress-http") == ["k8s-worker-2", "k8s-worker-3"]
    assert after["since"] == before["since"] and after["sessions_total"] >= before["sessions_total"]
    assert lab.owner() is owner


def test_twenty_reloads_by_signal_under_load(lab: Lab) -> None:
    """SIGHUP with changing files: nothing is lost, and the last file is in force."""
    owner = lab.start()
    files = [lab.config(replace=WITHOUT_WORKER_3), lab.config()]
    with lab.sessions(30) as sessions, lab.openloop() as load:
        for round_ in range(20):
            owner.write_config(files[round_ % 2])
            done = sum(e["reason"] == "reload" for e in events(owner))
            owner.sighup()
            eventually(lambda d=done: sum(e["reason"] == "reload" for e in events(owner)) > d, 3.0)
    assert load.result().failures == {}
    assert sessions.broken() == []
    assert len(names(lab, "ingress-http")) == 3


def events(node) -> list[dict]:  # type: ignore[no-untyped-def] # a LoadBalancer
    """The node's recorder."""
    _, answer = node.api("GET", "/v1/events?n=500")
    return answer["events"]


def test_service_added_and_removed(lab: Lab) -> None:
    """A new service listens at once, and no longer when it is gone from the file."""
    extra = "  extra:\n    listen: 8080\n    servers:\n      k8s-worker-1: 10.196.35.23:30080\n"
    owner = lab.start()
    owner.write_config(lab.config(append=extra))
    assert owner.lbctl("reload").code == 0
    eventually(lambda: lab.client.get("10.196.35.30", 8080).status == 200, 5.0)
    owner.write_config()
    assert owner.lbctl("reload").code == 0

    def refused() -> bool:
        try:
            lab.client.connect("10.196.35.30", 8080, timeout=1.0).close()
        except ConnectionRefusedError:
            return True
        return False

    eventually(refused, 5.0)


def test_broken_file_is_refused_with_its_place(lab: Lab) -> None:
    """Unknown key and bad value: both named with line and column, everything runs on."""
    owner = lab.start()
    before = owner.status()["config"]
    with lab.openloop() as load:
        broken = lab.config(replace={"    balance: source\n    check": "    blance: source\n    check"})
        owner.write_config(broken)
        line = broken[: broken.index("blance")].count("\n") + 1
        refused = owner.lbctl("reload")
        assert refused.code == 1
        assert f"lbd.yaml:{line}:5:" in refused.stderr and "balance" in refused.stderr, refused.stderr
        eventually(lambda: len(load.connections()) >= 200)
    assert load.result().failures == {}
    assert owner.status()["config"] == before
    assert lab.owner() is owner


def test_change_that_needs_a_restart_is_refused(lab: Lab) -> None:
    """Another cluster name cannot be taken over while running; the answer says what to do."""
    owner = lab.start()
    owner.write_config(lab.config(replace={"cluster: k8s": "cluster: other"}))
    refused = owner.lbctl("reload")
    assert refused.code == 1 and "restart" in refused.stderr
    assert owner.status()["cluster"] == "k8s"


def test_port_in_use_at_reload(lab: Lab) -> None:
    """A service on a port that another program has: refused, and the old file stays in force."""
    owner = lab.start()
    with owner.inside():
        import socket

        other = socket.create_server(("10.196.35.25" if owner is lab.lbs[0] else "10.196.35.26", 9999))
    extra = f"  extra:\n    listen: {other.getsockname()[0]}:9999\n    servers:\n      k8s-worker-1: 10.196.35.23:30080\n"
    owner.write_config(lab.config(append=extra))
    refused = owner.lbctl("reload")
    other.close()
    assert refused.code == 1 and "9999" in refused.stderr and "extra" in refused.stderr
    assert lab.client.get("10.196.35.30", 80).status == 200
