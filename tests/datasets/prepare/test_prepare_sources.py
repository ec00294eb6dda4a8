"""What is found in folders and tar files."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from reage.datasets.prepare.labels import Labels
from reage.datasets.prepare.sources import list_pictures, read_picture, read_side_labels
from reage.errors import ImageError

pytestmark = pytest.mark.quick


def make_tar(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    return make_tar(
        tmp_path / "web-000000.tar",
        {
            "one.jpg": b"first",
            "one.json": json.dumps({"age": 30, "gender": "F", "x": [1]}).encode(),
            "./sub/two.seg.png": b"second",
            "sub/three.jpg": b"third",
            "sub/three.json": b"{not json",
            "four.jpg": b"4",
            "four.json": b'{"age": "a lot"}',
            "._one.jpg": b"of a Mac",
            "read.me": b"text",
        },
    )


def test_a_tar_s_pictures_are_read_where_they_lie(packed: Path, tmp_path: Path):
    pictures = list_pictures([packed], tmp_path / "out")
    assert [p.name for p in pictures] == [
        "web-000000/four.jpg", "web-000000/one.jpg", "web-000000/sub/three.jpg",
        "web-000000/sub/two.seg.png",
    ]  # fmt: skip
    assert [read_picture(p) for p in pictures] == [b"4", b"first", b"third", b"second"]
    labels = [read_side_labels(p) for p in pictures]
    assert labels == [Labels(), Labels(30.0, "30-39", "female"), Labels(), Labels()]


def test_a_folder_is_searched_but_for_the_output(photos: Path):
    pictures = list_pictures([photos], photos / "deeper")
    assert [p.original for p in pictures][:2] == ["a.png", "m-copy.jpg"]
    assert not any("deeper" in p.original or p.original.startswith(".") for p in pictures)
    assert [p.original for p in list_pictures([photos], photos / "x")][1:3] == [
        "deeper/C.JPG", "deeper/b.webp",
    ]  # fmt: skip


def test_order_and_repetition_of_the_arguments_change_nothing(photos: Path, packed: Path):
    once = list_pictures([photos, packed], photos / "x")
    assert list_pictures([packed, photos, packed], photos / "x") == once
    assert len({p.key for p in once}) == len(once)


def test_a_changed_file_is_another_picture(tmp_path: Path):
    (tmp_path / "a.jpg").write_bytes(b"1")
    before = list_pictures([tmp_path], tmp_path / "x")[0].key
    os.utime(tmp_path / "a.jpg", (1, 1))
    assert list_pictures([tmp_path], tmp_path / "x")[0].key != before


def test_names_that_are_no_text(tmp_path: Path):
    try:
        (tmp_path / os.fsdecode(b"caf\xe9\n.jpg")).write_bytes(b"1")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (picture,) = list_pictures([tmp_path], tmp_path / "x")
    assert picture.original == "caf��.jpg"
    assert read_picture(picture) == b"1"


def test_pictures_that_went_away(packed: Path, tmp_path: Path):
    last = list_pictures([packed], tmp_path)[-1]
    with packed.open("r+b") as file:
        file.truncate(last.offset + 3)
    with pytest.raises(ImageError, match=r"two.seg.png is cut short: 3 of 6 bytes"):
        read_picture(last)
    packed.unlink()
    with pytest.raises(ImageError, match="No such file"):
        read_picture(last)
    (tmp_path / "lost.jpg").symlink_to(tmp_path / "nowhere.jpg")
    with pytest.raises(ImageError, match="No such file"):
        read_picture(list_pictures([tmp_path], tmp_path / "x")[0])


def test_inputs_that_are_none_are_one_line(tmp_path: Path, packed: Path):
    (tmp_path / "text.tar").write_text("no tar\n" * 100)
    make_tar(tmp_path / "small.tgz", {"a.jpg": b"1"}, "w:gz")
    (tmp_path / "empty").mkdir()
    (tmp_path / "half.tar").write_bytes(packed.read_bytes()[:700])
    for name, message in {
        "none": "does not exist",
        "text.tar": "cannot be read as a tar file",
        "half.tar": "cannot be read as a tar file",
        "small.tgz": "is compressed; decompress it first",
        "empty": "no pictures in",
    }.items():
        with pytest.raises(ImageError, match=rf"^[^\n]*{message}[^\n]*$"):
            list_pictures([tmp_path / name], tmp_path / "x")
