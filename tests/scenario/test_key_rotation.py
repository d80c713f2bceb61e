"""Goal: the cluster key is changed by reloads, one node after the other, and nobody loses the VIP over it."""

from __future__ import annotations

import re

import pytest

from lab import Lab, config, eventually
from lab.lb import LoadBalancer

pytestmark = pytest.mark.patient

ADVERTS = 15


def metric(node: LoadBalancer, name: str) -> int:
    """The value of a metric, labels and all."""
    found = re.search(rf"(?m)^{re.escape(name)} (\d+)$", node.lbctl("metrics").stdout)
    assert found, f"{name} is missing"
    return int(found[1])


def unauthentic(lab: Lab) -> list[int]:
    """Datagrams that were not taken because of their signature."""
    families = ("lbd_adverts_dropped_total", "lbd_peer_dropped_total")
    return [metric(node, f'{family}{{reason="auth"}}') for node in lab.lbs for family in families]


def holds(lab: Lab, roles: dict[str, str]) -> None:
    """For a while: the same roles, each hears the other on both paths, no signature is refused."""
    backup = next(node for node in lab.lbs if roles[node.name].startswith("backup"))
    first, refused = metric(backup, "lbd_adverts_received_total"), unauthentic(lab)
    eventually(lambda: metric(backup, "lbd_adverts_received_total") >= first + ADVERTS, 10.0)
    assert unauthentic(lab) == refused == [0, 0, 0, 0]
    assert terms(lab) == roles
    for node in lab.lbs:
        other = next(entry for entry in node.status()["nodes"] if not entry["self"])
        assert other["heard"] and other["hears_us"], other


def terms(lab: Lab) -> dict[str, str]:
    """Each node's role and since when."""
    return {node.name: "{role} {since}".format(**node.status()) for node in lab.lbs}


def reload(node: LoadBalancer) -> None:
    """Lets the node read its key files again."""
    done = node.lbctl("reload")
    assert done.code == 0, done.stderr


def test_key_is_rotated_without_losing_the_vip(lab: Lab) -> None:
    """Both accept the new key, then each signs with it, then the old one goes: no refused signature on the way."""
    owner = lab.start()
    peer = lab.other(owner)
    eventually(lambda: all(entry["self"] or entry["hears_us"] for entry in owner.status()["nodes"]), 5.0)
    roles = terms(lab)
    key, following, former = (lab.key_file.with_name(lab.key_file.name + suffix) for suffix in ("", ".next", ".old"))

    with lab.arpprobe() as arp:
        config.make_key(following)
        for node in (owner, peer):
            reload(node)
            holds(lab, roles)
        key.rename(former)
        following.rename(key)
        for node in (owner, peer):
            reload(node)
            holds(lab, roles)
        former.unlink()
        for node in (owner, peer):
            reload(node)
            holds(lab, roles)
    assert arp.both_ms() == 0
    events = [event for event in owner.api("GET", "/v1/events")[1]["events"] if event["subject"] == "key"]
    assert len(events) == 3 and len({event["to"] for event in events}) == 2, events


def test_keys_that_others_can_read_are_refused(lab: Lab) -> None:
    """Mode and kind of each key file are judged at reload as at start; a refused one changes nothing."""
    owner = lab.start()
    roles = terms(lab)
    following = config.make_key(lab.key_file.with_name(lab.key_file.name + ".next"))
    following.chmod(0o640)
    refused = owner.lbctl("reload")
    assert refused.code == 1 and "mode 0640" in refused.stderr, refused
    following.unlink()
    following.symlink_to(lab.key_file)
    refused = owner.lbctl("reload")
    assert refused.code == 1 and ".next" in refused.stderr, refused
    holds(lab, roles)
