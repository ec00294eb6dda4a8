"""`reage evaluate`: the quality of a model, as one report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reage.cli.shared.options import (
    detail_option,
    device_option,
    direction_option,
    exclude_option,
    hair_option,
    lpips_option,
    occlusion_option,
    open_editor,
    paste_option,
    precision_option,
    seed_option,
)
from reage.cli.shared.parsing import parse_range
from reage.cli.shared.progress import StageBar
from reage.errors import UsageError


@click.command()
@click.argument("model", default="faces128")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Dataset (reage prepare) with the model's alignment.",
)
@click.option(
    "--split",
    default="val",
    show_default=True,
    help="Split of the dataset; must not be trained on.",
)
@click.option(
    "--portraits", type=click.Path(path_type=Path), help="Folder with pairs.csv: id, older, newer."
)
@click.option(
    "--heads",
    type=click.Path(path_type=Path),
    help="Table of whole heads (such as heads.csv), beside its .tar or pictures.",
)
@exclude_option
@click.option(
    "--faces",
    default=64,
    show_default=True,
    type=click.IntRange(1),
    help="Number of faces of the dataset to age, and of whole heads.",
)
@click.option(
    "--samples",
    default=1000,
    show_default=True,
    type=click.IntRange(2),
    help="Number of generated samples, for FID and KID.",
)
@click.option(
    "--steps",
    default=100,
    show_default=True,
    type=click.IntRange(0),
    help="Steps of the measured inversions; 0: the encoder alone.",
)
@click.option(
    "--quality", default="normal", show_default=True, help="Inversion effort for aged faces."
)
@paste_option
@click.option("--ages", default="10:80:10", show_default=True, help="Target ages, FROM:TO:STEP.")
@click.option(
    "--older-year", default=2011.0, show_default=True, help="Year of undated older photos in pairs."
)
@click.option(
    "--second-age",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="age_gender_model.bin of the npm package @vladmandic/face-api, or DEX as a .pth.",
)
@click.option(
    "--identity",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="ArcFace's model_ir_se50.pth in place of dlib's recogniser.",
)
@seed_option
@direction_option
@detail_option
@occlusion_option
@hair_option
@device_option
@precision_option
@lpips_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder of the report; default: MODEL-evaluation.",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier report.")
def evaluate(model: str, **options: Any) -> None:
    """Measure MODEL: samples, inversion, ageing, people photographed twice, skin at full size.

    \b
    reage evaluate --data faces --portraits portraits
    reage evaluate --heads heads.csv --exclude exemplars.txt
    reage evaluate my-model --data faces --faces 200 --second-age age_gender_model.bin

    Writes report.md, report.json and pictures. The report names what is left out.
    """
    folder = options["output"] or Path(f"{Path(model).name}-evaluation")
    if not (options["data"] or options["portraits"] or options["heads"]):
        raise UsageError("give --data DATASET, --portraits FOLDER or --heads FILE, or several")
    if options["exclude"] and not options["heads"]:
        raise UsageError("--exclude leaves heads out: give their table too (--heads FILE)")
    from reage.evaluation.report import MARKDOWN, check_output, write_report

    check_output(folder, overwrite=options["overwrite"])
    found = _evaluation(model, options)
    write_report(found, folder, overwrite=options["overwrite"])
    for line in found.figures["missing"]:
        click.echo(f"reage: {line}", err=True)
    click.echo(f"{folder / MARKDOWN}")


def _evaluation(model: str, options: dict[str, Any]) -> Any:
    editor = open_editor({**options, "model": model})
    from reage.editor import QUALITIES
    from reage.evaluation.config import EvaluationConfig
    from reage.evaluation.judges import load_judges
    from reage.evaluation.run import evaluate as measure

    if options["quality"] not in QUALITIES:
        known = ", ".join(QUALITIES)
        raise UsageError(f"--quality {options['quality']!r} is not known; choose {known}")
    names = ("faces", "samples", "steps", "quality", "paste", "split", "seed", "older_year")
    config = EvaluationConfig(
        **{name: options[name] for name in names},
        targets=parse_range(options["ages"], "--ages"),
        heads=options["faces"],
    )
    judges = load_judges(editor, options["second_age"], options["identity"])
    with StageBar() as bar:
        return measure(
            editor,
            judges,
            config,
            data=options["data"],
            portraits=options["portraits"],
            heads=options["heads"],
            exclude=options["exclude"],
            progress=bar.update,
        )
