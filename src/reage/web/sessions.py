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
MEASURED_EVERY = 1.0  # seconds; milliseconds of work for each photo that is looked at


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
    rest: asyncio.Lock = field(default_factory=asyncio.Lock)  # of looks where its slider rests
    aside: asyncio.Lock = field(default_factory=asyncio.Lock)  # of those that no slider waits for
    bytes_held: int = 0  # with all of it, when it was last measured
    measured: float = 0.0  # time.monotonic

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

    def forget_full(self) -> None:
        """Drop the look at full size."""
        self.kept.full = {}

    def forget_kept(self) -> None:
        """Drop all that can be worked out again."""
        self.kept = Kept()


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


class Sessions:
    """All sessions, within a bound of memory.

    `measure` gives the bytes that a photo holds, with all that was found out about it.
    """

    def __init__(
        self,
        memory: int,
        photos_each: int,
        idle: float,
        on_close: Callable[[str], None],
        measure: Callable[[OpenPhoto], int],
    ):
        self.memory, self.photos_each, self.idle = memory, photos_each, idle
        self.on_close, self.measure = on_close, measure
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
            self._measure(photo)
            self._make_room(photo.bytes_held, session)
            while session.photos and not self._fits(photo.bytes_held):
                session.photos.popitem(last=False)
            if not self._fits(photo.bytes_held):
                raise ServerFull("the server has no memory left for this photo; try again later")
            session.photos[photo.id] = photo

    def settle(self, session: Session, photo: OpenPhoto) -> None:
        """Measure a photo that was used, and stay within the bound."""
        if time.monotonic() - photo.measured < MEASURED_EVERY:
            return
        with self.lock:
            self._measure(photo)
            self._make_room(0, session, photo)
            if not self._fits():
                photo.forget_kept()
                self._measure(photo)

    def _make_room(self, more: int, mine: Session, used: OpenPhoto | None = None) -> None:
        """Drop of the longest unused first: full sizes, then what is kept, then idle sessions."""
        sessions, now = list(self.all.values()), time.monotonic()
        photos = [photo for one in sessions for photo in list(one.photos.values())]
        for forget in (OpenPhoto.forget_full, OpenPhoto.forget_kept):
            for photo in photos:
                if self._fits(more):
                    return
                if photo is not used:
                    forget(photo)
                    self._measure(photo)
        for session in sessions:
            if not self._fits(more) and session is not mine and now - session.used > BUSY:
                self.close(session)

    def _fits(self, more: int = 0) -> bool:
        """Whether all open photos and `more` bytes are within the bound."""
        held = sum(p.bytes_held for s in list(self.all.values()) for p in list(s.photos.values()))
        return held + more <= self.memory

    def _measure(self, photo: OpenPhoto) -> None:
        photo.bytes_held, photo.measured = self.measure(photo), time.monotonic()

    def sweep(self) -> None:
        """Close sessions that nobody has used for long."""
        with self.lock:
            now = time.monotonic()
            for session in list(self.all.values()):
                if now - session.used > self.idle:
                    self.close(session)
            for session in list(self.all.values()):  # jobs add to photos, too
                for photo in list(session.photos.values()):
                    if photo.measured < session.used:
                        self.settle(session, photo)

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
