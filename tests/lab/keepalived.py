"""Keepalived alone on a load balancer, to be the other node beside lbd."""

from __future__ import annotations

import os
import re
import signal
from dataclasses import dataclass, field
from pathlib import Path

from . import topology
from .lb import LoadBalancer
from .process import Process
from .wait import eventually

VRID = 51
# RFC 9568 erratum 8300: the first address of an advert is link-local; lbd names the one of the virtual MAC.
LINK_LOCAL = f"fe80::200:5eff:fe00:2{VRID:02x}"
PREFIX = {4: 24, 6: 64}
# What Keepalived says of an advert that it does not take, from its sources (vrrp.c) and its own tries.
_DROPPED = re.compile(
    r"invalid|checksum|mismatch|dropp|ignor|wrong|incorrect|bogus|too (long|short)|not match|expected|different|unknown", re.I
)


@dataclass(frozen=True)
class Cell:
    """One way of electing that both programs speak."""

    version: int
    multicast: bool
    password: str = ""
    family: int = 4
    vips: tuple[str, ...] = (topology.VIP,)

    @property
    def interval(self) -> float:
        """Seconds between adverts: the shortest that the version knows, or 100 ms."""
        return 1.0 if self.version == 2 else 0.1

    @property
    def down(self) -> float:
        """The longest that a node waits for adverts before it takes over."""
        return 4 * self.interval

    def election(self, password_file: Path) -> str:
        """The part of lbd.yaml."""
        lines = [
            f"vrid: {VRID}",
            f"interval: {self.interval * 1000:g}ms",
            f"protocol: vrrp{self.version}",
            f"transport: {'multicast' if self.multicast else 'unicast'}",
            f"auth: {'password' if self.password else 'none'}",
        ]
        if self.password:
            password_file.write_text(f"{self.password}\n", encoding="ascii")
            password_file.chmod(0o600)
            lines.append(f"password_file: {password_file}")
        return "\nelection:\n" + "".join(f"  {line}\n" for line in lines)

    def keepalived(self, node: LoadBalancer, peer: LoadBalancer, priority: int, vips: tuple[str, ...]) -> str:
        """The text of keepalived.conf."""
        own, other = (node.address, peer.address) if self.family == 4 else (node.address6, peer.address6)
        lines = [
            "state BACKUP",
            f"interface {topology.INTERFACE}",
            f"virtual_router_id {VRID}",
            f"version {self.version}",
            f"priority {priority}",
            f"advert_int {self.interval:g}",
        ]
        if not self.multicast:
            # Over IPv6 it leaves the hop limit at the kernel's 64 unless told, which anyone can reach from afar.
            lines += ["unicast_ttl 255"] if self.family == 6 else []
            lines += [f"unicast_src_ip {own}", "unicast_peer {", f"  {other}", "}"]
        if self.password:
            lines += ["authentication {", "  auth_type PASS", f"  auth_pass {self.password}", "}"]
        vips = (LINK_LOCAL, *vips) if self.family == 6 else vips
        lines += ["virtual_ipaddress {", *(f"  {vip}/{PREFIX[self.family]}" for vip in vips), "}"]
        body = "".join(f"    {line}\n" for line in lines)
        return f"global_defs {{\n    router_id {node.name}\n}}\nvrrp_instance k8s {{\n{body}}}\n"


@dataclass
class Keepalived:
    """Keepalived on the node, with lbd (or Keepalived) on the peer."""

    node: LoadBalancer
    peer: LoadBalancer
    cell: Cell
    process: Process | None = field(default=None)

    @property
    def log(self) -> Path:
        """What it has said since the first start."""
        return self.node.directory / "keepalived.log"

    @property
    def _pid_files(self) -> dict[str, Path]:
        return {flag: self.node.directory / f"keepalived{flag}.pid" for flag in ("-p", "-r", "-c")}

    def configure(self, priority: int, vips: tuple[str, ...] = ()) -> Path:
        """Writes keepalived.conf."""
        file = self.node.directory / "keepalived.conf"
        file.write_text(self.cell.keepalived(self.node, self.peer, priority, vips or self.cell.vips), encoding="ascii")
        return file

    def start(self, priority: int, vips: tuple[str, ...] = ()) -> None:
        """Starts it and waits until it has entered a state."""
        file = self.configure(priority, vips)
        self.log.touch()
        size = self.log.stat().st_size
        pids = [word for flag, pid_file in self._pid_files.items() for word in (flag, str(pid_file))]
        self.process = self.node.spawn("keepalived", "-n", "-l", "-D", "-P", "-f", str(file), *pids)
        eventually(lambda: b"Entering " in self.log.read_bytes()[size:], 10.0, f"{self.node}: Keepalived in a state")

    def stop(self) -> None:
        """Ends it in order: it resigns."""
        assert self.process
        self.process.terminate()

    def _child(self) -> int:
        return int(self._pid_files["-r"].read_text(encoding="ascii"))

    def kill(self) -> None:
        """Kills both of its processes; it leaves the VIPs behind, as it always does then."""
        assert self.process
        child = self._child()
        self.process.signal(signal.SIGKILL)
        os.kill(child, signal.SIGKILL)
        self.process.wait()
        for file in self._pid_files.values():
            file.unlink(missing_ok=True)

    def pause(self) -> None:
        """The process that advertises stands still."""
        os.kill(self._child(), signal.SIGSTOP)

    def resume(self) -> None:
        """Ends `pause`."""
        os.kill(self._child(), signal.SIGCONT)

    def reload(self, priority: int, vips: tuple[str, ...] = ()) -> None:
        """Has it read a configuration and waits until it has."""
        assert self.process
        self.configure(priority, vips)
        said = self.log.read_text(encoding="utf-8").count("Reloading")
        self.process.signal(signal.SIGHUP)
        eventually(lambda: self.log.read_text(encoding="utf-8").count("Reloading") > said, 5.0, "reload of Keepalived")

    def dropped(self) -> list[str]:
        """The lines of its log that tell of an advert it did not take."""
        return [line for line in self.log.read_text(encoding="utf-8").splitlines() if _DROPPED.search(line)]
