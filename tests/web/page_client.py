"""What the tests of the page do again and again in a real browser."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reage.editor import Editor
from reage.web.app import create_app
from reage.web.settings import ServerSettings

__all__ = [
    "CHROMIUM",
    "PATIENCE",
    "READY",
    "drop",
    "jobs",
    "open_photo",
    "running",
    "save_of",
    "set_slider",
]

CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
PATIENCE = 120_000  # milliseconds: machines that run tests are busy
READY = "#ages button:nth-child(8) img[src]"


@contextmanager
def running(editor: Editor, port: int = 0, **settings: Any) -> Iterator[str]:
    """A server that can be ended; its address."""
    import uvicorn

    listening = socket.create_server(("127.0.0.1", port))
    app = create_app(editor, ServerSettings(uploads_a_minute=10_000, **settings))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(5)  # it ends with the process at the latest


def open_photo(page: Any, photo: Path) -> None:
    page.locator("#quality").evaluate("e => e.value = 'fast'")
    page.set_input_files("#file", str(photo))
    page.wait_for_selector(READY)


def jobs(page: Any) -> list[dict[str, Any]]:
    """All jobs of a page's session."""
    return page.evaluate("async () => (await fetch('/api/v1/jobs')).json()")


def drop(page: Any, path: Path, kind: str) -> None:
    """Drop a file on the page."""
    page.evaluate(
        """([data, name, type]) => {
          const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([bytes], name, { type }));
          document.querySelector("main").dispatchEvent(
            new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
        }""",
        [base64.b64encode(path.read_bytes()).decode(), path.name, kind],
    )


def save_of(page: Any, button: str, folder: Path) -> Path:
    """Click a button that saves a file, and return the file under the name that it gets."""
    page.wait_for_selector(button)
    with page.expect_download() as saved:
        page.locator(button).first.click()
    path = folder / saved.value.suggested_filename
    saved.value.save_as(path)
    return path


def set_slider(page: Any, selector: str, value: int) -> None:
    page.locator(selector).evaluate(
        "(e, value) => { e.value = value; e.dispatchEvent(new Event('input'));"
        " e.dispatchEvent(new Event('change')); }",
        value,
    )
