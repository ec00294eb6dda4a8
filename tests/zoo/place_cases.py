"""Odd pictures, places in the file system, ZIPs, lists and unfinished work."""

from __future__ import annotations

import io
import os
import random
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from ground import Ground
from parts import DEEP, LONG, file_case, zip_of
from PIL import Image
from runner import Case

__all__ = ["cases"]

FORMATS = {
    "png": {},
    "jpg": {},
    "webp": {"quality": 90},
    "tif": {},
    "gif": {},
    "bmp": {},
    "avif": {},
}


def cases(ground: Ground) -> Iterator[Case]:
    yield from _damaged_pictures(ground)
    yield from _odd_pictures(ground)
    yield from _places(ground)
    yield from _archives(ground)
    yield from _lists(ground)
    yield from _journals(ground)


def _damaged_pictures(ground: Ground) -> Iterator[Case]:
    """Cut and flipped pictures of each format."""
    for suffix, options in FORMATS.items():
        buffer = io.BytesIO()
        with Image.open(ground.photo) as picture:
            kind = {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper())
            picture.save(buffer, kind, **options)
        sound, rng = buffer.getvalue(), random.Random(suffix)
        argv = ("age", f"a.{suffix}")
        yield file_case("pictures", f"{suffix} sound", f"a.{suffix}", sound, *argv, expect="fine")
        for number in range(8):
            data = bytearray(sound)
            for _ in range(1 + number):
                place = rng.randrange(min(len(data), 600) if number % 2 else len(data))
                data[place] ^= 1 << rng.randrange(8)
            name = f"{suffix} flipped {number}"
            yield file_case("pictures", name, f"a.{suffix}", bytes(data), *argv, expect="any")
        for number, share in enumerate((0.0, 0.001, 0.02, 0.3, 0.9)):
            data = sound[: int(share * len(sound))]
            yield file_case(
                "pictures",
                f"{suffix} cut {number}",
                f"a.{suffix}",
                data,
                *argv,
                expect="any" if share > 0.02 else "refused",
            )


def _png(width: int, height: int, depth: int = 8, kind: int = 2, rows: bytes = b"") -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def _zeros(count: int) -> bytes:
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(1 << 20)) for _ in range((count >> 20) + 1)]
    return b"".join([*parts, packer.flush()])


def _odd_pictures(ground: Ground) -> Iterator[Case]:
    """Pictures that are none, and pictures that claim or hold too much."""
    texts = [
        b"",
        b"\x00",
        b"hello",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        b"GIF89a",
        b"\xff\xd8\xff",
        b"RIFF\xff\xff\xff\xffWEBP",
        b"II*\x00\x08\x00\x00\x00",
        b"BM" + bytes(50),
        b"\x00\x00\x00\x18ftypheic",
        b"P6 99999999 99999999 255\n",
        b"\x89PNG\r\n\x1a\n",
        b"MM\x00+",
        b"II+\x00\x08\x00\x00\x00" + bytes(8),
        b"8BPS\x00\x01",
        b"\x76\x2f\x31\x01",
        os.urandom(0) + b"\x1f\x8b\x08",
    ]
    for number, data in enumerate(texts):
        for suffix in ("jpg", "png", "tif"):
            if (number + len(suffix)) % 2 or number < 4:
                yield file_case(
                    "pictures", f"text {number} {suffix}", f"a.{suffix}", data, "age", f"a.{suffix}"
                )
    sizes = [
        (0, 5),
        (5, 0),
        (2**31 - 1, 2**31 - 1),
        (60_000, 60_000),
        (1, 10**8),
        (10**6, 300),
        (2**32 - 1, 1),
    ]
    for number, (width, height) in enumerate(sizes):
        yield file_case("pictures", f"size {number}", "a.png", _png(width, height), "age", "a.png")
    bombs = [
        (15_000, 15_000, 16, 2),
        (15_800, 15_800, 8, 2),
        (30_000, 30_000, 1, 0),
        (15_000, 15_000, 16, 6),
    ]
    for number, (width, height, depth, kind) in enumerate(bombs):
        wide = 1 + -(-width * depth * {0: 1, 2: 3, 6: 4}[kind] // 8)
        yield file_case(
            "pictures",
            f"bomb {number}",
            "a.png",
            lambda w=width, h=height, d=depth, k=kind, n=wide: _png(w, h, d, k, _zeros(n * h)),
            "age",
            "a.png",
        )
    modes = ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "I", "F", "YCbCr", "LAB"]
    for number, mode in enumerate(modes):
        suffix = "tif" if mode in ("CMYK", "F", "YCbCr", "LAB") else "png"
        yield file_case(
            "pictures",
            f"mode {number}",
            f"a.{suffix}",
            lambda m=mode, s=suffix: _in_mode(ground, m, s),
            "age",
            f"a.{suffix}",
            expect="any",
        )
    exifs = [
        b"Exif\x00\x00",
        b"Exif\x00\x00MM\x00*",
        b"Exif\x00\x00II*\x00\xff\xff\xff\xff",
        b"Exif\x00\x00" + b"\xff" * 900,
        b"",
        b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff" + bytes(30),
    ]
    for number, exif in enumerate(exifs):
        yield file_case(
            "pictures",
            f"exif {number}",
            "a.jpg",
            lambda e=exif: _with_exif(ground, e),
            "edit",
            "a.jpg",
            "--to=60",
            "-o",
            "out",
            expect="any",
        )
    for number, size in enumerate([(1, 1), (1, 4000), (4000, 1), (16, 16), (7, 9000)]):
        yield file_case(
            "pictures", f"small {number}", "a.png", lambda s=size: _plain(s), "age", "a.png"
        )


