"""What every stack under test can do: start, stop, move the VIP, reload; and who plays which part in it."""

from __future__ import annotations

import os
import signal
from typing import ClassVar

from lab import VIP, Lab, eventually
from lab.process import Process
from lab.paths import program
from lab.topology import WORKERS, address

from .node import Node

PORT = 7000
ORIGIN_PORT = 30007
ORIGINS = WORKERS


class Origins:
    """The servers behind the service that is measured: one on each worker."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._running: dict[str, Process] = {}
        self.start()

    def start(self) -> None:
        """Starts those that do not run and waits until all take connections."""
        for name in ORIGINS:
            if name not in self._running or not self._running[name].alive:
                self._running[name] = self._lab[name].spawn(program("bench/failover/origin"), name, str(ORIGIN_PORT))
        for worker in self._lab.workers:
            eventually(lambda w=worker: w.listens(ORIGIN_PORT), 5.0, f"{worker}: origin")

    def signal(self, name: str, number: int) -> None:
        """Sends a signal to one."""
        process = self._running[name]
        process.signal(number)
        if number == signal.SIGKILL:
            process.wait()


class Stack:
    """Two nodes of one kind. Subclasses say what runs on them and how it is asked."""

    name: ClassVar[str]
    title: ClassVar[str]
    election: ClassVar[tuple[str, ...]]  # the names of the processes that elect
    proxy: ClassVar[tuple[str, ...]]  # of those that relay
    interval: ClassVar[float]  # seconds between adverts
    patient: ClassVar[bool] = False  # whether its faults last for tens of seconds

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.nodes = [Node(host) for host in lab.lbs]
        self.prepare()

    def prepare(self) -> None:
        """Writes configurations; once, before the first start."""

    def boot(self) -> None:
        """Both hosts from nothing to service."""
        for node in self.nodes:
            node.power_cut()
            self.lab.power_on(node.name)
            node.boot()
            self.start(node)
        self.settle(30.0)

    def start(self, node: Node) -> None:
        """Starts on the node what of the stack does not run there; does not wait."""
        raise NotImplementedError

    def stop(self, node: Node) -> None:
        """Asks the stack on the node to end as its service manager does; does not wait."""
        raise NotImplementedError

    def switch(self, node: Node) -> None:
        """The way this stack knows to move the VIP away from the node for maintenance; does not wait."""
        raise NotImplementedError

    def reload(self, node: Node) -> None:
        """Asks for a reload of an unchanged configuration; does not wait."""
        raise NotImplementedError

    def healthy(self) -> bool:
        """Whether every part runs on both nodes and sees every server up."""
        raise NotImplementedError

    def owner(self) -> Node:
        """The one node that has the VIP."""
        owners = [node for node in self.nodes if node.owns()]
        assert len(owners) == 1, f"the VIP is on {[node.name for node in owners] or 'no node'}"
        return owners[0]

    def other(self, node: Node) -> Node:
        """The other one."""
        return self.nodes[1 - self.nodes.index(node)]

    def settle(self, within: float) -> None:
        """Waits until the state is that before every fault: one owner, the preferred one where it has a preference."""
        eventually(lambda: self.settled() and self.serves(), within, f"{self.name}: the state before a fault")

    def settled(self) -> bool:
        """Whether it is that state now."""
        return self.healthy() and self.owner() is not None

    def serves(self) -> bool:
        """Whether a client gets an answer."""
        with self.lab.client.connect(VIP, PORT, timeout=0.5) as sock:
            sock.sendall(b"name\n")
            return sock.recv(64).startswith(b"I am ")

    def repair(self) -> None:
        """After a fault: whatever was stopped goes on, whatever ended is started."""
        for node in self.nodes:
            node.signal(signal.SIGCONT, [*self.election, *self.proxy])
            self.start(node)


def servers(line: str) -> str:
    """A line for each server of the measured service, `{name}` and `{address}` filled in."""
    return "".join(line.format(name=name, address=f"{address(name)}:{ORIGIN_PORT}") + "\n" for name in ORIGINS)


def send(pid: int, number: int) -> None:
    """A signal to one process."""
    os.kill(pid, number)
