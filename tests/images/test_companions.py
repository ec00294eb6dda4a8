"""What lies beside the picture in its file: kept where it can be, dropped with one line else."""

from __future__ import annotations

import base64
import io
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from reage.images import Photo, decode_photo, encode_photo, read_photo
from reage.images.companions import jpeg_segments
from reage.images.image_resources import iptc_of, png_resources, resource_chunk, select_resources

pytestmark = pytest.mark.quick

CAPTION = b"\x1c\x02\x78\x00\x05Ada's\x1c\x02\x74\x00\x06(c) me"
FACE = b"\xff\xd8\xff\xe0 the old face \xff\xd9"


def block(number: int, data: bytes, name: bytes = b"\0\0") -> bytes:
    return (
        b"8BIM"
        + struct.pack(">H", number)
        + name
        + struct.pack(">L", len(data))
        + data
        + (b"\0" * (len(data) % 2))
    )


BLOCKS = (
    block(1028, CAPTION) + block(1036, FACE) + block(1033, FACE) + block(2000, b"path", b"\3abc")
)
KEPT = block(1028, CAPTION) + block(2000, b"path", b"\3abc")


def picture(seed: int = 0) -> Image.Image:
    levels = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), np.uint8)
    return Image.fromarray(levels).resize((40, 32), Image.Resampling.BICUBIC)


def jpeg(seed: int = 0, **options: object) -> bytes:
    file = io.BytesIO()
    picture(seed).save(file, "JPEG", **options)
    return file.getvalue()


def segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def with_segments(data: bytes, *segments: bytes) -> bytes:
    return data[:2] + b"".join(segments) + data[2:]


def captioned() -> Photo:
    return decode_photo(with_segments(jpeg(), segment(0xED, b"Photoshop 3.0\0" + BLOCKS)), "a.jpg")


def test_captions_stay_and_previews_go():
    assert select_resources(BLOCKS) == (KEPT, 2)
    photo = captioned()
    assert photo.iptc == KEPT
    assert photo.notices == ("a.jpg: 1 thing left out: 2 embedded previews of the old face",)


@pytest.mark.parametrize("format", ["JPEG", "TIFF", "PNG"])
def test_captions_come_through_each_format(format: str):
    data, notices = encode_photo(captioned(), format, "a mark")
    again = decode_photo(data, "b")
    assert (again.iptc, notices, again.notices) == (KEPT, (), ())
    assert b"the old face" not in data


@pytest.mark.parametrize("format", ["WEBP", "AVIF", "BMP"])
def test_formats_without_captions_say_so(format: str):
    _, notices = encode_photo(captioned(), format, None)
    assert notices == (f"{format} files hold less, left out: the IPTC captions and credits",)


def test_captions_longer_than_a_segment():
    long = block(1028, bytes(200_000))
    data, _ = encode_photo(Photo(np.zeros((8, 8, 3), np.uint8), iptc=long), "JPEG", None)
    assert decode_photo(data, "a.jpg").iptc == long


def test_a_bare_record_of_a_tiff_becomes_a_block():
    file, tags = io.BytesIO(), Image.Exif()
    tags[33723] = CAPTION
    picture().save(file, "TIFF", exif=tags)
    assert iptc_of(decode_photo(file.getvalue(), "a.tif").iptc or b"") == CAPTION


def test_texts_of_imagemagick_are_read():
    assert png_resources([resource_chunk(KEPT)]) == KEPT
    with pytest.raises(ValueError, match="non-hexadecimal"):
        png_resources([(b"tEXt", b"Raw profile type iptc\0\niptc\n 3\nabc\n")])


@pytest.mark.parametrize("number", range(0, len(BLOCKS), 7))
def test_damaged_blocks_end_the_list(number: int):
    kept, _ = select_resources(BLOCKS[:number])
    assert kept is None or KEPT.startswith(kept)


