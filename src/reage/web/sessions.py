"""What each user has open: photos, their faces, codes and curves, files; nobody else's."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reage.agers.base import PreparedFace
from reage.errors import UsageError
from reage.faces.face import Face
from reage.faces.readings import AgeReading
from reage.images import Photo
from reage.outputs.live import FaceCurve, LiveFaces
from reage.types import Edit
from reage.web.places import ServerFolder

__all__ = ["OpenPhoto", "ServerFull", "Session", "Sessions"]

BUSY = 60.0  # seconds after its last use in which a session is not closed for its memory
MOST_SESSIONS = 5000  # who keeps no cookie gets one with each request
MOST_TABS = 100  # of a session; a browser that dies takes none back
OVERHEAD = 4 << 20  # bytes of a photo's faces, codes and curves, roughly


class ServerFull(UsageError):
    """No memory is left for another photo."""


@dataclass(eq=False)
class OpenPhoto:
    """One photo of one session, its faces, and what was found out about them."""

    name: str
    data: bytes  # the file as it came
    photo: Photo
    faces: dict[int, Face]  # by number, from left to right
    readings: dict[int, AgeReading]
    chosen: tuple[int, ...] = ()  # ascending, of the faces in the edit; at first the largest
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    quality: str = "normal"
    seed: int = 0
    codes: dict[int, PreparedFace] = field(default_factory=dict)  # of the faces that were inverted
    notices: tuple[str, ...] = ()  # beside those of the file
    edits: dict[str, Any] = field(default_factory=dict)  # what the page did with it
    kept: Kept = field(default_factory=lambda: Kept())
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # of its quick requests

    def __post_init__(self) -> None:
        if not self.chosen:
            self.chosen = (self.largest,)

    @property
    def largest(self) -> int:
        """The number of the largest face."""
        return max(self.faces, key=lambda number: self.faces[number].size)

    def choose(self, numbers: Iterable[int]) -> None:
        """Say which faces are in the edit; UsageError for what is none."""
        chosen = tuple(sorted(set(numbers)))
        for number in chosen:
            self.check_face(number)
        if not chosen:
            raise UsageError(f"an edit needs a face; the photo has {self.numbers}")
        if chosen != self.chosen:
            self.chosen, self.kept = chosen, self.kept.for_others()

    @property
    def numbers(self) -> str:
        """The numbers of its faces, for messages."""
        count = len(self.faces)
        return "only face 1" if count == 1 else f"faces 1 to {count}"

    def check_face(self, number: int) -> None:
        """Raise UsageError for a face that the photo does not have."""
        if number not in self.faces:
            raise UsageError(f"there is no face {number}: the photo has {self.numbers}")

    def check_chosen(self, numbers: Iterable[int]) -> None:
        """Raise UsageError for a face that is not in the edit."""
        for number in numbers:
            self.check_face(number)
            if number not in self.chosen:
                raise UsageError(
                    f"face {number} is not in the edit; choose it first: "
                    f"PUT /photos/{self.id}/faces"
                )

    def set_care(self, quality: str, seed: int) -> None:
        """How faces are made ready; what was worked out with less or more care is dropped."""
        if quality != self.quality:
            self.quality, self.kept = quality, Kept()
        self.seed = seed

    def learn(self, code: PreparedFace) -> None:
        """Keep a face's code, the newest."""
        self.codes[code.view.number] = code
        self.kept = self.kept.without_codes()

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        alpha = 0 if self.photo.alpha is None else self.photo.alpha.nbytes
        return len(self.data) + self.photo.pixels.nbytes + alpha + self.kept.size + OVERHEAD


@dataclass(eq=False)
class Kept:
    """What is worked out once for an open photo; replaced as a whole where it is no longer true."""

    # The photo small, with faces, by whether those have codes, by view and the face it shows.
    framed: dict[tuple[bool, str, int], tuple[Photo, list[PreparedFace]]] = field(
        default_factory=dict
    )
    # By paste mode, view, the face that it shows, and whether hair greys.
    live: dict[tuple[str, str, int, bool], LiveFaces] = field(default_factory=dict)
    plain: dict[int, PreparedFace] = field(default_factory=dict)  # faces without a code
    # By whether faces have codes, paste mode, view and whether hair greys; by face.
    curves: dict[tuple[bool, str, str, bool], dict[int, FaceCurve]] = field(default_factory=dict)
    full: dict[str, Edit] = field(default_factory=dict)  # the newest look at full size, by name

    def for_others(self) -> Kept:
        """What stays true where other faces are chosen."""
        return Kept(plain=self.plain, curves=self.curves)

    def without_codes(self) -> Kept:
        """What stays true where a face gets another code."""
        curves = {key: curves for key, curves in self.curves.items() if not key[0]}
        return Kept(plain=self.plain, curves=curves)

    @property
    def size(self) -> int:
        """Bytes of the photos and changes that are kept."""
        photos = [photo for photo, _ in list(self.framed.values())]
        photos += [edit.photo for edit in list(self.full.values())]
        curves = [curve for known in list(self.curves.values()) for curve in list(known.values())]
        return sum(photo.pixels.nbytes for photo in photos) + sum(c.nbytes for c in curves)


