"""Goal: the Debian package installs, upgrades under load, and leaves a machine as it found it, but for what people wrote."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Iterator

import pytest

from lab import eventually, package, paths, sanitizer, systemd, topology
from lab.systemd import UNIT, SystemdLab, SystemdNode

from measure import failures

pytestmark = [pytest.mark.systemd, pytest.mark.patient]

CONTENTS = (
    "./usr/sbin/lbd ./usr/bin/lbctl ./usr/libexec/lbd/lbd-proxy ./lib/systemd/system/lbd.service ./usr/lib/sysusers.d/lbd.conf"
    " ./usr/lib/tmpfiles.d/lbd.conf ./usr/share/man/man8/lbd.8.gz ./usr/share/man/man8/lbctl.8.gz ./usr/share/man/man5/lbd.yaml.5.gz"
    " ./usr/share/bash-completion/completions/lbctl ./usr/share/lbd/prometheus/lbd.rules.yml"
    " ./usr/share/lbd/grafana/lbd.json ./usr/share/doc/lbd/examples/kubernetes/lbd.yaml"
    " ./usr/share/doc/lbd/examples/lbd.yaml ./usr/share/doc/lbd/examples/lbd.full.yaml ./usr/share/doc/lbd/README.md.gz"
).split()
UPGRADE_GAP_MS = 100
POLICY = "/usr/sbin/policy-rc.d"


@pytest.fixture(name="deb", scope="module")
def built_package() -> Path:
    """The package of these sources with the programs under test."""
    if package.missing():
        pytest.skip(package.missing())
    if sanitizer.active():
        pytest.skip("a package has no sanitizer")
    return package.pack()


@pytest.fixture(name="bare", scope="module")
def machines_without_lbd() -> Iterator[SystemdLab]:
    """Machines with a configuration and a key, written by people, and without lbd."""
    reason = systemd.missing()
    if reason:
        pytest.skip(reason)
    with SystemdLab(bare=True) as lab:
        yield lab


def host(node: SystemdNode) -> dict[str, object]:
    """What an installation must not leave changed: addresses, rules, settings of the kernel, what people wrote, files."""
    settings = node.on("sh", "-c", "sysctl -a 2>/dev/null | grep '^net.ip\\|^vm\\|^kernel.sched' | grep -v 'retrans\\|base_reachable'").stdout
    found = node.on("sh", "-c", "find /usr /lib /etc /run /var/lib -xdev -iname '*lbd*' -not -path '*/lab*' | sort").stdout.split()
    return {
        "addresses": node.on("ip", "-br", "address").stdout,
        "links": node.on("ip", "-br", "link").stdout,
        "rules": node.on("nft", "list", "ruleset").stdout,
        "settings": settings,
        "written": node.on("sh", "-c", "sha256sum /etc/lbd/*; ls /etc/lbd").stdout,
        "files": found,
    }


@pytest.fixture(name="before", scope="module")
def hosts_before(bare: SystemdLab) -> dict[str, dict[str, object]]:
    """The machines before the first installation."""
    return {node.name: host(node) for node in bare.nodes}


def test_contents(deb: Path) -> None:
    """Everything is in it, nothing of /etc but the directory, and lintian finds no error."""
    listed = {line.split()[5] for line in package.run("dpkg-deb", "-c", deb).splitlines()}
    assert not set(CONTENTS) - listed
    assert {name for name in listed if name.startswith("./etc/")} == {"./etc/", "./etc/lbd/"}
    package.run("lintian", "--fail-on", "error", "--allow-root", deb)


def build_elsewhere(out: Path, **environment: str) -> Path:
    """The package, built with another time zone, umask, home and compiler."""
    before = os.umask(0o077)
    try:
        return package.build(out, TZ="Asia/Tokyo", CC="gcc", HOME="/nonexistent", **environment)
    finally:
        os.umask(before)


def test_packed_reproducibly(deb: Path, tmp_path: Path) -> None:
    """The same programs packed at another time and place: the same bytes."""
    again = build_elsewhere(tmp_path, LBD_PREBUILT=str(paths.build()))
    assert deb.read_bytes() == again.read_bytes()


@pytest.mark.skipif(os.environ.get("LBD_FULL") != "1", reason="builds the package twice: LBD_FULL=1")
def test_reproducible(tmp_path: Path) -> None:
    """Built from the sources in two directories: the same bytes."""
    first = package.build(tmp_path / "here")
    assert first.read_bytes() == build_elsewhere(tmp_path / "elsewhere").read_bytes()


def test_install_and_enable(bare: SystemdLab, deb: Path, before: dict[str, object]) -> None:
    """Installed it neither runs nor is enabled; `systemctl enable --now` is all that is left to do."""
    assert len(before) == 2
    for node in bare.nodes:
        node.install(deb)
        assert node.systemctl("is-enabled", UNIT).stdout.strip() == "disabled"
        assert node.systemctl("is-active", UNIT).stdout.strip() == "inactive"
        assert node.on("stat", "-c", "%U %a", "/etc/lbd/cluster.key").stdout == "lbd 600\n"
        done = node.systemctl("enable", "--now", UNIT)
        assert done.code == 0, f"{done.stderr}\n{node.journal('-n', '20')}"
    bare.settle()
    for node in bare.nodes:
        log = node.journal()
        assert "not restricted" not in log and "cannot" not in log, log


def exe(pid: int) -> int:
    """Which file the process executes."""
    return os.stat(f"/proc/{pid}/exe").st_ino


def terms(bare: SystemdLab) -> list[str]:
    """The nodes' roles, and since when the owner has its own."""
    return sorted(status["role"] + status["since"] * (status["role"] == "active") for status in (n.status() for n in bare.nodes))


