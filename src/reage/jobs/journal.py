"""Record the progress of long work in one SQLite file, so that a killed run can resume.

A record and its pictures are stored together or not at all. Only one process at a time can open
the journal.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

from reage.errors import ReageError
from reage.files import name_errors, write_file
from reage.numbers import read_json

__all__ = ["Journal", "WorkFolder", "database_errors", "open_database", "remove_journal"]

OPTIONS, RECORDS, READY = "options.json", "journal.sqlite", "ready"
# Files of earlier versions: JSON lines, and concatenated pictures.
OLDER = ("journal.jsonl", "records.jsonl", "crops.bin", "pictures.bin")
FORMAT = 1
TABLES = """
CREATE TABLE IF NOT EXISTS records (key BLOB PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS pictures (
    key BLOB, number INTEGER, picture BLOB NOT NULL, PRIMARY KEY (key, number)
);
"""
Parsed = TypeVar("Parsed")


class Journal:
    """Store JSON records by key, each with encoded pictures; a context manager.

    FOLDER/options.json    the options that the work started with
    FOLDER/journal.sqlite  all records and pictures

    Raises ReageError if the work started with other options, except those that are `free` to
    change (the line says what to do `instead`), if another process has the journal open, or if the
    disk is full. `say` gets a line if an older version started the work: its journal is ignored and
    the work restarts.
    """

    def __init__(
        self,
        folder: Path,
        command: str,
        described: Mapping[str, Any],
        instead: str,
        say: Callable[[str], None] | None = None,
        free: Collection[str] = (),
    ):
        self.folder, self.output = folder, folder.parent
        self._new_output = not self.output.exists()
        with name_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        _check_options(folder / OPTIONS, described, self.output, instead, free)
        with database_errors(folder, _busy_message(folder, command)):
            self._db = open_database(folder / RECORDS, TABLES)
        older = [folder / name for name in OLDER if (folder / name).exists()]
        if older and say is not None:
            say(f"{self.output} was started by an older reage: its work is done once more")
        for file in older:
            file.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Close it; work that was refused before its first record leaves nothing.

        Work that was interrupted keeps it: the same command goes on.
        """
        empty = any(isinstance(one, ReageError) for one in error) and self._is_empty()
        self._db.close()
        if empty:
            shutil.rmtree(self.folder, ignore_errors=True)
            if self._new_output:
                with suppress(OSError):  # something else is in it
                    self.output.rmdir()

    def _is_empty(self) -> bool:
        with suppress(sqlite3.Error):
            return self._db.execute("SELECT 1 FROM records LIMIT 1").fetchone() is None
        return False

    def read(self, parse: Callable[[Any], Parsed]) -> Iterator[tuple[str, Parsed]]:
        """Yield keys and parsed records; `parse` raises KeyError or TypeError for others."""
        with database_errors(self.folder):
            for key, value in self._db.execute("SELECT key, value FROM records ORDER BY rowid"):
                try:
                    yield os.fsdecode(key), parse(read_json(value))
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    raise ReageError(_damage_message(self.folder)) from error

    def write(
        self, key: str, record: Mapping[str, Any], pictures: Mapping[int, bytes] | None = None
    ) -> None:
        """Store a record and its numbered pictures; replaces an earlier record of the key."""
        name = os.fsencode(key)  # file names are bytes, which need not be text
        with database_errors(self.folder), self._db:
            self._db.execute("BEGIN")
            self._db.execute("DELETE FROM pictures WHERE key = ?", (name,))
            self._db.execute("INSERT OR REPLACE INTO records VALUES (?, ?)",
                             (name, json.dumps(record)))  # fmt: skip
            self._db.executemany(
                "INSERT INTO pictures VALUES (?, ?, ?)",
                [(name, number, picture) for number, picture in (pictures or {}).items()],
            )

    def drop(self, key: str) -> None:
        """Delete a record."""
        with database_errors(self.folder):
            self._db.execute("DELETE FROM records WHERE key = ?", (os.fsencode(key),))

    def picture(self, key: str, number: int) -> bytes:
        """Return an encoded picture."""
        with database_errors(self.folder):
            (found,) = self._db.execute(
                "SELECT picture FROM pictures WHERE key = ? AND number = ?",
                (os.fsencode(key), number),
            ).fetchone()
        return found


class WorkFolder(Journal):
    """The work folder of an unfinished dataset: OUTPUT/.COMMAND; `ready` holds finished files."""

    def __init__(
        self,
        output: Path,
        command: str,
        described: Mapping[str, Any],
        say: Callable[[str], None] | None = None,
    ):
        folder = output / f".{command}"
        self.ready = folder / READY
        instead = f"another --output, or delete {folder} to start again"
        super().__init__(folder, command, described, instead, say)

    @staticmethod
    def check_output(output: Path, command: str) -> None:
        """Raise ReageError if the output exists and is not this command's unfinished work."""
        shutil.rmtree(output / f".{command}-done", ignore_errors=True)
        if output.exists() and not output.is_dir():
            raise ReageError(f"{output} is a file; give a folder for the dataset")
        unfinished = (output / f".{command}").is_dir()
        if output.is_dir() and not unfinished and any(output.iterdir()):
            raise ReageError(
                f"{output} is not empty, and no unfinished work is in it: it is complete, or "
                "something else; give another --output, or delete it first"
            )

    def finish(self) -> None:
        """Remove the folder. It is renamed first: a half-removed one would look unfinished."""
        self.__exit__()
        done = self.folder.with_name(f"{self.folder.name}-done")
        os.replace(self.folder, done)
        shutil.rmtree(done, ignore_errors=True)


def remove_journal(folder: Path, command: str) -> None:
    """Remove a journal, damaged or not; ReageError if another process has it open."""
    if (folder / RECORDS).is_file():
        try:
            open_database(folder / RECORDS, "").close()
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
                raise ReageError(_busy_message(folder, command)) from error
    shutil.rmtree(folder, ignore_errors=True)


def open_database(file: Path, tables: str) -> sqlite3.Connection:
    """Open a database exclusively; each commit is synced to disk."""
    db = sqlite3.connect(file, timeout=0, isolation_level=None)
    try:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.executescript(f"BEGIN EXCLUSIVE; {tables} PRAGMA user_version = {FORMAT}; COMMIT")
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def database_errors(folder: Path, busy: str = "") -> Iterator[None]:
    """Turn database errors of a work folder into a one-line ReageError.

    `busy` is the message if another process has the database open.
    """
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith("SQLITE_BUSY") and busy:
            raise ReageError(busy) from error
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            raise ReageError(_damage_message(folder)) from error
        if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
            raise ReageError(
                f"the disk of {folder.parent} is full: make room and give the same command again; "
                "the work so far is kept"
            ) from error
        raise ReageError(f"{folder} cannot be written ({error})") from error


def _busy_message(folder: Path, command: str) -> str:
    return f"another reage {command} is working in {folder.parent}"


def _damage_message(folder: Path) -> str:
    return f"{folder} is damaged or from another version of reage: delete it to start again"


def _check_options(
    file: Path, described: Mapping[str, Any], output: Path, instead: str, free: Collection[str]
) -> None:
    """Store the options of the work; ReageError if it started with others that are not free."""
    before, now = None, json.loads(json.dumps(described))
    with suppress(FileNotFoundError, ValueError):  # ValueError: an older reage was killed there
        before = read_json(file.read_bytes())
    if before is None:
        data = json.dumps(now, indent=1, sort_keys=True).encode() + b"\n"
        write_file(file, data)
    elif not isinstance(before, dict):
        raise ReageError(_damage_message(file.parent))
    elif names := {n for n in before | now if before.get(n) != now.get(n)} - set(free):
        listed = ", ".join(name.replace("_", "-") for name in sorted(names))
        raise ReageError(
            f"{output} was started with other options ({listed}): give the same ones, {instead}"
        )
