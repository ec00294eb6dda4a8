"""Find models by name: embedded, in the user's folder, downloadable, or any given file."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from reage.errors import ModelError
from reage.files import new_file
from reage.models.checkpoints import (
    CARD_FILE,
    CONFIG_FILE,
    Alignment,
    Model,
    ModelConfig,
    build_generator,
    load_config,
    load_model,
    tensor_hash,
)
from reage.models.families.table import read_foreign
from reage.models.fetching import fetch, reason_of
from reage.models.files import file_sha256
from reage.models.hub import SCHEME, hub_model

__all__ = [
    "KNOWN",
    "KnownModel",
    "ModelInfo",
    "find_model",
    "list_models",
    "load",
    "model_card",
    "models_folder",
]

ASSETS = Path(__file__).parent.parent / "assets"
FOREIGN_SUFFIXES = (".pt", ".pth", ".pkl", ".pdparams", ".safetensors", ".onnx")

Source = Literal["embedded", "installed", "download"]


@dataclass(frozen=True)
class KnownModel:
    """A generator that can be fetched: one file of a family that is known."""

    name: str
    url: str  # its last part gives the suffix of the stored file
    sha256: str
    size: int  # bytes
    licence: str
    data: str = "unknown"
    alignment: Alignment = field(default_factory=Alignment)  # FFHQ's
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        return self.name + Path(self.url).suffix


KNOWN = (
    KnownModel(
        name="ffhq1024",
        url="https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/ffhq.pkl",
        sha256="a205a346e86a9ddaae702e118097d014b7b8bd719491396a162cca438f2f524c",
        size=381_624_121,
        licence="NVIDIA Source Code License (non-commercial)",
        data="FFHQ (CC BY-NC-SA 4.0)",
    ),
)


@dataclass(frozen=True)
class ModelInfo:
    """One line of the list of models."""

    name: str
    source: Source
    licence: str
    data: str
    resolution: int | None  # pixels; None: not known before it is loaded
    path: Path | None  # None: not downloaded yet


def models_folder() -> Path:
    """Return the user's model folder: $REAGE_HOME/models, else the desktop's data folder."""
    home = os.environ.get("REAGE_HOME")
    if home:
        return _expand(home) / "models"
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return _expand(data) / "reage" / "models"


def _expand(name: str | os.PathLike[str]) -> Path:
    """Return a path with ~ as somebody's home; as it is where nobody knows one."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def list_models(known: Sequence[KnownModel] = KNOWN) -> list[ModelInfo]:
    """List all named models: embedded, installed, downloadable. Broken folders are left out.

    If a name occurs twice, the first place in this order wins.
    """
    found: dict[str, ModelInfo] = {}
    places: tuple[tuple[Path, Source], ...] = (
        (ASSETS, "embedded"),
        (models_folder(), "installed"),
    )
    for folder, source in places:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            info = _folder_info(path, source)
            if info is not None:
                found.setdefault(info.name, info)
    for row in known:
        file = models_folder() / row.file_name
        path = file if file.is_file() else None
        info = ModelInfo(row.name, "download", row.licence, row.data, None, path)
        found.setdefault(row.name, info)
    return list(found.values())


