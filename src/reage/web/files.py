"""How files leave the server: by the name of the photo that they were made from."""

from __future__ import annotations

from pathlib import Path, PurePath
from urllib.parse import quote

from fastapi.responses import FileResponse, Response

__all__ = ["attachment", "file_answer", "named_after"]


def named_after(photo: str, what: str, suffix: str) -> str:
    """`ada-age70.jpg` of `ada.png`."""
    return f"{PurePath(photo).stem}-{what}{suffix}"


def attachment(data: bytes, name: str, kind: str) -> Response:
    """Bytes to save."""
    return Response(data, media_type=kind, headers=_headers(name))


def file_answer(path: Path, name: str) -> FileResponse:
    """A file to save."""
    return FileResponse(path, headers=_headers(name))


def _headers(name: str) -> dict[str, str]:
    return {"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
