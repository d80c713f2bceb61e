"""Network namespaces: one per host, all plugged into a bridge in the namespace of the switch."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from pathlib import Path
from typing import Iterable, Iterator

from . import topology

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000

COMMAND_TIMEOUT = 20.0


def command(*argv: str, stdin: str | None = None) -> str:
    """Runs a command that must succeed and returns what it prints."""
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=COMMAND_TIMEOUT, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: exit {done.returncode}: {done.stderr.strip()}\n{stdin or ''}")
    return done.stdout


def path(name: str) -> Path:
    """Where the namespace is bound."""
    return Path("/run/netns") / name


def _setns(file: int) -> None:
    if _libc.setns(file, _CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


@contextlib.contextmanager
def inside(name: str) -> Iterator[None]:
    """This thread is in the namespace for the block; sockets opened there stay there."""
    with open("/proc/thread-self/ns/net", "rb") as own, open(path(name), "rb") as other:
        _setns(other.fileno())
        try:
            yield
        finally:
            _setns(own.fileno())


def sysctl(name: str, key: str, value: str) -> None:
    """Sets a kernel parameter of the namespace, `net.` understood: `ipv4/ip_nonlocal_bind`."""
    with inside(name):
        Path("/proc/sys/net", key).write_text(value, encoding="ascii")


def processes(name: str) -> list[int]:
    """The live processes that are in the namespace."""
    wanted = os.stat(path(name)).st_ino
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{entry}/ns/net").st_ino == wanted:
                    found.append(int(entry))
    return found


def create(hosts: Iterable[str]) -> None:
    """Builds the switch and plugs in every host, addresses set and interfaces up."""
    hosts = list(hosts)
    command("ip", "-batch", "-", stdin="".join(f"netns add {name}\n" for name in [topology.SWITCH, *hosts]))
    for name in [topology.SWITCH, *hosts]:
        _quiet_ipv6(name)
    lines = ["link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0", "link set br0 up"]
    for host in hosts:
        peer = f"peer name {topology.INTERFACE} address {topology.mac(host)} netns {host}"
        lines += [f"link add {host} type veth {peer}", f"link set {host} master br0 up"]
    command("ip", "-n", topology.SWITCH, "-batch", "-", stdin="\n".join(lines) + "\n")
    for host in hosts:
        plug(host)


def second_network(hosts: Iterable[str], ways: Iterable[tuple[str, str]]) -> None:
    """Another switch that joins these hosts, and by which each (from, to) of ways is reached at its one address."""
    lines = ["link add br1 type bridge stp_state 0 forward_delay 0 mcast_snooping 0", "link set br1 up"]
    for host in hosts:
        lines += [f"link add {host}.2 type veth peer name {topology.SECOND_INTERFACE} netns {host}", f"link set {host}.2 master br1 up"]
    command("ip", "-n", topology.SWITCH, "-batch", "-", stdin="\n".join(lines) + "\n")
    for host in hosts:
        command("ip", "-n", host, "link", "set", topology.SECOND_INTERFACE, "up")
    for source, to in ways:
        command("ip", "-n", source, "route", "add", f"{topology.address(to)}/32", "dev", topology.SECOND_INTERFACE)


def plug(host: str) -> None:
    """Brings up the host's interfaces with their addresses."""
    interface = topology.INTERFACE
    lines = ["link set lo up", f"link set {interface} up"]
    lines += [f"addr add {topology.address(host)}/24 brd + dev {interface}"]
    if _has_ipv6():
        lines += [f"addr add {topology.address6(host)}/64 nodad dev {interface}"]
    command("ip", "-n", host, "-batch", "-", stdin="\n".join(lines) + "\n")


def delete(hosts: Iterable[str]) -> None:
    """Takes everything down again; the processes inside must have ended."""
    command("ip", "-batch", "-", stdin="".join(f"netns del {name}\n" for name in [topology.SWITCH, *hosts]))


def _has_ipv6() -> bool:
    return Path("/proc/sys/net/ipv6").exists()


def _quiet_ipv6(name: str) -> None:
    """No duplicate address detection: link-local addresses are usable at once."""
    if _has_ipv6():
        sysctl(name, "ipv6/conf/default/accept_dad", "0")
