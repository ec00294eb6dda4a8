"""Tables and other texts from outside, as spreadsheets and editors write them.

Rows are read by the names of their columns, numbers are finite and in range.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from reage.errors import ImageError, ReageError
from reage.files import open_file, read_file
from reage.numbers import LARGEST, read_real

__all__ = ["TableRow", "read_table", "read_text"]

SEPARATORS = ",;\t"  # where numbers have a comma, spreadsheets write ; and what they copy has tabs
LONGEST_HEADER = 100_000  # letters
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


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


def read_text(path: Path, errors: str = "strict") -> str:
    """Read a text in UTF-8, or in UTF-16 where its first bytes say so.

    Raises OSError; UnicodeDecodeError too if `errors` is strict.
    """
    data = read_file(path)
    return data.decode(_encoding(data), errors)


def _encoding(head: bytes) -> str:
    return "utf-16" if head.startswith(UTF16) else "utf-8-sig"


def read_table(
    path: Path, columns: Sequence[str] = (), kind: type[ReageError] = ImageError
) -> Iterator[TableRow]:
    """Read a table row by row; it has to have `columns`, whose names may have capitals.

    The text is UTF-8, or UTF-16 that says so; commas, semicolons or tabs separate the cells.
    Raises `kind` where the file cannot be read or lacks a column.
    """
    try:
        with open_file(path) as start:
            encoding = _encoding(start.read(2))
        with open_file(path, newline="", encoding=encoding) as file:
            header = file.readline(LONGEST_HEADER)
            file.seek(0)
            separator = max(SEPARATORS, key=header.count)
            reader = csv.DictReader(file, restkey="", restval="", delimiter=separator)
            names = [name.strip() for name in reader.fieldnames or []]
            found = [name if name.lower() in names else name.lower() for name in names]
            reader.fieldnames = found
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
