"""Pictures of the page for the README: `reage serve` in a headless Chromium.

python benchmarks/page.py ../shared/portraits/synthetic/female-54.jpg docs
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from serving import served

PATIENCE = 180_000  # milliseconds
SHOTS = {  # name: width, height, language, dark, age
    "page.jpg": (1180, 1060, "en", False, 70),
    "page-phone.jpg": (390, 844, "zh", True, 25),
}


def main() -> None:
    photo, folder = Path(sys.argv[1]), Path(sys.argv[2])
    with served() as (address, _), sync_playwright() as driver:
        chromium = shutil.which("chromium")
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name in SHOTS:
            shoot(browser, address, photo, folder / name)


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
    move = """(e, v) => {
        e.value = v;
        for (const kind of ['input', 'change']) e.dispatchEvent(new Event(kind));
    }"""
    page.locator(".slider input").first.evaluate(move, age)
    page.locator("#curtain").evaluate(move, 45)
    page.wait_for_timeout(4000)
    page.screenshot(path=path, type="jpeg", quality=82)
    page.close()
    print(path)


if __name__ == "__main__":
    main()
