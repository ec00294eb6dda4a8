"""Show the comment behind a field as its documentation: `psnr: float  # dB under the mask`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import griffe


class FieldComments(griffe.Extension):
    """Give attributes without a docstring the comment at the end of their line."""

    def on_attribute_instance(self, *, attr: griffe.Attribute, **_: Any) -> None:
        if attr.docstring is None and isinstance(attr.filepath, Path) and attr.lineno:
            line = attr.filepath.read_text(encoding="utf-8").splitlines()[attr.lineno - 1]
            found = re.search(r"  # (.+)$", line)
            if found and not found[1].startswith(("type:", "noqa", "pyright:")):
                text = found[1][0].upper() + found[1][1:]
                attr.docstring = griffe.Docstring(text, parent=attr)
