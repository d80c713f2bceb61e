"""Goal: a planned hand-over takes the established sessions along; nobody at either end notices more than a short stall."""

from __future__ import annotations

import time

from lab import Lab, eventually


def test_busy_sessions_survive_a_failover(lab: Lab) -> None:
    """200 sessions that ask every 20 ms go there and back: none breaks."""
    lab.start()
    with lab.sessions(count=200, interval_ms=20) as sessions:
        for _ in range(4):
            owner = lab.owner()
            done = owner.lbctl("failover")
            assert done.code == 0, done.stderr
            eventually(lambda: lab.owner() is not owner)
            time.sleep(0.5)
    assert sessions.broken() == []
    assert sessions.longest_stall_ms() <= 600
