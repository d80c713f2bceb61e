"""Goal: the log of sessions says who, where, how long and why in HAProxy's letters, and never makes anybody wait."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import struct

import pytest

from lab import Lab, eventually, holds, topology
from lab.lb import LoadBalancer

from data_path import ECHO, echo_service, start_echo
from trial import metric

pytestmark = pytest.mark.patient

ALL = "log: {connections: all}\n"
LINE = re.compile(
    r"session id=\d+ client=(?P<client>\S+) service=(?P<service>\S+) server=(?P<server>\S+) connect_ms=[\d.]+ "
    r"duration_ms=[\d.]+ in=(?P<sent>\d+) out=(?P<received>\d+) end=(?P<end>..) reason=(?P<reason>\S+) suppressed=\d+"
)


def sessions(node: LoadBalancer, service: str) -> list[dict[str, str]]:
    """What the log says of the ended sessions of the service."""
    found = (LINE.search(line) for line in node.log.read_text(encoding="utf-8").splitlines())
    return [match.groupdict() for match in found if match and match["service"] == service]


def test_each_way_to_end_has_its_letters(lab: Lab) -> None:
    """Orderly, reset by the client, killed by an administrator, no server, and the server it was on."""
    start_echo(lab)
    owner = lab.start(lab.config(append=echo_service(lab, count=1) + ALL))
    expected = []
    for how in ("orderly", "reset", "killed"):
        sock = lab.client.connect(topology.VIP, ECHO)
        client = f"{sock.getsockname()[0]}:{sock.getsockname()[1]}"
        sock.sendall(b"12345")
        assert sock.recv(5) == b"12345"
        if how == "orderly":
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(1) == b""
        elif how == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            assert owner.lbctl("kill", f"echo/{lab.workers[0].name}").code == 0
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(1) == b"x", "killed, so reset"
        sock.close()
        expected.append((client, lab.workers[0].name, {"orderly": "--", "reset": "CD", "killed": "KK"}[how]))
        eventually(lambda n=len(expected): len(sessions(owner, "echo")) == n)
    told = [(line["client"], line["server"], line["end"]) for line in sessions(owner, "echo")]
    assert told == expected
    assert {(line["sent"], line["received"]) for line in sessions(owner, "echo")} == {("5", "5")}
    lab.workers[0].echo.kill()  # type: ignore[union-attr] # started above
    with contextlib.suppress(ConnectionResetError), lab.client.connect(topology.VIP, ECHO) as sock:
        assert sock.recv(1) == b"x", "nobody answers, so reset"
    eventually(lambda: sessions(owner, "echo")[-1]["end"] == "SC" and sessions(owner, "echo")[-1]["server"] == "-")


def test_log_that_nobody_reads(lab: Lab) -> None:
    """The reader of the log stands still: lines are dropped and counted, no connection waits, later lines come again."""
    owner = lab.lbs[0]
    fifo = owner.directory / "log.fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    plain = owner.lbd_argv
    owner.lbd_argv = lambda *arguments: ["sh", "-c", f'exec "$0" "$@" 2>{fifo}', *plain(*arguments)]  # type: ignore[method-assign]
    owner.start(lab.config(append=ALL))
    eventually(lambda: lab.client.get(topology.VIP, 80, timeout=1.0).status == 200, 10.0)
    with lab.openloop(interval_ms=1, timeout_ms=1000) as load:
        eventually(lambda: metric(owner, "lbd_log_dropped_total") > 500, 10.0)
        holds(lambda: owner.role() == "active", 0.5)
    assert load.result().failures == {}
    waited = sorted(c.end - c.start for c in load.connections())
    assert waited[len(waited) * 99 // 100] < 0.1
    text = b""
    with contextlib.suppress(BlockingIOError):
        while True:
            text += os.read(reader, 1 << 20)
    assert text.count(b"service=ingress-http") > 100
    lab.client.get(topology.VIP, 80)
    eventually(lambda: b"service=ingress-http" in os.read(reader, 1 << 20), 2.0)
    os.close(reader)
