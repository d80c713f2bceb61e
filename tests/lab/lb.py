"""A load-balancer host: lbd with its own runtime directory, or HAProxy and Keepalived in its place."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any, Callable, Mapping, NamedTuple

from . import guide, netns, sanitizer, topology
from .host import Host
from .paths import build, program
from .process import Process, tail
from .wait import NotYet, eventually

START_TIMEOUT = 10.0
API_TIMEOUT = 5.0
MANAGER = Path(__file__).with_name("manager.py")


def managed_by(directory: Path) -> list[str]:
    """What stands before a command that a stand-in for systemd is to run."""
    return ["/usr/bin/python3", str(MANAGER), str(directory)]


class Result(NamedTuple):
    """What a command answered."""

    code: int
    stdout: str
    stderr: str


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over the socket file at `path`."""

    def __init__(self, path: Path) -> None:
        super().__init__("lbd", timeout=API_TIMEOUT)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class LoadBalancer(Host):
    """One of the nodes that share the VIP."""

    def __init__(self, name: str, directory: Path, config: Callable[[], str]) -> None:
        super().__init__(name, directory)
        self._default_config = config
        self.config_file = self.directory / "lbd.yaml"
        self.runtime_dir = self.directory / "run"
        self.socket = self.runtime_dir / "lbd.sock"
        self.log = self.directory / "lbd.log"
        self.process: Process | None = None
        self.managed = False
        self.installed: Path | None = None
        self.guide_processes: list[Process] = []

    # lbd

    def install(self, directory: Path, source: Path | None = None, mode: int = 0o755) -> None:
        """Puts lbd and its proxy into the directory like a package: as new files under the old names.

        They are those under test, those of the directory `source`, or where that is a file it alone, as lbd. What is started from
        then on is that one.
        """
        source = source or build()
        directory.mkdir(exist_ok=True)
        for name in ("lbd", "lbd-proxy") if source.is_dir() else ("lbd",):
            fresh = directory / f"{name}.new"
            shutil.copyfile(source / name if source.is_dir() else source, fresh)
            fresh.chmod(mode)
            fresh.rename(directory / name)
        self.installed = directory

    def write_config(self, text: str | None = None) -> None:
        """Puts the configuration (None: the lab's) where this node's lbd reads it."""
        self.config_file.write_text(text if text is not None else self._default_config(), encoding="utf-8")

    def lbd_argv(self, *arguments: str) -> list[str]:
        """How lbd is called on this node."""
        where = ("--config", str(self.config_file), "--runtime-dir", str(self.runtime_dir))
        return [str(self.installed / "lbd") if self.installed else program("lbd"), *where, *arguments]

    def start(
        self,
        config: str | None = None,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        nofile: int | None = None,
        wait: bool = True,
        priority: bool = False,
        managed: bool = False,
    ) -> Process:
        """Starts lbd and waits until its API tells a role; `nofile` limits its descriptors, `priority`: realtime.

        `managed`: under what stands in for systemd (manager.py), which is the process then.
        """
        self.write_config(config)
        self.runtime_dir.mkdir(mode=0o750, exist_ok=True)
        argv = [*(managed_by(self.directory) if managed else ()), *self.lbd_argv(*arguments)]
        self.managed = managed
        self.process = Process(argv, self.name, self.log, env, nofile, priority=priority)
        if wait:
            self.wait_up()
        return self.process

    def wait_up(self, within: float = START_TIMEOUT) -> None:
        """Waits until lbd tells that it is backup or active; fails with its log, at once if it has ended."""
        process = self.process
        assert process, f"{self.name}: lbd was not started"
        try:
            eventually(lambda: not process.alive or self.role() in ("backup", "active"), within, f"{self.name}: lbd up")
        except NotYet as late:
            raise NotYet(f"{late}\n{tail(self.log)}") from late
        assert process.alive, f"{self.name}: lbd ended at start with {process.returncode}\n{tail(self.log)}"

    def run_lbd(self, *arguments: str, config: str | None = None) -> Result:
        """Runs lbd to its end, for example with --check or --resign."""
        self.write_config(config)
        return self._call(self.lbd_argv(*arguments))

    def lbctl(self, *arguments: str, timeout: float = 15.0) -> Result:
        """Runs lbctl against this node's daemon."""
        return self._call([program("lbctl"), "--socket", str(self.socket), *arguments], timeout)

    def _call(self, argv: list[str], timeout: float = 15.0) -> Result:
        whole = ["ip", "netns", "exec", self.name, *argv]
        done = subprocess.run(whole, capture_output=True, text=True, timeout=timeout, check=False)
        found = sanitizer.report(done.stderr)
        assert not found, f"{' '.join(argv)}: {found}"
        return Result(done.returncode, done.stdout, done.stderr)

    def api(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Asks the API, bytes as they are: status and parsed JSON (text, where it is not JSON)."""
        connection = _UnixConnection(self.socket)
        with contextlib.closing(connection):
            text = body if body is None or isinstance(body, bytes) else json.dumps(body)
            connection.request(method, path, text, {"Connection": "close", "Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read().decode()
        is_json = "json" in (response.getheader("Content-Type") or "")
        return response.status, json.loads(answer) if is_json else answer

    def status(self) -> dict[str, Any]:
        """GET /v1/status."""
        try:
            code, answer = self.api("GET", "/v1/status")
        except http.client.HTTPException as error:
            raise ConnectionError(f"{self.name}: {error!r}") from error
        assert code == 200, f"{self.name}: /v1/status answered {code}: {answer}"
        return answer

    def role(self) -> str:
        """The node's role as its daemon tells it."""
        return self.status()["role"]

    def server(self, service: str, server: str) -> dict[str, Any]:
        """The part of the status about one server."""
        found = next(entry for entry in self.status()["services"] if entry["name"] == service)
        return next(entry for entry in found["servers"] if entry["name"] == server)

    @property
    def pid(self) -> int:
        """The process id of lbd itself, the keeper."""
        assert self.process, f"{self.name}: lbd was not started"
        return self._process(b"/lbd") if self.managed else self.process.pid

    def _process(self, program_: bytes) -> int:
        for pid in netns.processes(self.name):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].endswith(program_):
                    return pid
        raise ProcessLookupError(f"{self.name}: no {program_.decode()}")

    @property
    def proxy_pid(self) -> int:
        """The process id of lbd-proxy; an OSError while there is none."""
        return self._process(b"lbd-proxy")

    def sigkill(self) -> None:
        """Kills the keeper alone."""
        os.kill(self.pid, signal.SIGKILL)

    def sigstop(self) -> None:
        """Lets the keeper hang."""
        os.kill(self.pid, signal.SIGSTOP)

    def sigcont(self) -> None:
        """Ends `sigstop`."""
        os.kill(self.pid, signal.SIGCONT)

    def sighup(self) -> None:
        """Asks for a reload."""
        os.kill(self.pid, signal.SIGHUP)

    def sigterm(self, within: float = 10.0) -> int:
        """Asks lbd to hand over and stop; returns its exit status."""
        assert self.process, f"{self.name}: lbd was not started"
        return self.process.terminate(within)

    def signal_all(self, number: int) -> None:
        """Sends a signal to every process of the node."""
        for pid in netns.processes(self.name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def has_address(self, address: str = topology.VIP) -> bool:
        """Whether the kernel of this node has the address."""
        return address in self.addresses()

    # HAProxy and Keepalived

    def start_guide(self, interval: float = 1.0, multicast: bool = False, peers: list[str] | None = None) -> None:
        """Starts HAProxy and Keepalived as the kubeadm guides have them, and waits until both run.

        `peers` are the addresses of the other nodes; the earlier a node is in the topology, the higher its priority.
        """
        self.guide_processes = guide.start(self, interval, multicast, peers or [])

    def logs(self, lines: int = 40) -> str:
        """The tails of all logs of this node."""
        parts = [f"---- {log}\n{tail(log, lines)}" for log in sorted(self.directory.glob("*.log"))]
        return "\n".join(parts)
