"""Pictures keep what they hold: pixels, depth, transparency, profiles and EXIF."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageCms

from reage.errors import ImageError
from reage.images import (
    Photo,
    photo_from_array,
    read_mark,
    read_photo,
    save_array,
    to_array,
    to_depth,
    to_tensor,
    write_photo,
)
from reage.images.deep_png import decode_deep_png, encode_deep_png
from reage.images.metadata import PNG_SIGNATURE, png_chunk

pytestmark = pytest.mark.quick

MARK = "Re-aged by reage 0.1.0: 30 -> 70 years (synthetic)"
XMP = b'<rdf:RDF><rdf:Description pets:Name="Rex"/></rdf:RDF>'
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY_ICC = SRGB[:16] + b"GRAY" + SRGB[20:]


def noise(*shape: int, dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    """Random samples, so that no channel, row or bit can be lost unseen."""
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, shape, dtype=dtype, endpoint=True)


def smooth(height: int = 48, width: int = 64) -> np.ndarray:
    """A picture that lossy formats keep within a few levels."""
    y, x = np.mgrid[:height, :width]
    return np.dstack([x * 3, y * 4, 200 - x - y]).astype(np.uint8)


def exif_bytes(orientation: int = 1, endian: str = ">") -> bytes:
    exif = Image.Exif()
    exif.endian = endian
    exif[0x0112] = orientation
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8769).update({0xA002: 64, 0xA003: 48, 0x9003: "2020:01:02 03:04:05"})
    return exif.tobytes()


def exif_of(photo: Photo) -> Image.Exif:
    exif = Image.Exif()
    exif.load(photo.exif)
    return exif


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("with_alpha", [False, True])
@pytest.mark.parametrize("endian", ["<", ">"])
def test_lossless_formats_return_what_was_written(tmp_path, suffix, dtype, with_alpha, endian):
    alpha = noise(37, 53, dtype=dtype, seed=1) if with_alpha else None
    exif = exif_bytes(endian=endian)
    photo = Photo(noise(37, 53, 3, dtype=dtype), alpha, exif=exif, icc_profile=SRGB)
    written = write_photo(photo, tmp_path / f"a.{suffix}", mark=None)
    assert written.notices == ()
    again = read_photo(written.path)
    assert again.pixels.dtype == dtype
    assert np.array_equal(again.pixels, photo.pixels)
    assert (again.alpha is None) == (alpha is None)
    assert alpha is None or np.array_equal(again.alpha, alpha)
    assert again.icc_profile == SRGB
    assert exif_of(again)[0x010F] == "Maker"
    assert exif_of(again).get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"


def test_bmp_returns_what_was_written_and_admits_to_hold_no_mark(tmp_path):
    written = save_array(noise(7, 5, 3), tmp_path / "a.bmp", mark=MARK)
    assert np.array_equal(read_photo(written.path).pixels, noise(7, 5, 3))
    assert "does not say that it is synthetic" in written.notices[0]


def test_lossless_webp_stays_lossless(tmp_path):
    rgba = noise(30, 40, 4)
    Image.fromarray(rgba).save(tmp_path / "a.webp", lossless=True, exact=True)
    photo = read_photo(tmp_path / "a.webp")
    assert photo.lossless
    write_photo(photo, tmp_path / "b.webp", mark=MARK)
    again = read_photo(tmp_path / "b.webp")
    assert np.array_equal(again.pixels, rgba[..., :3])
    assert np.array_equal(again.alpha, rgba[..., 3])


@pytest.mark.parametrize("suffix", ["jpg", "webp", "avif", "heic"])
def test_lossy_formats_keep_pixels_nearly_and_metadata_exactly(tmp_path, suffix):
    photo = Photo(smooth(), exif=exif_bytes(), icc_profile=SRGB, xmp=XMP)
    written = write_photo(photo, tmp_path / f"a.{suffix}", mark=None)
    again = read_photo(written.path)
    assert written.path.suffix == f".{suffix}"
    assert np.abs(again.pixels.astype(int) - photo.pixels).mean() < 2
    assert again.icc_profile == SRGB
    assert exif_of(again)[0x010F] == "Maker"
    assert b'pets:Name="Rex"' in again.xmp


def test_libtiff_and_tifffile_read_our_tiff(tmp_path):
    pixels = noise(600, 700, 3, dtype=np.uint16)  # several strips
    save_array(pixels, tmp_path / "a.tif")
    assert np.array_equal(tifffile.imread(tmp_path / "a.tif"), pixels)
    save_array(to_depth(pixels, np.uint8), tmp_path / "b.tif")
    with Image.open(tmp_path / "b.tif") as image:
        assert np.array_equal(np.asarray(image), to_depth(pixels, np.uint8))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "deep.png", "deep.tif", "webp"])
def test_every_orientation_becomes_upright(tmp_path, suffix, orientation):
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :16] = (250, 0, 0)  # each corner differs
    upright[16:, :16] = (0, 250, 0)
    upright[:16, 32:] = (0, 0, 250)
    backwards = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}[orientation]
    stored = np.asarray(turned(upright, backwards))
    path = tmp_path / f"a.{suffix}"
    if suffix == "deep.tif":
        extra = [(274, 3, 1, orientation, True)]
        tifffile.imwrite(path, to_depth(stored, np.uint16), photometric="rgb", extratags=extra)
    elif suffix == "deep.png":
        exif = exif_bytes(orientation)
        write_photo(Photo(to_depth(stored, np.uint16), exif=exif), path, mark=None)
    else:
        Image.fromarray(stored).save(path, exif=exif_bytes(orientation), quality=95)
    photo = read_photo(path)
    assert photo.pixels.shape == upright.shape
    assert np.abs(photo.rgb8.astype(int) - upright).mean() < 3
    assert exif_of(photo).get(0x0112, 1) == 1
    if suffix in ("jpg", "png", "webp"):
        sizes = exif_of(photo).get_ifd(0x8769)
        assert (sizes[0xA002], sizes[0xA003]) == ((48, 64) if orientation > 4 else (64, 48))


def turned(array: np.ndarray, orientation: int) -> Image.Image:
    methods = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    image = Image.fromarray(array)
    return image.transpose(methods[orientation]) if orientation in methods else image


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "webp", "heic", "avif", "bmp"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_stays_grey(tmp_path, suffix, dtype):
    grey = smooth()[..., 0].astype(dtype) * (257 if dtype == np.uint16 else 1)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    photo = read_photo(tmp_path / "grey.png")
    assert photo.mode == ("L" if dtype == np.uint8 else "I;16")
    assert np.array_equal(photo.pixels, np.dstack([grey] * 3))
    tinted = photo.with_pixels(np.dstack([grey, grey, grey // 2]))
    for name, source in (("same", photo), ("tinted", tinted)):
        written = write_photo(source, tmp_path / f"{name}.{suffix}", mark=MARK)
        again = read_photo(written.path)
        assert np.ptp(again.pixels.astype(int), axis=2).max() <= 1
    if suffix in ("png", "tif"):
        again = read_photo(tmp_path / f"same.{suffix}")
        assert again.mode == photo.mode
        assert np.array_equal(again.pixels, photo.pixels)


def test_grey_profile_goes_into_grey_files_only(tmp_path):
    photo = Photo(np.dstack([smooth()[..., 0]] * 3), mode="L", icc_profile=GREY_ICC)
    for suffix, kept in (("png", GREY_ICC), ("jpg", GREY_ICC), ("webp", None)):
        write_photo(photo, tmp_path / f"a.{suffix}", mark=None)
        assert read_photo(tmp_path / f"a.{suffix}").icc_profile == kept


def constant_cmyk_profile() -> bytes:
    """A profile that calls every mixture of inks middle grey, to see that it is used."""
    identity = struct.pack(">9l", *(65536 if i % 4 == 0 else 0 for i in range(9)))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity
    lut += bytes(range(256)) * 4 + bytes([128]) * 16 * 3 + bytes(range(256)) * 3
    size = 128 + 4 + 12 + len(lut)
    header = struct.pack(">L4sL4s4s4s12x4s", size, b"test", 0x02400000, b"prtr", b"CMYK", b"Lab ",
                         b"acsp")  # fmt: skip
    return header.ljust(128, b"\0") + struct.pack(">L4sLL", 1, b"A2B0", 144, len(lut)) + lut


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_becomes_rgb(tmp_path, suffix):
    inks = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # magenta and yellow: red
    inks.save(tmp_path / f"plain.{suffix}")
    inks.save(tmp_path / f"profiled.{suffix}", icc_profile=constant_cmyk_profile())
    photo = read_photo(tmp_path / f"plain.{suffix}")
    assert np.abs(photo.pixels[8, 8].astype(int) - (255, 0, 0)).max() < 6
    assert photo.notices == (f"plain.{suffix}: CMYK, written as RGB",)
    photo = read_photo(tmp_path / f"profiled.{suffix}")
    assert np.abs(photo.pixels[8, 8].astype(int) - (119, 119, 119)).max() < 4
    assert photo.icc_profile is None
    write_photo(photo, tmp_path / "b.jpg", mark=None)
    assert read_photo(tmp_path / "b.jpg").mode == "RGB"


def test_deep_cmyk_says_that_it_becomes_8_bits(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    inks = noise(16, 16, 4, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", inks, photometric="separated")
    assert read_photo(tmp_path / "a.tif").notices == (
        "a.tif: CMYK, written as RGB",
        "a.tif: 16 bits a colour, read as 8",
    )


def test_palette_transparency_and_single_bits(tmp_path):
    palette = Image.fromarray(smooth()).quantize(16)
    palette.save(tmp_path / "p.png", transparency=0)
    photo = read_photo(tmp_path / "p.png")
    assert (photo.mode, photo.alpha.min(), photo.alpha.max()) == ("P", 0, 255)
    assert photo.notices == ("p.png: a palette, written in full colours",)
    Image.fromarray(noise(20, 20, 2)).save(tmp_path / "la.png")
    assert read_photo(tmp_path / "la.png").alpha is not None
    Image.fromarray(noise(20, 20) > 127).save(tmp_path / "bits.png")
    photo = read_photo(tmp_path / "bits.png")
    assert set(np.unique(photo.pixels)) == {0, 255}
    write_photo(photo, tmp_path / "bits2.png", mark=None)
    assert read_photo(tmp_path / "bits2.png").mode == "L"


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_only_the_first_frame_is_used(tmp_path, suffix):
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "green", "blue")]
    path = tmp_path / f"a.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    photo = read_photo(path)
    assert np.abs(photo.pixels[5, 5].astype(int) - (255, 0, 0)).max() < 4
    assert "only the first" in photo.notices[0]
    assert "3" in photo.notices[0]


def test_phone_jpeg_with_several_pictures_is_a_jpeg(tmp_path):
    first = Image.fromarray(smooth())
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[first])
    photo = read_photo(tmp_path / "a.jpg")
    assert photo.format == "JPEG"
    assert photo.notices == ("a.jpg: 1 thing left out: another picture",)


def test_deep_tiff_variants(tmp_path):
    planes = noise(3, 20, 30, dtype=np.uint16)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, planes, photometric="rgb", planarconfig="separate")
    assert np.array_equal(read_photo(path).pixels, np.moveaxis(planes, 0, -1))
    tifffile.imwrite(path, planes[0], photometric="miniswhite", compression="zlib")
    assert np.array_equal(read_photo(path).pixels[..., 1], 65535 - planes[0])
    half = np.full((4, 4, 4), 20000, np.uint16)
    tifffile.imwrite(path, half, photometric="rgb", extrasamples=["assocalpha"])
    assert read_photo(path).pixels.min() == 65535
    tifffile.imwrite(path, half, photometric="rgb", extrasamples=["unspecified"])
    assert read_photo(path).alpha is None


def test_tiffs_packed_by_other_programs(tmp_path, capfd):
    """LZW and Zstandard in strips, tiles and planes, with and without differences."""
    path = tmp_path / "a.tif"
    with np.load(Path(__file__).parent / "golden_tiffs.npz") as golden:
        names = [name for name in golden if not name.endswith("pixels")]
        assert len(names) == 12
        for name in names:
            path.write_bytes(golden[name].tobytes())
            photo, wanted = read_photo(path), golden[f"{name} pixels"]
            found = photo.pixels if photo.alpha is None else np.dstack([photo.pixels, photo.alpha])
            assert np.array_equal(found, wanted), name
            path.write_bytes(golden[name].tobytes()[: len(golden[name]) // 2])
            with pytest.raises(ImageError, match="damaged"):
                read_photo(path)
    assert capfd.readouterr().err == ""  # libtiff says nothing on the terminal


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("interlaced", [False, True])
def test_deep_png_by_the_specification(channels: int, interlaced: bool):
    """Every filter in turn, undone by the specification's own sums."""
    samples = noise(21, 13, channels, dtype=np.uint16)
    data = written_by_the_book(samples, interlaced)
    assert np.array_equal(decode_deep_png(data).reshape(samples.shape), samples)
    again = encode_deep_png(samples if channels > 1 else samples[..., 0])
    assert np.array_equal(decode_deep_png(again).reshape(samples.shape), samples)
    with Image.open(io.BytesIO(again)) as image:  # Pillow keeps the high bytes, or grey as it is
        shown = np.asarray(image)[..., :channels] if channels > 2 else np.asarray(image)
    if channels != 2:  # of which it makes RGBA
        wanted = samples[..., 0] if channels == 1 else samples >> 8
        assert np.array_equal(shown, wanted)


