"""What open photos hold is measured, and goes in a sensible order where memory is short."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from web_client import API, TestClient, opened

from reage.faces.face import Face
from reage.images import photo_from_array
from reage.memory import held_bytes
from reage.web.sessions import BUSY, OpenPhoto, Session, Sessions

MB = 1 << 20


def photo(name: str, size: int = MB) -> OpenPhoto:
    face = Face.from_points(np.array([[2.0, 2], [5, 2], [3, 4], [2, 6], [5, 6]]))
    return OpenPhoto(
        name, bytes(size), photo_from_array(np.zeros((8, 8, 3), np.uint8)), {1: face}, {}
    )


def sessions(memory: int) -> Sessions:
    return Sessions(memory, 6, 3600, lambda _: None, held_bytes)


def test_all_that_a_photo_holds_is_measured(
    real_client: TestClient, real_server: Any, portrait: bytes
):
    one = opened(real_client, portrait)
    studio = real_server.state.studio
    session = studio.sessions.find(real_client.cookies["reage_session"])
    held = session.photos[one["id"]]
    before, held.measured = held.bytes_held, 0.0
    assert len(portrait) + 256 * 256 * 3 < before < 4 * MB
    path = f"{API}/photos/{one['id']}"
    real_client.get(f"{path}/edited", params={"ages": "1:60"}).raise_for_status()
    # The photo in the view's size, masks and hair, and the changes that were worked out.
    assert held.bytes_held - before > 3 * held.kept.framed[False, "whole", 0][0].pixels.nbytes
    assert studio.sessions.measure(held) < 60 * MB  # and none of what all share
    held.edits, held.measured = {"history": ["x" * MB]}, 0.0
    before = held.bytes_held
    real_client.get(path)
    assert held.bytes_held - before > 0.9 * MB


def test_what_can_be_made_again_goes_first_and_the_longest_unused():
    all_of_them = sessions(21 * MB // 2)
    old, new = all_of_them.begin(), all_of_them.begin()
    for session in (old, new):
        all_of_them.add(session, photo("a"))
    (one,), (two,) = old.photos.values(), new.photos.values()
    one.kept.full, one.kept.live = {"x": bytearray(MB)}, {"x": bytearray(2 * MB)}  # type: ignore
    two.kept.live = {"x": bytearray(4 * MB)}  # type: ignore
    grow(all_of_them, old, one)
    grow(all_of_them, new, two)
    assert one.kept.full and one.kept.live and two.kept.live
    two.kept.full = {"x": bytearray(2 * MB)}  # type: ignore
    grow(all_of_them, new, two)
    assert not one.kept.full and one.kept.live and two.kept.full  # the full sizes of others
    two.kept.full = {"x": bytearray(4 * MB)}  # type: ignore
    grow(all_of_them, new, two)
    assert not one.kept.live and two.kept.full  # then all that others keep
    old.used = time.monotonic() - BUSY - 1
    two.kept.full = {"x": bytearray(5 * MB)}  # type: ignore
    grow(all_of_them, new, two)
    assert old.id not in all_of_them.all and two.kept.full  # then who is idle
    two.kept.full = {"x": bytearray(9 * MB)}  # type: ignore
    grow(all_of_them, new, two)
    assert not two.kept.full and not two.kept.live and new.photos  # its own at last
    assert two.bytes_held < 2 * MB


def grow(all_of_them: Sessions, session: Session, used: OpenPhoto) -> None:
    used.measured = 0.0
    all_of_them.settle(session, used)


def test_a_new_photo_takes_what_others_only_keep():
    all_of_them = sessions(4 * MB)
    old, new = all_of_them.begin(), all_of_them.begin()
    all_of_them.add(old, photo("a"))
    (one,) = old.photos.values()
    one.kept.live = {"x": bytearray(2 * MB)}  # type: ignore
    grow(all_of_them, old, one)
    all_of_them.add(new, photo("b", 2 * MB))
    assert old.photos and not one.kept.live
