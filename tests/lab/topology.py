"""The reference cluster: who is there and at which address."""

from __future__ import annotations

VIP = "10.196.35.30"
VIP6 = "fd00:35::30"
INTERFACE = "eth0"
SECOND_INTERFACE = "eth1"
SWITCH = "switch"

LOAD_BALANCERS = ("k8s-lb-1", "k8s-lb-2", "k8s-lb-3", "k8s-lb-4", "k8s-lb-5")
MASTERS = ("k8s-master-1", "k8s-master-2", "k8s-master-3")
WORKERS = ("k8s-worker-1", "k8s-worker-2", "k8s-worker-3")
CLIENT = "client"
OBSERVER = "observer"

# The last byte of a host's address; the observer asks for ARP so that the client learns nothing from the answers.
HOST_NUMBERS = {
    "k8s-master-1": 20,
    "k8s-master-2": 21,
    "k8s-master-3": 22,
    "k8s-worker-1": 23,
    "k8s-worker-2": 24,
    "k8s-lb-1": 25,
    "k8s-lb-2": 26,
    "k8s-worker-3": 27,
    "k8s-lb-3": 28,
    "k8s-lb-4": 29,
    "k8s-lb-5": 32,
    CLIENT: 100,
    OBSERVER: 101,
}

API_PORT = 6443
HTTP_PORT = 30080
HTTPS_PORT = 30443
PROXY_HTTP_PORT = 30081  # the same page for clients that send a PROXY header
ECHO_PORT = 30007
ETCD_PORT = 2379


def address(host: str) -> str:
    """The host's IPv4 address."""
    return f"10.196.35.{HOST_NUMBERS[host]}"


def address6(host: str) -> str:
    """The host's IPv6 address."""
    return f"fd00:35::{HOST_NUMBERS[host]}"


def mac(host: str) -> str:
    """The hardware address of the host's interface."""
    return f"02:00:0a:c4:23:{HOST_NUMBERS[host]:02x}"


def host_of_mac(station: str) -> str:
    """The host with that hardware address, or the hardware address itself for a stranger."""
    return next((host for host in HOST_NUMBERS if mac(host) == station), station)
