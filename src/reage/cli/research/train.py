"""`reage train`: a generator, an encoder or its agers, from a prepared dataset."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reage.cli.shared.options import device_option, precision_option, split_option
from reage.cli.shared.progress import waiting
from reage.errors import UsageError
from reage.numbers import is_whole

if TYPE_CHECKING:
    from reage.training.loop.run import Tick
    from reage.training.settings import AnyConfig, RunSettings
    from reage.training.start import Machine

Command = TypeVar("Command", bound=Callable[..., Any])
# Of the grids of pictures.
COLUMNS = {"photo-ager": 7, "skin-removal": 6, "beard-removal": 6, "occlusion": 6}


def run_options(command: Command) -> Command:
    """Add the options shared by all trainings."""
    options = (
        click.option(
            "--data",
            type=click.Path(path_type=Path),
            help="Dataset (reage prepare) or table of heads.",
        ),
        click.option("--run", type=click.Path(path_type=Path), required=True, help="Run folder."),
        split_option,
        click.option(
            "--kimg",
            type=click.FloatRange(min=0),
            help="Length of the training, thousands of pictures (600).",
        ),
        click.option(
            "--decay-kimg",
            type=click.FloatRange(min=0),
            help="The last thousands, in which learning rates fall linearly to a tenth (0).",
        ),
        click.option(
            "--minutes",
            type=click.FloatRange(0),
            help="Time limit of this call; continue with --resume.",
        ),
        click.option(
            "--snapshot-minutes", type=click.FloatRange(0), default=10.0, show_default=True
        ),
        click.option("--log-steps", type=click.IntRange(1), default=25, show_default=True),
        click.option("--resume", is_flag=True, help="Resume the run with its own settings."),
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="NAME=VALUE",
            help="Training setting, such as batch=16 or encoder.lr=0.0003.",
        ),
        click.option("--about", help="Description of the data, for the model card."),
        click.option("--licence", help="Licence of the trained weights."),
        device_option,
        precision_option,
        click.option("--threads", type=click.IntRange(1), help="Number of CPU threads."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def train() -> None:
    """Train a generator, its encoder and its agers, or what removes detail or finds covers.

    \b
    reage train generator --data faces --run runs/g --minutes 60
    reage train encoder runs/g/model --data faces --run runs/e --kimg 200
    reage train ager runs/e/model --data faces --run runs/a --kimg 100
    reage train photo-ager runs/a/model --data faces --run runs/p --kimg 100
    reage train skin-removal --data heads.csv --run runs/s --kimg 40
    reage train occlusion --data heads.csv --run runs/o --kimg 20
    reage train generator --run runs/g --resume
    torchrun --nproc-per-node 2 -m -- reage train generator ...

    A run folder has config.json, log.jsonl, curves, pictures and runs/NAME/model, which every
    other command takes. Ctrl-C and SIGTERM save before they end it.
    """


@train.command()
@click.option("--recipe", default="stylegan2+encoder", show_default=True, help="Name of a preset.")
@click.option("--from", "model", metavar="MODEL", help="Model to start from.")
@click.option(
    "--alignment", default="0.70,0.22", show_default=True, help="SCALE,SHIFT of the crops."
)
@run_options
def generator(recipe: str, model: str | None, alignment: str, **options: Any) -> None:
    """Train a generator, alone or with an encoder in the loop."""
    from reage.cli.research.models import parse_alignment
    from reage.training.configs import PRESETS

    if recipe not in PRESETS:
        raise UsageError(f"recipe {recipe!r} is not known; choose {', '.join(PRESETS)}")
    place = parse_alignment(alignment)
    _train("generator", PRESETS[recipe], model, options, scale=place.scale, shift=place.shift)


@train.command()
@click.argument("model", required=False)
@run_options
def encoder(model: str | None, **options: Any) -> None:
    """Train the encoder of MODEL; --set generator.lr=0.0002 also trains the generator."""
    from reage.training.configs import EncoderTraining

    _train("encoder", EncoderTraining(), model, options)


@train.command()
@click.argument("model", required=False)
@click.option(
    "--agers-of", "agers", metavar="MODEL", help="Model whose agers to start from; default: MODEL."
)
@run_options
def ager(model: str | None, agers: str | None, **options: Any) -> None:
    """Train the ager of MODEL, which must have an encoder.

    Starts from MODEL's own ager. A generator after further training has none: then --agers-of names
    the model before that training. The photo ager stays.
    """
    from reage.training.configs import AgerTraining

    _train("ager", AgerTraining(), model, options, agers=agers)


@train.command("photo-ager")
@click.argument("model", required=False)
@click.option(
    "--heads",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Table of sharp heads, to learn beside skin detail and how older faces' shapes change.",
)
@run_options
def photo_ager(model: str | None, heads: Path | None, **options: Any) -> None:
    """Train the ager of photos and generated pictures, beside MODEL's ager of codes."""
    from reage.training.configs import PhotoAgerTraining

    table = None if heads is None else str(heads)
    _train("photo-ager", PhotoAgerTraining(), model, options, heads=table)


