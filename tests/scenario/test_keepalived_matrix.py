"""Goal: lbd and Debian's Keepalived share a VIP, IPv4 or IPv6, in every way that both can elect, whatever happens to either.

Each cell is one cluster and one story: lbd is the owner and Keepalived the backup, then the reverse. At most one of them
answers for the VIP, except while Keepalived stands still or was killed: it leaves the VIP in its kernel then, and lbd cannot
take it from there.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import time
from typing import Callable, Iterator

import pytest

from lab import VIP, Lab, capture, eventually, forge, holds, realtime
from lab.keepalived import LINK_LOCAL, Cell, Keepalived
from lab.lb import LoadBalancer
from lab.probes import ArpProbe
from lab.recorder import FrameRecorder
from lab.topology import VIP6
from overlap import Waits, allowed_ms, keeps, shared_ms, told
from trial import FULL, metric

pytestmark = pytest.mark.patient

SECOND_VIP = "10.196.35.31"
VIPS = (VIP, SECOND_VIP)
VIPS6 = (VIP6, "fd00:35::31")
LOW, LBD, HIGH = 100, 150, 200
STOPPED = 5.0

# Version 2 counts in seconds, so only the cell of the kubeadm guides is always run; LBD_FULL=1 adds the others, and IPv6, of
# which test_keepalived_ipv6.py always tells the short form.
always = [Cell(3, True, vips=VIPS), Cell(3, False, vips=VIPS), Cell(2, True, "k8s-lab", vips=VIPS)]
when_full = [Cell(2, False, "k8s-lab", vips=VIPS), Cell(2, True, vips=VIPS), Cell(2, False, vips=VIPS)]
when_full += [Cell(3, True, family=6, vips=VIPS6), Cell(3, False, family=6, vips=VIPS6)]


def name_of(cell: Cell) -> str:
    """For example v2-multicast-password."""
    name = f"v{cell.version}-{'multicast' if cell.multicast else 'unicast'}-{'password' if cell.password else 'none'}"
    return f"{name}-ipv6" if cell.family == 6 else name


def address_of(node: LoadBalancer, family: int) -> str:
    """The address by which the nodes know each other."""
    return node.address6 if family == 6 else node.address


class Story:
    """lbd on the first node, Keepalived on the second, and what they are watched with."""

    def __init__(self, lab: Lab, cell: Cell) -> None:
        self.lab, self.cell = lab, cell
        self.lbd, self.other = lab.lbs
        self.keepalived = Keepalived(self.other, self.lbd, cell)
        self.vip = cell.vips[0]
        self.swapped = cell.vips[::-1]
        self.arp = lab.arpprobe(self.vip)

    def text(self, vips: tuple[str, ...] = ()) -> str:
        """lbd.yaml with the cell's election."""
        replace = {f"vips: [{VIP}]": f"vips: {json.dumps(vips or self.cell.vips)}"}
        for node, priority in ((self.lbd, LBD), (self.other, LOW)):
            address = json.dumps(address_of(node, self.cell.family))
            replace[f"{node}: {node.address}\n"] = f"{node}: {{address: {address}, priority: {priority}}}\n"
        return self.lab.config(self.cell.election(self.lab.directory / "vrrp.password"), replace)

    def start_lbd(self, wait: bool = True) -> None:
        """With realtime priority where it can be had, as in production."""
        self.lbd.start(self.text(), wait=wait, priority=realtime.available())

    def owned_by(self, node: LoadBalancer, within: float) -> None:
        """Waits until this node alone answers, and has every VIP."""
        eventually(lambda: self.arp.owners() == (node.name,), within, f"{node} owns the VIP")
        eventually(lambda: all(node.has_address(vip) for vip in self.cell.vips), 1.0, f"{node} has every VIP")

    @contextlib.contextmanager
    def one_owner(self) -> Iterator[None]:
        """In the block nobody shares the VIP."""
        began = time.monotonic()
        yield
        shared = shared_ms(self.arp, began, time.monotonic())
        assert shared == 0, f"two owners for {shared} ms: {self.arp.changes()}"

    @contextlib.contextmanager
    def taken_by_keepalived(self, frames: FrameRecorder) -> Iterator[None]:
        """In the block Keepalived takes the VIP from lbd, and they share it for no longer than `overlap` allows."""
        began = time.monotonic()
        with Waits(self.lbd) as waits:
            yield
        shared = shared_ms(self.arp, began, time.monotonic())
        allowed = allowed_ms(frames, self.lbd, self.other, began, waits)
        said = told(frames, self.lbd, self.other, began)
        assert shared <= allowed, f"two owners for {shared} ms, {allowed} ms explained: {self.arp.changes()} {said}"

    def stays(self, node: LoadBalancer, action: Callable[[], object]) -> None:
        """The VIP does not leave the node for longer than a peer would wait after the action."""
        action()
        keeps(self.arp, node, self.cell.down)

    # The story

    def lbd_owns(self) -> None:
        """Keepalived resigns, and comes back with a lower priority."""
        with self.one_owner():
            self.keepalived.stop()
            self.owned_by(self.lbd, self.cell.down)
            self.stays(self.lbd, lambda: self.keepalived.start(LOW))

    def cold_start(self) -> None:
        """Both at the same time."""
        self.start_lbd(wait=False)
        self.keepalived.start(LOW)
        self.lbd.wait_up()
        self.arp.start()
        with self.one_owner():
            (owner,) = eventually(lambda: len(self.arp.owners()) == 1 and self.arp.owners(), 3 * self.cell.down, "an owner")
            keeps(self.arp, next(node for node in self.lab.lbs if node.name == owner), self.cell.down)
        holders = [node for node in self.lab.lbs if node.has_address(self.vip)]
        assert [node.name for node in holders] == [owner]
        assert self.lbd.role() == ("active" if holders == [self.lbd] else "backup")

    def lbd_fails_as_owner(self) -> None:
        """It stops, is killed and stands still: Keepalived takes over each time, and nobody shares the VIP."""
        self.lbd_owns()
        with self.one_owner():
            assert self.lbd.sigterm() == 0
            self.owned_by(self.other, self.cell.down)
            self.stays(self.other, lambda: self.start_lbd())
        self.lbd_owns()
        with self.one_owner():
            self.lbd.sigkill()
            self.owned_by(self.other, self.cell.down + 1.0)
            self.lbd.kill_all()
            self.stays(self.other, lambda: self.start_lbd())
        self.lbd_owns()
        with self.one_owner():
            self.lbd.sigstop()
            stopped = time.monotonic()
            self.owned_by(self.other, self.cell.down + 1.0)
            keeps(self.arp, self.other, stopped + STOPPED - time.monotonic())
            self.stays(self.other, self.lbd.sigcont)
        self.lbd_owns()

    def both_reload(self, owner: LoadBalancer, priority: int) -> None:
        """Each reads its file again, first with the VIPs in another order, then in the former: nothing moves."""
        with self.one_owner():
            for vips in (self.swapped, self.cell.vips):
                self.keepalived.reload(priority, vips)
                self.lbd.write_config(self.text(vips))
                loaded = self.lbd.lbctl("reload")
                assert loaded.code == 0, loaded
                keeps(self.arp, owner, 2 * self.cell.interval)
            self.stays(owner, lambda: None)

    def keepalived_fails_as_owner(self, frames: FrameRecorder) -> None:
        """It comes with a higher priority, resigns, is killed, and stands still."""
        with self.taken_by_keepalived(frames):
            self.keepalived.stop()
            self.keepalived.start(HIGH, self.swapped)
            self.owned_by(self.other, 2 * self.cell.down)
        self.both_reload(self.other, HIGH)
        self.keepalived.kill()
        eventually(lambda: self.lbd.role() == "active", self.cell.down + 1.0, "lbd takes over from a killed Keepalived")
        self.keepalived.start(HIGH)
        self.owned_by(self.other, 3 * self.cell.down)
        self.keepalived.pause()
        stopped = time.monotonic()
        eventually(lambda: self.lbd.role() == "active", self.cell.down + 1.0, "lbd takes over from a stopped Keepalived")
        holds(lambda: self.lbd.role() == "active", stopped + STOPPED - time.monotonic())
        self.keepalived.resume()
        eventually(lambda: len(self.arp.owners()) == 1, 2 * self.cell.down, "one owner after SIGCONT")
        self.owned_by(self.other, 3 * self.cell.down)
        with self.one_owner():
            keeps(self.arp, self.other, self.cell.down)


