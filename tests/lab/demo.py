"""The demonstration behind `make demo`: under steady load the owner of the VIP loses power, and what that costs is measured."""

from __future__ import annotations

import sys
import time

from . import topology
from .cluster import Lab
from .lb import LoadBalancer
from .probes import ArpProbe, Connection, OpenLoop
from .wait import NotYet, eventually, holds

STEADY_SECONDS = 3.0
AFTER_SECONDS = 2.0
RETRANSMISSION_SECONDS = 0.9


class Narrative:
    """Plain text with the seconds since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """One event."""
        print(f"{time.monotonic() - self._began:6.2f} s  {text}", flush=True)

    def show(self, text: str) -> None:
        """What a command printed, indented."""
        print("\n".join(f"          {line}".rstrip() for line in text.rstrip().splitlines()) + "\n", flush=True)


def show_status(story: Narrative, balancer: LoadBalancer) -> None:
    """What `lbctl status` prints on the node."""
    story.say(f"{balancer}: lbctl status")
    result = balancer.lbctl("status")
    story.show(result.stdout + result.stderr)


def cut_power(story: Narrative, lab: Lab, owner: LoadBalancer, load: OpenLoop) -> float:
    """Lets the load run steadily, cuts the owner off and waits until the other node serves; returns when it was cut."""
    holds(lambda: not failed_since(load, 0.0), STEADY_SECONDS, "load without a failure")
    story.say(f"{load.result().ok} connections, none failed. Now {owner} loses power; its link stays up")
    off = time.monotonic()
    lab.power_off(owner.name)
    owner.kill_all()
    success = load.succeeds_after(off + 0.05)
    story.say(f"the VIP answers again: {success.server} served a connection through {lab.other(owner)}")
    holds(lambda: not failed_since(load, success.start), AFTER_SECONDS, "load without a failure after the takeover")
    return off


def failed_since(load: OpenLoop, instant: float) -> int:
    """How many connections that were started after the instant have failed so far."""
    return sum(connection.start > instant and connection.outcome != "ok" for connection in load.connections())


def slow(connection: Connection) -> bool:
    """Whether it was answered, but only after the kernel had sent its first packet again."""
    return connection.outcome == "ok" and connection.end - connection.start > RETRANSMISSION_SECONDS


def report(story: Narrative, off: float, load: OpenLoop, arp: ArpProbe) -> None:
    """The measured cost in aligned text."""
    result = load.result(exclude=[off])
    under_way = [c for c in load.connections() if c.alive_at(off) and c.outcome != "ok"]
    failures = ", ".join(f"{count} {kind}" for kind, count in sorted(result.failures.items())) or "none"
    rows = [
        ("connections answered", f"{result.ok}"),
        ("longest time without an answer", f"{result.gap_ms:.0f} ms"),
        ("nobody answered ARP for the VIP for", f"{arp.none_ms():.0f} ms"),
        ("two nodes answered at once for", f"{arp.both_ms():.0f} ms"),
        ("failed: under way at the power cut", f"{len(under_way)}"),
        ("failed: started later", failures),
        ("waited for their first packet to be sent again", f"{len([c for c in result.connections if slow(c)])}"),
    ]
    story.say("measured from the client and from an uninvolved host:")
    width = max(len(name) for name, _ in rows)
    story.show("\n".join(f"{name:<{width}}  {value}" for name, value in rows))


def run() -> None:
    """Tells the whole story."""
    story = Narrative()
    story.say("building the reference cluster: 2 load balancers, 3 API servers, 3 ingress workers, a client")
    with Lab() as lab:
        story.say("starting lbd on both load balancers")
        owner = lab.start()
        story.say(f"the VIP {topology.VIP} is on {owner}")
        healthy = "all servers up on both nodes"
        eventually(lambda: all(balancer.lbctl("status").code in (0, 1) for balancer in lab.lbs), 10.0, healthy)
        for balancer in lab.lbs:
            show_status(story, balancer)
        story.say(f"load: a new HTTP connection to {topology.VIP}:80 every 5 ms, whatever becomes of the earlier ones")
        with lab.arpprobe() as arp, lab.openloop() as load:
            off = cut_power(story, lab, owner, load)
        report(story, off, load, arp)
        show_status(story, lab.other(owner))
        survivor = lab.other(owner)
        story.say(f"power returns to {owner}: it finds an owner and becomes backup")
        lab.power_on(owner.name)
        owner.start()
        eventually(lambda: owner.role() == "backup" and survivor.role() == "active", 10.0, "one owner again")
        for balancer in lab.lbs:
            show_status(story, balancer)
        story.say("done; the namespaces and everything in them are gone")


def main() -> int:
    """Runs the demonstration; 1 where it did not go as told."""
    try:
        run()
    except (NotYet, AssertionError, FileNotFoundError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
