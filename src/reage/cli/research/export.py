"""`reage export`: a model's networks as ONNX or OpenVINO graphs."""

from __future__ import annotations

from pathlib import Path

import click

from reage.errors import UsageError


@click.command()
@click.argument("model")
@click.option(
    "--onnx", type=click.Path(path_type=Path), metavar="FOLDER", help="Folder for ONNX graphs."
)
@click.option(
    "--openvino", type=click.Path(path_type=Path), metavar="FOLDER", help="Folder for OpenVINO IR."
)
@click.option("--direction", metavar="FILE", help="Ager to export instead of the model's.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier export.")
def export(
    model: str,
    onnx: Path | None,
    openvino: Path | None,
    direction: str | None,
    overwrite: bool,
) -> None:
    """Write synthesis, encoder and agers of MODEL as graphs that run without PyTorch.

    Each is run and compared with PyTorch before it is kept. The batch of a graph is free.

    \b
    reage export faces128 --onnx faces128-onnx
    """
    if (onnx is None) == (openvino is None):
        raise UsageError("give either --onnx FOLDER or --openvino FOLDER")

    from reage.agers.files import StoredAger, read_ager
    from reage.agers.finder import AGE_AGER
    from reage.models.encoders import load_encoder
    from reage.models.export import export_parts, parts_of
    from reage.models.graphs import GraphFormat
    from reage.models.registry import load

    layout: GraphFormat = "onnx" if onnx else "openvino"
    folder = onnx or openvino
    assert folder is not None
    loaded = load(model)
    file = None if loaded.folder is None else loaded.folder / AGE_AGER
    if direction is not None:
        file = Path(direction)
        if not file.is_file():
            raise UsageError(f"{file} does not exist; give an ager's file")
    found = read_ager(file) if file is not None and file.is_file() else None
    agers = (None, None, None)
    if isinstance(found, StoredAger):
        agers = (found.network, found.photo, found.growth)
    encoder = load_encoder(loaded)
    parts = parts_of(loaded, encoder, *agers)
    if encoder is not None and "encoder" not in [part.name for part in parts]:
        click.echo("note: another project's encoder is not exported, the rest is", err=True)
    made = export_parts(
        loaded,
        parts,
        folder,
        layout,
        ager_fingerprint=found.fingerprint if isinstance(found, StoredAger) else None,
        overwrite=overwrite,
    )
    for done in made:
        click.echo(f"{done.path}  largest difference from PyTorch {done.error:.1e}")
