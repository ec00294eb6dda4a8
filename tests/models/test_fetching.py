"""What is fetched has an end: in silence, letter by letter, and in size."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from reage.models import fetching

pytestmark = pytest.mark.quick


@pytest.fixture
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that sends its parameter, pause after pause, until it is left."""
    server = socket.create_server(("127.0.0.1", 0))

    def work() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            try:
                for part in request.param:
                    connection.sendall(part)
                    time.sleep(0.02)
                for _ in range(500):
                    connection.sendall(b"x")
                    time.sleep(0.02)
            except OSError:
                return

    threading.Thread(target=work, daemon=True).start()
    with server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/file"


@pytest.mark.parametrize(
    "address",
    [
        [b"HTTP/1.1 200 OK\r\nX: "],
        [b"H"],
        [b"HTTP/1.1 200 OK\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"],
    ],
    ids=["header", "status", "body", "length of a chunk", "trailer"],
    indirect=True,
)
def test_an_answer_without_end_is_left(address: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetching, "PATIENCE", 0.2)
    began = time.monotonic()
    with pytest.raises(OSError, match=r"too slow|no answer"):
        list(fetching.fetch(address, 1 << 30))
    assert time.monotonic() - began < 5


def redirect(place: str) -> list[bytes]:
    return [f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {place}\r\n\r\n".encode()]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ([b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n"], "not an answer: got more than"),
        ([b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 200 + b"\r\n"], "not an answer: got more than"),
        ([b"HTTP/9 200 OK\r\n\r\n"], "not an answer: HTTP/9"),
        (redirect("ftp://127.0.0.1:9/x"), "it redirects from http to ftp"),
        (redirect("file:///etc/hosts"), "Redirection to url"),
    ],
    ids=["long header", "many headers", "version", "ftp", "file"],
    indirect=["address"],
)
def test_what_is_not_an_answer_of_the_web_is_one_line(address: str, said: str):
    with pytest.raises(OSError, match=said) as caught:
        list(fetching.fetch(address, 1000))
    assert "\n" not in str(caught.value)


def test_redirects_have_an_end():
    class Round(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", f"{self.path}x")
            self.end_headers()

    with http.server.HTTPServer(("127.0.0.1", 0), Round) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with pytest.raises(OSError, match=r"^it redirects without end$"):
            list(fetching.fetch(f"http://127.0.0.1:{server.server_port}/", 1000))
        server.shutdown()


@pytest.mark.parametrize("address", [[b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 300_000]], indirect=True)
def test_no_more_is_read_than_asked_for(address: str):
    got = sum(len(part) for part in fetching.fetch(address, 1000))
    assert 1000 < got <= 1000 + fetching.CHUNK
