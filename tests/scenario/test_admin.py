"""Goal: an operator sees both nodes on one screen and takes a server out and back without losing a request."""

from __future__ import annotations

import json

import pytest

from lab import Lab, eventually

pytestmark = pytest.mark.patient


def test_status_on_both_nodes(lab: Lab) -> None:
    """Both nodes tell the same owner; exit codes say active and backup; --json is the API's answer."""
    owner = lab.start()
    peer = lab.other(owner)
    eventually(lambda: owner.lbctl("status").code == 0 and peer.lbctl("status").code == 1, 8.0)
    for node in lab.lbs:
        screen = node.lbctl("status").stdout
        for word in ("k8s-lb-1", "k8s-lb-2", "10.196.35.30", "kube-api", "ingress-http", "k8s-master-3", "k8s-worker-1"):
            assert word in screen, (word, screen)
        assert "\x1b" not in screen, "colour only on a terminal"
        status = json.loads(node.lbctl("--json", "status").stdout)
        assert status["owner"] == owner.name and status["node"] == node.name
    own = owner.status()
    assert [n["self"] for n in own["nodes"]].count(True) == 1
    other = next(n for n in own["nodes"] if not n["self"])
    assert other["hears_us"] is True and other["role"] == "backup" and other["config"] == own["config"]


def test_exit_codes_of_status(lab: Lab) -> None:
    """2 while a service has no healthy server, 3 when no peer is heard, 4 without a daemon."""
    owner = lab.start()
    peer = lab.other(owner)
    for master in lab.masters:
        master.stop()
    eventually(lambda: owner.lbctl("status").code == 2, 12.0)
    peer.sigterm()
    eventually(lambda: owner.lbctl("status").code == 3, 5.0)
    owner.sigterm()
    assert owner.lbctl("status").code == 4


def test_drain_takes_a_server_out_without_a_lost_request(lab: Lab) -> None:
    """drain: no new sessions and none lost; ready: used again."""
    owner = lab.start()
    with lab.openloop(80, mode="http") as load:
        assert owner.lbctl("drain", "ingress-http/k8s-worker-1").code == 0
        drained = owner.server("ingress-http", "k8s-worker-1")
        assert drained["admin"] == "drain"
        eventually(lambda: owner.server("ingress-http", "k8s-worker-1")["sessions"] == 0, 5.0)
        total = owner.server("ingress-http", "k8s-worker-1")["sessions_total"]
        count = len(load.connections())
        eventually(lambda: len(load.connections()) >= count + 200)
        assert owner.server("ingress-http", "k8s-worker-1")["sessions_total"] == total
        assert owner.lbctl("ready", "ingress-http/k8s-worker-1").code == 0
        eventually(lambda: owner.server("ingress-http", "k8s-worker-1")["effective_weight"] > 0, 5.0)
    assert load.result().failures == {}


def test_maint_and_unknown_names(lab: Lab) -> None:
    """maint stops checks and traffic; an unknown server is refused with its name."""
    owner = lab.start()
    done = owner.lbctl("maint", "kube-api/k8s-master-2")
    assert done.code == 0 and "kube-api/k8s-master-2 is now in maint, 0 sessions left" in done.stdout
    assert "on this node only" in done.stdout
    assert owner.server("kube-api", "k8s-master-2")["admin"] == "maint"
    assert owner.lbctl("ready", "kube-api/k8s-master-2").code == 0
    eventually(lambda: owner.server("kube-api", "k8s-master-2")["state"] == "up", 8.0)
    assert "has weight 7 now" in owner.lbctl("weight", "kube-api/k8s-master-2", "7").stdout
    assert owner.lbctl("kill", "kube-api/k8s-master-2").stdout == "0 sessions ended\n"
    for mistake in (("why", "kube-api"), ("drain", "kube-api"), ("kill", "abc")):
        wrong = owner.lbctl(*mistake)
        assert wrong.code == 2 and "names no server; write SERVICE/SERVER" in wrong.stderr
    assert json.loads(owner.lbctl("--json", "doctor").stdout)["findings"]
    refused = owner.lbctl("drain", "kube-api/nobody")
    assert refused.code == 1 and "nobody" in refused.stderr


def test_events_tell_the_failover(lab: Lab) -> None:
    """The recorder of the new owner shows the transition with its reason."""
    owner = lab.start()
    peer = lab.other(owner)
    assert owner.lbctl("failover").code == 0
    eventually(lambda: "handover" in peer.lbctl("events").stdout, 3.0)
    screen = peer.lbctl("events", "-n", "50").stdout
    assert "backup" in screen and "active" in screen


def test_metrics(lab: Lab) -> None:
    """Prometheus text with the names of the contract; the owner says 1, the other 0."""
    owner = lab.start()
    for node in lab.lbs:
        text = node.lbctl("metrics").stdout
        values = [line for line in text.splitlines() if line.startswith("lbd_vip_owner")]
        assert values and all(line.endswith(" 1" if node is owner else " 0") for line in values)
        for name in ("lbd_server_up", "lbd_election_state", "lbd_adverts_received_total", "lbd_build_info"):
            assert f"# TYPE {name} " in text


def test_standby(lab: Lab) -> None:
    """standby on hands the VIP over and keeps the node out until off."""
    owner = lab.start()
    peer = lab.other(owner)
    assert owner.lbctl("standby", "on").code == 0
    eventually(lambda: peer.role() == "active" and owner.status()["standby"], 3.0)
    assert owner.lbctl("standby", "off").code == 0
    eventually(lambda: owner.role() == "backup" and not owner.status()["standby"], 5.0)
    assert lab.owner() is peer


def test_keygen_check_and_version(lab: Lab) -> None:
    """keygen makes a 0600 file once; check judges a file; version names both ends."""
    owner = lab.start()
    path = lab.directory / "new.key"
    assert owner.lbctl("keygen", str(path)).code == 0
    assert path.stat().st_size == 32 and path.stat().st_mode & 0o777 == 0o600
    assert owner.lbctl("keygen", str(path)).code == 1
    assert owner.lbctl("check", str(owner.config_file)).code == 0
    bad = lab.directory / "bad.yaml"
    bad.write_text("cluster: k8s\nnodez: {}\n", encoding="utf-8")
    refused = owner.lbctl("check", str(bad))
    assert refused.code == 1 and "bad.yaml:2:1:" in refused.stderr + refused.stdout
    assert owner.lbctl("version").stdout.count("0.1.0") == 2
    alone = owner.lbctl("--socket", str(lab.directory / "none.sock"), "check", str(bad))
    assert alone.code == 4 and "lbd --check" in alone.stderr
    assert owner.lbctl("--socket").code == 2


def test_resign_without_a_daemon(lab: Lab) -> None:
    """lbd --resign after a SIGKILL removes the address and the rules, and nothing that lbd did not put there."""
    import signal

    owner = lab.start()
    owner.run("ip", "address", "add", "10.196.35.99/32", "dev", "eth0")
    owner.run("nft", "add", "table", "inet", "other")
    owner.signal_all(signal.SIGKILL)
    assert owner.has_address()
    assert owner._call(owner.lbd_argv("--resign")).code == 0
    assert not owner.has_address() and "10.196.35.99" in owner.addresses()
    tables = owner.run("nft", "list", "tables")
    assert "lbd" not in tables and "other" in tables
