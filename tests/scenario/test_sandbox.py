"""Goal: whoever takes over a process of lbd from inside can do little more than that process does."""

from __future__ import annotations

import base64
import errno
import os
import re
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Iterator

import pytest

from lab import Lab, eventually, refusals, sanitizer
from lab.lb import LoadBalancer
from lab.node_faults import preload
from lab.paths import REPOSITORY, program

pytestmark = pytest.mark.patient

EPERM, EACCES, OK = errno.EPERM, errno.EACCES, 0
without_sanitizer = pytest.mark.skipif(sanitizer.active(), reason="a sanitizer needs some of what is refused")

# How attempts of code inside the proxy end, and inside the keeper, whose list of calls is longer.
IN_PROXY = {
    "dumpable": 0,
    "execve": EPERM,
    "fork": EPERM,
    "ptrace": EPERM,
    "unshare": EPERM,
    "packet": EPERM,
    "netlink": EPERM,
    "raw": EPERM,
    "port": EACCES,
    "any-port": OK,
    "write": EACCES,
    "read": OK,
    "code": EPERM,
}
IN_KEEPER = {
    "dumpable": 0,
    "execve": errno.ENOENT,
    "fork": OK,
    "shell": EACCES,
    "ptrace": EPERM,
    "unshare": EPERM,
    "write": EACCES,
    "read": OK,
    "code": EPERM,
}
REFUSED_BY_FILTER = {"execve", "fork", "ptrace", "unshare", "socket", "mmap"}


def attempts(lab: Lab, node: LoadBalancer, where: str) -> dict[str, int]:
    """Lets the intruder loose in the program of the node and returns the error of each attempt."""
    trigger = lab.directory / "intruder"
    trigger.write_text(where, encoding="ascii")
    found: dict[str, int] = {}

    def over() -> bool:
        text = node.log.read_text(encoding="utf-8")
        found.update({name: int(error) for name, error in re.findall(r"^intruder (\S+) (\d+)$", text, re.MULTILINE)})
        return "code" in found

    eventually(over, 10.0, "the intruder's attempts")
    trigger.unlink()
    return found


def start_with(lab: Lab, shims: str) -> LoadBalancer:
    """lbd on the first node with shims preloaded; it becomes owner alone."""
    paths = ":".join(program(f"tests/lab/{shim}.so") for shim in shims.split())
    lab.refusals_expected = True
    lab.lbs[0].start(env={**preload("intruder"), "LD_PRELOAD": paths, "LAB_INTRUDER": str(lab.directory / "intruder")})
    eventually(lab.lbs[0].has_address, 10.0, "one owner of the VIP")
    return lab.lbs[0]


@without_sanitizer
def test_code_inside_the_proxy_is_locked_in(lab: Lab) -> None:
    """No program, no process, no packet, no port, no file: each attempt fails and is named in the log, and lbd serves on."""
    node = start_with(lab, "intruder")
    assert attempts(lab, node, "lbd-proxy") == IN_PROXY
    refused = Counter(call for where, call in refusals.of_log(node.log) if where == "lbd-proxy")
    assert set(refused) == REFUSED_BY_FILTER
    # Packet and netlink sockets and raw ones by the filter, and not only for want of a capability.
    assert refused["socket"] == 3, refused
    eventually(lambda: lab.client.get("10.196.35.30", 80, timeout=1.0).status == 200, 10.0, "lbd serves on")


@without_sanitizer
def test_code_inside_the_keeper_starts_nothing(lab: Lab) -> None:
    """The owner of the VIP can use the network, and start the programs of lbd; it writes nowhere but in its directory."""
    node = start_with(lab, "intruder")
    found = attempts(lab, node, "lbd")
    assert {name: found[name] for name in IN_KEEPER} == IN_KEEPER
    os.kill(node.proxy_pid, signal.SIGKILL)
    eventually(lambda: node.role() == "active", 10.0, "the proxy is started again all the same")