def exif_with_previews(order: str) -> bytes:
    """One preview by the second directory, one in a maker note."""
    make = struct.pack(f"{order}HHLL", 271, 2, 1, 0x41 << (24 if order == ">" else 0))
    first = struct.pack(f"{order}H", 1) + make
    second = b"".join(struct.pack(f"{order}HHLL", tag, 4, 1, value) for tag, value in
                      ((513, 60), (514, len(FACE))))  # fmt: skip
    head = struct.pack(f"{order}2sHL", b"II" if order == "<" else b"MM", 42, 8)
    tiff = head + first + struct.pack(f"{order}L", 26) + struct.pack(f"{order}H", 2) + second
    tiff = tiff.ljust(60, b"\0") + FACE.replace(b"face", b"nose") + b"maker note " + jpeg() + b" on"
    return b"Exif\0\0" + tiff


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_no_file_passes_on_an_old_preview(order: str, format: str):
    data = jpeg(exif=exif_with_previews(order))
    assert b"the old nose" in data
    photo = decode_photo(data, "a.jpg")
    assert photo.notices == ("a.jpg: 1 thing left out: 2 embedded previews of the old face",)
    written, _ = encode_photo(photo, format, "a mark")
    assert b"the old nose" not in written
    assert jpeg()[2:40] not in written[100:]
    assert b"maker note " in (photo.exif or b"")


def test_previews_in_xmp_go():
    xmp = (b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="r"><rdf:Description '
           b'xmlns:xmp="n" xmp:Rating="5"><xmp:Thumbnails><rdf:Alt>/9j/4A</rdf:Alt>'
           b"</xmp:Thumbnails></rdf:Description></rdf:RDF></x:xmpmeta>")  # fmt: skip
    photo = decode_photo(jpeg(xmp=xmp), "a.jpg")
    assert b"/9j/4A" not in (photo.xmp or b"")
    assert b'Rating="5"' in (photo.xmp or b"")
    assert "1 embedded preview of" in photo.notices[0]


GAIN = segment(0xE1, b'http://ns.adobe.com/xap/1.0/\0<x hdrgm:Version="1.0"/>')
DEPTH = segment(0xE1, b'http://ns.adobe.com/xap/1.0/\0<x GDepth:Format="RangeInverse"/>')
VIDEO = b"\0\0\0\x18ftypmp42" + bytes(988)


