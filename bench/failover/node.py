"""A load balancer as a host of its own: its network namespace from the lab, and a pid and mount namespace around its processes."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Iterable, Mapping

from lab import VIP, eventually, netns
from lab.lb import LoadBalancer, managed_by
from lab.netns import command
from lab.paths import program
from lab.process import Process
from lab.realtime import available
from lab.topology import INTERFACE

# systemd's RestartSec, where a unit does not say otherwise.
RESTART_SECONDS = "0.1"
_KEEP = f'while :; do "$@"; sleep {RESTART_SECONDS}; done'


def _comm(pid: int) -> str:
    """The name of a process that lives; empty for one that has ended."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        name, _, rest = fields.partition("(")[2].rpartition(")")
        return "" if rest.split()[0] == "Z" else name
    return ""


def _cmdline(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    return []


class Node:
    """The host between `boot()` and `power_cut()`; what runs in it sees no process of another host."""

    def __init__(self, host: LoadBalancer) -> None:
        self.host = host
        self.name = host.name
        self.directory = host.directory
        self._init = 0

    def boot(self) -> None:
        """The host comes up without any service, as after a power cut."""
        self._forget()
        space = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
        outer = self.host.spawn(*space, program("bench/failover/nodeinit"), log="init")
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
        self._init = int(eventually(lambda: children.read_text(encoding="ascii").split(), 5.0, f"{self.name}: init")[0])
        eventually(lambda: _comm(self._init) == "nodeinit", 5.0, f"{self.name}: init runs")

    def _forget(self) -> None:
        """What a reboot clears: the VIP and the kernel's rules."""
        # The kernel lets go of a table whose owner was killed only once that process is gone altogether.
        eventually(lambda: self.host.run("nft", "flush", "ruleset") + self.host.run("nft", "list", "tables") == "", 5.0, "no rules")
        for prefix in (32, 24):
            with contextlib.suppress(RuntimeError):
                self.host.run("ip", "addr", "del", f"{VIP}/{prefix}", "dev", INTERFACE)

    def power_cut(self) -> None:
        """Every process ends at once."""
        self.host.kill_all()

    def spawn(
        self,
        service: str,
        *argv: str,
        kept: bool = False,
        managed: bool = False,
        priority: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Starts a service, with `priority` in realtime where that can be had.

        `kept`: by a supervisor that starts it again when it has ended. `managed`: by one that keeps its descriptors
        meanwhile, as systemd does for lbd (tests/lab/manager.py).
        """
        inside = ("nsenter", "--target", str(self._init), "--pid", "--mount", "--")
        place = self.directory / f"keep-{service}"
        place.mkdir(exist_ok=True)
        keeper = ("sh", "-c", _KEEP, place.name) if kept else managed_by(place) if managed else ()
        log = self.directory / f"{service}.log"
        Process([*inside, *keeper, *argv], self.name, log, env, priority=priority and available())

    def release(self, service: str) -> None:
        """Its supervisor does not start it again."""
        for pid in self.supervisors(service):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def supervisors(self, service: str) -> list[int]:
        """Who starts it again when it has ended."""
        mark = f"keep-{service}"
        return [pid for pid in netns.processes(self.name) if any(word.endswith(mark) for word in _cmdline(pid))]

    def pids(self, *names: str) -> list[int]:
        """The live processes of these names."""
        return [pid for pid in netns.processes(self.name) if _comm(pid) in names]

    def signal(self, number: int, names: Iterable[str]) -> None:
        """Sends a signal to every process of these names, the parents first."""
        for pid in sorted(self.pids(*names)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def roots(self, name: str) -> list[int]:
        """Those of the processes that were not started by one of the same name."""
        pids = self.pids(name)
        return [pid for pid in pids if _parent(pid) not in pids]

    def owns(self) -> bool:
        """Whether its kernel has the VIP."""
        return self.host.has_address(VIP)

    def keep_vip(self) -> None:
        """For a planted fault: whatever ran here, the kernel has the VIP for good."""
        command("ip", "-n", self.name, "addr", "replace", f"{VIP}/32", "dev", INTERFACE)


def _parent(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
    return 0
