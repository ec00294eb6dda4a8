"""Requests as attackers make them, over a socket: paths, ids, bodies, names and bombs."""

from __future__ import annotations

import io
import json
import re
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("uvicorn")
from loopback import ask, listening, request
from test_loopback import status
from web_client import API, until

from reage.editor import Editor
from reage.images.deep_png import encode_deep_png
from reage.images.metadata import PNG_SIGNATURE, png_chunk
from reage.web.app import create_app
from reage.web.settings import ServerSettings

LIMITS = ServerSettings(uploads_a_minute=10_000, requests_a_minute=100_000, max_pixels=2_000_000)


@pytest.fixture(scope="module")
def app(small_editor: Editor) -> Any:
    return create_app(small_editor, LIMITS)


@pytest.fixture(scope="module")
def port(app: Any) -> Iterator[int]:
    with listening(app) as port:
        yield port


def post(port: int, path: str, data: bytes, *lines: str) -> bytes:
    head = request("POST", path, port, f"Content-Length: {len(data)}", *lines)
    return ask(port, head, [data])


def told(answer: bytes) -> Any:
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def refused(answer: bytes) -> bool:
    """Whether it is a 4xx of one line that tells nothing of the server's files."""
    assert status(answer) // 100 == 4, answer[:300]
    detail = str(told(answer)["detail"])
    assert "\n" not in detail and "/tmp" not in detail and "Traceback" not in detail
    return True


PATHS = ["/static/../app.py", "/static/..%2f..%2fapp.py", "/static/%2e%2e/app.py",
         "/static//etc/passwd", "/static/..%5c..%5capp.py", "/static/%00", "//etc/passwd", "/..",
         "/static/" + "a" * 5000,
         f"{API}/../../etc/passwd", f"{API}/photos/..%2f..%2f", "/static/%c0%ae%c0%ae/app.py",
         "http://evil.example/", "/%", "/static/%2fetc%2fpasswd"]  # fmt: skip


@pytest.mark.parametrize("path", PATHS, ids=range(len(PATHS)))
def test_no_path_leads_out(port: int, path: str) -> None:
    answer = ask(port, request("GET", path, port))
    assert status(answer) in (307, 400, 404)
    assert b"root:" not in answer and b"import annotations" not in answer


def test_ids_of_others_and_odd_ids_are_not_found(port: int, portrait: bytes) -> None:
    answer = post(port, f"{API}/photos", portrait)
    own = told(answer)["id"]
    session = re.search(rb"reage_session=([^;]+)", answer)
    assert session is not None
    cookie = f"Cookie: reage_session={session[1].decode()}"
    assert status(ask(port, request("GET", f"{API}/photos/{own}", port, cookie))) == 200
    cookies = ["", "reage_session=", f"reage_session={session[1].decode()[:-1]}", "=;=;;"]
    cookies += ["reage_session=%00", "reage_session=" + "a" * 9000, "reage_session=\xff; \x01=2"]
    for odd in cookies:
        answer = ask(port, request("GET", f"{API}/photos/{own}", port, f"Cookie: {odd}"))
        assert status(answer) in (400, 404)
    for odd in (own[:-1], own.upper() + "a", "..", "%00", "a" * 65, "a" * 3000, "%ff", "1 OR 1=1"):
        path = f"{API}/photos/{odd.replace(' ', '%20')}/edited?ages=1:60"
        assert status(ask(port, request("GET", path, port, cookie))) in (404, 422)


FORM = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--"
BODIES = [
    ("multipart/form-data; boundary=x", FORM),
    ("multipart/form-data", b"--x"),
    ("multipart/form-data; boundary=" + "x" * 900, b"--" + b"x" * 900),
    ("multipart/mixed; boundary=x", b"--x\r\n" * 10_000),
    ("application/json", b"[" * 100_000),
    ("application/json", b'{"faces": [' + b"9" * 5000 + b"]}"),
    ("application/json", b'{"faces": [1e400]}'),
    ("application/json", b'{"faces": ["\\ud800"]}'),
    ("application/json", b"\xff\xfe"),
    ("application/json; charset=utf-7", b'{"faces": [1]}'),
    ("text/xml", b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
    ("", b""),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "data"), BODIES, ids=range(len(BODIES)))
def test_bodies_of_other_kinds_are_refused(port: int, kind: str, data: bytes) -> None:
    for path in (f"{API}/photos", f"{API}/projects", f"{API}/ages", f"{API}/edit?to=70",
                 f"{API}/videos?to=70&name=a.mp4", f"{API}/folders?to=70"):  # fmt: skip
        assert refused(post(port, path, data, f"Content-Type: {kind}"))
    assert refused(post(port, f"{API}/photos/x/invert", data, f"Content-Type: {kind}"))


LOGIN = b"POST /login HTTP/1.1\r\nHost: localhost\r\n"
SMUGGLED = [
    LOGIN + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
    LOGIN + b"Content-Length: -4\r\n\r\nabcd",
    LOGIN + b"Content-Length: 1_0\r\n\r\nabcd",
    LOGIN + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    LOGIN + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    LOGIN + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"a" * 400_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n b: c\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(100),
    b"\r\n" * 100 + b"GET",
]  # fmt: skip


