"""Run an evaluation: every section that its inputs allow."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reage.datasets.face_dataset import FaceDataset, FaceRow, choose_balanced, open_dataset
from reage.editor import Editor
from reage.errors import ImageError, ModelError, UsageError
from reage.evaluation.ageing import AgedRow, Ageing, measure_ageing
from reage.evaluation.config import EvaluationConfig
from reage.evaluation.heads import Heads, find_heads, measure_heads
from reage.evaluation.inversion import Inversions, measure_inversion
from reage.evaluation.judges import Judges
from reage.evaluation.marks import marks
from reage.evaluation.pairs import Pairs, find_pairs, measure_pairs
from reage.evaluation.samples import Progress, Samples, measure_samples
from reage.evaluation.sheets import ageing_sheet, grid
from reage.evaluation.tables import ageing_figures, records
from reage.models.files import file_sha256

__all__ = ["Evaluation", "evaluate", "peak_memory"]

PACKAGES = ("torch", "numpy", "pillow", "ai-edge-litert")
NO_DATA = "left out: no dataset was given (--data)"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The results: `figures` is report.json, `pictures` are written beside it."""

    figures: dict[str, Any]
    pictures: dict[str, np.ndarray] = field(default_factory=dict)  # file name -> [H, W, 3] uint8


def evaluate(
    editor: Editor,
    judges: Judges,
    config: EvaluationConfig,
    *,
    data: Path | None = None,
    portraits: Path | None = None,
    heads: Path | None = None,
    exclude: Path | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a model. A section whose input is missing says so instead of its figures.

    `data` is a folder that `reage prepare` made, of the model's alignment; `portraits` one with
    pairs.csv; `heads` a table such as heads.csv, `exclude` a list of heads that the model was
    made from. Raises ImageError, ModelError or UsageError where an input cannot be used.
    """
    if config.paste == "none":
        raise UsageError("an evaluation looks at pasted photos: give --paste delta or replace")
    dataset = None if data is None else open_dataset(data)
    rows = [] if dataset is None else [r for r in dataset.rows if r.split == config.split]
    if dataset is not None and not rows:
        raise ImageError(f"{data} has no pictures of the split {config.split!r}; give another one")
    pairs = None if portraits is None else find_pairs(portraits)
    chosen = None if heads is None else find_heads(heads, exclude, config)
    course = _Course(editor, judges, config, dataset, rows, progress or _silent)
    course.take("samples", course.samples)
    course.take("inversion", course.inversion)
    course.take("ageing", course.ageing)
    course.take("pairs", lambda: course.pairs(pairs))
    course.take("heads", lambda: course.heads(chosen))
    return Evaluation(course.figures(), course.pictures)


def peak_memory() -> float | None:
    """Return the peak memory of this process, MB; None where the system does not report it."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (1e6 if sys.platform == "darwin" else 1e6 / 1024)


@dataclass
class _Course:
    """The sections in order, and their results so far."""

    editor: Editor
    judges: Judges
    config: EvaluationConfig
    dataset: FaceDataset | None
    rows: Sequence[FaceRow]
    progress: Progress
    sections: dict[str, Any] = field(default_factory=dict)
    pictures: dict[str, np.ndarray] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def take(self, name: str, section: Callable[[], dict[str, Any]]) -> None:
        """Run one section and note its time."""
        began = time.perf_counter()
        self.sections[name] = section()
        self.seconds[name] = time.perf_counter() - began

    def samples(self) -> dict[str, Any]:
        if self.dataset is None:
            return {"note": NO_DATA}
        found: Samples = measure_samples(
            self.editor, self.judges, self.dataset, self.rows, self.config, self.progress
        )
        self.pictures |= {f"{name}.jpg": grid(list(made), 8) for name, made in found.grids.items()}
        return found.figures

    def inversion(self) -> dict[str, Any]:
        if self.dataset is None:
            return {"note": NO_DATA}
        chosen = choose_balanced(self.rows, self.config.faces, self.config.seed)
        found: Inversions = measure_inversion(
            self.editor, self.judges, self.dataset, chosen, self.config, self.progress
        )
        # Crop and its reconstructions side by side, two faces a row.
        tiles = [picture for row in found.rows[: 2 * self.config.rows] for picture in row]
        if tiles:
            self.pictures["inversion.jpg"] = grid(tiles, 2 * len(found.rows[0]))
        note = {} if self.editor.latents.encoder else {"note": "the model has no encoder"}
        return found.figures() | {"crops": [asdict(crop) for crop in found.crops]} | note

    def ageing(self) -> dict[str, Any]:
        missing = self._no_ageing()
        if missing or self.dataset is None:
            return {"note": missing or NO_DATA}
        chosen = choose_balanced(self.rows, self.config.faces, self.config.seed)
        found: Ageing = measure_ageing(
            self.editor, self.judges, self.dataset, chosen, self.config, self.progress
        )
        columns = ["photo", "rebuilt", *(f"{target:g}" for target in self.config.targets)]
        self._sheets("ageing", found.rows, columns)
        figures = ageing_figures(found, self._threshold())
        return figures | {"records": records(found.subjects), "missed_files": list(found.missed)}

    def pairs(self, pairs: Sequence[Any] | None) -> dict[str, Any]:
        missing = self._no_ageing()
        if missing or pairs is None:
            return {"note": missing or "left out: no pairs were given (--portraits)"}
        found: Pairs = measure_pairs(self.editor, self.judges, pairs, self.config, self.progress)
        rows = []
        for pair in found.outcomes:
            looks = (pair.subject.photo, pair.subject.reconstruction, pair.aged, pair.newer)
            notes = [f"{look.age:.0f}{_apart(pair.apart(look))}" for look in looks]
            rows.append(AgedRow(f"{pair.name} +{pair.gap:.0f}y", pair.pictures, notes))
        self._sheets("pairs", rows, ["older", "rebuilt", "aged", "newer"])
        figures = found.figures(self._threshold())
        return figures | {"records": [pair.record() for pair in found.outcomes]}

    def heads(self, heads: Heads | None) -> dict[str, Any]:
        missing = self._no_ageing()
        if missing or heads is None:
            return {"note": missing or "left out: no heads were given (--heads)"}
        return measure_heads(self.editor, self.judges, heads, self.config, self.progress)

    def figures(self) -> dict[str, Any]:
        """Everything, as plain data."""
        return {
            "made_by": _versions(),
            "model": _model(self.editor),
            "config": asdict(self.config),
            "data": None if self.dataset is None else _data(self.dataset, len(self.rows)),
            "judges": _judges(self.judges),
            "missing": list(self.judges.missing),
            "marks": [asdict(mark) for mark in marks(self.sections)],
            **self.sections,
            "seconds": self.seconds,
            "peak_memory_mb": peak_memory(),
        }

    def _sheets(self, name: str, rows: Sequence[AgedRow], columns: Sequence[str]) -> None:
        if rows:
            self.pictures[f"{name}.jpg"] = ageing_sheet(rows, columns)

    def _no_ageing(self) -> str | None:
        try:
            self.editor.required_ager()
        except ModelError as error:
            return f"left out: {error}"
        return None

    def _threshold(self) -> float | None:
        return None if self.judges.recogniser is None else self.judges.recogniser.threshold


def _silent(what: str, done: int, of: int) -> None:
    pass


def _apart(distance: float | None) -> str:
    return "" if not distance else f" {distance:.2f}"


def _model(editor: Editor) -> dict[str, Any]:
    config = editor.model.config
    return {
        "name": config.name,
        "generator_hash": editor.model.generator_hash,
        "files": dict(config.sha256),
        "resolution": config.generator.resolution,
        "encoder": editor.latents.encoder is not None,
        "ageing_by": type(editor.ager).__name__ if editor.ager else None,
        "precision": str(editor.dtype).removeprefix("torch."),
        "device": str(editor.device),
    }


def _data(dataset: FaceDataset, count: int) -> dict[str, Any]:
    (table,) = dataset.folder.glob("*.csv")
    name = dataset.folder.resolve().name
    return {"name": name, "pictures": count, "index_sha256": file_sha256(table)}


def _judges(judges: Judges) -> dict[str, Any]:
    recogniser, second = judges.recogniser, judges.second
    return {
        "age": "dlib apparent age (steers the edits)",
        "second_age": None if second is None else second.network.name,
        "second_age_sha256": None if second is None else second.sha256,
        "recogniser": None if recogniser is None else recogniser.name,
        "threshold": None if recogniser is None else recogniser.threshold,
    }


def _versions() -> dict[str, Any]:
    found = {name: _version(name) for name in ("reage", *PACKAGES)}
    machine = {"threads": torch.get_num_threads(), "processors": os.cpu_count()}
    return {"python": platform.python_version(), **found, **machine}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # reage run from its sources
        return "not installed"
