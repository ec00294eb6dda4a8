"""Ages for faces: read strictly, and only for faces that there are."""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi")
from web_client import API, RAW, TestClient, opened

from reage.errors import UsageError
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
