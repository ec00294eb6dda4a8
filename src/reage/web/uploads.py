"""Look at uploaded videos and ZIPs before anything waits for them."""

from __future__ import annotations

import zipfile
from pathlib import Path

from reage.errors import ImageError
from reage.ffmpeg import open_input
from reage.outputs.bounded_zip import open_zip
from reage.video.source import VideoSource, video_stream

__all__ = ["check_video", "check_zip"]

MOST_LISTED = 4 << 20  # bytes of a ZIP's table of contents: some 40,000 photos


def check_video(path: Path, most_pixels: int) -> None:
    """Refuse what is no video, or would fill the memory; ImageError."""
    try:
        with open_input(path) as container:
            stream = video_stream(container, path)
            if stream.width * stream.height > most_pixels:
                raise ImageError(
                    f"{path} has {stream.width} x {stream.height} pixels, more than the "
                    f"{most_pixels:,} allowed: scale it down"
                )
        VideoSource.open(path)
    except ImageError as error:  # the place is the server's affair
        raise ImageError(str(error).replace(str(path), "the upload")) from error


def check_zip(path: Path, most: int) -> None:
    """Refuse what is no ZIP, lists too much, or would fill the disk; ImageError."""
    try:
        with path.open("rb") as file, open_zip(file, MOST_LISTED) as archive:
            size = sum(info.file_size for info in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ImageError("the upload is no ZIP file, or it is damaged; pack it again") from error
    if size > most:
        raise ImageError(f"the ZIP unpacks to {size >> 20} MB; {most >> 20} MB are allowed")