@pytest.mark.parametrize("data", SMUGGLED, ids=range(len(SMUGGLED)))
def test_what_is_no_http_is_refused(port: int, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), 120) as client:
        try:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            answer = client.recv(1 << 16)
        except ConnectionResetError:
            answer = b""
    assert answer == b"" or status(answer) in (400, 404, 421, 431, 501)
    assert status(ask(port, request("GET", f"{API}/health", port))) == 200


def test_an_unknown_version_of_http_is_refused(port: int) -> None:
    """It was answered as 1.1 where the client did not hang up first."""
    asked = f"GET / HTTP/9.9\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
    assert status(ask(port, asked.encode())) == 400


def test_an_upload_that_is_given_up_leaves_nothing(app: Any, port: int) -> None:
    path = f"{API}/videos?to=70&name=a.mp4"
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", port), 120) as client:
            client.sendall(request("POST", path, port, "Content-Length: 1000000") + bytes(5000))
            until(lambda: len(files_of(app)) > 1)
        until(lambda: files_of(app) == ["lock"])
    until(lambda: not app.state.door.uploading)


def files_of(app: Any) -> list[str]:
    """The files that a server keeps."""
    files = app.state.studio.sessions.files
    return [] if files is None else [p.name for p in files.path.rglob("*") if p.is_file()]


NAMES = ["<script>alert(1)</script>.png", "a%0d%0aX-A:%20b.png", "%22;%20filename=b.exe", "%00.png",
         "..%2f..%2fa.png", "%e2%80%ae.png", "a" * 250, "%ff%fe.png", "%F0%9F%98%80.png", "con.png",
         "%0a", "%2f", "."]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names_stay_names(port: int, portrait: bytes, name: str) -> None:
    """In headers, in JSON, in messages, and never in markup."""
    answer = post(port, f"{API}/photos?name={name}", portrait)
    assert status(answer) == 200
    session = re.search(rb"reage_session=([^;]+)", answer)
    assert session is not None
    photo, cookie = told(answer), f"Cookie: reage_session={session[1].decode()}"
    assert "\n" not in photo["name"] and "/" not in photo["name"]
    saved = ask(port, request("GET", f"{API}/photos/{photo['id']}/project", port, cookie))
    head = saved.partition(b"\r\n\r\n")[0]
    assert status(saved) == 200 and b"\r\nx-a" not in head.lower()
    (line,) = re.findall(rb"(?i)content-disposition: ([^\r]*)", head)
    assert re.fullmatch(rb"attachment; filename\*=UTF-8''[A-Za-z0-9%._~-]+", line), line
    assert refused(post(port, f"{API}/photos?name={name}", b"not a picture"))


@cache
def bombs() -> dict[str, bytes]:
    """Small files of many pixels, or of many other things."""
    wide, made = np.zeros((700, 700, 4), np.uint16), {}
    made["16 bit"] = encode_deep_png(wide)
    for kind, size in (("PNG", (30_000, 30_000)), ("GIF", (700, 700)), ("TIFF", (700, 700))):
        file = io.BytesIO()
        Image.new("1" if kind == "PNG" else "L", size).save(file, kind)
        made[kind] = file.getvalue()
    header = struct.pack(">LL5B", 64, 64, 8, 2, 0, 0, 0)
    text = b"a\0\0" + zlib.compress(bytes(8 << 20), 9)
    profile = b"icc\0\0" + zlib.compress(bytes(8 << 20), 9)
    pixels = zlib.compress(bytes(8 << 20), 9)
    for name, chunks in {
        "text": [(b"zTXt", text)] * 20,
        "profile": [(b"iCCP", profile)],
        "chunks": [(b"tEXt", b"a\0b")] * 30_000,
        "pixels": [(b"IDAT", pixels)],
    }.items():
        parts = [
            (b"IHDR", header),
            *chunks,
            (b"IDAT", zlib.compress(bytes(64 * 193))),
            (b"IEND", b""),
        ]
        made[name] = PNG_SIGNATURE + b"".join(png_chunk(*part) for part in parts)
    return made


@pytest.mark.parametrize(
    "name", ["16 bit", "PNG", "GIF", "TIFF", "text", "profile", "chunks", "pixels"]
)
def test_bombs_are_refused_while_others_are_answered(port: int, name: str) -> None:
    done, slowest = threading.Event(), [0.0]

    def look() -> None:
        while not done.is_set():
            began = time.monotonic()
            assert status(ask(port, request("GET", f"{API}/health", port))) == 200
            slowest[0] = max(slowest[0], time.monotonic() - began)
            time.sleep(0.02)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        assert refused(post(port, f"{API}/photos", bombs()[name]))
    finally:
        done.set()
        looking.join()
    assert slowest[0] < 30  # also on a machine that is busy


def test_memory_does_not_grow_with_bombs(port: int) -> None:
    def resident() -> int:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) >> 10

    deep = bombs()["16 bit"]
    post(port, f"{API}/photos", deep)
    before = resident()
    posts = [threading.Thread(target=post, args=(port, f"{API}/photos", deep)) for _ in range(4)]
    for one in posts:
        one.start()
    for one in posts:
        one.join()
    assert resident() - before < 100  # four at once would take more
