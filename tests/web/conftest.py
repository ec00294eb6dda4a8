"""A server of the small generator, asked without a network."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi")
from page_client import CHROMIUM, PATIENCE, running
from web_client import TestClient

from reage.agers.base import PreparedFace
from reage.compositing.change import Amounts
from reage.editor import Editor, load
from reage.images import Photo
from reage.outputs.live import FaceCurve, LiveFaces, look_along
from reage.web.app import create_app
from reage.web.settings import ServerSettings


@pytest.fixture(scope="session")
def small_editor(small_folder: Path) -> Editor:
    return load(small_folder, device="cpu", precision="float32")


@pytest.fixture(scope="session")
def portrait(astronaut: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(astronaut).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def settings(small_folder: Path) -> ServerSettings:
    return ServerSettings(model=str(small_folder), uploads_a_minute=10_000)


@pytest.fixture(scope="session")
def server(small_editor: Editor, settings: ServerSettings) -> Iterator[Any]:
    app = create_app(small_editor, settings)
    with TestClient(app):
        yield app


@pytest.fixture
def client(server: Any) -> TestClient:
    """One user; each test is another one."""
    return TestClient(server)


@pytest.fixture(scope="session")
def real_server(editor: Editor) -> Iterator[Any]:
    """With the embedded model, which knows ages."""
    app = create_app(editor, ServerSettings(uploads_a_minute=10_000))
    with TestClient(app):
        yield app


@pytest.fixture
def real_client(real_server: Any) -> TestClient:
    return TestClient(real_server)


@pytest.fixture(scope="session")
def address(editor: Editor) -> Iterator[str]:
    """A running server."""
    with running(editor) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need it")
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt install chromium")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def traced() -> dict[tuple[object, ...], LiveFaces]:
    """What `traced_once` keeps."""
    return {}


@pytest.fixture
def traced_once(
    traced: dict[tuple[object, ...], LiveFaces], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faces of a photo that some visitor opened before are not traced again: it is the same curve.

    That is what opening a photo takes. What is asked and read along the curve is each visitor's.
    """

    def look_again(
        editor: Editor,
        small: Photo,
        framed: Sequence[PreparedFace],
        known: dict[int, FaceCurve],
        amounts: Amounts,
    ) -> LiveFaces:
        if known or any(face.latents for face in framed):
            return look_along(editor, small, framed, known, amounts)
        faces = [(face.view.number, face.view.face.points.tobytes(), face.paste) for face in framed]
        pixels = small.pixels
        key = id(editor), str(small.path), pixels.shape, pixels.tobytes(), *faces, amounts
        if key not in traced:
            traced[key] = look_along(editor, small, framed, {}, amounts)
        live = traced[key]
        for number, curve in live.traced.curves.items():
            known[number] = FaceCurve(live.curves[number].looker, curve)
        return replace(live, curves=dict(known))

    monkeypatch.setattr("reage.web.studio.look_along", look_again)


@pytest.fixture
def page(browser: Any, address: str, traced_once: None) -> Iterator[Any]:
    """A new visitor's page; an error in its scripts or a request to another host fails a test."""
    context = browser.new_context(locale="en-US", accept_downloads=True)
    page, wrong = context.new_page(), []
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((address, "blob:", "data:"))
            else wrong.append(request.url)
        ),
    )
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    yield page
    context.close()
    assert not wrong


@pytest.fixture(scope="session")
def photo(astronaut: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "ada.png"
    Image.fromarray(astronaut).save(path)
    return path
