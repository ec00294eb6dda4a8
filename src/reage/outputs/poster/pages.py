"""Lay a poster out with Typst: PDF with real text, and the same page as a picture."""

from __future__ import annotations

import io
import json
import re
import shutil
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from reage.errors import ReageError, UsageError
from reage.extras import how_to_install
from reage.files import read_file
from reage.images import as_srgb, decode_photo, read_photo, to_depth
from reage.images.metadata import add_mark_to_xmp
from reage.outputs.poster.content import poster_content
from reage.outputs.poster.fields import PosterFields
from reage.outputs.poster.languages import load_words
from reage.outputs.poster.looks import Look
from reage.outputs.poster.poster import Poster
from reage.outputs.poster.times import times_of
from reage.types import AgeReading

__all__ = ["DPI", "PosterPage", "check_inputs", "open_page"]

ASSETS = Path(__file__).parents[2] / "assets" / "poster"
FONTS = ("Noto Sans", "Noto Sans Arabic", "Noto Sans Devanagari")  # in `assets/poster/fonts`
CHINESE = "Noto Sans SC Words"  # there too: the letters of our own words, for want of a whole font
DPI = 300
QUALITY = 93  # of the pictures on the page
CHECK = "a-2u"  # as this kind of PDF/A, Typst refuses letters that no font has
LARGEST_LOGO = 40_000_000  # pixels
LOGO_SIDE = 800  # pixels
UNSHOWN = re.compile(r"the text `\"(.*?)\"` could not be displayed")


def check_inputs(fields: PosterFields, count: int, font: Path | None) -> None:
    """Lay out a draft with grey pictures, so that what cannot be printed is said before any work.

    Raises ReageError: a missing package, a broken logo, letters without a font, too much text.
    """
    grey, nobody = np.full((64, 64, 3), 128, np.uint8), AgeReading(0.0, 0.0)
    looks = [Look(("greyer", "lined"), grey, nobody, 0.0)] * count
    draft = Poster(fields, times_of(fields), grey, looks, nobody, None, "reage", "model")
    with open_page(draft, font):
        pass


def _check_packages() -> None:
    """Raise ReageError if a package of the extra `poster` is missing."""
    try:
        import pypdf  # noqa: F401
        import segno  # noqa: F401
        import typst  # noqa: F401
    except ImportError as error:
        raise ReageError(f"a poster needs {error.name}: {how_to_install('poster')}") from None


@dataclass(frozen=True, eq=False)
class PosterPage:
    """A poster ready to be written, as a folder that Typst reads."""

    folder: Path
    system_fonts: bool  # whether the fonts of the system are needed
    pdf: bytes  # as Typst makes it, without the mark

    def as_pdf(self, mark: str | None) -> bytes:
        """Return the PDF, with the synthetic-media mark in its XMP."""
        if mark is None:
            return self.pdf
        from pypdf import PdfReader, PdfWriter
        from pypdf.generic import NameObject

        writer = PdfWriter(clone_from=PdfReader(io.BytesIO(self.pdf)))
        found: Any = writer.root_object["/Metadata"].get_object()
        marked, _ = add_mark_to_xmp(found.get_data(), mark, describe=False)
        found.set_data(marked)
        writer.root_object[NameObject("/Metadata")] = found.indirect_reference
        file = io.BytesIO()
        writer.write(file)
        return file.getvalue()

    def as_picture(self) -> np.ndarray:
        """Return the same page as pixels `[H, W, 3]` uint8 at `DPI`."""
        png = _compile(self.folder, self.system_fonts, format="png", ppi=float(DPI))
        with Image.open(io.BytesIO(png)) as image:
            return np.asarray(image.convert("RGB"))


@contextmanager
def open_page(poster: Poster, font: Path | None = None) -> Iterator[PosterPage]:
    """Lay a poster out. Raises UsageError if a script has no font or the texts need more room."""
    _check_packages()
    with TemporaryDirectory() as place:
        folder = Path(place)
        content = poster_content(poster)
        own = _add_font(folder, font)
        words = load_words(poster.fields.language)
        content["fonts"] = [*own, *FONTS, *words.fonts, CHINESE]
        content |= _pictures(folder, poster)
        (folder / "poster.json").write_text(json.dumps(content), "utf-8")
        shutil.copy(ASSETS / "poster.typ", folder)
        pdf, system = _lay_out(folder)
        yield PosterPage(folder, system, pdf)


