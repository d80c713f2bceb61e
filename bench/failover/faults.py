"""The faults: how each is made and for how long its effect is watched."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from dataclasses import dataclass
from typing import Callable

from lab import VRRP, Lab, eventually, holds
from lab.faults import Fault as Healing
from lab.node_faults import busy

from .node import Node
from .stack import ORIGINS, ORIGIN_PORT, Origins, Stack

PROTO_VRRP = 112
BUSY_LOOPS = 8
CPU_WATCH_SECONDS = 60.0
RELOADS = 20
RELOAD_GAP = 0.15


class Trial:
    """One fault on one stack: the parts, when it hit, and what heals it."""

    def __init__(self, stack: Stack, origins: Origins, victim: str) -> None:
        self.stack = stack
        self.lab: Lab = stack.lab
        self.origins = origins
        self.victim = victim  # the server that fails: the one that the download comes from
        self.owner: Node = stack.owner()
        self.peer: Node = stack.other(self.owner)
        self.hit_at = 0.0
        self.struck_at = 0.0  # when the fault was there for certain; 0: as soon as it hit
        self.back_at = 0.0  # when what every stack must miss was there again; 0: nothing
        self._healing: list[Callable[[], None]] = []

    def hit(self) -> None:
        """The fault begins with the next statement."""
        if hasattr(self.stack, "on_fault"):
            self.stack.on_fault()
        self.hit_at = time.monotonic()

    def struck(self) -> None:
        """The fault has begun: what was started before may have met its beginning."""
        self.struck_at = time.monotonic()

    def await_phase(self, fraction: float) -> None:
        """Until that part of an interval has passed since an advert of the owner, which the peer has heard."""
        with self.peer.host.inside():
            hearing = socket.socket(socket.AF_INET, socket.SOCK_RAW, PROTO_VRRP)
        with hearing:
            hearing.settimeout(3 * self.stack.interval)
            with contextlib.suppress(TimeoutError):
                hearing.recv(256)
        time.sleep(fraction * self.stack.interval)

    def afterwards(self, heal: Callable[[], None]) -> None:
        """Heals once the measurement is over."""
        self._healing.append(heal)

    def heal(self) -> None:
        """Runs what was put off, the last first."""
        while self._healing:
            self._healing.pop()()

    def wait(self, seconds: float) -> None:
        """Lets the load run."""
        holds(lambda: True, seconds)


    def signal(self, node: Node, number: int, names: tuple[str, ...]) -> None:
        """Sends a signal to processes and has them go on afterwards where it stopped them."""
        self.hit()
        node.signal(number, names)
        if number == signal.SIGSTOP:
            self.afterwards(lambda: node.signal(signal.SIGCONT, names))


def _none(trial: Trial) -> None:
    trial.hit()


def _power_off(trial: Trial, carrier_loss: bool = False) -> None:
    trial.hit()
    trial.afterwards(trial.lab.power_off(trial.owner.name, carrier_loss).heal)
    trial.struck()


def _clean_stop(trial: Trial) -> None:
    trial.hit()
    trial.stack.stop(trial.owner)


def _planned_switch(trial: Trial) -> None:
    trial.hit()
    trial.stack.switch(trial.owner)


def _election(trial: Trial, number: int) -> None:
    trial.signal(trial.owner, number, trial.stack.election)


def _proxy(trial: Trial, number: int) -> None:
    trial.signal(trial.owner, number, trial.stack.proxy)


def _everything_killed(trial: Trial) -> None:
    trial.signal(trial.owner, signal.SIGKILL, (*trial.stack.election, *trial.stack.proxy))
    if hasattr(trial.stack, "on_killed"):
        trial.stack.on_killed(trial.owner)


def _reloads(trial: Trial) -> None:
    trial.hit()
    for _ in range(RELOADS):
        trial.stack.reload(trial.owner)
        trial.wait(RELOAD_GAP)


def _server_off(trial: Trial) -> None:
    trial.hit()
    trial.afterwards(trial.lab.power_off(trial.victim).heal)
    trial.struck()


def _server(trial: Trial, number: int) -> None:
    trial.hit()
    trial.origins.signal(trial.victim, number)
    trial.struck()
    if number == signal.SIGSTOP:
        trial.afterwards(lambda: trial.origins.signal(trial.victim, signal.SIGCONT))


def _server_refuses(trial: Trial) -> None:
    trial.hit()
    trial.afterwards(trial.lab.refuse(trial.victim, ORIGIN_PORT).heal)
    trial.struck()


def _servers_down_and_back(trial: Trial) -> None:
    trial.hit()
    for name in ORIGINS:
        trial.origins.signal(name, signal.SIGKILL)
    trial.struck()
    trial.wait(3.0)
    trial.origins.start()
    trial.back_at = time.monotonic()


def _for_a_while(trial: Trial, make: Callable[[], Healing], seconds: float) -> None:
    """A fault whose end is a part of it."""
    trial.hit()
    fault = make()
    trial.struck()
    trial.wait(seconds)
    fault.heal()


def _partition(trial: Trial) -> None:
    ends = (trial.owner.name, trial.peer.name)
    _for_a_while(trial, lambda: trial.lab.partition(*ends), 6.0 if trial.stack.patient else 2.5)


def _one_way(trial: Trial) -> None:
    ends = (trial.owner.name, trial.peer.name)
    _for_a_while(trial, lambda: trial.lab.drop(*ends), 6.0 if trial.stack.patient else 2.5)


def _advert_loss(trial: Trial) -> None:
    names = [node.name for node in trial.stack.nodes]
    _for_a_while(trial, lambda: trial.lab.drop(names, names, VRRP, percent=30), 8.0 if trial.stack.patient else 5.0)


def _short_stop(trial: Trial) -> None:
    trial.signal(trial.owner, signal.SIGSTOP, trial.stack.election)
    trial.wait(1.5 * trial.stack.interval)
    trial.heal()


def _reboot(trial: Trial) -> None:
    """The preferred node loses power, and all that ran there with it; after a while it boots and starts everything."""
    trial.hit()
    fault = trial.lab.power_off(trial.owner.name)
    trial.owner.power_cut()
    trial.struck()
    trial.wait(5.0 if trial.stack.patient else 1.0)
    trial.owner.boot()
    fault.heal()
    trial.stack.start(trial.owner)
    within = 15.0 if trial.stack.patient else 6.0
    eventually(trial.stack.settled, within, f"{trial.owner.name}: back after its reboot")


def _busy_processor(trial: Trial) -> None:
    """More busy loops than processors for a minute; $BENCH_BUSY says how many fall to this lab of several."""
    trial.hit()
    fault = busy(trial.lab.observer, int(os.environ.get("BENCH_BUSY", BUSY_LOOPS)))
    trial.afterwards(fault.heal)


@dataclass(frozen=True)
class Fault:
    """`make` injects it; the effect is watched for `quick` seconds after that, for `patient` ones with a patient stack."""

    key: str
    title: str
    make: Callable[[Trial], None]
    quick: float
    patient: float
    prefers: bool = False  # the owner must be the preferred node

    def watched(self, stack: Stack) -> float:
        """For how long with this stack; $BENCH_WATCHED bounds it."""
        return min(self.patient if stack.patient else self.quick, float(os.environ.get("BENCH_WATCHED", "inf")))


FAULTS = (
    Fault("none", "none", _none, 2.0, 2.0),
    Fault("power-off", "power off", _power_off, 1.5, 6.0),
    Fault("power-off-carrier", "power off, carrier lost", lambda t: _power_off(t, True), 1.5, 6.0),
    Fault("clean-stop", "clean stop", _clean_stop, 1.5, 4.0),
    Fault("planned-switch", "planned switch", _planned_switch, 1.5, 4.0),
    Fault("election-killed", "election process killed", lambda t: _election(t, signal.SIGKILL), 1.5, 6.0),
    Fault("election-stopped", "election process stopped", lambda t: _election(t, signal.SIGSTOP), 1.5, 6.0),
    Fault("proxy-killed", "proxy killed", lambda t: _proxy(t, signal.SIGKILL), 2.5, 38.0),
    Fault("proxy-stopped", "proxy stopped", lambda t: _proxy(t, signal.SIGSTOP), 4.0, 42.0),
    Fault("everything-killed", "everything killed", _everything_killed, 2.0, 6.0),
    Fault("reloads", "reload × 20", _reloads, 0.5, 1.0),
    Fault("server-off", "server powered off", _server_off, 6.0, 20.0),
    Fault("server-killed", "server killed", lambda t: _server(t, signal.SIGKILL), 2.5, 7.0),
    Fault("server-stopped", "server stopped", lambda t: _server(t, signal.SIGSTOP), 7.0, 20.0),
    Fault("server-refusing", "server refusing", _server_refuses, 2.5, 7.0),
    Fault("servers-down", "all servers down and back", _servers_down_and_back, 4.0, 8.0),
    Fault("partition", "full partition", _partition, 1.5, 3.0, prefers=True),
    Fault("one-way", "one-way partition", _one_way, 1.5, 3.0, prefers=True),
    Fault("advert-loss", "30 % advert loss", _advert_loss, 0.5, 1.0),
    Fault("short-stop", "election stopped 1.5 intervals", _short_stop, 1.0, 3.5),
    Fault("reboot", "reboot of the preferred node", _reboot, 1.0, 2.0, prefers=True),
    Fault("busy-processor", "saturated processor, 60 s", _busy_processor, CPU_WATCH_SECONDS, CPU_WATCH_SECONDS),
)
BY_KEY = {fault.key: fault for fault in FAULTS}
# The order of trials in a lab: a server that came back gets its share of sessions only after a while, so that between the
# faults of servers there are others.
ORDER = (
    "none server-off power-off power-off-carrier clean-stop server-killed planned-switch election-killed election-stopped "
    "server-stopped proxy-killed proxy-stopped everything-killed server-refusing reloads partition one-way servers-down "
    "advert-loss short-stop reboot busy-processor"
).split()
# Of its own kind: it needs the whole machine, so that all stacks have it at the same time.
TOGETHER = ("busy-processor",)
