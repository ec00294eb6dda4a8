"""The table of heads that a bank of detail is made of."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from reage.cli.main import cli
from reage.errors import ImageError, UsageError
from reage.fitting.heads import (
    choose_old,
    choose_young,
    read_choice,
    read_heads,
    read_pictures,
)

pytestmark = pytest.mark.quick

HEADER = "file,source,sex,age,age_second,ita,yaw,sharp_to,licence,grey\n"


def table(folder: Path, *lines: str) -> Path:
    file = folder / "heads.csv"
    file.write_text(HEADER + "\n".join(lines) + "\n")
    return file


def test_young_and_old_are_told_apart(tmp_path: Path):
    rows = read_heads(
        table(
            tmp_path,
            "a/1.webp,made,f,25,21,40,1,512,CC0,0",
            "a/2.webp,made,m,70,80,40,1,512,CC0,0",
            "a/3.webp,made,m,70,80,40,30,512,CC0,0",
            "a/4.webp,made,m,70,80,40,1,256,CC0,0",
        )
    )
    assert [row.name for row in choose_young(rows)] == ["1"]
    assert [row.name for row in choose_old(rows)] == ["2"]
    assert rows[1].age == 75


def test_choice_names_heads_and_covered_regions(tmp_path: Path):
    rows = read_heads(table(tmp_path, "a/1.webp,made,f,75,,40,1,512,CC0,0"))
    file = tmp_path / "chosen.txt"
    file.write_text("# by eye\n1 forehead mouth\n")
    assert read_choice(file, rows) == [(rows[0], ("forehead", "mouth"))]
    file.write_text("2\n")
    with pytest.raises(UsageError, match="the head 2"):
        read_choice(file, rows)
    file.write_text("1 ear\n")
    with pytest.raises(UsageError, match="ear is not one of"):
        read_choice(file, rows)


def test_excluded_heads_are_named_one_a_line(tmp_path: Path):
    lines = [f"a/{i}.webp,made,f,75,,40,1,512,CC0,0" for i in range(3)]
    file, left_out = table(tmp_path, *lines), tmp_path / "exemplars.txt"
    left_out.write_text("# by eye\n\n0 forehead  # a fringe\n2\n")
    assert [row.name for row in read_heads(file, left_out)] == ["1"]
    left_out.write_text("0\r\n2\r\n", "utf-8-sig")
    assert [row.name for row in read_heads(file, left_out)] == ["1"]
    left_out.write_text("a/0.webp\n")
    with pytest.raises(UsageError, match=r"names the head a/0\.webp"):
        read_heads(file, left_out)
    left_out.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="not a text file"):
        read_heads(file, left_out)


def pictures_tar(folder: Path, *names: str) -> None:
    with tarfile.open(folder / "heads.tar", "w") as archive:
        for i, name in enumerate(names):
            stream = io.BytesIO()
            Image.fromarray(np.full((8, 8, 3), 50 * i, np.uint8)).save(stream, "PNG")
            member = tarfile.TarInfo(name)
            member.size = stream.tell()
            stream.seek(0)
            archive.addfile(member, stream)


def test_pictures_come_in_the_order_of_the_rows(tmp_path: Path):
    names = [f"a/{i}.png" for i in range(4)]
    rows = read_heads(table(tmp_path, *(f"{n},made,f,75,,40,1,512,CC0,0" for n in names)))
    pictures_tar(tmp_path, *names)
    found = list(read_pictures(tmp_path / "heads.csv", rows[::-1]))
    assert [row for row, _ in found] == rows[::-1]
    assert [int(picture[0, 0, 0]) for _, picture in found] == [150, 100, 50, 0]


@pytest.mark.parametrize("packed", [True, False])
def test_a_missing_picture_is_said_before_any_is_taken(tmp_path: Path, packed: bool):
    rows = read_heads(table(tmp_path, *(f"{i}.png,made,f,75,,40,1,512,CC0,0" for i in (0, 1))))
    if packed:
        pictures_tar(tmp_path, "0.png")
    with pytest.raises(ImageError, match=r"(0|1)\.png"):
        read_pictures(tmp_path / "heads.csv", rows)


def test_a_broken_picture_is_named(tmp_path: Path):
    rows = read_heads(table(tmp_path, "0.png,made,f,75,,40,1,512,CC0,0"))
    (tmp_path / "0.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"0\.png"):
        list(read_pictures(tmp_path / "heads.csv", rows))


def test_a_table_that_is_none_is_said(tmp_path: Path):
    file = tmp_path / "heads.csv"
    file.write_text("file,sex\nx,f\n")
    with pytest.raises(UsageError, match="no column `source`"):
        read_heads(file)


def test_command_needs_both_sexes(tmp_path: Path):
    file = table(tmp_path, "a/1.webp,made,f,25,,40,1,512,CC0,0")
    result = CliRunner().invoke(cli, ["fit-detail", str(file), "-o", str(tmp_path / "bank")])
    assert isinstance(result.exception, UsageError)
    assert "both sexes" in str(result.exception)
