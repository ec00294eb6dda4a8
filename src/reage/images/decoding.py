"""The bytes of a picture to a Photo.

Pillow decodes all but 16-bit PNG and the files for tiff.py. Its plugins are called directly, not
through `Image.open`: the limit of pixels is ours, and no other format (PostScript, say) is
ever tried on a user's file.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from reage.images.companions import leave_out
from reage.images.deep_png import decode_deep_png
from reage.images.heif_boxes import av1_bits, nclx_chunks
from reage.images.metadata import (
    as_bytes,
    make_upright,
    mark_in_xmp,
    png_chunks,
    select_png_chunks,
)
from reage.images.photo import JpegTables, Photo
from reage.images.sources import Source
from reage.images.tiff import (
    TIFF_XMP,
    as_stored,
    decode_tiff,
    is_big_tiff,
    is_plain_tiff,
    split_samples,
    tiff_exif,
    tiff_tags,
)

__all__ = ["decode", "decode_mark"]


class _WebP(WebPImagePlugin.WebPImageFile):
    """One picture, whose decoder's canvases go before Pillow makes its own copy."""

    def _get_next(self) -> tuple[bytes, int, int]:
        found = super()._get_next()
        del self._decoder
        return found


_PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,  # of an MPO this reads the first picture, as wanted
    "PNG": PngImagePlugin.PngImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WEBP": _WebP,
    "AVIF": AvifImagePlugin.AvifImageFile,
}
_PNG_BIT_DEPTH = 24  # where the header says it
_BAND = 1 << 20  # pixels that are converted at once


def decode(source: Source) -> Photo:
    """Decode a picture; raises ImageError, or whatever the decoders raise for damaged data."""
    return leave_out(source, _decode(source))


def _decode(source: Source) -> Photo:
    if source.format == "TIFF":
        tags = tiff_tags(source.data)
        if is_plain_tiff(source, tags):
            return decode_tiff(source, tags)
        if is_big_tiff(source.data):
            raise source.refused("is a BigTIFF of a rare kind (palette, CMYK, JPEG or 1 bit)")
    image = _open(source)
    if source.format == "PNG" and source.data[_PNG_BIT_DEPTH] == 16:
        return _decode_deep_png(source, image)
    return _decode_with_pillow(source, image)


def decode_mark(source: Source) -> str | None:
    """Return the mark in the XMP of a picture."""
    if source.format == "TIFF":
        return mark_in_xmp(as_bytes(tiff_tags(source.data).get(TIFF_XMP)))
    return mark_in_xmp(as_bytes(_open(source).info.get("xmp")))


def _open(source: Source) -> ImageFile.ImageFile:
    """Read the header only."""
    plugin = _heif_plugin() if source.format == "HEIF" else _PLUGINS[source.format]
    try:
        image = plugin(io.BytesIO(source.data))
    except SyntaxError as error:
        if "-bit layers" in str(error):
            raise source.refused("is a JPEG with more than 8 bits a sample") from error
        raise
    deep = source.format == "PNG" and source.data[_PNG_BIT_DEPTH] == 16
    source.check_size(*image.size, deep=deep)
    return image


def _heif_plugin() -> type[ImageFile.ImageFile]:
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        from pi_heif import HeifImageFile
    return HeifImageFile


def _decode_with_pillow(source: Source, image: ImageFile.ImageFile) -> Photo:
    mode = image.mode
    notices = (*source.frame_notices(getattr(image, "n_frames", 1)), *_mode_notices(source, image))
    image.load()
    _release_decoder(image)
    orientation, exif, xmp = make_upright(_exif(source, image), as_bytes(image.info.get("xmp")))
    # Pillow itself turns a TIFF.
    pixels, alpha = _planes(image, 1 if source.format == "TIFF" else orientation)
    return Photo(
        pixels=pixels,
        alpha=alpha,
        format=source.format,
        mode=mode,
        exif=exif,
        icc_profile=None if mode == "CMYK" else image.info.get("icc_profile"),
        xmp=xmp,
        comment=image.info.get("comment") if source.format in ("JPEG", "GIF") else None,
        dpi=image.info.get("dpi"),
        jpeg_tables=_jpeg_tables(image),
        png_chunks=_colour_chunks(source, image),
        lossless=source.format == "WEBP" and _is_lossless_webp(source.data),
        notices=notices,
        path=source.path,
    )


def _colour_chunks(source: Source, image: ImageFile.ImageFile) -> tuple[tuple[bytes, bytes], ...]:
    """Return the chunks of a PNG, or those that tell the colours of a HEIC or AVIF without ICC."""
    if source.format == "PNG":
        return select_png_chunks(source.data)
    if source.format in ("HEIF", "AVIF") and not image.info.get("icc_profile"):
        return nclx_chunks(source.data)
    return ()


