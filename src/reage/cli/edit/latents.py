"""`reage edit --latent`: codes from files at other ages, without a photo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from reage.cli.edit.places import Outputs
from reage.cli.edit.task import EditTask
from reage.cli.shared.console import note
from reage.cli.shared.options import open_editor
from reage.errors import UsageError

if TYPE_CHECKING:
    from reage.editor import Editor
    from reage.inversion.latent_files import Latents

__all__ = ["edit_latent"]

OF_PHOTOS = (
    "tuned",
    "face",
    "points",
    "paste",
    "quality",
    "seed",
    "lpips",
    "skin",
    "shape",
    "dry_run",
)


def edit_latent(file: Path, photos: Sequence[Path], task: EditTask) -> None:
    """Show every code of a file at the ages of a task."""
    _refuse_options_of_photos(photos)
    if any(isinstance(target, dict) for target in task.targets):
        raise UsageError("a code shows one face: give --to AGE, without FACE=")
    from reage.inputs import as_targets
    from reage.inversion.latent_checks import recall_latents
    from reage.inversion.latent_files import split_choice

    if task.targets:
        task.targets = as_targets(task.targets)
    editor = open_editor(task.options)
    editor.given_ager()  # what is missing is said before the work
    latents, remarks = recall_latents(editor.model, file)
    for remark in remarks:
        note(remark)
    path = split_choice(file)[0]
    names = _names(file, path, len(latents.ws))
    outputs = [Outputs(name, path, task.labels(), task.options) for name in names]
    if len(outputs) > 1 and (outputs[0].file or outputs[0].pipe):
        raise UsageError(f"{path} has {len(outputs)} codes; give a folder with -o")
    with outputs[0].ready():
        for one in outputs:
            one.check()
        for number, one in enumerate(outputs):
            one.write(_result(editor, latents, number, one.name, task), editor)


def _result(editor: Editor, latents: Latents, number: int, name: str, task: EditTask) -> Any:
    from reage.outputs.codes import edit_code, move_code

    ws = latents.ws[number][None]
    if task.strengths is not None:
        return move_code(editor, ws, task.strengths, name)
    return edit_code(editor, ws, task.targets, name)


def _names(file: Path, path: Path, count: int) -> list[str]:
    """Return the stem of each code's outputs: its file, and its name or number."""
    choice = str(file)[len(str(path)) + 1 :]
    stem = f"{path.stem.removesuffix('.latents')}-{Path(choice).name}" if choice else path.stem
    stem = stem.removesuffix(".latents")
    return [stem] if count == 1 else [f"{stem}-{number}" for number in range(count)]


def _refuse_options_of_photos(photos: Sequence[Path]) -> None:
    if photos:
        raise UsageError(f"--latent shows a code, not {photos[0]}; leave out one of them")
    context = click.get_current_context()
    for name in OF_PHOTOS:
        if context.get_parameter_source(name) == ParameterSource.COMMANDLINE:
            raise UsageError(f"--latent shows a code, nothing is inverted or pasted: no --{name}")
