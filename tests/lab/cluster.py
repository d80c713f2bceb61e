"""The lab: the reference cluster with its servers running, faults to inject and probes to measure with."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Mapping

from . import config, netns, refusals, sanitizer, topology
from .faults import Faults
from .host import Host, ServerHost
from .lb import LoadBalancer
from .netns import command
from .paths import base
from .pki import Authority
from .probes import ArpProbe, Crowd, Flood, HalfClose, OpenLoop, Sessions, Streams, SynFlood
from .process import kill_all
from .wait import eventually

ETCD_TIMEOUT = 15.0


class Lab(Faults):
    """Builds everything when made and takes it down in `close()`; one at a time in a namespace.

    `lbs`, `masters` and `workers` are the hosts in order (also by name: `lab["k8s-lb-1"]`), `client` is where load comes
    from, `observer` a host that only looks. There are two load balancers, or up to five.
    """

    balancer: type[LoadBalancer] = LoadBalancer

    def __init__(self, balancers: int = 2) -> None:
        if os.environ.get("LBD_LAB") != "inside":
            raise RuntimeError("the lab runs in a namespace of its own: start this with tests/lab/enter")
        base().mkdir(parents=True, exist_ok=True)
        self.directory = Path(tempfile.mkdtemp(dir=base()))
        self.authority = Authority(base() / "pki")
        self.key_file = config.make_key(self.directory / "cluster.key")
        names = topology.LOAD_BALANCERS[:balancers]
        self._names = [*names, *topology.MASTERS, *topology.WORKERS, topology.CLIENT, topology.OBSERVER]
        netns.create(self._names)
        self.lbs: list[LoadBalancer] = []
        self.refusals_expected = False
        try:
            self.lbs = [self.balancer(name, self.directory, self.config) for name in names]
            self.masters = [ServerHost(name, self.directory, self.authority) for name in topology.MASTERS]
            self.workers = [ServerHost(name, self.directory, self.authority) for name in topology.WORKERS]
            self.client = Host(topology.CLIENT, self.directory)
            self.observer = Host(topology.OBSERVER, self.directory)
            self.start_servers()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends every process, removes the networks and, unless LBD_LAB_DIR keeps them, the files.

        Fails if a sanitizer has found something in a load balancer, or its sandbox has refused it something while
        `refusals_expected` is false.
        """
        found = sanitizer.end_in_order(self.lbs) if sanitizer.active() else []
        for name in self._names:
            kill_all(name)
        found += sanitizer.reports(balancer.directory for balancer in self.lbs)
        if not self.refusals_expected:
            found += refusals.reports(balancer.directory for balancer in self.lbs)
        netns.delete(self._names)
        self._unmount()
        if "LBD_LAB_DIR" not in os.environ:
            shutil.rmtree(self.directory, ignore_errors=True)
        assert not found, "\n".join(found)

    def _unmount(self) -> None:
        """Takes away what a test mounted below the directory and left there: files of the machine must not be deleted with it."""
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
        for place in reversed(mounts):
            if place.startswith(f"{self.directory}/"):
                command("umount", "-l", place)

    def __getitem__(self, name: str) -> Host:
        hosts: list[Host] = [*self.lbs, *self.masters, *self.workers, self.client, self.observer]
        return next(host for host in hosts if host.name == name)

    # Servers

    def start_servers(self) -> None:
        """Starts nginx on every master and worker and waits until all serve."""
        servers = [*self.masters, *self.workers]
        for server in servers:
            server.start()
        for server in servers:
            eventually(server.serves, 10.0, f"nginx of {server}")

    def start_etcd(self) -> None:
        """Starts etcd behind 6443 of every master and waits until a key can be read through there."""
        for master in self.masters:
            master.start_etcd()
        for master in self.masters:
            eventually(lambda m=master: self._etcd_answers(m.address), ETCD_TIMEOUT, f"etcd of {master}")

    def _etcd_answers(self, address: str) -> bool:
        with contextlib.suppress(RuntimeError):
            command(*self.etcdctl_argv("get", "none", address=address))
            return True
        return False

    def etcdctl_argv(self, *arguments: str, address: str = topology.VIP) -> list[str]:
        """An etcdctl command on the client against port 6443 of the address, certificates verified."""
        where = (f"--endpoints=https://{address}:{topology.API_PORT}", f"--cacert={self.authority.ca_file}")
        return ["ip", "netns", "exec", topology.CLIENT, "etcdctl", *where, *arguments]

    # Load balancers

    def config(self, append: str = "", replace: Mapping[str, str] | None = None, key: bool = True) -> str:
        """The text of the lab's lbd.yaml, see config.reference; give it to `lb.start()`."""
        text = config.reference(self.key_file if key else None, append, replace)
        second, *more = self.lbs[1:]
        line = f"  {second.name}: {second.address}\n"
        assert not more or line in text, f"{config.REFERENCE} has no {line!r}"
        return text.replace(line, line + "".join(f"  {node.name}: {node.address}\n" for node in more))

    def start(self, text: str | None = None, within: float = 10.0, **options: Any) -> LoadBalancer:
        """Starts lbd on every load balancer and waits for an owner that serves both ports; returns it."""
        for balancer in self.lbs:
            balancer.start(text, wait=False, **options)
        for balancer in self.lbs:
            balancer.wait_up(within)
        eventually(lambda: len(self.holders()) == 1, within, "one owner of the VIP")
        for port, path, tls in ((80, "/", False), (topology.API_PORT, "/readyz", True)):
            eventually(
                lambda p=port, w=path, t=tls: self.client.get(topology.VIP, p, w, t, 1.0).status == 200,
                within,
                f"service on port {port} of the VIP",
            )
        return self.owner()

    def start_guide(self, interval: float = 1.0, multicast: bool = False) -> LoadBalancer:
        """Starts HAProxy and Keepalived on every load balancer and waits for the owner; returns it."""
        for balancer in self.lbs:
            peers = [other.address for other in self.lbs if other is not balancer]
            balancer.start_guide(interval, multicast, peers)
        eventually(lambda: len(self.holders()) == 1, 10.0 + 4 * interval, "one owner of the VIP")
        eventually(lambda: self.client.get(topology.VIP, 80, timeout=1.0).status == 200, 10.0, "service on the VIP")
        return self.owner()

    def holders(self) -> list[LoadBalancer]:
        """The nodes that have the VIP at this moment, also those that are cut off."""
        return [balancer for balancer in self.lbs if balancer.has_address()]

    def owner(self) -> LoadBalancer:
        """The one node that has the VIP."""
        holders = self.holders()
        assert len(holders) == 1, f"the VIP is on {holders}"
        return holders[0]

    def other(self, balancer: LoadBalancer) -> LoadBalancer:
        """The other one of two."""
        return next(candidate for candidate in self.lbs if candidate is not balancer)

    def logs(self, lines: int = 40) -> str:
        """The tails of the logs of all load balancers."""
        return "\n".join(balancer.logs(lines) for balancer in self.lbs)

    # Measuring

    def openloop(
        self,
        port: int = 80,
        path: str = "/",
        interval_ms: float = 5,
        timeout_ms: float = 3000,
        mode: str = "http",
        address: str = topology.VIP,
        host: Host | None = None,
    ) -> OpenLoop:
        """A new connection every `interval_ms`; mode http, any (any answer), connect (only), banner or echo."""
        rate = ("-i", str(interval_ms), "-T", str(timeout_ms))
        return OpenLoop(host or self.client, *rate, "-m", mode, "-p", path, address, str(port))

    def sessions(
        self,
        count: int = 50,
        port: int = 80,
        interval_ms: float = 20,
        echo: bool = False,
        path: str = "/",
        address: str = topology.VIP,
    ) -> Sessions:
        """Long-lived sessions that each ask every `interval_ms`, HTTP or echo; begins once all have been answered."""
        options = ("-n", str(count), "-i", str(interval_ms), "-p", path, *(("-e",) if echo else ()))
        return Sessions(self.client, *options, address, str(port))

    def streams(self, *kinds: str, port: int = topology.ECHO_PORT, address: str = topology.VIP) -> Streams:
        """Sessions with an echo server, each kind as NAME:COUNT:BYTES:MS (MS 0: as fast as it goes, BYTES 0: idle)[:half]."""
        options = [word for kind in kinds for word in ("-k", kind)]
        return Streams(self.client, *options, address, str(port))

    def arpprobe(self, address: str = topology.VIP, interval_ms: float = 10) -> ArpProbe:
        """Who answers for the address, asked from the observer."""
        return ArpProbe(self.observer, "-i", str(interval_ms), topology.INTERFACE, address)

    def crowd(
        self, count: int, port: int, rate: float = 0, text: str = "", address: str = topology.VIP, host: Host | None = None
    ) -> Crowd:
        """So many connections at once (or `rate` a second) that, but for an optional first text, stay silent."""
        options = (*(("-r", str(rate)) if rate else ()), *(("-s", text) if text else ()))
        return Crowd(host or self.client, "-n", str(count), *options, address, str(port))

    def flood(self, node: Host, socket: Path, path: str, clients: int = 16) -> Flood:
        """So many clients on the node that ask for the path over a socket without a pause."""
        return Flood(node, "-c", str(clients), str(socket), path)

    def halfclose(self, count: int, port: int, answers: bool = False) -> HalfClose:
        """A client that half-closes so many connections after it has spoken, or answers a server that does."""
        return HalfClose(self.client, *(("-e",) if answers else ()), "-n", str(count), topology.VIP, str(port))

    def synflood(self, rate: float, address: str, port: int) -> SynFlood:
        """So many SYNs a second from the client's place."""
        return SynFlood(self.client, "-r", str(rate), address, str(port))
