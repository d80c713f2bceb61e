"""What tcpdump makes of the frames that a host sees.

tcpdump gives up root before it reads, which the lab's user namespace does not allow; so the frames are taken here, and
tcpdump reads the file as an ordinary user of a namespace of its own.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import time
from pathlib import Path

from . import topology
from .host import Host

ETH_P_ALL = 3
PCAP_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)


def frames(host: Host, protocol: int, count: int, within: float = 10.0) -> list[bytes]:
    """The next `count` IPv4 frames of the IP protocol on the host's interface, sent or received."""
    found: list[bytes] = []
    with host.inside():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    with sock:
        sock.bind((topology.INTERFACE, ETH_P_ALL))
        deadline = time.monotonic() + within
        while len(found) < count:
            sock.settimeout(max(deadline - time.monotonic(), 0.001))
            frame = sock.recv(65535)
            if len(frame) > 23 and frame[12:14] == b"\x08\x00" and frame[23] == protocol:
                found.append(frame)
    return found


def shorten(packet: bytes, count: int) -> bytes:
    """The IPv4 frame without its last bytes, the IP header made right for that."""
    header = bytearray(packet[14:34])
    header[2:4] = struct.pack(">H", struct.unpack(">H", header[2:4])[0] - count)
    header[10:12] = b"\0\0"
    total = sum(struct.unpack(">10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    header[10:12] = struct.pack(">H", ~(total + (total >> 16)) & 0xFFFF)
    return packet[:14] + bytes(header) + packet[34:-count]


def tcpdump(packets: list[bytes], file: Path, *options: str) -> str:
    """What tcpdump prints of the frames with these options."""
    records = (struct.pack("<IIII", 0, number, len(packet), len(packet)) + packet for number, packet in enumerate(packets))
    file.write_bytes(PCAP_HEADER + b"".join(records))
    argv = ["unshare", "-U", "--map-user=1000", "tcpdump", *options, "-r", str(file)]
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=10).stdout
