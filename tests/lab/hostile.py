"""A server that no check should have to meet, one behaviour a port; run by hand or by ServerHost.spawn:

    python3 hostile.py PORT BEHAVIOUR [CERTIFICATE KEY]

Behaviours: see BEHAVIOURS. With a certificate everything is said inside of TLS, unless the behaviour is about TLS itself.
Standard output tells after each connection how many there were.
"""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import sys
import threading
import time
from typing import Callable, Iterator

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nall\r\n5;why=ok\r\n is o\r\n1\r\nk\r\n0\r\n\r\n"
PIECE = 1400


def garbage(_count: int) -> Iterator[bytes]:
    """Random bytes that do not end."""
    while True:
        yield random.randbytes(PIECE)


def endless_head(_count: int) -> Iterator[bytes]:
    """A head that goes on and on."""
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        yield b"X-More: " + b"x" * PIECE + b"\r\n"


def endless_line(_count: int) -> Iterator[bytes]:
    """A status line without an end."""
    yield b"HTTP/1.1 200 "
    while True:
        yield b"O" * PIECE


def endless_body(_count: int) -> Iterator[bytes]:
    """A body that goes on and on."""
    yield b"HTTP/1.1 200 OK\r\n\r\n"
    while True:
        yield b"n" * PIECE


def endless_chunks(_count: int) -> Iterator[bytes]:
    """Chunks of one byte that go on and on."""
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    while True:
        yield b"1\r\nn\r\n" * 200


def slow(_count: int) -> Iterator[bytes]:
    """A good answer, a byte each 100 ms."""
    for byte in ANSWER:
        yield bytes([byte])
        time.sleep(0.1)


def silent(_count: int) -> Iterator[bytes]:
    """Takes connections and says nothing."""
    time.sleep(60)
    yield b""


def cut(count: int) -> Iterator[bytes]:
    """A good answer that ends after as many bytes as there were connections before, and begins anew when it was whole."""
    yield ANSWER[: count % (len(ANSWER) + 1)]


def good(_count: int) -> Iterator[bytes]:
    """A good answer."""
    yield ANSWER


def chunked(_count: int) -> Iterator[bytes]:
    """A good answer in chunks, on a connection that stays open."""
    yield CHUNKED
    time.sleep(60)


BEHAVIOURS: dict[str, Callable[[int], Iterator[bytes]]] = {
    function.__name__.replace("_", "-"): function
    for function in (garbage, endless_head, endless_line, endless_body, endless_chunks, slow, silent, cut, good, chunked)
}


def tls_cut(connection: socket.socket, context: ssl.SSLContext, count: int) -> None:
    """Shakes hands and answers, but only the first bytes leave: seven more for each connection, then anew."""
    taken, made = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(taken, made, server_side=True)
    left, said = count * 7 % 2048, False
    while left > 0:
        with contextlib.suppress(ssl.SSLWantReadError):
            if not said:
                tls.do_handshake()
                tls.write(ANSWER)
                said = True
        out = made.read()[:left]
        connection.sendall(out)
        left -= len(out)
        if left > 0:
            received = connection.recv(65536)
            if not received:
                return
            taken.write(received)


def serve(connection: socket.socket, behaviour: str, context: ssl.SSLContext | None, count: int) -> None:
    """One connection; the other side may leave at any time."""
    with contextlib.suppress(OSError), connection:
        connection.settimeout(10)
        if behaviour == "tls-cut":
            assert context
            tls_cut(connection, context, count)
            return
        if context:
            connection = context.wrap_socket(connection, server_side=True)
        if not behaviour.startswith("silent"):
            connection.recv(65536)
        for piece in BEHAVIOURS[behaviour](count):
            connection.sendall(piece)


def main() -> None:
    """Serves for ever."""
    port, behaviour = int(sys.argv[1]), sys.argv[2]
    context = None
    if len(sys.argv) > 4:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[3], sys.argv[4])
    server = socket.create_server(("0.0.0.0", port), backlog=512)
    count = 0
    while True:
        connection, _ = server.accept()
        threading.Thread(target=serve, args=(connection, behaviour, context, count), daemon=True).start()
        count += 1
        print(count, flush=True)


if __name__ == "__main__":
    main()