@dataclass(eq=False)
class Session:
    """One user."""

    id: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    photos: OrderedDict[str, OpenPhoto] = field(default_factory=OrderedDict)
    used: float = field(default_factory=time.monotonic)
    place: Path | None = None  # where its files are, until it is closed
    make_place: Callable[[], Path] = field(default=lambda: Path(tempfile.mkdtemp()), repr=False)
    tabs: OrderedDict[str, None] = field(default_factory=OrderedDict)  # open, of a browser

    def enter(self, tab: str) -> None:
        """Count a tab as open; beyond the bound the longest unheard is forgotten."""
        self.tabs[tab] = None
        self.tabs.move_to_end(tab)
        if len(self.tabs) > MOST_TABS:
            self.tabs.popitem(last=False)

    def new_folder(self) -> Path:
        """Make a folder for the files of one piece of work."""
        if self.place is None:
            self.place = self.make_place()
        return Path(tempfile.mkdtemp(dir=self.place))

    @property
    def size(self) -> int:
        """Bytes of memory that its photos take."""
        return sum(photo.size for photo in self.photos.values())


class Sessions:
    """All sessions, within a bound of memory."""

    def __init__(self, memory: int, photos_each: int, idle: float, on_close: Callable[[str], None]):
        self.memory, self.photos_each, self.idle = memory, photos_each, idle
        self.on_close = on_close
        self.lock = threading.RLock()
        self.all: OrderedDict[str, Session] = OrderedDict()
        self.files: ServerFolder | None = None  # made when the first is needed

    def find(self, key: str | None) -> Session | None:
        """The session of a key, which is used from now on; None: there is none."""
        with self.lock:
            session = self.all.get(key or "")
            if session is not None:
                session.used = time.monotonic()
                self.all.move_to_end(session.id)
            return session

    def begin(self) -> Session:
        """A new session."""
        with self.lock:
            if len(self.all) >= MOST_SESSIONS:
                self.close(self._idlest())
            session = Session(make_place=self._new_folder)
            self.all[session.id] = session
            return session

    def _idlest(self) -> Session:
        """The longest unused session, of those that hold nothing if there is one."""
        sessions = list(self.all.values())
        return next((s for s in sessions if not s.photos and s.place is None), sessions[0])

    def _new_folder(self) -> Path:
        with self.lock:
            self.files = self.files or ServerFolder()
            return self.files.new_folder()

    def add(self, session: Session, photo: OpenPhoto) -> None:
        """Keep a photo; ServerFull where all memory is in use by others."""
        with self.lock:
            while len(session.photos) >= self.photos_each:
                session.photos.popitem(last=False)
            self._make_room(session, photo.size)
            session.photos[photo.id] = photo

    def trim(self, used: OpenPhoto) -> None:
        """Drop kept pictures of full size but the one in use, where all are over the bound."""
        with self.lock:
            for session in list(self.all.values()):  # the longest unused first
                for photo in list(session.photos.values()):
                    if sum(s.size for s in self.all.values()) <= self.memory:
                        return
                    if photo is not used:
                        photo.kept.full = {}

    def _make_room(self, session: Session, size: int) -> None:
        now = time.monotonic()
        for other in list(self.all.values()):  # the longest unused first
            if sum(s.size for s in self.all.values()) + size <= self.memory:
                return
            if other is not session and now - other.used > BUSY:
                self.close(other)
        while session.photos and sum(s.size for s in self.all.values()) + size > self.memory:
            session.photos.popitem(last=False)
        if sum(s.size for s in self.all.values()) + size > self.memory:
            raise ServerFull("the server has no memory left for this photo; try again later")

    def sweep(self) -> None:
        """Close sessions that nobody has used for long."""
        with self.lock:
            now = time.monotonic()
            for session in list(self.all.values()):
                if now - session.used > self.idle:
                    self.close(session)

    def close(self, session: Session) -> None:
        """Forget a session with all that it held."""
        with self.lock:
            self.all.pop(session.id, None)
            session.photos.clear()
        self.on_close(session.id)
        if session.place is not None:
            shutil.rmtree(session.place, ignore_errors=True)

    def close_all(self) -> None:
        """Forget everybody."""
        for session in list(self.all.values()):
            self.close(session)
        if self.files is not None:
            self.files.close()
