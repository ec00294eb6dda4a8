"""Options shared by several commands."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from reage.cli.shared.console import detail, emit, tell
from reage.cli.shared.pictures import name_of, open_photo
from reage.errors import ReageError, UsageError
from reage.files import real_path
from reage.notices import one_line

if TYPE_CHECKING:
    from reage.editor import Editor

__all__ = [
    "NewPlace",
    "ages_option",
    "detail_option",
    "device_option",
    "direction_option",
    "dry_run_option",
    "each_file",
    "edit_paste_option",
    "exclude_option",
    "face_option",
    "hair_color_option",
    "hair_option",
    "keep_inputs",
    "language_option",
    "lpips_option",
    "model_option",
    "model_options",
    "no_mark_option",
    "occlusion_option",
    "open_editor",
    "output_options",
    "paste_option",
    "photos_argument",
    "plan_files",
    "points_option",
    "precision_option",
    "quality_option",
    "ray_option",
    "seed_option",
    "shape_option",
    "shard_option",
    "skin_option",
    "split_option",
    "try_each",
    "tuned_option",
    "workers_option",
]

LIKE_A_FILE = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}")  # a suffix, unlike that of "May.2024"
LANGUAGE_HELP = "Language of the words in the picture."
Command = TypeVar("Command", bound=Callable[..., Any])

photos_argument = click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
face_option = click.option(
    "--face",
    default="largest",
    show_default=True,
    help="Faces: largest, all, or a number from the left.",
)
points_option = click.option(
    "--points",
    metavar='"x,y x,y x,y x,y x,y"',
    help="Eyes, nose tip and mouth corners, left first, if no face is found.",
)
seed_option = click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**63 - 1),
    help="Random seed.",
)
direction_option = click.option(
    "--ager",
    "--direction",
    "direction",
    metavar="FILE|sefa:N[:A-B]",
    help="Ager, direction, or SeFa factor N at levels A to B; default: the model's.",
)
paste_option = click.option(
    "--paste",
    type=click.Choice(["delta", "replace"]),
    default="delta",
    show_default=True,
    help="Add the change to the photo, or replace the face with the generated one.",
)
edit_paste_option = click.option(
    "--paste",
    type=click.Choice(["delta", "replace", "none"]),
    default="delta",
    show_default=True,
    help="Add the change to the photo, paste the generated face, or write only that face.",
)
detail_option = click.option(
    "--detail",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Skin detail: a folder of reage fit-detail or train skin-removal; default: the embedded.",
)
occlusion_option = click.option(
    "--occlusion",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Network that finds what covers a face: of reage train occlusion; default: the embedded.",
)
hair_option = click.option(
    "--hair",
    type=click.Choice(["grey", "keep"]),
    default="grey",
    show_default=True,
    help="Whether hair turns grey with age or keeps its colour.",
)
hair_color_option = click.option(
    "--hair-color",
    type=click.Choice(["black", "dark-brown", "brown", "light-brown", "blond", "red"]),
    help="Colour that grey hair gets back in a younger face  [default: by skin and brows].",
)
skin_option = click.option(
    "--skin",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of the change of skin that is shown.",
)
shape_option = click.option(
    "--shape",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of the change of shape that is shown.",
)
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Tell what would be read and written, and write nothing."
)
tuned_option = click.option(
    "--tuned",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Code and generator tuned to this face (reage project --tune); skips the inversion.",
)
quality_option = click.option(
    "--quality",
    type=click.Choice(["fast", "normal", "best"]),
    default="normal",
    show_default=True,
    help="Effort of the inversion.",
)
ray_option = click.option(
    "--ray",
    metavar="local|auto|HOST:PORT",
    help="Run on a Ray cluster; --workers is then the number of actors.",
)
model_option = click.option(
    "--model",
    default="faces128",
    show_default=True,
    metavar="NAME|FOLDER|FILE",
    help="A model by name (reage models), its folder, a checkpoint, FRAN's ager, or hf://...",
)
device_option = click.option(
    "--device", default="auto", show_default=True, help="Device: auto, cpu, cuda, ..."
)
precision_option = click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "bfloat16"]),
    default="auto",
    show_default=True,
    help="Precision of the generator's convolutions.",
)
lpips_option = click.option(
    "--lpips",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Weights of torchvision's VGG16; the inversion then uses LPIPS as its loss.",
)
ages_option = click.option(
    "--ages", metavar="FROM:TO:STEP", help="Range of ages, both ends included."
)
split_option = click.option(
    "--split", default="train", show_default=True, help="Split of the dataset."
)
exclude_option = click.option(
    "--exclude",
    type=click.Path(path_type=Path, exists=True),
    help="List of heads the model was made from, one name per line; they are left out.",
)
shard_option = click.option(
    "--shard", default=5000, show_default=True, help="Pictures per tar file."
)
workers_option = click.option(
    "--workers", type=click.IntRange(1, 256), help="Number of processes.  [default: one per core]"
)
no_mark_option = click.option("--no-mark", is_flag=True, help="Leave out the synthetic-media mark.")


def language_option(command: Command) -> Command:
    """Add --language, of what is written into pictures."""
    from reage.outputs.poster.languages import LANGUAGES

    return click.option("--language", type=click.Choice(LANGUAGES), default=LANGUAGES[0],
                        show_default=True, help=LANGUAGE_HELP)(command)  # fmt: skip


class NewPlace(click.Path):
    """A folder or a file to write; a name that looks like a file of no `known` kind is refused."""

    def __init__(self, known: Callable[[], Iterable[str]]):
        super().__init__(path_type=Path)
        self.known = known

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the place as a Path; UsageError where its suffix is not known."""
        path = cast(Path, super().convert(value, param, ctx))
        is_folder = str(value).endswith(("/", os.sep)) or path.is_dir()
        if not is_folder and LIKE_A_FILE.fullmatch(path.suffix):
            known = list(self.known())
            if path.suffix.lower() not in known:
                raise UsageError(
                    f"{path}: {path.suffix} is not known; write one of {' '.join(known)}, or a "
                    f"folder as {path}{os.sep}"
                )
        return path


