"""What a server allows."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ServerSettings"]

MB = 1 << 20


@dataclass(frozen=True)
class ServerSettings:
    """Limits and access; the defaults suit one household on one computer."""

    host: str = "127.0.0.1"
    port: int = 7860
    allow_hosts: tuple[str, ...] = ()  # further names by which it may be asked: NAME or NAME:PORT
    password: str | None = None  # None: whoever reaches the port may use it
    model: str = "faces128"  # as given, for the batch job
    max_photo: int = 40 * MB  # bytes of an uploaded photo or project
    max_file: int = 500 * MB  # bytes of an uploaded video or ZIP
    max_unpacked: int = 2000 * MB  # bytes that a ZIP may unpack to
    max_pixels: int = 50_000_000  # of a photo, checked before it is decoded
    memory: int = 1024 * MB  # bytes that the photos of all sessions take together
    photos_each: int = 6  # open in one session; the oldest is closed
    jobs_each: int = 3  # waiting or running, of one session
    jobs: int = 64  # of all
    waiting: int = 100  # quick requests that wait; more are refused
    waiting_large: int = 40  # files to open and pictures of full size that wait
    unheard: float = 10.0  # seconds until a job is cancelled whose last listener has gone
    idle_minutes: float = 60.0  # until a session that nobody uses is closed
    requests_a_minute: int = 1200  # of one session or address; a slider makes ten a second
    uploads_a_minute: int = 40
    uploads_each: int = 8  # under way at once, of one address of the network
    uploads_at_once: int = 64  # of all

    @property
    def is_local(self) -> bool:
        """Whether only this computer can reach it."""
        return self.host in ("127.0.0.1", "localhost", "::1")