def test_other_vips_are_told(lab: Lab) -> None:
    """What the stories look for in Keepalived's log is there when the lists of VIPs differ."""
    story = Story(lab, always[0])
    story.lbd.start(story.text((VIP,)))
    eventually(lambda: story.lbd.role() == "active", 5.0)
    story.keepalived.start(LOW)
    eventually(story.keepalived.dropped, 5.0, "a line about a dropped advert")


def assert_good_adverts(lab: Lab, node: LoadBalancer, frames: FrameRecorder) -> None:
    """tcpdump reads every advert of the node without complaint, and each lists the VIPs."""
    adverts = [f.data for f in frames.frames if f.sent and f.host == node.name and f.data[23] == 112 and f.data[12:14] == b"\x08\x00"]
    assert len(adverts) > 20
    text = capture.tcpdump(adverts, lab.directory / "interop.pcap", "-vvn")
    assert text.count("VRRP") >= len(adverts) and "bad vrrp cksum" not in text and "bad cksum" not in text
    assert "[|" not in text and "invalid" not in text, text
    assert ",".join(VIPS) in text and ",".join(VIPS[::-1]) in text, text[:2000]


def assert_good_adverts6(node: LoadBalancer, frames: FrameRecorder) -> None:
    """tcpdump takes every advert for one of IPv4, so each is read here: hop limit, checksum, the addresses in either order."""
    adverts = [f.data[14:] for f in frames.frames if f.sent and f.host == node.name and f.data[12:14] == b"\x86\xdd" and f.data[20] == 112]
    assert len(adverts) > 20
    lists = set()
    for data in adverts:
        payload, hops = struct.unpack(">HxB", data[4:8])
        message = data[40 : 40 + payload]
        assert hops == 255 and message[0] == 0x31 and payload == len(data) - 40 == 8 + 16 * message[3]
        assert forge.checksum(data[8:40] + struct.pack(">II", payload, 112) + message) == 0
        lists.add(tuple(socket.inet_ntop(socket.AF_INET6, message[at : at + 16]) for at in range(8, payload, 16)))
    assert lists == {(LINK_LOCAL, *VIPS6), (LINK_LOCAL, *VIPS6[::-1])}


@pytest.mark.parametrize("cell", [*always, *(when_full if FULL else [])], ids=name_of)
def test_cell(lab: Lab, cell: Cell) -> None:
    """The story, then what Keepalived and tcpdump (of IPv6 this file) say of all of lbd's adverts."""
    story = Story(lab, cell)
    with FrameRecorder(lab.lbs) as frames:
        story.cold_start()
        story.lbd_fails_as_owner()
        story.both_reload(story.lbd, LOW)
        story.keepalived_fails_as_owner(frames)
        story.lbd_owns()
    story.arp.stop()
    if cell.family == 6:
        assert_good_adverts6(story.lbd, frames)
    else:
        assert_good_adverts(lab, story.lbd, frames)
    assert story.keepalived.dropped() == []
    assert metric(story.lbd, "lbd_adverts_dropped_total") == 0
