"""Goal: what an administrator ordered of a server, and what is known of the past, outlives the proxy and the daemon."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from lab import Lab, eventually
from lab.lb import LoadBalancer

pytestmark = pytest.mark.patient

DRAINED = ("ingress-http", "k8s-worker-1")
WEIGHED = ("kube-api", "k8s-master-2")
MAINT = ("kube-api", "k8s-master-3")


def order(node: LoadBalancer) -> None:
    """Drain one server, give another a weight and a limit, put a third into maint."""
    assert node.lbctl("drain", "/".join(DRAINED)).code == 0
    assert node.lbctl("weight", "/".join(WEIGHED), "7").code == 0
    assert node.api("POST", "/v1/servers/" + "/".join(WEIGHED), {"max_connections": 20})[0] == 200
    assert node.lbctl("maint", "/".join(MAINT)).code == 0


def hold(node: LoadBalancer) -> bool:
    """Whether all orders of `order` are in force."""
    weighed = node.server(*WEIGHED)
    return (
        node.server(*DRAINED)["admin"] == "drain"
        and (weighed["weight"], weighed["max_connections"], weighed["ordered"]) == (7, 20, True)
        and node.server(*MAINT)["admin"] == "maint"
    )


def ids(node: LoadBalancer) -> list[int]:
    """The numbers of the events that the node tells."""
    return [event["id"] for event in node.api("GET", "/v1/events")[1]["events"]]


def test_orders_and_events_outlive_proxy_and_daemon(lab: Lab) -> None:
    """A reload, a killed proxy, a restarted daemon: orders hold, a server in maint is not checked, events go on."""
    owner = lab.start()
    order(owner)
    assert owner.lbctl("reload").code == 0 and hold(owner)
    before = owner.api("GET", "/v1/events")[1]["events"]
    assert [e for e in before if e["kind"] == "config"][-1]["to"] == "unchanged"

    former = owner.proxy_pid
    os.kill(former, signal.SIGKILL)
    eventually(lambda: owner.proxy_pid != former and owner.role() in ("active", "backup") and hold(owner), 5.0)
    eventually(lambda: owner.server("kube-api", "k8s-master-1")["state"] == "up", 5.0)
    assert owner.server(*MAINT)["state"] == "unknown"
    kept = owner.api("GET", "/v1/events")[1]["events"]
    assert kept[: len(before)] == before and ids(owner) == sorted(set(ids(owner)))
    assert any(e["kind"] == "proxy" and e["from"] == "running" for e in kept[len(before) :])

    assert owner.sigterm() == 0
    owner.start()
    assert hold(owner)
    assert owner.api("GET", "/v1/events")[1]["events"][: len(kept)] == kept
    why = owner.lbctl("why", "/".join(DRAINED)).stdout
    assert "drain" in why and "by uid" in why
    assert owner.lbctl("ready", "/".join(DRAINED)).code == 0 and not owner.server(*DRAINED)["ordered"]


def test_diff_shows_orders_and_a_new_weight_in_the_file_ends_one(lab: Lab) -> None:
    """diff tells which orders stay; a file that says another weight, or drops the server, has the last word."""
    owner = lab.start()
    order(owner)
    same = owner.lbctl("diff")
    assert same.code == 0 and "nothing would change" in same.stdout
    assert "! server ingress-http/k8s-worker-1 set by lbctl: drain stays" in same.stdout
    assert "! server kube-api/k8s-master-2 set by lbctl: weight 7 stays, limit 20 stays" in same.stdout
    changed = {
        "k8s-master-2: 10.196.35.21:6443": "k8s-master-2: {address: 10.196.35.21:6443, weight: 50}",
        "      k8s-worker-1: 10.196.35.23:30080\n": "",
    }
    owner.write_config(lab.config(replace=changed))
    told = json.loads(owner.lbctl("--json", "diff").stdout)
    stays = {f"{o['service']}/{o['server']}": o for o in told["orders"]}
    assert stays["/".join(DRAINED)]["stays"] is False and stays["/".join(MAINT)]["stays"] is True
    assert stays["/".join(WEIGHED)]["weight_stays"] is False and stays["/".join(WEIGHED)]["max_connections_stays"] is True
    assert owner.lbctl("reload").code == 0
    assert (owner.server(*WEIGHED)["weight"], owner.server(*WEIGHED)["max_connections"]) == (50, 20)
    former = owner.proxy_pid
    os.kill(former, signal.SIGKILL)
    eventually(lambda: owner.proxy_pid != former and owner.server(*WEIGHED)["weight"] == 50, 5.0)


def test_damaged_state_is_ignored_with_its_reason(lab: Lab) -> None:
    """Garbage in both files: lbd starts, says so, and keeps from then on."""
    owner = lab.lbs[0]
    owner.runtime_dir.mkdir(mode=0o750)
    for name in ("events", "orders"):
        (owner.runtime_dir / name).write_bytes(os.urandom(5000))
    lab.start()
    log = owner.logs(10**5)
    assert "events of the former proxy are ignored" in log and "part 0 of the file is ignored" in log
    order(owner)
    assert hold(owner) and owner.sigterm() == 0
    owner.start()
    assert hold(owner)


def mount(*arguments: str) -> None:
    """A file system in the lab's own mount namespace."""
    subprocess.run(["mount", "-t", "tmpfs", *arguments], check=True)


def test_full_disk(lab: Lab) -> None:
    """The state cannot be written: told once, orders are taken and work; with room again they are kept."""
    owner = lab.lbs[0]
    owner.runtime_dir.mkdir(mode=0o750)
    mount("-o", "size=16k", "none", str(owner.runtime_dir))
    (owner.runtime_dir / "junk").write_bytes(b"x" * 16384)
    lab.start()
    order(owner)
    assert hold(owner)
    log = owner.logs(10**5)
    assert log.count("orders of administrators are not kept: No space left") == 1
    assert log.count("events are not kept in their file: No space left") == 1
    mount("-o", "remount,size=4m", "none", str(owner.runtime_dir))
    assert owner.lbctl("weight", "/".join(WEIGHED), "8").code == 0
    assert "orders of administrators are kept again" in owner.logs(10**5)
    former = owner.proxy_pid
    os.kill(former, signal.SIGKILL)
    eventually(lambda: owner.proxy_pid != former and owner.server(*WEIGHED)["weight"] == 8, 5.0)
    assert owner.server(*DRAINED)["admin"] == "drain"
    assert owner.sigterm() == 0
    subprocess.run(["umount", str(owner.runtime_dir)], check=True)
