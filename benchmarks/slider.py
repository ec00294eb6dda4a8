"""How long the slider takes in Chromium: from the input to the picture on the page.

python benchmarks/slider.py ../shared/portraits/synthetic/female-54.jpg

The photo is scaled to 12 megapixels first. Steps are of one year at the pace of a hand that drags,
back and forth; jumps go to ages that were not seen before; after a rest the slider is let go, and
the exact picture counts. All once more at 1 Mbit/s. `--before` names a checkout of an earlier
commit, which is measured in turns with this one.
"""

from __future__ import annotations

import argparse
import shutil
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from serving import served

PATIENCE = 180_000  # milliseconds
MEGAPIXELS = 12
PACE = 150  # milliseconds between two steps of a drag
MBIT = 1_000_000 / 8  # bytes a second
# Sets the slider and waits until a picture of that age has been decoded, the exact one if let go.
MOVE = """([age, letGo]) => new Promise((resolve) => {
  const range = document.querySelector("[id^=age-]"), after = document.querySelector("#after");
  const tag = document.querySelector("#tag-after"), began = performance.now(), before = after.src;
  const look = async () => {
    const isDraft = letGo && document.querySelector("#stage.draft");
    if (after.src === before || !after.complete || isDraft) { requestAnimationFrame(look); return; }
    await after.decode().catch(() => {});
    resolve(performance.now() - began);
  };
  range.value = age;
  range.dispatchEvent(new Event("input"));
  if (letGo) range.dispatchEvent(new Event("change"));
  look();
})"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--before", type=Path, metavar="CHECKOUT")
    options = parser.parse_args()
    checkouts = {"before": options.before} if options.before else {}
    checkouts["now"] = Path(__file__).parent.parent
    print("| line | moves | p50, ms | p95, ms |\n|---|---|---|---|")
    with TemporaryDirectory() as folder, sync_playwright() as driver, ExitStack() as stack:
        photo = scaled(options.photo, Path(folder) / "large.jpg")
        chromium = shutil.which("chromium")
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        servers = {name: stack.enter_context(served(path)) for name, path in checkouts.items()}
        for line, speed in (("this computer", -1.0), ("1 Mbit/s", MBIT)):
            for checkout, (address, _) in servers.items():
                page = opened(browser, address, photo, speed)
                for name, ages in moves().items():
                    took = np.array([move(page, age, name == "rests") for age in ages])
                    p50, p95 = np.percentile(took, (50, 95))
                    what = f"{line}, {checkout} | {name}, {len(took)}"
                    print(f"| {what} | {p50:.0f} | {p95:.0f} |", flush=True)
                page.close()


def scaled(photo: Path, large: Path) -> Path:
    """Scale a photo to `MEGAPIXELS`."""
    with Image.open(photo) as image:
        factor = (MEGAPIXELS * 1e6 / (image.width * image.height)) ** 0.5
        size = round(image.width * factor), round(image.height * factor)
        image.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(large, quality=90)
    return large


def opened(browser: Any, address: str, photo: Path, speed: float) -> Any:
    """Open the photo on a page whose line has `speed` bytes a second (-1: as it is)."""
    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    page.set_input_files("#file", str(photo))
    page.wait_for_selector("#ages button:nth-child(8) img[src]")
    limits = {"offline": False, "latency": 0, "downloadThroughput": speed, "uploadThroughput": -1}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", limits)
    move(page, 40)  # the first age that is searched, and from then on the paced curve
    move(page, 41)
    return page


def moves() -> dict[str, list[int]]:
    """Return the ages to move to, by name."""
    back = [*range(42, 55), *range(53, 46, -1)]
    jumps = np.random.default_rng(0).permutation([a for a in range(10, 86) if not 36 < a < 66])
    ages = [int(age) for age in jumps]
    return {"steps of a year": back, "jumps": ages[:25], "rests": ages[25:35]}


def move(page: Any, age: int, let_go: bool = False) -> float:
    """Move the slider, and return the milliseconds until the picture is there."""
    took = float(page.evaluate(MOVE, [age, let_go]))
    page.wait_for_timeout(PACE)
    return took


if __name__ == "__main__":
    main()
