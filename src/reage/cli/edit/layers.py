"""The layers of an edit, beside its pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reage.errors import UsageError
from reage.files import name_errors, new_file, place_for_files

if TYPE_CHECKING:
    from reage.types import Result

__all__ = ["check_layers", "layer_options", "layers_ready", "layers_written"]

Command = TypeVar("Command", bound=Callable[..., Any])


def layer_options(command: Command) -> Command:
    """Add --layers and --layer-format."""
    command = click.option(
        "--layer-format",
        type=click.Choice(["exr", "tiff"]),
        default="exr",
        show_default=True,
        help="OpenEXR (float, linear) or TIFF (16 bits).",
    )(command)
    return click.option(
        "--layers",
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        help="Write change, hair, mattes and warp there, for compositing programs.",
    )(command)


def check_layers(options: Mapping[str, Any]) -> None:
    """Raise UsageError before the work if layers cannot be written."""
    from reage.compositing.layer_files import check_layer_format

    if options.get("layers") is None:
        return
    if options["latent"] is not None or options["paste"] == "none":
        raise UsageError("--layers describes the change of a photo; give one, without --paste none")
    check_layer_format(options["layer_format"])


@contextmanager
def layers_ready(pictures: Sequence[Path], options: Mapping[str, Any]) -> Iterator[None]:
    """Make the folder of a photo's layers; raise ImageError if they cannot be written there."""
    from reage.compositing.layer_files import check_layer_places

    folder = options["layers"]
    if folder is None:
        yield
        return
    with place_for_files(folder):
        for picture in pictures:
            check_layer_places(
                folder, picture.stem, options["layer_format"], overwrite=options["overwrite"]
            )
        yield


@contextmanager
def layers_written(
    result: Result, pictures: Sequence[Path], options: Mapping[str, Any]
) -> Iterator[None]:
    """Write the layers of each edit of a photo, named after its picture.

    They appear at the end of the block; after an error in it, none does.
    """
    if options.get("layers") is None:
        yield
        return
    with ExitStack() as stack:
        with name_errors(options["layers"]):
            _write_layers(result, pictures, options, stack)
        yield


def _write_layers(
    result: Result, pictures: Sequence[Path], options: Mapping[str, Any], stack: ExitStack
) -> None:
    import numpy as np

    from reage.compositing.layer_files import write_layers
    from reage.compositing.layers import record_layers
    from reage.compositing.render import PhotoCanvas

    def place(path: Path) -> AbstractContextManager[Path]:
        return nullcontext(stack.enter_context(new_file(path, overwrite=options["overwrite"])))

    folder, format = options["layers"], options["layer_format"]
    photo = result.photo
    full = np.float32(np.iinfo(photo.pixels.dtype).max)
    for edit, picture in zip(result.edits, pictures, strict=True):
        alpha = None if photo.alpha is None else photo.alpha.copy()
        canvas = PhotoCanvas(photo.pixels, alpha)
        made = record_layers(canvas, edit.pasted, lambda c=canvas: c.pixels / full)
        mark = None if options["no_mark"] else edit.mark
        original = photo.pixels / full
        write_layers(made, original, folder, picture.stem, format, mark, place)
