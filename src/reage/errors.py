"""The errors that reage raises for input it cannot use.

    ReageError
    ├── ImageError        a file that is no picture, is broken, too large, or cannot be written
    ├── FaceError         no face found, or not the face that was asked for
    ├── ModelError        a checkpoint, model folder or model name that cannot be used
    ├── LatentError       a latent or direction file that does not fit
    └── UsageError        options that contradict each other (exit code 2)

Each message is one line: what was found, and what to do about it. A broken invariant of the
program itself is an `assert`, never one of these.
"""

from __future__ import annotations

__all__ = ["FaceError", "ImageError", "LatentError", "ModelError", "ReageError", "UsageError"]


class ReageError(Exception):
    """Anything the user can mend."""


class ImageError(ReageError):
    """A picture that cannot be read or written."""


class FaceError(ReageError):
    """No usable face, or not the one asked for."""


class ModelError(ReageError):
    """A model that cannot be found, read or trusted."""


class LatentError(ReageError):
    """A latent code or direction of the wrong shape, space or generator."""


class UsageError(ReageError):
    """Options that cannot be meant together."""
