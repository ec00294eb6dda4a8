"""The mark is added once, the fields of others stay, and each format keeps its texts."""

import struct
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from reage.images import DIGITAL_SOURCE_TYPE, Photo, read_mark, read_photo, write_photo

pytestmark = pytest.mark.quick

MARK = 'Re-aged by reage 0.1.0: 30 -> 70 years & "synthetic" ä'
XMP = b"""<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:pets="urn:pets"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
 tiff:Orientation="6" pets:Name="Rex"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""
UPRIGHT_XMP = XMP.replace(b'tiff:Orientation="6"', b"")
WITH_MARK = ["png", "tif", "jpg", "webp", "avif", "heic"]


def smooth(height: int = 48, width: int = 64) -> np.ndarray:
    """A picture that lossy formats keep within a few levels."""
    y, x = np.mgrid[:height, :width]
    return np.dstack([x * 3, y * 4, 200 - x - y]).astype(np.uint8)


def exif_of(photo: Photo) -> Image.Exif:
    exif = Image.Exif()
    exif.load(photo.exif)
    return exif


def test_orientation_in_xmp_only_counts_and_is_reset(tmp_path):
    Image.fromarray(smooth()).save(tmp_path / "a.jpg", xmp=XMP)
    photo = read_photo(tmp_path / "a.jpg")
    assert photo.pixels.shape == (64, 48, 3)
    assert b'tiff:Orientation="1"' in photo.xmp


def test_thumbnail_of_the_old_face_is_unlinked(tmp_path):
    order_and_ifd0 = b"MM\0*" + struct.pack(">LHHHLHHL", 8, 1, 0x112, 3, 1, 1, 0, 26)
    exif = b"Exif\0\0" + order_and_ifd0 + struct.pack(">HHHLLL", 1, 0x201, 4, 1, 99, 0)
    Image.fromarray(smooth()).save(tmp_path / "a.jpg", exif=exif)
    assert exif_of(read_photo(tmp_path / "a.jpg")).get_ifd(1) == {}


def test_jpeg_is_encoded_again_with_its_own_tables(tmp_path):
    Image.fromarray(smooth()).save(tmp_path / "a.jpg", quality=71, subsampling=1, comment=b"Hello")
    photo = read_photo(tmp_path / "a.jpg")
    write_photo(photo, tmp_path / "b.jpg", mark=MARK)
    again = read_photo(tmp_path / "b.jpg")
    assert again.jpeg_tables == photo.jpeg_tables
    assert again.jpeg_tables.subsampling == 1
    assert again.comment == b"Hello\n" + MARK.encode()
    assert np.abs(again.pixels.astype(int) - photo.pixels).mean() < 0.5


def test_png_keeps_texts_and_colour_tags(tmp_path):
    info = PngInfo()
    info.add_text("Author", "Ada")
    info.add(b"gAMA", struct.pack(">L", 45455))
    Image.fromarray(smooth()).save(tmp_path / "a.png", pnginfo=info, dpi=(300, 300))
    write_photo(read_photo(tmp_path / "a.png"), tmp_path / "b.png", mark=MARK)
    with Image.open(tmp_path / "b.png") as image:
        assert image.text["Author"] == "Ada"
        assert image.text["Comment"] == MARK
        assert image.info["gamma"] == pytest.approx(0.45455)
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)


@pytest.mark.parametrize("suffix", WITH_MARK)
@pytest.mark.parametrize("own", [None, UPRIGHT_XMP])
def test_mark_is_added_once_and_foreign_fields_stay(tmp_path, suffix, own):
    path = tmp_path / f"a.{suffix}"
    write_photo(Photo(smooth(), xmp=own), path, mark="an earlier mark")
    photo = read_photo(path)
    written = write_photo(photo, path, mark=MARK, overwrite=True)
    assert written.notices == ()
    xmp = read_photo(path).xmp
    assert read_mark(path) == MARK
    assert xmp.count(b"DigitalSourceType>") == 2  # one element, opened and closed
    assert b"digitalCapture" not in xmp
    assert b"earlier" not in path.read_bytes()
    assert own is None or b'pets:Name="Rex"' in xmp
    [kind] = ElementTree.fromstring(xmp).iter(
        "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
    )
    assert kind.text == DIGITAL_SOURCE_TYPE


def test_mark_survives_sixteen_bit_and_no_mark_adds_nothing(tmp_path):
    photo = Photo(smooth().astype(np.uint16) * 257, xmp=XMP)
    write_photo(photo, tmp_path / "a.png", mark=MARK)
    write_photo(photo, tmp_path / "b.png", mark=None)
    assert read_mark(tmp_path / "a.png") == MARK
    assert read_mark(tmp_path / "b.png") is None
    assert b"Rex" in read_photo(tmp_path / "b.png").xmp


@pytest.mark.parametrize("broken", [b"<x:xmpmeta", XMP[:-60], b"<!DOCTYPE a>" + XMP, b"\xff\xfe"])
def test_unreadable_xmp_is_replaced_with_a_notice(tmp_path, broken):
    written = write_photo(Photo(smooth(), xmp=broken), tmp_path / "a.png", mark=MARK)
    assert written.notices == ("a.png: the photo's own XMP data could not be kept",)
    assert read_mark(written.path) == MARK


def test_own_caption_is_respected(tmp_path):
    exif = Image.Exif()
    exif[270] = "My aunt"
    write_photo(Photo(smooth(), exif=exif.tobytes()), tmp_path / "a.jpg", mark=MARK)
    photo = read_photo(tmp_path / "a.jpg")
    assert exif_of(photo)[270] == "My aunt"
    assert b"dc:description" not in photo.xmp
