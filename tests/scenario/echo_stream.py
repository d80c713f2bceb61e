"""A full stream in both directions through the echo service, compared byte for byte."""

from __future__ import annotations

import random
import socket
import threading

from lab import VIP, Lab, topology

ECHO = f"""
  echo:
    listen: {topology.ECHO_PORT}
    servers:
      k8s-worker-1: 10.196.35.23:{topology.ECHO_PORT}
      k8s-worker-2: 10.196.35.24:{topology.ECHO_PORT}
"""


class Stream(threading.Thread):
    """Sends a seeded megabyte again and again through the echo service as fast as it comes back, and compares each byte."""

    def __init__(self, lab: Lab, seed: int) -> None:
        super().__init__(daemon=True)
        self.pattern = random.Random(seed).randbytes(1 << 20)
        self.sock = lab.client.connect(VIP, topology.ECHO_PORT, timeout=20.0)
        self.sent = self.count = 0
        self.wrong = ""
        self.over = threading.Event()
        self.writer = threading.Thread(target=self._write, daemon=True)

    def run(self) -> None:
        """A writer beside the reader, so that both ways are full."""
        self.writer.start()
        try:
            while data := self.sock.recv(65536):
                at = self.count % len(self.pattern)
                expected = self.pattern[at : at + len(data)]
                expected += self.pattern[: len(data) - len(expected)]
                if data != expected:
                    self.wrong = f"a byte between {self.count} and {self.count + len(data)}"
                    return
                self.count += len(data)
        except OSError as error:
            self.wrong = str(error)

    def _write(self) -> None:
        try:
            while not self.over.is_set():
                at = self.sent % len(self.pattern)
                self.sent += self.sock.send(self.pattern[at : at + 32768])
            self.sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            self.wrong = self.wrong or str(error)

    def finish(self) -> None:
        """The client half-closes; what is under way must still come back."""
        self.over.set()
        self.join(30.0)
        assert not self.is_alive(), "the echo of the last bytes did not come back"
        assert not self.wrong, f"after {self.count} bytes: {self.wrong}"
        assert self.count == self.sent
