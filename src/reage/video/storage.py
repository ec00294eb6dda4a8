"""How the output's pictures are stored: codec, depth, colour samples, transparency, fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from reage.errors import UsageError
from reage.ffmpeg import FULL, H264, LIMITED
from reage.video.facts import HDR_TRANSFERS
from reage.video.sequence import SEQUENCES, is_sequence, stem_of
from reage.video.source import VideoSource

__all__ = ["CODECS", "CONTAINERS", "Codec", "Storage", "choose_storage", "frame_notices"]

# Matroska takes every audio and subtitle codec, MP4 only some.
CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
Codec = Literal["auto", "h264", "hevc", "prores"]  # as in VideoConfig
CODECS: Sequence[Codec] = ("auto", "h264", "hevc", "prores")
THREADS = 2  # of the encoders: a fixed number, since x264's result depends on it


@dataclass(frozen=True)
class Storage:
    """How one video is stored, and what of the input it cannot hold."""

    codec: Codec | Literal["pictures"]
    bits: int  # 8 or 10; 16 for pictures
    subsampling: tuple[int, int]
    alpha: bool
    fields: str  # kept: "top", "bottom" or ""
    notices: tuple[str, ...] = ()  # one line each
    pattern: Path | None = None  # of the pictures
    exact: bool = False  # composited in 4:4:4 at 16 bits, whatever is stored

    @property
    def working(self) -> dict[str, Any]:
        """How frames are composited: the arguments of `Frame.planes`."""
        exact = self.exact or self.codec == "pictures"
        subsampling = (1, 1) if exact else self.subsampling
        return {
            "deep": exact or self.bits > 8,
            "subsampling": subsampling,
            "alpha": self.alpha,
        }

    @property
    def pix_fmt(self) -> str:
        """FFmpeg's name of the samples."""
        chroma = {(2, 2): "420", (2, 1): "422", (1, 1): "444"}[self.subsampling]
        deep = "10le" if self.bits > 8 else ""
        return f"yuv{'a' if self.alpha else ''}{chroma}p{deep}"

    @property
    def suffix(self) -> str:
        """The suffix of a segment."""
        if self.codec == "pictures":
            return ""
        return ".mov" if self.codec == "prores" else ".mp4"

    def encoder(self, source: VideoSource, crf: int, preset: str) -> H264:
        """Return the encoder's settings: the video's own times and colours.

        Without B-frames, packets come in the order of their times: segments then join without a
        shift of the sound, and uneven times stay.
        """
        even = self.subsampling != (1, 1)
        width, height = source.even_size if even else (source.width, source.height)
        codec, tag, options = self._options(source, preset)
        return H264(
            width,
            height,
            Fraction(source.rate).limit_denominator(60000),
            crf,
            options,
            time_base=source.time_base,
            threads=THREADS,
            color_range=FULL if source.full_range else LIMITED,
            colorspace=source.matrix,
            color_primaries=source.primaries,
            color_trc=source.transfer,
            aspect=source.aspect,
            codec=codec,
            pix_fmt=self.pix_fmt,
            tag=tag,
            container=self.suffix[1:],
        )

    def _options(self, source: VideoSource, preset: str) -> tuple[str, str, dict[str, str]]:
        if self.codec == "prores":
            profile = "4444" if self.subsampling == (1, 1) else "hq"
            return "prores_ks", "", {"profile": profile, "vendor": "apl0"}
        if self.codec == "h264":
            fields = {"x264-params": f"{self.fields[0]}ff=1"} if self.fields else {}
            return "libx264", "", {"preset": preset, "bf": "0", **fields}
        facts = source.facts
        words = ["log-level=error", "bframes=0", "frame-threads=1", f"pools={THREADS}"]
        words += [f"master-display={facts.display}"] if facts.display else []
        words += [f"max-cll={facts.light}"] if facts.light else []
        words += ["hdr10=1"] if source.transfer == 16 else []
        return "libx265", "hvc1", {"preset": preset, "x265-params": ":".join(words)}


