"""Goal: under a real systemd lbd starts when the network is there, is ready when it serves, and holds no privilege too many."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path

import pytest

from lab import eventually
from lab.paths import program
from lab.systemd import SystemdLab, SystemdNode
from trial import memory_of

pytestmark = pytest.mark.systemd

NET_ADMIN, NET_RAW, NET_BIND_SERVICE = 1 << 12, 1 << 13, 1 << 10
EXPOSURE = 2.0  # of 10, as systemd-analyze counts


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
        node.power_off()
        node.boot(wait=False)
    for node in machines.nodes:
        node.wait_booted()
        assert node.systemctl("is-active", "lbd").stdout.strip() == "active"
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


def test_keeper_is_small_and_locked(machines: SystemdLab) -> None:
    """All of the keeper's memory is locked, and resident that is less than 12 MB."""
    machines.settle()
    if "memory is not locked" in machines.nodes[0].journal():
        pytest.skip("root may not lock as much memory here as the unit allows")
    for node in machines.nodes:
        memory = memory_of(node.pid)
        assert 0.9 * memory["VmSize"] <= memory["VmLck"] and memory["VmRSS"] < 12_000_000, memory


def test_unit_as_installed(machines: SystemdLab) -> None:
    """The unit of the package alone, with no setting of the lab's: as exposed as was agreed, and with a /dev of its own."""
    machines.settle()
    for node in machines.nodes:
        assert node.show("FragmentPath") == "/lib/systemd/system/lbd.service" and node.show("DropInPaths") == ""
        told = node.on("systemd-analyze", "--no-pager", "security", "lbd.service").stdout
        exposure = re.search(r"Overall exposure level for lbd.service: ([\d.]+)", told)
        assert exposure and float(exposure[1]) <= EXPOSURE, told
        for pid in (node.pid, node.proxy_pid):
            mounts = [line.split() for line in Path(f"/proc/{pid}/mountinfo").read_text(encoding="utf-8").splitlines()]
            assert [set(mount[5].split(",")) >= {"ro", "noexec"} for mount in mounts if mount[4] == "/dev"] == [True], mounts


def test_upgrade(machines: SystemdLab) -> None:
    """Both programs are new and the service is what it was: the same main process, active, with the same three capabilities, and
    every descriptor that systemd keeps. So after a crash that follows."""
    owner = machines.settle()
    main, kept, restarts = (owner.show(name) for name in ("MainPID", "NFileDescriptorStore", "NRestarts"))
    with machines.sessions(50) as sessions:
        for _ in range(2):
            term, proxy, before = terms(machines), owner.proxy_pid, capabilities(owner.pid)
            owner.on("sh", "-c", "cp -p /usr/sbin/lbd /usr/sbin/lbd.new && mv /usr/sbin/lbd.new /usr/sbin/lbd")
            installed = owner.on("stat", "-c", "%i", "/usr/sbin/lbd").stdout
            assert owner.on("stat", "-L", "-c", "%i", f"/proc/{main}/exe").stdout != installed
            done = owner.lbctl("upgrade")
            assert done.code == 0, done.stderr + owner.journal("-n", "30")
            assert owner.on("stat", "-L", "-c", "%i", f"/proc/{main}/exe").stdout == installed
            assert [owner.show(name) for name in ("MainPID", "NFileDescriptorStore", "NRestarts")] == [main, kept, restarts]
            assert owner.show("ActiveState") == "active" and owner.proxy_pid != proxy
            assert terms(machines) == term and capabilities(owner.pid) == before
    assert sessions.broken() == []
    former = owner.pid
    assert owner.systemctl("kill", "-s", "KILL", "--kill-whom=main", "lbd").code == 0
    eventually(lambda: owner.pid != former and owner.status()["reason"] == "resumed", 5.0)


def test_upgrade_that_cannot_go_on(machines: SystemdLab) -> None:
    """The installed lbd passes its trial and cannot go on: the service runs on with the former one, as the same main process."""
    shim = "/usr/lib/heir.so"
    for node in machines.nodes:
        done = node.on("sh", "-c", f"base64 -d >{shim}", stdin=base64.b64encode(Path(program("tests/lab/heir.so")).read_bytes()).decode())
        assert done.code == 0, done.stderr
        node.drop_in("heir", f"[Service]\nEnvironment=LD_PRELOAD={shim} LAB_HEIR=/etc/lbd/heir\n")
        assert node.systemctl("restart", "lbd").code == 0
    try:
        owner = machines.settle()
        names = ("MainPID", "NFileDescriptorStore", "NRestarts", "ActiveState")
        before = [owner.show(name) for name in names], terms(machines), capabilities(owner.pid)
        with machines.sessions(50) as sessions:
            owner.on("sh", "-c", "echo -n lbd-late >/etc/lbd/heir")
            owner.on("sh", "-c", "cp -p /usr/sbin/lbd /usr/sbin/lbd.new && mv /usr/sbin/lbd.new /usr/sbin/lbd")
            done = owner.lbctl("upgrade")
            assert done.code == 1 and "could not go on: cannot set no_new_privs" in done.stderr, f"{done}{owner.journal('-n', '30')}"
            assert ([owner.show(name) for name in names], terms(machines), capabilities(owner.pid)) == before
            owner.on("rm", "/etc/lbd/heir")
            assert owner.lbctl("upgrade").code == 0
        assert sessions.broken() == []
    finally:
        for node in machines.nodes:
            node.drop_in("heir", None)
            node.systemctl("restart", "lbd")


