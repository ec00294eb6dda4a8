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
    "note_changes",
    "open_file",
    "open_photo",
    "running",
    "save_of",
    "set_slider",
    "visit",
]

CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
PATIENCE = 300_000  # milliseconds: machines that run tests are busy
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
        thread.join(30)
        app.state.studio.close()  # what a forced end leaves out: its threads would go on


def visit(context: Any, address: str) -> Any:
    """A page of a browser's context, as soon as it is ready."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    return page


def open_photo(page: Any, photo: Path) -> None:
    page.locator("#quality").evaluate("e => e.value = 'fast'")
    open_file(page, photo)


def open_file(page: Any, path: Path) -> None:
    """Open a photo or a project and wait for its row, not for that of the one before."""
    before = page.evaluate("sessionStorage.photo")
    page.set_input_files("#file", str(path))
    page.wait_for_function(
        "before => ![undefined, before].includes(sessionStorage.photo)", arg=before
    )
    page.wait_for_selector(READY)


def note_changes(page: Any, selector: str, attribute: str = "") -> None:
    """Keep what an element says, or an attribute of it, from now on in `window.seen`.

    What stands there for a moment only, a look from time to time would miss.
    """
    page.evaluate(
        """([selector, attribute]) => {
          const element = document.querySelector(selector);
          const now = () => (attribute ? element.getAttribute(attribute) : element.textContent);
          window.seen = [now()];
          new MutationObserver(() => seen.push(now())).observe(element,
            { attributes: true, childList: true, characterData: true, subtree: true });
        }""",
        [selector, attribute],
    )


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
