"""CSV tables from outside: rows by the names of their columns, numbers finite and in range."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from reage.errors import ImageError, ReageError
from reage.files import open_file
from reage.numbers import LARGEST, read_real

__all__ = ["TableRow", "read_table"]


@dataclass(frozen=True)
class TableRow:
    """One row; what it lacks is empty."""

    cells: Mapping[str, str]
    place: str  # file and line, for errors
    kind: type[ReageError]  # of errors

    def text(self, name: str) -> str:
        """A cell's text; empty if there is none."""
        return self.cells.get(name, "").strip()

    def real(self, name: str, low: float = -LARGEST, high: float = LARGEST) -> float | None:
        """A finite number from `low` to `high`; None where the cell is empty."""
        text = self.text(name)
        value = read_real(text, low, high)
        if text and value is None:
            self.refuse(f"{name} is {text!r:.60}; it has to be a number from {low:g} to {high:g}")
        return value

    def refuse(self, reason: str) -> NoReturn:
        """Raise the table's error."""
        raise self.kind(f"{self.place}: {reason}")


def read_table(
    path: Path, columns: Sequence[str] = (), kind: type[ReageError] = ImageError
) -> Iterator[TableRow]:
    """Read a table in UTF-8, row by row; it has to have `columns`.

    Raises `kind` where the file cannot be read or lacks a column.
    """
    try:
        with open_file(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restkey="", restval="")
            found = reader.fieldnames or []
            missing = [name for name in columns if name not in found]
            if missing:
                names = " and no ".join(f"`{name}`" for name in missing)
                raise kind(
                    f"{path} has no column {names}, but "
                    f"{', '.join(found)[:200] or 'nothing'}; add it"
                )
            for row in reader:
                row.pop("", None)  # cells beyond the header's
                yield TableRow(row, f"{path}, line {reader.line_num}", kind)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is not a table in UTF-8"
        raise kind(f"{path} cannot be read: {reason}; give a CSV file") from error
