"""Edit a video: the two passes, the files between them, and the final file."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from reage.compositing.layer_files import check_layer_format, layer_files
from reage.editor import QUALITIES, Editor
from reage.errors import ImageError, UsageError
from reage.files import new_file, place_for_files, real_path, sweep
from reage.inputs import as_targets
from reage.video.codes import code_size
from reage.video.config import Preview, Progress, VideoConfig, work_folder
from reage.video.journal import Journal
from reage.video.keyframes import KeyFrames
from reage.video.metrics import VideoMetrics
from reage.video.muxing import check_output, join_segments
from reage.video.render import render_segments, segments_of
from reage.video.scan import scan_video
from reage.video.sequence import (
    SequenceSource,
    check_pictures,
    frame_path,
    is_sequence,
    open_source,
    place_pictures,
)
from reage.video.source import VideoSource, report_write_errors
from reage.video.storage import Storage, choose_storage, frame_notices
from reage.video.track_edit import Key, TrackEdit, key_views, prepare_track
from reage.video.tracks import (
    Track,
    brief_notices,
    choose_tracks,
    count_brief,
    nobody,
    read_tracks,
)

__all__ = ["ListedTrack", "VideoResult", "edit_video", "list_tracks", "plan_video"]

FORMAT = 4  # of the work folder
FIRST = 1000  # frames of a video, whose pictures are counted from 1, that are compared with layers
Report = Callable[[Progress], None]


@dataclass(frozen=True, eq=False)
class VideoResult:
    """The result of a video's edit."""

    path: Path
    tracks: tuple[Track, ...]  # everybody in it
    edits: tuple[TrackEdit, ...]
    metrics: VideoMetrics
    notices: tuple[str, ...] = ()  # what is not in the output, one line each


@dataclass(frozen=True, eq=False)
class ListedTrack:
    """One person in a listing."""

    track: Track
    seconds: tuple[tuple[float, float], ...]  # from, to of each time they are seen
    key: Key  # the best frame


def edit_video(
    editor: Editor,
    path: str | Path,
    output: str | Path,
    config: VideoConfig,
    *,
    overwrite: bool = False,
    mark: str | None = None,
    on_progress: Report | None = None,
) -> VideoResult:
    """Show people of a video at other ages; `output` appears only when it is complete.

    Resumes a killed run from a folder beside the output. Raises ImageError,
    FaceError, ModelError or UsageError.
    """
    began = time.perf_counter()
    path, output = Path(path), Path(output)
    editor.required_ager()  # fail before the work if something is missing
    config, source, storage = plan_video(path, output, config, overwrite=overwrite)
    folder = work_folder(output)
    _check_layers(config, overwrite, resumed=folder.is_dir())
    with (
        place_for_files(output.parent),
        Journal(_prepare(folder, _job(editor, source, config)), code_size(editor)) as journal,
    ):
        sweep(folder)  # nobody else is at work there
        scan_video(editor, source, journal, config.preview, on_progress)
        if not journal.frames:
            shutil.rmtree(folder)
            raise ImageError(f"{path} has no frame in the part that was asked for")
        tracks = read_tracks(journal, source)
        brief = count_brief(journal, tracks)
        with _remove_on_error(folder):
            ages = choose_tracks(tracks, config.to, config.which, brief)
        edits = _edits(editor, source, journal, tracks, ages, config, on_progress)
        segments = segments_of(journal, source, folder, storage)
        tally, made = render_segments(
            editor, source, journal, edits, segments, storage, config, mark, on_progress
        )
        if on_progress is not None:
            on_progress(Progress("joining", 0, 0))
        if storage.pattern is not None:
            place_pictures(segments[0].pictures, output, overwrite=overwrite)
        else:
            join_segments(
                [segment.video for segment in segments],
                source,
                journal,
                output,
                partial=folder / f"whole{output.suffix}",
                span=_span(source, journal, config.preview),
                mark=mark,
            )
    shutil.rmtree(folder)
    metrics = VideoMetrics.of(tally, time.perf_counter() - began, made, peak_memory())
    found = frame_notices(source, tally.covered, tally.frames)
    notices = (*storage.notices, *found, *brief_notices(brief))
    return VideoResult(output, tuple(tracks), tuple(edits), metrics, notices)


def plan_video(
    path: Path, output: Path, config: VideoConfig, *, overwrite: bool
) -> tuple[VideoConfig, VideoSource, Storage]:
    """Find what would go wrong with an edit, before its work; writes nothing."""
    config = _checked(config)
    source = open_source(path, config.rate)
    _check_place(path, output, overwrite)
    _keep_apart(source, output, config)
    storage = choose_storage(source, output, config.codec, exact=config.layers is not None)
    if storage.pattern is None:
        check_output(source, output, storage.encoder(source, config.crf, config.preset))
    return config, source, storage


def list_tracks(
    editor: Editor,
    path: str | Path,
    preview: Preview | None = None,
    on_progress: Report | None = None,
) -> list[ListedTrack]:
    """Find the people of a video, without changing it. Raises FaceError if there are none."""
    source = open_source(Path(path))
    with (
        tempfile.TemporaryDirectory(prefix="reage-") as place,
        Journal(Path(place), code_size(editor)) as journal,
    ):
        scan_video(editor, source, journal, preview, on_progress)
        listed = []
        tracks = read_tracks(journal, source)
        if not tracks:
            raise nobody(count_brief(journal, tracks))
        for track in tracks:
            spans = tuple(
                (_seconds(journal, source, run.start), _seconds(journal, source, run.stop - 1))
                for run in track.runs
            )
            listed.append(
                ListedTrack(track, spans, key_views(editor, source, journal, track, 1)[0])
            )
    return listed


