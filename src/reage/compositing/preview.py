"""Previews of a changed face for the age network, without rendering the full-size photo."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reage.compositing.bands import LUMA
from reage.compositing.change import Change, Greying, PasteMode, apply_change
from reage.compositing.hair.greying import grey_crop
from reage.compositing.skin_mask import LOG_OFFSET
from reage.compositing.view import AGE_SIDE, FaceView
from reage.compositing.visible import light_shown
from reage.compositing.warp import affine_of
from reage.faces.squares import to_unit
from reage.images import to_tensor
from reage.networks.agers.growth import warp_images

__all__ = ["preview", "preview_flat", "relight_by_detail", "to_age_square"]


def preview(
    view: FaceView, picture: Tensor, change: Change, paste: PasteMode, flat: Tensor | None = None
) -> Tensor:
    """Render a changed face in the age network's square, `[N, 3, 128, 128]`.

    `picture` `[1, 3, R, R]` is the face before the change. `flat` is the result of
    `preview_flat`, if it is known.
    """
    if paste == "none":
        return to_age_square(view, apply_change(picture, change)).clamp(-1, 1)
    flat = preview_flat(view, picture, change, paste) if flat is None else flat
    return _keep_tone(view, _warp(view, _grey_hair(view, flat, change.greying), change))


def preview_flat(view: FaceView, picture: Tensor, change: Change, paste: PasteMode) -> Tensor:
    """Render the same before hair greying and warp, `[N, 3, 128, 128]`."""
    if paste == "none":
        return to_age_square(view, picture + change.added).clamp(-1, 1)
    mask = torch.from_numpy(view.mask_for(paste))[None, None].to(change.added)
    photo = to_tensor(view.age_crop.image).to(change.added)
    if paste == "replace":
        weight = to_age_square(view, mask)
        made = photo * (1 - weight) + to_age_square(view, (picture + change.added) * mask)
        return _keep_tone(view, made)
    shown = photo + to_age_square(view, change.added * mask)
    if change.relief is not None:
        relief = to_age_square(view, change.relief[:, None])
        shown = (shown + 1) * torch.exp(relief) - 1
    if change.skin is not None:
        lost, gained = change.skin.losses_in(view.age_crop), change.skin.gains_in(view.age_crop)
        if lost is not None:
            shown = shown + relight_by_detail(photo, _as_taken(view, lost)) - photo
        if gained is not None:
            shown = relight_by_detail(shown, _as_taken(view, gained))
    if change.detail is not None:
        gains = change.detail.to(shown)[:, None, None, None]
        shown = shown + (gains - 1) * torch.from_numpy(view.detail).to(shown)
    return _keep_tone(view, shown.clamp(-1, 1))


def _as_taken(view: FaceView, detail: np.ndarray) -> np.ndarray:
    """Return detail `[N, 3, 128, 128]` where it shows: what is burnt out or black takes none."""
    return detail * light_shown(view.age_crop.image.astype(np.float32) @ LUMA / 255)


def _keep_tone(view: FaceView, shown: Tensor) -> Tensor:
    """Bring pictures `[N, 3, R, R]` onto the tone of a photo that has a single one."""
    if view.tone is None:
        return shown
    colours = (shown.permute(0, 2, 3, 1).float().cpu().numpy() + 1) / 2
    return torch.from_numpy(view.tone.project(colours)).to(shown).permute(0, 3, 1, 2) * 2 - 1


def relight_by_detail(pictures: Tensor, detail: np.ndarray | Tensor | None) -> Tensor:
    """Add `[N, 3, R, R]` to the logarithms of pictures `[1 or N, 3, R, R]` in -1..1."""
    if detail is None:
        return pictures
    offset = 1 + 2 * LOG_OFFSET
    return (pictures + offset) * torch.exp(torch.as_tensor(detail).to(pictures)) - offset


def _grey_hair(view: FaceView, shown: Tensor, greying: Greying | None) -> Tensor:
    """Turn hair grey in the age network's square `[1 or N, 3, 128, 128]`."""
    if greying is None or not any(greying.shares):
        return shown
    some = [i for i, share in enumerate(greying.shares) if share]
    pictures = shown.expand(len(greying.shares), -1, -1, -1).clone()
    colours = (pictures[some].permute(0, 2, 3, 1).float().cpu().numpy() + 1) / 2
    shares = [greying.shares[i] for i in some]
    found = grey_crop(colours, view.age_crop.quad, greying.hair, shares)
    made = torch.from_numpy(found).to(shown).permute(0, 3, 1, 2) * 2 - 1
    pictures[some] = made.clamp(-1, 1)
    return pictures


def _warp(view: FaceView, shown: Tensor, change: Change) -> Tensor:
    """Warp the age network's square `[1 or N, 3, 128, 128]` as the photo is warped."""
    warp = change.warp
    if warp is None:
        return shown
    corners = to_unit(view.age_crop.quad, view.crop.quad)  # TL, BL, BR, TR
    place = np.stack([corners[0], corners[3] - corners[0], corners[1] - corners[0]])
    moves = warp.moves.to(shown)
    return warp_images(shown, moves, warp.margin, torch.from_numpy(place).to(moves)).clamp(-1, 1)


def to_age_square(view: FaceView, layers: Tensor) -> Tensor:
    """Resample `[N, C, R, R]` from the ager's square to the age network's."""
    if np.array_equal(view.crop.quad, view.age_crop.quad):
        factor = layers.shape[-1] // AGE_SIDE
        layers = F.avg_pool2d(layers, factor) if factor > 1 else layers
        if layers.shape[-1] == AGE_SIDE:
            return layers
    corners = to_unit(view.age_crop.quad, view.crop.quad)  # TL, BL, BR, TR
    shrink = int(np.hypot(*(corners[3] - corners[0])) * layers.shape[-1] / AGE_SIDE)
    if shrink > 1:
        layers = F.avg_pool2d(layers, shrink)
    grid = F.affine_grid(
        affine_of(corners).to(layers)[None].expand(len(layers), -1, -1),
        [len(layers), layers.shape[1], AGE_SIDE, AGE_SIDE],
        align_corners=False,
    )
    return F.grid_sample(layers, grid, mode="bilinear", align_corners=False)
