"""Shapes, textures and light to draw with; all layers are `[SIDE, SIDE]` float32 of 0..1."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

__all__ = ["SIDE", "Random", "X", "Y", "blur", "colour", "fill", "lines", "noise", "round_off"]
__all__ += ["smooth", "texture"]

SIDE = 192  # pixels that things are drawn at
Y, X = np.mgrid[:SIDE, :SIDE].astype(np.float32)
Random = np.random.Generator


def fill(points: np.ndarray | list, soft: float = 0.0) -> np.ndarray:
    """Fill a polygon `[N, 2]`."""
    image = Image.new("L", (2 * SIDE, 2 * SIDE))
    outline = [(2 * float(x), 2 * float(y)) for x, y in points]
    ImageDraw.Draw(image).polygon(outline, fill=255)
    layer = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32) / 255
    return blur(layer, soft) if soft else layer


def lines(pairs: list[tuple[np.ndarray, np.ndarray]], width: int) -> np.ndarray:
    """Draw straight lines."""
    image = Image.new("L", (SIDE, SIDE))
    pen = ImageDraw.Draw(image)
    for start, end in pairs:
        pen.line([tuple(map(float, start)), tuple(map(float, end))], fill=255, width=width)
    return np.asarray(image, np.float32) / 255


def smooth(points: list | np.ndarray) -> np.ndarray:
    """Round off a polygon `[N, 2]` (Chaikin 1974)."""
    out = np.array(points, float)
    for _ in range(3):
        after = np.roll(out, -1, 0)
        out = np.stack([0.75 * out + 0.25 * after, 0.25 * out + 0.75 * after], 1).reshape(-1, 2)
    return out


def blur(layer: np.ndarray, sigma: float) -> np.ndarray:
    """Blur a layer."""
    image = Image.fromarray(np.rint(255 * np.clip(layer, 0, 1)).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(sigma)), np.float32) / 255


def noise(random: Random, cells: int) -> np.ndarray:
    """Draw smooth noise of so many cells across, standard deviation 1."""
    drawn = Image.fromarray(random.normal(0, 1, (cells, cells)).astype(np.float32))
    return np.asarray(drawn.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def colour(random: Random, skin: np.ndarray) -> np.ndarray:
    """Draw the colour `[3]` of a thing: white, black, grey, light blue, like the skin, or any."""
    at = random.random()
    if at < 0.16:
        drawn = np.full(3, 0.93) * random.uniform(0.8, 1.05)
    elif at < 0.34:
        drawn = np.full(3, random.uniform(0.02, 0.2))
    elif at < 0.42:
        drawn = np.full(3, random.uniform(0.2, 0.75))
    elif at < 0.6:
        drawn = random.uniform([0.35, 0.6, 0.75], [0.7, 0.85, 1.0])
    else:
        drawn = skin * random.uniform(0.75, 1.2) if at < 0.68 else random.random(3)
    return np.clip(drawn + random.normal(0, 0.02, 3), 0, 1).astype(np.float32)


def texture(random: Random, skin: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """Draw a surface `[SIDE, SIDE, 3]`: plain, patterned, or a piece of another picture."""
    if random.random() < 0.18:
        width = int(random.integers(30, 110))
        x, y = random.integers(0, pictures.shape[1] - width, 2)
        piece = pictures[random.integers(len(pictures)), y : y + width, x : x + width]
        turned = Image.fromarray(piece).rotate(90 * int(random.integers(4)))
        return np.asarray(turned.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32) / 255
    surface = np.ones((SIDE, SIDE, 3), np.float32) * colour(random, skin)
    if random.random() < 0.25:
        other = _pattern(random) > random.uniform(-0.2, 0.5)
        surface = np.where(other[..., None], colour(random, skin), surface)
    light = 1 + random.uniform(0, 0.15) * noise(random, int(random.integers(2, 7)))
    if random.random() < 0.5:
        angle = random.normal(0, 0.4) + (np.pi / 2 if random.random() < 0.7 else 0)
        along = random.uniform(0.08, 0.35) * (X * np.cos(angle) + Y * np.sin(angle))
        waves = along + random.uniform(0, 2) * noise(random, 4) + random.uniform(0, 6)
        light = light + random.uniform(0, 0.15) * np.sin(waves)
    if random.random() < 0.6:
        light = light + random.uniform(0, 0.06) * random.normal(0, 1, (SIDE, SIDE))
    return surface * light[..., None].astype(np.float32)


def round_off(random: Random, share: np.ndarray) -> np.ndarray:
    """Darken a thing towards its edges, `[SIDE, SIDE, 1]`."""
    edge = 1 - blur(share, random.uniform(3, 10))
    return (1 - 1.6 * random.uniform(0.1, 0.5) * edge)[..., None]


def _pattern(random: Random) -> np.ndarray:
    angle, often = random.uniform(0, np.pi), random.uniform(0.08, 0.6)
    along = X * np.cos(angle) + Y * np.sin(angle)
    across = Y * np.cos(angle) - X * np.sin(angle)
    kind = random.integers(3)
    if kind == 2:
        return noise(random, int(random.integers(4, 20)))
    stripes = np.sin(often * along)
    return stripes * np.sin(often * across) if kind == 1 else stripes
