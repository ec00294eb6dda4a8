"""`reage animate`: a face that ages and rejuvenates, as MP4, GIF or WebP."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reage.cli.shared.console import emit, json_option, note, say
from reage.cli.shared.options import (
    direction_option,
    dry_run_option,
    face_option,
    hair_option,
    keep_inputs,
    language_option,
    model_options,
    open_editor,
    output_options,
    paste_option,
    plan_files,
    points_option,
    quality_option,
    seed_option,
)
from reage.cli.shared.parsing import parse_face, parse_range
from reage.cli.shared.pictures import name_of, open_photo
from reage.cli.shared.progress import EditBar, StageBar, waiting
from reage.errors import UsageError

if TYPE_CHECKING:
    from reage.editor import Editor
    from reage.outputs.animation import AnimationPlan, Timing


@click.command()
@click.argument("photo", type=click.Path(path_type=Path))
@click.option("--ages", required=True, metavar="FROM:TO", help="First and last age, such as 5:80.")
@click.option("--seconds", default=6.0, show_default=True, type=click.FloatRange(0.2, 600))
@click.option("--fps", default=25, show_default=True, type=click.IntRange(1, 60))
@click.option("--size", default=720, show_default=True, type=click.IntRange(64, 4096),
              help="Longest side, pixels.")  # fmt: skip
@click.option("--whole", is_flag=True, help="Show the whole photo, not the square of the face.")
@click.option("--label", is_flag=True, help="Write the estimated age on each frame.")
@click.option("--once", is_flag=True, help="Play forward only.")
@click.option("--ease", is_flag=True, help="Start and stop gently.")
@face_option
@points_option
@paste_option
@quality_option
@model_options
@direction_option
@hair_option
@seed_option
@language_option
@output_options("FILE.mp4|gif|webp")
@json_option
@dry_run_option
def animate(photo: Path, output: Path, **options: Any) -> None:
    """Animate the face in PHOTO ageing at constant speed, and back.

    \b
    reage animate portrait.jpg --ages 5:80 -o portrait.mp4
    reage animate portrait.jpg --ages 20:70 --size 320 --fps 12 -o portrait.webp
    """
    from reage.outputs.animation import Timing, play
    from reage.outputs.animation_files import check_moving, write_moving
    from reage.outputs.picture_words import PictureWords

    ages, words = _two_ages(options["ages"]), PictureWords(options["language"])
    timing = Timing(options["fps"], options["seconds"], options["once"], options["ease"])
    keep_inputs(output, [photo])
    check_moving(output, overwrite=options["overwrite"])
    if options["dry_run"]:
        return plan_files([photo], [output])
    editor = open_editor(options)
    editor.required_ager()
    plan = replace(_plan(editor, photo, ages, timing, options), words=words["looks"])
    shown = (float(plan.ages[0]), float(plan.ages[-1]))
    mark = f"Animated by reage, partly synthetic: {shown[0]:.0f} to {shown[1]:.0f} years"
    with StageBar("frames") as bar:
        write_moving(
            bar.over("frames", play(plan, label=options["label"]), plan.frames),
            output,
            options["fps"],
            mark=None if options["no_mark"] else mark,
            overwrite=options["overwrite"],
        )
    say(f"{output}  {plan.frames} frames, asked {ages[0]:g} to {ages[1]:g}: "
        f"{shown[0]:.0f} to {shown[1]:.0f} years")  # fmt: skip
    emit({"photo": {"file": name_of(photo)}, "files": [str(output)], "frames": plan.frames,
          "asked": list(ages), "shown": [round(age, 2) for age in shown]})  # fmt: skip
    if abs(shown[0] - ages[0]) > 2 or abs(shown[1] - ages[1]) > 2:
        note(f"asked for {ages[0]:g} to {ages[1]:g} years, the face reaches "
             f"{shown[0]:.0f} to {shown[1]:.0f} with this model")  # fmt: skip


def _plan(
    editor: Editor,
    path: Path,
    ages: tuple[float, float],
    timing: Timing,
    options: dict[str, Any],
) -> AnimationPlan:
    """Find and prepare the faces in the cropped and shrunk photo, and plan their ages."""
    from reage.faces.face import parse_points
    from reage.outputs.animation import plan_animation
    from reage.outputs.framing import frame_photo

    points = parse_points(options["points"]) if options["points"] else None
    photo = open_photo(path)
    faces = editor.choose_faces(photo, (), parse_face(options["face"]), points)
    small, faces = frame_photo(photo, faces, options["size"], whole=options["whole"])
    paste, quality, seed = options["paste"], options["quality"], options["seed"]
    with EditBar(name_of(path)) as bar:
        show = bar.of_inversions(editor.search_of(quality, paste))
        taken = editor.prepare(small, faces, paste=paste, quality=quality, seed=seed, on_step=show)
    with waiting(f"{name_of(path)}: reading ages"):
        return plan_animation(editor.trace(small, taken), *ages, timing)


def _two_ages(text: str) -> tuple[float, float]:
    from reage.inputs import as_targets

    if text.count(":") != 1:
        raise UsageError(f"--ages {text!r} is not understood; give FROM:TO such as 5:80")
    first, last = (parse_range(part, "--ages")[0] for part in text.split(":"))
    as_targets([first, last])
    if first == last:
        raise UsageError(f"--ages {text!r} goes nowhere; give two different ages such as 5:80")
    return first, last
