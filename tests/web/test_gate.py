"""Passwords: an address that guesses waits longer and longer, and nobody else does."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

pytest.importorskip("fastapi")
from web_client import API, TestClient

from reage.editor import Editor
from reage.web.app import create_app
from reage.web.gate import FREE_TRIES, MOST_ADDRESSES, MOST_WAIT, WrongTries, address_of
from reage.web.settings import ServerSettings

WRONG, RIGHT = ({"authorization": f"Bearer {word}"} for word in ("guess", "secret"))


class Clock:
    """The seconds that the gate sees."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("reage.web.gate.time", SimpleNamespace(monotonic=clock))
    return clock


@pytest.fixture
def visitors(small_editor: Editor) -> tuple[TestClient, TestClient]:
    settings = replace(ServerSettings(), host="0.0.0.0", password="secret")
    app = create_app(small_editor, settings)
    return TestClient(app, client=("10.0.0.1", 1)), TestClient(app, client=("10.0.0.2", 1))


def test_who_guesses_waits_and_others_do_not(
    visitors: tuple[TestClient, TestClient], clock: Clock
) -> None:
    guesser, other = visitors
    for _ in range(FREE_TRIES):
        assert guesser.get(f"{API}/about", headers=WRONG).status_code == 401
    refused = guesser.get(f"{API}/about", headers=RIGHT)  # not even heard
    assert refused.status_code == 429 and refused.headers["retry-after"] == "1"
    for _ in range(30):
        guesser.get(f"{API}/about", headers=WRONG)  # nor counted
    assert other.get(f"{API}/about", headers=RIGHT).status_code == 200
    clock.now += 1.1
    assert guesser.get(f"{API}/about", headers=RIGHT).status_code == 200
    assert guesser.get(f"{API}/about", headers=WRONG).status_code == 401  # forgiven


def test_the_page_says_what_is_wrong(visitors: tuple[TestClient, TestClient], clock: Clock) -> None:
    guesser, other = visitors
    assert 'id="wrong" hidden' in guesser.get("/login").text
    for _ in range(FREE_TRIES):
        answer = guesser.post("/login", data={"password": "guess"}, follow_redirects=False)
        assert answer.headers["location"] == "/login?wrong"
    assert "try again in 1 s" in guesser.get("/login?wrong").text
    assert guesser.post("/login", data={"password": "secret"}).url.path == "/login"
    clock.now += 1.1
    assert 'id="wrong">' in guesser.get("/login?wrong").text
    assert other.post("/login", data={"password": "secret"}).url.path == "/"


def test_the_wait_doubles_up_to_a_minute_and_is_forgotten(clock: Clock) -> None:
    tries, waits = WrongTries(), []
    for _ in range(12):
        tries.add("10.0.0.1")
        waits.append(tries.wait("10.0.0.1"))
        clock.now += waits[-1]
    assert waits == [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    for _ in range(2000):  # whoever has much time
        tries.add("10.0.0.1")
    assert tries.wait("10.0.0.1") == MOST_WAIT
    clock.now += 1000
    tries.add("10.0.0.1")
    assert tries.wait("10.0.0.1") == 0


def test_what_is_remembered_is_bounded(clock: Clock) -> None:
    tries = WrongTries()
    for number in range(MOST_ADDRESSES + 50):
        tries.add(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(tries.wrong) == MOST_ADDRESSES


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),  # one household's network
        ("testclient", "testclient"),
    ],
)
def test_an_address_is_what_one_household_has(host: str, address: str) -> None:
    assert address_of({"type": "http", "client": (host, 1)}) == address
