"""The run folder and the loop around a trainer's steps.

```
run/config.json       what is trained and how
run/log.jsonl         one line every few steps
run/state.pt          the complete state; written atomically, at intervals and at the end
run/curves.png  run/samples-*.png  run/model/   made with each snapshot
```
"""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from reage.errors import ModelError
from reage.files import name_errors, new_file, read_file, sweep, write_file
from reage.models.pickles.arrays import read_torch_content
from reage.numbers import is_whole, read_json
from reage.training.loop.parallel import World
from reage.training.settings import STATE_FILE

__all__ = ["RunOptions", "RunReport", "Tick", "Trainer", "read_state", "run_training"]

LOG_FILE = "log.jsonl"
LEAST_RATE = 0.1  # of a learning rate that decays
# What networks and optimisers raise for a state of others.
UNFIT = (KeyError, RuntimeError, ValueError, TypeError, AttributeError, IndexError)


class Trainer(Protocol):
    """The interface of a trainer."""

    name: str
    rate_share: float  # of the settings' learning rates, in the next step

    @property
    def batch(self) -> int: ...

    def step(self, index: int) -> dict[str, Tensor]: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


@dataclass(frozen=True)
class RunOptions:
    """The limits and intervals of a run."""

    kimg: float = 600.0  # thousands of pictures until the end
    decay_kimg: float = 0.0  # the last ones, in which learning rates fall evenly to a tenth
    minutes: float | None = None  # of this call, at most
    snapshot_minutes: float = 10.0
    log_steps: int = 25  # steps that a line of the log averages


@dataclass(frozen=True)
class Tick:
    """The progress after every `log_steps` steps."""

    step: int  # the next one
    kimg: float
    images_per_second: float
    seconds_left: float  # at this speed; of the pictures or the minutes, whichever ends first
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RunReport:
    """How a run ended."""

    kimg: float
    stopped: str  # "done", "minutes", "SIGINT" or "SIGTERM"


def run_training(
    trainer: Trainer,
    folder: Path,
    options: RunOptions,
    *,
    world: World | None = None,
    on_tick: Callable[[Tick], None] | None = None,
    on_snapshot: Callable[[int], dict[str, float]] | None = None,
) -> RunReport:
    """Train from the folder's saved state; saves at intervals, at the end and when stopped.

    `on_snapshot` may write pictures and models and returns figures for the log.
    """
    world = world or World()
    step = _restore(trainer, folder)
    steps = -(-int(options.kimg * 1000) // trainer.batch)
    began = saved = time.monotonic()
    meter = _Meter(step)
    stopped = "done"
    with _signals() as received:
        while step < steps:
            trainer.rate_share = _rate_share(step * trainer.batch / 1000, options)
            meter.add(trainer.step(step))
            step += 1
            now = time.monotonic()
            if step % options.log_steps == 0:
                figures = {name: float(world.mean(v)) for name, v in meter.means().items()}
                tick = _tick(meter, step, steps, trainer.batch, options, now - began, figures)
                meter = _Meter(step)
                if world.is_first:
                    _log(
                        folder,
                        {
                            "step": step,
                            "kimg": tick.kimg,
                            "images_per_second": tick.images_per_second,
                            **figures,
                        },
                    )
                    if on_tick is not None:
                        on_tick(tick)  # fmt: skip
            ended = options.minutes is not None and now - began > options.minutes * 60
            if world.any(bool(received) or ended):
                stopped = received[0] if received else "minutes" if ended else "SIGTERM"
                break
            if world.any(now - saved > options.snapshot_minutes * 60):
                _snapshot(trainer, folder, step, world, on_snapshot)
                saved = time.monotonic()
                meter = _Meter(step)
        _snapshot(trainer, folder, step, world, on_snapshot)
    return RunReport(step * trainer.batch / 1000, stopped)


def _rate_share(kimg: float, options: RunOptions) -> float:
    """The share of their learning rates that is left after `kimg` thousand pictures."""
    left, decay = options.kimg - kimg, min(options.decay_kimg, options.kimg)
    return LEAST_RATE + (1 - LEAST_RATE) * left / decay if left < decay else 1.0


class _Meter:
    """Sums of figures since the last line."""

    def __init__(self, step: int):
        self.step, self.began = step, time.monotonic()
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, figures: dict[str, Tensor]) -> None:
        for name, value in figures.items():
            self.sums[name] = self.sums.get(name, torch.zeros_like(value)) + value
            self.counts[name] = self.counts.get(name, 0) + 1

    def means(self) -> dict[str, Tensor]:
        return {name: total / self.counts[name] for name, total in self.sums.items()}


