"""The settings in a run folder's config.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from reage.errors import ModelError, UsageError
from reage.files import place_for_files, read_file
from reage.models.files import write_file
from reage.numbers import LAST, is_real, is_whole, read_json
from reage.training.configs import (
    AdamSettings,
    AgerTraining,
    BeardRemovalTraining,
    EncoderTraining,
    GeneratorTraining,
    OcclusionTraining,
    PhotoAgerTraining,
    RemovalTraining,
)

__all__ = [
    "AnyConfig",
    "FaceTraining",
    "RunSettings",
    "check_config",
    "open_run",
    "read_settings",
]

CONFIG_FILE, STATE_FILE = "config.json", "state.pt"
CONFIGS = {
    "generator": GeneratorTraining,
    "encoder": EncoderTraining,
    "ager": AgerTraining,
    "photo-ager": PhotoAgerTraining,
    "skin-removal": RemovalTraining,
    "beard-removal": BeardRemovalTraining,
    "occlusion": OcclusionTraining,
}

MOST, ALMOST = 1e9, 0.999999
# Whole numbers that something is divided by.
FROM_ONE = {
    *("batch", "heads_batch", "resolution", "mapping_layers", "feature_side", "anchor_side"),
    *("r1_every", "path_every", "nearest"),
}

FaceTraining = GeneratorTraining | EncoderTraining | AgerTraining | PhotoAgerTraining
AnyConfig = FaceTraining | RemovalTraining | OcclusionTraining


@dataclass(frozen=True)
class RunSettings:
    """All settings that determine the result of a run."""

    kind: str  # of `CONFIGS`
    config: AnyConfig
    data: str  # folder of the dataset, or table of heads
    split: str = "train"
    model: str | None = None  # or folder of a network, that the run begins from; None: nothing
    agers: str | None = None  # kind ager: the model whose agers it goes on from; None: its own
    heads: str | None = None  # kind photo-ager: table of sharp heads beside the data; None: none
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


def _is_text(value: object) -> bool:
    return isinstance(value, str)


# What may stand in a run's config.json, beside `kind` and `config`.
RUN_SETTINGS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("data", "split", "precision", "version"), _is_text),
    **dict.fromkeys(
        ("model", "agers", "heads", "licence", "about"),
        lambda value: value is None or _is_text(value),
    ),
    **dict.fromkeys(("scale", "shift"), lambda value: is_real(value, -10, 10)),
    **dict.fromkeys(("kimg", "decay_kimg"), lambda value: is_real(value, 0, MOST)),
    "threads": lambda value: value is None or is_whole(value, 1, 4096),
}


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
        except BaseException:
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
        if not isinstance(data, dict) or not isinstance(data.get("config"), dict):
            raise ValueError("it holds no object with a config")
        kind = data.get("kind")
        if not isinstance(kind, str) or kind not in CONFIGS:
            raise ValueError(f"kind is {kind!r:.60}, not one of {', '.join(CONFIGS)}")
        for name, fits in RUN_SETTINGS.items():
            if name in data and not fits(data[name]):
                raise ValueError(f"{name} is {data[name]!r:.60}")
        known: dict[str, Any] = {**data, "config": _config(kind, data["config"])}
        return RunSettings(**known)
    except (ValueError, TypeError, KeyError) as error:
        reason = str(error)[:200]
        raise ModelError(f"{file} does not describe a run of this version: {reason}") from error


def _config(kind: str, data: dict[str, Any]) -> AnyConfig:
    values: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, dict):
            value = AdamSettings(**value)
        elif isinstance(value, list):
            value = tuple(tuple(item) if isinstance(item, list) else item for item in value)
        values[name] = value
    config = CONFIGS[kind](**values)
    check_config(config)
    return config


def check_config(config: AnyConfig | AdamSettings) -> None:
    """Raise ValueError for a setting that is of another type than its default, or out of range."""
    usual = type(config)()
    for field in fields(config):
        name, value, default = field.name, *(getattr(c, field.name) for c in (config, usual))
        if isinstance(default, AdamSettings) and isinstance(value, AdamSettings):
            check_config(value)
        elif not _fits(name, value, default):
            raise ValueError(f"{name} is {value!r:.60}; such as {default!r:.60} is needed")


def _fits(name: str, value: Any, default: Any) -> bool:
    if name == "adversary":
        return value in ("projected", "stylegan2", "none")
    if isinstance(default, bool | tuple | str | AdamSettings):
        sizes = value if isinstance(value, tuple) else ()
        flat = [n for size in sizes for n in (size if isinstance(size, tuple) else (size,))]
        return type(value) is type(default) and all(is_real(n, 1e-9, MOST) for n in flat)
    if isinstance(default, int):
        return is_whole(value, int(name in FROM_ONE), LAST if name == "seed" else int(MOST))
    low = -MOST if default < 0 else 0
    return is_real(value, low, ALMOST if name in ("beta1", "beta2") else MOST)
