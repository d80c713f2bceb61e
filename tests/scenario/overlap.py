"""For how long two may answer for the VIP while a Keepalived of higher priority takes it from lbd: for as long as lbd cannot run.

Keepalived advertises, then adds the VIP, 0.2 ms later at the earliest. lbd hears that advert when everybody does, and in 0.1
to 0.3 ms its lease has ended, its address is gone and its last advert has left, in this order: nobody ever sees two where lbd
gets the processor at once. Else lbd answers until the scheduler lets it read the advert. That time is measured, from the one
advert to the other, and allowed; not one answer more. With the realtime priority that systemd gives lbd (the lab does, too, where
its caller may) the scheduler itself must own up to it: what it says that the keeper waited for a processor is allowed, so that a
keeper that is slow by itself is told from a machine that ran something else, another lab's realtime processes among it.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from lab import holds, realtime
from lab.lb import LoadBalancer
from lab.probes import ArpProbe
from lab.recorder import FrameRecorder

# Within that lbd released before Keepalived had anything to answer with.
AT_ONCE = 0.0005
QUESTION = 0.01
LATE_ANSWER = 3 * QUESTION
TAKEOVER = 1.0
TOLD = 0.03
LOOK = 0.005


def shared_ms(arp: ArpProbe, since: float, until: float) -> float:
    """For how long more than one station answered in that time."""
    changes = [*arp.changes(), (until, ())]
    spans = ((max(a, since), min(b, until), who) for (a, who), (b, _) in zip(changes, changes[1:]))
    return sum(max(end - begin, 0) * 1000 for begin, end, who in spans if len(who) > 1)


class Waits:
    """How long the scheduler has a node's keeper wait for a processor, looked at each 5 ms inside the `with` block."""

    def __init__(self, node: LoadBalancer) -> None:
        self._file = Path(f"/proc/{node.pid}/schedstat")
        self._seen: list[tuple[float, float]] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Waits:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._look()

    def _run(self) -> None:
        while not self._end.wait(LOOK):
            self._look()

    def _look(self) -> None:
        waited = int(self._file.read_text(encoding="ascii").split()[1]) / 1e9
        self._seen.append((time.monotonic(), waited))

    def between(self, begin: float, end: float) -> float:
        """The seconds that it waited from the last look before `begin` to the first one after `end`."""
        first = max((seen for seen in self._seen if seen[0] <= begin), default=self._seen[0])
        last = min((seen for seen in self._seen if seen[0] >= end), default=self._seen[-1])
        return last[1] - first[1]


def allowed_ms(frames: FrameRecorder, giver: LoadBalancer, taker: LoadBalancer, since: float, waits: Waits) -> float:
    """How long both may have answered when lbd on `giver` gave way to the first advert of `taker` after the instant.

    `waits` were those of the giver's keeper. Fails where lbd answered after its last advert.
    """
    adverts = frames.adverts()
    taken = next(a.at for a in adverts if a.host == taker.name and a.priority > 0 and a.at > since)
    resigned = (a.at for a in adverts if a.host == taker.name and a.priority == 0 and a.at > taken)
    end = min(next(resigned, taken + TAKEOVER), taken + TAKEOVER)
    released = max(a.at for a in adverts if a.host == giver.name and taken < a.at < end)
    later = [c.at - released for c in frames.claims(released) if c.host == giver.name and c.at < end]
    assert not later, f"{giver} answered for the VIP {later} s after its last advert"
    late = released - taken - AT_ONCE
    if late <= 0 or (realtime.available() and late > waits.between(taken, released)):
        return 0.0
    return (released - taken + QUESTION) * 1000


def told(frames: FrameRecorder, giver: LoadBalancer, taker: LoadBalancer, since: float) -> list[str]:
    """What both said from the taker's first advert after the instant on, in milliseconds from there, for whoever reads a failure."""
    taken = next(a.at for a in frames.adverts() if a.host == taker.name and a.priority > 0 and a.at > since)
    said = [(a.at, a.host, f"advert {a.priority}") for a in frames.adverts()]
    said += [(c.at, c.host, "announces" if c.request else "answers") for c in frames.claims(taken - TOLD)]
    names = (giver.name, taker.name)
    return [f"{(at - taken) * 1000:.2f} {host} {what}" for at, host, what in sorted(said) if abs(at - taken) < TOLD and host in names]


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
