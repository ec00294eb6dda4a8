"""Faces prepared for ageing with a latent code: searched, or from a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reage.agers.base import PreparedFace
from reage.compositing.change import PasteMode
from reage.compositing.view import view_face
from reage.faces.face import Face
from reage.images import Photo
from reage.inversion.projection import ProjectConfig, ProjectStep
from reage.inversion.space import LatentSpace
from reage.inversion.tuning import load_tuned
from reage.networks.judges.age import AgeNetwork

__all__ = ["invert_face", "tuned_face"]


def invert_face(
    space: LatentSpace,
    age_network: AgeNetwork,
    photo: Photo,
    number: int,
    face: Face,
    paste: PasteMode,
    config: ProjectConfig,
    *,
    on_step: Callable[[ProjectStep], None] | None = None,
    keep_stopped: bool = False,
) -> PreparedFace:
    """Search for the code of one face; KeyboardInterrupt if stopped, unless `keep_stopped`."""
    view = view_face(photo.pixels, face, number, space.alignment, space.resolution, age_network)
    found = space.project(view.crop, config, on_step=on_step)
    if found.stopped == "interrupted" and not keep_stopped:
        raise KeyboardInterrupt  # a stopped edit must not contain a half-inverted face
    base = space.synthesize(found.ws, noise=found.noise)
    return PreparedFace(view, paste, base, space, found, found.ws, None, photo.pixels)


def tuned_face(
    space: LatentSpace,
    age_network: AgeNetwork,
    photo: Photo,
    number: int,
    face: Face,
    paste: PasteMode,
    file: Path,
) -> PreparedFace:
    """Prepare one face with the code and the generator tuned to it; LatentError if not of it."""
    code = load_tuned(file, space.model.generator_hash)
    tuned = space.with_tuning(code)
    view = view_face(photo.pixels, face, number, tuned.alignment, tuned.resolution, age_network)
    ws = code.ws.to(space.device)
    return PreparedFace(view, paste, tuned.synthesize(ws), tuned, None, ws)
