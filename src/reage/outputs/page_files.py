"""Write drawn pages to a picture format or PDF, atomically."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from reage.errors import ImageError
from reage.files import Writer, check_place, write_file
from reage.images import WrittenFile, photo_from_array, write_photo
from reage.outputs.pdf import picture_as_pdf

__all__ = ["PAGE_SUFFIXES", "check_page", "save_page"]

PAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".pdf")


def check_page(path: Path, *, overwrite: bool = False) -> None:
    """Raise ImageError before any work if a page cannot be written."""
    if path.suffix.lower() not in PAGE_SUFFIXES:
        known = " ".join(PAGE_SUFFIXES)
        raise ImageError(f"{path} has no suffix for a page: choose one of {known}")
    check_place(path, overwrite)


def save_page(
    picture: np.ndarray,
    path: Path,
    *,
    mark: str | None,
    dpi: float,
    title: str = "",
    overwrite: bool = False,
    write: Writer = write_file,
) -> WrittenFile:
    """Write pixels `[H, W, 3]` uint8 as PNG, JPEG, WebP or a PDF of one page, with the mark."""
    check_page(path, overwrite=overwrite)
    if path.suffix.lower() == ".pdf":
        data = picture_as_pdf(picture, dpi, mark=mark, title=title)
        write(path, data, overwrite=overwrite)
        return WrittenFile(path)
    page = replace(photo_from_array(picture), dpi=(dpi, dpi))
    return write_photo(page, path, mark=mark, overwrite=overwrite, write=write)
