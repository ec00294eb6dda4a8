"""Train the photo ager for what it does today: it paints beside skin detail, for two age readers.

    python training/photo_ager/train.py faces.safetensors FACERES runs/ager --minutes 60

Starts from the embedded ager. FACERES is a folder with faceres.json and .bin (`face_features.py`).
Run it again to go on. No critic takes part: what a face may be painted with is bounded by what old
faces have more of than young ones, by place and by width (`allowances`).
"""

from __future__ import annotations

import argparse
import copy
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from face_features import FaceFeatures
from safetensors.torch import load_file
from torch import Tensor

from reage.agers.photo import SPINS, add_photo_change, changes_under_shifts, photo_mask, shading
from reage.agers.skin import SkinAger
from reage.compositing.change import luma
from reage.compositing.detail_transfer import detail_gains, shading_age
from reage.compositing.preview import relight_by_detail
from reage.compositing.view import age_square
from reage.editor import load
from reage.files import new_file
from reage.networks.agers.growth import warp_images
from reage.networks.agers.photo_ager import PhotoAger
from reage.training.agers.photo_ager import PEAK
from reage.training.loop.ema import update_average

BATCH, RATE, KEPT_OUT, LOG_EVERY, SAVE_EVERY = 8, 1e-4, 48, 50, 100
YOUNGEST, OLDEST, OLD_SHARE, OLD_FROM = 6.0, 88.0, 0.45, 62.0  # ages asked for, years
SIDE = 128  # pixels of the crop
WIDTHS = (1.0, 2.2, 4.5, 9.0)  # pixels of it: deviations that part the bands
# Each batch is judged turned, moved, enlarged and exposed at random: paint that pleases a judge at
# one place of its grid only is of no use to another judge, nor to a person.
TURN, MOVE, ENLARGE, EXPOSE = 0.06, 0.03, 0.05, 0.1  # deviations: radians, half-sides, logarithms
SPREAD_OVER = 3.0  # pixels, over which allowances are evened
YOUNG, OLD = 38.0, 58.0  # years, of the heads that the allowances are measured on
LEAST_ALLOWED, MOST_ALLOWED = 0.25, 1.6  # shares of the allowance
YOUNGER_ALLOWED = (
    1.5  # times as much, where a face grows younger: children differ by more than skin
)
AGE, THIRD_AGE, EXCESS = 2.0, 0.5, 10_000.0
PEAKS, SIZE, GRID, LIGHT = 2500.0, 4.0, 3000.0, 40.0
# Of the change's bands, by their sizes: folds are few, the mottles that please judges everywhere.
SPARSE = 20.0


@dataclass(frozen=True, eq=False)
class Faces:
    """Prepared faces (`faces.py`)."""

    images: Tensor  # [N, 3, R, R] uint8
    old: Tensor  # [N, 3, R, R] logarithms of colours that old skin's detail adds
    own: Tensor  # [N, 3, R, R] that take the face's own away
    eyes: Tensor  # [N, R, R]
    ages: Tensor  # [N] years
    sharp: Tensor  # [N] whether it is a sharp head

    def __len__(self) -> int:
        return len(self.ages)

    def take(self, index: Tensor) -> Faces:
        return Faces(*(getattr(self, name)[index] for name in self.__dataclass_fields__))


def bands(light: Tensor) -> list[Tensor]:
    """Part light `[N, 1, R, R]` by width, fine first; what is broadest of all is left out."""
    smooth = [light, *(shading(light, width / SIDE) for width in WIDTHS)]
    return [fine - broad for fine, broad in pairwise(smooth)]


def allowances(faces: Faces) -> tuple[list[Tensor], float]:
    """Return how much more light varies in old faces than in young ones, by place, `[1, 1, R, R]`.

    Also the years between the two: those who are aged by more may be painted with more.
    """
    sizes, ages = [], []
    for chosen in (faces.sharp & (faces.ages > OLD), faces.sharp & (faces.ages < YOUNG)):
        light = luma(faces.images[chosen].float() / 127.5 - 1)
        sizes.append([band.abs().mean(0, keepdim=True) for band in bands(light)])
        ages.append(float(faces.ages[chosen].mean()))
    found = []
    for old, young in zip(*sizes, strict=True):
        more = shading((old.square() - young.square()).clamp_min(0).sqrt(), SPREAD_OVER / SIDE)
        found.append((more + more.flip(-1)) / 2)
    return found, ages[0] - ages[1]


