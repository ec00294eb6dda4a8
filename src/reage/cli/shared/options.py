"""Options shared by several commands, and the parsing of their values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reage.cli.shared.console import detail, emit, say
from reage.cli.shared.pictures import name_of, open_photo
from reage.errors import ReageError, UsageError
from reage.files import real_path
from reage.notices import one_line
from reage.numbers import read_real, read_whole

if TYPE_CHECKING:
    from reage.editor import Editor

__all__ = [
    "ages_option",
    "device_option",
    "direction_option",
    "dry_run_option",
    "each_file",
    "edit_paste_option",
    "face_option",
    "hair_color_option",
    "hair_option",
    "keep_inputs",
    "lpips_option",
    "model_option",
    "model_options",
    "no_mark_option",
    "open_editor",
    "output_options",
    "parse_ages",
    "parse_face",
    "parse_levels",
    "parse_range",
    "parse_same_ages",
    "parse_targets",
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
    "tuned_option",
    "workers_option",
]

MAX_AGES = 200
MAX_LEVELS = 100  # of ws; a generator of 1024 px has 18
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
shard_option = click.option(
    "--shard", default=5000, show_default=True, help="Pictures per tar file."
)
workers_option = click.option(
    "--workers", type=click.IntRange(1, 256), help="Number of processes.  [default: one per core]"
)
no_mark_option = click.option("--no-mark", is_flag=True, help="Leave out the synthetic-media mark.")


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
        )
    ager = "no ager" if editor.ager is None else f"ager {editor.ager.name}"
    precision = str(editor.dtype).removeprefix("torch.")
    detail(f"model {options['model']}, {ager}, on {editor.device} in {precision}")
    return editor


def each_file(files: Sequence[Path], work: Callable[[Path], None], failure: str) -> None:
    """Do the work for every file; report a bad one and continue.

    Raises the error of a single file, or ReageError at the end if some failed.
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
    if failed:
        raise ReageError(f"{failed} of {len(files)} {failure}, see above")


def plan_files(inputs: Sequence[Path], outputs: Sequence[Path]) -> None:
    """Tell what a command would read and write; raises as reading would."""
    for path in inputs:
        height, width = open_photo(path).pixels.shape[:2]
        say(f"reads {name_of(path)}, {width} x {height}")
    for path in outputs:
        say(f"writes {path}")
    read, written = ([str(path) for path in paths] for paths in (inputs, outputs))
    emit({"dry_run": True, "photos": read, "files": written})


def keep_inputs(output: Path, inputs: Sequence[Path]) -> None:
    """Raise UsageError if an output would replace an input."""
    if real_path(output) in {real_path(path) for path in inputs}:
        raise UsageError(f"{output} is a photo that was given; choose another --output")


def parse_targets(to: Sequence[str], ages: str | None) -> list[Any]:
    """Parse targets from `--to 20 40`, `--to 1=70 2=12` or `--ages 10:80:10`."""
    if bool(to) == bool(ages):
        raise UsageError("give either --to AGE or --ages FROM:TO:STEP, for example --to 70")
    if ages:
        return list(parse_ages(ages))
    if len(to) > MAX_AGES:
        raise UsageError(f"--to has {len(to)} ages; 1 to {MAX_AGES} are possible")
    if any("=" in text for text in to):
        return [_ages_by_face(to)]
    return [_number(text, "--to", "an age such as 70, or FACE=AGE such as 1=70") for text in to]


def parse_same_ages(to: Sequence[str], ages: str | None) -> list[float]:
    """Parse ages for all faces, each once, from --to or --ages."""
    from reage.inputs import as_targets

    targets = as_targets(parse_targets(to, ages))
    same = [float(age) for age in targets if isinstance(age, int | float)]
    if len(same) < len(targets) or len(set(same)) < len(same):
        raise UsageError("here all faces get the same ages, each once; give --to 20 40, without =")
    return same


def parse_ages(text: str) -> tuple[float, ...]:
    """Read `10:80:10` as ages, both ends included."""
    return parse_range(text, "--ages")


def parse_range(text: str, name: str) -> tuple[float, ...]:
    """Read `A:B:STEP` (both ends included), `A:B` (step 1) or `A`."""
    form = "FROM:TO:STEP such as 10:80:10"
    parts = [_number(part, name, form) for part in text.split(":")]
    if len(parts) > 3:
        raise UsageError(f"{name} {text!r:.60} is not understood; give {form}")
    if len(parts) == 1:
        return (parts[0],)
    low, high = parts[:2]
    step = abs(parts[2]) if len(parts) == 3 else 1.0
    steps = abs(high - low) / step + 1e-6 if step else float("inf")
    if not steps < MAX_AGES:
        raise UsageError(f"{name} {text!r:.60} makes too many values; 1 to {MAX_AGES} are possible")
    count = int(steps) + 1
    sign = 1 if high >= low else -1
    return tuple(round(low + sign * step * i, 6) for i in range(count))


def parse_face(text: str) -> Any:
    """Read --face: largest, all or a number."""
    if text in ("largest", "all"):
        return text
    number = read_whole(text, 1)
    if number is not None:
        return number
    raise UsageError(f"--face {text!r:.60} is not understood; give largest, all or a number from 1")


def parse_levels(text: str | None) -> tuple[int, ...] | None:
    """Read `0-8` or `0,2,4` as levels of ws."""
    if text is None:
        return None
    levels: set[int] = set()
    for part in text.split(","):
        low, dash, high = part.partition("-")
        first = read_whole(low, 0, MAX_LEVELS - 1)
        last = read_whole(high, 0, MAX_LEVELS - 1) if dash else first
        if first is None or last is None or first > last:
            raise UsageError(f"--latent-level {text!r:.60} is not understood; give 0-8 or 0,2,4")
        levels |= set(range(first, last + 1))
    return tuple(sorted(levels))


def _ages_by_face(to: Sequence[str]) -> dict[int, float]:
    targets: dict[int, float] = {}
    for text in to:
        face, equals, age = text.partition("=")
        number = read_whole(face)
        if not equals or number is None or number in targets:
            raise UsageError(f"--to {text!r:.60} does not fit; give one FACE=AGE for each face")
        targets[number] = _number(age, "--to", "FACE=AGE such as 1=70")
    return targets


def _number(text: str, name: str, form: str) -> float:
    value = read_real(text)
    if value is None:
        raise UsageError(f"{name} {text!r:.60} is not understood; give {form}")
    return value
