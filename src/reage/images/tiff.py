"""Grey and RGB TIFF files to Photos, through tifffile, and pixels to TIFF files.

Pillow would reduce 16-bit colours to 8 bit, and libtiff under it reports damage to the terminal.
What is left to it are the rare kinds (palette, CMYK, YCbCr, JPEG and 1 bit), and to unpack LZW and
Zstandard, for which tifffile would need a package of 80 MB.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, TiffImagePlugin

from reage.images.image_resources import iptc_of, iptc_resource
from reage.images.metadata import as_bytes, make_upright
from reage.images.photo import Photo
from reage.images.sources import Source
from reage.terminal import quiet_stderr

__all__ = [
    "TIFF_KNOWN",
    "TIFF_XMP",
    "as_stored",
    "decode_tiff",
    "encode_tiff",
    "is_big_tiff",
    "is_plain_tiff",
    "split_samples",
    "tiff_exif",
    "tiff_resources",
    "tiff_tags",
    "unused_channels",
]

_MODES = {
    np.dtype(np.uint8): ("L", "LA", "RGB", "RGBA"),
    np.dtype(np.uint16): ("I;16", "LA;16", "RGB;16", "RGBA;16"),
}
_JPEG, _DEFLATE = 7, 8
_RATIONAL, _SIGNED_RATIONAL = 5, 10  # types of values
_BY_TIFFFILE = {1, _DEFLATE, 32773, 32946, 34925}  # none, deflate, PackBits, LZMA
_BY_LIBTIFF = {5, 50000}  # LZW, Zstandard
TIFF_XMP, _TIFF_ICC, _TIFF_DNG_VERSION = 700, 34675, 50706
_TIFF_RESOURCES, _TIFF_IPTC = 34377, 33723
_STRIP = 1 << 20  # bytes, before they are packed
# TIFF keeps structure and EXIF in one directory; these tags describe the photo, not the file.
_TIFF_DESCRIPTION = {269, 270, 271, 272, 274, 282, 283, 285, 296, 305, 306, 315, 316, 18246, 18249,
                     33432, 34665, 34853, 40091, 40092, 40093, 40094, 40095}  # fmt: skip

# How the samples are stored, and what is read apart.
_TIFF_STRUCTURE = {*range(254, 267), *range(273, 282), 284, *range(290, 294), 297, 301, 317, 318,
                   319, 320, 321, 322, 323, 324, 325, *range(332, 343), 347, *range(512, 522),
                   *range(529, 533)}  # fmt: skip
TIFF_KNOWN = _TIFF_STRUCTURE | _TIFF_DESCRIPTION | {
    TIFF_XMP, _TIFF_ICC, _TIFF_RESOURCES, _TIFF_IPTC
}  # fmt: skip


def decode_tiff(source: Source, tags: Image.Exif) -> Photo:
    """Decode a TIFF that `is_plain_tiff` is true for."""
    import tifffile

    deep = 16 in np.atleast_1d(tags.get(258, 1))
    source.check_size(int(tags[256]), int(tags[257]), deep=deep)
    compression = tags.get(259, 1)
    if compression not in _BY_TIFFFILE | _BY_LIBTIFF:
        raise source.refused(f"is compressed by a way that reage does not read ({compression})")
    content = io.BytesIO(source.data)
    with tifffile.TiffFile(content) as file:
        frames, page = len(file.pages), file.pages.first
        if compression in _BY_LIBTIFF:
            _repack(page, content)
        samples = page.asarray()
        samples = samples.astype(samples.dtype.newbyteorder("="), copy=False)
        if page.axes == "SYX":  # one plane after the other
            samples = np.moveaxis(samples, 0, -1)
    orientation, exif, xmp = make_upright(tiff_exif(source.data), as_bytes(tags.get(TIFF_XMP)))
    pixels, alpha, mode = split_samples(_tiff_colours(samples, tags), orientation)
    return Photo(
        pixels=pixels,
        alpha=alpha,
        format="TIFF",
        mode=mode,
        exif=exif,
        icc_profile=as_bytes(tags.get(_TIFF_ICC)),
        xmp=xmp,
        notices=source.frame_notices(frames),
        path=source.path,
    )


def _repack(page: Any, content: io.BytesIO) -> None:
    """Replace the strips or tiles of a page by deflated ones, behind the end of its file."""
    offsets, counts = [], []
    height = page.imagelength
    strips = -(-height // page.rowsperstrip) if not page.is_tiled else 0
    line = int(np.prod(page.chunks[1:])) * page.bitspersample // 8
    for i, (start, length) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
        rows = page.rowsperstrip if strips else page.chunks[0]
        if strips:  # the last one may be lower; planes follow each other
            rows = min(rows, height - i % strips * rows)
        content.seek(start)
        packed = zlib.compress(_unpack(content.read(length), page.compression, rows * line), 0)
        offsets.append(content.seek(0, io.SEEK_END))
        counts.append(content.write(packed))
    page.dataoffsets, page.databytecounts = tuple(offsets), tuple(counts)
    page.compression = _DEFLATE


def _unpack(data: bytes, compression: int, size: int) -> bytes:
    """Let libtiff unpack `size` bytes: as one line of a grey picture, as which it is described."""
    tags = {256: size, 257: 1, 258: 8, 259: int(compression), 262: 1, 273: 8, 277: 1, 278: 1}
    tags[279] = len(data)
    directory = b"".join(struct.pack("<HHLL", tag, 4, 1, value) for tag, value in tags.items())
    head = struct.pack("<2sHL", b"II", 42, 8 + len(data))
    file = io.BytesIO(head + data + struct.pack("<H", len(tags)) + directory + b"\0\0\0\0")
    with quiet_stderr():  # of damage
        return np.asarray(TiffImagePlugin.TiffImageFile(file)).tobytes()


def split_samples(
    samples: np.ndarray, orientation: int
) -> tuple[np.ndarray, np.ndarray | None, str]:
    """Separate samples [H, W] or [H, W, 1..4] into upright RGB, alpha and a mode."""
    samples = samples.reshape(*samples.shape[:2], -1)
    if orientation > 4:
        samples = samples.swapaxes(0, 1)
    samples = _flipped(samples, orientation)
    channels = samples.shape[2]
    colours = samples[..., :3] if channels >= 3 else samples[..., [0, 0, 0]]
    alpha = np.ascontiguousarray(samples[..., -1]) if channels in (2, 4) else None
    return np.ascontiguousarray(colours), alpha, _MODES[samples.dtype][channels - 1]


def as_stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """Return a view of upright samples [H, W, ...] as a file of that orientation has them."""
    samples = _flipped(upright, orientation)
    return samples.swapaxes(0, 1) if orientation > 4 else samples


def _flipped(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Turn the axes around that run backwards once they are exchanged."""
    samples = samples[:: -1 if orientation in (3, 4, 7, 8) else 1]
    return samples[:, :: -1 if orientation in (2, 3, 6, 7) else 1]