def shaken(pictures: list[Tensor], rng: np.random.Generator) -> list[Tensor]:
    """Turn, move, enlarge and expose pictures `[N, 3, R, R]` of the same faces in the same way."""
    count = len(pictures[0])
    turn, moves = rng.normal(0, TURN, count), rng.normal(0, MOVE, (count, 2))
    size, light = np.exp(rng.normal(0, ENLARGE, count)), np.exp(rng.normal(0, EXPOSE, count))
    cos, sin = size * np.cos(turn), size * np.sin(turn)
    rows = np.stack([[cos, -sin, moves[:, 0]], [sin, cos, moves[:, 1]]]).transpose(2, 0, 1)
    places = F.affine_grid(
        torch.from_numpy(rows).float(), list(pictures[0].shape), align_corners=False
    )
    exposure = torch.from_numpy(light).float().view(-1, 1, 1, 1)
    found = []
    for picture in pictures:
        moved = F.grid_sample(picture, places, padding_mode="reflection", align_corners=False)
        found.append((exposure * (moved + 1) - 1).clamp(-1, 1))
    return found


def years_off(error: Tensor) -> Tensor:
    """Return the mean of errors in years, in tens; those far off weigh more than in proportion."""
    tens = error.abs() / 10
    return (tens + tens.square() / 4).mean()


