"""Recording what crosses the interfaces of hosts and what happens to a host's addresses, each with its time.

Times are time.monotonic() seconds; those of frames are the kernel's own timestamps, so that a late reader does not spoil them.
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
import struct
import threading
import time
from typing import Any, Iterable, NamedTuple

from . import topology
from .host import Host

ETH_P_ALL = 3
ETH_P_ARP, ETH_P_IP, ETH_P_IPV6 = 0x0806, 0x0800, 0x86DD
VRRP_PROTOCOL, ICMPV6 = 112, 58
NEIGHBOUR_ADVERTISEMENT, SOLICITED = 136, 0x40
SO_ATTACH_FILTER = 26
SO_TIMESTAMPNS = 35
PACKET_OUTGOING = 4

RTM_NEWADDR, RTM_DELADDR = 20, 21
RTM_NEWLINK = 16
RTMGRP_LINK, RTMGRP_IPV4_IFADDR = 0x01, 0x10
IFF_LOOPBACK, IFF_LOWER_UP = 0x8, 0x10000
IFA_LOCAL, IFA_CACHEINFO = 2, 6


class Frame(NamedTuple):
    """An Ethernet frame at the interface of a host; `sent`: the host sent it."""

    at: float
    host: str
    sent: bool
    data: bytes


class Advert(NamedTuple):
    """A VRRP advert that left a host."""

    at: float
    host: str
    priority: int


class Claim(NamedTuple):
    """An ARP packet of a host whose sender address is the VIP, or a neighbour advertisement for it.

    It announces (`request`, after the form that ARP has) or answers.
    """

    at: float
    host: str
    request: bool


def _advert(frame: Frame) -> Advert | None:
    kind, data = struct.unpack(">H", frame.data[12:14])[0], frame.data
    if kind == ETH_P_IP and data[23] == VRRP_PROTOCOL and len(data) > 36:
        return Advert(frame.at, frame.host, data[14 + (data[14] & 15) * 4 + 2])
    if kind == ETH_P_IPV6 and data[20] == VRRP_PROTOCOL and len(data) > 56:
        return Advert(frame.at, frame.host, data[56])
    return None


def _claim(frame: Frame) -> Claim | None:
    kind, data = struct.unpack(">H", frame.data[12:14])[0], frame.data
    if kind == ETH_P_ARP and data[28:32] == socket.inet_aton(topology.VIP):
        return Claim(frame.at, frame.host, data[20:22] == b"\0\x01")
    advertised = kind == ETH_P_IPV6 and data[20] == ICMPV6 and data[54] == NEIGHBOUR_ADVERTISEMENT
    if advertised and data[62:78] == socket.inet_pton(socket.AF_INET6, topology.VIP6):
        return Claim(frame.at, frame.host, not data[58] & SOLICITED)
    return None


def _bpf(vip_packets: bool) -> bytes:
    """A socket filter: ARP, neighbour advertisements, IP protocol 112 and, where wanted, everything from the VIP."""
    vip = struct.unpack(">I", socket.inet_aton(topology.VIP))[0]
    program = [
        (0x28, 0, 0, 12),  # ldh ethertype
        (0x15, 12, 0, ETH_P_ARP),
        (0x15, 5, 0, ETH_P_IPV6),
        (0x15, 0, 9, ETH_P_IP),
        (0x30, 0, 0, 23),  # ldb protocol
        (0x15, 8, 0, VRRP_PROTOCOL),
        (0x20, 0, 0, 26),  # ld source
        (0x15, 6, 5, vip if vip_packets else 0xFFFFFFFF),
        (0x30, 0, 0, 20),  # ldb next header
        (0x15, 4, 0, VRRP_PROTOCOL),
        (0x15, 0, 2, ICMPV6),
        (0x30, 0, 0, 54),  # ldb type
        (0x15, 1, 0, NEIGHBOUR_ADVERTISEMENT),
        (0x06, 0, 0, 0),
        (0x06, 0, 0, 65535),
    ]
    return b"".join(struct.pack("HBBI", *line) for line in program)


def _wall_ahead() -> float:
    """By how much the wall clock is ahead of the monotonic one, from the pair of readings with the least between them."""
    pairs = []
    for _ in range(20):
        before, wall, after = time.monotonic(), time.time(), time.monotonic()
        pairs.append((after - before, wall - (before + after) / 2))
    return min(pairs)[1]


class _Thread:
    """Reads sockets in the background between `with` and the end of the block."""

    def __init__(self) -> None:
        self._sockets: dict[socket.socket, Any] = {}
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):  # type: ignore[no-untyped-def] # returns the subclass
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._wake_write, b"x")
        self._thread.join()
        for sock in self._sockets:
            sock.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _run(self) -> None:
        while True:
            ready, _, _ = select.select([self._wake_read, *self._sockets], [], [])
            for sock in ready:
                if sock == self._wake_read:
                    return
                self._read(sock, self._sockets[sock])

    def _read(self, sock: socket.socket, what: Any) -> None:
        raise NotImplementedError


class FrameRecorder(_Thread):
    """What claims addresses, and the adverts, at the hosts' interfaces; with `vip_packets` also every packet from the VIP."""

    def __init__(self, hosts: Iterable[Host], vip_packets: bool = False) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self._ahead = _wall_ahead()
        code = _bpf(vip_packets)
        buffer = ctypes.create_string_buffer(code)
        program = struct.pack("HL", len(code) // 8, ctypes.addressof(buffer))
        for host in hosts:
            with host.inside():
                sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            sock.bind((topology.INTERFACE, ETH_P_ALL))
            sock.setblocking(False)
            self._sockets[sock] = host.name

    def _read(self, sock: socket.socket, what: Any) -> None:
        for _ in range(64):
            try:
                data, control, _, address = sock.recvmsg(2048, 64)
            except OSError:
                return
            seconds, nanoseconds = struct.unpack("qq", control[0][2][:16])
            at = seconds + nanoseconds / 1e9 - self._ahead
            self.frames.append(Frame(at, what, address[2] == PACKET_OUTGOING, data))

    def adverts(self) -> list[Advert]:
        """Every advert that left one of the hosts, in order."""
        return sorted(found for found in (_advert(frame) for frame in list(self.frames) if frame.sent) if found)

    def speakers(self, since: float = 0.0) -> list[str]:
        """Who advertised with a priority above 0, in order, each run of one host once."""
        runs: list[str] = []
        for advert in self.adverts():
            if advert.priority > 0 and advert.at >= since and (not runs or runs[-1] != advert.host):
                runs.append(advert.host)
        return runs

    def claims(self, since: float = 0.0) -> list[Claim]:
        """Every claim to the VIP, IPv4 or IPv6, that left one of the hosts."""
        sent = (frame for frame in sorted(list(self.frames)) if frame.sent and frame.at >= since)
        return [found for found in map(_claim, sent) if found]

    def announcements(self, host: str, since: float = 0.0) -> list[float]:
        """When the host announced the VIP."""
        return [claim.at for claim in self.claims(since) if claim.host == host and claim.request]


class AddressEvent(NamedTuple):
    """The kernel told that an address was set (`valid` seconds, None for ever) or deleted."""

    at: float
    deleted: bool
    valid: int | None


class AddressRecorder(_Thread):
    """What happens to one address of a host, and when the kernel tells it that the link is gone."""

    def __init__(self, host: Host, address: str = topology.VIP) -> None:
        super().__init__()
        self._address = socket.inet_aton(address)
        self.events: list[AddressEvent] = []
        self.link_lost: list[float] = []
        with host.inside():
            sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind((0, RTMGRP_IPV4_IFADDR | RTMGRP_LINK))
        self._sockets[sock] = None

    def _read(self, sock: socket.socket, what: Any) -> None:
        data, at = sock.recv(65536), time.monotonic()
        while len(data) >= 16:
            length, kind = struct.unpack("IH", data[:6])
            if kind in (RTM_NEWADDR, RTM_DELADDR):
                self._note(at, kind == RTM_DELADDR, data[24:length])
            elif kind == RTM_NEWLINK and not struct.unpack("I", data[24:28])[0] & (IFF_LOOPBACK | IFF_LOWER_UP):
                self.link_lost.append(at)
            data = data[(length + 3) & ~3 :]

    def _note(self, at: float, deleted: bool, attributes: bytes) -> None:
        values = {}
        while len(attributes) >= 4:
            length, kind = struct.unpack("HH", attributes[:4])
            values[kind] = attributes[4:length]
            attributes = attributes[max((length + 3) & ~3, 4) :]
        if values.get(IFA_LOCAL) == self._address:
            valid = struct.unpack("I", values[IFA_CACHEINFO][4:8])[0] if IFA_CACHEINFO in values else 0xFFFFFFFF
            self.events.append(AddressEvent(at, deleted, None if valid == 0xFFFFFFFF else valid))

    def gaps_ms(self) -> list[float]:
        """For how long the address was away each time it was deleted and set again."""
        gaps = []
        gone: float | None = None
        for event in list(self.events):
            if event.deleted:
                gone = event.at if gone is None else gone
            elif gone is not None:
                gaps.append((event.at - gone) * 1000)
                gone = None
        return gaps
