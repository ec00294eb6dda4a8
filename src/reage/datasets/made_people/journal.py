"""The work folder of a synthesis: what is drawn and made already, written as it gets known."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from reage.datasets.made_people.records import Drawn, Made, made_from, made_to
from reage.jobs.journal import Place, WorkFolder

__all__ = ["Journal"]


class Journal(WorkFolder):
    """Drawn faces and made people by their numbers."""

    command, store = "synthesize", "pictures.bin"

    def __init__(self, output: Path, described: dict[str, Any]):
        super().__init__(output, described)
        self.drawn: dict[int, Drawn] = {}
        self.made: dict[int, Made] = {}
        for record in self.take_up(_parsed, _places):
            self._remember(record)

    def add(self, found: Drawn | Made) -> None:
        """Keep a drawn face, or a person and the pictures."""
        if isinstance(found, Drawn):
            self.add_record({"drawn": asdict(found)})
        else:
            places = tuple(self.add_picture(picture) for picture in found.pictures)
            found = replace(found, pictures=(), places=places)
            self.add_record({"made": made_to(found)})
        self._remember(found)

    def _remember(self, record: Drawn | Made) -> None:
        if isinstance(record, Drawn):
            self.drawn[record.draw] = record
        else:
            self.made[record.person.number] = record


def _parsed(values: dict[str, Any]) -> Drawn | Made:
    return Drawn(**values["drawn"]) if "drawn" in values else made_from(values["made"])


def _places(record: Drawn | Made) -> tuple[Place, ...]:
    return record.places if isinstance(record, Made) else ()
