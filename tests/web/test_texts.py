"""What the server says is said in each language of the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from made import face_at
from reage.errors import UsageError
from reage.images import encode_photo, photo_from_array
from reage.inputs import as_targets
from reage.outputs.poster.fields import fill_fields
from reage.outputs.poster.pages import check_inputs
from reage.outputs.poster.times import times_of
from reage.video.keyframes import parse_keys

pytest.importorskip("fastapi")
from reage.web.app import STATIC

pytestmark = pytest.mark.quick
SINCE = {"missing_since": "2019-07", "today": "2026-11"}


def poster(**values: object) -> Callable[[], object]:
    """What the poster's panel asks the server for."""
    return lambda: times_of(fill_fields({"today": "2026-11", **values}))


FAULTS: list[Callable[[], object]] = [
    poster(),
    poster(born="spring"),
    poster(missing_since="2027-01"),
    poster(**SINCE, born="1985-03", age=12),
    poster(**SINCE, born="2020-01"),
    poster(missing_since="1700-01"),
    poster(name="x" * 400),
    poster(name="a\x07b"),
    poster(age="old"),
    poster(url="example"),
    poster(contacts=["a"] * 20),
    lambda: check_inputs(fill_fields({**SINCE, "name": "\U00012000"}), 3, None),
    lambda: parse_keys("0s=40,3s=", "to"),
    lambda: parse_keys("3s=40,0s=60", "to"),
    lambda: as_targets(200),
]  # fmt: skip


OF_COMMANDS = [  # what is said to who types commands
    "no face found in a.png; use a picture where the face is larger, or give --points",
    "there is no person 9: found 1 person; see them with: reage video IN --list",
    "10 bits of a sample become 8 (--codec hevc or prores keep 10)",
    "the HDR mastering metadata is left out (--codec hevc keeps it)",
]


def said(fault: Callable[[], object]) -> str:
    with pytest.raises(UsageError) as found:
        fault()
    return str(found.value)


def notices() -> list[str]:
    """What is said of a face that is turned, and of a file that keeps less."""
    face = face_at(30.0, torch.zeros(1, 3, 32, 32))
    turned = replace(face.view.face, pose=(80.0, 0.0, 0.0))
    view = replace(face.view, face=turned)
    deep = photo_from_array(np.zeros((8, 8, 3), np.uint16))
    return [*view.notices, *encode_photo(deep, "JPEG", None)[1]]


@pytest.mark.parametrize(
    "path",
    sorted({*STATIC.glob("texts/*.js")} - {STATIC / "texts" / "en.js"}),
    ids=lambda p: p.stem,
)
def test_what_goes_wrong_is_said_in_each_language(path: Path):
    table = re.findall(r"^    \[/(.+)/, \"", path.read_text(encoding="utf-8"), re.M)
    told = [
        *map(said, FAULTS),
        *notices(),
        "the texts need more than one page",
        "notes.txt is not a video; choose one of .mp4 .mov",
        "clip.mp4 is a video: use reage video",
        "the upload is not a ZIP file, or it is damaged; pack it again",
        "part of face 1 is covered; nothing is changed there",
        "part of the face is covered in 3 of 9 frames; nothing is changed there",
        "colour samples 4:4:4 become 4:2:0",
        *OF_COMMANDS,
    ]
    assert len(table) > 40 and len(set(told)) > 17
    unsaid = [one for one in told if not any(re.search(pattern, one) for pattern in table)]
    assert not unsaid
    first = [next(p for p in table if re.search(p, one)) for one in told]
    assert len(set(first)) >= len(set(told)) - 1  # each has words of its own, but the two times


def test_the_english_page_names_no_option_of_commands():
    table = re.findall(
        r"^    \[/(.+)/, \"(.+)\"\],$", (STATIC / "texts" / "en.js").read_text("utf-8"), re.M
    )
    for line in [*OF_COMMANDS, said(FAULTS[0]), said(FAULTS[3]), said(FAULTS[11])]:
        words = next(words for pattern, words in table if re.search(pattern, line))
        kept = re.search(r"^(.+?) \(--", line)
        shown = words.replace("$1", kept[1] if kept else "")
        assert "--" not in shown and "missing-since" not in shown
