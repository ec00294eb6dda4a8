"""reage: show a person at another age.

import reage
result = reage.load().edit("portrait.jpg", to=70)
result.image.save("portrait-age70.jpg")
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
    from reage.types import Result

__version__ = "0.1.0"

__all__ = [
    "Editor",
    "FaceError",
    "ImageError",
    "LatentError",
    "ModelError",
    "ReageError",
    "Result",
    "UsageError",
    "load",
]

_LAZY = {"Editor": "reage.editor", "load": "reage.editor", "Result": "reage.types"}


def __getattr__(name: str) -> Any:
    # torch takes a second to import; `import reage` and `reage --help` go without it.
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'reage' has no {name!r}; it has {', '.join(__all__)}")
