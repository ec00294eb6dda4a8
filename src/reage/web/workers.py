"""The threads that answer requests, and how they share the cores and the users' patience."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any, Literal, TypeVar

import torch
from starlette.requests import ClientDisconnect

from reage.memory import do_and_return_memory
from reage.threads import cores
from reage.web.jobs import QueueFull

__all__ = ["Workers"]

Answer = TypeVar("Answer")
MOST_QUICK = 4  # cores for pictures; more would only take each other's memory bandwidth

Kind = Literal["quick", "rest", "aside"]


class Workers:
    """Threads for quick requests, and one for what is large.

    Large is what opens files and makes pictures of full size, of jobs too: one is in memory at a
    time, and a slider waits for none. Of a photo's quick requests one is answered at a time, so
    that nobody who asks for a row of pictures holds up others. What no dragged slider waits for has
    turns and threads of its own: exact pictures where one rests, which take as long as five steps
    of a drag, and, aside, what a page fetches ahead and first looks at a face, which take as long
    as a hundred. There is always one thread that does nothing of either kind.
    """

    def __init__(self, waiting: int, waiting_large: int):
        self.most = {"quick": waiting, "large": waiting_large}
        self.waiting = dict.fromkeys(self.most, 0)
        self.cores = torch.get_num_threads()
        quick = max(2, min(cores(), MOST_QUICK))
        most = {"rest": quick // 2, "aside": quick - 1}
        self.quick = ThreadPoolExecutor(sum(most.values()) + 1, "reage-quick")
        self.large = ThreadPoolExecutor(1, "reage-large", torch.set_num_threads, (self.cores,))
        self.slower = {kind: asyncio.Semaphore(count) for kind, count in most.items()}
        self.lock, self.busy = threading.Lock(), 0

    async def do(
        self,
        turn: asyncio.Lock,
        work: Callable[..., Answer],
        *args: Any,
        kind: Kind = "quick",
        gone: Callable[[], Awaitable[bool]] | None = None,
    ) -> Answer:
        """Do something quick when it is a photo's turn; QueueFull where too much waits.

        `gone` says whether whoever asked has hung up meanwhile: then ClientDisconnect, and nobody
        waits for work that nobody wants.
        """
        with self._queued("quick", "the server is busy; try again in a moment"):
            async with self.slower.get(kind) or nullcontext(), turn:
                if gone is not None and await gone():
                    raise ClientDisconnect
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self.quick, self._share_cores, work, *args)

    async def do_large(self, work: Callable[..., Answer], *args: Any) -> Answer:
        """Do something with a picture of full size in its thread; QueueFull as `do`."""
        with self._queued("large", "too many large pictures wait; try again in a moment"):
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self.large, do_and_return_memory, work, *args)

    def do_large_in_turn(self, work: Callable[..., Answer], *args: Any) -> Answer:
        """Let a job do something with a picture of full size, in turn with what requests ask."""
        return self.large.submit(do_and_return_memory, work, *args).result()

    def close(self) -> None:
        """Wait for what is under way, and drop what waits."""
        for pool in (self.quick, self.large):
            pool.shutdown(wait=True, cancel_futures=True)

    @contextmanager
    def _queued(self, kind: str, full: str) -> Iterator[None]:
        if self.waiting[kind] >= self.most[kind]:
            raise QueueFull(full)
        self.waiting[kind] += 1
        try:
            yield
        finally:
            self.waiting[kind] -= 1

    def _share_cores(self, work: Callable[..., Answer], *args: Any) -> Answer:
        """Work alone with all cores, beside others with a share: threads that fight are slow."""
        with self.lock:
            self.busy += 1
            torch.set_num_threads(max(1, self.cores // self.busy))
        try:
            return work(*args)
        finally:
            with self.lock:
                self.busy -= 1
