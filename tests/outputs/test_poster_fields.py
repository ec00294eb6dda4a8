"""The poster's table of fields: TOML files, options, dates and languages."""

from __future__ import annotations

from pathlib import Path

import pytest

from reage.errors import UsageError
from reage.outputs.labels import FONTS, SHEET
from reage.outputs.poster.dates import PosterDate, parse_date
from reage.outputs.poster.fields import FIELDS, PosterFields, fill_fields, read_fields
from reage.outputs.poster.languages import FOLDER, LANGUAGES, load_words

pytestmark = pytest.mark.quick

TOML = """
name = "Ana Ñ. Østergård"
missing_since = 2019-07-14
contacts = ["+34 600 000 000", "help@example.org"]
clothes = '''red coat,
  black shoes'''
logo = "logo.png"
age = 34
"""


def test_a_toml_file_fills_the_fields(tmp_path: Path):
    (tmp_path / "fields.toml").write_text(TOML, "utf-8")
    found = fill_fields(read_fields(tmp_path / "fields.toml"))
    assert found == PosterFields(
        name="Ana Ñ. Østergård",
        missing_since=PosterDate(2019, 7, 14),
        contacts=("+34 600 000 000", "help@example.org"),
        clothes="red coat,\nblack shoes",
        logo=tmp_path / "logo.png",
        age=34.0,
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('nmae = "x"\nshoes = 3', "unknown field nmae, shoes; the fields are name, born"),
        ('name = "' + "x" * 81 + '"', "name has 81 characters; at most 80"),
        ("name = 3", "name must be a text in quotes, not 3"),
        ("born = 19", "born '19' is not a date"),
        ('born = "2019-13"', "born '2019-13' is not a date"),
        ("age = 400", "age 400 is not an age"),
        ("age = true", "age True is not an age"),
        ('contacts = ["1", "2", "3", "4", "5", "6", "7"]', "at most 6"),
        ("contacts = [3]", "contacts must be a text"),
        ('url = "javascript:alert(1)"', "is not a web address"),
        ('url = "http://["', "is not a web address"),
        ('language = "xx"', "choose en, ar"),
        ('paper = "a3"', "choose a4, letter"),
        ('name = "a\\u202eb"', "cannot be printed"),
        ("name = ", "is not valid TOML"),
        ("[name]\nx = 1", "name must be a text"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str):
    file = tmp_path / "f.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(UsageError) as caught:
        fill_fields(read_fields(file))
    assert said in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_comes_along_with_copied_text_is_left_out():
    found = fill_fields({"name": "\ufeffJo\u00adse\u200e\u00a0 M.\u200f ", "marks": "a\r\n b"})
    assert (found.name, found.marks) == ("Jose M.", "a\nb")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_toml_file_of_a_windows_editor(tmp_path: Path, encoding: str):
    (tmp_path / "f.toml").write_bytes('name = "Ñ"\r\n'.encode(encoding))
    assert read_fields(tmp_path / "f.toml") == {"name": "Ñ"}


def test_files_that_are_no_text(tmp_path: Path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_fields(tmp_path / "none.toml")
    (tmp_path / "f.toml").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_fields(tmp_path / "f.toml")


def test_each_field_has_a_label_in_each_language():
    english = load_words("en")
    assert {rule.name for rule in FIELDS} <= set(english.labels)
    assert {"en", "zh", "es", "ar"} <= set(LANGUAGES)
    for language in LANGUAGES:
        words = load_words(language)
        assert len(words.months) == 12
        for part in ("labels", "values", "looks", "sentences", "pictures"):
            assert getattr(words, part).keys() == getattr(english, part).keys(), language


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_of_each_language_need_no_font_of_the_system(language: str):
    typst = pytest.importorskip("typst")
    words = (FOLDER / f"{language}.toml").read_text("utf-8")
    inputs = {"text": " ".join(words.split()), "rtl": "no"}
    typst.compile(SHEET, format="pdf", pdf_standards=["a-2u"], font_paths=[str(FONTS)],
                  ignore_system_fonts=True, sys_inputs=inputs)  # fmt: skip


def test_dates_and_ages_in_words():
    english, arabic = load_words("en"), load_words("ar")
    assert english.say_date(parse_date("2019-7-4", "born")) == "4 July 2019"
    assert load_words("es").say_date(parse_date("2019-07", "born")) == "julio de 2019"
    assert load_words("zh").say_date(parse_date("2019-07-14", "born")) == "2019年7月14日"
    assert load_words("zh").say_date(parse_date("2019", "born")) == "2019年"
    assert english.say_date(parse_date("2019", "born")) == "2019"
    said = [english.say_age(m) for m in (0, 1, 23, 24, 140)]
    assert said == ["0 months", "1 month", "23 months", "2 years", "11 years"]
    assert [arabic.say_age(12 * n) for n in (2, 3, 11)] == ["سنتان", "3 سنوات", "11 سنة"]


def test_months_between_dates():
    def since(later: str, earlier: str) -> int:
        return parse_date(later, "b").months_since(parse_date(earlier, "a"))

    assert since("2026-11", "2015-03") == 140
    assert since("2026-03-16", "2015-03-17") == 131
    assert since("2026-03-17", "2015-03-17") == 132
    assert since("2026-03", "2015-03-17") == 132
    assert since("2015-01", "2015-03") == -2
    assert since("2026-11", "2015") == since("2026", "2015-12") == 132
    assert since("2015", "2015-03") == 0 and since("2014", "2015") == -12
