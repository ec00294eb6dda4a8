"""CSV tables: what is none, and cells that are no numbers, are one line that names the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from reage.errors import ImageError, UsageError
from reage.tables import read_table

pytestmark = pytest.mark.quick


def test_rows_by_columns(tmp_path: Path):
    file = tmp_path / "a.csv"
    file.write_bytes(b"\xef\xbb\xbffile,age\na.png, 30 ,more\nb.png\n")
    one, two = read_table(file, ("file",))
    assert (one.text("file"), one.real("age"), one.text("none")) == ("a.png", 30.0, "")
    assert (two.text("file"), two.real("age")) == ("b.png", None)


@pytest.mark.parametrize(
    "data",
    [
        b"file\n\xff\n",
        b"file\n" + b"a" * 200_000 + b"\n",
        "file\na\n".encode("utf-16-le"),
        b"name\na\n",
    ],
)
def test_what_is_no_table(tmp_path: Path, data: bytes):
    (tmp_path / "a.csv").write_bytes(data)
    with pytest.raises(UsageError, match=r"a\.csv [^\n]*$"):
        list(read_table(tmp_path / "a.csv", ("file",), UsageError))


@pytest.mark.parametrize(
    "data",
    [
        b"File; Age ;\r\na.png;30;\r\n",
        "\ufeffFILE\tAGE\r\na.png\t30\r\n".encode("utf-16-le"),
        "\ufefffile,age\na.png,30\n".encode("utf-16-be"),
        b'"file";"age"\n"a.png";"30"\n',
    ],
)
def test_tables_as_spreadsheets_write_them(tmp_path: Path, data: bytes):
    (tmp_path / "a.csv").write_bytes(data)
    (row,) = read_table(tmp_path / "a.csv", ("file",))
    assert (row.text("file"), row.real("age")) == ("a.png", 30.0)


def test_columns_that_differ_in_capitals_alone(tmp_path: Path):
    (tmp_path / "a.csv").write_bytes(b"File,file\na.png,b.png\n")
    (row,) = read_table(tmp_path / "a.csv", ("file",))
    assert row.text("file") == "b.png"


@pytest.mark.parametrize("cell", ["nan", "1e400", "1_0", "٣", "9" * 5000, "x", "121"])
def test_what_is_no_number(tmp_path: Path, cell: str):
    (tmp_path / "a.csv").write_text(f"file,age\na,30\nb,{cell}\n", encoding="utf-8")
    with pytest.raises(ImageError, match="line 3: age is") as caught:
        [row.real("age", 0, 120) for row in read_table(tmp_path / "a.csv")]
    assert len(str(caught.value)) < 300
