"""Goal: why the VIP is where it is, what does not fit together, and how long each change took can be seen."""

from __future__ import annotations

import re
import signal

import pytest

from lab import VIP, Lab, eventually, holds
from lab.lb import LoadBalancer
from lab.topology import INTERFACE
from trial import DOWN, INTERVAL, metric

pytestmark = pytest.mark.patient

PEER_LINK = "udp dport 8650"


def last_role_event(node: LoadBalancer) -> dict[str, object]:
    """The recorder's newest entry about the role."""
    return [e for e in node.api("GET", "/v1/events")[1]["events"] if e["subject"] == "vip"][-1]


def peer_entry(node: LoadBalancer) -> dict[str, object]:
    """What the node tells of the other one."""
    return next(entry for entry in node.status()["nodes"] if not entry["self"])


def labelled(node: LoadBalancer, name: str, /, **labels: str) -> float:
    """The value of one sample."""
    wanted = ",".join(f'{key}="{value}"' for key, value in labels.items())
    found = re.search(rf"(?m)^{name}\{{{re.escape(wanted)}\}} (\S+)$", node.lbctl("metrics").stdout)
    assert found, f"{name} {labels}"
    return float(found[1])


def test_gap_of_a_takeover_is_measured(lab: Lab) -> None:
    """Event, metric and status tell how long nobody had the VIP: long after a death, hardly when planned."""
    owner = lab.start()
    peer = lab.other(owner)
    owner.signal_all(signal.SIGKILL)
    eventually(lambda: peer.role() == "active", 2.0)
    event = eventually(lambda: last_role_event(peer) if last_role_event(peer)["to"] == "active" else None, 2.0)
    assert event["reason"] == "active-down-timer"
    assert 3 * INTERVAL * 1000 <= event["duration_ms"] <= (DOWN + 0.2) * 1000, event
    eventually(lambda: abs(metric(peer, "lbd_takeover_gap_seconds") * 1000 - event["duration_ms"]) < 1, 2.0)
    assert abs(peer.status()["takeover_gap_ms"] - event["duration_ms"]) < 1

    eventually(lambda: not owner.has_address(), 3.0)
    owner.start()
    eventually(lambda: peer_entry(peer)["can_serve"], 5.0)
    assert peer.lbctl("failover").code == 0
    event = eventually(lambda: last_role_event(owner) if last_role_event(owner)["to"] == "active" else None, 2.0)
    assert event["reason"] == "handover" and event["duration_ms"] <= 50, event


def test_why_tells_state_peers_and_last_decisions(lab: Lab) -> None:
    """`lbctl why vip` on either node: role, reason, owner, what the peer says, and the events that led here."""
    owner = lab.start()
    peer = lab.other(owner)
    assert owner.lbctl("failover").code == 0
    eventually(lambda: peer.role() == "active", 2.0)
    for node, role in ((owner, "backup"), (peer, "active")):
        eventually(lambda n=node: "handover" in n.lbctl("why", "vip").stdout, 2.0)
        why = node.lbctl("why", "vip").stdout
        assert f"{node.name} is {role}" in why and f"owner {peer.name}" in why, why
        assert "hears this node" in why and "servers ready there" in why, why
    assert owner.lbctl("standby", "on").code == 0
    why = eventually(lambda: owner.lbctl("why", "vip").stdout if owner.role() == "fault" else "", 3.0)
    assert "standby" in why, why


def test_peer_that_cannot_hear_us(lab: Lab) -> None:
    """One way of the peer link is cut: log line, status, metric and exit status say so, and say when it is over."""
    owner = lab.start()
    peer = lab.other(owner)
    eventually(lambda: peer_entry(owner)["hears_us"], 3.0)
    with lab.drop(owner.name, peer.name, PEER_LINK):
        eventually(lambda: peer_entry(owner)["hears_us"] is False, 5.0)
        eventually(lambda: f"peer {peer}: it does not hear this node's peer link" in owner.logs(200), 3.0)
        assert peer_entry(owner)["heard"]
        assert labelled(owner, "lbd_peer_hears_this_node", node=peer.name) == 0
        shown = owner.lbctl("status")
        assert shown.code == 3 and f"{peer} does not hear this node" in shown.stdout, shown
        # Adverts still arrive, so that nothing moves.
        holds(lambda: lab.holders() == [owner], 1.0)
    eventually(lambda: peer_entry(owner)["hears_us"] and labelled(owner, "lbd_peer_hears_this_node", node=peer.name) == 1, 5.0)
    eventually(lambda: f"peer {peer}: no longer: it does not hear" in owner.logs(200), 3.0)


