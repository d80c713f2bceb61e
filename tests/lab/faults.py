"""Faults of the network and of servers. Each returns a Fault that ends with `heal()` or with its `with` block."""

from __future__ import annotations

import itertools
from typing import Callable, Iterable

from . import topology
from .netns import command
from .wait import eventually

Hosts = str | Iterable[str] | None

VRRP = "ip protocol 112"
ARP = "ether type arp"


class Fault:
    """Something that is broken until it is healed; healing twice is fine."""

    def __init__(self, heal: Callable[[], None]) -> None:
        self._heal: Callable[[], None] | None = heal

    def heal(self) -> None:
        """Ends the fault."""
        heal, self._heal = self._heal, None
        if heal:
            heal()

    def __enter__(self) -> Fault:
        return self

    def __exit__(self, *_: object) -> None:
        self.heal()


def _forwards(host: str) -> bool:
    """Has the switch port forward; false while the kernel is still bringing it up."""
    try:
        command("bridge", "-n", topology.SWITCH, "link", "set", "dev", host, "state", "3")
    except RuntimeError as error:
        if "Network is down" in str(error):
            return False
        raise
    return True


def _ports(keyword: str, hosts: Hosts) -> str:
    if hosts is None:
        return ""
    names = [hosts] if isinstance(hosts, str) else list(hosts)
    return f"{keyword} {{ {', '.join(names)} }} "


class Faults:
    """The verbs; mixed into the lab."""

    _numbers = itertools.count(1)

    def _rule(self, netns: str, family: str, hook: str, rules: Iterable[str], sets: Iterable[str] = ()) -> Fault:
        """Rules in a table of their own, so that each fault is put in and taken out as a whole."""
        table = f"{family} fault{next(self._numbers)}"
        chain = "".join(f"\t\t{rule}\n" for rule in rules)
        known = "".join(f"\t{each}\n" for each in sets)
        text = f"table {table} {{\n{known}\tchain rules {{\n\t\ttype filter hook {hook} priority 0;\n{chain}\t}}\n}}\n"
        command("ip", "netns", "exec", netns, "nft", "-f", "-", stdin=text)
        return Fault(lambda: void(command("ip", "netns", "exec", netns, "nft", "delete", "table", *table.split())))

    def drop(self, source: Hosts = None, to: Hosts = None, match: str = "", percent: int = 100) -> Fault:
        """The switch drops frames on the way from `source` to `to` (None: anybody), one way.

        `match` is an nft expression such as VRRP or "tcp dport 6443"; `percent` the share of them that is lost.
        """
        chance = "" if percent >= 100 else f"numgen random mod 100 < {percent} "
        rule = f"{_ports('iifname', source)}{_ports('oifname', to)}{match} {chance}drop"
        return self._rule(topology.SWITCH, "bridge", "forward", [rule])

    def drop_announcements(self, source: str, milliseconds: int) -> Fault:
        """The switch drops every ARP packet of the host for so long from its first one in the name of the VIP on, which is lost, too.

        The kernel ends it, so that it lasts neither longer nor shorter on a machine that does other things as well.
        """
        claim = f"iifname {source} arp saddr ip {topology.VIP} ether saddr != @begun"
        rules = [
            f"{claim} add @lost {{ ether saddr timeout {milliseconds}ms }}",
            f"{claim} add @begun {{ ether saddr }}",
            f"iifname {source} {ARP} ether saddr @lost drop",
        ]
        sets = ["set lost { type ether_addr; size 8; flags dynamic, timeout; }", "set begun { type ether_addr; size 8; flags dynamic; }"]
        return self._rule(topology.SWITCH, "bridge", "forward", rules, sets)

    def partition(self, ones: Hosts, others: Hosts) -> Fault:
        """Nothing passes between the two sets, either way."""
        ways = ((ones, others), (others, ones))
        rules = [f"{_ports('iifname', a)}{_ports('oifname', b)}drop" for a, b in ways]
        return self._rule(topology.SWITCH, "bridge", "forward", rules)

    def power_off(self, host: str, carrier_loss: bool = False) -> Fault:
        """The host is cut off at its switch port; it notices only with `carrier_loss`. Its processes run on."""
        if carrier_loss:
            command("ip", "-n", topology.SWITCH, "link", "set", host, "down")
        else:
            command("bridge", "-n", topology.SWITCH, "link", "set", "dev", host, "state", "0")
        return Fault(lambda: self.power_on(host))

    def power_on(self, host: str) -> None:
        """Undoes power_off of either kind."""
        command("ip", "-n", topology.SWITCH, "link", "set", host, "up")
        eventually(lambda: _forwards(host), 1.0, f"{host}: its switch port forwards")

    def refuse(self, host: str, port: int) -> Fault:
        """The host answers every segment to the port with a reset."""
        return self._rule(host, "inet", "input", [f"tcp dport {port} reject with tcp reset"])

    def blackhole(self, host: str, port: int | None = None) -> Fault:
        """Packets to the host (to its port) vanish, and those from there."""
        if port is None:
            return self._rule(topology.SWITCH, "bridge", "forward", [f"iifname {host} drop", f"oifname {host} drop"])
        rules = [f"oifname {host} tcp dport {port} drop", f"iifname {host} tcp sport {port} drop"]
        return self._rule(topology.SWITCH, "bridge", "forward", rules)

    def throttle(self, host: str, kbit: int) -> Fault:
        """Towards the host passes no more than that many kbit/s."""
        where = ("dev", host, "root")
        shape = ("tbf", "rate", f"{kbit}kbit", "burst", "5kb", "latency", "500ms")
        command("tc", "-n", topology.SWITCH, "qdisc", "replace", *where, *shape)
        return Fault(lambda: void(command("tc", "-n", topology.SWITCH, "qdisc", "del", *where)))


def void(_: object) -> None:
    """Takes a result that nobody wants."""
