"""`reage models` and `reage convert`: known models, and checkpoints of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reage.errors import ModelError, UsageError
from reage.numbers import read_real

if TYPE_CHECKING:
    from reage.models.checkpoints import Alignment

LAYOUTS = {
    ".pt": "rosinality",
    ".pth": "rosinality",
    ".pkl": "nvidia",
    ".pdparams": "paddlegan",
}


@click.command()
@click.argument("name", required=False)
@click.argument("file", required=False)
def models(name: str | None, file: str | None) -> None:
    """List the models, show the card of one, or identify a file.

    \b
    reage models
    reage models faces128
    reage models inspect psp_ffhq_encode.pt
    reage models inspect hf://owner/name
    """
    from reage.models.registry import list_models, model_card

    if file is not None or name == "inspect":
        if name != "inspect" or file is None:
            raise UsageError(
                "give one name of a model, or: reage models inspect FILE|hf://OWNER/NAME"
            )
        return _inspect(file)
    if name is not None:
        click.echo(model_card(name).rstrip())
        return
    for info in list_models():
        size = f"{info.resolution} px" if info.resolution else ""
        click.echo(f"{info.name:<16} {info.source:<10} {size:<8} {info.licence}")


def _inspect(file: str) -> None:
    from reage.models.inspecting import inspect_model

    found = inspect_model(file)
    click.echo(f"{found.path}  {found.family}")
    for what, text in found.lines:
        click.echo(f"  {what:<20}{text}")


@click.command()
@click.argument("source", metavar="IN")  # no Path: it would make hf:/ of hf://
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--layout",
    help="Format of OUT: folder, rosinality, nvidia, mmgen or paddlegan. Default: rosinality for "
    ".pt, nvidia for .pkl, paddlegan for .pdparams, folder for all else.",
)
@click.option(
    "--alignment",
    metavar="SCALE,SHIFT",
    help="Face square of a new model folder; FFHQ's is 1.0,0.1.",
)
@click.option("--name", help="Name of a new model; default: the folder's.")
@click.option("--licence", default="unknown", help="Licence of the weights, for config.json.")
@click.option("--overwrite", is_flag=True, help="Replace OUT.")
def convert(
    source: str,
    target: Path,
    layout: str | None,
    alignment: str | None,
    name: str | None,
    licence: str,
    overwrite: bool,
) -> None:
    """Turn a StyleGAN2 checkpoint IN into OUT: a model folder or another program's file.

    IN is a file, a model by name or folder, or hf://OWNER/NAME.

    \b
    reage convert ffhq.pkl my-model
    reage convert my-model ffhq.pt
    reage convert hf://owner/name my-model
    """
    from dataclasses import replace

    import torch

    from reage.agers.direction_ager import DirectionAger
    from reage.agers.direction_files import save_direction
    from reage.agers.files import save_sam_ager
    from reage.agers.finder import AGE_AGER, AGE_DIRECTION, AgerSource, find_ager
    from reage.agers.latent import SamAger
    from reage.inversion.space import LatentSpace
    from reage.models.checkpoints import save_model
    from reage.models.encoders import load_encoder
    from reage.models.families.table import layouts, write_foreign
    from reage.models.files import write_file
    from reage.models.hub import origin
    from reage.models.registry import load

    layout, known = layout or LAYOUTS.get(target.suffix, "folder"), ("folder", *layouts())
    if layout not in known:
        raise UsageError(f"--layout {layout!r} is not one of {', '.join(known)}")
    model = load(source)
    if target.exists() and not overwrite:
        raise ModelError(f"{target} exists already; add --overwrite to replace it")
    if layout == "folder":
        config = replace(
            model.config,
            name=name or target.name,
            alignment=parse_alignment(alignment) if alignment else model.config.alignment,
            licence=licence if licence != "unknown" else model.config.licence,
        )
        card = f"# {config.name}\nConverted from {origin(source)}. Licence: {config.licence}.\n"
        encoder, ager = load_encoder(model), find_ager(AgerSource.of(LatentSpace(model)))

        def add_ager(staged: Path) -> None:
            # It belongs to the generator's tensors, and they are the same.
            if isinstance(ager, DirectionAger):
                save_direction(ager.direction, staged / AGE_DIRECTION)
            elif isinstance(ager, SamAger):
                save_sam_ager(ager, staged / AGE_AGER)
            elif ager is not None and model.folder is not None:
                write_file(staged / AGE_AGER, (model.folder / AGE_AGER).read_bytes())

        save_model(
            config,
            model.generator,
            target,
            card=card,
            dtype=torch.float32,
            encoder=None if encoder is None else encoder.state_dict(),
            overwrite=overwrite,
            add=add_ager,
        )
        if model.hypernet is not None:
            click.echo(f"note: the hypernetwork is in {source} only; use that to tune", err=True)
    else:
        write_foreign(model, target, layout)
    size = model.config.generator
    click.echo(f"{target}  {layout}, {size.resolution} px, {size.mapping_layers} mapping layers")


def parse_alignment(text: str) -> Alignment:
    """Read "0.70,0.22" as scale and shift."""
    from reage.models.checkpoints import Alignment

    first, comma, second = text.partition(",")
    scale, shift = read_real(first), read_real(second)
    if not comma or scale is None or shift is None:
        raise UsageError(f"--alignment {text!r:.60} is not SCALE,SHIFT such as 1.0,0.1")
    if not (0.2 <= scale <= 3 and -1 <= shift <= 1):
        raise UsageError(f"--alignment {text!r:.60}: scale is 0.2 to 3, shift -1 to 1")
    return Alignment(scale, shift)
