"""What the best frames of one person show at other ages: how the age of a video is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from reage.agers.faces import FaceView, Greying, toned
from reage.agers.neural import NeuralAger, photo_ager_of
from reage.compositing.hair.greying import grey_shares
from reage.compositing.hair.segmentation import Hair
from reage.editor import Editor
from reage.images import to_tensor
from reage.search.face_mover import BATCH

__all__ = ["Key", "KeyLook"]


@dataclass(frozen=True, eq=False)
class Key:
    """A good frame of one person."""

    seconds: float
    worth: float  # 0..1.5, how well the face is seen
    view: FaceView
    hair: Hair | None  # that is to turn grey


@dataclass(frozen=True, eq=False)
class KeyLook:
    """Looks at all key frames at once."""

    editor: Editor
    keys: Sequence[Key]
    codes: Tensor  # [K, num_ws, w_dim]
    changes: Callable[[Tensor], Tensor]  # strengths [N] -> what is added to a code
    own: float  # years

    @cached_property
    def ager(self) -> NeuralAger | None:
        return photo_ager_of(self.editor.age_direction())

    @cached_property
    def bases(self) -> list[Tensor]:
        """What the keys' codes show."""
        return [self.editor.synthesize(code[None].to(self.editor.device)) for code in self.codes]

    @cached_property
    def plain(self) -> list[list[Tensor]]:
        """What the likeness sees in the keys as they are."""
        photos = [to_tensor(key.view.age_crop.image) for key in self.keys]
        with torch.no_grad():
            return [self.editor.likeness.describe(p.to(self.editor.device)) for p in photos]

    @torch.no_grad()
    def look(self, strengths: Tensor) -> tuple[Tensor, Tensor]:
        """Ages and likenesses at strengths `[N]`, means over the keys, both `[N]`."""
        ages, similar, likeness = [], [], self.editor.likeness
        each, places = torch.unique(strengths, return_inverse=True)  # 0 comes several times
        for part in each.split(BATCH):
            pictures = [self._shown(i, part) for i in range(len(self.keys))]
            read = self._read(pictures, part)
            shares = self._shares(read, part)
            if any(shares):
                read = self._read(self._greyed(pictures, shares), part)
            ages.append(read)
            pairs = zip(pictures, self.plain, strict=True)
            similar.append(torch.stack([likeness(likeness.describe(p), d).cpu() for p, d in pairs]))
        return torch.cat(ages, 1).mean(0)[places], torch.cat(similar, 1).mean(0)[places]

    @torch.no_grad()
    def grey_at(self, strength: float) -> float:
        """The share of the hair that `look` turned grey at a strength, 0..1."""
        part = torch.tensor([strength])
        pictures = [self._shown(i, part) for i in range(len(self.keys))]
        return self._shares(self._read(pictures, part), part)[0]

    @torch.no_grad()
    def described(self, i: int, strength: float) -> tuple[list[Tensor], list[Tensor]]:
        """What the likeness sees in a key as it is and at a strength."""
        shown = self._shown(i, torch.tensor([strength]))
        return self.plain[i], self.editor.likeness.describe(shown)

    def _shown(self, i: int, strengths: Tensor) -> Tensor:
        """A key's picture at strengths `[N]`, not bent yet."""
        editor, view = self.editor, self.keys[i].view
        if self.ager is not None:
            crop = to_tensor(view.crop.image).to(editor.device)
            added = self.ager.added(crop, view.eyes, strengths, self.own, dtype=editor.dtype)
            return view.compose(crop, crop + added, "delta")
        edited = editor.synthesize((self.codes[i] + self.changes(strengths)).to(editor.device))
        colour = editor.age_direction().colour
        return view.compose(self.bases[i], toned(self.bases[i], edited, colour), "delta")

    def _read(self, pictures: Sequence[Tensor], strengths: Tensor) -> Tensor:
        """What is read in each key's pictures `[N, 3, 128, 128]`, once bent, `[K, N]`."""
        bend = None if self.ager is None else self.ager.bend(strengths, self.own)
        seen = [key.view.bent(p, bend) for key, p in zip(self.keys, pictures, strict=True)]
        return torch.stack([self.editor.age_network.read(p)[0].cpu() for p in seen])

    def _shares(self, read: Tensor, strengths: Tensor) -> tuple[float, ...]:
        """How grey the hair gets, by the ages `[K, N]` that are read without that."""
        if not any(key.hair for key in self.keys):
            return (0.0,) * len(strengths)
        return grey_shares(self.own, read.mean(0).tolist(), strengths.tolist())

    def _greyed(self, pictures: Sequence[Tensor], shares: tuple[float, ...]) -> list[Tensor]:
        found = [key.hair and Greying(key.hair, shares) for key in self.keys]
        three = zip(self.keys, pictures, found, strict=True)
        return [key.view.greyed(picture, greying) for key, picture, greying in three]