def output_options(name: str) -> Callable[[Command], Command]:
    """Add --output for one file such as `name`, --overwrite and --no-mark."""

    def add(command: Command) -> Command:
        command = no_mark_option(command)
        command = click.option("--overwrite", is_flag=True, help="Replace an earlier file.")(
            command
        )
        place = click.Path(path_type=Path)
        return click.option("-o", "--output", required=True, type=place, metavar=name)(command)

    return add


def model_options(command: Command) -> Command:
    """Add --model, --device, --precision and --lpips."""
    for option in (lpips_option, precision_option, device_option, model_option):
        command = option(command)
    return command


def open_editor(options: Mapping[str, Any]) -> Editor:
    """Load the editor described by a command's options."""
    import gc

    from reage.cli.shared.progress import waiting

    gc.disable()  # importing torch makes a million objects, none of them garbage: 0.1 s
    from reage.editor import load

    gc.enable()
    gc.freeze()
    with waiting(f"loading {options['model']}"):
        editor = load(
            options["model"],
            device=options["device"],
            precision=options["precision"],
            direction=options.get("direction"),  # not every command has one
            vgg16=options["lpips"],
            grey_hair=options.get("hair", "grey") == "grey",
            hair_color=options.get("hair_color"),
            detail=options.get("detail"),
            occlusion=options.get("occlusion"),
        )
    ager = "no ager" if editor.ager is None else f"ager {editor.ager.name}"
    precision = str(editor.dtype).removeprefix("torch.")
    detail(f"model {options['model']}, {ager}, on {editor.device} in {precision}")
    return editor


def each_file(files: Sequence[Path], work: Callable[[Path], None], failure: str) -> None:
    """As `try_each`, but raise ReageError at the end if some failed."""
    if failed := try_each(files, work):
        raise ReageError(f"{failed} of {len(files)} {failure}, see above")


def try_each(files: Sequence[Path], work: Callable[[Path], None]) -> int:
    """Do the work for every file, report a bad one and continue; return how many failed.

    Raises the error of a single file.
    """
    failed = 0
    for file in files:
        try:
            work(file)
        except UsageError:
            raise  # it would stop every other file too
        except ReageError as error:
            emit({"photo": {"file": name_of(file)}, "error": str(error)})
            if len(files) == 1:
                raise
            click.echo(f"reage: {one_line(str(error))}", err=True)
            failed += 1
    return failed


def plan_files(inputs: Sequence[Path], outputs: Sequence[Path]) -> None:
    """Tell what a command would read and write; raises as reading would."""
    for path in inputs:
        height, width = open_photo(path).pixels.shape[:2]
        tell(f"reads {name_of(path)}, {width} x {height}")
    for path in outputs:
        tell(f"writes {path}")
    read, written = ([str(path) for path in paths] for paths in (inputs, outputs))
    emit({"dry_run": True, "photos": read, "files": written})


def keep_inputs(output: Path, inputs: Sequence[Path]) -> None:
    """Raise UsageError if an output would replace an input."""
    if real_path(output) in {real_path(path) for path in inputs}:
        raise UsageError(f"{output} is a photo that was given; choose another --output")
