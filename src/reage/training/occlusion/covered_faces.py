"""Faces with things before them, in all kinds of light: pictures and masks from a seed."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from reage.compositing.bands import LUMA
from reage.compositing.skin_mask import LIPS
from reage.training.occlusion.shapes import SIDE, Random, X, Y, blur, fill, noise
from reage.training.occlusion.things import HULL, LEFT_EYE, RIGHT_EYE, THINGS

__all__ = ["cover_face"]

CHEEK = [50, 101, 205]  # of MediaPipe's mesh


def cover_face(
    random: Random, face: np.ndarray, mesh: np.ndarray, others: np.ndarray, often: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a picture `[128, 128, 3]`, what is covered in it and the face, both `[64, 64]` uint8.

    `face` `[S, S, 3]` is uint8, `mesh` `[468, 2]` in 0..1 of it, `others` pictures for textures;
    a share of `often` of the faces is covered.
    """
    resized = Image.fromarray(face).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    picture, mesh = np.asarray(resized, np.float32) / 255, mesh * SIDE - 0.5
    hull = np.maximum(*(fill(_wider(mesh[HULL], wide)) for wide in (1, 1.06)))
    cheek = fill(mesh[CHEEK]) > 0.5
    skin = np.median(picture[cheek if cheek.any() else hull > 0.5], axis=0)
    picture = _make_up(random, picture, mesh)
    lit_before = random.random() < 0.5  # the light falls on the thing, too, or on the face alone
    if lit_before:
        picture = _light(random, picture, mesh)
    covered = np.zeros((SIDE, SIDE), np.float32)
    if random.random() < often:
        for _ in range(1 if random.random() < 0.85 else 2):
            picture, share = _put_before(random, picture, mesh, skin, others)
            covered = np.maximum(covered, share)
    picture = picture if lit_before else _light(random, picture, mesh)
    return _photograph(random, _print(random, picture)), _halve(covered), _halve(hull)


def _put_before(
    random: Random, picture: np.ndarray, mesh: np.ndarray, skin: np.ndarray, others: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    kinds, often = list(THINGS), np.array(list(THINGS.values()))
    surface, share = kinds[random.choice(len(kinds), p=often)](random, mesh, skin, others)
    if random.random() < 0.1:
        share = share * random.uniform(0.5, 0.9)
    if random.random() < 0.5:
        shadow = np.roll(blur(share, random.uniform(1, 5)), random.integers(-5, 6, 2), (0, 1))
        picture = picture * (1 - random.uniform(0.1, 0.6) * shadow * (1 - share))[..., None]
    there = share[..., None]
    return picture * (1 - there) + np.clip(surface, 0, 1.1) * there, share


def _make_up(random: Random, picture: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    if random.random() < 0.2:
        share = fill(mesh[LIPS], 1)[..., None] * random.uniform(0.3, 0.8)
        picture = picture * (1 - share) + share * random.random(3) * picture.max()
    if random.random() < 0.12:
        for eye in (LEFT_EYE, RIGHT_EYE):
            lid = mesh[eye].mean(0) + (mesh[eye] - mesh[eye].mean(0)) * [1.6, 2.6]
            share = fill(lid - [0, 0.02 * SIDE], 3)[..., None] * random.uniform(0.2, 0.6)
            picture = picture * (1 - share) + 0.7 * share * random.random(3) * picture
    return picture


def _light(random: Random, picture: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """Half a face in the shadow, blotches of shade, too much light; none of them covers."""
    if random.random() < 0.35:
        level = random.random() < 0.5
        angle = random.choice([0, np.pi]) if level else random.uniform(0, 2 * np.pi)
        middle = mesh[HULL].mean(0) + random.normal(0, 10, 2)
        away = (X - middle[0]) * np.cos(angle) + (Y - middle[1]) * np.sin(angle)
        lit, left = 1 / (1 + np.exp(-away / random.uniform(1, 40))), random.uniform(0.08, 0.8)
        picture = picture * (left + (1 - left) * lit)[..., None]
    if random.random() < 0.12:
        shade = blur(np.clip(noise(random, int(random.integers(3, 8))), 0, 1), 2)
        picture = picture * (1 - random.uniform(0.2, 0.7) * shade)[..., None]
    if random.random() < 0.15:
        picture = picture * random.uniform(1.2, 2.6) + random.uniform(0, 0.1)
    return picture


def _print(random: Random, picture: np.ndarray) -> np.ndarray:
    """Other colours: prints of one tone, other white balances, paler or stronger."""
    kind = random.random()
    light = np.clip(picture @ LUMA, 0, 1)[..., None]
    if kind < 0.12:
        powers = random.uniform(0.6, 1.5, 3) if random.random() < 0.5 else np.ones(3)
        return light**powers
    if kind < 0.4:
        powers = random.uniform(0.75, 1.35)
        return np.clip(picture, 0, 1) ** powers * random.uniform(0.85, 1.15, 3)
    return light + (picture - light) * random.uniform(0.3, 1.6) if kind < 0.5 else picture


def _photograph(random: Random, picture: np.ndarray) -> np.ndarray:
    """Noise, blur and JPEG."""
    if random.random() < 0.3:
        picture = picture + random.normal(0, random.uniform(0.005, 0.04), picture.shape)
    image = Image.fromarray(np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8))
    if random.random() < 0.25:
        small = int(random.integers(48, 128))
        image = image.resize((small, small), Image.Resampling.BOX)
    image = image.resize((128, 128), Image.Resampling.BICUBIC)
    if random.random() < 0.4:
        data = io.BytesIO()
        image.save(data, "JPEG", quality=int(random.integers(30, 95)))
        image = Image.open(data).convert("RGB")
    return np.asarray(image)


def _wider(ring: np.ndarray, factor: float) -> np.ndarray:
    return ring.mean(0) + factor * (ring - ring.mean(0))


def _halve(layer: np.ndarray) -> np.ndarray:
    image = Image.fromarray(np.rint(255 * layer).astype(np.uint8))
    return np.asarray(image.resize((64, 64), Image.Resampling.BOX))