class Trainer:
    """The ager, what judges it, and one step of its training."""

    def __init__(self, faces: Faces, faceres: Path, identity: float, seed: int = 0):
        editor = load()
        assert isinstance(editor.ager, SkinAger)
        self.base, self.reader = editor.ager.base, editor.age_network
        self.growth = self.base.growth
        assert self.growth is not None
        self.network = self.base.network.requires_grad_(True).train()
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.network.parameters(), RATE, (0.8, 0.99))
        self.recogniser, self.identity = FaceFeatures(faceres), identity
        order = torch.randperm(len(faces), generator=torch.Generator().manual_seed(1))
        self.kept_out, self.faces = faces.take(order[:KEPT_OUT]), faces.take(order[KEPT_OUT:])
        self.allowed, self.allowed_after = allowances(self.faces)
        self.oval = photo_mask(torch.zeros(faces.images.shape[-2:]))
        self.rng, self.steps = np.random.default_rng(seed), 0

    def paste(
        self, network: PhotoAger, faces: Faces, wanted: Tensor, spins: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return photos, the same aged as an edit previews it, the change and its shifts."""
        pairs = list(zip(faces.ages.tolist(), wanted.tolist(), strict=True))
        shares = torch.tensor([detail_gains(*pair) for pair in pairs])[..., None, None, None]
        gains, losses = shares.unbind(1)
        shaded = torch.tensor([shading_age(*pair) for pair in pairs])
        photos = faces.images.float() / 127.5 - 1
        lost, old = losses * faces.own.float(), gains * faces.old.float()
        seen, older = relight_by_detail(photos, lost.numpy()), wanted > faces.ages
        found = changes_under_shifts(
            network, seen, faces.ages, shaded, SPINS[spins], dtype=torch.bfloat16
        )
        change = add_photo_change(seen, found.mean(0), older)
        change = change * self.oval * (1 - faces.eyes.float()[:, None])
        aged = relight_by_detail(photos + change, (old + lost).numpy()).clamp(-1, 1)
        assert self.growth is not None
        moves = self.growth(faces.ages, wanted)
        aged = warp_images(aged, moves, self.growth.config.margin).clamp(-1, 1)
        return photos, aged, change, found

    def read(self, pictures: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return self.reader.read_each(age_square(pictures, self.base.alignment)).float()

    def step(self) -> dict[str, float]:
        rng = self.rng
        batch = self.faces.take(torch.from_numpy(rng.integers(len(self.faces), size=BATCH)))
        wanted = rng.uniform(YOUNGEST, OLDEST, BATCH)
        old = rng.uniform(OLD_FROM, OLDEST, BATCH)
        wanted = torch.from_numpy(np.where(rng.random(BATCH) < OLD_SHARE, old, wanted)).float()
        photos, aged, change, found = self.paste(self.network, batch, wanted, self.steps % 2)
        photos, aged = shaken([photos, aged], rng)
        with torch.no_grad():
            before, _ = self.recogniser(photos)
        after, third = self.recogniser(aged)
        younger = torch.where(wanted > batch.ages, 1.0, YOUNGER_ALLOWED)
        whole = (wanted - batch.ages).abs() / self.allowed_after
        whole = (younger * whole.clamp(LEAST_ALLOWED, MOST_ALLOWED))[:, None, None, None]
        light = luma(change)
        parts = bands(light)
        pairs = zip(parts, self.allowed, strict=True)
        excess = [F.relu(band.abs() - whole * most).square().mean() for band, most in pairs]
        uneven = luma((found - found.mean(0)).flatten(0, 1))
        losses = {
            "age": AGE * years_off(self.read(aged) - wanted),
            "third age": THIRD_AGE * years_off(third - wanted),
            "identity": self.identity * (1 - (before * after).sum(1)).mean(),
            "excess": EXCESS * torch.stack(excess).sum(),
            "sparse": SPARSE * torch.stack([part.abs().mean() for part in parts]).sum(),
            "peaks": PEAKS * F.relu(light.abs() - PEAK).square().mean(),
            "size": SIZE * change.square().mean(),
            "grid": GRID * uneven.square().mean(),
            "light": LIGHT * F.avg_pool2d(change, 16).square().mean(),
        }
        self.optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.steps += 1
        share = min(0.995, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            update_average(self.average, self.network, share)
        return {name: float(loss.detach()) for name, loss in losses.items()}

    @torch.no_grad()
    def judge(self) -> str:
        """Read the faces that were kept out, at four ages."""
        lines = []
        for age in (20.0, 40.0, 60.0, 80.0):
            wanted = torch.full((KEPT_OUT,), age)
            photos, aged, _, _ = self.paste(self.average, self.kept_out, wanted, 0)
            first, second = self.read(aged).mean(1).tolist()
            (before, _), (after, third) = self.recogniser(photos), self.recogniser(aged)
            far = (wanted - self.kept_out.ages).abs() > 15
            alike = (before * after).sum(1)[far].mean()
            lines.append(
                f"to {age:.0f}: {first:.1f} {second:.1f} {third.mean():.1f}, cosine {alike:.3f}"
            )
        return "; ".join(lines)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": self.rng.bit_generator.state,
            "steps": self.steps,
        }
        with new_file(folder / "state.pt") as file:
            torch.save(state, file)

    def resume(self, folder: Path) -> None:
        state = torch.load(folder / "state.pt", weights_only=False)
        for name in ("network", "average", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.rng.bit_generator.state, self.steps = state["rng"], state["steps"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faces", type=Path)
    parser.add_argument("faceres", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--identity", type=float, default=6.0, help="weight of that loss")
    options = parser.parse_args()
    trainer = Trainer(Faces(**load_file(options.faces)), options.faceres, options.identity)
    if (options.run / "state.pt").exists():
        trainer.resume(options.run)
    print(trainer.judge(), flush=True)
    began, rows = time.monotonic(), []
    while time.monotonic() - began < 60 * options.minutes:
        rows.append(trainer.step())
        if trainer.steps % LOG_EVERY == 0:
            means = {
                name: round(float(np.mean([row[name] for row in rows])), 3) for name in rows[0]
            }
            print(trainer.steps, f"{time.monotonic() - began:.0f} s", means, flush=True)
            rows = []
        if trainer.steps % SAVE_EVERY == 0:
            trainer.save(options.run)
        if trainer.steps % (4 * SAVE_EVERY) == 0:
            print(trainer.judge(), flush=True)
    trainer.save(options.run)
    print(trainer.judge(), flush=True)


if __name__ == "__main__":
    main()
