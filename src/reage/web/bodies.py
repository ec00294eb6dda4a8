"""Bodies of requests, bounded by the route and in time, whatever their headers say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Send

__all__ = ["Body", "too_large"]

PATIENCE = 30.0  # seconds without a byte, and until the rate counts
SLOWEST = 4096  # bytes a second on average after that
LINGER = 3.0  # seconds in which the rest of a refused body is thrown away
MOST_LINGERED = 64 << 20  # bytes of it


class Body:
    """The `receive` of a request: HTTPException 413 past `most` bytes, 408 where it stalls.

    `while_held` is called when the body is over, however it ends.
    """

    def __init__(self, receive: Receive, most: int, length: str | None, chunked: bool):
        self.source, self.most = receive, most
        self.seen, self.began = 0, time.monotonic()
        self.is_over = not chunked and (length or "0") == "0"
        self.on_over: Callable[[], None] = lambda: None

    async def receive(self) -> Message:
        """Give the next part."""
        if self.is_over:  # whoever asks now waits for the end of the connection
            return await self.source()
        try:
            message = await asyncio.wait_for(self.source(), PATIENCE)
        except TimeoutError:
            self._end()
            raise _too_slow() from None
        self._count(message)
        if self.seen > self.most:
            raise too_large(self.seen, self.most)
        spent = time.monotonic() - self.began - PATIENCE
        if not self.is_over and self.seen < spent * SLOWEST:
            raise _too_slow()
        return message

    def sender(self, send: Send) -> Send:
        """Let a refusal reach a client that still sends: close only after its rest is read.

        A connection that is closed with unread bytes loses the answer too.
        """
        refused = False

        async def sending(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start":
                refused = message["status"] >= 400
            last = message["type"] == "http.response.body" and not message.get("more_body")
            if last and refused and not self.is_over:
                await send({**message, "more_body": True})
                await self._linger()
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        return sending

    async def _linger(self) -> None:
        most = self.seen + MOST_LINGERED
        try:
            async with asyncio.timeout(LINGER):
                while not self.is_over and self.seen < most:
                    self._count(await self.source())
        except TimeoutError:
            self._end()

    def _count(self, message: Message) -> None:
        self.seen += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            self._end()

    def _end(self) -> None:
        self.is_over = True
        self.on_over()


def too_large(size: int, most: int) -> HTTPException:
    """The refusal of a body of `size` bytes, of which so many were seen at least."""
    return HTTPException(413, f"the body has {_megabytes(size)} or more; {_megabytes(most)} are "
                              "allowed")  # fmt: skip


def _too_slow() -> HTTPException:
    return HTTPException(408, "the upload came too slowly; send it again")


def _megabytes(size: int) -> str:
    return f"{size / (1 << 20):.3g} MB"