@without_sanitizer
def test_kernel_without_sandboxes(lab: Lab) -> None:
    """One warning each for Landlock and seccomp from each process, and lbd serves; the intruder shows what is missing then."""
    node = start_with(lab, "no_sandbox intruder")
    log = node.log.read_text(encoding="utf-8")
    for name in ("lbd", "lbd-proxy"):
        assert len(re.findall(f"^<4>{name} files are not restricted: ", log, re.MULTILINE)) == 1
        assert len(re.findall(f"^<4>{name} system calls are not restricted: ", log, re.MULTILINE)) == 1
    eventually(lambda: lab.client.get("10.196.35.30", 80, timeout=1.0).status == 200, 10.0, "service on the VIP")
    found = attempts(lab, node, "lbd-proxy")
    assert (found["execve"], found["shell"], found["write"], found["port"]) == (errno.ENOENT, OK, OK, OK)


def listed(*tables: str) -> set[str]:
    """The names of calls in the tables of daemon/sys/syscalls.c."""
    text = (REPOSITORY / "daemon/sys/syscalls.c").read_text(encoding="utf-8")
    parts = {name: re.search(rf"row {name}\[\] = {{(.*?)^}};", text, re.MULTILINE | re.DOTALL) for name in tables}
    assert all(parts.values()), parts
    return {call for part in parts.values() if part for call in re.findall(r"(?:ANY|IF|IF_BOTH)\((\w+)", part[1])}


def calls_made(traces: list[Path]) -> tuple[Counter[str], Counter[str]]:
    """The calls of keepers and of proxies, each from the moment at which its filter was in force; a thread is its process's."""
    keepers: Counter[str] = Counter()
    proxies: Counter[str] = Counter()
    texts = {trace.name: trace.read_text(encoding="utf-8", errors="replace") for trace in traces}
    thread = re.compile(r"^clone\(.*CLONE_THREAD.* = (\d+)$", re.MULTILINE)
    starters = {f"{name.rsplit('.', 1)[0]}.{tid}": name for name, text in texts.items() for tid in thread.findall(text)}
    for name, text in texts.items():
        calls = re.findall(r"^(\w+)\(", text, re.MULTILINE)
        last = max((i for i, call in enumerate(calls) if call == "seccomp"), default=None)
        process = texts[starters.get(name, name)]
        (proxies if '"lbd-proxy"' in process or "seccomp(" not in process else keepers).update(calls[0 if last is None else last + 1 :])
    return keepers, proxies


@without_sanitizer
def test_calls_made(lab: Lab) -> None:
    """What both processes ask the kernel for in a short life with traffic, a reload, a crash and a hand-over is listed."""
    traces = lab.directory / "traces"
    traces.mkdir()
    for node in lab.lbs:
        argv = node.lbd_argv
        node.lbd_argv = lambda *a, argv=argv, name=node.name: ["strace", "-ff", "-o", str(traces / name), *argv(*a)]
    owner = lab.start(within=30.0)
    with lab.sessions(5):
        assert owner.lbctl("reload").code == 0
        os.kill(owner.proxy_pid, signal.SIGKILL)
        eventually(lambda: owner.role() in ("active", "backup"), 10.0)
        assert lab.owner().lbctl("metrics").code == 0
        lab.owner().lbctl("failover", "--wait")
    for node in lab.lbs:
        node.signal_all(signal.SIGTERM)
    eventually(lambda: not any(n.process and n.process.alive for n in lab.lbs), 15.0, "end of both nodes")
    keepers, proxies = calls_made(sorted(traces.iterdir()))
    for name, made in (("keeper", keepers), ("proxy", proxies)):
        print(name, " ".join(f"{call}:{n}" for call, n in made.most_common()))
    assert keepers["execve"] >= 0 and proxies["splice"] + proxies["recvfrom"] > 0
    assert set(proxies) <= listed("common", "proxy") | {"clone3"}, set(proxies) - listed("common", "proxy")
    assert set(keepers) <= listed("common", "proxy", "keeper") | {"clone3"}, set(keepers) - listed("common", "proxy", "keeper")
    assert not listed("common", "proxy") & {"ptrace", "execve", "execveat", "fork", "vfork", "kill", "listen", "unshare"}


