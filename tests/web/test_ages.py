"""Ages for faces: read strictly, and only for faces that there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi")
from web_client import API, RAW, TestClient, finished, opened

from reage.errors import UsageError
from reage.web import uploads
from reage.web.requests import ages_of

ODD = [
    "1_0:70",
    "١:70",
    "1:٧0",
    "1:70,,2:70",
    ",",
    "1:70,",
    "0:70",
    "-1:70",
    "01:70",
    "1:-5",
    "1:1e1",
]
ODD += [
    "1:nan",
    "1:inf",
    "1:70,1:60",
    "1: 70",
    "70",
    "1:",
    ":",
    "1:7:7",
    "9" * 5000 + ":70",
    "１:70",
]
ODD += ["1:" + "7" * 5000, "1:7_0", "1:0x46", "1.0:70", "+1:70"]


@pytest.fixture(scope="module")
def clip(astronaut: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A video of one person."""
    av = pytest.importorskip("av")
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(path, "w") as file:
        stream = file.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        stream.width = stream.height = 512
        for _ in range(6):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(astronaut)))
        file.mux(stream.encode())
    return path.read_bytes()


@pytest.mark.parametrize("text", ODD)
def test_what_is_no_list_of_ages_is_refused_in_a_short_line(text: str) -> None:
    with pytest.raises(UsageError, match=r"^ages [^\n]*FACE:AGE[^\n]*$") as refused:
        ages_of(text)
    assert len(str(refused.value)) < 200


def test_lists_of_ages_are_read() -> None:
    assert ages_of("1:70,12:0,3:5.5") == {1: 70.0, 12: 0.0, 3: 5.5}
    assert ages_of("") == {}
    with pytest.raises(UsageError, match="not between"):
        ages_of("1:121")


@pytest.mark.parametrize(
    "to", ["1_0", "", "nan", "７0", "-5", "1e1", "121", "0:70", "99:", "9" * 200]
)
def test_odd_ages_of_videos_are_refused_before_they_come(client: TestClient, to: str) -> None:
    asked = {"to": to, "name": "a.mp4"}
    answer = client.post(f"{API}/videos", params=asked, content=b"a", headers=RAW)
    assert answer.status_code == 400 and len(answer.json()["detail"]) < 200


@pytest.mark.parametrize("asked", [{"to": "99:70"}, {"to": "1:70,2:60"}, {"to": "70", "which": 2}])
def test_people_that_are_not_in_a_video_are_refused_before_it_waits(
    client: TestClient, clip: bytes, asked: dict[str, Any]
) -> None:
    answer = client.post(f"{API}/videos", params=asked, content=clip, headers=RAW)
    assert answer.status_code == 422 and "found 1 person" in answer.json()["detail"]
    assert client.get(f"{API}/jobs").json() == []


@pytest.mark.parametrize("patience", [0.0, 60.0])
def test_people_that_are_in_a_video_are_aged(
    client: TestClient, clip: bytes, patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "LOOK", patience)
    asked = {"to": "70", "which": 1}
    answer = client.post(f"{API}/videos", params=asked, content=clip, headers=RAW)
    job = finished(client, answer.json()["id"])
    assert job["state"] == "done", job
    assert client.get(f"{API}/jobs/{job['id']}/file").content


def test_what_shows_nothing_says_what_to_send(client: TestClient, portrait: bytes) -> None:
    path = f"{API}/photos/{opened(client, portrait)['id']}"
    for asked, part in (
        ("edited", "ages=1:70"),
        ("edited?ages=", "ages=1:70"),
        ("moved", "direction=NAME"),
        ("moved?ages=&direction=", "direction=NAME"),
        ("moved?ages=1:70", "direction=NAME"),
    ):
        answer = client.get(f"{path}/{asked}")
        assert answer.status_code == 400 and part in answer.json()["detail"], asked


def test_faces_that_are_not_there_are_named(client: TestClient, portrait: bytes) -> None:
    photo = opened(client, portrait)
    path = f"{API}/photos/{photo['id']}"
    for asked in ("edited", "download"):
        answer = client.get(f"{path}/{asked}", params={"ages": "99:70"})
        assert answer.status_code == 400 and "only face 1" in answer.json()["detail"]
    for faces in ([], [0], [-1], [99], [1, 2]):
        answer = client.put(f"{path}/faces", json={"faces": faces})
        assert answer.status_code == 400 and "only face 1" in answer.json()["detail"]
    answer = client.post(f"{path}/invert", json={"faces": [99]})
    assert answer.status_code == 400 and "only face 1" in answer.json()["detail"]
    assert client.get(f"{path}/view", params={"face": 99}).status_code == 400


def test_all_directions_that_are_offered_are_taken(client: TestClient) -> None:
    offered = [one["name"] for one in client.get(f"{API}/directions").json()]
    assert "sefa:1" in offered and "sefa:0" not in offered
    directions = client.app.state.studio.directions  # type: ignore[attr-defined]
    for name in offered:
        assert directions.ager(name) is not None
