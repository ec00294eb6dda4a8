"""Run `reage` on one odd input each, in forked processes, and judge what comes out."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["CANARY", "Case", "Verdict", "judge_all"]

Expect = Literal["refused", "fine", "any"]

CANARY = "canary"  # what harmful files would make in the folder above
SECONDS = 30  # of the processor; waiting counts with PATIENCE, as the machine may be busy
PATIENCE = 90
MEMORY = 4 << 30
FULL = ("memory is full", "more memory than there is")  # refused only because this runner limits it
SIGNS = ("reage: ", "note: ", "Usage: ")


@dataclass(frozen=True, eq=False)
class Case:
    """One odd input: how to make it in an empty folder, and the command that meets it."""

    kind: str
    name: str
    argv: Sequence[str]  # run in that folder; outputs belong into `out`
    make: Callable[[Path], None] = lambda folder: None
    expect: Expect = "refused"
    many: bool = False  # a batch: a line for each bad photo, and a work folder that stays


@dataclass(frozen=True)
class Verdict:
    """What became of a case."""

    case: Case
    faults: tuple[str, ...]
    said: str
    seconds: float
    megabytes: int


def judge_all(
    cases: Iterable[Case], folder: Path, jobs: int, each: Callable[[Verdict], None]
) -> None:
    """Run cases, several at a time, each in a folder of its own below `folder`."""
    waiting = list(enumerate(cases))[::-1]
    running: dict[int, tuple[Case, Path, float, set[str]]] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            number, case = waiting.pop()
            place = folder / f"{number}" / "in"
            (place / "out").mkdir(parents=True)
            with warnings.catch_warnings(action="ignore"):
                case.make(place)
            before = _listing(place.parent)
            running[_start(case, place)] = (case, place, time.monotonic(), before)
        for pid in list(running):
            case, place, began, before = running[pid]
            done, status, usage = os.wait4(pid, os.WNOHANG)
            spent = time.monotonic() - began
            if not done and spent > PATIENCE:
                os.kill(pid, signal.SIGKILL)
                done, status, usage = os.wait4(pid, 0)
            if done:
                del running[pid]
                each(_judge(case, place, status, usage, spent, before))
        time.sleep(0.005)


def _start(case: Case, place: Path) -> int:
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        os.setsid()
        os.chdir(place)
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(place.parent / name, os.O_CREAT | os.O_WRONLY), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        from reage.cli import main

        sys.argv = ["reage"]
        try:
            main(list(case.argv))
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 98
    except BaseException:  # noqa: BLE001 - what Python would print of it is the finding
        import traceback

        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                code = 97
        os._exit(code)


def _judge(
    case: Case,
    place: Path,
    status: int,
    usage: resource.struct_rusage,
    spent: float,
    before: set[str],
) -> Verdict:
    code = os.waitstatus_to_exitcode(status)
    said = (place.parent / "stderr").read_text("utf-8", "replace")
    lines = [line for line in said.splitlines() if line.strip()]
    complaints = [line for line in lines if line.startswith(("reage: ", "Usage: "))]
    faults = []
    if code not in (0, 1, 2):
        faults.append(f"exit code {code}" if code >= 0 else f"ended by signal {-code}")
    if code == 0 and case.expect == "refused":
        faults.append("accepted")
    if code in (1, 2) and case.expect == "fine":
        faults.append("refused")
    if code in (1, 2) and len(complaints) != 1 and not (case.many and complaints):
        faults.append(f"{len(complaints)} lines of complaint")
    if any(not line.startswith(SIGNS) for line in lines):
        faults.append("noise on stderr")
    if any(text in said for text in FULL):
        faults.append("memory")
    if usage.ru_maxrss > MEMORY >> 10:
        faults.append(f"{usage.ru_maxrss >> 10} MB")
    if usage.ru_utime + usage.ru_stime > SECONDS:
        faults.append(f"{spent:.0f} s")
    if (place.parent / CANARY).exists():
        faults.append("code of the file ran")
    left = _listing(place.parent) - before - {"stdout", "stderr"}
    if code != 0 and left and not case.many:
        faults.append(f"left {', '.join(sorted(left)[:3])}")
    parts = [name for name in left if name.endswith(".part")]
    if parts:
        faults.append(f"left {parts[0]}")
    if code == 0:
        faults += _broken(place / name for name in left if name.startswith("in/out/"))
    return Verdict(case, tuple(faults), said, spent, usage.ru_maxrss >> 10)


def _listing(folder: Path) -> set[str]:
    found = set()
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            found.add(os.path.relpath(os.path.join(place, name), folder))
    return found


def _broken(files: Iterable[Path]) -> list[str]:
    """Say which pictures of an edit that was accepted are none."""
    import numpy as np
    from PIL import Image

    faults = []
    for file in files:
        path = file.parent.parent / file.name if not file.exists() else file
        if path.suffix.lower() not in (".png", ".jpg") or not path.is_file():
            continue
        try:
            with Image.open(path) as picture:
                if not np.asarray(picture.convert("L")).any():
                    faults.append(f"{path.name} is black")
        except OSError as error:
            faults.append(f"{path.name}: {error}")
    return faults
