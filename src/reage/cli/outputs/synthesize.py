"""`reage synthesize`: a dataset of people who do not exist, each at many ages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reage.cli.shared.options import (
    device_option,
    direction_option,
    model_option,
    precision_option,
    ray_option,
    seed_option,
    shard_option,
    workers_option,
)
from reage.cli.shared.parsing import parse_ages
from reage.cli.shared.progress import StageBar, note
from reage.errors import UsageError


@click.command()
@click.option("--people", default=1000, show_default=True, help="Number of people.")
@click.option(
    "--ages",
    default="10:80:10",
    show_default=True,
    metavar="FROM:TO:STEP",
    help="Ages of each person.",
)
@click.option("--conditions", default=3, show_default=True, help="Number of pictures at each age.")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the dataset."
)
@click.option(
    "--amount", default=1.0, show_default=True, help="Strength of the conditions; 0: none."
)
@click.option(
    "--apart", type=float, help="Least distance between two people.  [default: by recogniser]"
)
@click.option(
    "--recogniser",
    type=click.Choice(["auto", "dlib", "features"]),
    default="auto",
    show_default=True,
    help="Face recogniser; auto: dlib if installed.",
)
@click.option("--unseen", is_flag=True, help="Keep people whose picture shows no detectable face.")
@click.option(
    "--pairs",
    default=300,
    show_default=True,
    help="Number of same and of different pairs in each fold.",
)
@shard_option
@workers_option
@ray_option
@model_option
@device_option
@precision_option
@direction_option
@seed_option
def synthesize(
    output: Path, ages: str, workers: int | None, ray: str | None, **values: Any
) -> None:
    """Make a dataset of people who do not exist, each at many ages and conditions.

    With labels, pair lists and figures of how well the people can be told apart. The same command
    resumes a run that was killed, and the same seed makes the same bytes.

    \b
    reage synthesize --people 1000 --ages 10:80:10 --conditions 3 -o people
    """
    from reage.datasets.made_people.options import SynthesisOptions
    from reage.datasets.made_people.run import synthesize as make

    parsed = parse_ages(ages)
    if len(parsed) < 2 and values["conditions"] < 2:
        raise UsageError("one age and one condition make no two pictures of a person; give more")
    options = SynthesisOptions(ages=parsed, **values)
    with StageBar(resumed=True) as bar:
        report = make(
            output, options, workers=workers, ray=ray, on_progress=bar.update, on_notice=note
        )
    click.echo(describe(report.figures))
    click.echo(f"{output}")


def describe(figures: Any) -> str:
    """The figures as lines."""
    age = figures["age"]["all"]
    lines = [
        f"{figures['pictures']} pictures of {figures['people']} people, of {figures['drawn']} "
        "drawn faces",
        f"ages: mean error {age['mean_error']:g} years, {age['reached']:.0%} reached",
    ]
    if figures["sex"]["kept"] is not None:
        lines.append(f"sex: {figures['sex']['kept']:.1%} of the pictures from 20 years on keep it")
    for file, found in figures["identity"].items():
        rates = (
            ""
            if found["auc"] is None
            else (f", AUC {found['auc']:.3f}, equal error {found['equal_error']:.1%}")
        )
        lines.append(f"{file}: {found['pairs']} pairs{rates}")
    return "\n".join(lines)
