"""Fetch a file from an address, with an end in time and in size."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

__all__ = ["fetch"]

CHUNK = 1 << 20
SILENCE = 30  # seconds without an answer
PATIENCE = 60  # seconds before an answer's first byte, and for whatever comes
SLOWEST = 32_000  # bytes a second, after that


def fetch(request: str | urllib.request.Request, size: int) -> Iterator[bytes]:
    """Yield an answer's bytes, at most one chunk more than `size`; OSError if it takes too long."""
    began, done = time.monotonic(), 0
    with _open(request) as answer:
        while done <= size and (chunk := answer.read1(CHUNK)):
            done += len(chunk)
            yield chunk
            if time.monotonic() - began > PATIENCE + done / SLOWEST:
                raise TimeoutError(f"too slow: {done} bytes in {time.monotonic() - began:.0f} s")


def _open(request: str | urllib.request.Request) -> Any:
    """Open an address in a thread: a header that comes letter by letter is never silent."""
    found: list[Any] = []

    def work() -> None:
        try:
            found.append(urllib.request.urlopen(request, timeout=SILENCE))
        except Exception as error:  # noqa: BLE001 - raised below
            found.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if not found:
        raise TimeoutError(f"no answer in {PATIENCE} s")
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]