def _pictures(folder: Path, poster: Poster) -> dict[str, object]:
    """Write the pictures of a poster, and return those that it may lack by name."""
    named = {f"look{i}.jpg": look.picture for i, look in enumerate(poster.looks)}
    for name, pixels in {"photo.jpg": poster.photo, **named}.items():
        Image.fromarray(pixels).save(folder / name, quality=QUALITY, subsampling=0)
    fields = poster.fields
    if fields.logo is not None:
        _read_logo(fields.logo).save(folder / "logo.png")
    if fields.url:
        import segno

        segno.make(fields.url, micro=False).save(str(folder / "code.svg"), border=1)
    return {
        "logo": None if fields.logo is None else "logo.png",
        "code": "code.svg" if fields.url else None,
    }


def _read_logo(logo: Path | bytes) -> Image.Image:
    """Read an organisation's logo, with its transparency. Raises ImageError."""
    is_file = isinstance(logo, Path)  # else sent to the page
    photo = read_photo(logo, LARGEST_LOGO) if is_file else decode_photo(logo, "logo", LARGEST_LOGO)
    picture = Image.fromarray(as_srgb(photo.rgb8, photo.icc_profile)).convert("RGBA")
    if photo.alpha is not None:
        picture.putalpha(Image.fromarray(to_depth(photo.alpha, np.uint8)))
    picture.thumbnail((LOGO_SIDE, LOGO_SIDE), Image.Resampling.LANCZOS)
    return picture


def _add_font(folder: Path, font: Path | None) -> list[str]:
    """Put a font file beside the poster and return the names of its families."""
    import typst

    (folder / "fonts").mkdir()
    if font is None:
        return []
    try:
        (folder / "fonts" / f"own{font.suffix}").write_bytes(read_file(font))
    except OSError as error:
        raise UsageError(f"the font {font} cannot be read: {error.strerror}") from None
    found = typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=[folder / "fonts"]
    ).families()
    if not found:
        raise UsageError(f"{font} is not a font; give a .ttf, .otf or .ttc file")
    return found


def _lay_out(folder: Path) -> tuple[bytes, bool]:
    """Compile to PDF with the carried fonts, or with the system's where those are not enough."""
    import typst

    missing = ""
    for system in (False, True):
        try:
            _compile(folder, system, format="pdf", pdf_standards=[CHECK])
        except typst.TypstError as error:
            missing = "".join(dict.fromkeys("".join(UNSHOWN.findall(error.diagnostic))))
            if not missing:
                raise
            continue
        # Not that PDF itself: the mark is no property that PDF/A knows.
        pdf = _compile(folder, system, format="pdf")
        _check_room(pdf)
        return pdf, system
    raise UsageError(_no_font(missing))


def _compile(folder: Path, system_fonts: bool, **options: Any) -> Any:
    import typst

    return typst.compile(
        str(folder / "poster.typ"),
        root=str(folder),
        font_paths=[str(folder / "fonts"), str(ASSETS / "fonts")],
        ignore_system_fonts=not system_fonts,
        timestamp=0,  # the same poster gives the same bytes
        **options,
    )


def _check_room(pdf: bytes) -> None:
    from pypdf import PdfReader

    if len(PdfReader(io.BytesIO(pdf)).pages) > 1:
        raise UsageError(
            "the texts need more than one page; shorten text, marks or clothes, or give fewer "
            "contacts"
        )


def _no_font(letters: str) -> str:
    """Say which letters no font has, and of which script they are."""
    shown = letters[:20]
    scripts = {unicodedata.name(letter, "unknown").split()[0].title() for letter in letters}
    scripts = {"Chinese" if name == "Cjk" else name for name in scripts}
    return (
        f"no font has the letters {shown} ({', '.join(sorted(scripts))}); give one with "
        "--font FILE, or install one, such as Noto Sans for that script"
    )