def peak_memory() -> float:
    """Return the peak memory of this process, MB; NaN if the system does not report it."""
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _edits(
    editor: Editor,
    source: VideoSource,
    journal: Journal,
    tracks: list[Track],
    ages: Mapping[int, float | KeyFrames],
    config: VideoConfig,
    on_progress: Report | None,
) -> list[TrackEdit]:
    edits = []
    for done, (number, age) in enumerate(sorted(ages.items())):
        if on_progress is not None:
            on_progress(Progress("codes", done, len(ages)))
        track = next(track for track in tracks if track.number == number)
        edits.append(prepare_track(editor, source, journal, track, age, config))
    return edits


@contextmanager
def _remove_on_error(folder: Path) -> Iterator[None]:
    """Remove the folder if the work is refused."""
    from reage.errors import ReageError

    try:
        yield
    except ReageError:
        shutil.rmtree(folder)
        raise


def _checked(config: VideoConfig) -> VideoConfig:
    """Check ages, strengths, span and quality; UsageError where one does not fit."""
    if config.quality not in QUALITIES:
        known = ", ".join(QUALITIES)
        raise UsageError(f"quality {config.quality!r} is not known; choose {known}")
    if any(not 0 <= value <= 1 for value in config.strength.values):
        raise UsageError(f"the strength {config.strength} is not between 0 and 1")
    if config.span[0] >= config.span[1]:
        raise UsageError("the change would end before it begins: --until must be after --from")
    if isinstance(config.to, KeyFrames):
        as_targets(config.to.values)
        return config
    targets = as_targets(config.to)
    if len(targets) > 1:
        raise UsageError("a video is made for one age, or one age each: --to 70, --to 1=70 2=12")
    return replace(config, to=targets[0])


def _seconds(journal: Journal, source: VideoSource, frame: int) -> float:
    return source.seconds(int(journal.read_frames(frame, frame + 1)["pts"][0]))


def _span(
    source: VideoSource, journal: Journal, preview: Preview | None
) -> tuple[int, float] | None:
    if preview is None:
        return None
    return int(journal.read_frames(0, 1)["pts"][0]), preview.seconds


def _check_place(path: Path, output: Path, overwrite: bool) -> None:
    if output.is_dir():
        raise ImageError(f"{output} is a folder: name a file in it")
    if is_sequence(output):  # many files: their folder is made
        check_pictures(output, overwrite=overwrite)
    elif not output.parent.is_dir():
        raise ImageError(f"the folder {output.parent} does not exist: create it first")
    if output.resolve() == path.resolve():
        raise UsageError(f"{output} is the input; choose another name")
    if output.exists() and not overwrite:
        raise ImageError(f"{output} exists already: choose another name, or use --overwrite")


def _keep_apart(source: VideoSource, output: Path, config: VideoConfig) -> None:
    """Raise UsageError if pictures or layers would replace the input's, or each other."""
    numbered = isinstance(source, SequenceSource)
    inputs = {real_path(file) for _, file in source.files} if numbered else set()
    numbers = [number for number, _ in source.files] if numbered else range(1, FIRST + 1)
    made = {real_path(frame_path(output, n)) for n in numbers} if is_sequence(output) else set()
    layers = set()
    if config.layers is not None:
        files = (layer_files(config.layers, f"{n:06d}", config.layer_format) for n in numbers)
        layers = {real_path(file) for some in files for file in some}
    if made & inputs or layers & inputs:
        raise UsageError(f"{source.path} would be replaced; choose another name")
    if made & layers:
        raise UsageError(f"pictures and layers would have the same names in {config.layers}")


def _check_layers(config: VideoConfig, overwrite: bool, resumed: bool) -> None:
    """Make the folder of layers; an error if others wrote there."""
    folder = config.layers
    if folder is None:
        return
    check_layer_format(config.layer_format)
    with report_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not (overwrite or resumed) and any(folder.iterdir()):
            raise UsageError(f"{folder} holds files already: name another, or use --overwrite")


def _prepare(folder: Path, job: Mapping[str, object]) -> Path:
    """Make the work folder and return it; empty it if it belongs to another job."""
    text = json.dumps(job, sort_keys=True)
    note = folder / "job.json"
    with report_write_errors(folder):
        if folder.is_dir() and (not note.is_file() or note.read_text() != text):
            Journal(folder, 0).__exit__()  # an error where another process is at that job
            shutil.rmtree(folder)
        folder.mkdir(exist_ok=True)
        with new_file(note) as temporary:
            temporary.write_text(text)
    return folder


def _job(editor: Editor, source: VideoSource, config: VideoConfig) -> dict[str, object]:
    """Return everything on which the result depends."""
    files = (
        [file for _, file in source.files] if isinstance(source, SequenceSource) else [source.path]
    )
    stats = [file.stat() for file in files]
    digest = hashlib.sha256(repr([(s.st_size, s.st_mtime_ns) for s in stats]).encode())
    to = sorted(config.to.items()) if isinstance(config.to, Mapping) else str(config.to)
    if isinstance(config.to, KeyFrames):
        to = config.to.keys
    return {
        "format": FORMAT,
        "input": [str(source.path.resolve()), digest.hexdigest()],
        "config": asdict(replace(config, to=0.0, layers=None))
        | {"to": to, "layers": str(config.layers), "rate": str(config.rate)},
        "fingerprint": editor.fingerprint(),
        "precision": str(editor.dtype),
        "grey_hair": editor.grey_hair,
    }
