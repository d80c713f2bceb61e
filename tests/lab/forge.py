"""Adverts that lbd did not send: built from the RFC, and put on the wire with any source and time to live."""

from __future__ import annotations

import socket
import struct
from typing import Sequence

from . import topology
from .host import Host

VRRP_PROTOCOL = 112


def checksum(data: bytes) -> int:
    """RFC 1071."""
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def advert(
    source: str,
    destination: str,
    vrid: int,
    priority: int,
    vips: Sequence[str] = (topology.VIP,),
    interval: float = 0.1,
    good: bool = True,
    with_header: bool = True,
) -> bytes:
    """A VRRPv3 message with the checksum over the pseudo header or over itself alone, or with a wrong one."""
    addresses = b"".join(map(socket.inet_aton, vips))
    head = struct.pack(">BBBBHH", 0x31, vrid, priority, len(vips), round(interval * 100), 0)
    pseudo = socket.inet_aton(source) + socket.inet_aton(destination)
    pseudo += struct.pack(">HH", VRRP_PROTOCOL, len(head) + len(addresses))
    total = checksum((pseudo if with_header else b"") + head + addresses) ^ (0 if good else 0x5555)
    return head[:6] + struct.pack(">H", total) + addresses


def packet(source: str, destination: str, message: bytes, ttl: int = 255) -> bytes:
    """The IPv4 packet around a VRRP message; the kernel fills in the header's checksum."""
    lengths = (0x45, 0xC0, 20 + len(message), 0, 0, ttl, VRRP_PROTOCOL, 0)
    header = struct.pack(">BBHHHBBH", *lengths) + socket.inet_aton(source) + socket.inet_aton(destination)
    return header + message


class Sender:
    """Sends whole IPv4 packets from a host, whatever source they name; ends with its `with` block."""

    def __init__(self, host: Host) -> None:
        with host.inside():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(host.address))

    def send(self, data: bytes) -> None:
        """To the destination that the packet names."""
        self._socket.sendto(data, (socket.inet_ntoa(data[16:20]), 0))

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
