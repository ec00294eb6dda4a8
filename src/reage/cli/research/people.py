"""`reage people`: the distribution of real people's codes, stored with a model."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from reage.cli.shared.options import seed_option, split_option
from reage.cli.shared.progress import StageBar
from reage.errors import ModelError, UsageError
from reage.files import check_place


@click.command()
@click.argument("model")
@click.option(
    "--data", required=True, type=click.Path(path_type=Path), help="Dataset of real faces (folder)."
)
@split_option
@click.option(
    "--faces", default=2000, show_default=True, type=click.IntRange(2), help="Number of faces."
)
@click.option(
    "--components",
    default=64,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Number of principal components.",
)
@seed_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File; default: the model's.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier file.")
def people(
    model: str,
    data: Path,
    split: str,
    faces: int,
    components: int,
    seed: int,
    output: Path | None,
    overwrite: bool,
) -> None:
    """Fit the distribution of real people's codes, which `reage synthesize` draws from.

    A Gaussian over the codes that MODEL's encoder gives to real faces, stored with the model.

    \b
    reage people my-model --data faces
    """
    import random

    from reage.datasets.face_dataset import open_dataset
    from reage.fitting.people import PEOPLE, fit_people, people_codes, save_people
    from reage.models.checkpoints import seal
    from reage.models.registry import load

    loaded = load(model)
    if output is None and loaded.folder is None:
        raise UsageError(f"{model} is a file, not a model folder: give --output FILE")
    place = output or Path(str(loaded.folder)) / PEOPLE
    check_place(place, overwrite)
    dataset = open_dataset(data)
    rows = [row for row in dataset.rows if row.split == split]
    if not rows:
        raise ModelError(f"{data} has no faces in its split {split!r}")
    rows = random.Random(seed).sample(rows, min(faces, len(rows)))
    with StageBar("faces") as bar:
        codes = people_codes(loaded, dataset, rows, partial(bar.update, "faces"))
    report = {"source": f"codes by the encoder of {dataset.folder.resolve().name}, split {split}"}
    fitted = fit_people(codes, loaded.generator_hash, components, report)
    save_people(fitted, place)
    if output is None and loaded.folder is not None:
        seal(loaded.folder)
    kept = fitted.report["variance_kept"]
    click.echo(f"{len(rows)} faces, {components} components, {kept:.0%} of the variance")
    click.echo(f"{place}")
