"""`reage fit`: an age direction for a generator."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reage.cli.shared.options import seed_option, split_option
from reage.cli.shared.progress import StageBar
from reage.errors import ModelError, UsageError
from reage.files import check_place

if TYPE_CHECKING:
    from reage.agers.direction import Direction
    from reage.fitting.age_direction import CodeSet
    from reage.models.checkpoints import Model


@click.command()
@click.argument("model")
@click.option(
    "--samples", type=click.IntRange(20), help="Number of faces to sample from the generator."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Dataset (folder) whose faces are projected instead.",
)
@split_option
@click.option("--faces", default=1000, show_default=True, help="Number of faces from the dataset.")
@click.option(
    "--codes",
    type=click.Path(path_type=Path),
    help="File that stores the codes, so that a run can resume.",
)
@click.option(
    "--method",
    type=click.Choice(["guided", "shift", "ridge"]),
    default="guided",
    show_default=True,
    help="Fitting method; guided refines shift with the age network in the loop.",
)
@click.option("--steps", default=300, show_default=True, help="Number of refinement steps.")
@click.option(
    "--components",
    default=200,
    show_default=True,
    type=click.IntRange(1),
    help="Number of principal components.",
)
@seed_option
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Direction file; default: the model's."
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier direction.")
def fit(model: str, **options: Any) -> None:
    """Fit the age direction of MODEL and store it with the model.

    \b
    reage fit my-model --samples 4000
    reage fit my-model --data faces --faces 1500 --codes codes.safetensors
    """
    from reage.agers.direction_files import save_direction
    from reage.fitting.age_direction import fit_direction
    from reage.models.checkpoints import seal
    from reage.models.registry import load

    if bool(options["samples"]) == bool(options["data"]):
        raise UsageError("give either --samples N or --data DATASET")
    if options["codes"] and not options["data"]:
        raise UsageError("--codes stores the codes of a dataset: give it too (--data DATASET)")
    loaded = load(model)
    output = _output(loaded, options)
    guided = options["method"] == "guided"
    codes = _codes(loaded, options)
    direction = fit_direction(
        codes,
        generator_hash=loaded.generator_hash,
        method="shift" if guided else options["method"],
        components=options["components"],
        seed=options["seed"],
    )
    if guided:
        direction = _refine(direction, loaded, codes, options)
    save_direction(direction, output)
    if options["output"] is None and loaded.folder is not None:
        seal(loaded.folder)
    click.echo(describe(direction))
    click.echo(f"{output}")


def describe(direction: Direction) -> str:
    """The report of a fit as a table."""
    report = direction.report
    lines = [
        f"{report['method']} on {report['faces']} faces ({report['source']})",
        f"held out {report['held_out']}: R2 along the direction {report['r2']:.2f}, "
        f"of a ridge on the whole code {report['r2_ridge']:.2f}",
        "correlation with   age itself   along, plain   along, conditioned",
    ]
    for name, row in report["leakage"].items():
        lines.append(
            f"  {name:<15} {row['age_itself']:>11.2f} {row['before']:>14.2f} {row['after']:>19.2f}"
        )
    if "guided" in report:
        effect = ", ".join(f"{k}: {v:+.1f}" for k, v in report["guided"].items())
        lines.append(f"years on held-out faces, pasted, by strength: {effect}")
    return "\n".join(lines)


def _output(model: Model, options: dict[str, Any]) -> Path:
    from reage.agers.finder import AGE_DIRECTION

    output = options["output"]
    if output is None:
        if model.folder is None:
            raise UsageError(
                f"{model.config.name} is a file, not a model folder: give --output FILE, "
                "or make a folder of it first (reage convert)"
            )
        output = model.folder / AGE_DIRECTION
    check_place(output, options["overwrite"])
    return output


def _refine(
    direction: Direction, model: Model, codes: CodeSet, options: dict[str, Any]
) -> Direction:
    from reage.fitting.guided_direction import GuidedConfig, refine_direction
    from reage.models.pretrained import load_age_network, load_gender_network

    config = GuidedConfig(steps=options["steps"], seed=options["seed"])
    with StageBar("steps") as bar:
        return refine_direction(
            direction,
            model.generator,
            codes.ws,
            codes.images,
            load_age_network(),
            load_gender_network(),
            config,
            alignment=model.config.alignment,
            progress=partial(bar.update, "steps"),
        )


def _codes(model: Model, options: dict[str, Any]) -> CodeSet:
    from reage.datasets.face_dataset import choose_balanced, open_dataset
    from reage.fitting.labelled_codes import codes_of_dataset, codes_of_samples, put_stored_first
    from reage.models.pretrained import load_age_network, load_gender_network, load_perceptual

    networks = (load_age_network(), load_gender_network())
    seed, count = options["seed"], options["faces"]
    with StageBar("faces") as bar:
        progress = partial(bar.update, "faces")
        if options["samples"]:
            return codes_of_samples(
                model, options["samples"], *networks, seed=seed, progress=progress
            )
        dataset = open_dataset(options["data"])
        rows = [row for row in dataset.rows if row.split == options["split"] and row.age_range]
        stored = put_stored_first(choose_balanced(rows, len(rows), seed), options["codes"], model)
        if not stored:
            raise ModelError(
                f"{options['data']} has no faces with an age in its split {options['split']!r}"
            )
        return codes_of_dataset(
            model,
            dataset,
            stored[:count],
            *networks,
            load_perceptual(),
            store=options["codes"],
            progress=progress,
        )
