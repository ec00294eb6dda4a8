"""Files of uploads and jobs: nothing stays of what was cancelled, refused or killed."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
from starlette.requests import Request
from web_client import API, RAW, TestClient, finished, opened, until

from reage.editor import Editor
from reage.errors import ImageError
from reage.web import uploads
from reage.web.app import create_app
from reage.web.jobs import Job
from reage.web.places import PREFIX, ServerFolder, sweep_folders
from reage.web.settings import ServerSettings

PLAYLIST = b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("data", [b"no video", PLAYLIST, b"RIFF\0\0\0\0AVI ", b"\0" * 5000])
def test_a_video_that_is_none_is_refused_before_it_waits(
    small_editor: Editor, temporary: Path, data: bytes
) -> None:
    with TestClient(create_app(small_editor, ServerSettings())) as client:
        asked = {"to": "70", "name": "a.mp4"}
        answer = client.post(f"{API}/videos", params=asked, content=data, headers=RAW)
        assert answer.status_code == 422 and str(temporary) not in answer.json()["detail"]
        assert client.get(f"{API}/jobs").json() == []
        assert files_in(temporary) == ["lock"]
    assert files_in(temporary) == []


def test_nothing_stays_of_a_refused_or_cancelled_job(
    small_editor: Editor, portrait: bytes, temporary: Path
) -> None:
    settings = ServerSettings(jobs_each=1, model="small")
    with TestClient(create_app(small_editor, settings)) as client:
        client.get(f"{API}/jobs")
        studio = client.app.state.studio  # type: ignore[attr-defined]
        (session,) = studio.sessions.all
        first = studio.jobs.submit("invert", session, until_cancelled)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("ada.png", portrait)
        asked = {"to": 60, "quality": "fast"}
        body = packed.getvalue()
        refused = client.post(f"{API}/folders", params=asked, content=body, headers=RAW)
        assert refused.status_code == 429
        assert files_in(temporary) == ["lock"]
        studio.jobs.each = 3
        second = client.post(f"{API}/folders", params=asked, content=body, headers=RAW).json()
        assert files_in(temporary) == ["lock", "photos.zip"]
        client.delete(f"{API}/jobs/{second['id']}")  # which waits
        assert files_in(temporary) == ["lock"]
        client.delete(f"{API}/jobs/{first.id}")
        assert finished(client, first.id)["state"] == "cancelled"


def test_nothing_stays_of_who_went_while_the_server_looked(
    small_editor: Editor, portrait: bytes, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled after the last byte, before the answer."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("ada.png", portrait)

    async def has_gone(_: Request) -> bool:
        return True

    with TestClient(create_app(small_editor, ServerSettings(model="small"))) as client:
        client.get(f"{API}/photos")
        monkeypatch.setattr(Request, "is_disconnected", has_gone)
        for path, data in (("folders?to=60", packed.getvalue()), ("photos", portrait)):
            with pytest.raises(AssertionError, match="any response"):
                client.post(f"{API}/{path}", content=data, headers=RAW)
        assert client.get(f"{API}/jobs").json() == client.get(f"{API}/photos").json() == []
        assert files_in(temporary) == ["lock"]


def until_cancelled(job: Job) -> None:
    """Work of which nobody can say when it would end."""
    while True:
        job.report("work", 0, 0)
        time.sleep(0.01)


def test_a_job_keeps_what_it_made_and_no_more(small_editor: Editor, temporary: Path) -> None:
    def work(job: Job, fails: bool) -> None:
        assert job.place is not None
        (job.place / "work").mkdir()
        for name in ("in.mp4", "out.mp4", "work/frames"):
            (job.place / name).write_text("a")
        if fails:
            raise ImageError(f"{job.place}/in.mp4 is damaged")
        job.file = job.place / "out.mp4"

    with TestClient(create_app(small_editor, ServerSettings())) as client:
        client.get(f"{API}/jobs")
        studio = client.app.state.studio  # type: ignore[attr-defined]
        (session,) = studio.sessions.all.values()
        for fails in (False, True):
            run = partial(work, fails=fails)
            job = studio.jobs.submit("video", session.id, run, session.new_folder())
            state = finished(client, job.id)
            assert files_in(temporary) == ["lock", "out.mp4"]  # that of the first
        assert state["error"] == "in.mp4 is damaged"


def test_old_jobs_of_a_session_go(small_editor: Editor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reage.web.jobs.KEPT_JOBS", 3)
    with TestClient(create_app(small_editor, ServerSettings())) as client:
        client.get(f"{API}/jobs")
        studio = client.app.state.studio  # type: ignore[attr-defined]
        (session,) = studio.sessions.all
        for _ in range(6):
            finished(client, studio.jobs.submit("edit", session, lambda job: None).id)
        assert len(client.get(f"{API}/jobs").json()) == 4


def test_a_later_start_sweeps_what_a_killed_server_left(temporary: Path) -> None:
    code = "from reage.web.places import *; import os; f = ServerFolder(); " \
           "(f.new_folder() / 'a.mp4').write_text('a'); os.kill(os.getpid(), 9)"  # fmt: skip
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(temporary)})
    alive = ServerFolder()
    (alive.new_folder() / "b.mp4").write_text("b")
    young = Path(tempfile.mkdtemp(prefix=PREFIX))  # of a start that has no lock yet
    assert files_in(temporary) == ["a.mp4", "b.mp4", "lock", "lock"]
    assert sweep_folders() == 1
    assert files_in(temporary) == ["b.mp4", "lock"] and young.is_dir()
    alive.close()
    assert sweep_folders() == 0


def many_entries(count: int) -> bytes:
    """A ZIP whose table lists one empty member again and again."""
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"a"
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
    table = (entry + b"a") * count
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count & 0xFFFF, count & 0xFFFF,
                      len(table), len(local), 0)  # fmt: skip
    return local + table + end


def test_a_zip_that_lists_too_much_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(many_entries(100))
    uploads.check_zip(path, 1000)
    path.write_bytes(many_entries(300_000))
    monkeypatch.setattr(zipfile, "ZipInfo", None)  # an object of each of them would take seconds
    with pytest.raises(ImageError, match="too many files"):
        uploads.check_zip(path, 1000)


def test_a_slow_upload_to_decode_stops_no_slider(
    small_editor: Editor, portrait: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The opener has a thread of its own, and a queue that ends."""
    app = create_app(small_editor, replace(ServerSettings(), waiting_large=2))
    with TestClient(app) as client:
        photo = opened(client, portrait)
        go, begun = threading.Event(), threading.Event()

        def slow(*_: Any) -> None:
            begun.set()
            go.wait(120)
            raise ImageError("seen enough")

        def post() -> None:
            TestClient(app).post(f"{API}/photos", content=portrait, headers=RAW)

        monkeypatch.setattr(app.state.studio, "open", slow)
        posts = [threading.Thread(target=post) for _ in range(2)]
        for one in posts:
            one.start()
        try:
            assert begun.wait(120)
            assert client.get(f"{API}/photos/{photo['id']}/view").status_code == 200
            until(lambda: app.state.studio.workers.waiting["large"] == 2)
            full = client.post(f"{API}/photos", content=portrait, headers=RAW)
            assert full.status_code == 503 and "large pictures wait" in full.json()["detail"]
        finally:
            go.set()
            for one in posts:  # who waits when the server ends is cancelled, in its thread
                one.join()
