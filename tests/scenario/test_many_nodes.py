"""Goal: among three and five nodes exactly one owns the VIP: from a cold start, when owners vanish, and handed around."""

from __future__ import annotations

import signal
from typing import Iterator

import pytest

from lab import Lab, eventually, holds, realtime
from lab.lb import LoadBalancer
from record import Measured
from trial import Trial

FAST = "election: {interval: 10ms}\n"
OUTAGE = 400.0
# The first of two datagrams of the peer link that say "released" is lost; it is repeated after 5 ms.
RELEASED = "udp dport 8650 @th,104,8 { 5, 9 } numgen inc mod 2 0"


@pytest.fixture(name="many", params=[3, 5])
def lab_of_many(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Three load balancers, then five."""
    with Lab(balancers=request.param) as lab:
        yield lab


def roles_settle(lab: Lab, nodes: list[LoadBalancer]) -> LoadBalancer:
    """Waits until one of the nodes is active and the others are backup, and who that is does not change any more."""
    eventually(lambda: sorted(n.role() for n in nodes) == ["active"] + ["backup"] * (len(nodes) - 1), 10.0, "one active")
    owner = next(node for node in nodes if node.role() == "active")
    holds(lambda: [node for node in nodes if node.has_address()] == [owner], 0.5, f"{owner} alone has the VIP")
    return owner


def hand_to(lab: Lab, target: LoadBalancer) -> None:
    """`lbctl failover --to` at the owner, as soon as it hears the target well."""
    owner = lab.owner()
    heard = lambda: next(n for n in owner.status()["nodes"] if n["name"] == target.name)["can_serve"]  # noqa: E731
    eventually(heard, 5.0, f"{owner} knows that {target} can serve")
    done = owner.lbctl("failover", "--to", target.name)
    assert done.code == 0, done.stderr
    eventually(lambda: lab.holders() == [target], 1.0, f"{target} alone has the VIP")


def test_story(many: Lab, measured: Measured) -> None:
    """All start at once; two owners vanish, one after the other, and come back as backups; each node has its turn."""
    for node in many.lbs:
        node.start(wait=False)
    name = f"{len(many.lbs)} nodes"
    with many.arpprobe() as cold:
        first = roles_settle(many, many.lbs)
    measured(f"{name}, cold start: two owners", cold.both_ms(), "ms", exactly=0)
    eventually(lambda: many.client.get("10.196.35.30", 80, timeout=1.0).status == 200, 10.0)

    owners, left, off = [first], list(many.lbs), []
    with Trial(many) as trial:
        for _ in range(2):
            off.append(many.power_off(owners[-1].name))
            left.remove(owners[-1])
            owners[-1].signal_all(signal.SIGKILL)
            trial.served_after(trial.now() + 0.5)
            # Those who followed the same owner come by their priority.
            assert roles_settle(many, left) is left[0]
            owners.append(left[0])
        for power, node in zip(off, owners):
            eventually(lambda n=node: not n.has_address(), 4.0, "the address ends by itself")
            power.heal()
            node.start()
        assert roles_settle(many, many.lbs) is owners[-1]
        powered = trial.outage_ms()
        for target in [node for node in many.lbs if node is not owners[-1]]:
            hand_to(many, target)
            owners.append(target)
        trial.served_after(trial.now() + 0.5)
    measured(f"{name}, power off: outage", powered, "ms", at_most=OUTAGE)
    measured(f"{name}, power off and failover --to: two owners", trial.arp.both_ms(), "ms", exactly=0)
    assert trial.frames.speakers() == [node.name for node in owners]
    trial.check(same_descriptors=False)


def test_hand_over_to_one_who_hears_late(many: Lab, measured: Measured) -> None:
    """At 10 ms, with the way to the successor longer than any Skew_Time: it wins all the same, nobody else takes."""
    fast = many.config(append=FAST)
    many.start(fast, priority=realtime.available())
    owners = [many.owner()]
    with many.drop(match=RELEASED), Trial(many) as trial:
        for target in [node for node in [*many.lbs, *many.lbs] if node is not owners[0]]:
            hand_to(many, target)
            owners.append(target)
        trial.served_after(trial.now() + 0.3)
    name = f"{len(many.lbs)} nodes, 10 ms, {len(owners) - 1} hand-overs whose first release is lost"
    measured(f"{name}: two owners", trial.arp.both_ms(), "ms", exactly=0)
    measured(f"{name}: outage", trial.outage_ms(), "ms", at_most=60)
    assert trial.frames.speakers() == [node.name for node in owners]
    trial.check(same_descriptors=False)
