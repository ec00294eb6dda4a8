"""Things before faces, drawn from a seed: each gives a surface and how much of a pixel it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reage.training.occlusion.shapes import (
    SIDE,
    Random,
    X,
    Y,
    blur,
    colour,
    fill,
    lines,
    noise,
    round_off,
    smooth,
    texture,
)

__all__ = ["HULL", "LEFT_EYE", "RIGHT_EYE", "THINGS"]

# Rings of MediaPipe's mesh.
LEFT_EYE = [33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7]
RIGHT_EYE = [263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249]
HULL = [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377]
HULL += [152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109]
JAW = (361, 397, 379, 377, 152, 148, 150, 172, 132)
BRIDGE, TIP, CHIN, TOP, MOUTH = 6, 4, 152, 10, 13

Thing = tuple[np.ndarray, np.ndarray]  # [SIDE, SIDE, 3] surface, [SIDE, SIDE] share


def medical_mask(random: Random, mesh: np.ndarray, skin: np.ndarray, others: np.ndarray) -> Thing:
    """A mask over nose and chin, or lower; some with pleats and straps."""
    middle, wide = mesh[HULL].mean(0), random.uniform(1.0, 1.12)
    side = random.integers(3)
    left, right = mesh[[234, 93, 132][side]], mesh[[454, 323, 361][side]]
    top = _between(mesh[BRIDGE], mesh[TIP], random.uniform(0.15, 1.05))
    step = 0.25 * (mesh[454] - mesh[234])
    rise = np.array([0, random.uniform(-0.02, 0.06) * SIDE])
    jaw = [middle + wide * (mesh[i] - middle) for i in JAW]
    ring = [left, top - step + rise, top, top + step + rise, right, *jaw]
    share = fill(ring if random.random() < 0.5 else smooth(ring), random.uniform(0.3, 1))
    surface = texture(random, skin, others)
    if random.random() < 0.6:
        down = (mesh[CHIN] - top) / np.hypot(*(mesh[CHIN] - top))
        along = (X - top[0]) * down[0] + (Y - top[1]) * down[1]
        pleats = np.sin(along * random.uniform(0.15, 0.5))
        surface = surface * (1 + random.uniform(0.03, 0.2) * pleats)[..., None]
    if random.random() < 0.6:
        ends = ((left, -1), (right, 1), (mesh[172], -1), (mesh[397], 1))
        reach = random.uniform(0.05, 0.2) * SIDE
        straps = [(at, at + reach * np.array([away, -1])) for at, away in ends]
        share = np.maximum(share, lines(straps, int(random.integers(1, 4))))
    return surface * round_off(random, share), share


def sunglasses(random: Random, mesh: np.ndarray, skin: np.ndarray, _: np.ndarray) -> Thing:
    """Dark or coloured lenses of many shapes, with a bridge and temples."""
    eyes = mesh[LEFT_EYE].mean(0), mesh[RIGHT_EYE].mean(0)
    apart = float(np.hypot(*(eyes[1] - eyes[0])))
    along = (eyes[1] - eyes[0]) / apart
    down = np.array([-along[1], along[0]])
    width, height = apart * random.uniform(0.33, 0.52), apart * random.uniform(0.2, 0.45)
    power, drop = random.choice([2, 2.5, 4, 6]), random.uniform(-0.02, 0.12) * apart
    turn = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    across, below = (np.sign(f(turn)) * np.abs(f(turn)) ** (2 / power) for f in (np.cos, np.sin))
    lens = width * across[:, None] * along + (drop + height * below[:, None]) * down
    share = np.maximum(*(fill(eye + lens, 0.4) for eye in eyes))
    dark = random.random() < 0.7
    tint = np.full(3, random.uniform(0, 0.18)) if dark else 0.6 * colour(random, skin)
    lighter = 1 + random.uniform(0, 1.2) * ((Y - eyes[0][1]) / SIDE + 0.1)
    gleam = random.uniform(0, 0.075) * np.clip(noise(random, 3), 0, 3)
    share = share * random.choice([1, 1, random.uniform(0.8, 1)])
    rise = 0.3 * height * down
    frame = [(eyes[0] + 0.8 * width * along, eyes[1] - 0.8 * width * along)]
    frame += [(eyes[0] - 0.9 * width * along - rise, mesh[127] - 0.05 * SIDE * along)]
    frame += [(eyes[1] + 0.9 * width * along - rise, mesh[356] + 0.05 * SIDE * along)]
    share = np.maximum(share, lines(frame, int(random.integers(1, 6))))
    return tint * lighter[..., None] + gleam[..., None], share


def hand(random: Random, mesh: np.ndarray, skin: np.ndarray, _: np.ndarray) -> Thing:
    """One to five fingers from any side, mostly in the face's own colour, often with a palm."""
    like = np.clip(skin * random.uniform(0.8, 1.2) * (1 + random.normal(0, 0.04, 3)), 0.03, 1)
    base = like if random.random() < 0.75 else colour(random, skin)
    tall = mesh[CHIN][1] - mesh[TOP][1]
    target = mesh[HULL].mean(0) + random.normal(0, 0.3, 2) * tall
    angle = random.uniform(0, 2 * np.pi)
    out = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-out[1], out[0]])
    width, length = tall * random.uniform(0.045, 0.09), tall * random.uniform(0.35, 0.8)
    count, spread = int(random.integers(1, 6)), random.uniform(0, 0.25)
    surface = np.ones((SIDE, SIDE, 3), np.float32) * base
    share = np.zeros((SIDE, SIDE), np.float32)
    palm = target + 0.9 * length * out
    if count >= 3 or random.random() < 0.5:
        half = 1.05 * count * width
        ring = [(1, -0.1), (0.9, 1.0), (-0.9, 1.0), (-1, -0.1)]
        share = fill(smooth([palm + half * s * across + t * length * out for s, t in ring]), 0.5)
        surface *= (1 + 0.12 * noise(random, 4))[..., None] * round_off(random, share)
        arm = [(0.8, 0.8), (-0.8, 0.8), (-0.8, 4.0), (0.8, 4.0)]
        arm_share = fill([palm + half * s * across + t * length * out for s, t in arm], 0.5)
        share = np.maximum(share, arm_share)
    for i in range(count):
        at = 2.0 * width * (i - (count - 1) / 2) * across
        tip = target + at * (1 + spread) + length * random.uniform(-0.12, 0.12) * out
        finger, there = _finger(random, palm + at, tip, width, base)
        gap = 0.35 * blur(there, 1.6) * (1 - there) * share
        surface = surface * (1 - gap)[..., None]
        surface = surface * (1 - there[..., None]) + finger * there[..., None]
        share = np.maximum(share, there)
        if random.random() < 0.5:
            surface = _with_nail(random, surface, tip, width, base)
    return surface * (1 + 0.03 * random.normal(0, 1, (SIDE, SIDE, 1))), share


