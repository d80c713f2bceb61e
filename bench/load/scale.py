"""What lbd costs when one service of ten servers becomes a thousand of them."""

from __future__ import annotations

import re
import subprocess
import time
from typing import Any

from lab import eventually, netns, topology
from lab.host import Host
from lab.lb import LoadBalancer
from lab.paths import program

from .pairs import median
from .proxies import LBD, ORIGIN_PORTS, Proxies, cpu_of, memory_of
from .table import number

SERVICES = 1000
SERVERS = 10
# Below the local ports that connections of the bench are given.
FIRST_PORT = 2001
# Every address of this network is the origin's.
NETWORK = "10.50.0.0/16"
RELOADS = 5
# So long checks are watched; whole intervals of them.
CHECK_SECONDS = 6.0
PICK_SIZES = (10, 100, 1000, 4000)
# From 10 to 4,000 servers a logarithm grows 3.6 times, and the memory that is touched outgrows a cache level.
PICK_GROWTH_MAX = 8.0
RELOAD_MAX = 0.2
CHECK_CPU_MAX = 0.10
CHECK_LATE_MAX = 0.05


def config(node: LoadBalancer, services: int, weight: int = 100) -> str:
    """Short names and flow style: a thousand services fit the largest file that lbd reads."""
    lines = [
        f"cluster: bench\nnodes:\n  {node.name}: {node.address}\nvips: [{topology.VIP}]\nworkers: 2\nservices:",
    ]
    for service in range(services):
        servers = []
        for server in range(SERVERS):
            high, low = divmod(service * SERVERS + server, 250)
            servers.append(f"{chr(ord('a') + server)}: 10.50.{high}.{low + 1}:{ORIGIN_PORTS[0]}")
        if service == 0:
            first = servers[0].partition(": ")
            servers[0] = f"{first[0]}: {{address: {first[2]}, weight: {weight}}}"
        lines.append(f"  s{service}: {{listen: {FIRST_PORT + service}, servers: {{{', '.join(servers)}}}}}")
    return "\n".join(lines) + "\n"


def _all_up(node: LoadBalancer, services: int) -> bool:
    listed = node.status()["services"]
    return len(listed) == services and all(s["state"] == "up" for entry in listed for s in entry["servers"])


def _reload(node: LoadBalancer, services: int) -> float:
    """The median time of reloads that each change one weight, from the request to the answer."""
    took = []
    for number_of_reload in range(RELOADS):
        node.write_config(config(node, services, weight=50 + number_of_reload))
        began = time.monotonic()
        code, answer = node.api("POST", "/v1/reload")
        took.append(time.monotonic() - began)
        assert code == 200, f"reload: {code} {answer}"
    return median(took)


def _checks(node: LoadBalancer, seconds: float) -> float:
    """The part of a processor that goes into checks and everything else an idle proxy does."""
    # Starting and the first, faster checks are not what is asked for.
    time.sleep(seconds / 3)
    before, began = cpu_of([node.proxy_pid]), time.monotonic()
    time.sleep(seconds)
    return (cpu_of([node.proxy_pid]) - before) / (time.monotonic() - began)


def _late(node: LoadBalancer) -> float:
    """The longest that a check has begun after it was due, in seconds, since the counters were cleared."""
    found = re.search(r"(?m)^lbd_check_delay_seconds_max (\S+)$", node.api("GET", "/metrics")[1])
    assert found
    return float(found[1])


def _measure(node: LoadBalancer, services: int, seconds: float) -> dict[str, float]:
    proxies = Proxies(node, 2, (LBD,))
    try:
        proxies.start_lbd(config(node, services))
        eventually(lambda: _all_up(node, services), 60.0, "every server is up")
        node.api("DELETE", "/v1/counters")
        return {
            "checks": _checks(node, seconds),
            "late": _late(node),
            "memory": float(memory_of([node.proxy_pid])),
            "keeper_memory": float(memory_of([node.pid])),
            "reload": _reload(node, services),
        }
    finally:
        proxies.stop()


def _picks() -> dict[str, dict[int, float]]:
    argv = [program("bench/load/pick"), *map(str, PICK_SIZES)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)
    found: dict[str, dict[int, float]] = {}
    for line in done.stdout.splitlines():
        name, servers, nanoseconds = line.split()
        found.setdefault(name, {})[int(servers)] = float(nanoseconds)
    return found


def _pick_table(picks: dict[str, dict[int, float]]) -> tuple[list[str], bool]:
    lines = ["| ns to pick a server among | " + " | ".join(f"{n:,}" for n in PICK_SIZES) + " | growth (bar) |"]
    lines.append("|---|" + "---:|" * len(PICK_SIZES) + "---|")
    good = True
    for name, times in picks.items():
        growth = times[PICK_SIZES[-1]] / times[PICK_SIZES[0]]
        good = good and growth <= PICK_GROWTH_MAX
        verdict = f"{growth:.1f} × (≤ {PICK_GROWTH_MAX:g} ×{', met' if growth <= PICK_GROWTH_MAX else ', missed'})"
        lines.append(f"| {name} | " + " | ".join(number(times[n]) for n in PICK_SIZES) + f" | {verdict} |")
    return lines, good


def run(node: LoadBalancer, origin: Host, services: int, seconds: float) -> tuple[list[str], bool, dict[str, Any]]:
    """The lines of the tables, whether every bar was met, and the figures."""
    netns.command("ip", "-n", origin.name, "route", "add", "local", NETWORK, "dev", "lo")
    netns.command("ip", "-n", node.name, "route", "add", NETWORK, "via", origin.address)
    picks = _picks()
    lines, good = _pick_table(picks)
    few, many = _measure(node, 1, seconds), _measure(node, services, seconds)
    per_server = {key: (many[key] - few[key]) / ((services - 1) * SERVERS) for key in ("memory", "keeper_memory")}
    reload_good, checks_good = many["reload"] <= RELOAD_MAX, many["checks"] <= CHECK_CPU_MAX
    late_good = many["late"] <= CHECK_LATE_MAX

    def missed(met: bool) -> str:
        return ", met" if met else ", missed"

    lines += [
        "",
        f"| services of {SERVERS} servers | 1 | {services:,} | (bar) |",
        "|---|---:|---:|---|",
        f"| reload, ms | {number(few['reload'] * 1e3)} | {number(many['reload'] * 1e3)} | (≤ 200{missed(reload_good)}) |",
        f"| CPU of all checks at 2 s, % of one | {number(few['checks'] * 100)} | {number(many['checks'] * 100)} "
        f"| (≤ 10{missed(checks_good)}) |",
        f"| latest check after it was due, ms | {number(few['late'] * 1e3)} | {number(many['late'] * 1e3)} "
        f"| (≤ 50{missed(late_good)}) |",
        f"| memory of lbd-proxy, MB | {number(few['memory'] / 1e6)} | {number(many['memory'] / 1e6)} "
        f"| {number(per_server['memory'])} bytes a server |",
        f"| memory of lbd, MB | {number(few['keeper_memory'] / 1e6)} | {number(many['keeper_memory'] / 1e6)} "
        f"| {number(per_server['keeper_memory'])} bytes a server |",
    ]
    record = {"picks": picks, "few": few, "many": many}
    return lines, good and reload_good and checks_good and late_good, record
