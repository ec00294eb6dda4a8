"""reage: show a person at another age.

import reage
editor = reage.load()
editor.edit("portrait.jpg", to=70).save("portrait-age70.jpg")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reage.errors import (
    FaceError,
    ImageError,
    LatentError,
    ModelError,
    ReageError,
    UsageError,
)

if TYPE_CHECKING:
    from reage.editor import Editor, load
    from reage.outputs.making import animate, grid, sheet, strip
    from reage.types import Edit, Result

__version__ = "0.1.0"

__all__ = [
    "Edit",
    "Editor",
    "FaceError",
    "ImageError",
    "LatentError",
    "ModelError",
    "ReageError",
    "Result",
    "UsageError",
    "animate",
    "grid",
    "load",
    "sheet",
    "strip",
]

_LAZY = {
    "Edit": "reage.types",
    "Editor": "reage.editor",
    "Result": "reage.types",
    "animate": "reage.outputs.making",
    "grid": "reage.outputs.making",
    "load": "reage.editor",
    "sheet": "reage.outputs.making",
    "strip": "reage.outputs.making",
}


def __getattr__(name: str) -> Any:
    # torch takes a second to import; `import reage` and `reage --help` go without it.
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'reage' has no {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    # What is loaded late is offered by completion, too.
    return sorted({*globals(), *__all__})