def choose_storage(
    source: VideoSource, output: Path, asked: Codec = "auto", *, exact: bool = False
) -> Storage:
    """Choose what keeps most of the input in a file of this suffix; UsageError if there is none."""
    suffix = output.suffix.lower()
    if is_sequence(output):
        alpha = source.facts.alpha and suffix != ".dpx"
        made = Storage("pictures", 32, (1, 1), alpha, "", pattern=output)
        return replace(made, notices=tuple(_notices(source, made, output)))
    if suffix not in CONTAINERS:
        known = ", ".join(CONTAINERS)
        raise UsageError(
            f"{output} has no suffix of a video: choose {known}, or numbered pictures such as "
            f"{output.stem.split('%')[0].rstrip('._-')}.%04d.png ({' '.join(SEQUENCES)})"
        )
    facts = source.facts
    codec = asked
    if codec == "auto":
        intra = facts.codec == "prores" or facts.alpha
        deep = "hevc" if facts.bits > 8 else "h264"
        codec = "prores" if intra and suffix in (".mov", ".mkv") else deep
    if codec == "prores" and suffix not in (".mov", ".mkv"):
        raise UsageError(f"{suffix} does not hold ProRes; write {output.stem}.mov instead")
    bits = 8 if codec == "h264" else 10
    fields = facts.fields if codec == "h264" else ""
    if codec == "prores":
        whole = facts.alpha or facts.subsampling == (1, 1)
        subsampling = (1, 1) if whole else (2, 1)
    else:
        subsampling = (2, 2)
    alpha = facts.alpha and codec == "prores"
    made = Storage(codec, bits, subsampling, alpha, fields, exact=exact)
    return replace(made, notices=tuple(_notices(source, made, output)))


def _notices(source: VideoSource, storage: Storage, output: Path) -> list[str]:
    """Say in one line each what the output lacks."""
    facts, lines = source.facts, []
    if (facts.alpha and not storage.alpha) or facts.hidden_alpha:
        other = f"{stem_of(output)}.mov"
        keep = "" if facts.hidden_alpha else f"; write {other} to keep it"
        lines.append(f"the transparency (alpha) is left out: the video is opaque{keep}")
    if facts.bits > storage.bits:
        how = " (--codec hevc or prores keep 10)" if storage.bits == 8 else ""
        lines.append(f"{facts.bits} bits of a sample become {storage.bits}{how}")
    across, down = storage.subsampling
    if facts.subsampling[0] < across or facts.subsampling[1] < down:
        lines.append(f"colour samples {_named(facts.subsampling)} become {_named((across, down))}")
    if facts.fields:
        if storage.fields:
            lines.append(f"interlaced, {facts.fields} field first: fields and flag are kept")
        else:
            lines.append("interlaced: the fields' lines are kept, but flagged as whole frames")
    lines += _hdr_notices(source, storage)
    if storage.subsampling != (1, 1) and (source.width % 2 or source.height % 2):
        width, height = source.even_size
        lines.append(f"{source.width}x{source.height} becomes {width}x{height}: sides must be even")
    if storage.codec == "pictures" and facts.sounds:
        lines.append(f"left out: {facts.sounds} sound and subtitle streams, which pictures lack")
    if facts.lost:
        lines.append(f"left out: {', '.join(facts.lost)}")
    return lines


def _hdr_notices(source: VideoSource, storage: Storage) -> list[str]:
    name = HDR_TRANSFERS.get(source.transfer)
    if name is None:
        return []
    facts = source.facts
    lines = [f"HDR ({name}): its colour tags are kept, and faces are edited in its coded values"]
    if (facts.display or facts.light) and storage.codec != "hevc":
        lines.append("the HDR mastering metadata is left out (--codec hevc keeps it)")
    return lines


def _named(subsampling: tuple[int, int]) -> str:
    return {(2, 2): "4:2:0", (2, 1): "4:2:2", (1, 1): "4:4:4"}.get(subsampling, "of another kind")


def frame_notices(source: VideoSource, covered: int, frames: int) -> list[str]:
    """Say what was found in the frames: damaged packets, other sizes, and `covered` faces."""
    lines = []
    if broken := len(source.broken):
        packets = f"{broken} damaged packet{'s' if broken > 1 else ''}"
        lines.append(f"{packets} could not be decoded: left out")
    if resized := len(source.resized):
        several = (
            f"{resized} frames of other sizes are" if resized > 1 else "1 frame of another size is"
        )
        lines.append(f"{several} scaled to the first one's {source.width}x{source.height}")
    if covered:
        lines.append(
            f"part of the face is covered in {covered} of {frames} frames; nothing is changed there"
        )
    return lines
