"""A Photo to the bytes of a file, with as much kept as the format can hold."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from reage.errors import ImageError
from reage.images.deep_png import encode_deep_png
from reage.images.image_resources import resource_chunk, resource_segments
from reage.images.metadata import (
    PNG_SIGNATURE,
    add_mark_to_xmp,
    mark_in_xmp,
    png_chunk,
    select_icc,
)
from reage.images.photo import Photo, to_depth
from reage.images.tiff import encode_tiff

__all__ = ["can_write_heif", "encode_photo"]

# Importing the plugins is what makes Pillow able to save these.
_PILLOW_PLUGINS = (
    *(AvifImagePlugin, BmpImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin),
)
_WITHOUT_ALPHA = {"JPEG", "BMP"}
_DEEP = {"PNG", "TIFF"}
_WITH_IPTC = {"JPEG", "PNG", "TIFF"}
_JPEG_SEGMENT = 65_500  # bytes that fit into one metadata segment
_QUALITY = 95
_AVIF_QUALITY, _AVIF_SPEED = 90, 9  # speed 8 took four times as long for 2 % fewer bytes
_HEIF_QUALITY = 90
_HEIF_PRESET = {"preset": "ultrafast"}  # a third of the time, 3 dB closer, 1.7 times the bytes
# Runs alone are sought: two thirds of the time for 2 to 9 % more bytes of photos.
_PNG_OPTIONS = {"compress_level": 4, "compress_type": zlib.Z_RLE}
_PNG_COLOURS = {b"gAMA", b"cHRM", b"cICP"}  # without sRGB, which is what nothing means
_IMAGE_DESCRIPTION = 270


@dataclass(frozen=True)
class _Contents:
    """What one file will hold."""

    samples: np.ndarray  # [H, W] or [H, W, 2..4], uint8 or uint16
    photo: Photo  # for everything that only one format has
    exif: bytes | None
    icc_profile: bytes | None
    xmp: bytes | None
    mark: str | None

    @property
    def channels(self) -> int:
        return 1 if self.samples.ndim == 2 else self.samples.shape[2]

    @property
    def image(self) -> Image.Image:
        return Image.fromarray(self.samples)

    def metadata(self) -> dict[str, Any]:
        """The fields that Pillow's plugins take by these names."""
        named = {"exif": self.exif, "icc_profile": self.icc_profile, "xmp": self.xmp}
        return {name: value for name, value in named.items() if value}


def encode_photo(photo: Photo, format: str, mark: str | None) -> tuple[bytes, tuple[str, ...]]:
    """Encode in one of Pillow's formats; return the bytes and what could not be kept.

    `mark` declares the picture as partly synthetic; None adds nothing.
    """
    samples, notices = _fit_samples(photo, format)
    xmp, xmp_notices = _add_mark(photo, format, mark)
    exif, notices = photo.exif, [*notices, *_unkept(photo, format)]
    if format == "JPEG" and exif and len(exif) > _JPEG_SEGMENT:
        exif, xmp_notices = None, [*xmp_notices, "the EXIF data is too long for a JPEG: left out"]
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    contents = _Contents(samples, photo, exif, select_icc(photo.icc_profile, channels), xmp, mark)
    try:
        data = _ENCODERS[format](contents)
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        height, width = samples.shape[:2]
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(
            f"{width} x {height} pixels cannot be written as {format} ({reason}): choose .png"
        ) from error
    return data, (*notices, *xmp_notices)


def can_write_heif() -> bool:
    """Whether the optional HEIC encoder is installed."""
    try:
        from pillow_heif import libheif_info
    except ImportError:
        return False
    return bool(libheif_info()["HEIF"])


def _fit_samples(photo: Photo, format: str) -> tuple[np.ndarray, list[str]]:
    """Reduce to grey, 8 bit or no alpha where the photo or the format asks for it."""
    pixels, alpha, notices = photo.pixels, photo.alpha, []
    if pixels.dtype == np.uint16 and format not in _DEEP:
        notices.append(f"{format} files are written in 8 bit: reduced from 16")
        pixels = to_depth(pixels, np.uint8)
        alpha = None if alpha is None else to_depth(alpha, np.uint8)
    if alpha is not None and format in _WITHOUT_ALPHA:
        if alpha.min() < 255:
            notices.append(f"{format} holds no transparency: written on white")
            pixels = _on_white(pixels, alpha)
        alpha = None
    samples = _luminance(pixels) if photo.is_grey else pixels
    return (samples if alpha is None else np.dstack([samples, alpha])), notices


