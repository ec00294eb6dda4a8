"""Which pixels of a square around a head show that person's hair.

A network says which pixels show hair, another which show a person; the mesh of the face takes out
what leaks onto face and neck.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from PIL import Image

from reage.compositing.bands import LUMA
from reage.compositing.hair.beards import beard_in
from reage.compositing.hair.dark_beards import BeardFinder, DarkBeard
from reage.compositing.hair.face_edge import told_at_face
from reage.compositing.hair.facial import Matte
from reage.compositing.hair.locks import raised_by_colour, told_by_colour
from reage.compositing.hair.regions import CHIN, TOP, HeadPlaces, box_mean, connected, sized
from reage.compositing.hair.white_balance import white_of_eyes
from reage.faces.face import Face
from reage.faces.landmarker import LiteNetwork, mediapipe_model
from reage.faces.squares import FaceCrop, quad_side, to_unit

__all__ = [
    "HEAD_SIDE",
    "PERSON_SIDE",
    "HairFinders",
    "Head",
    "PersonFinder",
    "grey_places",
    "greyness",
    "is_bald_or_covered",
    "is_cut_off",
    "look_at_head",
    "redness",
    "without_cover",
    "without_hair",
    "without_loose_ends",
]


class Finder(Protocol):
    """A network that says which pixels show something."""

    sha256: str  # of its weights

    def __call__(self, rgb: np.ndarray) -> np.ndarray: ...


HEAD_SIDE = 512  # pixels of the square that the network of hair looks at
PERSON_SIDE = 256  # that of persons
SMALLER = 352, 256  # pixels of the copies in which hair is looked for again

SHOWN = 0.5  # of a pixel: what is less in the photo is beyond it
SURE, UNSURE = 0.95, 0.6  # probabilities of hair on the face: from the first it is, below none
HINTED = 3.0  # times the probability at full size, that it may be in a smaller picture
BEHIND = 0.6, 0.9  # probabilities of hair between which it is ever more part of a person
LIKELY = 0.75  # probability at full size, from which on hair that colours raise may begin
FIRST, EARS = 0.5, -0.66  # share in the first look; heights of the face from the nose's bridge
COLD = 0.03, 0.06  # by which blue or green is more than red: from the first on ever less hair
SEED = 0.9  # of what is hair for certain; what hangs together with that is hair, too
NECK = (0.2, -0.45, -1.15)  # half its width, where it begins and ends, in heights of the face
BELOW_NOSE = -0.3  # heights of the face from its bridge
FOREHEAD = (0.42, 0.75)  # half its width, and how far it reaches from the bridge of the nose
# Above the face: of what is less than the first share hair, or than the second with a mean
# probability below the third, the network is not sure; so it is of bald heads and of hats.
COVERED, PARTLY, DOUBTFUL = 0.2, 0.4, 0.75
LEAST_ABOVE = 0.01  # of the square has to be seen above the face to say so
# Grey already: its redness by the skin's, below the first for certain and from the second on not;
# lighter than this share of the skin, and light.
# From the share DARK on it is half grey.
GREY, DARK, LIGHT, LIGHTEST = (0.45, 0.6), 0.5, 0.82, 0.3
GREYING = 0.3, 0.45  # light by the skin's, between which a place is more and more grey
LOCKS = 4  # places on each side, over which that is looked at
CUT_OFF = 0.02  # of the square's edges within the photo: from there hair goes on beyond it


@dataclass(frozen=True)
class HairFinders:
    """The networks: uint8 pictures `[S, S, 3]` to probabilities `[S, S]` float32."""

    person: Finder  # S = PERSON_SIDE
    hair: Finder  # S = HEAD_SIDE
    beard: BeardFinder
    colour: str | None = None  # of `HAIR_COLOURS`: what grey hair was; None: guess


class PersonFinder:
    """MediaPipe's selfie segmentation (2021): which pixels show a person. Safe for threads."""

    def __init__(self, num_threads: int = 1) -> None:
        content = mediapipe_model("selfie_segmentation.tflite")
        self.sha256 = hashlib.sha256(content).hexdigest()
        self._network = LiteNetwork(content, num_threads, (1, PERSON_SIDE, PERSON_SIDE, 3))

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Probabilities `[256, 256]` float32 of a uint8 picture `[256, 256, 3]`."""
        assert rgb.shape == (PERSON_SIDE, PERSON_SIDE, 3), rgb.shape
        (found,) = self._network(rgb[None].astype(np.float32) / 255).values()
        return found[0, ..., 0].copy()


@dataclass(frozen=True, eq=False)
class Head:
    """What a square shows at a side of S pixels."""

    rgb: np.ndarray  # [S, S, 3]
    light: np.ndarray  # [S, S] 0..1
    shown: np.ndarray  # [S, S] how much of each pixel is in the photo
    person: np.ndarray  # [S, S] probability
    share: np.ndarray  # [S, S] how much of each pixel is hair
    told: np.ndarray  # [S, S] how well colours tell it, outside the face
    places: HeadPlaces
    mesh: np.ndarray  # [478, 2] MediaPipe's points in these pixels
    toned: bool  # whether the picture has a single tone
    white: np.ndarray  # [3] colour by light of what is white
    beard: np.ndarray  # [S, S] how much of each pixel is grey beard or moustache
    dark_beard: Matte | None  # tells dark beards, moustaches and stubble by their light


def look_at_head(
    crop: FaceCrop,
    face: Face,
    finders: HairFinders,
    others: np.ndarray,
    side: int,
    toned: bool,
    dark_beard: DarkBeard | None = None,
) -> Head:
    """Find hair in a square, at `side` pixels; `toned`: the picture has a single tone.

    `dark_beard` was found in the same photo.
    """
    assert face.landmarks is not None
    mesh = to_unit(face.landmarks[:, :2], crop.quad) * side - 0.5
    places = HeadPlaces.of(mesh, side)
    shown = sized(crop.mask, side)
    small = np.asarray(Image.fromarray(crop.image).resize((side, side), Image.Resampling.BOX))
    picture = _with_skins_colour(crop.image) if toned else crop.image
    half = Image.fromarray(picture).resize((PERSON_SIDE, PERSON_SIDE), Image.Resampling.BOX)
    person = sized(finders.person(np.asarray(half)), side)
    own = _own(crop.quad, mesh, others, side)
    person = person * own
    hair = sized(finders.hair(picture), side)
    share = _without_leaks(hair, person, places)
    # What goes on beyond the square is looked at in a larger one.
    if not (toned or _bare(share, person, shown, places) or _goes_on(share, shown)):
        again = np.minimum(_seen_smaller(picture, finders, side), HINTED * hair) * ~places.near
        # Hair behind the neck is part of nobody to the network of persons.
        behind = own * np.clip((again - BEHIND[0]) / (BEHIND[1] - BEHIND[0]), 0, 1)
        raised = raised_by_colour(small / 255, hair, again, shown)
        # Below the ears it hangs together with what is likely: clothes may have its colours.
        likely = (hair > LIKELY) | (share > FIRST) | (places.up > EARS)
        more = _without_leaks(raised, np.maximum(person, behind), places, likely)
        share = np.maximum(share, more)
    height, told = float(np.hypot(*(mesh[TOP] - mesh[CHIN]))), np.zeros_like(share)
    if not toned:
        # Nor on a forehead, where a gleam has the colours of white hair.
        forehead = (np.abs(places.aside) < FOREHEAD[0]) & (np.abs(places.up) < FOREHEAD[1])
        none = np.maximum(places.near, forehead)
        found, told = told_by_colour(small / 255, share, none, places.face, height)
        share = own * told_at_face(small / 255, found, person, places, mesh)
        share = share * (1 - _cold_clothes(small / 255, share, places))
    light = small.astype(np.float32) @ LUMA / 255
    fine = (mesh + 0.5) * len(crop.image) / side - 0.5
    white = white_of_eyes(crop.image, fine)
    beard, grey = beard_in(crop.image, fine)
    beard = sized(beard, side) * person * (grey and not toned)  # colours tell it, too
    dark = dark_beard and dark_beard.matte(crop.quad, light).within(person)
    return Head(small, light, shown, person, share, told, places, mesh, toned, white, beard, dark)


def without_hair(head: Head) -> Head:
    """The same, as if none was seen on the head."""
    return replace(head, share=np.zeros_like(head.share))


def without_cover(head: Head, cover: np.ndarray) -> Head:
    """The same without what is covered `[S, S]`: neither hair, brows nor beard are seen there."""
    free = 1 - cover
    seen = {name: getattr(head, name) * free for name in ("share", "person", "beard")}
    return replace(head, **seen, dark_beard=head.dark_beard and head.dark_beard.within(free))


def without_loose_ends(head: Head) -> Head:
    """Return the same without hair that a thing before the face cuts off from the head.

    What is seen of it is seldom whole: half of it would turn grey.
    """
    on_head = (head.share > SEED) & (head.places.up > BELOW_NOSE)
    return replace(head, share=head.share * connected(head.share, on_head))


def _seen_smaller(picture: np.ndarray, finders: HairFinders, side: int) -> np.ndarray:
    """Return the probability of hair `[side, side]` in smaller, mirrored copies of a picture.

    In them the network sees more of a lock at once: it knows braids and ponytails that it takes
    for something else at full size.
    """
    mirrored = Image.fromarray(np.ascontiguousarray(picture[:, ::-1]))
    copies = [mirrored.resize((n, n), Image.Resampling.BOX) for n in SMALLER]
    found = [sized(finders.hair(np.asarray(copy)), side) for copy in copies]
    return np.max(found, axis=0)[:, ::-1]


def _with_skins_colour(image: np.ndarray) -> np.ndarray:
    """A picture of one tone as a brown print: what the network knows skin and hair by."""
    light = (image.astype(np.float32) @ LUMA / 255)[..., None]
    return np.rint(255 * light ** np.array([0.75, 1.0, 1.2], np.float32)).astype(np.uint8)


def _without_leaks(
    hair: np.ndarray, person: np.ndarray, places: HeadPlaces, likely: np.ndarray | bool = True
) -> np.ndarray:
    """How much of each pixel is hair, by the probability of it `[S, S]`.

    It hangs together with hair that is certain, and `likely` `[S, S]` bool without that.
    """
    step = len(hair) // 128 + 1
    face = box_mean(places.face, 2 * step)
    on_face = np.clip((hair - UNSURE) / (SURE - UNSURE), 0, 1)
    width, begins, ends = NECK
    neck = (np.abs(places.aside) < width) & (places.up < begins) & (places.up > ends)
    share = person * (hair * (1 - face) + hair * on_face * face)
    share *= 1 - box_mean(box_mean(neck, 2 * step), 2 * step)
    return share * connected(share, (share > SEED) & likely & ~places.face & ~neck)


def _cold_clothes(rgb: np.ndarray, share: np.ndarray, places: HeadPlaces) -> np.ndarray:
    """Return how much of what lies below the nose is blue or green, `[S, S]` in 0..1.

    Hair is so in nobody whose hair on the head is not. `rgb` `[S, S, 3]` is of 0..1.
    """
    cold = rgb[..., 1:].max(-1) - rgb[..., 0]
    head = (share > SEED) & (places.up > EARS)
    if not head.any() or np.median(cold[head]) > 0:
        return np.zeros_like(share)
    clothes = np.clip((box_mean(cold, len(cold) // 128) - COLD[0]) / (COLD[1] - COLD[0]), 0, 1)
    return clothes * (places.up < BELOW_NOSE)


def _own(quad: np.ndarray, mesh: np.ndarray, others: np.ndarray, side: int) -> np.ndarray:
    """What is nearer to this face, by its height, than to any other, `[S, S]` bool."""
    y, x = np.mgrid[:side, :side]
    low, high = mesh.min(0), mesh.max(0)
    middles = to_unit(others[:, :2], quad) * side - 0.5
    heights = others[:, 2] * side / quad_side(quad)
    places = [((low + high) / 2, high[1] - low[1]), *zip(middles, heights, strict=True)]
    away = np.stack([np.hypot(x - at[0], y - at[1]) / height for at, height in places])
    return away.argmin(0) == 0


def is_bald_or_covered(head: Head) -> bool:
    """Whether what is seen above the face is skin, a hat or a scarf for the most part."""
    return _bare(head.share, head.person, head.shown, head.places)


def _bare(share: np.ndarray, person: np.ndarray, shown: np.ndarray, places: HeadPlaces) -> bool:
    above = (person > 0.9) & (shown > SHOWN) & ~places.near & (places.up > 0.15)
    if above.mean() < LEAST_ABOVE:
        return False
    found = float(share[above].mean())
    sure = float(np.square(share).sum() / max(share.sum(), 1.0))
    return found < COVERED or (found < PARTLY and sure < DOUBTFUL)


def greyness(head: Head, share: np.ndarray) -> float:
    """How grey a share `[S, S]` of the pixels is already, 0..1; 1: it has no colour to lose."""
    hair, skin = share * head.shown * (share > 0.5), head.places.skin
    if head.toned or not skin.any() or not hair.any():
        return 0.0
    red, light = redness(head), float(np.average(head.light, weights=hair))
    colourless = _colourless(float(np.average(red, weights=hair)), float(red[skin].mean()))
    # Not by light alone: dark skin is darker than grey hair.
    dark, white = (max(f * float(np.median(head.light[skin])), LIGHTEST) for f in (DARK, LIGHT))
    return float(colourless * np.clip((light - dark) / max(white - dark, 1e-6), 0, 1))


def grey_places(head: Head, share: np.ndarray) -> np.ndarray:
    """How grey each place of a share `[S, S]` of the pixels is already, `[S, S]` in 0..1."""
    hair, skin = share * head.shown, head.places.skin
    if head.toned or not skin.any():
        return np.zeros_like(share)
    total = np.maximum(box_mean(hair, LOCKS), 1e-3)
    red, light = (box_mean(one * hair, LOCKS) / total for one in (redness(head), head.light))
    light = light / max(float(np.median(head.light[skin])), 1e-3)
    shown = np.clip((light - GREYING[0]) / (GREYING[1] - GREYING[0]), 0, 1)
    return _colourless(red, float(redness(head)[skin].mean())) * shown


def redness(head: Head) -> np.ndarray:
    """Return by how much red is more than green, of all light, `[S, S]`."""
    red = head.rgb.astype(np.float32) / 255
    return (red[..., 0] - red[..., 1]) / (red.sum(-1) + 0.15)


def _colourless(red: np.ndarray | float, skins: float) -> np.ndarray:
    return np.clip((GREY[1] - red / max(skins, 1e-3)) / (GREY[1] - GREY[0]), 0, 1)


def is_cut_off(head: Head) -> bool:
    """Whether hair goes on beyond the square where the photo goes on, too."""
    return _goes_on(head.share, head.shown)


def _goes_on(share: np.ndarray, shown: np.ndarray) -> bool:
    sides = [np.rot90(share * (shown > SHOWN), turn)[1] for turn in range(4)]
    return bool((np.concatenate(sides) > 0.5).mean() > CUT_OFF)
