"""For how long two may answer for the VIP while a Keepalived of higher priority takes it from lbd: for as long as lbd cannot run.

Keepalived advertises, then adds the VIP, 0.2 ms later at the earliest. lbd hears that advert when everybody does, and in 0.1
to 0.3 ms its lease has ended, its address is gone and its last advert has left, in this order: nobody ever sees two where lbd
gets the processor at once, as with the realtime priority that systemd gives it (the lab does, too, where its caller may):
nothing is allowed there. Without, lbd answers until the scheduler lets it read the advert. That time is measured, from the one advert to the other, and
allowed; not one answer more.
"""

from __future__ import annotations

import time

from lab import holds, realtime
from lab.lb import LoadBalancer
from lab.probes import ArpProbe
from lab.recorder import FrameRecorder

# Within that lbd released before Keepalived had anything to answer with.
AT_ONCE = 0.0005
QUESTION = 0.01
LATE_ANSWER = 3 * QUESTION
TAKEOVER = 1.0


def shared_ms(arp: ArpProbe, since: float, until: float) -> float:
    """For how long more than one station answered in that time."""
    changes = [*arp.changes(), (until, ())]
    spans = ((max(a, since), min(b, until), who) for (a, who), (b, _) in zip(changes, changes[1:]))
    return sum(max(end - begin, 0) * 1000 for begin, end, who in spans if len(who) > 1)


def allowed_ms(frames: FrameRecorder, giver: LoadBalancer, taker: LoadBalancer, since: float) -> float:
    """How long both may have answered when lbd on `giver` gave way to the first advert of `taker` after the instant.

    Fails where lbd answered after its last advert.
    """
    adverts = frames.adverts()
    taken = next(a.at for a in adverts if a.host == taker.name and a.priority > 0 and a.at > since)
    resigned = (a.at for a in adverts if a.host == taker.name and a.priority == 0 and a.at > taken)
    end = min(next(resigned, taken + TAKEOVER), taken + TAKEOVER)
    released = max(a.at for a in adverts if a.host == giver.name and taken < a.at < end)
    later = [c.at - released for c in frames.claims(released) if c.host == giver.name and c.at < end]
    assert not later, f"{giver} answered for the VIP {later} s after its last advert"
    late = released - taken > AT_ONCE and not realtime.available()
    return (released - taken + QUESTION) * 1000 if late else 0.0


def keeps(arp: ArpProbe, node: LoadBalancer, seconds: float) -> None:
    """For that long nobody else answers for the VIP, and the node itself does.

    An answer that comes after its slot of 10 ms, as on a machine whose processors are taken, leaves one without any: it counts
    for the next. An address that is gone for a moment or a lease that has ended would leave more.
    """
    began = time.monotonic()
    holds(lambda: all(who in ((), (node.name,)) for at, who in arp.changes() if at > began), seconds, f"{node} keeps the VIP: {arp.changes()}")
    changes = [*arp.changes(), (time.monotonic(), ())]
    gaps = [b - max(a, began) for (a, who), (b, _) in zip(changes, changes[1:]) if not who and b > began]
    assert max(gaps, default=0.0) < LATE_ANSWER, f"{node} did not answer for {max(gaps)} s: {changes}"
