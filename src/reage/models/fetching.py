"""Fetch a file from an address, with an end in time and in size."""

from __future__ import annotations

import http.client
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, Full, Queue
from typing import Any

__all__ = ["fetch", "reason_of"]

CHUNK, AHEAD = 1 << 20, 4
SILENCE = 30  # seconds without an answer
PATIENCE = 60  # seconds before an answer's first byte, and for whatever comes
SLOWEST = 32_000  # bytes a second, after that


class _Web(urllib.request.HTTPRedirectHandler):
    """Follow an answer to another address of the web, not to FTP, nor from HTTPS to HTTP."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        scheme = urllib.parse.urlsplit(newurl).scheme
        if scheme not in ("https", req.type):
            raise urllib.error.URLError(f"it redirects from {req.type} to {scheme or 'nothing'}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(request: str | urllib.request.Request, size: int) -> Iterator[bytes]:
    """Yield an answer's bytes, at most one chunk more than `size`.

    Raises OSError of one line if it takes too long or is not an answer, ValueError for an address
    that is none.

    A thread reads: headers, lengths of chunks and trailers that come letter by letter are never
    silent, and no limit of the socket ends them.
    """
    came: Queue[bytes | Exception] = Queue(AHEAD)
    left = threading.Event()
    threading.Thread(target=_read, args=(request, size, came, left), daemon=True).start()
    began, done = time.monotonic(), 0
    try:
        while True:
            seconds = time.monotonic() - began
            try:
                part = came.get(timeout=max(PATIENCE + done / SLOWEST - seconds, 0))
            except Empty:
                what = f"too slow: {done} bytes" if done else "no answer"
                raise TimeoutError(f"{what} in {seconds + 0.5:.0f} s") from None
            if isinstance(part, Exception):
                raise part
            if not part:
                return
            done += len(part)
            yield part
    finally:
        left.set()


def reason_of(error: Exception) -> object:
    """What went wrong, without numbers of errors or the name of an unfinished file."""
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or error


def _read(
    request: str | urllib.request.Request,
    size: int,
    came: Queue[bytes | Exception],
    left: threading.Event,
) -> None:
    """Put an answer's parts into a queue, then an empty one or the error, until it is left."""

    def put(part: bytes | Exception) -> None:
        while not left.is_set():
            with suppress(Full):
                return came.put(part, timeout=1)

    try:
        done = 0
        with urllib.request.build_opener(_Web).open(request, timeout=SILENCE) as answer:
            while done <= size and not left.is_set() and (chunk := answer.read1(CHUNK)):
                done += len(chunk)
                put(chunk)
        put(b"")
    except urllib.error.HTTPError as error:
        endless = "infinite loop" in error.msg  # urllib's text of three lines
        put(OSError("it redirects without end") if endless else error)
    except http.client.HTTPException as error:
        put(OSError(f"not an answer: {str(error)[:200] or type(error).__name__}"))
    except Exception as error:  # noqa: BLE001 - raised where the bytes are wanted
        put(error)