def microphone(random: Random, mesh: np.ndarray, skin: np.ndarray, _: np.ndarray) -> Thing:
    """A ball before the mouth or chin, on a stem."""
    tall = mesh[CHIN][1] - mesh[TOP][1]
    middle = mesh[MOUTH] + random.normal(0, 0.16, 2) * tall + [0, 0.1 * tall]
    radii = tall * random.uniform(0.07, 0.2, 2)
    place = np.stack([X, Y], -1) - middle
    ball = np.clip((1 - np.linalg.norm(place / radii, axis=-1)) * radii.min() + 0.5, 0, 1)
    angle, half = random.uniform(0.2, np.pi - 0.2), radii[0] * random.uniform(0.25, 0.8)
    end = middle + 1.4 * SIDE * np.array([np.cos(angle), np.sin(angle)])
    side = np.array([-np.sin(angle), np.cos(angle)])
    stem = fill(
        [middle + half * side, end + half * side, end - half * side, middle - half * side], 0.5
    )
    tint = colour(random, skin) if random.random() < 0.4 else np.full(3, random.uniform(0.03, 0.3))
    light = 1.2 - 0.32 * np.square((place + 0.3 * radii) / radii).sum(-1)
    if random.random() < 0.6:
        grid = np.sin(X * random.uniform(0.8, 2.5)) * np.sin(Y * random.uniform(0.8, 2.5))
        light = light * (1 + random.uniform(0.1, 0.5) * grid)
    else:
        light = light * (1 + 0.15 * random.normal(0, 1, (SIDE, SIDE)))
    gleam = 1 + 0.3 * np.sin((X * side[0] + Y * side[1]) / max(half, 1) * 1.5)
    metal = np.full(3, random.uniform(0.03, 0.5)) * gleam[..., None]
    foam = tint * np.clip(light, 0.1, 2)[..., None]
    return np.where((ball > stem)[..., None], foam, metal), np.maximum(ball, stem)


def veil(random: Random, mesh: np.ndarray, skin: np.ndarray, others: np.ndarray) -> Thing:
    """Cloth over all of a face below some height, or over its lower half."""
    top = _between(mesh[BRIDGE], mesh[2], random.uniform(0.1, 0.95))
    slope = random.normal(0, 0.06) * SIDE
    left = np.array([-5, top[1] - slope + random.uniform(-0.05, 0.05) * SIDE])
    right = np.array([SIDE + 5, top[1] + slope])
    top = top + np.array([0, random.uniform(-0.03, 0.08) * SIDE])
    sag = np.array([0, random.uniform(-0.02, 0.03) * SIDE])
    upper = [left, (left + top) / 2 + sag, top, (right + top) / 2, right]
    out, below = np.array([0.1 * SIDE, 0]), np.array([0, 0.2 * SIDE])
    scarf = [mesh[361] + out, mesh[CHIN] + below, mesh[132] - out]
    all_below = [np.array([SIDE + 5, SIDE + 5]), np.array([-5, SIDE + 5])]
    lower = all_below if random.random() < 0.6 else scarf
    return texture(random, skin, others), fill([*upper, *lower], random.uniform(0.3, 1))


