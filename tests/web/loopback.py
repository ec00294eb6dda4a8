"""A server on loopback, in a thread, and requests as bytes: what no client library would send."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from reage.web.listening import make_server

__all__ = ["ask", "chunks", "listening", "request"]


@contextmanager
def listening(app: Any, **options: Any) -> Iterator[int]:
    """Serve an application; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = make_server(app, **options)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(120)  # machines that run tests are busy


def request(method: str, path: str, port: int, *headers: str) -> bytes:
    """The head of a request."""
    names = [line.partition(":")[0].lower() for line in headers]
    host = () if "host" in names else (f"Host: 127.0.0.1:{port}",)
    lines = [f"{method} {path} HTTP/1.1", *host, "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def chunks(count: int, size: int = 1 << 16) -> Iterator[bytes]:
    """A chunked body."""
    part = f"{size:x}\r\n".encode() + b"a" * size + b"\r\n"
    for _ in range(count):
        yield part
    yield b"0\r\n\r\n"


def ask(port: int, head: bytes, body: Iterable[bytes] = (), seconds: float = 120) -> bytes:
    """Send a request and read the whole answer, also where the server ends it early."""
    with socket.create_connection(("127.0.0.1", port), seconds) as client:
        client.sendall(head)
        try:
            for part in body:
                client.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the answer may be there all the same
        answer = b""
        while part := client.recv(1 << 16):
            answer += part
        return answer
