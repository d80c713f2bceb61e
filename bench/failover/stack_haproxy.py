"""HAProxy and Keepalived of the distribution: as the guide for highly available kubeadm clusters sets them up, and tuned."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
from pathlib import Path
from typing import ClassVar

from lab import VIP, netns
from lab.node_faults import preload
from lab.topology import API_PORT, HTTP_PORT, HTTPS_PORT, INTERFACE, MASTERS, WORKERS, address

from .node import Node
from .stack import PORT, Stack, send, servers

_HAPROXY = """\
global
    maxconn 5000
    stats socket {socket} mode 660 level admin
defaults
    mode tcp
    option dontlognull
{defaults}
frontend kube-api
    bind *:{api_port}
    default_backend kube-api
backend kube-api
    balance roundrobin
    option httpchk
    http-check connect ssl
    http-check send meth GET uri /readyz
    http-check expect status 200
{api}frontend ingress-http
    bind *:80
    default_backend ingress-http
backend ingress-http
    balance source
    option httpchk GET /healthz
{http}frontend ingress-https
    bind *:443
    default_backend ingress-https
backend ingress-https
    balance source
{https}frontend bench
    bind *:{port}
    default_backend bench
backend bench
    balance roundrobin
    option httpchk GET /healthz
{bench}"""

_KEEPALIVED = """\
global_defs {{
    router_id {name}
    script_user root
    enable_script_security
{globals}}}
vrrp_script check_apiserver {{
    script "{script}"
{check}}}
vrrp_instance VI_1 {{
    state {state}
    interface {interface}
    virtual_router_id 51
    priority {priority}
{instance}    virtual_ipaddress {{
        {vip}
    }}
    track_script {{
        check_apiserver
    }}
}}
"""


def _lines(hosts: tuple[str, ...], port: int, check: str) -> str:
    return "".join(f"    server {host} {address(host)}:{port} {check}\n" for host in hosts)


class Guide(Stack):
    """The values of the kubeadm guide; nobody restarts what ends."""

    name = "guide"
    title = "HAProxy and Keepalived, the kubeadm guide's values"
    election = ("keepalived",)
    proxy = ("haproxy",)
    interval = 1.0
    patient = True
    kept: ClassVar[bool] = False
    # `check inter 2s fall 3` is what HAProxy does unless told; the guide leaves it so.
    defaults: ClassVar[str] = """\
    option redispatch
    retries 1
    timeout queue 20s
    timeout connect 5s
    timeout client 35s
    timeout server 35s
    timeout check 10s
    default-server inter 2s fall 3