def find_model(
    name: str | Path,
    *,
    known: Sequence[KnownModel] = KNOWN,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Find a model folder or foreign file by its name or path.

    A known one, and one of the Hugging Face Hub (hf://owner/name), is downloaded.

    `progress` is called with the bytes fetched and their total. Raises ModelError, which lists
    the known names, when there is no such model.
    """
    try:
        return _find(name, known, progress)
    except (OSError, ValueError, RuntimeError) as error:  # too long; nobody's home
        raise ModelError(f"no model {str(name)!r:.60}: give a name, a folder or a file") from error


def _find(
    name: str | Path,
    known: Sequence[KnownModel],
    progress: Callable[[int, int], None] | None,
) -> Path:
    text = str(name)
    if text.startswith(SCHEME):
        return hub_model(text, models_folder(), progress)
    if isinstance(name, str) and re.fullmatch(r"[\w.-]+", text) and text not in (".", ".."):
        for parent in (ASSETS, models_folder()):
            if (parent / text / CONFIG_FILE).is_file():
                return parent / text
        for row in known:
            if row.name == text:
                return _download(row, progress)
        for suffix in FOREIGN_SUFFIXES:
            if (models_folder() / (text + suffix)).is_file():
                return models_folder() / (text + suffix)
    path = _expand(name)
    if path.is_file() or (path / CONFIG_FILE).is_file():
        return path
    if path.is_dir():
        raise ModelError(f"{path} is not a model folder: it has no {CONFIG_FILE}")
    names = ", ".join(info.name for info in list_models(known))
    raise ModelError(f"no model {text!r:.60}: known are {names}; or give a model folder or file")


def load(
    name: str | Path,
    *,
    known: Sequence[KnownModel] = KNOWN,
    progress: Callable[[int, int], None] | None = None,
) -> Model:
    """Load a model by its name or path, converting a foreign file in memory."""
    path = find_model(name, known=known, progress=progress)
    if path.is_dir():
        return load_model(path)
    row = next((row for row in known if path == models_folder() / row.file_name), None)
    return _load_foreign(path, row)


def model_card(name: str | Path) -> str:
    """Read a model's card."""
    path = find_model(name)
    card = path / CARD_FILE
    if not path.is_dir() or not card.is_file():
        raise ModelError(f"{path} has no model card ({CARD_FILE})")
    return card.read_text(encoding="utf-8")


def _load_foreign(path: Path, row: KnownModel | None) -> Model:
    converted = read_foreign(path)
    notes = {"notes": converted.notes} if converted.notes else {}
    config = ModelConfig(
        name=row.name if row else path.stem,
        generator=converted.config,
        alignment=row.alignment if row else Alignment(),  # FFHQ's, the convention of the field
        data=row.data if row else "unknown",
        licence=row.licence if row else "unknown",
        metrics={**(row.metrics if row else {}), **notes},
        encoder=converted.encoder.settings if converted.encoder else None,
    )
    generator = build_generator(config.generator, converted.state_dict, source=str(path))
    made = tensor_hash(converted.state_dict)
    parts = (converted.encoder, converted.ager, converted.hypernet)
    return Model(config, generator, None, made, *parts)


def _folder_info(path: Path, source: Source) -> ModelInfo | None:
    if not (path / CONFIG_FILE).is_file():
        return None
    try:
        config = load_config(path)
    except ModelError:  # the error appears when that model is loaded
        return None
    return ModelInfo(
        path.name, source, config.licence, config.data, config.generator.resolution, path
    )


def _download(row: KnownModel, progress: Callable[[int, int], None] | None) -> Path:
    """Return the file of a known model; fetch and verify it if it is missing."""
    path = models_folder() / row.file_name
    if path.is_file() and path.stat().st_size == row.size:
        if file_sha256(path) == row.sha256:
            return path
        raise ModelError(f"{path} has changed (SHA-256); delete it to fetch it again")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path) as temporary, temporary.open("wb") as file:
            _fetch(row, file.write, progress)
    except (OSError, ValueError) as error:  # URLError is an OSError
        raise ModelError(f"cannot fetch {row.name} from {row.url}: {reason_of(error)}") from error
    return path


def _fetch(
    row: KnownModel, write: Callable[[bytes], int], progress: Callable[[int, int], None] | None
) -> None:
    digest, done = hashlib.sha256(), 0
    for chunk in fetch(row.url, row.size):
        done += len(chunk)
        write(chunk)
        digest.update(chunk)
        if progress is not None:
            progress(done, row.size)
    if done != row.size or digest.hexdigest() != row.sha256:
        raise ModelError(
            f"what {row.url} sent is not {row.name}: {done} bytes of {row.size}, SHA-256 "
            f"{digest.hexdigest()[:12]}..., not {row.sha256[:12]}...; nothing was kept, try again"
        )
