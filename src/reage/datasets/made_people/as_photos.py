"""Pictures of small generators as photos: enlarged for the photo ager, then cut to the face."""

from __future__ import annotations

import numpy as np
from PIL import Image

from reage.agers.base import PreparedFace
from reage.compositing.view import usual_points, view_crop
from reage.editor import Editor
from reage.faces.face import Face, select_faces
from reage.faces.squares import face_quad, quad_side
from reage.images import photo_from_array, to_tensor
from reage.models.pretrained import load_gender_network

__all__ = ["SIDE", "cut", "enlarge", "prepare_photo", "read_sex"]

SIDE = 512  # pixels: below it old skin has no room for its lines
SMALL = 256  # pixels: the side from which a generator's picture is taken as it is
# Small generators learnt squares that reach beyond their photos, mirrored there: above the
# forehead they draw its mirror image, a second chin. This share of the picture goes.
TOP = 0.14


def enlarge(rgb: np.ndarray) -> np.ndarray:
    """Enlarge a small picture `[S, S, 3]` uint8."""
    if len(rgb) >= SMALL:
        return rgb
    return np.asarray(Image.fromarray(rgb).resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def cut(rgb: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut the mirrored top off an enlarged picture, and as much of its sides; moves `points`."""
    top = round(TOP * len(rgb))
    left, side = top // 2, len(rgb) - top
    return rgb[top:, left : left + side], points - np.array([left, top])


def prepare_photo(editor: Editor, rgb: np.ndarray, like: Face | None = None) -> PreparedFace:
    """Prepare the face of a picture `[S, S, 3]` as a photo's; `like` where none is found."""
    faces = editor.detector.detect(rgb)
    if faces:
        face = select_faces(faces, "largest")[0]
    elif like is not None:
        face = like
    else:
        assert editor.config is not None, "made people come from a model"
        face = Face.from_points(usual_points(editor.config.alignment, len(rgb)))
    return editor.prepare(photo_from_array(rgb), {1: face})[0]


def read_sex(editor: Editor, rgb: np.ndarray, face: Face) -> float:
    """Read how male a face of a picture `[S, S, 3]` looks, 0..1."""
    square = editor.required_ager().alignment
    side = min(round(quad_side(face_quad(face, square.scale, square.shift))), 256)
    crop = to_tensor(view_crop(rgb, face, square, max(side, 64)).image)
    return float(load_gender_network().to(editor.device)(crop.to(editor.device))[0])