"""
    globals: ClassVar[str] = ""
    check: ClassVar[str] = "    interval 3\n    weight -2\n    fall 10\n    rise 2\n"
    script: ClassVar[str] = f"curl -sfk --max-time 2 https://localhost:{API_PORT}/readyz -o /dev/null\n"
    instance: ClassVar[str] = "    advert_int 1\n    authentication {\n        auth_type PASS\n        auth_pass k8s-lab\n    }\n"

    def prepare(self) -> None:
        for node in self.nodes:
            netns.sysctl(node.name, "ipv4/ip_nonlocal_bind", "1")
            self._write_haproxy(node)
            self._write_keepalived(node)

    def _write_haproxy(self, node: Node) -> None:
        text = _HAPROXY.format(
            socket=self._socket(node),
            defaults=self.defaults,
            api_port=API_PORT,
            port=PORT,
            api=_lines(MASTERS, API_PORT, "check check-ssl verify none"),
            http=_lines(WORKERS, HTTP_PORT, "check"),
            https=_lines(WORKERS, HTTPS_PORT, "check"),
            bench=servers("    server {name} {address} check"),
        )
        (node.directory / "haproxy.cfg").write_text(text, encoding="ascii")

    def _write_keepalived(self, node: Node) -> None:
        script = node.directory / "check_apiserver.sh"
        script.write_text(f"#!/bin/sh\n{self.script}", encoding="ascii")
        script.chmod(0o755)
        first = node is self.nodes[0]
        text = _KEEPALIVED.format(
            name=node.name,
            script=script,
            interface=INTERFACE,
            state="MASTER" if first else "BACKUP",
            priority=101 if first else 100,
            vip=VIP,
            globals=self.globals,
            check=self.check,
            instance=self.instance,
        )
        (node.directory / "keepalived.conf").write_text(text, encoding="ascii")

    @staticmethod
    def _socket(node: Node) -> Path:
        return node.directory / "haproxy.sock"

    def start(self, node: Node) -> None:
        directory = node.directory
        if not node.pids("haproxy"):
            node.release("haproxy")
            node.spawn("haproxy", "haproxy", "-W", "-db", "-f", str(directory / "haproxy.cfg"), kept=self.kept)
        if not node.pids("keepalived"):
            node.release("keepalived")
            self._start_keepalived(node)

    def _start_keepalived(self, node: Node) -> None:
        files = [word for flag in ("-p", "-r", "-c") for word in (flag, f"{node.directory}/keepalived{flag}.pid")]
        for file in node.directory.glob("keepalived-*.pid"):
            file.unlink()
        configuration = str(node.directory / "keepalived.conf")
        argv = ("keepalived", "--dont-fork", "--log-console", "--log-detail", "-f", configuration, *files)
        node.spawn("keepalived", *argv, kept=self.kept, priority=self.kept, env=preload("setgroups"))

    def stop(self, node: Node) -> None:
        for name in ("keepalived", "haproxy"):
            node.release(name)
            for pid in node.roots(name):
                send(pid, signal.SIGTERM)

    def switch(self, node: Node) -> None:
        node.release("keepalived")
        for pid in node.roots("keepalived"):
            send(pid, signal.SIGTERM)

    def reload(self, node: Node) -> None:
        for name, number in (("haproxy", signal.SIGUSR2), ("keepalived", signal.SIGHUP)):
            for pid in node.roots(name):
                send(pid, number)

    def healthy(self) -> bool:
        return all(self._servers_up(node) and self._check_passes(node) and node.pids("keepalived") for node in self.nodes)

    def settled(self) -> bool:
        return self.healthy() and self.owner() is self.nodes[0]

    def _servers_up(self, node: Node) -> bool:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(1.0)
            asking.connect(str(self._socket(node)))
            asking.sendall(b"show stat\n")
            text = b"".join(iter(lambda: asking.recv(65536), b"")).decode()
        rows = [line.split(",") for line in text.splitlines() if line and not line.startswith("#")]
        states = [row[17] for row in rows if row[1] not in ("FRONTEND", "BACKEND")]
        return bool(states) and all(state.startswith(("UP", "no check")) for state in states)

    @staticmethod
    def _check_passes(node: Node) -> bool:
        """Whether the last that Keepalived said of its check is good."""
        with contextlib.suppress(OSError):
            text = (node.directory / "keepalived.log").read_text(encoding="utf-8", errors="replace")
            said = re.findall(r"[Ss]cript[ (`]+check_apiserver[`')]* (?:now returning|succeeded|failed|timed[_ ]out).*", text)
            return bool(said) and ("succeeded" in said[-1] or said[-1].endswith("now returning 0"))
        return False


class Tuned(Guide):
    """Everything as fast as the two programs can be told without becoming unsafe, under a supervisor that restarts both."""

    name = "tuned"
    title = "HAProxy and Keepalived, tuned and supervised"
    interval = 0.1
    patient = False
    kept = True
    defaults = """\
    option redispatch 1
    timeout queue 20s
    timeout connect 200ms
    timeout client 1h
    timeout server 1h
    default-server inter 200ms
"""
    globals = "    vrrp_version 3\n"
    check = "    interval 1\n    weight -10\n    fall 1\n    rise 1\n"
    script = f"pidof haproxy >/dev/null && curl -sfk --max-time 1 https://localhost:{API_PORT}/readyz -o /dev/null\n"
    instance = "    advert_int 0.1\n"
