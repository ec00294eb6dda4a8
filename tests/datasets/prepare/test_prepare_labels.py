"""Labels of tables, of file names, and of both together."""

from __future__ import annotations

from pathlib import Path

import pytest

from reage.datasets.prepare.labels import Labels, age_bin, parse_labels, read_label_table
from reage.datasets.prepare.names import CONVENTIONS, compile_pattern, find_convention
from reage.errors import ImageError, UsageError

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("age", "wanted"),
    [(0, "0-2"), (2.9, "0-2"), (3, "3-9"), (9.99, "3-9"), (10, "10-19"), (69, "60-69"),
     (70, "70+"), (116, "70+")],
)  # fmt: skip
def test_bins_are_the_embedded_dataset_s(age: float, wanted: str):
    assert age_bin(age) == wanted


@pytest.mark.parametrize(
    ("text", "age", "bin_"),
    [("34", 34, "30-39"), ("0.5", 0.5, "0-2"), (" 7 ", 7, "3-9"), ("30-39", None, "30-39"),
     ("70+", None, "70+"), ("more than 70", None, "70+"), ("", None, ""), ("-1", None, ""),
     (61, 61, "60-69"), (61.0, 61, "60-69"), (None, None, ""), ("unknown", None, "")],
)  # fmt: skip
def test_ages_are_years_or_bins(text: object, age: float | None, bin_: str):
    labels = parse_labels({"age": text})
    assert (labels.age, labels.age_bin) == (age, bin_)
    assert parse_labels({"age_bin": text}).age_bin == bin_


@pytest.mark.parametrize("text", ["old", "-3", "121", "40-30", "nan years", "30-39-49", "200+ x"])
def test_ages_that_are_none(text: str):
    with pytest.raises(ValueError, match="not understood"):
        parse_labels({"age": text})


def test_what_is_empty_is_filled_and_an_age_keeps_its_own_bin():
    table = Labels(34.0, "30-39", person="Ada")
    assert table | Labels(60.0, "60-69", "female", "", "B") == Labels(
        34.0, "30-39", "female", "", "Ada"
    )
    assert Labels(gender="male") | Labels(None, "70+") == Labels(None, "70+", "male")
    assert Labels(None, "30-39") | Labels(36.0, "30-39") == Labels(None, "30-39")


def test_a_table_with_a_mark_and_more_columns(tmp_path: Path):
    file = tmp_path / "labels.csv"
    file.write_text(
        "file,note,gender,age,person\n./in\\a.jpg,x,F,30,7\nb.jpg,,man,,\n", encoding="utf-8-sig"
    )
    assert read_label_table(file) == {
        "in/a.jpg": Labels(30.0, "30-39", "female", "", "7"),
        "b.jpg": Labels(gender="male"),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,age\na.jpg,3\n", "no column `file`, but name, age"),
        ("", "no column `file`, but nothing"),
        ("file,age\na.jpg,30\nb.jpg,old\n", "line 3: the age 'old' is not understood"),
        ("file\n\xff", "cannot be read"),
    ],
)
def test_bad_tables_are_one_line(tmp_path: Path, text: str, message: str):
    file = tmp_path / "labels.csv"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ImageError, match=rf"^[^\n]*{message}[^\n]*$"):
        read_label_table(file)
    with pytest.raises(ImageError, match="No such file"):
        read_label_table(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("convention", "name", "wanted"),
    [
        ("utkface", "25_0_2_20170116174525125.jpg.chip.jpg",
         Labels(25.0, "20-29", "male", "Asian")),
        ("utkface", "part1/1_1_4_20161219140623097.jpg", Labels(1.0, "0-2", "female")),
        ("utkface", "61_1_20170109142408075.jpg", Labels(61.0, "60-69", "female")),
        ("fgnet", "001A02.JPG", Labels(2.0, "0-2", person="fgnet-001")),
        ("fgnet", "images/010a07b.jpg", Labels(7.0, "3-9", person="fgnet-010")),
        ("agedb", "0_MariaCallas_35_f.jpg", Labels(35.0, "30-39", "female", "", "MariaCallas")),
        ("cacd", "53_Robin_Williams_0001.jpg", Labels(53.0, "50-59", person="Robin_Williams")),
        ("cacd", "14_Robert_Downey_Jr._0002.jpg",
         Labels(14.0, "10-19", person="Robert_Downey_Jr.")),
    ],
)  # fmt: skip
def test_the_field_s_file_names(convention: str, name: str, wanted: Labels):
    assert CONVENTIONS[convention].read(name) == wanted
    for other, rule in CONVENTIONS.items():
        assert other == convention or rule.read(name) is None, f"{other} takes {name}"
    found = find_convention("auto", None, [name] * 9 + ["cover.jpg"])
    assert found is CONVENTIONS[convention]
    assert find_convention("auto", None, [name] * 8 + ["cover.jpg"]) is None
    assert find_convention("none", None, [name]) is None


@pytest.mark.parametrize(
    "name", ["IMG_2031.jpg", "069_03.jpg", "B001257-newer.jpg", "12_0_0001.jpg", "female-27.jpg",
             "999_0_2_20170116174525125.jpg"]
)  # fmt: skip
def test_other_file_names_say_nothing(name: str):
    assert all(rule.read(name) is None for rule in CONVENTIONS.values())


def test_a_pattern_of_one_s_own():
    rule = compile_pattern(r"(?P<person>\w+)/.*_A(?P<age>\d+)")
    assert rule.read("ada/holiday_A35_x.jpg") == Labels(35.0, "30-39", person="ada")
    assert rule.read("ada/holiday.jpg") is None
    with pytest.raises(UsageError, match=r"no group \(\?P<age>"):
        compile_pattern(r"(\d+)")
    with pytest.raises(UsageError, match=r"no regular expression: [^\n]*$"):
        compile_pattern("(?P<age>")