def _in_mode(ground: Ground, mode: str, suffix: str) -> bytes:
    buffer = io.BytesIO()
    with Image.open(ground.photo) as picture:
        made = (
            picture.convert("I").convert(mode) if mode in ("I;16", "F") else picture.convert(mode)
        )
        made.save(buffer, {"tif": "TIFF", "png": "PNG"}[suffix])
    return buffer.getvalue()


def _with_exif(ground: Ground, exif: bytes) -> bytes:
    buffer = io.BytesIO()
    with Image.open(ground.photo) as picture:
        picture.save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def _plain(size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (90, 80, 70)).save(buffer, "PNG")
    return buffer.getvalue()


def _places(ground: Ground) -> Iterator[Case]:
    """Links, pipes, devices, folders for files and files for folders."""

    def link(target: str) -> Callable[[Path], None]:
        return lambda folder: (folder / "x").symlink_to(target)

    def pipe(folder: Path) -> None:
        os.mkfifo(folder / "x")

    states: dict[str, Callable[[Path], None]] = {
        "loop": link("x"),
        "dangling": link("nothing"),
        "zero": link("/dev/zero"),
        "random": link("/dev/urandom"),
        "full": link("/dev/full"),
        "null": link("/dev/null"),
        "pipe": pipe,
        "folder": lambda f: (f / "x").mkdir(),
        "missing": lambda f: None,
        "memory": link("/proc/self/mem"),
        "root": link("/"),
        "sparse": lambda f: os.truncate(_touch(f / "x"), 9 << 30),
    }
    edit = ("edit", str(ground.photo), "--to=60", "-o", "out")
    for state, make in states.items():
        for name, argv in {
            "photo": ("edit", "x", "--to=60", "-o", "out"),
            "age": ("age", "x"),
            "model": (*edit, "--model=x"),
            "direction": (*edit, "--direction=x"),
            "latent": ("edit", "--latent=x", "--to=60", "-o", "out"),
            "inspect": ("models", "inspect", "x"),
            "list": ("batch", ".", "out/b", "--to=60", "--list=x", "--workers=1"),
            "batch": ("batch", "x", "out/b", "--to=60", "--workers=1"),
            "tuned": (*edit, "--paste=replace", "--tuned=x"),
            "lpips": (*edit, "--paste=replace", "--lpips=x"),
        }.items():
            if (state, name) != ("root", "batch"):
                yield Case("places", f"{state} {name}", argv, make)
    for number, output in enumerate(
        ["x/y", "x", "/proc/x", "/dev/null/x", "/dev/full", "y" * 300, "x\ny/z"]
    ):
        argv = ("edit", str(ground.photo), "--to=60", "-o", output)
        if number not in (5, 6):
            yield Case(
                "places",
                f"output {number}",
                argv,
                lambda folder: (folder / "x").write_text("a file"),
            )
        yield Case(
            "places",
            f"page {number}",
            ("strip", str(ground.photo), "--to=60", "-o", f"{output}/a.png"),
            lambda folder: (folder / "x").write_text("a file"),
        )


