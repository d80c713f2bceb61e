"""Goal: under a real systemd lbd starts when the network is there, is ready when it serves, and holds no privilege too many."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab import eventually
from lab.systemd import SystemdLab, SystemdNode

pytestmark = pytest.mark.systemd

NET_ADMIN, NET_RAW, NET_BIND_SERVICE = 1 << 12, 1 << 13, 1 << 10


def stamps(node: SystemdNode, unit: str) -> dict[str, int]:
    """When the unit was begun and finished to start, in microseconds of the machine."""
    told = node.systemctl("show", "-p", "InactiveExitTimestampMonotonic,ActiveEnterTimestampMonotonic", unit).stdout
    return {line.split("=")[0]: int(line.split("=")[1]) for line in told.split()}


def capabilities(pid: int) -> dict[str, int]:
    """The capability sets of a process, and whether it can gain privileges."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return {key: int(value, 16) for key, value in re.findall(r"(Cap\w+|NoNewPrivs):\s+(\w+)", status)}


def test_started_after_the_network(machines: SystemdLab) -> None:
    """At boot, enabled and nothing else: it waits for the network, and the boot waits for it."""
    machines.settle()
    for node in machines.nodes:
        online = stamps(node, "network-online.target")["ActiveEnterTimestampMonotonic"]
        assert 0 < online <= stamps(node, "lbd.service")["InactiveExitTimestampMonotonic"]
        assert node.show("NRestarts") == "0", node.journal()


def test_ready_means_in_force(machines: SystemdLab) -> None:
    """`systemctl start` returns when the configuration is in force: the API answers at that moment."""
    machines.settle()
    node = machines.nodes[1]
    assert node.systemctl("stop", "lbd").code == 0
    assert node.systemctl("start", "lbd").code == 0
    assert node.show("StatusText") == "running"
    assert node.lbctl("config").code == 0
    assert node.lbctl("status").stdout.startswith("k8s on ")


def test_privileges(machines: SystemdLab) -> None:
    """Three capabilities for the keeper, none for the process that sees clients' bytes; neither is root."""
    machines.settle()
    three = NET_ADMIN | NET_RAW | NET_BIND_SERVICE
    for node in machines.nodes:
        keeper, proxy = capabilities(node.pid), capabilities(node.proxy_pid)
        assert keeper["CapEff"] == keeper["CapPrm"] == keeper["CapBnd"] == three and keeper["CapAmb"] == 0
        assert proxy["CapEff"] == proxy["CapPrm"] == proxy["CapAmb"] == 0
        assert keeper["NoNewPrivs"] == proxy["NoNewPrivs"] == 1
        for pid in (node.pid, node.proxy_pid):
            assert Path(f"/proc/{pid}").stat().st_uid != 0
        assert node.on("stat", "-c", "%U:%G %a", "/run/lbd/lbd.sock").stdout == "lbd:lbd 660\n"


def test_reload(machines: SystemdLab) -> None:
    """systemd is told of the reload and of its end, whoever asked for it."""
    machines.settle()
    node = machines.nodes[0]
    node.systemctl("log-level", "debug")
    assert node.systemctl("reload", "lbd").code == 0
    assert node.systemctl("kill", "-s", "HUP", "--kill-whom=main", "lbd").code == 0
    eventually(lambda: node.journal("-n", "200").count("reload applied") >= 2, 3.0)
    node.systemctl("log-level", "info")
    told = re.findall(r"Got notification message from PID \d+ \((.*)\)", node.on("journalctl", "-n", "400", "_PID=1").stdout)
    words = [word for line in told for word in re.findall(r"RELOADING=1|READY=1|MONOTONIC_USEC", line)]
    assert words == ["RELOADING=1", "MONOTONIC_USEC", "READY=1"] * 2, told
    assert node.show("StatusText") == "configuration reloaded" and node.show("ActiveState") == "active"


def test_reload_refused(machines: SystemdLab) -> None:
    """`systemctl reload` fails with the reason, the service runs on with what it had."""
    machines.settle()
    node = machines.nodes[0]
    former, config = node.pid, node.status()["config"]
    node.write_config(machines.config().replace("listen: 6443", "listen: 64430000"))
    try:
        assert node.systemctl("reload", "lbd").code != 0
        assert "64430000" in node.journal("-n", "20"), node.journal("-n", "20")
        assert node.show("ActiveState") == "active" and node.pid == former and node.status()["config"] == config
    finally:
        node.write_config()
    assert node.systemctl("reload", "lbd").code == 0


def test_key_as_a_credential(machines: SystemdLab) -> None:
    """The key may stay root's: systemd hands it over."""
    machines.settle()
    node = machines.nodes[1]
    node.on("sh", "-c", "chown root: /etc/lbd/cluster.key")
    node.drop_in("credential", "[Service]\nLoadCredential=cluster.key:/etc/lbd/cluster.key\n")
    try:
        text = machines.config().replace("/etc/lbd/cluster.key", "/run/credentials/lbd.service/cluster.key")
        node.systemctl("stop", "lbd")
        node.start(text)
        peers = [entry for entry in node.status()["nodes"] if not entry["self"]]
        assert machines.settle() and peers[0]["name"] == machines.nodes[0].name
        assert "advert dropped" not in node.journal("-n", "50")
    finally:
        node.on("sh", "-c", "chown lbd: /etc/lbd/cluster.key")
        node.drop_in("credential", None)
        node.write_config()
        node.systemctl("restart", "lbd")
