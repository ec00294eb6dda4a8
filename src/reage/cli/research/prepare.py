"""`reage prepare`: a training dataset from any pictures."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reage.cli.shared.options import shard_option
from reage.cli.shared.progress import StageBar, note

if TYPE_CHECKING:
    from reage.datasets.prepare.options import PrepareOptions
    from reage.datasets.prepare.prepare import PrepareReport
    from reage.datasets.prepare.selection import LeftOut


@click.command()
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of the dataset, which also names it.",
)
@click.option("--model", help="Take size, scale and shift from a model (name or folder).")
@click.option("--size", type=int, help="Side of the crops, pixels.  [default: 128]")
@click.option(
    "--scale", type=float, help="Side of the face square relative to FFHQ's.  [default: 0.7]"
)
@click.option(
    "--shift",
    type=float,
    help="Centre of the square: 0 at the eyes, 1 at the mouth.  [default: 0.22]",
)
@click.option(
    "--faces",
    type=click.Choice(["largest", "all", "skip"]),
    default="largest",
    show_default=True,
    help="Face to take from pictures with several; skip: none.",
)
@click.option("--max-yaw", default=30.0, show_default=True, help="Largest yaw, degrees.")
@click.option("--max-pitch", default=24.0, show_default=True, help="Largest pitch, degrees.")
@click.option(
    "--max-padding",
    default=0.22,
    show_default=True,
    help="Largest part of the square outside the picture.",
)
@click.option(
    "--min-sharpness",
    default=20.0,
    show_default=True,
    help="Least variance of the Laplacian at 128 px.",
)
@click.option(
    "--blurriest", default=0.0, show_default=True, help="Leave out this fraction of the rest."
)
@click.option(
    "--min-face",
    type=click.FloatRange(0),
    help="Least side of the square, pixels.  [default: size / 2]",
)
@click.option("--grey", is_flag=True, help="Keep pictures without colour.")
@click.option(
    "--duplicates",
    default=24,
    show_default=True,
    help="Bits of 256 by which duplicates may differ; -1 keeps them.",
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path, dir_okay=False),
    help="CSV: file, age or age_bin, gender, race, person.",
)
@click.option(
    "--names",
    type=click.Choice(["auto", "none", "utkface", "fgnet", "agedb", "cacd"]),
    default="auto",
    show_default=True,
    help="Pattern of labels in file names.",
)
@click.option("--age-pattern", metavar="REGEX", help=r"Pattern of other paths, with (?P<age>\d+).")
@click.option("--val", default=0.1, show_default=True, help="Fraction of people for validation.")
@shard_option
@click.option("--quality", default=95, show_default=True, help="WebP quality.")
@click.option(
    "--licence", default="", metavar="TEXT", help="Licence of the pictures, for the README."
)
@click.option(
    "--processes", type=click.IntRange(1), help="Number of processes.  [default: one per core]"
)
def prepare(inputs: tuple[Path, ...], output: Path, processes: int | None, **values: Any) -> None:
    """Make a training dataset of the faces in INPUTS, folders or tar files of pictures.

    \b
    reage prepare photos --output faces
    reage prepare UTKFace more.tar --labels ages.csv --output faces --size 256
    """
    from reage.datasets.prepare.prepare import prepare as make

    options = _options(**values)
    with StageBar("pictures", resumed=True) as bar:
        report = make(
            inputs,
            output,
            options,
            processes=processes,
            on_picture=partial(bar.update, "pictures"),
            on_left_out=lambda item: bar.write(_line(item)),
            on_notice=note,
        )
    click.echo(describe(report))


def describe(report: PrepareReport) -> str:
    """The report as a table."""
    lines = [f"{report.pictures:>8} pictures"]
    if report.taken_up:
        lines[0] += f", {report.taken_up} of them examined before"
    for source, name in report.conventions.items():
        if name:
            lines.append(f"labels from the file names of {source}, read as {name}")
    splits = ", ".join(f"{split} {count}" for split, count in sorted(report.kept.items()))
    lines.append(f"{sum(report.kept.values()):>8} faces kept: {splits}")
    lines += [f"{count:>8} {reason}" for reason, count in report.left_out.items()]
    return "\n".join([*lines, f"{report.files[-1].parent}"])


def _line(item: LeftOut) -> str:
    if item.reason == "unreadable":
        return f"reage: {item.detail}"
    return f"reage: {item.name}: {item.reason}, {item.detail}"


def _options(
    model: str | None,
    size: int | None,
    scale: float | None,
    shift: float | None,
    **values: Any,
) -> PrepareOptions:
    from reage.datasets.prepare.options import PrepareOptions, model_square
    from reage.errors import UsageError

    given = {"size": size, "scale": scale, "shift": shift}
    if model is not None:
        resolution, alignment = model_square(model)
        of_model = {"size": resolution, "scale": alignment.scale, "shift": alignment.shift}
        given = {k: of_model[k] if v is None else v for k, v in given.items()}
        if given["size"] is None:
            raise UsageError(f"the size of {model} is not known before it is loaded; add --size")
    known = {name: value for name, value in given.items() if value is not None}
    return PrepareOptions(**known, **values)
