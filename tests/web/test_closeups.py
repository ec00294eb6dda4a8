"""Parts at full size, collages, marked faces, what a session keeps: asked without a browser."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image
from web_client import API, MARKED, TestClient, finished, opened, pixels

from reage.outputs.project_facts import read_facts
from reage.web import gate, sessions
from reage.web.requests import Look
from reage.web.settings import ServerSettings

pytestmark = pytest.mark.usefixtures("traced_once")  # what first looks take: test_needs.py

LOOK = {"ages": "1:60"}


def test_a_close_look_shows_what_is_saved(real_client: TestClient, portrait: bytes) -> None:
    photo = opened(real_client, portrait)
    path = f"{API}/photos/{photo['id']}"
    part = {"x": 60, "y": 40, "width": 120, "height": 130}
    seen = real_client.get(f"{path}/detail", params=LOOK | part).content
    saved = pixels(real_client.get(f"{path}/download", params=LOOK | {"suffix": ".png"}).content)
    assert pixels(seen).shape == (130, 120, 3) and MARKED in seen
    assert np.abs(pixels(seen) - saved[40:170, 60:180]).mean() < 4.5  # a JPEG of half the colours
    own = real_client.get(f"{path}/detail", params=part).content
    assert MARKED not in own
    outside = real_client.get(f"{path}/detail", params=LOOK | part | {"x": 9000})
    assert outside.status_code == 400 and "outside" in outside.json()["detail"]


def test_collages_are_marked_and_square_enough(real_client: TestClient, portrait: bytes) -> None:
    photo = opened(real_client, portrait)
    path = f"{API}/photos/{photo['id']}/collage"
    pair = real_client.get(path, params=LOOK)
    assert pair.headers["content-disposition"].endswith("-age60-pair.jpg")
    wanted = {"layout": "grid", "to": [20, 60, 80]}
    grid = real_client.get(path, params=LOOK | wanted)
    assert grid.headers["content-disposition"].endswith("-ages20-80-grid.jpg")
    for made, ratio in ((pair, 1.75), (grid, 0.85)):
        assert MARKED in made.content
        width, height = Image.open(io.BytesIO(made.content)).size
        assert ratio < width / height < ratio * 1.2
    assert real_client.get(path).status_code == 400


def test_what_looks_otherwise_is_named_otherwise() -> None:
    looks = [
        Look({1: 70.0}, paste, direction, strength, skin, 1.0, hair)
        for paste in ("delta", "replace", "none")
        for direction, strength in ((None, 0.0), ("sefa:1", 2.0), ("sefa:1", -2.0))
        for skin, hair in ((1.0, None), (0.5, None), (1.0, 0.0))
        if direction is None or (skin, hair) == (1.0, None)
    ]
    names = [look.name for look in looks]
    assert len(set(names)) == len(names) == 15
    assert names[0] == "age70" and "age70-face-skin50" in names


def test_words_in_pictures_are_the_readers(real_client: TestClient, portrait: bytes) -> None:
    pytest.importorskip("typst")
    photo = opened(real_client, portrait)
    path = f"{API}/photos/{photo['id']}/strip"
    ink = {}
    for words in (
        ("photo", "looks {age}"),
        ("الصورة", "يبدو في {age}"),
        ("\U00017000", "\U00017000 {age}"),
    ):
        asked = {"to": [70], "photo": words[0], "looks": words[1]}
        strip = pixels(real_client.get(path, params=LOOK | asked).content)
        ink[words[0]] = strip[-40:].min(2) < 200
    english, arabic, unknown = ink.values()
    assert (english != arabic).sum() > 500
    assert unknown.sum() < 0.5 * english.sum()  # numbers alone, and no boxes
    refused = real_client.get(path, params=LOOK | {"to": 70, "looks": "two\nlines"})
    assert refused.status_code == 422


@pytest.mark.slow  # its kind: test_change_table.py
def test_less_of_a_part_changes_less(real_client: TestClient, portrait: bytes) -> None:
    photo = opened(real_client, portrait)
    path = f"{API}/photos/{photo['id']}/edited"
    before = pixels(real_client.get(f"{API}/photos/{photo['id']}/view").content)

    def change(**amounts: float) -> float:
        shown = real_client.get(path, params=LOOK | amounts).content
        return float(np.abs(pixels(shown) - before).mean())

    whole = change()
    assert change(skin=0.2, shape=0.2) < 0.9 * whole
    assert change(hair=0) < whole


def test_a_face_is_marked_by_a_box_or_points(real_client: TestClient, portrait: bytes) -> None:
    photo = opened(real_client, portrait)
    path = f"{API}/photos/{photo['id']}/faces"
    (face,) = photo["faces"]
    marked = real_client.post(path, json={"box": face["box"]}).json()
    assert [one["chosen"] for one in marked["faces"]] == [True, True]
    assert np.abs(np.subtract(marked["faces"][1]["box"], face["box"])).max() < 12
    points = [[100, 100], [150, 100], [125, 130], [108, 155], [142, 155]]
    assert len(real_client.post(path, json={"points": points}).json()["faces"]) == 3
    for asked, said in (({"box": [1, 1, 5, 5]}, "too small"), ({}, "box or")):
        refused = real_client.post(path, json=asked)
        assert refused.status_code == 400 and said in refused.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "faces", '{"box":[NaN,1,200,200]}'),
        ("POST", "faces", '{"box":[true,1,200,200]}'),
        ("POST", "faces", '{"box":["1",1,200,200]}'),
        ("POST", "faces", '{"points":[[NaN,1],[2,2],[3,3],[4,4],[5,5]]}'),
        ("PUT", "faces", '{"faces":[true]}'),
        ("PUT", "faces", '{"faces":["1"]}'),
        ("POST", "invert", '{"seed":true}'),
        ("PUT", "edits", '{"a":NaN}'),
    ],
)
def test_numbers_in_bodies_are_numbers(
    client: TestClient, portrait: bytes, method: str, path: str, body: str
) -> None:
    photo = f"{API}/photos/{opened(client, portrait)['id']}"
    sent = {"content": body, "headers": {"content-type": "application/json"}}
    answer = client.request(method, f"{photo}/{path}", **sent)
    assert answer.status_code == 422, answer.text
    assert not answer.json()["detail"].startswith(":")
    assert client.get(photo).status_code == 200


def test_a_large_group_is_edited_and_saved(client: TestClient, portrait: bytes) -> None:
    photo = f"{API}/photos/{opened(client, portrait)['id']}"
    chosen = client.put(f"{photo}/faces", json={"faces": list(range(1, 100))})
    assert chosen.status_code == 400 and "only face 1" in chosen.json()["detail"]
    ages = ",".join(f"{number}:70" for number in range(1, 100))
    looked = client.get(f"{photo}/edited", params={"ages": ages})
    assert looked.status_code == 400 and "only face 1" in looked.json()["detail"]
    faces = [{"number": n, "score": 1.0, "chosen": True} for n in range(1, 100)]
    about = {"name": "a.png", "sha256": "0" * 64}
    facts = {"kind": "reage-project", "format": 2, "model": "m", "photo": about, "faces": faces,
             "quality": "fast", "seed": 0, "edits": {}}  # fmt: skip
    assert len(read_facts(json.dumps(facts).encode()).faces) == 99


def test_a_session_lists_its_photos_with_their_edits(client: TestClient, portrait: bytes) -> None:
    one, _ = opened(client, portrait), opened(client, portrait, "eve.png")
    edits = {"history": [{"ages": {"1": 70}}], "now": 0}
    assert client.put(f"{API}/photos/{one['id']}/edits", json=edits).status_code == 204
    listed = client.get(f"{API}/photos").json()
    assert [photo["name"] for photo in listed] == ["ada.png", "eve.png"]
    assert listed[0]["edits"] == edits
    long = {"history": [[]] * 20_000}  # objects of a hundred times the bytes
    refused = client.put(f"{API}/photos/{one['id']}/edits", json=long)
    assert refused.status_code == 422 and "50,000" in refused.json()["detail"]
    assert 3 < listed[0]["faces"][0]["spread"] < 20


def test_a_session_stays_while_one_of_its_tabs_is_open(
    client: TestClient, server: Any, portrait: bytes
) -> None:
    opened(client, portrait)
    for tab in ("a", "b"):
        client.post(f"{API}/session/enter", params={"tab": tab})
    session = server.state.studio.sessions.find(client.cookies["reage_session"])
    client.post(f"{API}/session/leave", params={"tab": "a"})
    stays = session.used
    client.post(f"{API}/session/leave", params={"tab": "b"})
    assert session.used < stays - 1000  # forgotten soon


def test_what_a_client_makes_up_takes_bounded_room(
    client: TestClient, server: Any, portrait: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(client, portrait)
    all_sessions, key = server.state.studio.sessions, client.cookies["reage_session"]
    for number in range(sessions.MOST_TABS + 10):
        client.post(f"{API}/session/enter", params={"tab": str(number)})
    tabs = all_sessions.find(key).tabs
    assert len(tabs) == sessions.MOST_TABS and "9" not in tabs and "10" in tabs
    monkeypatch.setattr(sessions, "MOST_SESSIONS", len(all_sessions.all) + 2)
    for number in range(5):
        TestClient(server).post(f"{API}/session/enter", params={"tab": str(number)})
    assert len(all_sessions.all) == sessions.MOST_SESSIONS
    assert all_sessions.find(key).photos  # who holds a photo is not the one to go


def test_cookies_for_the_password_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "MOST_ADDRESSES", 3)
    door = gate.Door(ServerSettings(password="secret"))
    given = [door.try_password("secret", "somebody") for _ in range(5)]
    assert list(door.tokens) == given[-3:]


def test_the_page_asks_for_the_fields_of_a_poster(client: TestClient) -> None:
    names = {}
    for language in ("en", "es", "xx"):
        answer = client.get(f"{API}/poster/fields", params={"language": language})
        names[language] = {one["name"]: one["label"] for one in answer.json()}
    assert names["en"] == names["xx"] and names["en"].keys() == names["es"].keys()
    assert names["es"]["contacts"] == "Llame al" and names["es"]["logo"] == "Logotipo"
    assert json.dumps(names["en"])


def test_a_poster_is_made_as_a_pdf(real_client: TestClient, portrait: bytes) -> None:
    photo = opened(real_client, portrait)
    path = f"{API}/photos/{photo['id']}/poster"
    fields = {"name": "Ada Example", "photo_taken": "2014-05", "contacts": ["+44 20 7946 0000"]}
    logo = io.BytesIO()
    Image.new("RGBA", (60, 30), (250, 0, 250, 255)).save(logo, "PNG")
    sent = base64.b64encode(logo.getvalue()).decode()
    asked = real_client.post(path, json=fields | {"logo": sent})
    assert asked.status_code == 202, asked.json()
    done = finished(real_client, asked.json()["id"])
    assert done["state"] == "done", done
    made = real_client.get(f"{API}/jobs/{done['id']}/file")
    assert made.content.startswith(b"%PDF")
    page = Image.open(io.BytesIO(real_client.get(f"{API}/jobs/{done['id']}/picture").content))
    purple = (np.abs(np.asarray(page).astype(int) - (250, 0, 250)) < 40).all(2)
    assert 500 < purple.sum() < purple.size / 20
    for wrong in ("/etc/passwd", base64.b64encode(b"no picture").decode()):
        refused = real_client.post(path, json=fields | {"logo": wrong})
        assert refused.status_code in (400, 422) and "logo" in refused.json()["detail"]
