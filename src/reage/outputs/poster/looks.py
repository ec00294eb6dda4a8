"""A few plausible looks at one age that differ visibly, each with words for how it differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image

from reage.agers.base import PreparedFace
from reage.compositing.change import Change, Greying, SkinDetail
from reage.compositing.view import crop_for_age, read_age
from reage.editor import Editor
from reage.images import Photo, to_tensor
from reage.outputs.framing import frame_prepared
from reage.outputs.grid import cut_to_face
from reage.outputs.poster.weight import weight_warp
from reage.search.photo_search import PhotoSearch
from reage.types import AgedFace, AgeReading

__all__ = [
    "Look",
    "LookStep",
    "difference",
    "head_square",
    "plausible_looks",
    "shrink_to_print",
]

AROUND = 1.3  # side of the squares shown, in FFHQ squares: a head with its hair
SIDE = 1200  # pixels: 300 dpi at the size of the large picture
HEAVIER, THINNER = 0.18, -0.14  # by which the lower face gets wider
GREYER = 0.5  # share of the hair that turns grey beside what does at that age
LINES, NO_LINES = 2.2, 0.2  # times as much of old skin's detail
GREY_FROM, LINES_FROM = 40.0, 30.0  # years: younger hair and skin do not vary so
SEEN_SIDE = 128  # pixels: two looks are compared as in a hand-held print
# Mean difference over the twentieth of the pixels that differ most, of 255, that an eye sees in a
# print (looked at in 20 portraits): contours that move differ most, lines least.
LEAST_SEEN = {"heavier": 40.0, "thinner": 40.0, "greyer": 15.0, "less_grey": 15.0,
              "lined": 6.0, "smooth": 6.0}  # fmt: skip
SEEN_SHARE = 0.05
MOST_OFF = 12.0  # years that a look may read from the plain one; else it varies less
SHARES = 1.0, 0.65, 0.4  # of a variation, tried one after the other

LookStep = Callable[[str, int, int], None]  # what is made, how many are done, of how many


@dataclass(frozen=True, eq=False)
class Look:
    """One picture of a poster."""

    names: tuple[str, ...]  # how it differs: keys of a language's `looks`; () for the photo
    picture: np.ndarray  # [S, S, 3] uint8, the square around the head
    reading: AgeReading  # of that picture
    seen: float  # difference to the plain look, of 255


def plausible_looks(
    editor: Editor,
    photo: Photo,
    face: PreparedFace,
    age: float,
    *,
    true_age: float | None = None,
    count: int = 3,
    on_step: LookStep | None = None,
) -> tuple[AgedFace, list[Look]]:
    """Show a face at an age in years, plain first, then with what the age alone does not settle.

    `true_age`, years, says what may vary; None: the age shown. Returns what the search reached,
    and at most `count` looks: those that do not differ visibly are left out.
    """
    tell = on_step or (lambda what, done, total: None)
    tell("ageing", 0, count)
    traced = editor.trace(photo, [face])
    edit = traced.edit(age)
    aged = edit.faces[0]
    change = traced.search.change(face, torch.tensor([aged.strength]))
    plain = Look(("plain",), head_square(edit.photo.rgb8, face), aged.after, 0.0)
    looks = [plain]
    for parts in _candidates(change, age if true_age is None else true_age):
        tell("looks", len(looks), count)
        if len(looks) >= count:
            break
        found = _look(editor, traced.search, face, change, parts, plain)
        looks += [] if found is None else [found]
    return aged, looks


def shrink_to_print(photo: Photo, face: PreparedFace) -> tuple[Photo, PreparedFace]:
    """Shrink a photo whose head has more pixels than a poster prints; that only takes time."""
    share = SIDE / (AROUND * face.view.face.size)
    if share >= 1:
        return photo, face
    longer = round(max(photo.pixels.shape[:2]) * share)
    small, (moved,) = frame_prepared(photo, [face], longer, whole=True)
    return small, moved


def head_square(pixels: np.ndarray, face: PreparedFace) -> np.ndarray:
    """Cut the square around the head from a photo `[H, W, 3]` uint8, at most `SIDE` pixels."""
    cut = np.ascontiguousarray(cut_to_face(pixels, face.view.face, AROUND))
    if len(cut) <= SIDE:
        return cut
    return np.asarray(Image.fromarray(cut).resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Return how much two pictures `[S, S, 3]` differ where they differ most, of 255."""
    small = [
        np.asarray(Image.fromarray(p).resize((SEEN_SIDE, SEEN_SIDE), Image.Resampling.BOX), float)
        for p in (one, other)
    ]
    apart = np.sort(np.abs(small[0] - small[1]).mean(2), axis=None)
    return float(apart[-round(SEEN_SHARE * apart.size) :].mean())


def _candidates(change: Change, age: float) -> Iterator[tuple[str, ...]]:
    """Yield what may be varied together, the most telling first."""
    yield ("heavier",)
    if age >= GREY_FROM:
        share = 0.0 if change.greying is None else change.greying.shares[0]
        yield ("less_grey", "smooth") if share > GREYER else ("greyer", "lined")
    elif age >= LINES_FROM:
        yield ("lined",)
    yield ("thinner",)


def _look(
    editor: Editor,
    search: PhotoSearch,
    face: PreparedFace,
    change: Change,
    parts: Sequence[str],
    plain: Look,
) -> Look | None:
    """Vary a change by those parts that show, as far as the age stays near; None if none shows."""
    look = None
    for share in SHARES:
        shown = [
            part
            for part in parts
            if (alone := _show(search, face, _vary(change, face, part, share))) is not None
            and difference(head_square(alone, face), plain.picture) >= LEAST_SEEN[part]
        ]
        varied: Change | None = change
        for part in shown:
            varied = varied and _vary(varied, face, part, share)
        pixels = _show(search, face, varied) if shown else None
        if pixels is None:
            break  # less of it shows even less
        crop = to_tensor(crop_for_age(pixels, face.view.face).image).to(editor.device)
        reading = read_age(editor.age_network, crop)
        picture = head_square(pixels, face)
        look = Look(tuple(shown), picture, reading, difference(picture, plain.picture))
        if abs(reading.age - plain.reading.age) <= MOST_OFF:
            break
    return look


def _vary(change: Change, face: PreparedFace, part: str, share: float) -> Change | None:
    """Return the change with a share of one variation; None where the face or the ager has none."""
    if part in ("heavier", "thinner"):
        amount = share * (HEAVIER if part == "heavier" else THINNER)
        warp = weight_warp(face.view.face, face.view.crop.quad, amount, change.warp)
        return None if warp is None else replace(change, warp=warp)
    if part in ("greyer", "less_grey"):
        if change.greying is None:
            return None
        (own,) = change.greying.shares
        grey = min(own + share * GREYER, 1.0) if part == "greyer" else own * (1 - share)
        return replace(change, greying=Greying(change.greying.hair, (grey,)))
    if change.skin is None:
        return None
    times = LINES if part == "lined" else NO_LINES
    return replace(change, skin=_scale(change.skin, 1 + share * (times - 1)))


def _scale(skin: SkinDetail, times: float) -> SkinDetail:
    return replace(skin, gains=tuple(times * gain for gain in skin.gains))


@torch.no_grad()
def _show(search: PhotoSearch, face: PreparedFace, change: Change | None) -> np.ndarray | None:
    """Render the photo with a change, `[H, W, 3]` uint8."""
    if change is None:
        return None
    return search.photo.with_pixels(search.show([(face, change)])).rgb8