def _release_decoder(image: ImageFile.ImageFile) -> None:
    """Drop what a decoder keeps: that of AVIF has the picture once more, its file too."""
    vars(image).pop("_decoder", None)
    image.fp = None


def _planes(image: Image.Image, orientation: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Return upright RGB [H, W, 3] and, where the picture has transparency, alpha [H, W].

    Band by band: Pillow's conversions of a whole picture hold it up to three times more.
    """
    width, height = image.size
    shape = (width, height) if orientation > 4 else (height, width)
    convert, rows = _converter(image), max(1, _BAND // width)
    planes = np.empty((*shape, 3), np.uint8)
    alpha = np.empty(shape, np.uint8) if _has_alpha(image) else None
    for top in range(0, height, rows):
        below = min(top + rows, height)
        band = np.asarray(convert(image.crop((0, top, width, below))))
        as_stored(planes, orientation)[top:below] = band[..., :3]
        if alpha is not None:
            as_stored(alpha, orientation)[top:below] = band[..., 3]
    return planes, alpha


def _has_alpha(image: Image.Image) -> bool:
    return image.mode != "CMYK" and image.has_transparency_data


def _converter(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """Return what turns bands of a picture into RGB or RGBA."""
    profile = image.info.get("icc_profile") if image.mode == "CMYK" else None
    if profile:
        try:
            transform = ImageCms.buildTransform(
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                "CMYK",
                "RGB",
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
            return lambda band: _transformed(transform, band)
        except (ImageCms.PyCMSError, OSError):  # an unusable profile: the plain formula remains
            pass
    mode = "RGBA" if _has_alpha(image) else "RGB"
    return lambda band: band if band.mode == mode else band.convert(mode)


def _transformed(transform: ImageCms.ImageCmsTransform, band: Image.Image) -> Image.Image:
    converted = ImageCms.applyTransform(band, transform)
    assert converted is not None  # not in place
    return converted


def _decode_deep_png(source: Source, image: ImageFile.ImageFile) -> Photo:
    """Decode 16 bits a colour, of which Pillow would keep 8; `image` has the metadata."""
    orientation, exif, xmp = make_upright(_exif(source, image), as_bytes(image.info.get("xmp")))
    pixels, alpha, mode = split_samples(decode_deep_png(source.data), orientation)
    return Photo(
        pixels=pixels,
        alpha=alpha,
        mode=mode,
        exif=exif,
        icc_profile=image.info.get("icc_profile"),
        xmp=xmp,
        dpi=image.info.get("dpi"),
        png_chunks=select_png_chunks(source.data),
        notices=source.frame_notices(getattr(image, "n_frames", 1)),
        path=source.path,
    )


def _exif(source: Source, image: ImageFile.ImageFile) -> bytes | None:
    if source.format == "TIFF":
        return tiff_exif(source.data)
    if source.format == "PNG":  # Pillow overlooks a block after the pixels until it decodes them
        late = [payload for kind, payload in png_chunks(source.data) if kind == b"eXIf"]
        if late:
            return b"Exif\0\0" + late[0]
        if "Raw profile type exif" in image.info:
            return image.getexif().tobytes()
    return image.info.get("exif") or None


def _mode_notices(source: Source, image: ImageFile.ImageFile) -> list[str]:
    name, mode = source.path.name, image.mode
    if mode in ("F", "I", "LAB", "HSV"):
        raise source.refused(f"holds {mode} samples that reage does not read")
    notices = {
        "CMYK": f"{name}: CMYK, written as RGB",
        "P": f"{name}: a palette, written in full colours",
        "1": f"{name}: black and white in 1 bit, written as 8-bit grey",
    }
    found = [notices[mode]] if mode in notices else []
    bits = _bits(source, image)
    return [*found, f"{name}: {bits} bits a colour, read as 8"] if bits > 8 else found


def _bits(source: Source, image: ImageFile.ImageFile) -> int:
    """Return the bits a colour of the file, of which Pillow keeps eight."""
    if source.format == "TIFF":
        return int(np.max(tiff_tags(source.data).get(258, 1)))
    if source.format == "AVIF":
        return av1_bits(source.data)
    return image.info.get("bit_depth", 8)


def _jpeg_tables(image: ImageFile.ImageFile) -> JpegTables | None:
    if not isinstance(image, JpegImagePlugin.JpegImageFile) or image.mode == "CMYK":
        return None
    tables = tuple(tuple(table) for _, table in sorted(image.quantization.items()))
    # -1 is an unusual sampling that Pillow cannot write: 4:4:4 loses nothing
    return JpegTables(tables, max(JpegImagePlugin.get_sampling(image), 0))


def _is_lossless_webp(data: bytes) -> bool:
    at = 12
    while at + 8 <= len(data):
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if kind in (b"VP8 ", b"VP8L"):
            return kind == b"VP8L"
        at += 8 + size + size % 2
    return False
