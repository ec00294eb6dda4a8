"""`reage video`: people of a video at other ages."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reage.cli.edit.layers import layer_options
from reage.cli.shared.console import emit, json_option, say, tell
from reage.cli.shared.options import (
    detail_option,
    direction_option,
    dry_run_option,
    hair_color_option,
    hair_option,
    model_options,
    no_mark_option,
    occlusion_option,
    open_editor,
    seed_option,
)
from reage.cli.shared.parsing import parse_face, parse_targets
from reage.cli.shared.progress import StageBar, note
from reage.errors import UsageError

if TYPE_CHECKING:
    from reage.editor import Editor
    from reage.video.config import Preview, Progress, VideoConfig
    from reage.video.keyframes import KeyFrames
    from reage.video.source import VideoSource

STAGES = {"faces": "finding faces", "codes": "ages", "frames": "frames", "joining": "joining"}


@click.command()
@click.argument("video", type=click.Path(path_type=Path))
@click.option(
    "--to",
    multiple=True,
    metavar="AGE",
    help="Age in years, PERSON=AGE pairs, or ages over time: 0s=40,3s=60.",
)
@click.option(
    "--face",
    default="largest",
    show_default=True,
    help="largest, all, or a person's number in order of appearance (see --list).",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File; default: VIDEO-ageAGE beside it."
)
@click.option(
    "--preview", metavar="SECONDS[@START]", help="Edit only a part, such as 3s or 3s@12s."
)
@click.option(
    "--list", "listing", is_flag=True, help="List the people in the video, with a picture of each."
)
@click.option(
    "--quality",
    type=click.Choice(["fast", "normal", "best"]),
    default="fast",
    show_default=True,
    help="Effort of the inversion, if the model has no encoder.",
)
@click.option(
    "--crf",
    type=click.IntRange(0, 51),
    default=18,
    show_default=True,
    help="Quality of H.264 and HEVC: lower is better and larger.",
)
@click.option(
    "--strength",
    default="1",
    show_default=True,
    metavar="SHARE",
    help="How much of the change shows, 0 to 1, or over time: 0s=0,2s=1.",
)
@click.option("--rate", default="24", metavar="FPS", help="Frames a second of numbered pictures.")
@layer_options
@click.option("--from", "begin", default="0s", metavar="TIME", help="Change nothing before it.")
@click.option("--until", metavar="TIME", help="Change nothing after it.")
@click.option(
    "--codec",
    type=click.Choice(["auto", "h264", "hevc", "prores"]),
    default="auto",
    show_default=True,
    help="auto: H.264 for 8 bits, HEVC for 10, ProRes for ProRes and for transparency.",
)
@model_options
@direction_option
@detail_option
@occlusion_option
@hair_option
@hair_color_option
@seed_option
@click.option("--overwrite", is_flag=True, help="Replace an earlier output.")
@no_mark_option
@json_option
@dry_run_option
def video(video: Path, **options: Any) -> None:
    """Show people in VIDEO at another age; sound and subtitles stay.

    \b
    reage video clip.mp4 --to 70
    reage video clip.mp4 --list              who is in it, by number
    reage video clip.mp4 --to 1=70 2=12 --preview 3s
    reage video shot.%04d.exr --to 70 -o old.%04d.exr
    reage video clip.mp4 --to 0s=40,3s=60    getting older as it plays

    The same command resumes a run that was stopped.
    """
    from reage.video.config import parse_preview
    from reage.video.keyframes import parse_keys
    from reage.video.sequence import open_source

    preview = parse_preview(options["preview"]) if options["preview"] else None
    to: Any = None
    if options["listing"]:
        if options["to"]:
            raise UsageError("--list changes nothing; leave out --to")
    else:
        keys = [parse_keys(text, "--to") for text in options["to"]]
        targets: list[Any] = keys
        if not any(keys):
            targets = parse_targets(options["to"], None) if options["to"] else []
        if len(targets) != 1:
            raise UsageError("give one --to AGE, or one age a person: --to 1=70 2=12")
        to = targets[0]
    face = parse_face(options["face"])
    # What cannot be read is said before the model is loaded.
    source = open_source(video, parse_rate(options["rate"]))
    if options["listing"]:
        if options["dry_run"]:
            raise UsageError("--list changes nothing; leave out --dry-run")
        return _list(open_editor(options), video, preview, options)
    output = options["output"] or _default_output(video, to, preview)
    config = _config(to, face, preview, options)
    if options["dry_run"]:
        return _plan(source, output, config, overwrite=options["overwrite"])
    return _edit(open_editor(options), video, output, config, options)


def _config(to: Any, face: Any, preview: Preview | None, options: dict[str, Any]) -> VideoConfig:
    from reage.video.config import VideoConfig

    return VideoConfig(
        to=to,
        which=face,
        quality=options["quality"],
        preview=preview,
        crf=options["crf"],
        codec=options["codec"],
        rate=parse_rate(options["rate"]),
        layers=options["layers"],
        layer_format=options["layer_format"],
        strength=_strength(options["strength"]),
        span=_span(options["begin"], options["until"]),
        seed=options["seed"],
    )


def _plan(source: VideoSource, output: Path, config: VideoConfig, *, overwrite: bool) -> None:
    """Tell what would be read and written."""
    from reage.cli.edit.video_report import report_place
    from reage.video.run import plan_video

    report = report_place(output, overwrite=overwrite)
    plan_video(source.path, output, config, overwrite=overwrite)
    frames = f", about {source.expected} frames" if source.expected else ""
    tell(f"reads {source.path}, {source.width} x {source.height}{frames}")
    written = [output, report, *([config.layers] if config.layers else [])]
    for place in written:
        tell(f"writes {place}")
    files = [str(place) for place in written]
    emit({"dry_run": True, "video": {"file": str(source.path)}, "files": files})


def _edit(
    editor: Editor, path: Path, output: Path, config: VideoConfig, options: dict[str, Any]
) -> None:
    from reage import __version__
    from reage.cli.edit.video_report import report_place, video_report, write_report
    from reage.video.run import edit_video

    report = report_place(output, overwrite=options["overwrite"])
    mark = None if options["no_mark"] else f"Re-aged by reage {__version__}, partly synthetic"
    with StageBar(resumed=True) as bar:
        result = edit_video(
            editor,
            path,
            output,
            config,
            overwrite=options["overwrite"],
            mark=mark,
            on_progress=partial(_show, bar),
        )
    for notice in result.notices:
        note(notice)
    told = video_report(result, path, editor, config)
    write_report(report, told, result.path)
    say(f"{result.path}  {'; '.join(edit.summary for edit in result.edits)}")
    for line in result.metrics.lines:
        say(line)
    emit({**told, "files": [str(result.path), str(report)]})


def _list(editor: Editor, path: Path, preview: Preview | None, options: dict[str, Any]) -> None:
    from reage.images import check_target, save_array
    from reage.outputs.strip import Panel, draw_strip
    from reage.video.run import list_tracks
    from reage.video.sequence import stem_of

    picture = options["output"] or path.with_name(f"{stem_of(path)}-people.jpg")
    check_target(picture, overwrite=options["overwrite"])
    with StageBar(resumed=True) as bar:
        listed = list_tracks(editor, path, preview, partial(_show, bar))
    panels: list[Panel] = []
    people: list[dict[str, Any]] = []
    for one in listed:
        age, first = one.key.view.reading.age, one.seconds[0][0]
        spans = ", ".join(f"{start:.1f}-{end:.1f} s" for start, end in one.seconds[:4])
        more = f" and {len(one.seconds) - 4} times more" if len(one.seconds) > 4 else ""
        tell(
            f"person {one.track.number}: about {age:.0f} years, eyes {one.track.size:.0f} px apart,"
            f" seen {spans}{more}"
        )
        seconds = [[round(time, 3) for time in span] for span in one.seconds]
        people.append({"person": one.track.number, "age": round(age, 1), "seconds": seconds})
        picture_of = one.key.view.age_crop.image
        panels.append(Panel(picture_of, f"{one.track.number}", f"{first:.1f} s"))
    written = save_array(draw_strip(panels), picture, overwrite=options["overwrite"])
    say(f"{written.path}")
    emit({"people": people, "files": [str(written.path)]})


def _strength(text: str) -> KeyFrames:
    from reage.video.keyframes import KeyFrames, parse_keys

    keys = parse_keys(text, "--strength")
    if keys is not None:
        return keys
    try:
        return KeyFrames(((0.0, float(text)),))
    except ValueError:
        raise UsageError(
            f"--strength {text!r} is not understood; give 0 to 1, or 0s=0,2s=1"
        ) from None


def parse_rate(text: str) -> Fraction:
    """Read frames a second: 24, 23.976 or 24000/1001."""
    try:
        rate = Fraction(text) if len(text) < 20 else Fraction(0)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 1 <= rate <= 1000:
        raise UsageError(f"--rate {text[:40]!r} is not understood; give 1 to 1000, or 24000/1001")
    return rate


def _span(begin: str, until: str | None) -> tuple[float, float]:
    from reage.video.keyframes import parse_seconds

    end = parse_seconds(until, "--until") if until else math.inf
    return parse_seconds(begin, "--from"), end


def _default_output(path: Path, to: Any, preview: Preview | None) -> Path:
    from reage.video.sequence import is_sequence
    from reage.video.storage import CONTAINERS

    ages = "-".join(f"{n}={a:g}" for n, a in sorted(to.items())) if isinstance(to, dict) else to
    label = str(ages) if not isinstance(ages, float) else f"{ages:g}"
    if is_sequence(path):
        return path.with_name(path.name.replace("%", f"age{label}.%", 1))
    suffix = path.suffix.lower() if path.suffix.lower() in CONTAINERS else ".mkv"
    return path.with_name(f"{path.stem}-age{label}{'-preview' if preview else ''}{suffix}")


def _show(bar: StageBar, now: Progress) -> None:
    bar.update(STAGES[now.stage], now.done, now.total)
