"""HAProxy and Keepalived as the guides for highly available kubeadm clusters set them up, to compare lbd with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Iterable

from . import netns, topology
from .process import Process, tail
from .wait import eventually

if TYPE_CHECKING:
    from .lb import LoadBalancer

_HAPROXY = """\
global
    maxconn 5000
    stats socket {directory}/haproxy.sock mode 660 level admin
defaults
    mode tcp
    option dontlognull
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout check 1500ms
    default-server inter 2s fastinter 500ms rise 2 fall 3
listen kube-api
    bind {vip}:6443
    balance leastconn
    option httpchk GET /readyz
{masters}
listen ingress-http
    bind {vip}:80
    balance source
    option httpchk GET /healthz
{http}
listen ingress-https
    bind {vip}:443
    balance source
{https}
"""

_KEEPALIVED = """\
global_defs {{
    router_id {name}
    script_user root
    enable_script_security
    vrrp_garp_master_refresh 60
}}
vrrp_script check_haproxy {{
    script "{check}"
    interval 1
    fall 2
    rise 2
}}
vrrp_instance k8s {{
    state BACKUP
    interface {interface}
    virtual_router_id 51
    priority {priority}
    advert_int {advert_int}
    authentication {{
        auth_type PASS
        auth_pass k8s-lab
    }}
{unicast}    virtual_ipaddress {{
        {vip}/24
    }}
    track_script {{
        check_haproxy
    }}
}}
"""


def _servers(hosts: Iterable[str], port: int, check: str) -> str:
    return "\n".join(f"    server {host} {topology.address(host)}:{port} {check}" for host in hosts)


def _haproxy(node: LoadBalancer) -> Path:
    configuration = node.directory / "haproxy.cfg"
    text = _HAPROXY.format(
        directory=node.directory,
        vip=topology.VIP,
        masters=_servers(topology.MASTERS, topology.API_PORT, "check check-ssl verify none"),
        http=_servers(topology.WORKERS, topology.HTTP_PORT, "check"),
        https=_servers(topology.WORKERS, topology.HTTPS_PORT, "check"),
    )
    configuration.write_text(text, encoding="ascii")
    return configuration


def _keepalived(node: LoadBalancer, interval: float, multicast: bool, peers: list[str]) -> Path:
    check = node.directory / "check-haproxy"
    check.write_text(f'#!/bin/sh\ntest -e "/proc/$(cat {node.directory}/haproxy.pid)/exe"\n', encoding="ascii")
    check.chmod(0o755)
    unicast = ""
    if not multicast:
        lines = "".join(f"        {peer}\n" for peer in peers)
        unicast = f"    unicast_src_ip {node.address}\n    unicast_peer {{\n{lines}    }}\n"
    text = _KEEPALIVED.format(
        name=node.name,
        check=check,
        interface=topology.INTERFACE,
        priority=200 - 50 * topology.LOAD_BALANCERS.index(node.name),
        advert_int=f"{interval:g}",
        unicast=unicast,
        vip=topology.VIP,
    )
    configuration = node.directory / "keepalived.conf"
    configuration.write_text(text, encoding="ascii")
    return configuration


def start(node: LoadBalancer, interval: float, multicast: bool, peers: list[str]) -> list[Process]:
    """Starts both programs on the node and waits until Keepalived has entered a state."""
    netns.sysctl(node.name, "ipv4/ip_nonlocal_bind", "1")
    directory = node.directory
    configuration = _haproxy(node)
    haproxy = node.spawn("haproxy", "-db", "-f", str(configuration))
    (directory / "haproxy.pid").write_text(f"{haproxy.pid}\n", encoding="ascii")
    pids = ("-p", "-r", "-c")
    files = [word for flag in pids for word in (flag, f"{directory}/keepalived{flag}.pid")]
    configuration = _keepalived(node, interval, multicast, peers)
    keepalived = node.spawn("keepalived", "-n", "-l", "-D", "-f", str(configuration), *files)
    log = directory / "keepalived.log"

    def entered_a_state() -> bool:
        alive = haproxy.alive and keepalived.alive
        assert alive, node.logs()
        return "Entering " in tail(log, 1000)

    eventually(entered_a_state, 10.0, f"{node.name}: Keepalived in a state")
    return [haproxy, keepalived]
