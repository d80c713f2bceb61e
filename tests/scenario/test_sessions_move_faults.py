"""Goal: whatever ends at whichever step of a hand-over, one node owns the VIP soon after, nothing hangs and nothing leaks.

The switch holds the protocol at a step: it drops the message that would end it, told by the kind in its fifth byte.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from lab import VIP, Lab, eventually, netns, topology
from lab.lb import LoadBalancer

PEER_PORT = 8650
# The kinds of peer_msg.h; the stream is TCP.
STEPS = {"offer": 7, "expect": 8, "stream": 0, "ask": 2, "ready": 3, "released": 9}
# By default where the sessions have arrived and the owner is gone: dead without a word, cut off with the word on its way.
BRIEF = (("ready", "owner", "kill"), ("released", "owner", "partition"))
EVERY = tuple((step, victim, fault) for step in STEPS for victim in ("owner", "successor") for fault in ("kill", "stop", "partition"))
CASES = EVERY if os.environ.get("LBD_FULL") else BRIEF


def held(step: str) -> bool:
    """Whether the switch has dropped a message of the step."""
    rules = netns.command("ip", "netns", "exec", topology.SWITCH, "nft", "list", "ruleset")
    counts = [line.split("counter packets ")[1].split()[0] for line in rules.splitlines() if "counter packets" in line]
    assert counts, f"no rule holds {step}"
    return any(int(count) > 0 for count in counts)


def descriptors(node: LoadBalancer) -> int:
    """How many both processes have open."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in (node.pid, node.proxy_pid))


@pytest.mark.parametrize("step,victim,fault", CASES)
def test_a_fault_at_a_step(lab: Lab, step: str, victim: str, fault: str) -> None:
    """One owner within two seconds, no time with two; the next failover works, and leaves no descriptor behind."""
    owner = lab.start()
    peer = lab.other(owner)
    hit, other = (owner, peer) if victim == "owner" else (peer, owner)
    before = descriptors(other)
    match = "tcp" if step == "stream" else "udp"
    kind = "" if step == "stream" else f"@th,104,8 {STEPS[step]} "
    with lab.arpprobe() as arp:
        with lab.sessions(count=50) as sessions, lab.crowd(20, 80) as idle:
            eventually(lambda: idle.open() == 20, 5.0, "idle clients")
            with lab.drop(owner.name, peer.name, f"{match} dport {PEER_PORT} {kind}counter"), lab.drop(
                peer.name, owner.name, f"{match} dport {PEER_PORT} {kind}counter"
            ):
                asked = threading.Thread(target=lambda: owner.lbctl("failover"), daemon=True)
                asked.start()
                eventually(lambda: held(step), 3.0, f"a hand-over at {step}")
                heal = break_it(lab, hit, fault)
            try:
                eventually(lambda: lab.owner() is other if fault == "kill" else len(lab.holders()) >= 1, 3.0, "an owner")
            finally:
                heal()
            eventually(lambda: len(lab.holders()) == 1 and lab.owner().role() == "active", 3.0, "one owner")
            eventually(lambda: lab.client.get(VIP, 80).status == 200, 3.0, "the VIP serves")
            if fault == "kill" and victim == "owner":
                eventually(lambda: idle.ended() == 20, 3.0, "clients that only wait are told that their owner died")
            # None waits for an answer that never comes: it goes on or was told.
            time.sleep(0.5)
        asked.join(10.0)
        assert not asked.is_alive(), "lbctl got its answer"
        waiting = [s for s in sessions.sessions if not s["broken"] and s["longest_stall_ms"] > 5000]
        assert waiting == [], "each session goes on or was told"
    if fault != "partition":
        assert arp.both_ms() == 0
    if fault == "kill":
        hit.start()
    eventually(lambda: all(len(node.status()["nodes"]) == 2 for node in lab.lbs), 3.0)
    eventually(lambda: lab.owner().lbctl("failover").code == 0, 10.0, "the next failover")
    eventually(lambda: lab.owner().lbctl("failover").code == 0, 10.0, "and back")
    eventually(lambda: descriptors(other) <= before + 2, 10.0, f"descriptors as before: {before}")


def break_it(lab: Lab, node: LoadBalancer, fault: str):  # type: ignore[no-untyped-def] # what heals it
    """The node's processes are killed or stopped, or it is cut off from the other one."""
    if fault == "partition":
        return lab.partition(node.name, lab.other(node).name).heal
    pids = (node.pid, node.proxy_pid)
    for pid in pids:
        os.kill(pid, signal.SIGKILL if fault == "kill" else signal.SIGSTOP)

    def go_on() -> None:
        time.sleep(1.0)
        for pid in pids:
            if fault == "stop":
                os.kill(pid, signal.SIGCONT)

    return go_on