def _on_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    mask = Image.fromarray(alpha)
    return np.asarray(Image.composite(Image.fromarray(pixels), _white(mask.size), mask))


def _white(size: tuple[int, int]) -> Image.Image:
    return Image.new("RGB", size, "white")


def _luminance(pixels: np.ndarray) -> np.ndarray:
    """Weigh RGB by Rec. 601 in 16-bit fractions; equal channels return exactly themselves."""
    red, green, blue = np.moveaxis(pixels.astype(np.uint32), -1, 0)
    return ((red * 19595 + green * 38470 + blue * 7471 + 32768) >> 16).astype(pixels.dtype)


def _unkept(photo: Photo, format: str) -> list[str]:
    """Name what this format, or this program in it, cannot hold."""
    lost = []
    texts = [c for c in photo.png_chunks if c[0] in (b"tEXt", b"zTXt", b"iTXt")]
    if photo.iptc and format not in _WITH_IPTC:
        lost.append("the IPTC captions and credits")
    if photo.comment and format != "JPEG" and _own_comment(photo):
        lost.append("the comment")
    if texts and format != "PNG":
        lost.append("1 text of the PNG" if len(texts) == 1 else f"{len(texts)} texts of the PNG")
    tags = sorted({c[0].decode() for c in photo.png_chunks if c[0] in _PNG_COLOURS})
    if format == "HEIF":
        tags = [tag for tag in tags if tag != "cICP"]
    if tags and format != "PNG" and not photo.icc_profile:
        lost.append(f"the colour tags ({', '.join(tags)})")
    if format == "BMP":
        named = {"EXIF": photo.exif, "XMP": photo.xmp, "the colour profile": photo.icc_profile}
        lost += [name for name, value in named.items() if value]
    elif photo.icc_profile and not select_icc(photo.icc_profile, 1 if photo.is_grey else 3):
        lost.append("a colour profile that does not fit the picture")
    elif photo.icc_profile and photo.is_grey and format == "WEBP":
        lost.append("the colour profile for grey")
    return [f"{format} files hold less, left out: {', '.join(lost)}"] if lost else []


def _add_mark(photo: Photo, format: str, mark: str | None) -> tuple[bytes | None, list[str]]:
    limit = _JPEG_SEGMENT if format == "JPEG" else sys.maxsize
    xmp, notices = photo.xmp, []
    if mark is not None:
        describe = not _has_description(photo.exif)
        xmp, kept = add_mark_to_xmp(photo.xmp, mark, describe=describe)
        if kept and len(xmp) > limit:
            xmp, kept = add_mark_to_xmp(None, mark, describe=describe)[0], False
        if not kept:
            notices.append("the photo's own XMP data could not be kept")
        if format == "BMP":
            notices.append("BMP holds no metadata: the file does not say that it is synthetic")
    elif xmp and len(xmp) > limit:
        xmp, notices = None, ["the photo's own XMP data could not be kept"]
    return xmp, notices


def _has_description(exif: bytes | None) -> bool:
    tags = Image.Exif()
    try:
        tags.load(exif or b"")
        return bool(tags.get(_IMAGE_DESCRIPTION))
    except (SyntaxError, ValueError, OSError, struct.error):  # damaged EXIF describes nothing
        return False


def _own_comment(photo: Photo) -> list[bytes]:
    """The lines of a JPEG's comment but an earlier mark."""
    earlier = (mark_in_xmp(photo.xmp) or "").encode()
    return [line for line in (photo.comment or b"").split(b"\n") if line not in (earlier, b"")]


def _comment(contents: _Contents) -> bytes:
    """Join the photo's own comment and the mark, instead of any earlier mark."""
    mark = [contents.mark.encode()] if contents.mark else []
    return b"\n".join([*_own_comment(contents.photo), *mark])[:_JPEG_SEGMENT]


