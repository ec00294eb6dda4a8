"""The work folder: what is known of each picture, written as it gets known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reage.datasets.prepare.options import PrepareOptions
from reage.datasets.prepare.records import Examined, Record, record_from, record_to
from reage.jobs.journal import Place, WorkFolder

__all__ = ["Journal"]


class Journal(WorkFolder):
    """Records by their picture's key, and their crops."""

    command, store = "prepare", "crops.bin"

    def __init__(self, output: Path, options: PrepareOptions):
        super().__init__(output, options.described())
        self.records = {record.key: record for record in self.take_up(record_from, _places)}

    def add(self, examined: Examined) -> Record:
        """Keep what was found out about a picture; returns it with the places of its crops."""
        faces, crops = [], iter(examined.crops)
        for face in examined.record.faces:
            if not face.reason:
                face = replace(face, place=self.add_picture(next(crops)))
            faces.append(face)
        record = replace(examined.record, faces=tuple(faces))
        self.add_record(record_to(record))
        self.records[record.key] = record
        return record


def _places(record: Record) -> list[Place]:
    return [face.place for face in record.faces if face.place is not None]
