"""What is unusual about a video: depth, transparency, fields, HDR, and streams besides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["HDR_TRANSFERS", "Facts", "has_alpha_layer", "read_facts"]

HDR_TRANSFERS = {16: "PQ", 18: "HLG"}  # FFmpeg's numbers
BOTTOM_FIRST = (3, 4)  # FFmpeg's numbers of orders in which the bottom field is shown first
# Data of single frames that no encoder here takes over.
FRAME_DATA = {
    "A53_CC": "closed captions",
    "DYNAMIC_HDR_PLUS": "HDR10+ metadata",
    "DYNAMIC_HDR_VIVID": "HDR Vivid metadata",
    "DOVI_METADATA": "Dolby Vision metadata",
    "DOVI_RPU_BUFFER": "Dolby Vision metadata",
    "STEREO3D": "stereo 3D marks",
    "SPHERICAL": "360-degree marks",
    "ICC_PROFILE": "a colour profile",
    "S12M_TIMECODE": "time codes",
    "GOP_TIMECODE": "time codes",
}


@dataclass(frozen=True)
class Facts:
    """The properties of a video that not every output can hold."""

    codec: str = ""
    bits: int = 8  # of a sample
    subsampling: tuple[int, int] = (2, 2)  # luma samples for one of chroma, across and down
    alpha: bool = False
    hidden_alpha: bool = False  # alpha in a second layer that the decoder does not read
    fields: str = ""  # "top" or "bottom" field first; "": whole frames
    display: str = ""  # x265's words for the mastering display
    light: str = ""  # ... and for the content's light levels
    sounds: int = 0  # streams of sound and subtitles
    lost: Sequence[str] = ()  # kinds of data and streams that are left out


def read_facts(container: Any, stream: Any, frame: Any) -> Facts:
    """Read the facts of an opened file from its video stream and first frame."""
    components = frame.format.components
    chroma = next((c for c in components if c.is_chroma), None)
    across = -(-frame.width // max(chroma.width, 1)) if chroma else 1
    down = -(-frame.height // max(chroma.height, 1)) if chroma else 1
    data = {one.type.name: bytes(one) for one in frame.side_data}
    alpha = any(c.is_alpha for c in components)
    return Facts(
        codec=stream.codec_context.name,
        bits=max((c.bits for c in components), default=8),
        subsampling=(across, down),
        alpha=alpha,
        hidden_alpha=not alpha and has_alpha_layer(stream),
        fields=_fields(stream, frame),
        display=_display(data.get("MASTERING_DISPLAY_METADATA", b"")),
        light=_light(data.get("CONTENT_LIGHT_LEVEL", b"")),
        sounds=sum(other.type in ("audio", "subtitle") for other in container.streams),
        lost=_lost(container, stream, data),
    )


def has_alpha_layer(stream: Any) -> bool:
    """Tell whether a stream of WebM says that it has transparency in a second layer."""
    return {k.lower(): v for k, v in stream.metadata.items()}.get("alpha_mode") == "1"


def _fields(stream: Any, frame: Any) -> str:
    """Return which field comes first, if the frame is made of two."""
    if not frame.interlaced_frame:
        return ""
    return "bottom" if int(stream.codec_context.field_order) in BOTTOM_FIRST else "top"


def _lost(container: Any, stream: Any, data: dict[str, bytes]) -> list[str]:
    """List what is left out of any output, with numbers."""
    kinds = Counter(
        "more video stream" if other.type == "video" else f"{other.type} stream"
        for other in container.streams
        if other.index != stream.index and other.type not in ("audio", "subtitle")
    )
    counted = [f"{n} {kind}{'s' if n > 1 else ''}" for kind, n in sorted(kinds.items())]
    return [*counted, *sorted({FRAME_DATA[name] for name in data if name in FRAME_DATA})]


def _display(data: bytes) -> str:
    """Translate FFmpeg's AVMasteringDisplayMetadata: 10 rationals, then what is known."""
    if len(data) < 88:
        return ""
    numbers = np.frombuffer(data[:80], np.int32).reshape(10, 2).astype(np.float64)
    known = np.frombuffer(data[80:88], np.int32)
    if not known.all() or not numbers[:, 1].all():
        return ""
    values = numbers[:, 0] / numbers[:, 1]
    (rx, ry, gx, gy, bx, by, wx, wy) = np.rint(values[:8] * 50000).astype(int).tolist()
    low, high = np.rint(values[8:] * 10000).astype(int).tolist()
    return f"G({gx},{gy})B({bx},{by})R({rx},{ry})WP({wx},{wy})L({high},{low})"


def _light(data: bytes) -> str:
    if len(data) < 8:
        return ""
    most, mean = np.frombuffer(data[:8], np.uint32).tolist()
    return f"{most},{mean}"
