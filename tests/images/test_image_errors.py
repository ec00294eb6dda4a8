"""What is no picture, is broken or cannot be written is said in one line; no file is harmed."""

import io
import os
import stat
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from reage.errors import ImageError
from reage.images import (
    Photo,
    check_target,
    decode_photo,
    decoding,
    encode_photo,
    photo_from_array,
    read_mark,
    read_photo,
    save_array,
    write_photo,
)
from reage.images.metadata import PNG_SIGNATURE, png_chunk

pytestmark = pytest.mark.quick

PICTURE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
DEEP = PICTURE.astype(np.uint16) * 257


def message_of(function, *arguments, **options) -> str:
    with pytest.raises(ImageError) as caught:
        function(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert "Traceback" not in message
    assert "Error" not in message
    return message


NO_PICTURES = {
    "empty.jpg": (b"", "is empty"),
    "notes.jpg": (b"Dear aunt, here is the photo.\n", "is a text file"),
    "page.jpg": (b"<!DOCTYPE html><html>", "is a web page"),
    "film.jpg": (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1mp42", "is a video: use reage video"),
    "film.png": (b"RIFF\0\0\0\0AVI LIST", "is a video: use reage video"),
    "paper.png": (b"%PDF-1.7\n", "is a PDF document"),
    "bundle.png": (b"PK\x03\x04\x14\0", "is a ZIP archive"),
    "layers.png": (b"8BPS\0\x01", "is a Photoshop document"),
    "bytes.png": (bytes(range(7)), "is not a picture"),
}


@pytest.mark.parametrize("name", NO_PICTURES)
def test_files_that_are_no_pictures(tmp_path, name):
    data, expected = NO_PICTURES[name]
    (tmp_path / name).write_bytes(data)
    message = message_of(read_photo, tmp_path / name)
    assert f"{name} {expected}" in message
    assert ("reage reads JPEG, PNG" in message) != ("use reage video" in message)
    assert message_of(read_mark, tmp_path / name) == message


def test_places_that_are_no_files(tmp_path):
    assert "none.jpg does not exist" in message_of(read_photo, tmp_path / "none.jpg")
    assert "is a folder" in message_of(read_photo, tmp_path)
    assert "cannot be read" in message_of(read_photo, "a\0b")
    assert "cannot be read" in message_of(read_photo, tmp_path / ("x" * 999))
    os.mkfifo(tmp_path / "pipe.jpg")
    assert "is a device or pipe" in message_of(read_photo, tmp_path / "pipe.jpg")


def test_forbidden_files(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff")
    monkeypatch.setattr(Path, "open", refuse)  # root may read everything, so pretend
    assert "a.jpg may not be read" in message_of(read_photo, tmp_path / "a.jpg")
    assert "b.jpg may not be written" in message_of(save_array, PICTURE, tmp_path / "b.jpg")


FORMATS = ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF", "BMP", "deep PNG", "deep TIFF", "GIF"]


def encoded(format: str) -> bytes:
    if format == "GIF":
        file = io.BytesIO()
        Image.fromarray(PICTURE).save(file, "GIF")
        return file.getvalue()
    photo = photo_from_array(DEEP if format.startswith("deep") else PICTURE)
    return encode_photo(photo, format.removeprefix("deep "), "mark")[0]


@pytest.mark.parametrize("format", FORMATS)
def test_truncated_files_are_refused(format, capfd):
    data = encoded(format)
    for share in (0.3, 0.6, 0.9):
        message = message_of(decode_photo, data[: int(len(data) * share)], "half.jpg")
        assert message.startswith(f"half.jpg is a {format.removeprefix('deep ')} file that is")
        assert "damaged or cut short" in message
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("format", FORMATS)
def test_damaged_files_are_read_or_refused(format):
    data, rng, refused = encoded(format), np.random.default_rng(1), 0
    for _ in range(40):
        broken = bytearray(data)
        for at in rng.integers(4, min(len(data), 900), 6):
            broken[at] = rng.integers(256)
        try:  # any other exception fails the test
            photo = decode_photo(bytes(broken), "x", max_pixels=100_000)
        except ImageError:
            refused += 1
        else:
            assert photo.pixels.size <= 300_000
    assert refused, "nothing was damaged that anybody reads"


def test_too_many_pixels_are_refused_before_decoding(tmp_path):
    header = (30_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    pixels = zlib.compress(b"")
    bomb = PNG_SIGNATURE + b"".join(
        png_chunk(kind, payload)
        for kind, payload in [(b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")]
    )
    (tmp_path / "bomb.png").write_bytes(bomb)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        message = message_of(read_photo, tmp_path / "bomb.png")
    assert "has 30000 x 30000 pixels, more than the 250,000,000 allowed" in message
    for format in FORMATS:
        deep = decode_photo(encoded(format), "x").pixels.dtype == np.uint16
        most = 4800 if deep else 2400  # a pixel of 16 bits takes twice the memory
        message = message_of(decode_photo, encoded(format), "x", max_pixels=most - 1)
        assert f"has 60 x 40 pixels{' of 16 bits' if deep else ''}, more than" in message
        assert decode_photo(encoded(format), "x", max_pixels=most).rgb8.shape == PICTURE.shape


def test_more_than_pillows_own_limit_is_read_without_a_warning(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    monkeypatch.setattr(decoding, "_BAND", 100)  # as there, far below the limit
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Pillow's plugins of these check it themselves, that of WebP since Pillow 13.
        for format in set(FORMATS) - {"GIF", "WEBP"}:
            assert decode_photo(encoded(format), "x").pixels.shape == PICTURE.shape
    file = io.BytesIO()
    Image.new("CMYK", (60, 40)).save(file, "TIFF")
    assert "too many pixels for a TIFF" in message_of(decode_photo, file.getvalue(), "x")


def test_tiffs_that_hold_no_finished_photo(tmp_path):
    path = tmp_path / "a.tif"
    for dtype, expected in (("f4", "floating-point"), ("u4", "32-bit"), ("i2", "16-bit")):
        tifffile.imwrite(path, PICTURE.astype(dtype), photometric="rgb")
        assert expected in message_of(read_photo, path)
    tifffile.imwrite(path, PICTURE, photometric="rgb", extratags=[(50706, 1, 4, b"\1\4\0\0", True)])
    assert "is the raw file of a camera" in message_of(read_photo, path)


@pytest.mark.parametrize("head", [b"\0\0\0\x18ftypcrx ", b"FUJIFILMCCD-RAW 0201", b"IIRO\x08\0"])
def test_raw_files_that_are_no_tiff(tmp_path: Path, head: bytes):
    """Canon's CR3 was called a video."""
    (tmp_path / "a.cr3").write_bytes(head + bytes(200))
    said = message_of(read_photo, tmp_path / "a.cr3")
    assert "is the raw file of a camera: save it as an ordinary JPEG" in said


def test_a_jpeg_of_twelve_bits_is_not_called_damaged(tmp_path: Path):
    Image.new("RGB", (32, 32)).save(tmp_path / "a.jpg")
    data = bytearray((tmp_path / "a.jpg").read_bytes())
    data[data.index(b"\xff\xc0") + 4] = 12
    (tmp_path / "a.jpg").write_bytes(data)
    assert "more than 8 bits a sample: save it" in message_of(read_photo, tmp_path / "a.jpg")


def test_bad_targets(tmp_path):
    photo = photo_from_array(PICTURE)
    for name, expected in (
        ("a", "has no suffix that reage writes: choose one of .jpg"),
        ("a.mp4", "has no suffix that reage writes"),
        ("none/a.png", "does not exist: create it first"),
    ):
        assert expected in message_of(write_photo, photo, tmp_path / name, mark=None)
    (tmp_path / "folder.png").mkdir()
    assert "is a folder" in message_of(check_target, tmp_path / "folder.png", overwrite=True)
    wide = photo_from_array(np.zeros((1, 20_000, 3), np.uint8))
    message = message_of(write_photo, wide, tmp_path / "wide.webp", mark=None)
    assert "wide.webp: 20000 x 1 pixels cannot be written as WEBP" in message
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


def test_existing_files_are_kept_unless_asked(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"mine")
    path.chmod(0o640)
    message = message_of(save_array, PICTURE, path)
    assert "a.png exists already: choose another name, or use --overwrite" in message
    assert path.read_bytes() == b"mine"
    save_array(PICTURE, path, overwrite=True)
    assert np.array_equal(read_photo(path).pixels, PICTURE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_links_stay_links(tmp_path):
    (tmp_path / "real.png").write_bytes(b"old")
    (tmp_path / "link.png").symlink_to(tmp_path / "real.png")
    save_array(PICTURE, tmp_path / "link.png", overwrite=True)
    assert (tmp_path / "link.png").is_symlink()
    assert np.array_equal(read_photo(tmp_path / "real.png").pixels, PICTURE)


FULL_DISK = """
import resource, signal, sys
import numpy as np
from reage.errors import ImageError
from reage.images import save_array
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    save_array(np.random.default_rng(0).integers(0, 256, (99, 99, 3), np.uint8), sys.argv[1],
               overwrite=True)
except ImageError as error:
    sys.stderr.write(str(error))
"""


def test_a_full_disk_harms_nothing(tmp_path):
    (tmp_path / "a.png").write_bytes(b"old")
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "a.png")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert "a.png cannot be written (File too large): it was left as it was" in said
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.png", b"old")]


def test_an_interrupt_leaves_no_file(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_array(PICTURE, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_formats_that_cannot_be_written_get_a_neighbour(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    written = save_array(PICTURE, tmp_path / "a.heic", mark="mark")
    assert written.path == tmp_path / "a.jpg"
    assert 'pip install ".[heic]"' in written.notices[0]
    assert read_mark(tmp_path / "a.jpg") == "mark"
    assert "a.jpg exists already" in message_of(check_target, tmp_path / "a.heic")
    assert save_array(PICTURE, tmp_path / "b.gif").path == tmp_path / "b.png"


def test_heic_is_read_without_the_encoder(tmp_path, monkeypatch):
    save_array(PICTURE, tmp_path / "a.heic")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert read_photo(tmp_path / "a.heic").pixels.shape == PICTURE.shape


def test_nothing_heavy_is_imported_at_start():
    code = (
        "import sys, reage.images; "
        "sys.exit(any(m in sys.modules for m in "
        "('torch', 'tifffile', 'pi_heif', 'pillow_heif')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_exif_too_long_for_a_jpeg_is_left_out(tmp_path):
    photo = Photo(PICTURE, exif=b"Exif\0\0MM\0*\0\0\0\x08" + bytes(70_000), xmp=None)
    written = write_photo(photo, tmp_path / "a.jpg", mark=None)
    assert written.notices == ("a.jpg: the EXIF data is too long for a JPEG: left out",)
