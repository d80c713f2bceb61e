"""The proxies that are compared: how each is set up, which processes it is, what they cost."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab import eventually, netns, topology
from lab.lb import LoadBalancer
from lab.process import Process

ORIGIN = "k8s-worker-1"
ORIGIN_PORTS = (30080, 30081, 30082)
DIRECT = "direct"
LBD, HAPROXY, SPLICE, NGINX = "lbd", "haproxy", "haproxy splice-auto", "nginx"
CONTENDERS = (LBD, HAPROXY, SPLICE, NGINX)
PORTS = {LBD: 7001, HAPROXY: 7002, SPLICE: 7003, NGINX: 7004}

_LBD = """\
cluster: bench
nodes:
  {node}: {address}
vips: [{vip}]
workers: {threads}
services:
  bench:
    listen: {port}
    servers:
{servers}
"""

# Everything that costs and that the others do not have either is left out: no logs, no statistics.
_HAPROXY = """\
global
    nbthread {threads}
    maxconn 7000
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    default-server inter 2s
listen bench
    bind {vip}:{port} shards by-thread
    balance leastconn
{option}{servers}
"""

_NGINX = """\
user root;
daemon off;
worker_processes {threads};
worker_rlimit_nofile 20000;
error_log stderr error;
pid {directory}/nginx.pid;
events {{
    worker_connections 9500;
}}
stream {{
    access_log off;
    upstream bench {{
        least_conn;
{servers}
    }}
    server {{
        listen {vip}:{port} reuseport backlog=4096;
        proxy_pass bench;
        proxy_timeout 1h;
    }}
}}
"""


def _servers(pattern: str) -> str:
    address = topology.address(ORIGIN)
    return "\n".join(pattern.format(n=n, address=address, port=port) for n, port in enumerate(ORIGIN_PORTS))


@dataclass(frozen=True)
class Cost:
    """Processor time of all threads so far in seconds, and memory in bytes."""

    cpu: float
    memory: int


def cpu_of(pids: list[int]) -> float:
    """Seconds that all threads of the processes have run, in user and kernel, as the scheduler counts them."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text(encoding="ascii").split()[0])
    return total / 1e9


def memory_of(pids: list[int]) -> int:
    """The proportional set size of the processes in bytes: memory that is shared counts once."""
    total = 0
    for pid in pids:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
        assert found, rollup
        total += int(found.group(1)) * 1024
    return total


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(word) for word in text.split()]


class Proxies:
    """All contenders at once on one node, each on a port of its own of the VIP that lbd holds there."""

    def __init__(self, node: LoadBalancer, threads: int, names: tuple[str, ...] = CONTENDERS) -> None:
        self.node = node
        self.threads = threads
        self.names = names
        self._processes: dict[str, Process] = {}

    def __enter__(self) -> Proxies:
        try:
            self.start_lbd()
            for name in self.names:
                if name != LBD:
                    self.start_other(name)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start_lbd(self, config: str | None = None) -> None:
        """Starts lbd and waits until it has the VIP."""
        servers = _servers("      origin-{n}: {address}:{port}")
        text = config or _LBD.format(
            node=self.node.name,
            address=self.node.address,
            vip=topology.VIP,
            threads=self.threads,
            port=PORTS[LBD],
            servers=servers,
        )
        self._processes[LBD] = self.node.start(text)
        eventually(self.node.has_address, 10.0, "the VIP is up")
        if config is None:
            self._wait(LBD)

    def start_other(self, name: str) -> None:
        """Starts HAProxy or nginx and waits until it serves."""
        directory = self.node.directory / name.replace(" ", "-")
        directory.mkdir(exist_ok=True)
        common = {"threads": self.threads, "vip": topology.VIP, "port": PORTS[name], "directory": directory}
        file = directory / "conf"
        if name == NGINX:
            servers = _servers("        server {address}:{port};")
            file.write_text(_NGINX.format(servers=servers, **common), encoding="utf-8")
            argv = ["nginx", "-c", str(file), "-p", str(directory), "-e", "stderr"]
            module = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
            if module.exists():
                argv += ["-g", f"load_module {module};"]
        else:
            option = "    option splice-auto\n" if name == SPLICE else ""
            servers = _servers("    server origin-{n} {address}:{port} check")
            file.write_text(_HAPROXY.format(servers=servers, option=option, **common), encoding="utf-8")
            argv = ["haproxy", "-db", "-f", str(file)]
        self._processes[name] = self.node.spawn(*argv, log=name.replace(" ", "-"))
        self._wait(name)

    def _wait(self, name: str) -> None:
        process = self._processes[name]

        def serves() -> bool:
            assert process.alive, f"{name} ended:\n{process.log.read_text(encoding='utf-8')}"
            with contextlib.closing(self.node.connect(topology.VIP, PORTS[name], timeout=1.0)) as sock:
                sock.sendall(b"GET /1 HTTP/1.1\r\n\r\n")
                return bool(sock.recv(100))

        eventually(serves, 10.0, f"{name} serves")

    def stop_one(self, name: str) -> None:
        """Ends one contender in order; HAProxy at once, as it would wait for its sessions."""
        process = self._processes.pop(name)
        if name in (LBD, NGINX):
            process.terminate()
        else:
            process.kill()

    def restart(self, name: str) -> None:
        """A fresh process, to which nothing has happened yet."""
        self.stop_one(name)
        if name == LBD:
            self.start_lbd()
        else:
            self.start_other(name)

    def stop(self) -> None:
        """Ends all; lbd last, it has the VIP."""
        for name in reversed(list(self._processes)):
            self.stop_one(name)

    def pids(self, name: str) -> list[int]:
        """The processes that relay: lbd-proxy, HAProxy, nginx's workers."""
        if name == LBD:
            return [self.node.proxy_pid]
        pid = self._processes[name].pid
        return _children(pid) if name == NGINX else [pid]

    def cost(self, name: str) -> Cost:
        """What it has used until now; nothing for the direct path."""
        pids = [] if name == DIRECT else self.pids(name)
        return Cost(cpu_of(pids), memory_of(pids))

    def target(self, name: str) -> tuple[str, int]:
        """Where a client reaches it."""
        if name == DIRECT:
            return topology.address(ORIGIN), ORIGIN_PORTS[0]
        return topology.VIP, PORTS[name]


def versions() -> dict[str, str]:
    """What is compared: name and version as each program tells it."""

    def first_line(*argv: str) -> str:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr).splitlines()[0]

    found = re.search(r"\d[\w.~+-]*", first_line("haproxy", "-v"))
    nginx = first_line("nginx", "-v").rpartition("/")[2]
    return {"haproxy": found.group(0) if found else "?", "nginx": nginx}


def prepare(node: str) -> None:
    """Room for many short connections: ports are used again after a second. The switch only switches.

    A bridge that offers each packet to the firewall would do so in the proxies' time.
    """
    filters = Path("/proc/sys/net/bridge")
    with netns.inside(topology.SWITCH):
        for key in filters.glob("bridge-nf-call-*"):
            key.write_text("0", encoding="ascii")
    for host in (node, topology.CLIENT):
        netns.sysctl(host, "ipv4/tcp_tw_reuse", "1")
        netns.sysctl(host, "ipv4/ip_local_port_range", "10000 65535")
    for host in (node, ORIGIN):
        netns.sysctl(host, "core/somaxconn", "4096")


def processor() -> str:
    """The model and number of processors that this process may use."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return f"{len(os.sched_getaffinity(0))} × {found.group(1) if found else os.uname().machine}"
