"""The task of a batch, and the result for one photo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from reage.compositing.change import PasteMode
from reage.editor import Which
from reage.images.reading import MAX_PIXELS

__all__ = ["BatchTask", "Done", "Item"]


@dataclass(frozen=True)
class BatchTask:
    """The options shared by all photos; they determine the bytes of the outputs."""

    targets: tuple[float, ...]  # years; one output each
    face: Which = "largest"
    paste: PasteMode = "delta"
    quality: str = "normal"
    seed: int = 0
    mark: bool = True
    model: str = "faces128"
    device: str = "auto"
    precision: str = "auto"
    direction: str | None = None
    lpips: str | None = None
    grey_hair: bool = True
    hair_color: str | None = None
    detail: str | None = None  # folder of skin detail; None: the embedded one
    occlusion: str | None = None  # folder of an occlusion network; None: the embedded one
    max_pixels: int = MAX_PIXELS  # of a photo

    def describe(self) -> dict[str, Any]:
        """Return the options as plain JSON data."""
        found = {**asdict(self), "targets": list(self.targets)}
        # Batches of versions without them resume.
        for name in ("hair_color", "detail", "occlusion"):
            if found[name] is None:
                del found[name]
        if self.max_pixels == MAX_PIXELS:
            del found["max_pixels"]
        # Batches of versions without grey hair resume with --hair keep.
        return found | {"hair": "grey"} if found.pop("grey_hair") else found


@dataclass(frozen=True)
class Item:
    """One photo of the input."""

    key: str  # its place in the input, with slashes; the output mirrors it
    file: str  # the photo, or the ZIP it is in
    member: str | None  # its name in the ZIP
    stamp: str  # size and time (in a ZIP: checksum): another one is another photo
    outputs: tuple[str, ...] = ()  # places in the output, one for each target
    suffix: str = ""  # of the outputs, where its own says nothing
    found: bool = False  # in a folder or by a glob, and not named: left out if reage made it


@dataclass(frozen=True)
class Done:
    """The result for one photo."""

    key: str
    stamp: str
    model: str  # hash of the generator, or of the ager of pixels, that was used
    error: str | None  # one line; None: all went well
    files: Mapping[str, int] = field(default_factory=dict)  # place in the output, bytes
    rows: tuple[dict[str, Any], ...] = ()  # of the manifest
    notices: tuple[str, ...] = ()  # what was not kept
    left_out: bool = False  # reage made it of another photo
    older: tuple[str, ...] = ()  # places of pictures that an earlier version of the photo left