def tiff_tags(data: bytes) -> Image.Exif:
    """Read the first directory of a TIFF."""
    tags = Image.Exif()
    if is_big_tiff(data):
        return _big_tags(data, tags)
    tags.load_from_fp(io.BytesIO(data))
    return tags


def is_big_tiff(data: bytes) -> bool:
    """Tell whether a TIFF has 64-bit offsets, as files above 4 GB need them."""
    return data[2:4] in (b"+\0", b"\0+")


def _big_tags(data: bytes, tags: Image.Exif) -> Image.Exif:
    """Read the directory of a BigTIFF, which Pillow does not; its sub-directories are left."""
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        for tag in file.pages.first.tags.values():
            simple = tag.dtype not in (_RATIONAL, _SIGNED_RATIONAL) and tag.code not in tags
            if simple and not isinstance(tag.value, dict):
                tags[tag.code] = tag.value
    return tags


def is_plain_tiff(source: Source, tags: Image.Exif) -> bool:
    """Tell whether it is grey or RGB in 8 or 16 bit; refuse unfinished photos."""
    depths = set(np.atleast_1d(tags.get(258, 1)).tolist())
    kinds = set(np.atleast_1d(tags.get(339, 1)).tolist())  # 1: unsigned, 2: signed, 3: float
    is_raw = _TIFF_DNG_VERSION in tags or source.data[8:10] == b"CR"
    if is_raw or tags.get(254, 0) & 1:  # 254: the first picture is a preview of another one
        raise source.refused("is the raw file of a camera")
    if 3 in kinds:
        raise source.refused("holds floating-point samples")
    if 2 in kinds or not (max(depths) <= 8 or depths == {16}):
        raise source.refused(f"holds {max(depths)}-bit samples that reage does not read")
    if tags.get(259) == _JPEG:
        return False
    return depths in ({8}, {16}) and tags.get(262) in (0, 1, 2)  # 0, 1: grey; 2: RGB


