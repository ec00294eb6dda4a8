"""How files leave the server: by the name of the photo that they were made from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path, PurePath
from urllib.parse import quote

from fastapi.responses import FileResponse, Response

from reage.web.pictures import MadeFile

__all__ = ["attachment", "file_answer", "named_after", "span_name"]


def named_after(photo: str, what: str, suffix: str) -> str:
    """`ada-age70.jpg` of `ada.png`."""
    return f"{PurePath(photo).stem}-{what}{suffix}"


def span_name(ages: Sequence[float]) -> str:
    """`ages20-80` of a row of ages, as `reage edit` names what belongs to several."""
    return f"ages{min(ages):g}-{max(ages):g}" if len(ages) > 1 else f"age{ages[0]:g}"


def attachment(made: bytes | MadeFile, name: str, kind: str) -> Response:
    """Something to save; what it lost is JSON in the header X-Reage-Notices."""
    made = made if isinstance(made, MadeFile) else MadeFile(made)
    answer = Response(made.data, media_type=kind, headers=_headers(name))
    if made.notices:
        answer.headers["x-reage-notices"] = json.dumps(made.notices)
    return answer


def file_answer(path: Path, name: str) -> FileResponse:
    """A file to save."""
    return FileResponse(path, headers=_headers(name))


def _headers(name: str) -> dict[str, str]:
    return {"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
