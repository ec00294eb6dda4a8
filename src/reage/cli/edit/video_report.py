"""The report of a video's edit: plain data for the JSON file beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reage.editor import Editor
    from reage.video.config import VideoConfig
    from reage.video.run import VideoResult

__all__ = ["report_place", "video_report", "write_report"]


def report_place(output: Path, *, overwrite: bool) -> Path:
    """Return where the report of a video goes; ImageError if it cannot be written there."""
    from reage.files import check_place
    from reage.video.sequence import stem_of

    place = output.with_name(f"{stem_of(output)}{output.suffix}-reage.json")
    if output.parent.is_dir():  # else the video's own error says so
        check_place(place, overwrite)
    return place


def write_report(place: Path, report: Mapping[str, Any], video: Path) -> None:
    """Write the report of a video that is written; ImageError where that is impossible."""
    from reage.files import write_together

    with write_together(kept=f"{video} is complete") as write:
        write(place, (json.dumps(report, indent=1) + "\n").encode())


def video_report(
    result: VideoResult, source: Path, editor: Editor, config: VideoConfig
) -> dict[str, Any]:
    """Return people, figures, settings, and what was left out."""
    from reage import __version__

    settings = {key: value for key, value in asdict(config).items() if key not in ("to", "span")}
    settings["rate"] = str(config.rate)
    settings["layers"] = None if config.layers is None else config.layers.name
    settings["span"] = [time if math.isfinite(time) else None for time in config.span]
    return {
        "video": source.name,
        "file": result.path.name,
        "made_by": {"reage": __version__},
        "model": {"fingerprint": editor.fingerprint(), "device": str(editor.device)},
        "options": settings,
        "people": [
            {
                "number": edit.track.number,
                "age": round(edit.own.age, 1),
                "asked": edit.reached.asked,
                "reached": round(edit.reached.age, 1),
                "limit": edit.reached.limit,
                "stages": [
                    {
                        "seconds": stage.seconds,
                        "asked": stage.reached.asked,
                        "reached": round(stage.reached.age, 1),
                        "limit": stage.reached.limit,
                    }
                    for stage in edit.stages
                ],
            }
            for edit in result.edits
        ],
        "people_seen": len(result.tracks),
        "figures": {
            key: round(value, 4) if math.isfinite(value) else None
            for key, value in asdict(result.metrics).items()
        },
        "notices": list(result.notices),
    }
