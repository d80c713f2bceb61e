"""Goal: the PROXY protocol, v1 and v2, IPv4 and IPv6, with Debian's nginx and HAProxy at either end of lbd.

Behind lbd, nginx and HAProxy tell whom they take the client for; in front of it, both speak for the client, and lbd
tells a server behind it. Who is not in accept_proxy_from is not believed.
"""

from __future__ import annotations

import contextlib
import http.client
from pathlib import Path
from typing import Iterator

import pytest

from lab import Lab, eventually, topology
from lab.host import Host

pytestmark = pytest.mark.patient

# Ports of the services of lbd, of HAProxy behind it, and of the proxies before it.
NGINX_V1, NGINX_V2, HAPROXY_V1, HAPROXY_V2, TRUSTING = 8101, 8102, 8103, 8104, 8110
HAPROXY_PORT = 30090
HAPROXY_SENDS_V1, HAPROXY_SENDS_V2, NGINX_SENDS_V1 = 9001, 9002, 9003
# Where lbd listens: VIPs are of the family of the nodes, so the IPv6 address is a node's own.
LISTENS6 = topology.address6(topology.LOAD_BALANCERS[0])
FAMILIES = {"ipv4": topology.VIP, "ipv6": LISTENS6}

HAPROXY = """\
global
    maxconn 500
defaults
    timeout connect 5s
    timeout client 1m
    timeout server 1m
frontend tells
    mode http
    bind :::{port} v4v6 accept-proxy
    http-request return status 200 content-type text/plain lf-string "haproxy %[src] %[dst]:%[dst_port]"
{speakers}
"""

SPEAKER = """\
listen speaks-{option}
    mode tcp
    bind :::{port} v4v6
    server lbd {vip}:{to} {option}
"""

NGINX_STREAM = """\
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
user root;
daemon off;
master_process off;
error_log stderr error;
pid {directory}/stream.pid;
events {{ }}
stream {{
    server {{
        listen {port};
        listen [::]:{port};
        proxy_pass {vip}:{to};
        proxy_protocol on;
    }}
}}
"""


def service(name: str, port: int, send: str, server: Host, server_port: int, more: str = "") -> str:
    """A service with one server, reached over the family of its name; checks speak the protocol, too."""
    address = f"[{server.address6}]" if name.endswith("ipv6") else server.address
    listen = f'"[{LISTENS6}]:{port}"' if name.endswith("ipv6") else f'"{topology.VIP}:{port}"'
    return f"""\
  {name}:
    listen: {listen}
    send_proxy: {send}
    check: {{type: http, path: /healthz}}
    servers: {{only: "{address}:{server_port}"}}
{more}"""


def configuration(lab: Lab) -> str:
    """The lab's file with every pair of lbd and a proxy, for both families."""
    worker, other, front = lab.workers
    text = lab.config()
    trusted = f'    accept_proxy: true\n    accept_proxy_from: [{front.address}, "{front.address6}"]\n'
    for family in FAMILIES:
        text += service(f"nginx-v1-{family}", NGINX_V1, "v1", worker, topology.PROXY_HTTP_PORT)
        text += service(f"nginx-v2-{family}", NGINX_V2, "v2", worker, topology.PROXY_HTTP_PORT)
        text += service(f"haproxy-v1-{family}", HAPROXY_V1, "v1", other, HAPROXY_PORT)
        text += service(f"haproxy-v2-{family}", HAPROXY_V2, "v2", other, HAPROXY_PORT)
        text += service(f"trusting-{family}", TRUSTING, "v2", other, HAPROXY_PORT, trusted)
    return text


def start_haproxy(host: Host, speakers: str = "") -> None:
    """HAProxy on the host; it tells at HAPROXY_PORT whom it takes the client for."""
    file = Path(host.directory) / "haproxy.cfg"
    file.write_text(HAPROXY.format(port=HAPROXY_PORT, speakers=speakers), encoding="ascii")
    host.spawn("haproxy", "-db", "-f", str(file))


