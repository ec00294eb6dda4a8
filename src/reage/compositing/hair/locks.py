"""Locks, braids and edges that the network of hair is unsure of: by the colours around them."""

from __future__ import annotations

import numpy as np

from reage.compositing.hair.regions import box_mean, sized

__all__ = ["MOST", "colour_odds", "raised_by_colour", "told_by_colour"]

SIDE = 192  # places: finer ones cost more and tell no more
STEPS = 3  # each reaches a little further along a lock
SURE, UNSURE = 0.9, 0.7  # of hair, and of what is none
NEAR, AROUND = 0.14, 0.22  # heights of the face: how far locks reach, and how far is compared
EVIDENCE, PLACES = 0.05, 3  # probability of hair so many places around, without which none grows
BETWEEN = 0.15, 0.85  # of the way from what is none to hair: below the first it is none
# Of a person's colours: values of each of three, probabilities of what counts as hair and as none,
# share of a colour that nobody saw, how much a colour says at most (a logarithm of odds), and the
# mean probability around without which it is no hair by colour.
VALUES, CERTAIN, NONE, UNSEEN, MOST, HINT = 16, 0.9, 0.05, 1e-4, 3.0, 0.1
NOISE = 1e-3  # variance of colours that says nothing
# How far hair and the rest are apart, in squared deviations: from where on colours tell them.
APART = 5.0, 16.0


def raised_by_colour(
    rgb: np.ndarray, hair: np.ndarray, likely: np.ndarray, seen: np.ndarray
) -> np.ndarray:
    """Return the probability of hair `[S, S]`, more where this person's hair may go on.

    That is where a second look finds it `likely` `[S, S]` and where colours are those of certain
    hair: by how often a colour is found there and in what is none, of all that is `seen`
    `[S, S]`. `rgb` `[S, S, 3]` is of 0..1.
    """
    side = len(hair)
    colours = np.stack([sized(rgb[..., c], SIDE) for c in range(3)], axis=-1)
    known, more, seen = (sized(layer, SIDE) for layer in (hair, likely, seen))
    none = np.maximum(known, more) < NONE
    by_colour = colour_odds(colours, (known > CERTAIN) * seen, none * seen)
    more = np.maximum(known, more)
    hint = np.where(by_colour > 0, np.clip(box_mean(more, PLACES) / HINT, 0, 1), 1)
    odds = more / np.maximum(1 - more, 1e-3) * np.exp(hint * by_colour)
    raised = np.maximum(odds / (1 + odds) - known, 0)
    return np.clip(hair + sized(raised, side), 0, 1)


def colour_odds(colours: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return how much more often colours are found in `one` kind than in the `other`, `[S, S]`.

    It is a logarithm. `colours` `[S, S, 3]` are of 0..1, the kinds weights `[S, S]`; a colour that
    neither has is the other's.
    """
    # Roots: black hair and dark skin would be one value.
    bins = np.clip((np.sqrt(colours) * VALUES).astype(int), 0, VALUES - 1)
    bins = bins @ [VALUES**2, VALUES, 1]
    shares = []
    for weights, unseen in ((one, UNSEEN), (other, 3 * UNSEEN)):
        counts = np.bincount(bins.ravel(), weights.ravel(), VALUES**3)
        counts = _spread(counts.reshape(VALUES, VALUES, VALUES)).ravel()
        shares.append(counts / max(counts.sum(), 1.0) + unseen)
    return np.clip(np.log(shares[0] / shares[1]), -MOST, MOST)[bins]


def _spread(counts: np.ndarray) -> np.ndarray:
    """Return counts `[V, V, V]`, each shared with its neighbours."""
    for axis in range(3):
        ends = np.pad(counts, [(1, 1) if a == axis else (0, 0) for a in range(3)])
        parts = [np.take(ends, range(at, at + counts.shape[axis]), axis) for at in range(3)]
        counts = (parts[0] + 2 * parts[1] + parts[2]) / 4
    return counts


def told_by_colour(
    rgb: np.ndarray, share: np.ndarray, face: np.ndarray, skin: np.ndarray, height: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return how much of each pixel `[S, S]` is hair, by colour where the network may be wrong.

    And how well colours tell it outside the face, `[S, S]` in 0..1.

    `rgb` `[S, S, 3]` is of 0..1; none grows on the `face` `[S, S]`, and its `skin` is none for
    certain. Around each pixel, the linear discriminant of certain hair and of certain other things
    (Fisher 1936) decides about what is uncertain, as far as it tells the two. `height` is the
    face's in pixels.
    """
    side = len(share)
    colours = np.stack([sized(rgb[..., c], SIDE) for c in range(3)], axis=-1)
    known, face, skin = (sized(layer, SIDE) for layer in (share, face, skin))
    near, around = (max(1, round(part * height * SIDE / side)) for part in (NEAR, AROUND))
    grows = np.clip(box_mean(known, PLACES) / EVIDENCE, 0, 1) * (1 - face)
    found, telling = known, np.zeros_like(known)
    for _ in range(STEPS):
        hair = found > SURE
        none = ((found < 1 - SURE) & (box_mean(hair, near) < 0.02) | (skin > 0.5)) & ~hair
        by_colour, telling = _discriminant(colours, hair, none, around)
        change = np.where(hair | none, 0, telling * (by_colour - found))
        # What the network is nearly sure of is no light on skin.
        falls = np.clip((SURE - found) / (SURE - UNSURE), 0, 1)
        found = found + np.where(change > 0, grows, falls) * change
    share = np.clip(share + sized(found - known, side), 0, 1)
    return share, sized(telling * (1 - face), side)


def _discriminant(
    colours: np.ndarray, hair: np.ndarray, none: np.ndarray, reach: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return how far colours are from `none` to `hair` around, and how well they tell, 0..1."""
    counts, means, within = [], [], NOISE * np.eye(3)
    products = colours[..., :, None] * colours[..., None, :]
    products = products.reshape(*hair.shape, 9)
    for kind in (hair, none):
        count = np.maximum(box_mean(kind, reach), 1e-4)[..., None]
        mean = box_mean(colours * kind[..., None], reach) / count
        second = box_mean(products * kind[..., None], reach) / count
        second = second.reshape(*hair.shape, 3, 3) - mean[..., :, None] * mean[..., None, :]
        within = within + second / 2
        counts.append(count[..., 0])
        means.append(mean)
    apart = means[0] - means[1]
    along = np.linalg.solve(within, apart[..., None])[..., 0]
    distance = np.maximum((along * apart).sum(-1), 1e-6)
    place = ((colours - means[1]) * along).sum(-1) / distance
    telling = np.clip((distance - APART[0]) / (APART[1] - APART[0]), 0, 1)
    telling = telling * (np.minimum(*counts) > 0.01)
    place = np.clip((place - BETWEEN[0]) / (BETWEEN[1] - BETWEEN[0]), 0, 1)
    return place, box_mean(telling, max(1, reach // 4))
