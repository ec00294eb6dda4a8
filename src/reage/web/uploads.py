"""Look at uploaded videos and ZIPs before anything waits for them."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reage.editor import Editor
from reage.errors import ImageError, ReageError
from reage.ffmpeg import open_input
from reage.jobs.zips import open_zip
from reage.video.config import Progress, VideoConfig
from reage.video.run import edit_video
from reage.video.source import VideoSource, video_stream
from reage.web.pictures import MARK

__all__ = ["check_people", "check_video", "check_zip"]

LOOK = 5.0  # seconds in which the people of a video are looked for before its job waits
MOST_LISTED = 4 << 20  # bytes of a ZIP's table of contents: some 40,000 photos


def check_video(path: Path, most_pixels: int) -> None:
    """Refuse what is no video, or would fill the memory; ImageError."""
    with _hide(path), open_input(path) as container:
        stream = video_stream(container, path)
        if stream.width * stream.height > most_pixels:
            raise ImageError(
                f"{path} has {stream.width} x {stream.height} pixels, more than the "
                f"{most_pixels:,} allowed: scale it down"
            )
        VideoSource.open(path)


@contextmanager
def _hide(path: Path) -> Iterator[None]:
    """Call a file the upload in what is refused: its place is the server's affair."""
    try:
        yield
    except ReageError as error:
        raise type(error)(str(error).replace(str(path), "the upload")) from error


class _SeenEnough(Exception):
    """Who is named is there, or the time is over."""


def check_people(editor: Editor, source: Path, output: Path, config: VideoConfig) -> None:
    """Refuse an edit that names people whom the video does not have; FaceError.

    A video that takes longer to look through is refused by its job, which begins where this ends.
    """
    end = time.monotonic() + LOOK

    def watch(progress: Progress) -> None:
        if progress.stage != "faces" or time.monotonic() > end:
            raise _SeenEnough

    with _hide(source), suppress(_SeenEnough):
        edit_video(editor, source, output, config, mark=MARK, on_progress=watch)


def check_zip(path: Path, most: int) -> None:
    """Refuse what is no ZIP, lists too much, or would fill the disk; ImageError."""
    try:
        with path.open("rb") as file, open_zip(file, MOST_LISTED) as archive:
            size = sum(info.file_size for info in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ImageError("the upload is not a ZIP file, or it is damaged; pack it again") from error
    if size > most:
        raise ImageError(f"the ZIP unpacks to {size >> 20} MB; {most >> 20} MB are allowed")