def _tick(
    meter: _Meter,
    step: int,
    steps: int,
    batch: int,
    options: RunOptions,
    elapsed: float,
    figures: dict[str, float],
) -> Tick:
    speed = (step - meter.step) * batch / max(time.monotonic() - meter.began, 1e-9)
    left = (steps - step) * batch / speed
    if options.minutes is not None:
        left = min(left, options.minutes * 60 - elapsed)
    return Tick(step, step * batch / 1000, round(speed, 2), max(left, 0), figures)


def _log(folder: Path, entry: dict[str, float]) -> None:
    short = {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in entry.items()}
    log = folder / LOG_FILE
    with name_errors(log, ModelError), log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(short) + "\n")


def _snapshot(
    trainer: Trainer,
    folder: Path,
    step: int,
    world: World,
    on_snapshot: Callable[[int], dict[str, float]] | None,
) -> None:
    if not world.is_first:
        return
    # The state first: what follows may take long, and a second signal may end it.
    write_state(folder, {"step": step, "trainer": trainer.state_dict()})
    if on_snapshot is not None:
        figures = on_snapshot(step)
        if figures:
            _log(folder, {"step": step, "kimg": step * trainer.batch / 1000, **figures})


def write_state(folder: Path, state: dict[str, Any]) -> None:
    """Write the state in one piece; ModelError where that is impossible."""
    file = folder / STATE_FILE
    with name_errors(file, ModelError), new_file(file) as temporary:
        try:
            with temporary.open("wb") as stream:
                torch.save(state, stream)
        except RuntimeError as error:  # in place of what the system says of a full disk
            if isinstance(error.__context__, OSError):
                raise error.__context__ from error
            raise OSError(0, str(error).splitlines()[0]) from error


def read_state(folder: Path) -> dict[str, Any]:
    """Read a run's state; ModelError where it is broken."""
    file = folder / STATE_FILE
    try:
        state = read_torch_content(file)
    except ModelError as error:
        raise ModelError(f"{error}: {file.name} is not the state of a training") from error
    whole = isinstance(state, dict) and is_whole(state.get("step"))
    if not whole or not isinstance(state.get("trainer"), dict):
        raise ModelError(f"{file} is not the state of a training: it has no step and no trainer")
    return state


def _restore(trainer: Trainer, folder: Path) -> int:
    """Load the folder's state, if there is one, cut the log back to it; returns its step."""
    sweep(folder)
    step, log = 0, folder / LOG_FILE
    if (folder / STATE_FILE).is_file():
        state = read_state(folder)
        try:
            trainer.load_state_dict(state["trainer"])
        except UNFIT as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
            raise ModelError(
                f"{folder / STATE_FILE} belongs to another training: {reason}"
            ) from error
        step = state["step"]
    if log.is_file():
        lines = read_file(log).splitlines(keepends=True)
        kept = [line for line in lines if _step_of(line) <= step]
        write_file(log, b"".join(kept), kind=ModelError)
    return step


def _step_of(line: bytes) -> float:
    """The step of a line of the log; infinite for one that was cut off by a kill, or is none."""
    try:
        entry = read_json(line)
    except ValueError:
        return math.inf
    if not isinstance(entry, dict) or not entry.keys() >= {"step", "kimg"}:
        return math.inf
    plain = all(isinstance(value, float) or is_whole(value) for value in entry.values())
    return entry["step"] if plain else math.inf


@contextmanager
def _signals() -> Iterator[list[str]]:
    """Collect SIGTERM and Ctrl-C; a second Ctrl-C interrupts at once."""
    received: list[str] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def note(number: int, frame: object) -> None:
        if received and number == signal.SIGINT:
            raise KeyboardInterrupt
        received.append(signal.Signals(number).name)

    previous = {s: signal.signal(s, note) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
