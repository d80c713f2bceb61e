"""The loads: each is one run against one contender and gives plain figures."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from lab import topology
from lab.paths import program

from .proxies import Proxies

KEEPALIVE_CONNECTIONS = 64
CONNECT_CONNECTIONS = 64
BULK_CONNECTIONS = 4
IDLE_SESSIONS = 4000
REQUEST_BYTES = 1024


def _argv(mode: str, target: tuple[str, int], connections: int, seconds: float, size: int) -> list[str]:
    where = [target[0], str(target[1]), str(connections), str(seconds), str(size)]
    return ["ip", "netns", "exec", topology.CLIENT, program("bench/load/loadgen"), mode, *where]


def _generate(proxies: Proxies, name: str, mode: str, connections: int, seconds: float, size: int) -> dict[str, Any]:
    """Runs the load; with `cpu`, what the proxy used meanwhile."""
    before = proxies.cost(name).cpu
    argv = _argv(mode, proxies.target(name), connections, seconds, size)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + 120, check=False)
    assert done.returncode == 0, f"{name}: {' '.join(argv)}: {done.stdout}{done.stderr}"
    figures = json.loads(done.stdout)
    figures["cpu"] = proxies.cost(name).cpu - before
    return figures


def keepalive(proxies: Proxies, name: str, seconds: float) -> dict[str, float]:
    """Requests of 1 kB, one after the other on connections that stay."""
    got = _generate(proxies, name, "keepalive", KEEPALIVE_CONNECTIONS, seconds, REQUEST_BYTES)
    return {
        "cpu_us": got["cpu"] / got["requests"] * 1e6,
        "per_second": got["requests"] / got["seconds"],
        "p50_us": got["p50"],
        "p99_us": got["p99"],
    }


def connect(proxies: Proxies, name: str, seconds: float) -> dict[str, float]:
    """A connection for each request of 1 kB."""
    got = _generate(proxies, name, "connect", CONNECT_CONNECTIONS, seconds, REQUEST_BYTES)
    return {
        "cpu_us": got["cpu"] / got["requests"] * 1e6,
        "per_second": got["requests"] / got["seconds"],
        "p99_us": got["p99"],
    }


def bulk(proxies: Proxies, name: str, size: int) -> dict[str, float]:
    """A few large downloads side by side."""
    got = _generate(proxies, name, "keepalive", BULK_CONNECTIONS, 0, size)
    return {"gb_per_second": got["bytes"] / got["seconds"] / 1e9, "cpu_per_gb": got["cpu"] / got["bytes"] * 1e9}


def latency(proxies: Proxies, name: str, seconds: float) -> dict[str, float]:
    """One request at a time on one connection."""
    return {"p50_us": _generate(proxies, name, "keepalive", 1, seconds, REQUEST_BYTES)["p50"]}


def idle(proxies: Proxies, name: str, sessions: int) -> dict[str, float]:
    """Memory for sessions that have carried a request each and now rest, in a process that had none before."""
    proxies.restart(name)
    before = proxies.cost(name).memory
    argv = _argv("idle", proxies.target(name), sessions, 0, REQUEST_BYTES)
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout and child.stdin
        figures = json.loads(child.stdout.readline())
        held = proxies.cost(name).memory - before
        child.stdin.close()
    assert figures["requests"] == sessions, f"{name}: {figures}"
    return {"bytes": held / sessions}
