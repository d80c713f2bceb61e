"""Faults of a node itself: its interface, its clock, its processor, the whole machine."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import struct
from pathlib import Path

from . import netns, topology
from .faults import Fault
from .host import Host
from .netns import command
from .paths import program
from .process import Process
from .wait import eventually

FREEZER = Path("/sys/fs/cgroup/freezer")
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WAIT_ALL = 0x40000000


def replug(host: Host) -> None:
    """The interface is deleted, and a new one with the same name, hardware address and addresses takes its place."""
    command("ip", "-n", host.name, "link", "del", topology.INTERFACE)
    plug_again(host)


def plug_again(host: Host) -> None:
    """Gives a host that lost its interface a new one."""
    peer = f"peer name {topology.INTERFACE} address {host.mac} netns {host.name}"
    lines = [f"link add {host.name} type veth {peer}", f"link set {host.name} master br0 up"]
    command("ip", "-n", topology.SWITCH, "-batch", "-", stdin="\n".join(lines) + "\n")
    netns.plug(host.name)


def busy(host: Host, count: int) -> Fault:
    """That many processes that never sleep, of the same scheduling class as everything else."""
    loops: list[Process] = [host.spawn("sh", "-c", "while :; do :; done", log=f"busy-{n}") for n in range(count)]

    def end() -> None:
        for loop in loops:
            loop.kill()

    return Fault(end)


def freeze(host: Host) -> tuple[Fault, str]:
    """Every process of the host stands still at once, and how that was done: `freezer` or `SIGSTOP`."""
    pids = netns.processes(host.name)
    group = FREEZER / f"lab-{os.getpid()}-{host.name}"
    try:
        group.mkdir()
    except OSError:
        return _stop(pids), "SIGSTOP"
    try:
        for pid in pids:
            (group / "cgroup.procs").write_text(str(pid), encoding="ascii")
        (group / "freezer.state").write_text("FROZEN", encoding="ascii")
    except OSError:
        _thaw(group)
        return _stop(pids), "SIGSTOP"
    eventually(lambda: (group / "freezer.state").read_text(encoding="ascii").strip() == "FROZEN", 2.0, "a frozen host")
    return Fault(lambda: _thaw(group)), "freezer"


def _thaw(group: Path) -> None:
    with contextlib.suppress(OSError):
        (group / "freezer.state").write_text("THAWED", encoding="ascii")
    for pid in (group / "cgroup.procs").read_text(encoding="ascii").split():
        with contextlib.suppress(OSError):
            (FREEZER / "cgroup.procs").write_text(pid, encoding="ascii")
    with contextlib.suppress(OSError):
        group.rmdir()


def _stop(pids: list[int]) -> Fault:
    def send(number: int) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    send(signal.SIGSTOP)
    return Fault(lambda: send(signal.SIGCONT))


def threads(pid: int) -> list[int]:
    """The threads of a process, the first one first."""
    return sorted(map(int, os.listdir(f"/proc/{pid}/task")))


def hang_thread(thread: int) -> Fault:
    """One thread of a process stands still while the others run on, as it would in an endless loop."""
    trace = ctypes.CDLL(None, use_errno=True).ptrace
    trace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

    def ask(request: int) -> None:
        if trace(request, thread, None, None) != 0:
            raise OSError(ctypes.get_errno(), f"ptrace {request:#x} of thread {thread}")

    ask(PTRACE_SEIZE)
    ask(PTRACE_INTERRUPT)
    os.waitpid(thread, WAIT_ALL)
    return Fault(lambda: ask(PTRACE_DETACH))


class WallClock:
    """The wall clock of programs started with `env`, which `jump` sets forward or back."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "wall-clock"
        self.jump(0)
        self.env = {**preload("wall_clock"), "LAB_WALL_CLOCK": str(self._file)}

    def jump(self, seconds: int) -> None:
        """From now on the clock is off by that much."""
        with open(os.open(self._file, os.O_WRONLY | os.O_CREAT, 0o644), "wb") as file:
            file.write(struct.pack("q", seconds))


def preload(shim: str) -> dict[str, str]:
    """The environment in which a program runs with the shim."""
    return {"LD_PRELOAD": program(f"tests/lab/{shim}.so"), "ASAN_OPTIONS": "verify_asan_link_order=0"}