def memory(pid: int) -> Iterator[tuple[str, set[str], bytes]]:
    """Each mapping that the process has written to or may: what it is of, its flags as smaps has them, its bytes."""
    smaps = Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8")
    found = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw\S* \S+ \S+ \d+ *(.*?)$.*?^VmFlags: (.*?)$", smaps, re.MULTILINE | re.DOTALL)
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        for begin, end, name, flags in found:
            file.seek(int(begin, 16))
            yield name, set(flags.split()), file.read(int(end, 16) - int(begin, 16))


@without_sanitizer
def test_key_is_masked(lab: Lab) -> None:
    """Wherever the owner has a half of the cluster's key in its memory, adverts, reloads and a hand-over after its start, the
    pages are no part of a dump that somebody else makes of it; the proxy has it nowhere, and no log either."""
    owner = lab.start()
    assert owner.lbctl("reload").code == 0 and owner.lbctl("failover", "--wait").code == 0
    key = lab.key_file.read_bytes()
    for node in lab.lbs:
        places = [flags for _, flags, content in memory(node.pid) if key[:16] in content or key[16:32] in content]
        assert places and all("dd" in flags for flags in places), places
        assert not [name for name, _, content in memory(node.proxy_pid) if key[:16] in content or key[16:32] in content]
        log = node.log.read_bytes()
        assert key not in log and key.hex().encode() not in log.lower() and base64.b64encode(key) not in log


def test_credential_with_a_list(lab: Lab) -> None:
    """systemd lets the account in by an access list, which shows as a bit of the group's: good in its directory, nowhere else."""
    node = lab.lbs[0]
    credential = lab.directory / "credentials" / "cluster.key"
    credential.parent.mkdir()
    credential.write_bytes(lab.key_file.read_bytes())
    credential.chmod(0o440)
    text = lab.config().replace(str(lab.key_file), str(credential))
    refused = node.run_lbd("--check", config=text)
    assert refused.code != 0 and "others can read it: chmod 600" in refused.stdout + refused.stderr, refused
    node.start(text, env={"CREDENTIALS_DIRECTORY": str(credential.parent)})
    assert node.role() in ("backup", "active")


@without_sanitizer
def test_no_core_is_left(lab: Lab) -> None:
    """A crash of either process leaves no core file where that of any other program is left."""

    def with_cores(directory: Path, *argv: str) -> list[str]:
        return ["sh", "-c", 'cd "$0" && ulimit -c unlimited && exec "$@"', str(directory), *argv]

    subprocess.run(with_cores(lab.directory, "sh", "-c", "kill -SEGV $$"), stderr=subprocess.DEVNULL, check=False, timeout=10)
    if not list(lab.directory.glob("core*")):
        pytest.skip(f"cores go elsewhere: {Path('/proc/sys/kernel/core_pattern').read_text(encoding='utf-8').strip()}")
    node = lab.lbs[0]
    argv = node.lbd_argv
    # The one directory in which the keeper may make files.
    node.lbd_argv = lambda *arguments: with_cores(node.runtime_dir, *argv(*arguments))  # type: ignore[method-assign]
    node.start()
    limits = Path(f"/proc/{node.pid}/limits").read_text(encoding="ascii")
    assert re.search(r"^Max core file size +unlimited ", limits, re.MULTILINE), limits
    former = node.proxy_pid
    os.kill(former, signal.SIGSEGV)
    eventually(lambda: node.proxy_pid != former, 10.0, "another proxy")
    assert node.process
    os.kill(node.pid, signal.SIGSEGV)
    assert node.process.wait(10.0) == -signal.SIGSEGV
    assert not list(node.runtime_dir.glob("*core*"))
