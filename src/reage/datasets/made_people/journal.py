"""The work folder of a synthesis: finished draws and people, written one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from reage.datasets.made_people.records import Drawn, Made, made_from_dict, made_to_dict
from reage.jobs.journal import WorkFolder

__all__ = ["Journal"]


class Journal(WorkFolder):
    """Drawn faces and made people by their numbers."""

    def __init__(
        self, output: Path, described: dict[str, Any], say: Callable[[str], None] | None = None
    ):
        super().__init__(output, "synthesize", described, say)
        self.drawn: dict[int, Drawn] = {}
        self.made: dict[int, Made] = {}
        for _, record in self.read(_parse):
            self._remember(record)

    def add(self, found: Drawn | Made) -> None:
        """Keep a drawn face, or a person and the pictures."""
        if isinstance(found, Drawn):
            self.write(f"draw {found.draw}", {"drawn": asdict(found)})
        else:
            number = found.person.number
            self.write(_key(number), {"made": made_to_dict(found)}, dict(enumerate(found.pictures)))
        self._remember(found)

    def picture_of(self, place: tuple[int, int]) -> bytes:
        """The encoded picture of a person's number and its own, from 0 on."""
        return self.picture(_key(place[0]), place[1])

    def _remember(self, record: Drawn | Made) -> None:
        if isinstance(record, Drawn):
            self.drawn[record.draw] = record
        else:
            self.made[record.person.number] = replace(record, pictures=())


def _key(number: int) -> str:
    return f"person {number}"


def _parse(values: dict[str, Any]) -> Drawn | Made:
    return Drawn(**values["drawn"]) if "drawn" in values else made_from_dict(values["made"])
