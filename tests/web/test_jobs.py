"""A job ends with the tab that followed it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("fastapi")
from reage.web.answers import about_job
from reage.web.jobroutes import listened_to
from reage.web.jobs import Job, JobQueue

UNHEARD = 0.05  # seconds


@pytest.fixture
def running():
    """A job that works until it is cancelled."""
    queue, begun = JobQueue(3, 10), threading.Event()

    def work(job: Job) -> None:
        for step in range(10_000):
            begun.set()
            job.report("work", step, 0)
            threading.Event().wait(0.005)

    job = queue.submit("video", "somebody", work)
    assert begun.wait(120)
    yield job, queue
    queue.close()


def finished(work: Coroutine[Any, Any, str]) -> str:
    """Run it in a thread: in this one, a browser that other tests opened may have its loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


async def follow(job: Job, queue: JobQueue, lines: int = 1):
    events = listened_to(job, queue, UNHEARD)
    for _ in range(lines):
        assert "running" in await anext(events)
    return events


async def state_after(job: Job, seconds: float) -> str:
    await asyncio.sleep(seconds)
    return job.state


def test_closing_the_tab_cancels_the_job(running: tuple[Job, JobQueue]) -> None:
    async def main() -> str:
        tab = await follow(*running)
        await tab.aclose()
        while not running[0].is_over:
            await asyncio.sleep(UNHEARD)
        return running[0].state

    assert finished(main()) == "cancelled"


def test_a_connection_that_comes_back_keeps_it(running: tuple[Job, JobQueue]) -> None:
    async def main() -> str:
        tab, other = await follow(*running), await follow(*running)
        await tab.aclose()
        assert await state_after(running[0], 4 * UNHEARD) == "running"
        await other.aclose()
        again = await follow(*running)
        state = await state_after(running[0], 4 * UNHEARD)
        await again.aclose()
        return state

    assert finished(main()) == "running"


def test_a_job_that_nobody_followed_goes_on(running: tuple[Job, JobQueue]) -> None:
    assert finished(state_after(running[0], 4 * UNHEARD)) == "running"


def test_what_is_cancelled_says_so_until_it_is_over(running: tuple[Job, JobQueue]) -> None:
    job, queue = running
    assert about_job(job, queue).state == "running"
    queue.cancel(job)
    assert about_job(job, queue).state in ("cancelling", "cancelled")
    queue.close()
    assert about_job(job, queue).state == "cancelled"
