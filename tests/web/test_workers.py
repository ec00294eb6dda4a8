"""Who waits for whom when several users ask at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from starlette.requests import ClientDisconnect

from reage.web.jobs import QueueFull
from reage.web.workers import Workers

pytestmark = pytest.mark.quick


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(waiting=50, waiting_large=2)
    yield made
    made.close()


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine in a thread of its own: browser tests leave a loop in the main one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(main())).result()


def test_a_drag_waits_for_no_first_look_and_no_exact_one(workers: Workers):
    """Twenty users open a photo, twenty rest at an age; another one, whose face is known, drags."""
    seen = threading.Event()

    async def main() -> None:
        looks = [
            asyncio.create_task(workers.do(asyncio.Lock(), seen.wait, 60, kind=kind))
            for _ in range(20)
            for kind in ("aside", "rest")
        ]
        await asyncio.sleep(0)
        answer = await asyncio.wait_for(workers.do(asyncio.Lock(), lambda: "step"), 30)
        seen.set()
        assert answer == "step" and all(await asyncio.gather(*looks))

    run(main)


def test_who_asks_for_a_row_holds_up_nobody(workers: Workers):
    stepped = threading.Event()

    async def main() -> None:
        turn = asyncio.Lock()
        row = [asyncio.create_task(workers.do(turn, stepped.wait, 60)) for _ in range(8)]
        await asyncio.sleep(0)
        await asyncio.wait_for(workers.do(asyncio.Lock(), stepped.set), 30)
        assert all(await asyncio.gather(*row))

    run(main)


def test_work_whose_asker_has_gone_is_not_done(workers: Workers):
    done = []

    async def gone() -> bool:
        return True

    async def main() -> None:
        with pytest.raises(ClientDisconnect):
            await workers.do(asyncio.Lock(), done.append, 1, gone=gone)

    run(main)
    assert not done


def test_who_works_alone_has_all_cores(workers: Workers):
    both = threading.Barrier(2)

    def threads() -> int:
        both.wait(60)
        return torch.get_num_threads()

    async def main() -> None:
        workers.cores = 4
        alone = await workers.do(asyncio.Lock(), torch.get_num_threads)
        shared = await asyncio.gather(*(workers.do(asyncio.Lock(), threads) for _ in range(2)))
        # The first of the two may have begun before the other came.
        assert alone == 4 and sorted(shared) in ([2, 2], [2, 4])

    before = torch.get_num_threads()
    run(main)
    assert torch.get_num_threads() == before


def test_what_waits_has_a_bound(workers: Workers):
    seen = threading.Event()

    async def main() -> None:
        tasks = [asyncio.create_task(workers.do_large(seen.wait, 60)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull, match="try again"):
            await workers.do_large(seen.wait)
        seen.set()
        await asyncio.gather(*tasks)
        assert await workers.do_large(lambda: True)

    run(main)
