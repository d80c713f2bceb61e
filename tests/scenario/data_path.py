"""What the scenarios of the data path share: an echo service, what a process uses, what the kernel counts."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from pathlib import Path
from typing import Callable, Iterator

from lab import Lab, topology
from lab.host import Host
from lab.lb import LoadBalancer
from trial import cpu_seconds, resident_kb

ECHO = 7000


def service(name: str, port: int, servers: dict[str, str], options: str = "") -> str:
    """Lines that add a service to the lab's file; options are indented by four."""
    lines = "".join(f'      {server}: "{where}"\n' for server, where in servers.items())
    return f"  {name}:\n    listen: {port}\n{options}    servers:\n{lines}"


def echo_service(lab: Lab, options: str = "", count: int = 3) -> str:
    """An echo service on the first workers, whose servers are started by `start_echo`."""
    servers = {worker.name: f"{worker.address}:{topology.ECHO_PORT}" for worker in lab.workers[:count]}
    return service("echo", ECHO, servers, options)


def start_echo(lab: Lab, banner: bool = False) -> None:
    """The echo servers of all workers."""
    for worker in lab.workers:
        worker.start_echo(banner)


class Usage:
    """What lbd-proxy of a node uses from here on."""

    def __init__(self, node: LoadBalancer) -> None:
        self._pid = node.proxy_pid
        self._kb = resident_kb(self._pid)
        self._cpu, self._at = cpu_seconds(self._pid), time.monotonic()

    def grown_kb(self) -> int:
        """Resident memory more than at the beginning."""
        return resident_kb(self._pid) - self._kb

    def cpu_percent(self) -> float:
        """Of one processor, since the beginning."""
        return (cpu_seconds(self._pid) - self._cpu) / (time.monotonic() - self._at) * 100

    def same_process(self, node: LoadBalancer) -> bool:
        """Whether it is still the same process."""
        return node.proxy_pid == self._pid


def kernel_counter(host: Host, name: str) -> int:
    """A counter of nstat, such as TcpExtListenOverflows."""
    for line in host.run("nstat", "-a", "-z", "-s", name).splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise AssertionError(f"no counter {name}")


def time_wait(host: Host) -> int:
    """How many sockets of the host wait in TIME_WAIT."""
    return len(host.run("ss", "-Htan", "state", "time-wait").splitlines())


@contextlib.contextmanager
def server(host: Host, port: int, serve: Callable[[socket.socket], None]) -> Iterator[None]:
    """A server in this process: `serve` gets each connection in a thread of its own and need not close it."""
    with host.inside():
        listener = socket.create_server((host.address, port), backlog=1024)

    def one(sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            serve(sock)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def pushes(block: bytes = os.urandom(65536)) -> Callable[[socket.socket], None]:
    """A server that sends for as long as it can."""

    def serve(sock: socket.socket) -> None:
        while True:
            sock.sendall(block)

    return serve


def write_sysctl(host: Host, name: str, value: str) -> None:
    """Sets a kernel parameter of the host's network, such as ipv4/ip_local_port_range."""
    with host.inside():
        Path("/proc/thread-self/ns/net").stat()
        Path("/proc/sys/net", name).write_text(value, encoding="ascii")
