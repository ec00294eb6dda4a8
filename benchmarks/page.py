"""Pictures of the page for the README, and a recording: `reage serve` in a headless Chromium.

python benchmarks/page.py ../shared/portraits/synthetic/female-54.jpg docs

The recording, page.webp, is of 20 seconds: a photo is opened, aged, compared and looked at closely.
"""

from __future__ import annotations

import base64
import io
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from reage.outputs.animation_files import write_moving
from serving import served

PATIENCE = 180_000  # milliseconds
SHOTS = {  # name: width, height, language, dark, age
    "page.jpg": (1180, 1060, "en", False, 70),
    "page-phone.jpg": (390, 844, "zh", True, 25),
}
SECONDS, REST, FPS = 20, 1.5, 8
FILM = {"width": 900, "height": 760}
SHOWN = (630, 532)  # pixels of the recording
MOVE = """(e, v) => {
    e.value = v;
    for (const kind of ['input', 'change']) e.dispatchEvent(new Event(kind));
}"""


def main() -> None:
    photo, folder = Path(sys.argv[1]), Path(sys.argv[2])
    with served() as (address, _), sync_playwright() as driver:
        chromium = shutil.which("chromium")
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name in SHOTS:
            shoot(browser, address, photo, folder / name)
        record(browser, address, photo, folder / "page.webp")


def shoot(browser: Any, address: str, photo: Path, path: Path) -> None:
    """Open a photo, drag the slider, uncover a part of the original, take the picture."""
    width, height, language, dark, age = SHOTS[path.name]
    page = browser.new_page(
        viewport={"width": width, "height": height},
        locale=language,
        color_scheme="dark" if dark else "light",
    )
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    page.set_input_files("#file", str(photo))
    page.wait_for_selector("#ages button:nth-child(8) img[src]")
    page.locator(".slider input[type=range]").evaluate(MOVE, age)
    page.locator("#curtain").evaluate(MOVE, 45)
    page.wait_for_selector(f"#after[alt^='{age}']")
    page.wait_for_selector("#stage:not(.draft)")
    page.screenshot(path=path, type="jpeg", quality=82)
    page.close()
    print(path)


def record(browser: Any, address: str, photo: Path, path: Path) -> None:
    """Film a visit: Chromium sends each new picture of its screen with its time."""
    page = browser.new_page(viewport=FILM, locale="en", color_scheme="light")
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    screen, seen = page.context.new_cdp_session(page), []

    def keep(frame: dict[str, Any]) -> None:
        seen.append((frame["metadata"]["timestamp"], base64.b64decode(frame["data"])))
        screen.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})

    screen.on("Page.screencastFrame", keep)
    screen.send("Page.startScreencast", {"format": "jpeg", "quality": 95})
    visit(page, photo)
    screen.send("Page.stopScreencast")
    page.close()
    write_moving(frames_of(seen), path, FPS, mark="Recorded by reage: synthetic ages",
                 overwrite=True)  # fmt: skip
    print(path)


def visit(page: Any, photo: Path) -> None:
    """Open a photo, move its age, uncover the original, choose from the row, look closely."""
    page.wait_for_timeout(1000)
    page.set_input_files("#file", str(photo))
    page.wait_for_selector("#ages button:nth-child(8) img[src]")
    for age in (*range(80, 19, -6), *range(20, 71, 10)):
        page.locator(".slider input[type=range]").evaluate(MOVE, age)
        page.wait_for_timeout(400)
    page.wait_for_selector("#tag-after:text-is('after')")
    for share in (*range(0, 101, 10), *range(100, -1, -10)):
        page.locator("#curtain").evaluate(MOVE, share)
        page.wait_for_timeout(80)
    page.click("#zoom")
    page.wait_for_selector("#tag-after:text-is('after')")
    page.wait_for_selector("#stage:not(.draft):not(.sharpening)")
    page.wait_for_timeout(1500)  # the last pictures of the screen come


def frames_of(seen: list[tuple[float, bytes]]) -> list[np.ndarray]:
    """Give the pictures at even times, the last `SECONDS` of them.

    None comes while nothing changes: the last one stands for `REST` seconds.
    """
    times = np.array([time for time, _ in seen])
    end = times[-1] + REST
    wanted = np.arange(max(times[0], end - SECONDS), end, 1 / FPS)
    shown: dict[int, np.ndarray] = {}
    for index in set((np.searchsorted(times, wanted, "right") - 1).tolist()):
        with Image.open(io.BytesIO(seen[index][1])) as image:
            picture = image.convert("RGB").resize(SHOWN, Image.Resampling.LANCZOS)
        shown[index] = np.asarray(picture)
    return [shown[index] for index in (np.searchsorted(times, wanted, "right") - 1).tolist()]


if __name__ == "__main__":
    main()
