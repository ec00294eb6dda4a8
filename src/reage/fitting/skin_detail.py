"""Make a bank of skin detail from a folder of synthetic heads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reage.compositing.detail_bank import (
    REGIONS,
    SEXES,
    DetailBank,
    Exemplar,
    Sex,
    encode_detail,
)
from reage.compositing.mesh_warp import FRAME, FRAME_SCALE, MESH, mesh_to_frame, warp_to_frame
from reage.compositing.skin_mask import (
    frame_mask,
    log_colours,
    near_eyes,
    region_weights,
    skin_likelihood,
)
from reage.compositing.smoothing import gaussian, masked_gaussian, smoothstep, soft_limit
from reage.faces.face import Face
from reage.faces.squares import face_quad, to_unit

__all__ = ["Head", "canonical_mesh", "fit_bank", "skin_detail"]

# Of FFHQ's square's side, standard deviations: what is broader is the face's shape and its light;
# of what is broader than the second, left and right halves' mean is kept: light from one side
# leaves it, bags and folds stay.
BROADEST, EVEN = 0.04, 0.02
FINE = 0.014  # ... and what is finer counts as an exemplar's strength
YOUNG = 34.0  # years; such faces show what is no sign of age: noses, lids, lips
MEAN_BLUR = 1.5  # pixels of the frame: single faces' pores leave the mean
# Log-luminance. Skin that is lighter than young skin is mostly a lack of it: of lashes, make-up,
# stubble, the shade of brows. A little of it sets off the wrinkles beside.
MOST_LIGHTER, MOST_LIGHTER_FOLDS, MOST_DARKER = 0.2, 0.08, 0.5
COVERED = 0.55  # share of a region's skin that has to be seen


@dataclass(frozen=True, eq=False)
class Head:
    """A head on FFHQ's square with what is known of it."""

    name: str
    rgb: np.ndarray  # [H, W, 3] uint8
    face: Face
    sex: Sex
    age: float  # years, apparent
    ita: float  # degrees
    covered: Sequence[str] = ()  # regions that are hidden though they look like skin


def fit_bank(
    young: Iterable[Head], old: Iterable[Head], faces: Sequence[Face], source: str
) -> DetailBank:
    """Make the bank: `faces` give the canonical mesh, `young` heads what detail is no age's."""
    canonical = canonical_mesh(faces)
    means = _young_means(young, canonical)
    made = [_exemplar(head, canonical, means[head.sex]) for head in old]
    return DetailBank(canonical, tuple(made), source)


def canonical_mesh(faces: Sequence[Face]) -> np.ndarray:
    """Return the mean mesh of frontal faces in the frame, symmetric, `[468, 2]`."""
    shapes = []
    for face in faces:
        assert face.landmarks is not None, "a face without a mesh"
        shapes.append(to_unit(face.landmarks[:MESH, :2], face_quad(face)))
    mean = np.mean(shapes, axis=0)
    middle = mean[1, 0]
    mirrored = mean * [-1, 1] + [2 * middle, 0]
    near = np.linalg.norm(mirrored[None] - mean[:, None], axis=2).argmin(1)
    return mesh_to_frame((mean + mirrored[near]) / 2 + [0.5 - middle, 0])


def skin_detail(
    rgb: np.ndarray, landmarks: np.ndarray, canonical: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Take a photo's skin to the canonical face: its detail, and where it is, both `[h, w]`."""
    colours = warp_to_frame(rgb, canonical, landmarks)
    seen = np.clip(frame_mask(canonical) * skin_likelihood(colours, frame_mask(canonical)), 0, 1)
    light = log_colours(colours)[0]
    return light - masked_gaussian(light, seen, BROADEST * FRAME_SCALE), seen


def _young_means(young: Iterable[Head], canonical: np.ndarray) -> Mapping[Sex, np.ndarray]:
    """Mean detail of young women and men; where beards grow, the women's."""
    sums: dict[Sex, np.ndarray] = {sex: np.zeros((2, *FRAME[::-1]), np.float32) for sex in SEXES}
    for head in young:
        detail, seen = skin_detail(head.rgb, _mesh(head), canonical)
        sums[head.sex] += np.stack([detail * seen, seen])
    means: dict[Sex, np.ndarray] = {
        sex: total[0] / np.maximum(total[1], 1) for sex, total in sums.items()
    }
    means = {sex: gaussian((m + m[:, ::-1]) / 2, MEAN_BLUR) for sex, m in means.items()}
    beard = smoothstep(
        (np.arange(FRAME[1]) - canonical[1, 1]) / (canonical[0, 1] - canonical[1, 1])
    )
    share = beard[:, None].astype(np.float32)
    means["male"] = means["male"] * (1 - share) + means["female"] * share
    return means


def _exemplar(head: Head, canonical: np.ndarray, mean: np.ndarray) -> Exemplar:
    detail, seen = skin_detail(head.rgb, _mesh(head), canonical)
    aged = detail - mean
    weight = np.clip(seen, 1e-3, 1)
    even = masked_gaussian(aged, weight, EVEN * FRAME_SCALE)
    aged = aged - even + (even + even[:, ::-1]) / 2
    broad = masked_gaussian(aged, weight, FINE * FRAME_SCALE)
    fine = _limit(aged - broad, MOST_LIGHTER, canonical) * seen
    aged = np.clip(fine + _limit(broad, MOST_LIGHTER_FOLDS, canonical) * seen, -MOST_DARKER, None)
    whole = frame_mask(canonical)
    strengths, covered = {}, list(head.covered)
    for name, region in zip(REGIONS, region_weights(canonical), strict=True):
        there = region * seen
        strengths[name] = round(float(np.sqrt((fine**2 * there).sum() / there.sum())), 4)
        if there.sum() < COVERED * (region * whole).sum() and name not in covered:
            covered.append(name)
    mesh = _mesh(head)
    left_eye, right_eye, _, left, right = head.face.points
    return Exemplar(
        name=head.name,
        sex=head.sex,
        age=round(head.age, 1),
        ita=round(head.ita, 1),
        yaw=round(head.face.pose[0], 1),
        smile=round(float(np.hypot(*(right - left)) / np.hypot(*(right_eye - left_eye))), 3),
        aspect=round(float(np.ptp(mesh[:MESH, 1]) / np.ptp(mesh[:MESH, 0])), 3),
        strengths=strengths,
        covered=tuple(covered),
        data=encode_detail(aged),
    )


def _limit(detail: np.ndarray, most: float, canonical: np.ndarray) -> np.ndarray:
    """Limit softly how much lighter skin gets; around eyes and brows it hardly does."""
    lighter = soft_limit(np.clip(detail, 0, None), most) * (1 - 0.8 * near_eyes(canonical))
    return np.where(detail > 0, lighter, detail)


def _mesh(head: Head) -> np.ndarray:
    assert head.face.landmarks is not None, f"{head.name} has no mesh"
    return head.face.landmarks