def written_by_the_book(samples: np.ndarray, interlaced: bool) -> bytes:
    """A 16-bit PNG whose lines have the filters 0 to 4 in turn, byte by byte."""
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4)]
        passes += [(1, 0, 2, 2), (0, 1, 1, 2)]
    height, width, channels = samples.shape
    lines, size = b"", 2 * channels
    for x0, y0, dx, dy in passes:
        part = samples[y0::dy, x0::dx]
        above = [0] * (size + part.shape[1] * size)
        for number, line in enumerate(part):
            plain = [0] * size + list(line.astype(">u2").tobytes())
            lines += bytes([number % 5]) + bytes(
                (plain[i] - predicted(number % 5, plain[i - size], above[i], above[i - size])) % 256
                for i in range(size, len(plain))
            )
            above = plain
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">LL5B", width, height, 16, kind, 0, 0, interlaced)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return PNG_SIGNATURE + b"".join(png_chunk(*chunk) for chunk in chunks)


def predicted(kind: int, left: int, up: int, corner: int) -> int:
    if kind == 4:
        guess = left + up - corner
        return min((left, up, corner), key=lambda value: abs(guess - value))
    return (0, left, up, (left + up) // 2)[kind]


def test_what_a_format_cannot_hold_is_said(tmp_path):
    photo = Photo(noise(8, 8, 3, dtype=np.uint16), alpha=np.zeros((8, 8), np.uint16))
    written = write_photo(photo, tmp_path / "a.jpg", mark=None)
    assert [n.split(": ", 1)[1] for n in written.notices] == [
        "JPEG files are written in 8 bit: reduced from 16",
        "JPEG holds no transparency: written on white",
    ]
    assert read_photo(tmp_path / "a.jpg").pixels.min() == 255


def test_depths_convert_exactly():
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(to_depth(to_depth(levels, np.uint16), np.uint8), levels)
    deep = np.arange(65536, dtype=np.uint16)
    assert np.array_equal(to_depth(deep, np.uint8), np.round(deep / 257).astype(np.uint8))


def test_tensors_round_trip_all_values():
    array = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    array.flags.writeable = False
    tensor = to_tensor(array)
    assert (tuple(tensor.shape), tensor.dtype) == ((1, 3, 16, 16), torch.float32)
    assert (tensor.min(), tensor.max()) == (-1, 1)
    assert np.array_equal(to_array(tensor)[0], array)
    assert np.array_equal(to_array(to_tensor(np.stack([array, array[::-1]])))[1], array[::-1])
    assert to_array(torch.tensor([-9.0, 0.0, 9.0]).reshape(1, 3, 1, 1)).ravel().tolist() == [
        0,
        128,
        255,
    ]


def test_photo_from_array_and_path(tmp_path):
    written = save_array(smooth(), tmp_path / "a.png", mark=MARK)
    assert written.path == tmp_path / "a.png"
    photo = read_photo(str(written.path))
    assert photo.path == Path(written.path)
    assert np.array_equal(photo.rgb8, photo_from_array(smooth()).rgb8)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_big_tiffs_are_tiffs(tmp_path, order, dtype):
    """Pillow reads no directory of theirs: they were called damaged."""
    pixels, path = noise(20, 30, 3, dtype=dtype), tmp_path / "a.tif"
    options = {"bigtiff": True, "byteorder": order, "photometric": "rgb", "description": "Ada"}
    tifffile.imwrite(path, pixels, compression="zlib", **options)
    photo = read_photo(path)
    assert np.array_equal(photo.pixels, pixels)
    write_photo(photo, tmp_path / "b.tif", mark=None)
    assert np.array_equal(read_photo(tmp_path / "b.tif").pixels, pixels)
    assert b"Ada" in (photo.exif or b"")
    assert read_mark(path) is None
    tifffile.imwrite(path, pixels[..., 0] > 9, bigtiff=True, byteorder=order)
    with pytest.raises(ImageError, match="BigTIFF of a rare kind"):
        read_photo(path)


@pytest.mark.parametrize("block", [1, 100, 301, 1 << 22])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_deep_png_in_bands_is_the_same(monkeypatch, channels: int, block: int):
    """Each line refers to the one above, also from one band to the next."""
    samples = noise(13, 20, channels, dtype=np.uint16)
    data = encode_deep_png(samples if channels > 1 else samples[..., 0])
    monkeypatch.setattr("reage.images.deep_png._BLOCK", block)
    monkeypatch.setattr("reage.images.deep_png._PIECE", 7)
    found = decode_deep_png(data)
    assert np.array_equal(found.reshape(samples.shape), samples)
    with pytest.raises(ValueError, match="missing"):
        decode_deep_png(data[:24] + data[24:].replace(b"IDAT", b"IDAX"))