def _touch(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def _batch(name: str, data: Callable[[], bytes] | bytes, expect: str = "refused") -> Case:
    argv = ("batch", "a.zip", "out/b", "--to=60", "--workers=1")
    found = file_case("ZIPs and lists", name, "a.zip", data, *argv, expect=expect)
    return replace(found, many=True)


def _archives(ground: Ground) -> Iterator[Case]:
    photo = ground.data(ground.photo)
    sound = zip_of({"a.png": photo})
    yield _batch("sound", sound, "fine")
    for number, length in enumerate((0, 4, 60, len(sound) - 1)):
        yield _batch(f"cut {number}", sound[:length])
    methods = {
        "deflate": zipfile.ZIP_DEFLATED,
        "bzip2": zipfile.ZIP_BZIP2,
        "lzma": zipfile.ZIP_LZMA,
    }
    for name, method in methods.items():
        packed = zip_of({"a.png": photo}, method)
        rng = random.Random(name)
        for number in range(5):
            data = bytearray(packed)
            for _ in range(3):
                data[rng.randrange(40, len(data) - 120)] ^= 1 << rng.randrange(8)
            yield _batch(f"{name} flipped {number}", bytes(data), "any")
    names = [
        "../a.png",
        "/etc/a.png",
        "..\\a.png",
        "a/../../b.png",
        "\ud800.png",
        "con.png",
        "a\nb.png",
        "a" * 250 + ".png",
        "-rf.png",
        "%s%n.png",
        "~/a.png",
        "a.png/b.png",
        " .png",
        ".png",
        "a\u202egnp.exe",
    ]
    for number, name in enumerate(names):
        yield _batch(f"name {number}", lambda n=name: _named(n, photo), "any")
    yield _batch("encrypted", _flag(sound, 6, 8, 1))
    yield _batch("odd method", _flag(sound, 8, 10, 99))
    yield _batch("inside itself", zip_of({"a.zip": sound}))
    yield _batch("texts", zip_of({f"{n}.jpg": b"hello" for n in range(30)}))
    yield _batch("claims much", _claims(sound))
    yield _batch("no text", sound.replace(b"a.png", b"\xff.png"), "any")
    yield _batch("twice", _twice(photo), "any")


def _named(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("x")
        info.filename = name.encode("utf-8", "replace").decode()
        archive.writestr(info, data)
    return buffer.getvalue()


def _twice(data: bytes) -> bytes:
    return zip_of({"a.png": data, "b.png": data}).replace(b"b.png", b"a.png")


def _flag(data: bytes, local: int, central: int, value: int) -> bytes:
    changed = bytearray(data)
    changed[local] = value
    changed[changed.rindex(b"PK\x01\x02") + central] = value
    return bytes(changed)


def _claims(data: bytes) -> bytes:
    changed = bytearray(data)
    at = changed.rindex(b"PK\x01\x02")
    changed[at + 24 : at + 28] = struct.pack("<I", 2**32 - 2)
    return bytes(changed)


def _lists(ground: Ground) -> Iterator[Case]:
    lines = [
        b"",
        b"\n" * 1000,
        b"\x00",
        b"\xff\xfe",
        b".",
        b"..",
        b"/",
        b"#",
        b"a\x00b.png",
        b"a.png\x00",
        b"\xef\xbb\xbf",
        b"nothing.png",
        b"../ground/photo.png",
        b"a" * 100_000,
        b"./a.png/",
        b"\r",
        LONG.encode(),
        DEEP.encode()[:9999],
        b"a.png\n" * 10_000 + b"\xff",
        b"~/a.png",
        b"a/./b/../c.png",
    ]
    for number, text in enumerate(lines):

        def make(folder: Path, text: bytes = text) -> None:
            (folder / "list.txt").write_bytes(text)
            (folder / "photos").mkdir()
            (folder / "photos" / "a.png").write_bytes(ground.data(ground.photo))

        argv = ("batch", "photos", "out/b", "--to=60", "--list=list.txt", "--workers=1")
        yield Case(
            "ZIPs and lists",
            f"list {number}",
            argv,
            make,
            "any" if number in (14, 18) else "refused",
            True,
        )


def _journals(ground: Ground) -> Iterator[Case]:
    """Work that was begun and whose journal is odd."""
    values = [
        "",
        "{",
        "null",
        "[]",
        "5",
        '"x"',
        "{}",
        '{"ages": 1e999}',
        DEEP[:50_000],
        LONG,
        '{"faces": [[]]}',
        "\x00",
    ]
    for number, value in enumerate(values):

        def make(folder: Path, value: str = value) -> None:
            (folder / "photos").mkdir()
            (folder / "photos" / "a.png").write_bytes(ground.data(ground.photo))
            work = folder / "b" / ".reage-batch"
            work.mkdir(parents=True)
            with sqlite3.connect(work / "journal.sqlite") as db:
                db.execute("CREATE TABLE records (key BLOB PRIMARY KEY, value TEXT NOT NULL)")
                db.execute("INSERT INTO records VALUES (?, ?)", (b"a.png", value))
            db.close()

        argv = ("batch", "photos", "b", "--to=60", "--workers=1")
        yield Case("journals", f"record {number}", argv, make, "any", True)

        def spoil(folder: Path, value: str = value) -> None:
            make(folder)
            (folder / "b" / ".reage-batch" / "options.json").write_text(value)

        yield Case("journals", f"options {number}", argv, spoil, "any", True)