def test_foreign_owner_is_named(lab: Lab) -> None:
    """A host that is none of the cluster has the VIP: status, its screen, `why` and the metric name it, and it ends."""
    owner = lab.start()
    lab.observer.run("ip", "address", "add", f"{VIP}/32", "dev", INTERFACE)
    status = eventually(lambda: owner.status() if owner.status()["foreign_owner"] else None, 8.0)
    assert status["foreign_mac"] == lab.observer.mac
    shown = owner.lbctl("status")
    assert shown.code == 3 and f"somebody else answers for the VIP: {lab.observer.mac}" in shown.stdout, shown
    assert lab.observer.mac in owner.lbctl("why", "vip").stdout
    assert metric(owner, "lbd_vip_foreign_owner") == 1
    lab.observer.run("ip", "address", "del", f"{VIP}/32", "dev", INTERFACE)
    eventually(lambda: owner.status()["foreign_owner"] is False and owner.status()["foreign_mac"] is None, 20.0)


def test_jitter_and_stall(lab: Lab) -> None:
    """Little while nothing happens; a keeper that hangs for 150 ms shows up as a stall here and as jitter there."""
    owner = lab.start()
    peer = lab.other(owner)
    before = labelled(owner, "lbd_advert_jitter_seconds_max", direction="sent")
    assert before < INTERVAL
    owner.sigstop()
    holds(lambda: True, 1.5 * INTERVAL)
    owner.sigcont()
    eventually(lambda: labelled(owner, "lbd_loop_stall_seconds_max", thread="keeper") >= 0.4 * INTERVAL, 2.0)
    eventually(lambda: labelled(owner, "lbd_advert_jitter_seconds_max", direction="sent") >= 0.4 * INTERVAL, 2.0)
    eventually(lambda: labelled(peer, "lbd_advert_jitter_seconds_max", direction="received") >= 0.4 * INTERVAL, 2.0)
    assert labelled(owner, "lbd_advert_jitter_seconds_max", direction="sent") <= 2.5 * INTERVAL
    assert lab.owner() is owner


@pytest.mark.parametrize("reason", ["ttl", "source"])
def test_each_reason_for_a_drop_is_counted(lab: Lab, reason: str) -> None:
    """An advert with another time to live, or from a host that is no node, is counted and moves nothing."""
    owner = lab.start(lab.config(append="election: {auth: none}\n"))
    peer = lab.other(owner)
    before = labelled(peer, "lbd_adverts_dropped_total", reason=reason)
    sender = owner if reason == "ttl" else lab.observer
    ttl = 64 if reason == "ttl" else 255
    advert = FORGE.format(ttl=ttl, source=sender.address, peer=peer.address, vip=VIP)
    vrid = int(re.search(r"vrid (\d+)", owner.lbctl("config").stdout.replace(":", ""))[1])  # type: ignore[index]
    sender.run("/usr/bin/python3", "-c", advert, str(vrid))
    eventually(lambda: labelled(peer, "lbd_adverts_dropped_total", reason=reason) >= before + 1, 2.0)
    assert lab.owner() is owner


FORGE = """
import socket, struct, sys
body = struct.pack("!BBBBHH", 0x31, int(sys.argv[1]), 254, 1, 10, 0) + socket.inet_aton("{vip}")
pseudo = socket.inet_aton("{source}") + socket.inet_aton("{peer}") + struct.pack("!BBH", 0, 112, len(body))
total = sum(struct.unpack("!%dH" % ((len(pseudo) + len(body)) // 2), pseudo + body))
total = (total & 0xffff) + (total >> 16)
body = body[:6] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) + body[8:]
sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, {ttl})
sock.sendto(body, ("{peer}", 0))
"""
