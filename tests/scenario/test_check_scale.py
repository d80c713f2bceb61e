"""Goal: ten thousand servers are checked each two seconds for a small part of a core, and no check waits for its turn.

With LBD_FULL=1 and nothing else on the machine. What counts is all that the kernel does in the process's name; in the lab that
is the servers' side of each connection, too, and a bridge.
"""

from __future__ import annotations

import time

import pytest

from lab import Lab, eventually
from lab.host import ServerHost
from lab.lb import LoadBalancer
from record import Measured
from trial import FULL, cpu_seconds, metric

pytestmark = pytest.mark.skipif(not FULL, reason="takes a minute alone on the machine: LBD_FULL=1")

SERVERS, SECONDS = 10_000, 30
A_SERVICE = 2_000
# Of a core; and the longest that a check may begin after it is due.
SHARE_OF_CORE, DELAY_MS = 0.15, 50
TIMEOUT = 1.5

NGINX = """\
user root;
daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
error_log stderr error;
pid {directory}/many.pid;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    server {{ listen 80 backlog=16384; location / {{ return 200 "ok"; }} }}
}}
"""


def serve_everywhere(worker: ServerHost, balancer: LoadBalancer) -> None:
    """The worker answers for every address of 10.99.0.0/16."""
    worker.run("ip", "route", "add", "local", "10.99.0.0/16", "dev", "lo")
    balancer.run("ip", "route", "add", "10.99.0.0/16", "via", worker.address)
    configuration = worker.directory / "many.conf"
    configuration.write_text(NGINX.format(directory=worker.directory), encoding="ascii")
    worker.spawn("nginx", "-e", "stderr", "-p", str(worker.directory), "-c", str(configuration), log="many")
    eventually(lambda: worker.connect("127.0.0.1", 80, 1.0).close() is None, 5.0)


def many_services(lab: Lab, kind: str) -> str:
    """The lab's configuration with all the servers, in services of A_SERVICE."""
    text = "".join(line for line in lab.config().splitlines(keepends=True))
    head = text[: text.index("services:")]
    services = "services:\n"
    for first in range(0, SERVERS, A_SERVICE):
        servers = ",".join(f"s{n}: '10.99.{n >> 8}.{n & 255}:80'" for n in range(first, min(first + A_SERVICE, SERVERS)))
        services += f" v{first}:\n  listen: {10000 + first // A_SERVICE}\n  check: {{type: {kind}}}\n  servers: {{{servers}}}\n"
    return head + services


def known(node: LoadBalancer) -> int:
    """How many servers are up."""
    return int(metric(node, "lbd_server_up"))


@pytest.mark.parametrize("kind", ["tcp", "http"])
def test_many_checks(lab: Lab, measured: Measured, kind: str) -> None:
    """All are known within one timeout after the start; afterwards the checks of a second cost little and begin in time."""
    node, worker = lab.lbs[0], lab.workers[0]
    serve_everywhere(worker, node)
    node.start(many_services(lab, kind))
    # Nobody asks meanwhile: an answer with ten thousand servers in it takes the thread that checks them some time.
    time_is_up = time.monotonic() + TIMEOUT
    eventually(lambda: time.monotonic() >= time_is_up, TIMEOUT + 1)
    late = metric(node, "lbd_check_delay_seconds_max")
    name = f"{SERVERS} {kind} checks"
    measured(f"{name}: servers known within one timeout", known(node), "", at_least=SERVERS)
    measured(f"{name}: late at the start", late * 1000, "ms")
    checks, counted = metric(node, "lbd_checks_total"), time.monotonic()
    assert node.lbctl("clear", "counters").code == 0
    used, before = cpu_seconds(node.proxy_pid), time.monotonic()
    time_is_up = before + SECONDS
    eventually(lambda: time.monotonic() >= time_is_up, SECONDS + 5)
    took = time.monotonic() - before
    share = (cpu_seconds(node.proxy_pid) - used) / took
    late = metric(node, "lbd_check_delay_seconds_max")
    rate = (metric(node, "lbd_checks_total") - checks) / (time.monotonic() - counted)
    assert known(node) == SERVERS
    measured(f"{name}: a second", rate, "", at_least=0.9 * SERVERS / 2)
    measured(f"{name}: of a core", 100 * share, "%", at_most=100 * SHARE_OF_CORE)
    measured(f"{name}: late", late * 1000, "ms", at_most=DELAY_MS)
