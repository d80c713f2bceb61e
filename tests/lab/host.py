"""A host of the cluster and what it may run."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from . import netns, servers, topology
from .paths import program
from .pki import Authority
from .process import Process, kill_all, tail
from .wait import eventually


class Host:
    """A network namespace with an address, a directory for its files, and processes."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.address = topology.address(name)
        self.address6 = topology.address6(name)
        self.mac = topology.mac(name)
        self.directory = directory / name
        self.directory.mkdir(parents=True)

    def __repr__(self) -> str:
        return self.name

    def run(self, *argv: str, stdin: str | None = None) -> str:
        """Runs a command on the host that must succeed; returns what it prints."""
        return netns.command("ip", "netns", "exec", self.name, *argv, stdin=stdin)

    def spawn(self, *argv: str, log: str = "", nofile: int | None = None) -> Process:
        """Starts a process on the host; its output goes to `<log or program>.log` in the host's directory."""
        return Process(argv, self.name, self.directory / f"{log or Path(argv[0]).name}.log", nofile=nofile)

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Sockets opened in the block belong to this host, also later."""
        with netns.inside(self.name):
            yield

    def connect(self, address: str, port: int, timeout: float = 5.0) -> socket.socket:
        """A TCP connection from this host; the timeout stays set on it."""
        with self.inside():
            return socket.create_connection((address, port), timeout)

    def get(self, address: str, port: int, path: str = "/", tls: bool = False, timeout: float = 5.0) -> Answer:
        """Asks for a page over a connection of its own; certificates are not verified."""
        sock = self.connect(address, port, timeout)
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            sock = context.wrap_socket(sock)
        connection = http.client.HTTPConnection(address, port, timeout=timeout)
        connection.sock = sock
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Connection": "close"})
            response = connection.getresponse()
            return Answer(response.status, response.read().decode())

    def addresses(self) -> set[str]:
        """The addresses of the host's interface at this moment."""
        found = json.loads(self.run("ip", "-j", "addr", "show", "dev", topology.INTERFACE) or "[]")
        return {info["local"] for link in found for info in link.get("addr_info", [])}

    def kill_all(self) -> None:
        """Ends every process of the host at once."""
        kill_all(self.name)


@dataclass(frozen=True)
class Answer:
    """Status and body of an HTTP answer."""

    status: int
    body: str


class ServerHost(Host):
    """A worker, or a master (or what stands for one): nginx, on request also etcd (masters) and an echo server."""

    def __init__(self, name: str, directory: Path, authority: Authority) -> None:
        super().__init__(name, directory)
        self.authority = authority
        self.port = topology.HTTP_PORT if name in topology.WORKERS else topology.API_PORT
        self._argv = servers.nginx_argv(name, self.directory, authority.issue("server"), authority.ca_file)
        self.nginx: Process | None = None
        self.etcd: Process | None = None
        self.echo: Process | None = None

    def start(self) -> None:
        """Starts nginx; `ready()` says when it serves."""
        self.nginx = self.spawn(*self._argv)

    def stop(self, number: int = signal.SIGKILL) -> None:
        """Ends nginx: its port refuses connections from then on."""
        assert self.nginx, f"{self.name}: nginx was not started"
        self.nginx.signal(number)
        self.nginx.wait()

    def hang(self) -> None:
        """nginx stops running: its port still takes connections, but nothing answers."""
        assert self.nginx, f"{self.name}: nginx was not started"
        self.nginx.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Ends `hang`."""
        assert self.nginx, f"{self.name}: nginx was not started"
        self.nginx.signal(signal.SIGCONT)

    def answer_with(self, status: int | None) -> None:
        """The health page answers with this status from now on; None: 200 again."""
        servers.answer_with(self.directory, status)

    def serves(self) -> bool:
        """Whether nginx takes connections; fails with its log if it has ended."""
        assert self.nginx, f"{self.name}: nginx was not started"
        assert self.nginx.alive, f"{self.name}: nginx ended\n{tail(self.nginx.log)}"
        return self.listens()

    def listens(self, port: int | None = None) -> bool:
        """Whether the port takes a connection on the host itself."""
        with contextlib.closing(self.connect(self.address, port or self.port, timeout=1.0)):
            return True

    def start_etcd(self, client_certificates: bool = False) -> None:
        """Starts etcd behind this master's 6443; on request it wants certificates of the lab's authority from clients."""
        clients_of = self.authority.ca_file if client_certificates else None
        self.etcd = self.spawn(*servers.etcd_argv(self.name, self.directory, self.authority.issue("server"), clients_of))

    def start_echo(self, banner: bool = False) -> None:
        """Starts an echo server, which with `banner` first says the host's name, and waits until it serves."""
        greeting = ("-b", self.name) if banner else ()
        self.echo = self.spawn(program("tests/lab/echod"), *greeting, "0.0.0.0", str(topology.ECHO_PORT))
        eventually(lambda: self.listens(topology.ECHO_PORT), 5.0, f"{self.name}: echo server")
