"""The server process: uvicorn with bounds for connections that only wait."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from reage.web.gate import network_of

__all__ = ["make_server"]

MOST_CONNECTIONS = 400
MOST_EACH = 64  # of one address; not of this computer, where a reverse proxy may run
FIRST_REQUEST = 15.0  # seconds for a request's headers
LONGEST_HEAD = 320 << 10  # bytes: a project's edits are in its address
KEEP_ALIVE = 30  # seconds that a connection may idle between two requests
STALLED = 30.0  # seconds in which a client has to take some of an answer
LEAST_TAKEN = 30_000  # bytes of it in that time


def make_server(app: ASGIApp, **more: Any) -> uvicorn.Server:
    """Make the server of an application; `more` are options of uvicorn."""
    config = uvicorn.Config(
        app,
        http=BoundedConnection,
        ws="none",
        log_level="warning",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=3,
        h11_max_incomplete_event_size=LONGEST_HEAD,
        limit_concurrency=MOST_CONNECTIONS + 100,
        **more,
    )
    return uvicorn.Server(config)


class BoundedConnection(H11Protocol):
    """A connection that makes room when there are too many and it has nothing to do."""

    waiting: asyncio.TimerHandle | None = None  # ends it, should nothing be asked by then
    stalling: asyncio.TimerHandle | None = None  # ends it, should nothing be taken by then
    idle_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.peer = network_of(self.client[0] if self.client else "")
        self._wait(FIRST_REQUEST)
        same = [c for c in self.connections if getattr(c, "peer", None) == self.peer]
        if len(same) > MOST_EACH and not _is_here(self.peer):
            self._make_room(same)
        elif len(self.connections) > MOST_CONNECTIONS:
            self._make_room(list(self.connections))

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._wait(KEEP_ALIVE + FIRST_REQUEST)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self.waiting, self.stalling):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        if self.stalling is not None:
            self.stalling.cancel()
        super().resume_writing()

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _wait(self, seconds: float) -> None:
        if self.waiting is not None:
            self.waiting.cancel()
        self.idle_since = self.loop.time()
        self.waiting = self.loop.call_later(seconds, self._end_idle)

    def _end_idle(self) -> None:
        if self.is_idle:
            self.transport.close()

    def _make_room(self, among: list[Any]) -> None:
        """End the connection that has idled longest; this one where all are busy."""
        idle = [c for c in among if c.is_idle and not c.transport.is_closing()]
        min(idle, key=lambda c: c.idle_since, default=self).transport.abort()

    def _watch_writing(self) -> None:
        left = self.transport.get_write_buffer_size()
        self.stalling = self.loop.call_later(STALLED, self._end_stalled, left)

    def _end_stalled(self, left: int) -> None:
        """End a connection whose client does not take its answer, which stays in memory."""
        if self.transport.get_write_buffer_size() > left - LEAST_TAKEN:
            self.transport.abort()
        else:  # nothing is added until writing resumes
            self._watch_writing()


def _is_here(peer: str) -> bool:
    try:
        return ip_address(peer).is_loopback
    except ValueError:  # a network, a Unix socket
        return False