def replaced(bare: SystemdLab, node: SystemdNode, deb: Path) -> None:
    """Installs the package: its programs run afterwards, and for systemd and for the other node nothing has happened."""
    main, proxy, file, term = node.show("MainPID"), node.proxy_pid, exe(node.pid), terms(bare)
    told = node.install(deb)
    assert " was replaced by lbd " in told and "is restarted" not in told, f"{told}{node.journal('-n', '30')}"
    assert node.show("MainPID") == main and node.show("NRestarts") == "0"
    assert node.systemctl("is-active", UNIT).stdout.strip() == "active"
    assert exe(node.pid) != file and node.proxy_pid != proxy
    installed = node.on("stat", "-c", "%i", "/usr/sbin/lbd", "/usr/libexec/lbd/lbd-proxy").stdout.split()
    assert [str(exe(pid)) for pid in (node.pid, node.proxy_pid)] == installed
    # A backup begins anew, and is one again once it has its proxy.
    eventually(lambda: terms(bare) == term, 5.0, f"{term} as before")


def test_upgrade_under_load(bare: SystemdLab, deb: Path, tmp_path: Path) -> None:
    """To another version, one node after the other: no session ends, no client is refused, no role changes.

    Where the administrator has packages leave services alone, nothing happens at all.
    """
    owner = bare.settle()
    peer = next(node for node in bare.nodes if node is not owner)
    newer = package.renumber(deb, f"{package.version()}+1", tmp_path, "next")
    processes = (peer.pid, exe(peer.pid), peer.proxy_pid)
    peer.on("install", "-m", "755", "/dev/stdin", POLICY, stdin="#!/bin/sh\nexit 101\n")
    peer.install(newer)
    peer.on("rm", POLICY)
    assert processes == (peer.pid, exe(peer.pid), peer.proxy_pid)
    with bare.sessions(100) as sessions, bare.arpprobe() as arp, bare.openloop() as load:
        eventually(lambda: len(load.connections()) >= 100)
        for node in (peer, owner):
            replaced(bare, node, newer)
        # For longer than a SYN that was held back takes to come again.
        load.succeeds_after(time.monotonic() + 1.5)
        assert owner.role() == "active"
    assert sessions.broken() == []
    assert load.result().failures == {}, [c for c in load.connections() if c.outcome != 'ok']
    assert arp.both_ms() == 0


def test_upgrade_without_a_peer(bare: SystemdLab, deb: Path, tmp_path: Path) -> None:
    """Nobody to hand over to: that is not needed."""
    owner = bare.settle()
    peer = next(node for node in bare.nodes if node is not owner)
    peer.systemctl("stop", UNIT)
    assert peer.show("Result") == "success"
    main = owner.pid
    with bare.sessions(50) as sessions:
        told = owner.install(package.renumber(deb, f"{package.version()}+2", tmp_path, "later"))
        assert owner.pid == main and owner.role() == "active", told
        eventually(lambda: bare.client.get(topology.VIP, 80, timeout=1.0).status == 200, 10.0, "service on the VIP")
    assert sessions.broken() == []
    peer.systemctl("start", UNIT)


def test_upgrade_that_is_refused(bare: SystemdLab, deb: Path, tmp_path: Path) -> None:
    """To a version that does not understand what runs: it is restarted after the VIP has moved, and with it the sessions."""
    owner = bare.settle()
    peer = next(node for node in bare.nodes if node is not owner)
    former = owner.pid
    with bare.sessions(50) as sessions, bare.arpprobe() as arp, bare.openloop() as load:
        eventually(lambda: len(load.connections()) >= 100)
        began = time.monotonic()
        told = owner.install(package.renumber(deb, f"{package.version()}+3", tmp_path))
        ended = time.monotonic()
        load.succeeds_after(ended + 1.5)
        owner.wait_up()
    assert "is restarted" in told and "the VIP was handed over before the restart" in told, told
    assert owner.pid != former and owner.show("NRestarts") == "0"
    assert peer.role() == "active" and peer.status()["reason"] == "handover"
    assert sessions.broken() == []
    assert failures(load, began, ended) == []
    assert load.result().gap_ms <= UPGRADE_GAP_MS
    assert arp.both_ms() == 0


def test_remove_and_purge(bare: SystemdLab, deb: Path, before: dict[str, dict[str, object]]) -> None:
    """Removed while it owns the VIP, and disabled before: addresses, rules, settings and people's files are as they were."""
    owner = bare.settle()
    peer = next(node for node in bare.nodes if node is not owner)
    owner.dpkg("-r", "lbd")
    eventually(lambda: peer.role() == "active" and not owner.has_address(), 10.0, "the VIP is at the peer")
    assert peer.systemctl("disable", "--now", UNIT).code == 0
    peer.dpkg("-r", "lbd")
    for node in bare.nodes:
        node.dpkg("-P", "lbd")
        node.systemctl("daemon-reload")
        assert host(node) == before[node.name]
        assert node.systemctl("is-active", UNIT).stdout.strip() != "active"
    assert deb.exists()
