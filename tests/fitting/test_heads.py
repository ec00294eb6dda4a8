"""The table of heads that a bank of detail is made of."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from reage.cli.main import cli
from reage.errors import UsageError
from reage.fitting.heads import choose_old, choose_young, read_choice, read_heads

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


def test_a_table_that_is_none_is_said(tmp_path: Path):
    file = tmp_path / "heads.csv"
    file.write_text("file,sex\nx,f\n")
    with pytest.raises(UsageError, match="not a table of heads"):
        read_heads(file)


def test_command_needs_both_sexes(tmp_path: Path):
    file = table(tmp_path, "a/1.webp,made,f,25,,40,1,512,CC0,0")
    result = CliRunner().invoke(cli, ["fit-detail", str(file), "-o", str(tmp_path / "bank")])
    assert isinstance(result.exception, UsageError)
    assert "both sexes" in str(result.exception)
