"""Goal: the keeper waits for nothing that it could do without: no memory is allocated, little is used."""

from __future__ import annotations

import resource
import struct
import time
from pathlib import Path

import pytest

from lab import Lab, eventually, realtime, sanitizer
from lab.node_faults import preload
from trial import cpu_seconds, memory_of

pytestmark = pytest.mark.patient

ADVERTS = 50
RESIDENT_MAX = 12_000_000


class Allocations:
    """The calls of malloc by the keeper of a node that runs with `env`."""

    def __init__(self, directory: Path, node: str) -> None:
        self._file = directory / f"allocations-{node}"
        self._file.write_bytes(bytes(8))
        self.env = {**preload("allocations"), "LAB_ALLOCATIONS": str(self._file), "LAB_ALLOCATIONS_OF": "lbd"}

    @property
    def calls(self) -> int:
        """How many there were so far."""
        return struct.unpack("Q", self._file.read_bytes())[0]


def adverts(lab: Lab) -> int:
    """How many adverts the owner has sent."""
    lines = lab.owner().lbctl("metrics").stdout.splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("lbd_adverts_sent_total")))


@pytest.mark.skipif(sanitizer.active(), reason="a sanitizer brings a malloc of its own")
def test_keeper_allocates_nothing(lab: Lab) -> None:
    """50 signed adverts, with the peer link both ways, health reports and audits between them: no call of malloc."""
    counted = {node: Allocations(lab.directory, node.name) for node in lab.lbs}
    for node in lab.lbs:
        node.start(env=counted[node].env, wait=False)
    for node in lab.lbs:
        node.wait_up()
    eventually(lambda: len(lab.holders()) == 1, 10.0, "one owner of the VIP")
    assert all(counted[node].calls > 100 for node in lab.lbs), "nothing is counted"
    eventually(lambda: all(up["state"] == "up" for s in lab.owner().status()["services"] for up in s["servers"]), 10.0)

    first = adverts(lab)
    eventually(lambda: adverts(lab) > first + 20, 10.0, "announcements of the takeover are over")
    before, first = {node: counted[node].calls for node in lab.lbs}, adverts(lab)
    eventually(lambda: adverts(lab) >= first + ADVERTS, 20.0)
    assert {node.name: counted[node].calls - before[node] for node in lab.lbs} == {node.name: 0 for node in lab.lbs}


def test_keeper_is_small_and_idle(lab: Lab) -> None:
    """All that it maps is less than 12 MB, so that it may all be locked, as it is where it may; less than 1 % of a processor.

    The lab may with LBD_LAB_REALTIME=1 as root; under systemd it always may (test_systemd_service.py).
    """
    owner = lab.start()
    maps = Path(f"/proc/{owner.pid}/maps").read_text(encoding="utf-8")
    sanitized = "libasan" in maps or "libtsan" in maps
    memory = memory_of(owner.pid)
    assert sanitized or memory["VmRSS"] <= memory["VmSize"] < RESIDENT_MAX, memory
    if realtime.available() and resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY and not sanitized:
        assert memory["VmLck"] >= 0.9 * memory["VmSize"] and memory["VmRSS"] >= 0.9 * memory["VmLck"], memory
    first, began, used = adverts(lab), time.monotonic(), cpu_seconds(owner.pid)
    eventually(lambda: adverts(lab) >= first + 2 * ADVERTS, 30.0)
    assert sanitized or (cpu_seconds(owner.pid) - used) / (time.monotonic() - began) < 0.01