def _save(image: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def _encode_jpeg(contents: _Contents) -> bytes:
    tables, options = contents.photo.jpeg_tables, contents.metadata()
    if tables:
        options["qtables"] = [list(table) for table in tables.quantization]
        options["subsampling"] = tables.subsampling
    else:
        options |= {"quality": _QUALITY, "subsampling": 0}
    if contents.photo.dpi:
        options["dpi"] = contents.photo.dpi
    if contents.photo.iptc:
        options["extra"] = resource_segments(contents.photo.iptc)
    return _save(contents.image, "JPEG", comment=_comment(contents), **options)


def _encode_png(contents: _Contents) -> bytes:
    """Encode the pixels alone, then put what belongs to them behind the header."""
    if contents.samples.dtype == np.uint16:
        plain = encode_deep_png(contents.samples)
    else:
        plain = _save(contents.image, "PNG", **_PNG_OPTIONS)
    header = len(PNG_SIGNATURE) + 25  # IHDR with its frame
    return plain[:header] + b"".join(_png_metadata(contents)) + plain[header:]


def _png_metadata(contents: _Contents) -> list[bytes]:
    photo = contents.photo
    earlier = mark_in_xmp(photo.xmp)
    chunks = [c for c in photo.png_chunks if not (earlier and earlier.encode() in c[1])]
    if contents.icc_profile:
        profile = b"ICC profile\0\0" + zlib.compress(contents.icc_profile)
        chunks = [(b"iCCP", profile), *(c for c in chunks if c[0] != b"sRGB")]
    if photo.dpi and not any(kind == b"pHYs" for kind, _ in chunks):
        per_metre = [round(dots / 0.0254).to_bytes(4, "big") for dots in photo.dpi]
        chunks.append((b"pHYs", b"".join(per_metre) + b"\1"))
    if contents.exif:
        chunks.append((b"eXIf", contents.exif.removeprefix(b"Exif\0\0")))
    if contents.xmp:
        chunks.append((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + contents.xmp))
    if photo.iptc:
        chunks.append(resource_chunk(photo.iptc))
    if contents.mark:
        chunks.append((b"iTXt", b"Comment\0\0\0\0\0" + contents.mark.encode()))
    return [png_chunk(kind, payload) for kind, payload in chunks]


def _encode_tiff(contents: _Contents) -> bytes:
    photo = contents.photo
    return encode_tiff(contents.samples, contents.metadata(), photo.iptc, photo.dpi)


def _encode_webp(contents: _Contents) -> bytes:
    image = contents.image.convert("RGBA" if contents.channels in (2, 4) else "RGB")
    options = contents.metadata() | _colour_icc(contents)
    return _save(
        image, "WEBP", lossless=contents.photo.lossless, quality=_QUALITY, exact=True, **options
    )


def _colour_icc(contents: _Contents) -> dict[str, Any]:
    """WebP has no grey: a profile for grey would be wrong in it."""
    return {"icc_profile": select_icc(contents.icc_profile, 3)}


def _encode_avif(contents: _Contents) -> bytes:
    image = contents.image.convert("RGBA") if contents.channels == 2 else contents.image
    sampling = "4:0:0" if contents.channels == 1 else "4:4:4"
    options = contents.metadata()
    return _save(
        image, "AVIF", quality=_AVIF_QUALITY, speed=_AVIF_SPEED, subsampling=sampling, **options
    )


def _encode_heif(contents: _Contents) -> bytes:
    from pillow_heif import from_pillow

    image, options = contents.image, {}
    cicp = dict(contents.photo.png_chunks).get(b"cICP", b"")
    if contents.icc_profile:
        image.info["icc_profile"] = contents.icc_profile
    elif len(cicp) == 4:
        options = {"color_primaries": cicp[0], "transfer_characteristics": cicp[1]}
    file = io.BytesIO()
    heif = from_pillow(image)
    del image  # of which there is a copy now; the encoder takes 20 bytes a pixel
    heif.save(
        file,
        quality=_HEIF_QUALITY,
        chroma=444,
        enc_params=_HEIF_PRESET,
        exif=contents.exif,
        xmp=contents.xmp,
        **options,
    )
    return file.getvalue()


def _encode_bmp(contents: _Contents) -> bytes:
    return _save(contents.image, "BMP")


_ENCODERS = {
    "JPEG": _encode_jpeg,
    "PNG": _encode_png,
    "TIFF": _encode_tiff,
    "WEBP": _encode_webp,
    "AVIF": _encode_avif,
    "HEIF": _encode_heif,
    "BMP": _encode_bmp,
}