@train.command("skin-removal")
@click.argument("detail", metavar="[DETAIL|embedded]", required=False)
@run_options
def skin_removal(detail: str | None, **options: Any) -> None:
    """Train the network that takes old skin off a face, on sharp heads.

    --data is a table of heads (a CSV beside its .tar or pictures). Starts from the network of the
    folder DETAIL (reage fit-detail, or such a run's model) or the embedded one; default: a new
    one. The run's model is a folder for --detail, with DETAIL's exemplars and other network.
    """
    from reage.training.configs import RemovalTraining

    _train("skin-removal", RemovalTraining(), detail, options)


@train.command("beard-removal")
@click.argument("detail", metavar="[DETAIL|embedded]", required=False)
@run_options
def beard_removal(detail: str | None, **options: Any) -> None:
    """Train the network that takes beards off children's faces, as skin-removal is."""
    from reage.training.configs import BeardRemovalTraining

    _train("beard-removal", BeardRemovalTraining(), detail, options)


@train.command()
@click.argument("folder", metavar="[FOLDER|embedded]", required=False)
@run_options
def occlusion(folder: str | None, **options: Any) -> None:
    """Train the network that finds what covers a face, on sharp heads.

    --data is a table of heads, as for skin-removal; masks, hands, glasses and other things are
    drawn before their faces. Starts from the network of FOLDER (such a run's model) or the
    embedded one; default: a new one. The run's model is a folder for --occlusion.
    """
    from reage.training.configs import OcclusionTraining

    _train("occlusion", OcclusionTraining(), folder, options)


def _train(
    kind: str, preset: AnyConfig, model: str | None, options: dict[str, Any], **more: Any
) -> None:
    from reage.training.settings import open_run

    if bool(options["resume"]) == bool(options["data"]):
        raise UsageError("give --data DATA for a new run, or --resume to continue one")
    machine = _machine(options)
    new = None
    if not options["resume"]:
        new = _settings(kind, apply_settings(preset, options["settings"]), model, options, more)
    with open_run(options["run"], new if machine.world.is_first else None) as settings:
        if settings.kind != kind:
            raise UsageError(f"{options['run']} is the run of a {settings.kind}, not of a {kind}")
        _run(settings, machine, options)


