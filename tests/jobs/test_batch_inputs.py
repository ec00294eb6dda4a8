"""What a batch takes from folders, ZIPs and lists, and what it says that it leaves out."""

from __future__ import annotations

import io
import json
import os
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from made import Command
from reage.errors import ImageError, UsageError
from reage.images import photo_from_array, write_photo
from reage.jobs.batch.inputs import find_items, with_outputs
from reage.jobs.batch.journal import FOLDER
from reage.jobs.batch.task import BatchTask, Done, Item
from reage.jobs.batch.work import Worker

pytestmark = pytest.mark.quick

MP4 = b"\0\0\0\x18ftypmp42" + bytes(100)


def picture(path: Path, kind: str = "JPEG") -> None:
    Image.new("RGB", (8, 8), "red").save(path, kind)


def packed(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder as people have them."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    picture(folder / "a.jpg")
    picture(folder / "IMG_0001")
    picture(folder / "scan.dat", "PNG")
    (folder / "film").write_bytes(MP4)
    (folder / "sub" / "film.mov").write_bytes(MP4)
    (folder / "notes.txt").write_text("hello")
    (folder / ".hidden.jpg").write_text("hello")
    packed(folder / "more.zip", **{"b.jpg": b"x"})
    (folder / "linked").symlink_to(tmp_path, target_is_directory=True)
    return folder


LEFT_OUT = (
    "6 files left out: 1 ZIP in it (extract first), 1 hidden, 1 linked folder, 1 of other kinds, "
    "2 videos (see reage video)"
)


def test_photos_are_known_by_their_first_bytes_and_the_rest_is_counted(mixed: Path):
    found = find_items(str(mixed))
    assert [item.key for item in found.items] == ["IMG_0001", "a.jpg", "scan.dat"]
    assert found.notice == LEFT_OUT
    outputs = [item.outputs for item in with_outputs(found.items, ["age30"])]
    assert outputs == [("IMG_0001-age30.jpg",), ("a-age30.jpg",), ("scan-age30.png",)]


def test_a_zip_tells_the_same(mixed: Path, tmp_path: Path):
    archive = packed(
        tmp_path / "in.zip",
        **{f.name: f.read_bytes() for f in sorted(mixed.iterdir()) if f.is_file()},
    )
    found = find_items(str(archive))
    assert [item.key for item in found.items] == ["IMG_0001", "a.jpg", "scan.dat"]
    assert found.notice == LEFT_OUT.replace("6 files", "4 files").replace(
        "1 linked folder, ", ""
    ).replace("2 videos", "1 video")


def test_a_folder_without_photos_says_what_is_there(tmp_path: Path):
    (tmp_path / "film.mp4").write_bytes(MP4)
    with pytest.raises(ImageError, match="1 file left out: 1 video"):
        find_items(str(tmp_path))


def test_pipes_end_nothing_and_hang_nothing(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    picture(tmp_path / "a.jpg")
    with pytest.raises(ImageError, match="device or pipe"):
        find_items(str(tmp_path), tmp_path / "pipe")
    assert [item.key for item in find_items(str(tmp_path)).items] == ["a.jpg"]


@pytest.mark.parametrize("text", [b"a.jpg\0b.jpg", b".", b"./", b"/", b"# none\n", b"\xff\xfea"])
def test_lists_that_name_no_photo(tmp_path: Path, text: bytes):
    picture(tmp_path / "a.jpg")
    (tmp_path / "list").write_bytes(text)
    with pytest.raises((ImageError, UsageError), match=r"^[^\n]*list[^\n]*$"):
        find_items(str(tmp_path), tmp_path / "list")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_lists_hold_names_as_they_are_on_the_disk(tmp_path: Path):
    name = b"f\xff\x85.jpg"
    picture(tmp_path / os.fsdecode(name))
    (tmp_path / "list").write_bytes(b"\xef\xbb\xbf# mine\r\n" + name + b"\r\n")
    (item,) = find_items(str(tmp_path), tmp_path / "list").items
    assert os.fsencode(item.key) == name
    assert item.stamp != "missing"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_lists_as_windows_writes_them(tmp_path: Path, encoding: str):
    names = {"a.jpg", "b c.jpg", "é.jpg"}
    for name in names:
        picture(tmp_path / name)
    (tmp_path / "list").write_bytes('a.jpg\r\n"b c.jpg"\r\né.jpg\r\n'.encode(encoding))
    items = find_items(str(tmp_path), tmp_path / "list").items
    assert {item.key for item in items} == names
    assert all(item.stamp != "missing" for item in items)


def test_names_that_meet_never_share_an_output():
    keys = ("a", "a.jpg", "a-file.jpg", "a-jpg.jpg", "A.JPG", "a.dat")
    items = [Item(key, key, None, "", suffix=".jpg") for key in keys]
    places = [place.casefold() for item in with_outputs(items, ["x"]) for place in item.outputs]
    assert len(set(places)) == len(keys)


def damaged(tmp_path: Path, change: Callable[[bytes], bytes], compression: int) -> Path:
    """A ZIP with one good photo, and one whose packed bytes are changed."""
    picture(tmp_path / "a.jpg")
    archive = tmp_path / "in.zip"
    with zipfile.ZipFile(archive, "w") as writer:
        writer.write(tmp_path / "a.jpg", "a.jpg")
        writer.write(tmp_path / "a.jpg", "b.jpg", compression)
    data = archive.read_bytes()
    start = data.index(b"b.jpg") + 5
    archive.write_bytes(data[:start] + change(data[start : start + 40]) + data[start + 40 :])
    return archive


@pytest.mark.parametrize("compression", [zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
@pytest.mark.parametrize("pattern", [b"\xff", b"\0", b"\x13\x37"])
def test_a_damaged_member_is_that_photos_error_only(
    tmp_path: Path, compression: int, pattern: bytes
):
    archive = damaged(tmp_path, lambda old: (pattern * len(old))[: len(old)], compression)
    items = with_outputs(find_items(str(archive)).items, ["age30"])
    (done,) = (worker(tmp_path).do(item) for item in items if item.key == "b.jpg")
    assert done.error == "b.jpg cannot be read from the ZIP: it is damaged"


@pytest.mark.parametrize("name", [b"\xff\xfe", b"\0a", b"\xc3\0", b"\xed\xa0"])
def test_one_name_of_a_zip_that_is_no_text_leaves_the_others(tmp_path: Path, name: bytes):
    members = {"a.jpg": photo_bytes(), "é.jpg": photo_bytes(), "ü.jpg": photo_bytes()}
    archive = packed(tmp_path / "in.zip", **members)
    archive.write_bytes(archive.read_bytes().replace("é".encode(), name))
    found = find_items(str(archive))
    assert [item.key for item in found.items] == ["a.jpg", "ü.jpg"]
    assert found.notice == "1 file left out: 1 without a readable name"
    made = worker(tmp_path)
    photos: list[object] = []

    def edit(photo: object, *_: object, **__: object) -> None:
        photos.append(photo)
        raise ImageError("seen")

    made.editor = SimpleNamespace(edit=edit)  # type: ignore[assignment]
    for item in with_outputs(found.items, ["age30"]):
        assert made.do(item).error == "seen"
    assert len(photos) == 2


def test_a_zip_of_names_that_are_no_text_is_one_line(tmp_path: Path):
    archive = packed(tmp_path / "in.zip", **{"é.jpg": photo_bytes()})
    archive.write_bytes(archive.read_bytes().replace("é".encode(), b"\xff\xfe"))
    with pytest.raises(ImageError, match=r"no photos in it.*1 without a readable name"):
        find_items(str(archive))


def photo_bytes() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "JPEG")
    return file.getvalue()


def worker(output: Path) -> Worker:
    """A worker whose editor makes nothing of any photo."""
    made = Worker.__new__(Worker)
    made.editor = SimpleNamespace(edit=None)  # type: ignore[assignment]
    made.task, made.output, made.model = BatchTask((30.0,)), output, "none"
    return made


def test_an_output_whose_name_is_too_long_is_said_before_the_work(tmp_path: Path):
    name = "l" * 248 + ".jpg"
    picture(tmp_path / name)
    (item,) = with_outputs(find_items(str(tmp_path)).items, ["age30"])
    done: Done = worker(tmp_path / "out").do(item)
    assert done.error is not None
    assert "File name too long" in done.error


def test_headers_that_lie_about_a_member(tmp_path: Path):
    archive = packed(tmp_path / "in.zip", **{"a.jpg": b"x" * 50})
    data = bytearray(archive.read_bytes())
    at = data.index(b"PK\1\2")
    struct.pack_into("<L", data, at + 42, 1 << 30)  # where the member lies
    archive.write_bytes(data)
    (item,) = with_outputs(find_items(str(archive)).items, ["age30"])
    assert "it is damaged" in str(worker(tmp_path).do(item).error)


def test_what_reage_made_is_not_aged_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """By an edit beside the photos, by another batch, and by this one."""
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "ada.jpg")
    picture(tmp_path / "village-age12.jpg")  # a photo that is only called so
    made = photo_from_array(np.zeros((8, 8, 3), np.uint8))
    for name in ("ada-age70.jpg", "ada-ages.jpg", "ada-age1=70-2=12.jpg"):
        write_photo(made, tmp_path / name, mark="Made by reage: synthetic ages")
    (tmp_path / "other" / FOLDER).mkdir(parents=True)
    picture(tmp_path / "other" / "bea.jpg")
    (tmp_path / "out").mkdir()
    picture(tmp_path / "out" / "cea.jpg")
    for source in (".", str(tmp_path)):
        for place in (Path("out"), tmp_path / "out", Path("other/../out")):
            found = find_items(source, None, place)
            assert [item.key for item in found.items] == ["ada.jpg", "village-age12.jpg"]
            assert found.notice == "4 files left out: 1 folder of other batches, 3 made by reage"
    found = find_items("**/*.jpg", None, Path("out"))
    assert [item.key for item in found.items] == ["ada.jpg", "other/bea.jpg", "village-age12.jpg"]
    assert find_items("ada-age70.jpg").items, "a photo that is named is taken"


def test_a_dry_run_of_a_batch(tmp_path: Path, reage_command: Command):
    picture(tmp_path / "ada.jpg")
    run = ("batch", tmp_path, tmp_path / "out", "--to", 70, 20, "--dry-run")
    _, told, _ = reage_command(*run)
    assert told.splitlines() == [
        "reads ada.jpg",
        f"writes {tmp_path / 'out' / 'ada-age70.jpg'}",
        f"writes {tmp_path / 'out' / 'ada-age20.jpg'}",
    ]
    _, told, _ = reage_command(*run, "--json")
    assert json.loads(told)["photo"] == {"file": "ada.jpg"}
    assert [path.name for path in tmp_path.iterdir()] == ["ada.jpg"]
