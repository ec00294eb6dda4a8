"""The report of an edit: plain data for the JSON file beside the pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reage.cli.shared.pictures import PIPE, digest, name_of
from reage.faces.readings import MEAN_ERROR

if TYPE_CHECKING:
    from reage.editor import Editor
    from reage.types import Result

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
    of_code = options["latent"] is not None
    asked = () if of_code else ("paste", "quality", "seed", "face", "points", "skin", "shape")
    plain = result.to_dict()
    del plain["fingerprint"]  # it stands with the model
    for path, edit in zip(files, plain["edits"], strict=False):
        edit["file"] = "stdout" if path == PIPE else path.name
    return {
        "latent" if of_code else "photo": {"file": name_of(source), "sha256": digest(source)},
        "made_by": _versions(),
        "model": {
            **_model(editor, result),
            "precision": str(editor.dtype).removeprefix("torch."),
            "device": str(editor.device),
        },
        "options": {name: options[name] for name in asked},
        **plain,
        "notices": list(notices),
        "honesty": f"Two networks read the ages (mean error {MEAN_ERROR} years). The pictures "
        "are synthetic: one plausible look, not a prediction, and no evidence of identity.",
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


def _versions() -> dict[str, str]:
    import platform
    from importlib.metadata import version

    import reage

    packages = ("torch", "numpy", "pillow", "ai-edge-litert")
    found = {name: version(name) for name in packages}
    return {"reage": reage.__version__, "python": platform.python_version(), **found}
