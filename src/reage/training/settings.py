"""The settings in a run folder's config.json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reage.errors import ModelError, ReageError, UsageError
from reage.files import place_for_files, read_file
from reage.models.files import write_file
from reage.numbers import read_json
from reage.training.configs import (
    AdamSettings,
    AgerTraining,
    EncoderTraining,
    GeneratorTraining,
    PhotoAgerTraining,
)

__all__ = ["AnyConfig", "RunSettings", "open_run", "read_settings"]

CONFIG_FILE, STATE_FILE = "config.json", "state.pt"
CONFIGS = {
    "generator": GeneratorTraining,
    "encoder": EncoderTraining,
    "ager": AgerTraining,
    "photo-ager": PhotoAgerTraining,
}

AnyConfig = GeneratorTraining | EncoderTraining | AgerTraining | PhotoAgerTraining


@dataclass(frozen=True)
class RunSettings:
    """All settings that determine the result of a run."""

    kind: str  # generator, encoder, ager or photo-ager
    config: AnyConfig
    data: str  # folder of the dataset
    split: str = "train"
    model: str | None = None  # what the run begins from; None: nothing
    agers: str | None = None  # kind ager: the model whose agers it goes on from; None: its own
    scale: float = 0.70  # of the dataset's crops, where no model says it
    shift: float = 0.22
    kimg: float = 600.0
    decay_kimg: float = 0.0  # the last ones, in which learning rates fall evenly to a tenth
    licence: str | None = None  # of the weights that come out; None: nobody has said
    # The data, in words; None: what the model learnt from before, then the data's folder.
    about: str | None = None
    threads: int | None = None  # of the CPU; None: torch's choice
    precision: str = "auto"  # of the convolutions
    version: str = "unknown"  # of reage


@contextmanager
def open_run(folder: Path, settings: RunSettings | None) -> Iterator[RunSettings]:
    """Yield a new run's settings, written, or those of a resumed run (`settings` None).

    A new run that is refused before its first state leaves nothing: the corrected command works.
    """
    file = folder / CONFIG_FILE
    if settings is None:
        yield read_settings(folder)
        return
    if file.exists():
        raise UsageError(
            f"{folder} holds a run already: add --resume to continue it, or name another"
        )
    with place_for_files(folder):
        write_file(file, (json.dumps(asdict(settings), indent=2) + "\n").encode())
        try:
            yield settings
        except ReageError:
            if not (folder / STATE_FILE).exists():
                file.unlink(missing_ok=True)
            raise


def read_settings(folder: Path) -> RunSettings:
    """Read a run folder's settings; ModelError if they are invalid."""
    file = folder / CONFIG_FILE
    if not file.is_file():
        raise ModelError(f"{folder} is not a run folder: it has no {CONFIG_FILE}")
    try:
        data = read_json(read_file(file))
        return RunSettings(**(data | {"config": _config(data["kind"], data["config"])}))
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{file} does not describe a run of this version: {error}") from error


def _config(kind: str, data: dict[str, Any]) -> AnyConfig:
    values: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, dict):
            value = AdamSettings(**value)
        elif isinstance(value, list):
            value = tuple(tuple(item) if isinstance(item, list) else item for item in value)
        values[name] = value
    return CONFIGS[kind](**values)
