"""Goal: the static pod of conf/kubernetes/ runs under an OCI runtime with what its manifest grants, and with nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Iterator

import pytest
import yaml

from lab import VIP, Lab, container, eventually, package
from lab.container import Image, PodNode
from lab.lb import LoadBalancer
from lab.paths import REPOSITORY

pytestmark = [pytest.mark.systemd, pytest.mark.patient]

MANIFEST = REPOSITORY / "conf/kubernetes/lbd.yaml"
NET_ADMIN, NET_RAW, NET_BIND_SERVICE = 1 << 12, 1 << 13, 1 << 10


@pytest.fixture(name="pods")
def pods_of_both(lab: Lab) -> Iterator[list[PodNode]]:
    """The pod of the manifest on both nodes, nothing started."""
    reason = container.missing() or package.missing()
    if reason:
        pytest.skip(reason)
    pod = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))
    pods = [PodNode(node, Image(package.image()), pod) for node in lab.lbs]
    for node in lab.lbs:
        key = node.config_file.parent / "cluster.key"
        key.write_bytes(lab.key_file.read_bytes())
        key.chmod(0o600)
    with container.control_groups():
        yield pods
        for node in lab.lbs:
            node.kill_all()


def status(pid: int) -> dict[str, int]:
    """Accounts, capabilities and the like of a process, each the last of its line."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return {key: int(value, 16) for key, value in re.findall(r"^(Cap\w+|NoNewPrivs|Uid):.*\t(\w+)$", text, re.MULTILINE)}


def keeper(node: LoadBalancer) -> int:
    """The process id of the keeper, which is the first process of its container."""
    return int(Path(f"/proc/{node.proxy_pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])


def left(node: LoadBalancer) -> bool:
    """Whether an address or a rule of lbd is on the node."""
    return VIP in node.addresses() or "lbd" in node.run("nft", "list", "tables")


def test_static_pod(lab: Lab, pods: list[PodNode]) -> None:
    """Owner, service, probe, reload, hand-over; a container that was killed leaves its address to the next start's first
    container, one that is stopped leaves nothing."""
    config = lab.config().replace(str(lab.key_file), "/etc/lbd/cluster.key")
    for pod in pods:
        pod.start("lbd", config)
    for node in lab.lbs:
        node.wait_up()
    eventually(lambda: lab.client.get(VIP, 80, timeout=1.0).status == 200, 10.0, "service on the VIP")

    # What is granted serves to become another account; three capabilities stay, and none for the proxy.
    for node in lab.lbs:
        mine, proxy = status(keeper(node)), status(node.proxy_pid)
        assert mine["CapEff"] == mine["CapPrm"] == NET_ADMIN | NET_RAW | NET_BIND_SERVICE and mine["CapAmb"] == 0
        assert proxy["CapEff"] == proxy["CapPrm"] == proxy["CapAmb"] == 0
        assert mine["Uid"] == proxy["Uid"] != 0 and mine["NoNewPrivs"] == proxy["NoNewPrivs"] == 1
        mounts = [line.split() for line in Path(f"/proc/{node.proxy_pid}/mountinfo").read_text(encoding="utf-8").splitlines()]
        assert [mount[5].split(",")[0] for mount in mounts if mount[4] in ("/", "/etc/lbd", "/run/lbd")] == ["ro", "ro", "rw"]

    # One warning for each thing that a container does not give, and no failure.
    for node in lab.lbs:
        warnings = re.findall(r"^<4>\S+ (.*?):", node.log.read_text(encoding="utf-8"), re.MULTILINE)
        assert len(warnings) == len(set(warnings)) and set(warnings) <= {"memory is not locked", "no realtime priority"}, warnings

    owner = next(pod for pod in pods if pod.node is lab.owner())
    peer = next(pod for pod in pods if pod is not owner)
    for pod in pods:
        probe = pod.pod["spec"]["containers"][0]["livenessProbe"]["exec"]["command"]
        assert pod.inside("lbd", *probe).code == 0
        assert pod.inside("lbd", "/usr/bin/lbctl", "reload").code == 0
    assert owner.inside("lbd", "/usr/bin/lbctl", "failover", "--wait").code == 0
    assert lab.owner() is peer.node

    peer.kill("lbd", "KILL")
    eventually(lambda: lab.owner() is owner.node and owner.node.role() == "active", 5.0, "the VIP after a kill")
    assert "lbd" in peer.node.run("nft", "list", "tables")
    assert peer.run("resign").code == 0 and not left(peer.node)

    owner.kill("lbd", "TERM")
    assert owner.node.process and owner.node.process.wait(15.0) == 0
    assert not left(owner.node)
