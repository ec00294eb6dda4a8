"""A server of the small generator, asked without a network."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi")
from web_client import TestClient

from reage.editor import Editor, load
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
