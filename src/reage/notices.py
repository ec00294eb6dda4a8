"""Notices: what was read and not kept, or left out. Each is one line, "NAME: what", said once.

They travel with a picture (`Photo.notices`), a written file, an edit and its result, and end on
stderr, in JSON reports, in manifests and on the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["merge_notices", "one_line"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def merge_notices(notices: Iterable[str]) -> list[str]:
    """Say what several files lose in the same way once: "a.jpg and 7 more: what"."""
    names: dict[str, dict[str, None]] = {}
    for notice in notices:
        name, colon, what = notice.partition(": ")
        names.setdefault(what if colon else notice, {})[name if colon else ""] = None
    return [_line(list(of), what) for what, of in names.items()]


def one_line(text: str) -> str:
    r"""Escape what names may hold as \n, \x1b, \udcff: control characters, and bytes of no text.

    So are the marks that turn the direction of the text behind them.
    """
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def _line(names: list[str], what: str) -> str:
    if names == [""]:
        return what
    return f"{names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}: {what}"
