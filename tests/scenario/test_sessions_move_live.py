"""Goal: what people keep open all day lives through ten failovers: a shell, a long download, a session with a database."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Iterator

import pytest

from lab import VIP, Lab, eventually, sanitizer, topology
from lab.host import ServerHost
from record import Measured
from test_sessions_move import ECHO, hand_over

FAILOVERS = 10
POSTGRES_PORT = 5432
POSTGRES = f"""
  postgres:
    listen: {POSTGRES_PORT}
    servers:
      k8s-worker-1: 10.196.35.23:{POSTGRES_PORT}
"""

pytestmark = pytest.mark.skipif(sanitizer.active(), reason="a sanitizer makes the stand-still longer than the limits of a hand-over")


@pytest.fixture(name="live", scope="module")
def lab_with_everything() -> Iterator[Lab]:
    """One cluster for all: echo stands for a shell, nginx has a file, PostgreSQL runs on the first worker."""
    with Lab() as lab:
        for worker in lab.workers[:2]:
            worker.start_echo()
        start_postgres(lab.workers[0])
        lab.start(lab.config(append=ECHO + POSTGRES))
        yield lab


def start_postgres(host: ServerHost) -> None:
    """A fresh database of Debian's PostgreSQL, which wants not to be root: it is somebody else in a namespace of its own."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    assert found, "PostgreSQL is missing: tests/tools/deps test"
    somebody = ("unshare", "--user", "--map-user=nobody")
    data = host.directory / "postgres"
    host.run(*somebody, str(found[-1] / "initdb"), "-D", str(data), "-U", "lab", "-A", "trust", "-N", "--no-locale")
    (data / "pg_hba.conf").write_text("host all all 0.0.0.0/0 trust\n", encoding="ascii")
    options = {"listen_addresses": host.address, "unix_socket_directories": "", "fsync": "off", "shared_buffers": "8MB"}
    settings = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
    host.spawn(*somebody, str(found[-1] / "postgres"), "-D", str(data), *settings)
    eventually(lambda: host.listens(POSTGRES_PORT), 15.0, "PostgreSQL listens")


def test_a_shell_goes_on(live: Lab, measured: Measured) -> None:
    """One who types a key every 20 ms sees each on the screen before the next one, whatever node is behind the VIP."""
    shell = live.client.connect(VIP, topology.ECHO_PORT, timeout=10.0)
    shell.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    keys = random.Random(3)
    worst = 0.0

    def types(count: int) -> None:
        nonlocal worst
        for _ in range(count):
            key = keys.randbytes(1)
            began = time.monotonic()
            shell.sendall(key)
            assert shell.recv(16) == key
            worst = max(worst, time.monotonic() - began)
            time.sleep(0.02)

    with shell:
        for _ in range(FAILOVERS):
            types(5)
            hand_over(live)
        types(5)
    measured("a shell through ten failovers: longest wait for a key", worst * 1000, "ms")


def test_a_download_goes_on(live: Lab) -> None:
    """640 MB (10 GB with LBD_FULL=1) over one connection, a failover after each tenth, every byte compared."""
    piece = random.Random(7).randbytes(64 << 20)
    pieces = 160 if os.environ.get("LBD_FULL") else FAILOVERS
    for worker in live.workers:
        (worker.directory / "big").write_bytes(piece)
    buffer = bytearray(1 << 20)
    with live.client.connect(VIP, 80, timeout=20.0) as sock:
        for number in range(pieces):
            if number % (pieces // FAILOVERS) == pieces // FAILOVERS // 2:
                hand_over(live)
            sock.sendall(b"GET /big HTTP/1.1\r\nHost: lab\r\n\r\n")
            head = b""
            while b"\r\n\r\n" not in head:
                head += sock.recv(1)
            assert head.startswith(b"HTTP/1.1 200 ")
            at = 0
            while at < len(piece):
                count = sock.recv_into(buffer, min(len(buffer), len(piece) - at))
                assert count > 0, f"the connection ended in piece {number} after {at} bytes"
                assert buffer[:count] == piece[at : at + count], f"a byte is wrong in piece {number} after {at}"
                at += count


def test_a_database_session_goes_on(live: Lab) -> None:
    """An open transaction and a temporary table of one PostgreSQL session are there after each failover, and at the end."""
    psql = shutil.which("psql")
    assert psql, "psql is missing: tests/tools/deps test"
    argv = ("ip", "netns", "exec", topology.CLIENT, psql, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1")
    target = ("-h", VIP, "-p", str(POSTGRES_PORT), "-U", "lab", "postgres")
    session = subprocess.Popen([*argv, *target], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    assert session.stdin and session.stdout

    def answer(statement: str) -> str:
        assert session.stdin and session.stdout
        session.stdin.write(f"{statement};\n")
        session.stdin.flush()
        return session.stdout.readline().strip()

    try:
        backend = answer("CREATE TEMPORARY TABLE seen (n int); BEGIN; SELECT pg_backend_pid()")
        for number in range(FAILOVERS):
            hand_over(live)
            assert answer(f"INSERT INTO seen VALUES ({number}); SELECT count(*) FROM seen") == str(number + 1)
        assert answer("COMMIT; SELECT sum(n) FROM seen") == str(sum(range(FAILOVERS)))
        assert answer("SELECT pg_backend_pid()") == backend
    finally:
        session.kill()
        session.wait()
