"""systemd's part in a lab without one: starts lbd, keeps its descriptors while it starts it again after a crash, and has it resign after
every other end.

As the unit says it: Restart=always, RestartSec=0, FileDescriptorStoreMax=, KillMode=process and ExecStopPost=lbd --resign, which leaves
everything as it is after the crash of a process that has lived for a second. `systemd.py` has the real one.

    python3 manager.py DIRECTORY PROGRAM ARGUMENT...
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import sys
import time

LIVED_ENOUGH = 1.0
PAUSE = 0.5
FIRST = 3  # where sd_listen_fds(3) looks
_FDS_MAX = 64


class Store:
    """The descriptors and the socket by which they come."""

    def __init__(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self.socket.bind(path)
        os.chmod(path, 0o666)
        self.kept: list[tuple[str, int]] = []

    def listen(self) -> None:
        """Takes every message that is there."""
        while True:
            try:
                text, fds, _, _ = socket.recv_fds(self.socket, 4096, _FDS_MAX)
            except BlockingIOError:
                return
            for fd in fds:
                os.set_inheritable(fd, False)
            words = dict(line.split("=", 1) for line in text.decode().splitlines() if "=" in line)
            name = words.get("FDNAME", "stored")
            if words.get("FDSTORE") == "1":
                self.kept += [(name, fd) for fd in fds]
                fds = []
            if words.get("FDSTOREREMOVE") == "1":
                self.drop(name)
            for fd in fds:
                os.close(fd)

    def drop(self, name: str | None = None) -> None:
        """Closes those of that name, or all."""
        for known, fd in self.kept:
            if name in (None, known):
                os.close(fd)
        self.kept = [] if name is None else [(known, fd) for known, fd in self.kept if known != name]

    def give(self) -> dict[str, str]:
        """In the new process: all from FIRST on, and what tells it so."""
        # Out of the way first: any of the places may be taken by another one.
        aside = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST + len(self.kept)) for _, fd in self.kept]
        for i, fd in enumerate(aside):
            os.dup2(fd, FIRST + i)
        names = ":".join(name for name, _ in self.kept)
        return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(aside)), "LISTEN_FDNAMES": names} if aside else {}


class Told:
    """Whether SIGTERM has come, and who is to hear of it."""

    def __init__(self) -> None:
        self.to_end = False
        self.pid = 0
        signal.signal(signal.SIGTERM, self._hear)

    def _hear(self, *_: object) -> None:
        self.to_end = True
        if self.pid:
            os.kill(self.pid, signal.SIGTERM)


def run(store: Store, argv: list[str], told: Told) -> tuple[int, float]:
    """One life of the program: how it ended (negative: the signal) and how long it was."""
    begun = time.monotonic()
    pid = os.fork()
    if pid == 0:
        try:
            environment = {**os.environ, "NOTIFY_SOCKET": store.path, **store.give()}
            os.execve(argv[0], argv, environment)
        finally:
            os._exit(127)
    end = os.pidfd_open(pid)
    told.pid = pid
    if told.to_end:
        os.kill(pid, signal.SIGTERM)
    with contextlib.closing(os.fdopen(end, "rb", buffering=0, closefd=True)):
        while end not in select.select([end, store.socket], [], [])[0]:
            store.listen()
    told.pid = 0
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    store.listen()
    return status, time.monotonic() - begun


def main(directory: str, *argv: str) -> int:
    """Until it ended because it was told to."""
    store = Store(os.path.join(directory, "notify"))
    told = Told()
    while True:
        status, lived = run(store, list(argv), told)
        if status < 0 and lived >= LIVED_ENOUGH and not told.to_end:
            continue
        store.drop()
        os.spawnv(os.P_WAIT, argv[0], [*argv, "--resign"])
        if status == 0 or told.to_end:
            return 0
        time.sleep(PAUSE if lived < LIVED_ENOUGH else 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