def test_reload(machines: SystemdLab) -> None:
    """systemd is told of the reload and of its end, whoever asked for it."""
    machines.settle()
    node = machines.nodes[0]
    node.systemctl("log-level", "debug")
    assert node.systemctl("reload", "lbd").code == 0
    assert node.systemctl("kill", "-s", "HUP", "--kill-whom=main", "lbd").code == 0
    eventually(lambda: len(re.findall(r"reload (applied|unchanged)", node.journal("-n", "200"))) >= 2, 3.0)
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
    node.write_config(machines.config().replace("listen: 6443", "listen: 64430000").replace("listen: 80\n", "listen: 80000\n"))
    try:
        assert node.systemctl("reload", "lbd").code != 0
        told = re.findall(r'reload refused code=bad-configuration: /etc/lbd/lbd.yaml:\d+:\d+: "listen" is (\d+).* a list of them$', node.journal("-n", "20"), re.M)
        assert told == ["64430000", "80000"], node.journal("-n", "20")
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


def key_file(node: SystemdNode, suffix: str, key: bytes | None, owner: str = "lbd") -> None:
    """Puts a key file of that owner, mode 0600, in place at once, or (None) takes it away."""
    path = f"/etc/lbd/cluster.key{suffix}"
    if key is None:
        script = f"rm {path}"
    else:
        script = f"umask 077; base64 -d >{path}.new && chown {owner}: {path}.new && mv {path}.new {path}"
    done = node.on("sh", "-c", script, stdin=base64.b64encode(key).decode() if key else "")
    assert done.code == 0, done.stderr


def terms(machines: SystemdLab) -> dict[str, tuple[str, str]]:
    """Each node's role and since when."""
    return {node.name: (node.status()["role"], node.status()["since"]) for node in machines.nodes}


def signatures_agree(machines: SystemdLab) -> None:
    """Each node takes what the other one sends, by both ways, for a while."""
    before = {node.name: node.lbctl("metrics").stdout.count('reason="auth"} 0') for node in machines.nodes}
    assert set(before.values()) == {2}, before
    for node in machines.nodes:
        other = next(entry for entry in node.status()["nodes"] if not entry["self"])
        assert other["heard"] and other["hears_us"], other


def test_key_is_rotated_by_the_account(machines: SystemdLab) -> None:
    """lbd is never root: it reads the account's new keys at each reload; one that is root's alone is refused, nothing is lost."""
    machines.settle()
    for node in machines.nodes:
        assert node.systemctl("restart", "lbd").code == 0
    machines.settle()
    roles = terms(machines)
    former, following = machines.key_file.read_bytes(), os.urandom(32)

    def on_each(*files: tuple[str, bytes | None]) -> None:
        for node in machines.nodes:
            for suffix, key in files:
                key_file(node, suffix, key)
            done = node.systemctl("reload", "lbd")
            assert done.code == 0, node.journal("-n", "5")
            signatures_agree(machines)

    with machines.arpprobe() as arp:
        on_each((".next", following))
        on_each(("", following), (".old", former), (".next", None))

        # Made by root and not given away: one sentence says what to do, and the keys in force stay.
        node = machines.nodes[1]
        key_file(node, ".next", os.urandom(32), "root")
        refused = node.lbctl("reload")
        assert refused.code == 1, refused
        assert refused.stderr.strip().count("\n") == 0, refused
        assert "/etc/lbd/cluster.key.next cannot be read: Permission denied" in refused.stderr, refused
        assert "chown lbd /etc/lbd/cluster.key.next" in refused.stderr, refused
        assert node.systemctl("reload", "lbd").code != 0
        signatures_agree(machines)
        node.on("chown", "lbd:", "/etc/lbd/cluster.key.next")
        assert node.systemctl("reload", "lbd").code == 0
        key_file(node, ".next", None)

        on_each((".old", None))
    assert terms(machines) == roles and arp.both_ms() == 0
    for node in machines.nodes:
        key_file(node, "", former)
        node.systemctl("restart", "lbd")
