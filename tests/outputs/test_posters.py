"""Posters: the years that are added, looks that differ, and pages with real text."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reage.compositing.change import Change
from reage.compositing.warp import Warp
from reage.editor import Editor
from reage.errors import ImageError, ReageError, UsageError
from reage.faces.face import Face
from reage.images import DIGITAL_SOURCE_TYPE, photo_from_array
from reage.images.metadata import mark_in_xmp
from reage.outputs.poster import pages
from reage.outputs.poster.fields import fill_fields
from reage.outputs.poster.languages import LANGUAGES, load_words
from reage.outputs.poster.looks import LEAST_SEEN, Look, _candidates, difference, plausible_looks
from reage.outputs.poster.pages import open_page
from reage.outputs.poster.poster import Poster, make_poster, poster_report
from reage.outputs.poster.times import times_of
from reage.outputs.poster.weight import JAW, weight_warp
from reage.types import AgedFace, AgeReading

READS = AgeReading(35.0, 5.0)
COLOURS = ((20, 120, 220), (220, 160, 20), (20, 160, 60), (150, 40, 170))
FULL: dict[str, Any] = {
    "name": "Jane Margaret Doe",
    "born": "1981-03-09",
    "missing_since": "2018-06-14",
    "missing_from": "King's Cross, London",
    "photo_taken": "2018-05",
    "today": "2026-11-29",
    "sex": "female",
    "height": "168 cm",
    "weight": "62 kg",
    "eyes": "blue",
    "hair": "dark brown, to the chin",
    "marks": "scar above the left eyebrow",
    "clothes": "white T-shirt, blue jeans",
    "text": "Speaks Welsh.\nNeeds insulin.",
    "contacts": ["+44 20 7946 0000", "help@missing.example.org"],
    "case_number": "18-004711",
    "organisation": "Search & Find #1",
    "url": "https://missing.example.org/cases?id=18",
}


def flat(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((300, 300, 3), colour, np.uint8)


def poster_of(count: int = 3, **values: Any) -> Poster:
    """Make a poster of flat pictures without ageing anybody."""
    fields = fill_fields({**FULL, **values})
    names = (("plain",), ("heavier",), ("greyer", "lined"))
    looks = [Look(n, flat(c), READS, 50.0) for n, c in zip(names, COLOURS[1:], strict=False)]
    times = times_of(fields)
    return Poster(fields, times, flat(COLOURS[0]), looks[:count], READS, None, "reage", "tiny")


def text_of(pdf: bytes) -> str:
    pypdf = pytest.importorskip("pypdf")
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    assert len(reader.pages) == 1
    return " ".join(reader.pages[0].extract_text().replace("\u200b", "").split())


class TestTimes:
    def test_the_years_that_passed_are_added_to_the_age_that_is_read(self):
        times = times_of(fill_fields({**FULL, "photo_taken": "2016-11-29"}))
        assert times.years == 10
        assert (times.age_then, times.age_now, times.age_in_photo) == (447, 548, 428)
        for read in (20.0, 36.0, 60.0):  # also of somebody who reads older than he is today
            assert times.target(read) == read + 10

    def test_an_age_counts_from_the_day_when_last_seen(self):
        times = times_of(fill_fields({**FULL, "born": None, "age": 37, "photo_taken": "2016-06"}))
        assert (times.age_then, times.age_now) == (444, 444 + 101)
        assert times.age_in_photo == 444 - 24
        unknown = times_of(fill_fields({**FULL, "born": None}))
        assert unknown.age_now is None

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"missing_since": None, "photo_taken": None}, "give missing-since"),
            ({"missing_since": "2027-01"}, "missing_since 2027-01 is after today"),
            ({"photo_taken": "2027-01"}, "photo_taken 2027-01 is after today"),
            ({"born": "2019-01"}, "date of birth"),
            ({"born": "1890-01"}, "at most 120"),
            ({"age": 30}, "born or age, not both"),
            ({"born": None, "age": 1, "photo_taken": "2010-01"}, "date of birth"),
        ],
    )
    def test_dates_that_contradict_each_other(self, values: dict[str, Any], said: str):
        with pytest.raises(UsageError, match=said) as caught:
            times_of(fill_fields({**FULL, **values}))
        assert "\n" not in str(caught.value)


class TestWeight:
    @pytest.fixture
    def face(self, astronaut: np.ndarray, editor: Editor) -> Face:
        return editor.detector.detect(astronaut)[0]

    def moves(self, face: Face, amount: float, like: Warp | None = None) -> np.ndarray:
        warp = weight_warp(face, self.quad(face), amount, like)
        assert warp is not None
        return warp.moves[0].numpy()

    def quad(self, face: Face) -> np.ndarray:
        x0, y0, x1, y1 = face.box
        return np.array([[x0, y0], [x0, y1], [x1, y1], [x1, y0]])

    def test_the_jaw_widens_and_the_border_stays(self, face: Face):
        wide = self.moves(face, 0.15)
        side = wide.shape[-1]
        low = wide[0, side * 2 // 3]  # moves to the right, in a row at the mouth
        assert low[side // 4] < -0.01 < 0.01 < low[-side // 4]
        assert abs(wide[:, 0]).max() < 1e-3
        assert abs(wide[:, :, -1]).max() < 1e-3
        eyes = wide[:, side * 2 // 5, side // 3 : -side // 3]
        assert abs(eyes).max() < 0.2 * abs(low).max()
        narrow = self.moves(face, -0.15)
        assert narrow[0, side * 2 // 3, side // 4] > 0.01

    def test_it_adds_to_the_warp_of_the_age(self, face: Face):
        grown = Warp(torch.rand(1, 2, 64, 64) / 50, 0.25)
        added = self.moves(face, 0.15, grown) - grown.moves[0].numpy()
        assert np.allclose(added, self.moves(face, 0.15), atol=1e-6)

    def test_a_face_of_five_points_has_no_jaw(self, face: Face):
        assert weight_warp(Face.from_points(face.points), self.quad(face), 0.1, None) is None


def test_looks_differ_visibly_and_are_what_they_say(astronaut: np.ndarray, editor: Editor):
    photo = photo_from_array(astronaut)
    face = editor.prepare(photo, editor.choose_faces(photo))[0]
    told: list[str] = []
    aged, looks = plausible_looks(
        editor, photo, face, face.own_age + 15, true_age=50, count=4,
        on_step=lambda what, done, total: told.append(what),
    )  # fmt: skip
    assert aged.after.age > face.own_age + 8
    assert [look.names[0] for look in looks] == ["plain", "heavier", "greyer", "thinner"]
    assert told[0] == "ageing"
    plain = looks[0].picture
    for look in looks[1:]:
        assert difference(look.picture, plain) == look.seen >= LEAST_SEEN[look.names[0]]
    jaws = [jaw_of(editor, look.picture) for look in (looks[1], looks[0], looks[3])]
    assert jaws[0] > 1.05 * jaws[1] > 1.05 * 1.03 * jaws[2]


def test_children_get_neither_grey_hair_nor_lines():
    change = Change(torch.zeros(1, 3, 4, 4))
    found = {age: [part for parts in _candidates(change, age) for part in parts]
             for age in (12, 35, 60)}  # fmt: skip
    assert found == {
        12: ["heavier", "thinner"],
        35: ["heavier", "lined", "thinner"],
        60: ["heavier", "greyer", "lined", "thinner"],
    }


def jaw_of(editor: Editor, picture: np.ndarray) -> float:
    """Return the width of the jaw at the mouth, in distances of the eyes."""
    mesh = editor.detector.detect(picture)[0].landmarks
    assert mesh is not None
    left, right = JAW.index(361), JAW.index(132)
    wide = np.hypot(*(mesh[JAW[left], :2] - mesh[JAW[right], :2]))
    return float(wide / np.hypot(*(mesh[33, :2] - mesh[263, :2])))


def test_hardly_any_time_ages_nobody(astronaut: np.ndarray, editor: Editor):
    photo = photo_from_array(astronaut)
    face = editor.prepare(photo, editor.choose_faces(photo))[0]
    fields = fill_fields({"missing_since": "2026-06", "today": "2026-11"})
    poster = make_poster(editor, photo, face, fields)
    assert (poster.looks, poster.aged, poster.short) == ([], None, False)
    assert poster_report(poster)["asked"] is None


class TestPages:
    @pytest.fixture(autouse=True)
    def _extra(self):
        for name in ("typst", "pypdf", "segno"):
            pytest.importorskip(name)

    def pdf(self, poster: Poster, mark: str | None = None) -> bytes:
        with open_page(poster) as page:
            return page.as_pdf(mark)

    def test_the_text_is_the_fields(self):
        text = text_of(self.pdf(poster_of()))
        hidden = {"born", "missing_since", "photo_taken", "today", "text", "contacts"}
        for name, value in FULL.items():
            if name not in hidden:
                assert value in text, name
        for said in ("9 March 1981", "14 June 2018", "Photo, May 2018, 37 years", "45 years",
                     "+44 20 7946 0000", "help@missing.example.org", "MISSING",
                     "Speaks Welsh. Needs insulin.", "grey hair, deeper lines",
                     "not evidence of anyone's identity", "8 years after the photo"):  # fmt: skip
            assert said in text, said
        assert "reads" not in text.lower()

    def test_markup_in_a_field_is_text(self):
        name = "#panic() *a* $x$ _b_ <l> @c \\ [d] // e"
        assert name in text_of(self.pdf(poster_of(name=name)))

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_each_language(self, language: str):
        import typst

        names = {"zh": "张伟", "ar": "فاطمة عبد الرحمن", "es": "María Ñáñez", "en": "Łódź Дмитрий"}
        if not any("CJK" in name for name in typst.Fonts().families()):
            names["zh"] = "Zhang Wei"  # our own words are Chinese all the same
        text = text_of(self.pdf(poster_of(language=language, name=names[language])))
        for word in (*names[language].split(), *load_words(language).labels["missing"].split()):
            assert word in text

    def test_what_is_latin_alone_runs_from_left_to_right_in_arabic_too(self):
        """It stood as "cm 168"."""
        from pypdf import PdfReader

        runs: list[str] = []
        pdf = self.pdf(poster_of(language="ar", height="168 cm"))
        reader = PdfReader(io.BytesIO(pdf))
        reader.pages[0].extract_text(visitor_text=lambda text, *_: runs.append(text))
        assert "168 cm" in [run.strip() for run in runs]

    def test_names_and_dates_stay_whole_in_arabic_small_print(self):
        """It stood as "0.1.0 reage", and as "faces128, 30 November"."""
        from pypdf import PdfReader

        found: dict[str, float] = {}
        poster = replace(poster_of(language="ar"), program="reage 0.1.0", model="faces128")
        reader = PdfReader(io.BytesIO(self.pdf(poster)))

        def see(text: str, place: list[float], *_: object) -> None:
            found.update({word: place[4] for word in ("reage", "0.1.0") if word in text})

        reader.pages[0].extract_text(visitor_text=see)
        assert found["reage"] < found["0.1.0"]

    @pytest.mark.parametrize("language", ["en", "ar"])
    def test_the_title_stands_clear_of_its_band(
        self, language: str, monkeypatch: pytest.MonkeyPatch
    ):
        """Arabic letters reach above Latin capitals, and touched the edge."""
        monkeypatch.setattr(pages, "DPI", 72)
        with open_page(poster_of(language=language, case_number="")) as page:
            picture = page.as_picture().astype(int)
        red = (picture[..., 0] > 140) & (picture[..., 1:] < 80).all(2)
        band = np.flatnonzero(red.mean(1) > 0.5)
        for edge in (band[:5], band[-5:]):
            assert red[edge][:, red[band[0]]].all()

    @pytest.mark.parametrize(("paper", "size"), [("a4", (595, 842)), ("letter", (612, 792))])
    def test_all_pictures_are_whole_on_either_paper(
        self, paper: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
    ):
        from pypdf import PdfReader

        monkeypatch.setattr(pages, "DPI", 72)
        long = {"marks": "tattoo of a swallow " * 14, "clothes": "red coat and boots " * 14,
                "text": "Last seen at the station. " * 34}  # fmt: skip
        for values in ({}, long):
            with open_page(poster_of(paper=paper, **values)) as page:
                box = PdfReader(io.BytesIO(page.pdf)).pages[0].mediabox
                picture = page.as_picture()
            assert [round(float(v)) for v in (box.width, box.height)] == list(size)
            assert picture.shape[:2] == pytest.approx((size[1], size[0]), abs=2)
            for colour in COLOURS:
                rows, columns = np.nonzero((abs(picture.astype(int) - colour) < 12).all(2))
                area = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
                assert len(rows) > 0.97 * area > 8_000  # nothing lies over a picture
                assert abs(np.ptp(rows) - np.ptp(columns)) < 3

    def test_no_long_text_is_cut(self):
        values = {"marks": "m" * 300, "clothes": " ".join(f"c{i}" for i in range(70)),
                  "text": " ".join(f"t{i}" for i in range(180)), "name": "n" * 80,
                  "url": "https://e.org/" + "u" * 280, "contacts": ["7" * 80] * 6}  # fmt: skip
        text = text_of(self.pdf(poster_of(paper="letter", **values)))
        together = text.replace(" ", "")
        for value in ("m" * 300, "n" * 80, "u" * 280, "7" * 80):
            assert value in together, value[:1]
        assert {f"c{i}" for i in range(70)} | {f"t{i}" for i in range(180)} <= set(text.split())

    @pytest.mark.parametrize("letter", ["n", "ا", "Ж"])
    def test_long_words_stay_searchable(self, letter: str):
        from pypdf import PdfReader

        pdf = self.pdf(poster_of(name=letter * 40))
        assert letter * 40 in PdfReader(io.BytesIO(pdf)).pages[0].extract_text()

    def test_more_than_a_page_is_refused(self):
        with pytest.raises(UsageError, match="more than one page"):
            self.pdf(poster_of(text="\n".join("a" * 9 for _ in range(90))))

    def test_fonts_are_embedded(self):
        from pypdf import PdfReader

        fonts = PdfReader(io.BytesIO(self.pdf(poster_of(name="Ж ش क")))).pages[0]
        found = fonts["/Resources"]["/Font"]  # type: ignore[index]
        names = set()
        for font in found.values():
            inner = font.get_object()["/DescendantFonts"][0].get_object()
            names.add(str(inner["/BaseFont"]).split("+")[1])
            assert {"/FontFile2", "/FontFile3"} & set(inner["/FontDescriptor"])
        assert {"NotoSans-Bold", "NotoSansArabic-Bold", "NotoSansDevanagari-Bold"} <= names

    def test_a_script_without_a_font_is_named(self, monkeypatch: pytest.MonkeyPatch):
        plain = pages._compile
        monkeypatch.setattr(pages, "_compile", lambda place, _, **o: plain(place, False, **o))
        with pytest.raises(UsageError, match=r"letters สมชาย.*\(Thai\).*--font") as caught:
            self.pdf(poster_of(name="สมชาย"))
        assert "\n" not in str(caught.value)
        with pytest.raises(UsageError, match="is not a font"), \
                open_page(poster_of(), Path(__file__)):  # fmt: skip
            pass

    def test_the_mark_is_in_the_metadata(self):
        from pypdf import PdfReader

        plain, marked = self.pdf(poster_of()), self.pdf(poster_of(), "made (up) é")
        assert marked == self.pdf(poster_of(), "made (up) é")
        xmp: Any = PdfReader(io.BytesIO(marked)).trailer["/Root"]["/Metadata"]  # type: ignore[index]
        assert mark_in_xmp(xmp.get_object().get_data()) == "made (up) é"
        assert DIGITAL_SOURCE_TYPE.encode() in xmp.get_object().get_data()
        assert text_of(marked) == text_of(plain)
        assert mark_in_xmp(plain) is None

    def test_logos(self, tmp_path: Path):
        Image.new("LA", (90, 30), 0).save(tmp_path / "logo.png")
        self.pdf(poster_of(logo=tmp_path / "logo.png"))
        (tmp_path / "bad.png").write_bytes(b"no picture")
        for name, said in (
            ("bad.png", "bad.png is a text file"),
            ("none.png", "none.png does not exist"),
        ):
            with pytest.raises(ImageError, match=said):
                self.pdf(poster_of(logo=tmp_path / name))

    def test_it_says_when_the_years_could_not_be_shown(self):
        aged = AgedFace(1, 60.0, READS, AgeReading(48.0, 5.0), 1.0, "an edge", 0.9, None)
        short = replace(poster_of(), aged=aged)
        assert short.short
        assert "may look older than in these pictures" in text_of(self.pdf(short))
        reached = replace(poster_of(), aged=replace(aged, limit=None))
        assert "may look older" not in text_of(self.pdf(reached))

    def test_without_pictures_of_today_nothing_is_said_of_them(self):
        text = text_of(self.pdf(replace(poster_of(), looks=[])))
        assert "impression" not in text
        assert "Jane Margaret Doe" in text


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(ReageError, match=r"^a poster needs typst: [^\n]*poster"):
        pages._check_packages()