def hat(random: Random, mesh: np.ndarray, skin: np.ndarray, others: np.ndarray) -> Thing:
    """A brim or cloth over the forehead and all above it."""
    edge = _between(mesh[[105, 334]].mean(0), mesh[TOP], random.uniform(-0.1, 0.85))
    along, up = mesh[454] - mesh[234], np.array([0, -2.0 * SIDE])
    bend = np.array([0, random.uniform(-0.06, 0.06) * SIDE])
    brim = [
        edge + s * along + t * bend for s, t in ((-1, 0), (-0.5, 0.6), (0, 1), (0.5, 0.6), (1, 0))
    ]
    share = fill([*brim, edge + along + up, edge - along + up], random.uniform(0.3, 1))
    return texture(random, skin, others), share


def blob(random: Random, mesh: np.ndarray, skin: np.ndarray, others: np.ndarray) -> Thing:
    """A round thing of any shape, anywhere on the face."""
    tall = mesh[CHIN][1] - mesh[TOP][1]
    middle = mesh[HULL].mean(0) + random.normal(0, 0.28, 2) * tall
    turn = np.sort(random.uniform(0, 2 * np.pi, int(random.integers(5, 12))))
    reach = tall * random.uniform(0.12, 0.5) * random.uniform(0.5, 1.3, len(turn))
    ring = middle + np.stack([np.cos(turn), np.sin(turn)], 1) * reach[:, None]
    return _perhaps_round(random, skin, others, fill(smooth(ring), random.uniform(0.3, 1.2)))


def box(random: Random, mesh: np.ndarray, skin: np.ndarray, others: np.ndarray) -> Thing:
    """A straight thing: paper, a telephone, a bar."""
    tall = mesh[CHIN][1] - mesh[TOP][1]
    middle = mesh[HULL].mean(0) + random.normal(0, 0.3, 2) * tall
    angle = random.uniform(0, np.pi)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    long, wide = tall * random.uniform(0.08, [0.6, 0.5])
    long = 2 * SIDE if random.random() < 0.4 else long
    corners = ((1, 1), (-1, 1), (-1, -1), (1, -1))
    ring = [middle + s * long * along + t * wide * across for s, t in corners]
    return _perhaps_round(random, skin, others, fill(ring, random.uniform(0.2, 0.8)))


# Each thing, and how often it is drawn.
THINGS: dict[Callable[..., Thing], float] = {
    medical_mask: 0.2,
    sunglasses: 0.16,
    hand: 0.2,
    microphone: 0.1,
    veil: 0.1,
    hat: 0.06,
    blob: 0.11,
    box: 0.07,
}


def _between(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    return first * (1 - share) + second * share


def _perhaps_round(
    random: Random, skin: np.ndarray, others: np.ndarray, share: np.ndarray
) -> Thing:
    surface = texture(random, skin, others)
    return surface * round_off(random, share) if random.random() < 0.55 else surface, share


def _finger(
    random: Random, start: np.ndarray, tip: np.ndarray, width: float, base: np.ndarray
) -> Thing:
    length = float(np.hypot(*(tip - start))) + 1e-6
    along = (tip - start) / length
    at = np.clip((X - start[0]) * along[0] + (Y - start[1]) * along[1], 0, length)
    away = np.hypot(X - start[0] - at * along[0], Y - start[1] - at * along[1])
    radius = width * (1 - 0.18 * at / length)
    light = np.clip(1.06 - 0.45 * (away / np.maximum(radius, 1)) ** 2.5, 0.3, 1.1)
    for crease in random.uniform(0.2, 0.9, 2):
        light = light - 0.1 * np.exp(-np.square((at / length - crease) / 0.02))
    return base * light[..., None], np.clip(radius - away + 0.5, 0, 1)


def _with_nail(
    random: Random, surface: np.ndarray, tip: np.ndarray, width: float, base: np.ndarray
) -> np.ndarray:
    far = ((X - tip[0]) ** 2 + (Y - tip[1]) ** 2) / (0.55 * width) ** 2
    share = 0.35 * np.exp(-np.square(far))[..., None]
    if random.random() < 0.7:
        return surface * (1 - share) + share * np.clip(1.25 * base + 0.05, 0, 1)
    return surface * (1 - 2 * share) + 2 * share * random.random(3)