def _run(settings: RunSettings, machine: Machine, options: dict[str, Any]) -> None:
    from reage.devices import choose_dtype
    from reage.training.export import export_model
    from reage.training.loop.run import RunOptions, run_training
    from reage.training.start import start

    _use_threads(options["threads"] or settings.threads)
    if options["precision"] == "auto":  # a resumed run computes as it began
        machine = replace(machine, dtype=choose_dtype(settings.precision, machine.device))
    folder, kind = options["run"], settings.kind
    with waiting(f"preparing {settings.data}"):
        trainer = start(settings, machine, folder)

    def snapshot(step: int) -> dict[str, float]:
        from reage.training.loop.pictures import save_curves, save_grid

        for name, images in trainer.pictures(step).items():
            save_grid(images, folder / f"{name}.png", COLUMNS.get(kind, 8))
        if (folder / "log.jsonl").is_file():
            save_curves(folder / "log.jsonl", folder / "curves.png")
        export_model(trainer, settings, folder / "model", kimg=step * trainer.batch / 1000)
        return {}

    run = RunOptions(
        _setting_or(options, "kimg", settings.kimg),
        _setting_or(options, "decay_kimg", settings.decay_kimg),
        options["minutes"],
        options["snapshot_minutes"],
        options["log_steps"],
    )
    report = run_training(
        trainer, folder, run, world=machine.world, on_tick=_say, on_snapshot=snapshot
    )
    if machine.world.is_first:
        click.echo(f"{report.kimg:.1f} kimg, {report.stopped}: {folder / 'model'}")
    if report.stopped.startswith("SIG"):
        sys.exit(128 + signal.Signals[report.stopped])


def _use_threads(count: int | None) -> None:
    import torch

    if count:
        torch.set_num_threads(count)


def _settings(
    kind: str,
    config: AnyConfig,
    model: str | None,
    options: dict[str, Any],
    more: dict[str, Any],
) -> RunSettings:
    import reage
    from reage.training.settings import RunSettings

    if kind in ("encoder", "ager", "photo-ager") and model is None:
        raise UsageError(f"name the model of the {kind}: reage train {kind} MODEL")
    return RunSettings(
        kind=kind,
        config=config,
        data=str(options["data"]),
        split=options["split"],
        model=model,
        kimg=_setting_or(options, "kimg", RunSettings.kimg),
        decay_kimg=_setting_or(options, "decay_kimg", RunSettings.decay_kimg),
        licence=options["licence"],
        about=options["about"],
        threads=options["threads"],
        precision=options["precision"],
        version=reage.__version__,
        **more,
    )


def _setting_or(options: dict[str, Any], name: str, otherwise: float) -> float:
    return otherwise if options[name] is None else options[name]


def _machine(options: dict[str, Any]) -> Machine:
    from reage.devices import choose_device, choose_dtype
    from reage.training.loop.parallel import join_world
    from reage.training.start import Machine

    _use_threads(options["threads"])
    device = choose_device(options["device"])
    return Machine(device, choose_dtype(options["precision"], device), join_world(device))


def apply_settings(preset: Any, settings: tuple[str, ...]) -> Any:
    """Apply `NAME=VALUE` or `NAME.NAME=VALUE` to a config; UsageError for unknown names."""
    from reage.training.settings import check_config

    for text in settings:
        name, found, value = text.partition("=")
        if not found:
            raise UsageError(f"--set {text!r:.100} is not NAME=VALUE such as batch=16")
        preset = _with(preset, name.split("."), value, text)
        try:
            check_config(preset)
        except ValueError as error:
            raise UsageError(f"--set {text!r:.100}: {error}") from error
    return preset


def _with(config: Any, path: list[str], value: str, text: str) -> Any:
    known = {f.name: getattr(config, f.name) for f in fields(config)}
    if path[0] not in known:
        raise UsageError(f"--set {text!r:.100}: there is no {path[0]!r}; it has {', '.join(known)}")
    old = known[path[0]]
    if len(path) > 1:
        return replace(config, **{path[0]: _with(old, path[1:], value, text)})
    import ast

    try:
        new = value if isinstance(old, str) else ast.literal_eval(value)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        new = None
    if isinstance(old, float) and is_whole(new):
        new = float(new)
    if type(new) is not type(old):
        raise UsageError(f"--set {text!r:.100}: {path[0]} is like {old!r}")
    return replace(config, **{path[0]: new})


def _say(tick: Tick) -> None:
    minutes = int(tick.seconds_left // 60)
    shown = " ".join(f"{name} {value:.3f}" for name, value in tick.figures.items())
    click.echo(
        f"{tick.kimg:.1f} kimg  {tick.images_per_second:.1f} img/s  {shown}  "
        f"ETA {minutes // 60}:{minutes % 60:02d}"
    )