def _tiff_colours(samples: np.ndarray, tags: Image.Exif) -> np.ndarray:
    """Drop channels without a meaning, and undo inverted grey and premultiplied alpha."""
    samples = samples.reshape(*samples.shape[:2], -1)
    colours, white = (3 if tags[262] == 2 else 1), np.iinfo(samples.dtype).max
    if tags[262] == 0:  # white is zero
        samples = np.concatenate([white - samples[..., :1], samples[..., 1:]], axis=-1)
    extra = np.atleast_1d(tags.get(338, ())).tolist()[:1]  # 1: premultiplied alpha, 2: alpha
    if extra == [1]:
        alpha = samples[..., colours : colours + 1].astype(np.float32)
        straight = samples[..., :colours] * (white / np.maximum(alpha, 1))
        straight = straight.round().clip(0, white).astype(samples.dtype)
        samples = np.concatenate([straight, samples[..., colours:]], axis=-1)
    return samples[..., : colours + (extra in ([1], [2]))]


def unused_channels(tags: Image.Exif) -> int:
    """Count the channels of a TIFF that are neither colour nor transparency."""
    extra = np.atleast_1d(tags.get(338, ())).tolist()
    return len(extra) - (extra[:1] in ([1], [2]))


def tiff_resources(tags: Image.Exif) -> bytes | None:
    """Return the image resources of a TIFF; a bare IPTC record becomes one."""
    blocks = as_bytes(tags.get(_TIFF_RESOURCES)) or b""
    record = tags.get(_TIFF_IPTC)
    if isinstance(record, tuple) and all(isinstance(n, int) and n < 1 << 32 for n in record):
        # Some programs store it as 32-bit numbers.
        record = b"".join(struct.pack(f"{tags.endian or '<'}L", number) for number in record)
    if isinstance(record, bytes) and record and iptc_of(blocks) is None:
        blocks += iptc_resource(record)
    return blocks or None


def tiff_exif(data: bytes) -> bytes | None:
    """Return what a TIFF says about the photo, as an EXIF block."""
    tags = tiff_tags(data)
    for tag in [tag for tag in tags if tag not in _TIFF_DESCRIPTION]:
        del tags[tag]
    return tags.tobytes() if len(tags) else None


def encode_tiff(
    samples: np.ndarray,
    metadata: Mapping[str, bytes],
    iptc: bytes | None,
    dpi: tuple[float, float] | None,
) -> bytes:
    """Write deflated strips behind one directory that holds structure and EXIF together.

    `samples` are [H, W] or [H, W, 2..4]; `metadata` has exif, icc_profile and xmp. tifffile
    cannot write the EXIF sub-directories and Pillow no 16-bit RGB; Pillow's EXIF writer is a TIFF
    writer, and takes the offsets of strips as relative to the end of the directory.
    """
    tags = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tags.load(metadata.get("exif", b""))
            _ = tags.tobytes()
    except (SyntaxError, ValueError, OSError, TypeError, struct.error):
        tags = Image.Exif()  # a damaged block, which a TIFF's directory cannot hold as it is
    order = "<" if tags.endian == "<" else ">"  # as Pillow will write the directory
    samples = samples.reshape(*samples.shape[:2], -1)
    height, width, channels = samples.shape
    rows = max(1, _STRIP // (width * channels * samples.itemsize))
    strips = [_tiff_strip(samples[y : y + rows], order) for y in range(0, height, rows)]
    ends = np.cumsum([len(strip) for strip in strips]).tolist()
    tags[256], tags[257] = width, height
    tags[258] = (samples.itemsize * 8,) * channels
    tags[259], tags[317] = 8, 2  # deflate, of differences between neighbours
    tags[262] = 2 if channels >= 3 else 1
    tags[273], tags[279] = (0, *ends[:-1]), tuple(len(strip) for strip in strips)
    tags[277], tags[278], tags[284] = channels, rows, 1
    if channels in (2, 4):
        tags[338] = 2  # straight alpha
    for tag, name in ((_TIFF_ICC, "icc_profile"), (TIFF_XMP, "xmp")):
        if name in metadata:
            tags[tag] = metadata[name]
    if iptc:
        tags[_TIFF_RESOURCES], record = iptc, iptc_of(iptc)
        if record:
            tags[_TIFF_IPTC] = record
    if dpi and 282 not in tags:
        (tags[282], tags[283]), tags[296] = dpi, 2
    return tags.tobytes().removeprefix(b"Exif\0\0") + b"".join(strips)


def _tiff_strip(rows: np.ndarray, order: str) -> bytes:
    differences = rows.copy()
    differences[:, 1:] -= rows[:, :-1]  # modulo 2^bits, as the format wants it
    return zlib.compress(differences.astype(f"{order}u{rows.itemsize}").tobytes(), 4)
