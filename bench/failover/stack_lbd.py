"""lbd as its unit runs it: under what stands in for systemd, realtime where the machine gives it; and variants with a planted fault."""

from __future__ import annotations

import signal
import threading
from typing import ClassVar

from lab import VIP
from lab.paths import program
from lab.topology import LOAD_BALANCERS

from .node import Node
from .stack import PORT, Stack, send, servers

_SERVICE = f"""
  bench:
    listen: {PORT}
    check: {{type: http, path: /healthz}}
    servers:
"""


class Lbd(Stack):
    """The defaults."""

    name = "lbd"
    title = "lbd, defaults"
    election = ("lbd",)
    proxy = ("lbd-proxy",)
    interval = 0.1
    append: ClassVar[str] = ""

    def prepare(self) -> None:
        text = self.lab.config(_SERVICE + servers("      {name}: {address}") + self.append)
        for node in self.nodes:
            node.host.write_config(text)
            node.host.runtime_dir.mkdir(mode=0o750, exist_ok=True)

    def start(self, node: Node) -> None:
        if not node.pids("lbd") and not node.supervisors("lbd"):
            node.spawn("lbd", *node.host.lbd_argv(), managed=True, priority=True)

    def stop(self, node: Node) -> None:
        node.release("lbd")
        for pid in node.roots("lbd"):
            send(pid, signal.SIGTERM)

    def switch(self, node: Node) -> None:
        node.spawn("lbctl", program("lbctl"), "--socket", str(node.host.socket), "failover")

    def reload(self, node: Node) -> None:
        for pid in node.roots("lbd"):
            send(pid, signal.SIGHUP)

    def healthy(self) -> bool:
        statuses = [node.host.status() for node in self.nodes]
        roles = sorted(status["role"] for status in statuses)
        servers_up = all(
            server["state"] == "up" for status in statuses for service in status["services"] for server in service["servers"]
        )
        agree = all(peer.get("hears_us", True) for status in statuses for peer in status["nodes"])
        return roles == ["active", "backup"] and servers_up and agree

    def prefer(self, node: Node) -> None:
        """Moves the VIP to the node, before the reboot of the preferred one."""
        if self.owner() is not node:
            self.switch(self.owner())
            self.settle(10.0)


class LbdFast(Lbd):
    """The shortest interval."""

    name = "lbd-fast"
    title = "lbd, interval 10 ms"
    interval = 0.01
    append = "\nelection:\n  interval: 10ms\n"


class KeepsVip(Lbd):
    """Planted: when its processes are killed, the address stays and nothing fences it."""

    name = "keeps-vip"
    title = "planted: keeps the VIP after SIGKILL"
    append = "\nelection:\n  fence: off\n"

    def on_fault(self) -> None:
        """Called right before the fault: nobody starts again what would tidy up."""
        for node in self.nodes:
            node.release("lbd")

    def on_killed(self, node: Node) -> None:
        """Called right after the kill."""
        node.keep_vip()


class DropsConnects(Lbd):
    """Planted: one connect in a hundred vanishes."""

    name = "drops-connects"
    title = "planted: drops 1 % of connects"
    _CHAIN = "type filter hook input priority -10;"

    def start(self, node: Node) -> None:
        super().start(node)
        rule = f"tcp dport {PORT} tcp flags & (syn | ack) == syn numgen inc mod 97 == 0 drop"
        text = f"table inet planted {{\n chain rules {{\n {self._CHAIN}\n {rule}\n }}\n}}\n"
        node.host.run("nft", "-f", "-", stdin="table inet planted {}\ndelete table inet planted\n" + text)


class AnnouncesLate(Lbd):
    """Planted: whatever announces the VIP says nothing for a second after the fault."""

    name = "announces-late"
    title = "planted: announces after 1 s"

    def on_fault(self) -> None:
        """Called right before the fault."""
        claims = f"arp operation request arp saddr ip {VIP}"
        silence = self.lab.drop(source=LOAD_BALANCERS[:2], match=claims)
        timer = threading.Timer(1.0 + self.interval * 3, silence.heal)
        timer.daemon = True
        timer.start()


