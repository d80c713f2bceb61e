"""Goal: who owns the VIP follows from what nodes can do, then from who owns it, then from preference, and it holds."""

from __future__ import annotations

import pytest

from lab import Lab, eventually, holds, package, paths
from lab.lb import LoadBalancer
from trial import DOWN, metric, transitions

pytestmark = pytest.mark.patient

NO_SERVERS_HOLD = 3.0
DIFFERENCES = {
    "config": ("balance: source", "balance: random"),
    "vips": ("vips: [10.196.35.30]", "vips: [10.196.35.30, 10.196.35.31]"),
}


def node_of(seen_by: LoadBalancer, node: LoadBalancer) -> dict[str, object]:
    """What one node tells of another."""
    return next(entry for entry in seen_by.status()["nodes"] if entry["name"] == node.name)


def owner_is(lab: Lab, node: LoadBalancer, during: float) -> None:
    """Nobody else has the VIP, for that long."""
    holds(lambda: lab.holders() == [node], during, f"{node} alone has the VIP")


def test_failback_after_being_healthy_that_long(lab: Lab) -> None:
    """The preferred node asks for the VIP two seconds after it came back, not earlier."""
    text = lab.config(append="election: {failback: 2s}\n")
    preferred = lab.lbs[0]
    lab.start(text)
    eventually(lambda: lab.holders() == [preferred], 10.0, "the preferred node has the VIP")
    assert preferred.lbctl("standby", "on").code == 0
    other = lab.other(preferred)
    eventually(lambda: lab.holders() == [other], 3.0)
    with lab.arpprobe() as arp:
        assert preferred.lbctl("standby", "off").code == 0
        owner_is(lab, other, 1.5)
        eventually(lambda: lab.holders() == [preferred], 5.0, "failback")
        eventually(lambda: preferred.status()["reason"] == "handover", 1.0)
        owner_is(lab, preferred, 1.0)
    assert arp.both_ms() == 0


def test_preference_alone_takes_nothing_back(lab: Lab) -> None:
    """Without failback the preferred node stays backup once another one owns the VIP."""
    owner = lab.start()
    assert owner.lbctl("failover").code == 0
    eventually(lambda: lab.holders() == [lab.other(owner)], 2.0)
    owner_is(lab, lab.other(owner), 2.5)


def test_standby_survives_a_restart(lab: Lab) -> None:
    """A node on standby stays out of the election when its daemon is restarted, even with nobody else to serve."""
    owner = lab.start()
    peer = lab.other(owner)
    assert owner.lbctl("standby", "on").code == 0
    eventually(lambda: lab.holders() == [peer], 3.0)
    assert owner.sigterm() == 0
    owner.start(wait=False)
    eventually(lambda: owner.status()["standby"] and owner.role() == "fault", 5.0)
    assert peer.sigterm() == 0
    holds(lambda: not owner.has_address(), 1.5, "no VIP on a standby node")
    assert owner.lbctl("standby", "off").code == 0
    eventually(owner.has_address, 5.0)


def test_link_that_comes_back_is_listened_to_first(lab: Lab) -> None:
    """Alone, a node that lost its link takes the VIP only after start-up delay and Active_Down_Interval."""
    owner = lab.start()
    assert lab.other(owner).sigterm() == 0
    with lab.power_off(owner.name, carrier_loss=True):
        eventually(lambda: owner.role() == "fault" and not owner.has_address(), 2.0)
    eventually(lambda: owner.role() == "backup", 3.0)
    holds(lambda: not owner.has_address(), 2 * DOWN, "listening")
    eventually(owner.has_address, 2.0)


def test_flapping_link_of_the_owner_is_damped(lab: Lab) -> None:
    """Ten times 50 ms without carrier: at most two changes of role on the peer and one owner in the end."""
    owner = lab.start()
    peer = lab.other(owner)
    before = transitions(peer)
    with lab.arpprobe() as arp:
        for _ in range(10):
            with lab.power_off(owner.name, carrier_loss=True):
                holds(lambda: True, 0.05)
            holds(lambda: True, 0.05)
        eventually(lambda: owner.role() == "backup", 5.0)
        owner_is(lab, peer, 1.0)
    assert transitions(peer) - before <= 2
    assert arp.both_ms() == 0


def test_none_here_some_there_yields_after_the_hold_time(lab: Lab) -> None:
    """An owner without servers, while its peer has some, hands over after three seconds; "nowhere" moves nothing."""
    owner = lab.start()
    peer = lab.other(owner)
    servers = [host.name for host in (*lab.masters, *lab.workers)]
    with lab.partition([owner.name], servers):
        eventually(lambda: owner.status()["obstacle"] == "no-servers", 15.0, "it notices")
        owner_is(lab, owner, 0.8 * NO_SERVERS_HOLD)
        eventually(lambda: lab.holders() == [peer], NO_SERVERS_HOLD, "handed over")
        assert peer.status()["reason"] == "handover"
        with lab.partition([peer.name], servers):
            eventually(lambda: all(s["state"] == "down" for e in peer.status()["services"] for s in e["servers"]), 15.0)
            owner_is(lab, peer, NO_SERVERS_HOLD + 1.5)


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_differences_are_shown_and_never_acted_on(lab: Lab, difference: str) -> None:
    """Another configuration or VIP list on the peer: a warning, a metric, exit status 2, and no change of roles."""
    owner = lab.start()
    peer = lab.other(owner)
    before = {node: node.status()["since"] for node in lab.lbs}
    old, new = DIFFERENCES[difference]
    peer.write_config(lab.config(replace={old: new}))
    reloaded = peer.lbctl("reload")
    assert reloaded.code == 0, reloaded.stderr
    eventually(lambda: metric(owner, "lbd_config_mismatch") == 1, 3.0)
    shown = owner.lbctl("status")
    assert shown.code == 2 and "runs another configuration" in shown.stdout, shown
    eventually(lambda: "its configuration differs" in owner.logs(200), 3.0)
    owner_is(lab, owner, 1.0)
    if difference == "vips":
        assert owner.lbctl("failover").code == 0
        eventually(lambda: "lists other VIPs" in owner.logs(200), 3.0)
        return
    assert {node: node.status()["since"] for node in lab.lbs} == before
    assert node_of(owner, peer)["config"] != owner.status()["config"]
    assert node_of(owner, peer)["version"] == owner.status()["version"]


def test_another_version_is_shown_and_never_acted_on(lab: Lab) -> None:
    """The peer comes back as another version: either shows the other's, all is well, roles stay, and a hand-over goes there."""
    owner = lab.start()
    peer = lab.other(owner)
    before = owner.status()["since"]
    own, newer = package.version(), f"{package.version()}+next"
    assert peer.sigterm() == 0
    peer.install(peer.directory / "programs", paths.edition("next"))
    peer.start()
    eventually(lambda: (node_of(owner, peer)["version"], node_of(peer, owner)["version"]) == (newer, own), 5.0)
    eventually(lambda: (owner.lbctl("status").code, peer.lbctl("status").code) == (0, 1), 5.0, "all is well")
    assert newer in owner.lbctl("status").stdout and own in peer.lbctl("status").stdout
    owner_is(lab, owner, 1.0)
    assert owner.status()["since"] == before and metric(owner, "lbd_config_mismatch") == 0
    assert owner.lbctl("failover").code == 0
    eventually(lambda: lab.holders() == [peer], 2.0)
