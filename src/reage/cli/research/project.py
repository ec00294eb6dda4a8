"""`reage project`: the code of a face, found by optimisation in W+."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reage.cli.shared.options import (
    each_file,
    face_option,
    model_options,
    open_editor,
    points_option,
    seed_option,
)
from reage.cli.shared.parsing import parse_face, parse_levels
from reage.cli.shared.progress import EditBar, note, note_each, say
from reage.errors import UsageError
from reage.files import Writer, check_place, place_for_files, write_together

if TYPE_CHECKING:
    from torch import Tensor

    from reage.editor import Editor
    from reage.inversion.projection import Inversion, ProjectConfig


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder.")
@click.option("--step", default=100, show_default=True, type=click.IntRange(1))
@click.option("--start-lr", default=0.1, show_default=True, type=click.FloatRange(0, min_open=True))
@click.option(
    "--final-lr", default=0.025, show_default=True, type=click.FloatRange(0, min_open=True)
)
@click.option("--latent-level", metavar="0-8|0,2,4", help="Levels of ws to optimise; default: all.")
@click.option("--mse-weight", default=5.0, show_default=True, type=click.FloatRange(0))
@click.option(
    "--no-crop", is_flag=True, help="FILES are aligned crops; NAME.mask.EXT beside one is its mask."
)
@click.option("--no-encoder", is_flag=True, help="Start from the average face.")
@click.option("--optimize-noise", is_flag=True, help="Optimise the noise maps too.")
@click.option(
    "--tune",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Steps of generator tuning afterwards.",
)
@click.option(
    "--also",
    multiple=True,
    type=click.Choice(["npz", "npy", "pt"]),
    help="Extra format of the code: NVIDIA's .npz, a bare .npy, rosinality's .pt; repeatable.",
)
@click.option("--save-mp4", is_flag=True, help="Write a video of the steps, 30 fps, 5 s.")
@click.option(
    "--time-budget", type=click.FloatRange(0, min_open=True), help="Time limit per face, seconds."
)
@click.option(
    "--plateau",
    default=25,
    show_default=True,
    type=click.IntRange(0),
    help="Stop after this many steps without progress; 0: never.",
)
@face_option
@points_option
@model_options
@seed_option
@click.option("--overwrite", is_flag=True, help="Replace earlier outputs.")
def project(files: tuple[Path, ...], **options: Any) -> None:
    """Find the codes of the faces in FILES and write them with their pictures.

    \b
    reage project portrait.jpg --output codes
    reage project aligned.png --no-crop --step 300 --save-mp4 --output codes
    """
    config = _config(options)
    editor = open_editor(options)
    note(f"perceptual loss: {editor.latents.perceptual.name}")

    def work(file: Path) -> None:
        if _project_file(editor, file, config, options) == "interrupted":
            raise KeyboardInterrupt

    each_file(files, work, "files could not be projected")


def _config(options: dict[str, Any]) -> ProjectConfig:
    from reage.inversion.projection import ProjectConfig

    return ProjectConfig(
        step=options["step"],
        start_lr=options["start_lr"],
        final_lr=options["final_lr"],
        latent_level=parse_levels(options["latent_level"]),
        mse_weight=options["mse_weight"],
        plateau=options["plateau"],
        time_budget=options["time_budget"],
        optimize_noise=options["optimize_noise"],
        seed=options["seed"],
    )


def _project_file(
    editor: Editor, file: Path, config: ProjectConfig, options: dict[str, Any]
) -> str:
    """Project every chosen face of a file; returns how the last one stopped."""
    from reage.compositing.view import aligned_crop, view_crop
    from reage.faces.face import parse_points
    from reage.images import read_photo

    levels, num_ws = config.latent_level, editor.model.config.generator.num_ws
    if levels and max(levels) >= num_ws:
        raise UsageError(f"--latent-level goes from 0 to {num_ws - 1} for this model")
    photo = read_photo(file)
    note_each(photo.notices)
    resolution = editor.model.config.generator.resolution
    if options["no_crop"]:
        crops = {file.stem: aligned_crop(photo.rgb8, _read_mask(file), resolution)}
    else:
        points = parse_points(options["points"]) if options["points"] else None
        faces = editor.choose_faces(photo, (), parse_face(options["face"]), points)
        alone = len(faces) == 1
        crops = {
            file.stem if alone else f"{file.stem}-face{number}": view_crop(
                photo.pixels, face, editor.model.config.alignment, resolution
            )
            for number, face in faces.items()
        }
    stopped = "steps"
    for name, crop in crops.items():
        with place_for_files(options["output"]):
            stopped = _project_face(editor, name, crop, config, options, file)
        if stopped == "interrupted":
            break
    return stopped


def _project_face(
    editor: Editor, name: str, crop: Any, config: ProjectConfig, options: dict[str, Any], file: Path
) -> str:
    from reage.images import check_target, save_array, to_array
    from reage.outputs.video import ProgressVideo

    folder, overwrite = options["output"], options["overwrite"]
    picture = folder / f"{name}-projected.png"
    latents = folder / f"{name}.latents.safetensors"
    check_target(picture, overwrite=overwrite)
    foreign = [latents.with_suffix(f".{suffix}") for suffix in dict.fromkeys(options["also"])]
    others = [latents, *foreign]
    others += [folder / f"{name}.mp4"] if options["save_mp4"] else []
    if options["tune"]:
        others += [folder / f"{name}.tuning.safetensors", folder / f"{name}-tuned.png"]
    for other in others:
        check_place(other, overwrite)
    resolution = editor.model.config.generator.resolution
    video = (
        ProgressVideo(folder / f"{name}.mp4", resolution, config.step)
        if options["save_mp4"]
        else None
    )
    with write_together() as write, EditBar(name) as bar, video or nullcontext():
        show = bar.of_inversions(config)

        def on_step(step: Any) -> None:
            show(step)
            if video is not None:
                video.add(step.index, to_array(step.images[:, :3])[0])

        found = editor.latents.project(
            crop, config, encoder=not options["no_encoder"], on_step=on_step
        )
        image = editor.latents.synthesize(found.ws, noise=found.noise)
        shown = to_array(image)[0]
        if video is not None:
            video.finish(shown)
        mark = f"Projected by reage: synthetic, of {name}"
        save_array(shown, picture, mark=mark, overwrite=overwrite, write=write)
        _write_latents(editor, latents, found, config, file, write)
        _write_foreign(editor, foreign, found, file, image, write)
    say(
        f"{latents}  {float(found.psnr[0]):.1f} dB after {found.steps} steps "
        f"({found.stopped}, {found.seconds:.1f} s)"
    )
    for place in foreign:
        say(f"{place}")
    if options["tune"] and found.stopped != "interrupted":
        with write_together(kept=f"{latents} stays") as write:
            told = _tune(editor, name, crop, found, options, write)
        say(told)
    return found.stopped


def _write_latents(
    editor: Editor,
    path: Path,
    found: Inversion,
    config: ProjectConfig,
    file: Path,
    write: Writer,
) -> None:
    from dataclasses import asdict

    import reage
    from reage.inversion.latent_files import Latents, write_latents

    provenance = {
        "photo": file.name,
        "model": editor.model.config.name,
        "reage": reage.__version__,
        "perceptual": found.perceptual,
        "psnr": [round(float(v), 2) for v in found.psnr],
        "steps": found.steps,
        "stopped": found.stopped,
        "config": asdict(config),
    }
    latents = Latents(found.ws, provenance, editor.model.generator_hash)
    write_latents(path, latents, write=write)


def _write_foreign(
    editor: Editor,
    places: Sequence[Path],
    found: Inversion,
    file: Path,
    image: Tensor,
    write: Writer,
) -> None:
    """Write a code for other programs, without its generator and settings."""
    from reage.inversion.latent_files import Latents, Picture, write_latents

    noise = found.noise or editor.model.generator.stored_noise()
    for place in places:
        picture = Picture(file.name, image[0], noise)
        write_latents(place, Latents(found.ws), picture, write=write)


def _tune(
    editor: Editor,
    name: str,
    crop: Any,
    found: Inversion,
    options: dict[str, Any],
    write: Writer,
) -> str:
    """Tune the generator to the code, write both files and return what to say."""
    from reage.images import save_array, to_array
    from reage.inversion.tuning import TuneConfig, save_tuned

    tuned = editor.latents.tune(crop, found.ws, TuneConfig(step=options["tune"]))
    folder = options["output"]
    difference = folder / f"{name}.tuning.safetensors"
    save_tuned(difference, tuned, found.ws, editor.model.generator_hash, write)
    shown = to_array(tuned.image)[0]
    save_array(
        shown,
        folder / f"{name}-tuned.png",
        mark=f"Projected by reage: synthetic, of {name}",
        overwrite=options["overwrite"],
        write=write,
    )
    return f"{difference}  {tuned.psnr:.1f} dB after {tuned.steps} steps of tuning"


def _read_mask(file: Path) -> Any:
    from reage.images import read_photo

    mask = file.with_name(f"{file.stem}.mask{file.suffix}")
    if not mask.is_file():
        return None
    return read_photo(mask).rgb8[..., 0]
