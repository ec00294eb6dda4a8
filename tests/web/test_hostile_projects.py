"""Project files as attackers make them: one line and a 4xx, or a photo that can be edited."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load, save

pytest.importorskip("fastapi")
from test_work_files import many_entries
from web_client import API, RAW, TestClient, inverted, opened

Members = dict[str, bytes]
KNOWN, TENSORS = "project.json", "faces.safetensors"


@pytest.fixture(scope="module")
def saved(server: Any, portrait: bytes) -> Members:
    """A project with a code, unpacked."""
    client = TestClient(server)
    photo = inverted(client, portrait)
    return unpacked(client.get(f"{API}/photos/{photo['id']}/project").content)


def unpacked(data: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(members: Members) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def with_facts(members: Members, change: Callable[[dict], object]) -> Members:
    known = json.loads(members[KNOWN])
    change(known)
    return {**members, KNOWN: json.dumps(known).encode()}


def with_text(members: Members, old: str, new: str) -> Members:
    text = members[KNOWN].decode()
    assert old in text
    return {**members, KNOWN: text.replace(old, new).encode("utf-8", "surrogatepass")}


def posted(client: TestClient, members: Members) -> Any:
    answer = client.post(f"{API}/projects", content=packed(members), headers=RAW)
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        detail = answer.json()["detail"]
        assert "\n" not in detail and len(detail) < 500, detail
    return answer


NUMBERS = ["Infinity", "-Infinity", "NaN", "1e999", "1" * 400, "9" * 5000, '"1"', "true", "null",
           "[]", "{}", "-1", "1.5"]  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("key", ["number", "score", "seed", "loss", "steps", "format"])
def test_numbers_of_all_kinds(client: TestClient, saved: Members, key: str, number: str) -> None:
    known = json.loads(saved[KNOWN])
    face = known["faces"][0]
    place = known if key in known else face if key in face else face["code"]
    old = f'"{key}": {json.dumps(place[key])}'
    answer = posted(client, with_text(saved, old, f'"{key}": {number}'))
    fine = {("score", "-1"), ("score", "1.5"), ("loss", "-1"), ("loss", "1.5")}
    assert (answer.status_code == 200) == ((key, number) in fine), answer.text


@pytest.mark.parametrize(
    "value",
    ["NaN", "1e999", '"\\ud800"', '{"\\udfff": 1}', "[" * 100 + "]" * 100, "9" * 30, "9" * 5000,
     "[" * 100_000 + "]" * 100_000],
)  # fmt: skip
def test_edits_that_could_not_be_told_again(
    client: TestClient, saved: Members, portrait: bytes, value: str
) -> None:
    members = {
        **saved,
        KNOWN: saved[KNOWN].replace(b'"edits": {}', f'"edits": {{"a": {value}}}'.encode()),
    }
    assert members != saved
    assert posted(client, members).status_code == 422
    if len(value) < 10_000:
        photo = opened(client, portrait)
        asked = {"edits": f'{{"a": {value}}}'}
        assert client.get(f"{API}/photos/{photo['id']}/project", params=asked).status_code == 422


@pytest.mark.parametrize("name", ["\ud800", "a" * 5000, "", 7, None, ["a"]])
def test_names(client: TestClient, saved: Members, name: Any) -> None:
    members = with_facts(saved, lambda known: known["photo"].update(name=name))
    assert posted(client, members).status_code == 422


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a\r\nX-A: b", "<script>.png", "\0", "..", "/"]
)
def test_odd_names_do_no_harm(client: TestClient, saved: Members, name: str) -> None:
    photo = posted(client, with_facts(saved, lambda known: known["photo"].update(name=name))).json()
    answer = client.get(f"{API}/photos/{photo['id']}/download", params={"ages": "1:60"})
    assert answer.status_code == 200 and "x-a" not in answer.headers
    told = answer.headers["content-disposition"].partition("''")[2]
    assert not set(told) & set("/\\\r\n<>\0\"'")


def changed_tensor(members: Members, name: str, change: Callable[[torch.Tensor], Any]) -> Members:
    tensors = load(members[TENSORS])
    tensors[f"1.{name}"] = change(tensors[f"1.{name}"]).contiguous()
    return {**members, TENSORS: save(tensors)}


KINDS = [torch.int64, torch.bool, torch.float16, torch.bfloat16, torch.uint8]


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("name", ["landmarks", "ws", "mask"])
def test_tensors_of_other_types(client: TestClient, saved: Members, name: str, kind: Any) -> None:
    assert posted(client, changed_tensor(saved, name, lambda t: t.to(kind))).status_code == 422


CHANGES = {
    "zero": lambda t: t * 0,
    "equal": lambda t: t * 0 + 50,
    "nan": lambda t: t * float("nan"),
    "infinite": lambda t: t + float("inf"),
    "huge": lambda t: t * 1e30,
    "far": lambda t: t * 1000,
    "tiny": lambda t: t * 1e-6,
    "empty": lambda t: t[:0],
    "short": lambda t: t[..., :-1],
    "deep": lambda t: t[None, None],
    "double": lambda t: t.double(),
    "negative": lambda t: -t,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["landmarks", "ws", "mask"])
def test_tensors_of_odd_numbers(client: TestClient, saved: Members, name: str, change: str) -> None:
    answer = posted(client, changed_tensor(saved, name, CHANGES[change]))
    if name == "landmarks" and change not in ("double", "negative"):
        assert answer.status_code == 422
    if change in ("nan", "infinite", "huge", "empty", "short", "deep"):
        assert answer.status_code == 422
    if answer.status_code == 200:
        path = f"{API}/photos/{answer.json()['id']}"
        for asked in ("edited", "download"):
            shown = client.get(f"{path}/{asked}", params={"ages": "1:60"})
            assert shown.status_code < 500, shown.text


@pytest.mark.parametrize("place", [(9e5, 9e5, 0), (-9e5, 0, 0), (-3000, 9, 0), (9, 9, 1e6)])
@pytest.mark.parametrize("point", [10, 356, 470], ids=["forehead", "outline", "iris"])
def test_a_mesh_with_one_point_far_away(
    client: TestClient, saved: Members, point: int, place: tuple[float, float, float]
) -> None:
    def move(mesh: torch.Tensor) -> torch.Tensor:
        moved = mesh.reshape(478, 3).clone()
        moved[point] = torch.tensor(place)
        return moved

    answer = posted(client, changed_tensor(saved, "landmarks", move))
    assert answer.status_code == 422 and "landmarks make no face" in answer.json()["detail"]


SHORT_EXIF = [b"", b"MM", b"II*\0\x08\0\0\0\xff\xff", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03"]


@pytest.mark.parametrize("exif", SHORT_EXIF)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_photo_with_short_exif(
    client: TestClient, saved: Members, portrait: bytes, exif: bytes, kind: str
) -> None:
    import hashlib

    file = io.BytesIO()
    Image.open(io.BytesIO(portrait)).save(file, kind, exif=b"Exif\0\0" + exif, quality=95)
    members = with_facts(
        {**saved, "photo": file.getvalue()},
        lambda known: known["photo"].update(sha256=hashlib.sha256(file.getvalue()).hexdigest()),
    )
    answer = posted(client, members)
    if answer.status_code == 200:
        path = f"{API}/photos/{answer.json()['id']}/download"
        for suffix in (".jpg", ".png", ".webp", ".tif"):
            made = client.get(path, params={"ages": "1:60", "suffix": suffix})
            assert made.status_code == 200, made.text


def test_bombs(client: TestClient, saved: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = []

    class Member(zipfile.ZipInfo):
        def __init__(self, *args: Any) -> None:
            listed.append(args)
            super().__init__(*args)

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**saved, "photo": bytes(100 << 20)}.items():
            archive.writestr(name, data)
    header = json.dumps(
        {"1.ws": {"dtype": "F32", "shape": [1 << 60], "data_offsets": [0, 1 << 62]}}
    )
    hostile = [file.getvalue(), many_entries(300_000), b"PK\5\6" + b"\xff" * 18,
               packed({**saved, TENSORS: struct.pack("<Q", len(header)) + header.encode()}),
               packed({**saved, TENSORS: struct.pack("<Q", 1 << 62) + b"{}"})]  # fmt: skip
    monkeypatch.setattr(zipfile, "ZipInfo", Member)
    for data in hostile:
        answer = client.post(f"{API}/projects", content=data, headers=RAW)
        assert answer.status_code in (400, 422)
        assert len(listed) < 100  # an object for each of 300,000 would take seconds


@pytest.mark.parametrize(
    "points",
    ["1e300,0 2e300,0 1e300,1e300 1e300,2e300 2e300,2e300", "0,0 1e9,0 5e8,5e8 0,1e9 1e9,1e9",
     "-9e8,0 9e8,0 0,5e8 -9e8,1e9 9e8,1e9", "nan,0 1,0 1,1 0,2 2,2", "0,0 0,0 0,0 0,0 0,0"],
)  # fmt: skip
def test_points_of_huge_numbers(client: TestClient, portrait: bytes, points: str) -> None:
    asked = {"points": points}
    answer = client.post(f"{API}/photos", params=asked, content=portrait, headers=RAW)
    assert 400 <= answer.status_code < 500 and "\n" not in answer.json()["detail"]


def test_points_of_a_face_are_taken_through_a_project(client: TestClient, portrait: bytes) -> None:
    asked = {"points": "100,100 150,100 125,130 105,155 145,155"}
    photo = client.post(f"{API}/photos", params=asked, content=portrait, headers=RAW).json()
    job = client.post(f"{API}/photos/{photo['id']}/invert", json={"quality": "fast"}).json()
    assert "id" in job
    data = client.get(f"{API}/photos/{photo['id']}/project").content
    again = client.post(f"{API}/projects", content=data, headers=RAW)
    assert again.status_code == 200 and again.json()["faces"][0]["box"] == photo["faces"][0]["box"]
    assert np.isfinite(again.json()["faces"][0]["pose"]).all()
