"""Work that takes longer than a request: one at a time, in the order in which it was asked for."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from reage.errors import ReageError, UsageError
from reage.memory import do_and_return_memory

__all__ = ["Cancelled", "Job", "JobQueue", "OwnJobsFull", "QueueFull"]

State = Literal["waiting", "running", "done", "failed", "cancelled"]
KEPT_POINTS = 400  # of a loss curve
KEPT_JOBS = 20  # of a session that are over, with their files

logger = logging.getLogger("reage.web")


class Cancelled(BaseException):
    """Whoever asked for the work no longer wants it; like an interrupt, nothing may catch it."""


class QueueFull(UsageError):
    """Too much work waits already."""


class OwnJobsFull(QueueFull):
    """Too much of it is one session's own."""


@dataclass(eq=False)
class Job:
    """One piece of work, and how far it is; written by the worker, read by requests."""

    kind: str  # "invert", "video", "folder", ...
    owner: str  # the session
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    state: State = "waiting"
    stage: str = ""
    done: int = 0
    total: int = 0  # 0: not known
    began: float | None = None  # time.monotonic
    ended: float | None = None
    losses: list[float] = field(default_factory=list)  # one a step, of an inversion
    psnr: float | None = None  # dB, of the newest step
    picture: bytes | None = None  # JPEG, how it looks by now
    result: dict[str, Any] = field(default_factory=dict)
    file: Path | None = None  # what can be downloaded
    place: Path | None = None  # its folder: when it is over, nothing stays in it but that file
    error: str | None = None
    version: int = 0  # grows with every change
    listeners: int = 0  # who follow its events: tabs of a browser, mostly
    stop_wanted: bool = False  # stop and keep what there is
    cancel_wanted: bool = False

    def report(self, stage: str, done: int, total: int) -> None:
        """Say how far the work is; raises Cancelled where it is no longer wanted."""
        self.stage, self.done, self.total = stage, done, total
        self.version += 1
        if self.cancel_wanted:
            raise Cancelled

    def add_loss(self, loss: float, psnr: float) -> None:
        """Remember a step of an inversion."""
        if len(self.losses) < KEPT_POINTS:
            self.losses.append(round(loss, 4))
        self.psnr = psnr

    def clean_up(self, kept: Path | None = None) -> None:
        """Remove what it read and wrote, but a file that is to be fetched."""
        if self.place is None:
            return
        if kept is None:
            shutil.rmtree(self.place, ignore_errors=True)
            return
        for path in self.place.iterdir():
            if path != kept:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()

    @property
    def seconds_left(self) -> float | None:
        """A guess from the share that is done."""
        if self.state != "running" or self.began is None or not (self.total and self.done):
            return None
        spent = time.monotonic() - self.began
        return spent * (self.total - self.done) / self.done

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("done", "failed", "cancelled")


class JobQueue:
    """Jobs of all sessions and the one thread that does them."""

    def __init__(self, each: int, total: int):
        self.each, self.total = each, total
        self.lock = threading.Lock()
        self.jobs: dict[str, Job] = {}
        self.pool = ThreadPoolExecutor(
            1, "reage-job", torch.set_num_threads, (torch.get_num_threads(),)
        )

    def submit(
        self, kind: str, owner: str, work: Callable[[Job], None], place: Path | None = None
    ) -> Job:
        """Queue work; QueueFull where the session or the server has too much of it.

        `place` is the folder of its files, which the job removes, or its refusal.
        """
        try:
            job = self._queued(Job(kind, owner, place=place))
        except QueueFull:
            if place is not None:
                shutil.rmtree(place, ignore_errors=True)
            raise
        self.pool.submit(_run, job, work).add_done_callback(lambda done: _finish(job, done))
        return job

    def _queued(self, job: Job) -> Job:
        owner = job.owner
        with self.lock:
            open_jobs = [job for job in self.jobs.values() if not job.is_over]
            if sum(job.owner == owner for job in open_jobs) >= self.each:
                raise OwnJobsFull(
                    f"{self.each} jobs of yours wait already; let one end or cancel it"
                )
            if len(open_jobs) >= self.total:
                raise QueueFull("the server has too much to do; try again in some minutes")
            old = [job for job in self.jobs.values() if job.owner == owner and job.is_over]
            for one in old[: max(0, len(old) - KEPT_JOBS)]:
                one.clean_up()
                del self.jobs[one.id]
            self.jobs[job.id] = job
        return job

    def place(self, job: Job) -> int:
        """How many jobs are before this one; 0: it runs or is over."""
        with self.lock:
            ids = [other.id for other in self.jobs.values() if not other.is_over]
        return ids.index(job.id) if job.id in ids else 0

    def cancel(self, job: Job) -> None:
        """End a job as soon as it looks; one that waits never begins."""
        job.cancel_wanted = True
        if job.state == "waiting":
            job.state = "cancelled"
            job.clean_up()
        job.version += 1

    def forget(self, owner: str) -> None:
        """Cancel and drop all jobs of a session."""
        with self.lock:
            mine = [job for job in self.jobs.values() if job.owner == owner]
            for job in mine:
                del self.jobs[job.id]
        for job in mine:
            self.cancel(job)

    def close(self) -> None:
        """Cancel everything and wait for the thread."""
        for job in list(self.jobs.values()):
            self.cancel(job)
        self.pool.shutdown(wait=True, cancel_futures=True)


def _run(job: Job, work: Callable[[Job], None]) -> None:
    if job.cancel_wanted:
        raise Cancelled
    job.state, job.began = "running", time.monotonic()
    job.version += 1
    do_and_return_memory(work, job)


def _finish(job: Job, done: Future[None]) -> None:
    error = None if done.cancelled() else done.exception()
    job.clean_up(job.file if error is None and not done.cancelled() else None)
    if done.cancelled() or isinstance(error, Cancelled | KeyboardInterrupt):
        job.state = "cancelled"
    elif error is None:
        job.state = "done"
    else:
        if isinstance(error, ReageError):
            job.error = str(error)
            if job.place is not None:  # the place is the server's affair
                job.error = job.error.replace(f"{job.place}{os.sep}", "")
        elif isinstance(error, MemoryError):
            job.error = "the server's memory is full; use a smaller picture"
        else:  # ours: the user gets a line, the log all of it
            logger.error("a job %s broke", job.kind, exc_info=error)
            job.error = "this did not work because of an error in reage; it is in the server's log"
        job.state = "failed"
    job.ended = time.monotonic()
    job.version += 1
