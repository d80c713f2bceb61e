"""A process of the lab: started in a host's namespace, its output in a file, ended with a deadline."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
from pathlib import Path
from typing import Mapping, Sequence

from . import netns, realtime
from .wait import eventually


class Process:
    """Runs until it ends or is told to; `log` collects what it says and is appended to by a later start.

    Without a host it stays where it is started. With `priority` it has realtime priority, see realtime.py.
    """

    def __init__(
        self,
        argv: Sequence[str],
        host: str | None,
        log: Path,
        env: Mapping[str, str] | None = None,
        nofile: int | None = None,
        stdout: Path | None = None,
        priority: bool = False,
    ) -> None:
        def limit() -> None:
            soft = nofile or resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, nofile or resource.RLIM_INFINITY if nofile else soft))

        self.argv = list(argv)
        self.log = log
        with contextlib.ExitStack() as files:
            err = files.enter_context(open(log, "ab"))
            out = files.enter_context(open(stdout, "wb")) if stdout else err

            def start() -> subprocess.Popen[bytes]:
                return subprocess.Popen(
                    [*(("ip", "netns", "exec", host) if host else ()), *argv],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    env={**os.environ, **(env or {})},
                    preexec_fn=limit,
                    start_new_session=True,
                )

            self._child = realtime.start(start) if priority else start()
        self.pid = self._child.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs (a stopped process does)."""
        return self._child.poll() is None

    @property
    def returncode(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._child.poll()

    def signal(self, number: int) -> None:
        """Sends a signal if it still runs."""
        if self.alive:
            self._child.send_signal(number)

    def wait(self, within: float = 10.0) -> int:
        """Waits for its end and returns the exit status."""
        eventually(lambda: not self.alive, within, f"end of {self.argv[0]}")
        return self._child.returncode

    def kill(self) -> None:
        """Kills it, stopped or not, and waits for its end."""
        self.signal(signal.SIGKILL)
        self.wait()

    def terminate(self, within: float = 10.0) -> int:
        """Asks it to end and waits; a process that does not is killed and the wait fails."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait(within)
        except AssertionError:
            self.kill()
            raise


def kill_all(host: str) -> None:
    """Ends every process of the host at once, as a power cut does."""

    def none_left() -> bool:
        left = netns.processes(host)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    eventually(none_left, 10.0, f"end of every process of {host}")


def tail(log: Path, lines: int = 40) -> str:
    """The last lines of a log, empty if there is none."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