@pytest.mark.parametrize(
    ("data", "lost"),
    [
        (with_segments(jpeg(), GAIN) + jpeg(1), "1 thing left out: a gain map (HDR)"),
        (jpeg() + with_segments(jpeg(1), GAIN), "1 thing left out: a gain map (HDR)"),
        (with_segments(jpeg(), DEPTH) + jpeg(1) + jpeg(2),
         "2 things left out: a depth map; another picture"),
        (jpeg() + jpeg(1) + jpeg(2), "1 thing left out: 2 more pictures"),
        (jpeg() + VIDEO, "1 thing left out: a video of 1,000 bytes (motion photo)"),
        (jpeg() + b"trailer", "1 thing left out: 7 bytes behind the picture"),
        (with_segments(jpeg(), segment(0xEB, b"JP\0\1jumb")), "Content Credentials"),
        (with_segments(jpeg(), segment(0xE4, b"x"), segment(0xE5, b"y")),
         "2 blocks of other programs (APP4, APP5)"),
        (with_segments(jpeg(), segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0abc")),
         "extended XMP of 38 bytes"),
    ],
)  # fmt: skip
def test_what_a_jpeg_has_beside_its_picture_is_said_in_one_line(data: bytes, lost: str):
    (notice,) = decode_photo(data, "a.jpg").notices
    assert notice.startswith("a.jpg: ")
    assert lost in notice


@pytest.mark.parametrize("data", [jpeg(), jpeg(progressive=True), jpeg(comment=b"mine") + bytes(9)])
def test_a_plain_jpeg_is_silent(data: bytes):
    assert decode_photo(data, "a.jpg").notices == ()


def test_all_comments_are_kept():
    data = with_segments(jpeg(comment=b"one"), segment(0xFE, b"two"))
    assert decode_photo(data, "a.jpg").comment == b"two\none"


def test_many_small_pictures_behind_one_end_soon():
    data = jpeg() + b"\xff\xd8\xff\xe0\0\2" * 200_000
    began = time.process_time()
    assert len(decode_photo(data, "a.jpg").notices) == 1
    assert time.process_time() - began < 5
    segments, end = jpeg_segments(b"\xff\xd8" + b"\xff\xe0\0\2" * 200_000)
    assert (len(segments), end) == (10_000, 0)


@pytest.mark.parametrize("rest", [b"\xff" * 3_000_000, b"\xff\xda\0\2" + b"\xff\0" * 1_500_000])
def test_begins_of_pictures_without_an_end_are_soon_given_up(rest: bytes):
    began = time.process_time()
    assert len(decode_photo(jpeg() + b"\xff\xd8\xff\xe0\0\2" * 70 + rest, "a.jpg").notices) == 1
    assert time.process_time() - began < 5


def test_odd_chunks_and_trailers_of_a_png(tmp_path: Path):
    info = PngInfo()
    info.add(b"caBX", b"manifest")
    info.add(b"vpAg", b"x", after_idat=True)
    picture().save(tmp_path / "a.png", pnginfo=info)
    with (tmp_path / "a.png").open("ab") as file:
        file.write(b"the uncropped rest")
    (notice,) = read_photo(tmp_path / "a.png").notices
    for part in ("3 things", "Content Credentials", "1 chunk of", "vpAg", "18 bytes behind"):
        assert part in notice


def test_several_pictures_and_a_depth_map_of_heic(tmp_path: Path):
    heif = pytest.importorskip("pillow_heif")
    file = heif.from_pillow(picture())
    file.add_from_pillow(picture(1))
    file.save(tmp_path / "a.heic")
    assert read_photo(tmp_path / "a.heic").notices == (
        "a.heic: 2 pictures, only the main one is used",
    )


def test_thumbnails_of_heic_are_said(tmp_path: Path):
    heif = pytest.importorskip("pillow_heif")
    file = heif.from_pillow(picture().resize((128, 128)))
    file.info["thumbnails"] = [64]
    file.save(tmp_path / "a.heic")
    left = "1 thing left out: 1 embedded preview of the old face"
    assert read_photo(tmp_path / "a.heic").notices == (f"a.heic: {left}",)


def test_colour_tags_of_heic_are_kept_or_said(tmp_path: Path):
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(picture()).save(tmp_path / "srgb.heic")
    assert read_photo(tmp_path / "srgb.heic").png_chunks == ()
    p3 = {"color_primaries": 12, "transfer_characteristics": 13}
    heif.from_pillow(picture()).save(tmp_path / "p3.heic", **p3)
    photo = read_photo(tmp_path / "p3.heic")
    for format in ("PNG", "HEIF"):
        data, notices = encode_photo(photo, format, None)
        assert decode_photo(data, "b").png_chunks == ((b"cICP", bytes([12, 13, 0, 1])),)
        assert notices == ()
    assert "the colour tags (cICP)" in encode_photo(photo, "JPEG", None)[1][0]


# 64 x 64 pixels of 10 bits, BT.2020 and PQ, by SVT-AV1: Pillow's own encoder writes 8 bits.
TEN_BITS = (
    b"c-muNU{FXasVqn=%S>Yc0uY^>nP!-qnV9D5Xy^nK`k9+rlE?r7`WY!XMNl?FL1uCZ0}==T@=J?SJreU$a#F#n_z"
    b"E&ha=~(pKrEM;lb;OYxPbVK5K%@&Agutz8kw1SX>hetKu#(Xl$Tg$VCbBmlMgmCE3=@e07!dh79{5bX_3t0f>fvr"
    b"9H3aBAhRM9B*4tY#Ra5z63Yyo8yS2+Lc+=UIYoKNITZ|?3<5w51mc+mxiB9B9mc}Q)XV~MQEp0N2^TMr#kBr^Z@iU"
    b"|f)IxhzW~E7CT^WTM+OEC_IG{;0D%iQi2"
)


def test_deeper_bits_and_colour_tags_of_avif_are_said():
    photo = decode_photo(zlib.decompress(base64.b85decode(TEN_BITS)), "a.avif")
    assert photo.notices == ("a.avif: 10 bits a colour, read as 8",)
    _, notices = encode_photo(photo, "AVIF", None)
    assert notices == ("AVIF files hold less, left out: the colour tags (cICP)",)
    assert decode_photo(encode_photo(photo, "AVIF", None)[0], "b").notices == ()


def test_odd_tags_channels_and_pictures_of_a_tiff_are_said():
    tifffile, pixels = pytest.importorskip("tifffile"), np.zeros((8, 8, 5), np.uint8)
    place = (33550, "d", 3, (1.0, 1.0, 0.0), True)
    for samples, options, lost in (
        (pixels, {}, "2 further channels"),
        (pixels[..., :3], {"extratags": [place]}, "a place on the map (GeoTIFF)"),
        (pixels[..., :3], {"extratags": [(42112, "s", 0, "mine", True)]},
         "1 tag of other programs (42112)"),
        (pixels[..., :3], {"subifds": 1}, "smaller or further pictures (SubIFD)"),
        (pixels[..., :4], {"extrasamples": ["unassalpha"], "description": "a", "software": "b",
                           "compression": "zlib", "predictor": True, "resolution": (9, 9)}, ""),
    ):  # fmt: skip
        file = io.BytesIO()
        with tifffile.TiffWriter(file) as writer:
            writer.write(samples, photometric="rgb", **options)
            if "subifds" in options:
                writer.write(pixels[::2, ::2, :3], photometric="rgb", subfiletype=1)
        said = (f"a.tif: 1 thing left out: {lost}",) if lost else ()
        assert decode_photo(file.getvalue(), "a.tif").notices == said


def test_odd_chunks_of_webp_and_comments_of_gif_are_said():
    file = io.BytesIO()
    picture().save(file, "WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0", xmp=b"<x/>")
    assert decode_photo(file.getvalue(), "a.webp").notices == ()
    data = file.getvalue() + b"ABCD\4\0\0\0test"
    data = data[:4] + struct.pack("<L", len(data) - 8) + data[8:]
    assert decode_photo(data, "a.webp").notices == (
        "a.webp: 1 thing left out: chunks of other programs (ABCD)",
    )
    file = io.BytesIO()
    picture().save(file, "GIF", comment=b"(c) Ada")
    photo = decode_photo(file.getvalue(), "a.gif")
    assert photo.comment == b"(c) Ada"
    (notice,) = encode_photo(photo, "PNG", None)[1]
    assert notice.endswith("left out: the comment")


def test_texts_that_another_format_cannot_hold_are_said():
    photo = Photo(np.zeros((8, 8, 3), np.uint8), png_chunks=((b"tEXt", b"Author\0Ada"),))
    assert encode_photo(photo, "JPEG", None)[1] == (
        "JPEG files hold less, left out: 1 text of the PNG",
    )
    tagged = Photo(np.zeros((8, 8, 3), np.uint8), png_chunks=((b"cICP", bytes([9, 16, 0, 1])),))
    assert "the colour tags (cICP)" in encode_photo(tagged, "JPEG", None)[1][0]
    full = Photo(np.zeros((8, 8, 3), np.uint8), exif=b"Exif\0\0x", xmp=b"<x/>", comment=b"mine")
    (notice,) = encode_photo(full, "BMP", None)[1]
    assert notice.endswith("left out: the comment, EXIF, XMP")
