"""What strangers send over a real socket: names, pages, bodies and connections."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn")
from loopback import ask, chunks, listening, request
from web_client import API, until

from reage.editor import Editor
from reage.web import bodies
from reage.web import listening as rooms
from reage.web.app import create_app
from reage.web.settings import ServerSettings

LAN = replace(ServerSettings(), host="0.0.0.0", password="gehöim", allow_hosts=("photos.lan",))
LOGIN = {"Authorization": "Bearer gehöim"}


@pytest.fixture(scope="module")
def port(small_editor: Editor) -> Iterator[int]:
    with listening(create_app(small_editor, ServerSettings(max_photo=1 << 20))) as port:
        yield port


@pytest.fixture(scope="module")
def lan(small_editor: Editor) -> Iterator[int]:
    with listening(create_app(small_editor, LAN)) as port:
        yield port


def status(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer[:100]
    return int(answer[9:12])


def resident() -> int:
    """Megabytes of this process."""
    line = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in line
    )
    return int(line.split()[1]) >> 10


FOREIGN = ["evil.example", "testserver", "127.0.0.1.evil.example", "a@127.0.0.1", "10.9.8.7"]
FOREIGN += ["localhost.", "", "127.0.0.1:x", "[::1", "localhost/"]


@pytest.mark.parametrize("host", FOREIGN)
def test_foreign_hosts_are_refused(port: int, lan: int, host: str) -> None:
    for one in (port, lan):
        assert status(ask(one, request("GET", "/login", one, f"Host: {host}"))) in (400, 421)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "LOCALHOST:1", "[::1]:7860", "photos.lan", "Photos.LAN:80"]
)
def test_own_hosts_are_answered(lan: int, host: str) -> None:
    assert status(ask(lan, request("GET", "/login", lan, f"Host: {host}"))) == 200


def test_two_hosts_or_none_are_refused(port: int) -> None:
    assert status(ask(port, request("GET", "/", port, "Host: localhost", "Host: evil"))) == 400
    assert status(ask(port, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")) == 400
    assert status(ask(port, b"GET / HTTP/1.0\r\n\r\n")) == 421


ORIGINS = ["http://evil.example", "null", "http://127.0.0.1:1", "http://localhost.evil", "file://",
           "https://photos.lan:444", "http://127.0.0.1:{port}.evil"]  # fmt: skip


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/photos"), ("DELETE", "/session"), ("GET", "/about")]
)
def test_foreign_pages_are_refused(
    port: int, lan: int, origin: str, method: str, path: str
) -> None:
    """Without Sec-Fetch-Site, which browsers do not send over plain HTTP in a LAN."""
    for one in (port, lan):
        lines = (f"Origin: {origin.format(port=one)}", *(f"{k}: {v}" for k, v in LOGIN.items()))
        head = request(method, API + path, one, *lines)
        assert status(ask(one, head)) == 403


def test_own_pages_are_served(port: int, lan: int) -> None:
    own = request("DELETE", f"{API}/session", port, f"Origin: http://127.0.0.1:{port}")
    assert status(ask(port, own)) == 204
    # A proxy that ends TLS leaves the Host header or gives its own.
    password = "Authorization: Bearer gehöim".encode().decode("latin-1")
    for lines in (["Host: photos.lan"], []):
        head = request(
            "DELETE", f"{API}/session", lan, *lines, "Origin: https://photos.lan", password
        )
        assert status(ask(lan, head)) == 204


def test_a_password_that_is_not_ascii(lan: int) -> None:
    for given, wanted in (("gehöim", 200), ("gehoim", 401), ("\xff\xfe", 401)):
        line = f"Authorization: Bearer {given}".encode().decode("latin-1")
        assert status(ask(lan, request("GET", f"{API}/about", lan, line))) == wanted


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/login", "application/octet-stream"),
        ("/login", "application/x-www-form-urlencoded"),
        (f"{API}/photos", "application/octet-stream"),
        (f"{API}/photos/x/invert", "application/octet-stream"),
        (f"{API}/jobs/x/stop", "application/octet-stream"),
    ],
)
def test_a_chunked_body_is_bounded_and_answered(port: int, path: str, kind: str) -> None:
    before = resident()
    head = request("POST", path, port, "Transfer-Encoding: chunked", f"Content-Type: {kind}")
    answer = ask(port, head, chunks(800))  # 50 MB
    assert status(answer) in (413, 404), answer[:200]
    assert resident() - before < 30


def test_a_length_over_the_limit_is_answered_while_it_is_sent(port: int) -> None:
    for length in (str(20 << 20), "9" * 19):
        head = request("POST", f"{API}/photos", port, f"Content-Length: {length}")
        answer = ask(port, head, iter([b"a" * (1 << 20)] * 20))
        assert status(answer) == 413 and b"are allowed" in answer


def test_a_stalled_upload_ends(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PATIENCE", 0.2)
    head = request("POST", f"{API}/photos", port, "Content-Length: 1000")
    with socket.create_connection(("127.0.0.1", port), 120) as client:
        client.sendall(head + b"a")
        assert status(client.recv(1 << 16)) == 408


def test_uploads_at_once_are_bounded(
    small_editor: Editor, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = ServerSettings(uploads_at_once=2)
    app = create_app(small_editor, settings)
    with listening(app) as port:
        head = request("POST", f"{API}/photos", port, "Content-Length: 1000")
        held = [socket.create_connection(("127.0.0.1", port), 120) for _ in range(2)]
        for client in held:
            client.sendall(head + b"a")
        until(lambda: sum(app.state.door.uploading.values()) == 2)
        assert status(ask(port, head + b"a" * 1000)) == 503
        for client in held:
            client.close()
        until(lambda: not sum(app.state.door.uploading.values()))
        assert status(ask(port, head + b"a" * 1000)) == 422  # it is a text file
        assert "Traceback" not in capfd.readouterr().err  # uploads that were given up


def test_idle_connections_lock_nobody_out(
    small_editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "MOST_CONNECTIONS", 20)
    with listening(create_app(small_editor, ServerSettings())) as port:
        idle = [socket.create_connection(("127.0.0.1", port), 120) for _ in range(60)]
        assert status(ask(port, request("GET", f"{API}/health", port))) == 200
        for client in idle:
            client.close()


def test_a_connection_without_a_request_ends(
    small_editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "FIRST_REQUEST", 0.3)
    app = create_app(small_editor, ServerSettings())
    with listening(app) as port, socket.create_connection(("127.0.0.1", port), 120) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: ")  # and no more
        assert client.recv(100) == b""


def endless(over: threading.Event) -> Any:
    """An application that sends 50 MB in parts, or in one, and tells when that is over."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        parts = 800 if scope["path"] == "/parts" else 1
        for _ in range(parts):
            body = b"a" * ((50 << 20) // parts)
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        over.set()

    return answer


def taken_of(client: socket.socket, pause: float) -> int:
    """Bytes that come until the server ends the connection."""
    taken = 0
    while part := client.recv(1 << 20):
        taken += len(part)
        time.sleep(pause)
    return taken


@pytest.mark.parametrize("path", ["/parts", "/whole"])
def test_an_answer_that_nobody_takes_ends_and_a_slow_one_does_not(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "STALLED", 0.5)
    over = threading.Event()
    with listening(endless(over), lifespan="off") as port:
        with socket.create_connection(("127.0.0.1", port), 120) as client:
            client.sendall(request("GET", path, port))
            assert over.wait(120)
            assert taken_of(client, pause=0) < 45 << 20  # what the system held
        with socket.create_connection(("127.0.0.1", port), 120) as client:
            client.sendall(request("GET", path, port))
            assert taken_of(client, pause=0.02) > 50 << 20  # in more than STALLED seconds
