"""The report of an edit: plain data for the JSON file beside the pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reage.agers.base import PreparedFace
    from reage.editor import Editor
    from reage.types import AgedFace, Result

__all__ = ["edit_report"]


def edit_report(
    result: Result,
    files: Sequence[Path],
    source: Path,
    editor: Editor,
    options: Mapping[str, Any],
    notices: Sequence[str],
) -> dict[str, Any]:
    """Versions, hashes, seed and numbers of one photo's edits, or of one code's."""
    from reage.models.files import file_sha256

    of_code = options["latent"] is not None
    asked = () if of_code else ("paste", "quality", "seed", "face", "points")
    return {
        "latent" if of_code else "photo": {"file": source.name, "sha256": file_sha256(source)},
        "made_by": _versions(),
        "model": {
            **_model(editor, result),
            "precision": str(editor.dtype).removeprefix("torch."),
            "device": str(editor.device),
        },
        "options": {name: options[name] for name in asked},
        "perceptual_loss": result.perceptual,
        "likeness_by": result.likeness_by,
        "seconds": {name: round(value, 3) for name, value in result.seconds.items()},
        "faces": [
            {
                "number": face.view.number,
                "box": [round(v, 1) for v in face.view.face.box],
                "pose": [round(v, 1) for v in face.view.face.pose],
                "age": _round_values(asdict(face.view.reading)),
                "inversion": _inversion(face),
            }
            for face in result.prepared
        ],
        "edits": [
            {"file": path.name, "faces": [_face_report(face) for face in edit.faces]}
            for path, edit in zip(files, result.edits, strict=False)
        ],
        "notices": list(notices),
        "honesty": "The ages are read by a network (mean error about 5 years). The pictures are "
        "synthetic: one plausible look, not a prediction, and no evidence of identity.",
    }


def _model(editor: Editor, result: Result) -> dict[str, Any]:
    licence = "unknown" if editor.config is None else editor.config.licence
    ager = editor.given_ager()
    found = {
        "name": editor.name,
        "fingerprint": result.fingerprint,
        "ager": ager.name,
        "ager_fingerprint": ager.fingerprint,
        "licence": licence,
    }
    if result.prepared and result.prepared[0].latents is not None:
        found["generator_hash"] = editor.model.generator_hash
    return found


def _inversion(face: PreparedFace) -> dict[str, Any] | None:
    found = face.inversion
    if found is None or not face.searched:
        return None  # an ager of photos needs no code, one from a file was not searched for
    return {
        "psnr": round(float(found.psnr[0]), 2),
        "loss": round(float(found.losses[0]), 4),
        "steps": found.steps,
        "stopped": found.stopped,
        "seconds": round(found.seconds, 3),
    }


def _face_report(face: AgedFace) -> dict[str, Any]:
    return {
        "number": face.number,
        "asked": face.asked,
        "before": _round_values(asdict(face.before)),
        "after": _round_values(asdict(face.after)),
        "reached": face.limit is None,
        "limit": face.limit,
        "strength": round(face.strength, 4),
        "likeness": round(face.likeness, 4),
        "psnr": None if face.psnr is None else round(face.psnr, 2),
    }


def _round_values(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in values.items()}


def _versions() -> dict[str, str]:
    import platform
    from importlib.metadata import version

    import reage

    packages = ("torch", "numpy", "pillow", "ai-edge-litert")
    found = {name: version(name) for name in packages}
    return {"reage": reage.__version__, "python": platform.python_version(), **found}