@pytest.fixture(name="cluster", scope="module")
def cluster_of_proxies() -> Iterator[Lab]:
    """lbd, a HAProxy behind it, a HAProxy and an nginx on worker 3 before it, for each family in turn."""
    with Lab() as lab:
        front = lab.workers[2]
        start_haproxy(lab.workers[1])
        speakers = ""
        for number, vip in enumerate((topology.VIP, f"[{LISTENS6}]")):
            for option, port in (("send-proxy", HAPROXY_SENDS_V1), ("send-proxy-v2", HAPROXY_SENDS_V2)):
                values = {"option": option, "port": port + 10 * number, "vip": vip, "to": TRUSTING}
                speakers += SPEAKER.format(**values).replace(f"speaks-{option}", f"speaks-{option}-{number}")
            stream = front.directory / f"stream-{number}.conf"
            values = {"directory": front.directory, "port": NGINX_SENDS_V1 + 10 * number, "vip": vip, "to": TRUSTING}
            stream.write_text(NGINX_STREAM.format(**values), encoding="ascii")
            front.spawn("nginx", "-e", "stderr", "-c", str(stream), log=f"stream-{number}")
        start_haproxy(front, speakers)
        lab.start(configuration(lab))
        eventually(lambda: all_up(lab), 10.0, "every server up, asked with a PROXY header")
        yield lab


def all_up(lab: Lab) -> bool:
    """Whether every server has passed its check."""
    return all(s["state"] == "up" for entry in lab.owner().status()["services"] for s in entry["servers"])


def ask(lab: Lab, address: str, port: int) -> tuple[str, str]:
    """The answer to a fresh connection from the client, and the address and port that it came from."""
    sock = lab.client.connect(address, port)
    connection = http.client.HTTPConnection("lbd")
    connection.sock = sock
    with contextlib.closing(connection):
        own = sock.getsockname()[0]
        connection.request("GET", "/", headers={"Connection": "close"})
        response = connection.getresponse()
        assert response.status == 200
        return response.read().decode().strip(), own


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("port", [NGINX_V1, NGINX_V2], ids=["v1", "v2"])
def test_nginx_is_told_who_the_client_is(cluster: Lab, family: str, port: int) -> None:
    """nginx names the client, not lbd."""
    answer, own = ask(cluster, FAMILIES[family], port)
    assert answer == f"{cluster.workers[0].name} {own}"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("port", [HAPROXY_V1, HAPROXY_V2], ids=["v1", "v2"])
def test_haproxy_is_told_who_the_client_is_and_where_it_came_to(cluster: Lab, family: str, port: int) -> None:
    """HAProxy names the client, the VIP and the port of the service."""
    answer, own = ask(cluster, FAMILIES[family], port)
    assert answer == f"haproxy {own} {FAMILIES[family]}:{port}"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("port", [HAPROXY_SENDS_V1, HAPROXY_SENDS_V2, NGINX_SENDS_V1], ids=["haproxy-v1", "haproxy-v2", "nginx-v1"])
def test_a_trusted_proxy_speaks_for_its_client(cluster: Lab, family: str, port: int) -> None:
    """Client, proxy, lbd, HAProxy: the last one names the client and where it came to, and so does lbd."""
    front = cluster.workers[2]
    address, step = (front.address, 0) if family == "ipv4" else (front.address6, 10)
    answer, own = ask(cluster, address, port + step)
    assert answer == f"haproxy {own} {address}:{port + step}"


def test_lbd_lists_the_client_that_a_proxy_speaks_for(cluster: Lab) -> None:
    """The list of sessions and its filter go by the client of the header."""
    front = cluster.workers[2]
    with contextlib.closing(cluster.client.connect(front.address, HAPROXY_SENDS_V2)) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(4096).startswith(b"HTTP/1.1 200")
        own = f"{sock.getsockname()[0]}:{sock.getsockname()[1]}"
        listed = cluster.owner().api("GET", f"/v1/connections?client={topology.address('client')}")[1]["connections"]
        assert [(entry["service"], entry["client"]) for entry in listed] == [("trusting-ipv4", own)]


@pytest.mark.parametrize("family", FAMILIES)
def test_who_is_not_trusted_is_not_believed(cluster: Lab, family: str) -> None:
    """A header from a client outside of accept_proxy_from is its own bytes: HAProxy sees the true client say nonsense."""
    with contextlib.closing(cluster.client.connect(FAMILIES[family], TRUSTING)) as sock:
        sock.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(4096).startswith(b"HTTP/1.1 400")
    answer, own = ask(cluster, FAMILIES[family], TRUSTING)
    assert answer == f"haproxy {own} {FAMILIES[family]}:{TRUSTING}"


def test_a_trusted_proxy_that_sends_no_header_is_refused(cluster: Lab) -> None:
    """From accept_proxy_from the header is expected: without one there is a reset, and it is counted."""
    front = cluster.workers[2]
    with contextlib.closing(front.connect(topology.VIP, TRUSTING)) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            sock.recv(4096)
    assert "end=PR reason=bad-proxy-header" in cluster.owner().logs(50)
