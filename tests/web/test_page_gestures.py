"""Hands and devices in a real browser: pinch, marking, share, clipboard, and no server."""

from __future__ import annotations

import base64
import io
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from page_client import PATIENCE, READY, note_changes, open_photo, running, save_of, visit
from PIL import Image

from reage.editor import Editor
from reage.web.pictures import as_shown

BYTES_OF = """async (blob) => {
  const url = await new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.readAsDataURL(blob);
  });
  return url.split(",")[1];
}"""


def test_the_picture_is_shared_with_its_mark_and_copied(page: Any, photo: Path) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.context.add_init_script(
        """navigator.canShare = () => true;
        navigator.share = async (what) => { window.shared = what; };"""
    )
    page.reload()
    page.wait_for_selector("body[data-ready]")
    open_photo(page, photo)
    page.click("#share")
    page.wait_for_function("() => window.shared")
    name, kind, words = page.evaluate(
        "[shared.files[0].name, shared.files[0].type, `${shared.title} ${shared.text}`]"
    )
    data = base64.b64decode(page.evaluate(f"({BYTES_OF})(shared.files[0])"))
    assert name.startswith("ada-age") and name.endswith(".jpg") and kind == "image/jpeg"
    assert Image.open(io.BytesIO(data)).size == (256, 256) and b"rainedAlgorithmicMedia" in data
    assert "reage" in words and "plausible" in words
    page.wait_for_selector("#saving", state="hidden")
    check_copied(page)


@pytest.mark.slow
def test_sharing_that_is_called_off_is_no_failure(page: Any, photo: Path) -> None:
    page.context.add_init_script(
        """navigator.canShare = () => true;
        navigator.share = async () => { throw new DOMException("no", "AbortError"); };"""
    )
    page.reload()
    page.wait_for_selector("body[data-ready]")
    open_photo(page, photo)
    page.click("#share")
    page.wait_for_selector("#share:enabled")
    page.wait_for_selector("#saving", state="hidden")  # nothing was shared, and nothing is wrong
    assert page.locator("#notice").is_hidden()


@pytest.mark.slow
def test_a_drag_on_a_slow_line_shows_drafts_and_then_the_whole(page: Any, photo: Path) -> None:
    open_photo(page, photo)
    slow = {"offline": False, "latency": 0, "downloadThroughput": 8000, "uploadThroughput": -1}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", slow)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "edited" in request.url else 0)

    def is_whole(request: Any, age: int) -> bool:
        return f"ages=1:{age}&" in request.url and not request.url.endswith("=true")

    with page.expect_request(lambda request: is_whole(request, 53)):
        for age in (50, 51, 52, 53):
            drag(page, age)
            page.wait_for_selector(f"#after[alt='{age} years']")
    assert any("draft=true" in url for url in asked)
    with page.expect_request(lambda request: is_whole(request, 54)):
        drag(page, 54)
    drag(page, 55)  # the whole picture, which is on its way, gives way to a draft again
    page.wait_for_selector("#after[alt='55 years']")
    first = next(url for url in asked if "ages=1:55&" in url)
    assert first.endswith("draft=true")


def test_a_drag_gets_a_rough_picture_at_once_and_then_the_exact_one(page: Any, photo: Path) -> None:
    open_photo(page, photo)
    asked: list[str] = []
    page.on(
        "request", lambda request: asked.append(request.url) if "view=whole" in request.url else 0
    )
    with page.expect_response(
        lambda one: "rough=true" in one.url and "1%3A23" in one.url.replace(":", "%3A")
    ) as rough:
        drag(page, 23)
    assert '"rough": true' in rough.value.headers["x-reage"]
    page.wait_for_selector("#after[alt='23 years']")
    page.wait_for_selector("#stage:not(.draft)")
    exact = [url for url in asked if "23&" in url]
    assert "rough=true" in exact[0] and "rough" not in exact[-1] and "ahead" not in exact[-1]


def test_a_late_picture_takes_no_newer_one_s_place(page: Any, photo: Path) -> None:
    open_photo(page, photo)
    drag(page, 60)
    page.wait_for_selector("#after[alt='60 years']")
    page.wait_for_selector("#stage:not(.draft)")
    held: list[Any] = []
    page.route("**/edited?ages=1:33&*", lambda route: held.append(route))
    drag(page, 33)
    while not held:
        page.wait_for_timeout(20)
    drag(page, 60)  # known: it is there at once
    note_changes(page, "#after", "alt")
    with page.expect_response("**/edited?ages=1:33&*"):
        held[0].continue_()
    page.wait_for_timeout(300)  # in which it would be shown
    assert len(held) == 1 and set(page.evaluate("seen")) == {"60 years"}
    assert page.locator("#tag-after").inner_text() == "after"


@pytest.mark.slow  # its kind: test_needs.py, and a drag above
def test_what_is_saved_a_moment_after_a_drag_was_shown(
    page: Any, photo: Path, tmp_path: Path
) -> None:
    """The exact picture comes first; the file has its age, and to the last level its pixels."""
    open_photo(page, photo)
    page.select_option("#format", ".png")
    with page.expect_response(lambda one: "ages=1:26&" in one.url and "rough=true" in one.url):
        drag(page, 26)
    saved = np.asarray(Image.open(save_of(page, "#get-photo", tmp_path)).convert("RGB"))
    assert page.locator("#stage.draft").count() == 0
    shown = page.evaluate(
        """() => {
          const canvas = document.createElement("canvas"), after = document.querySelector("#after");
          [canvas.width, canvas.height] = [after.naturalWidth, after.naturalHeight];
          canvas.getContext("2d").drawImage(after, 0, 0);
          return canvas.toDataURL("image/png").split(",")[1];
        }"""
    )
    seen = Image.open(io.BytesIO(base64.b64decode(shown))).convert("RGB")
    wanted = Image.open(io.BytesIO(as_shown(saved))).convert("RGB")
    off = np.abs(np.asarray(seen).astype(int) - np.asarray(wanted))
    assert seen.size == (256, 256) and off.max() <= 4  # two decoders of the same JPEG


def drag(page: Any, age: int) -> None:
    """Move the slider without letting go of it."""
    page.locator("[id^=age-]").evaluate(
        "(e, age) => { e.value = age; e.dispatchEvent(new Event('input')); }", age
    )


@pytest.mark.slow
def test_what_a_saved_file_loses_is_said_on_the_page(page: Any, photo: Path, tmp_path: Path):
    deep = tmp_path / "deep.tif"
    tifffile.imwrite(deep, np.asarray(Image.open(photo).convert("RGB")).astype(np.uint16) * 257)
    open_photo(page, deep)
    save_of(page, "#get-photo", tmp_path)
    page.wait_for_function(
        "() => document.querySelector('#notice-text').textContent.includes('8 bit')"
    )


def check_copied(page: Any) -> None:
    """Copy, and find in the clipboard what is shown."""
    shown = page.evaluate(
        """() => {
          const image = document.querySelector("#after"), canvas = document.createElement("canvas");
          canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
          canvas.getContext("2d").drawImage(image, 0, 0);
          return canvas.toDataURL("image/png").split(",")[1];
        }"""
    )
    page.click("#copy")
    page.wait_for_selector("#saving span:text-is('Copied.')")
    copied = page.evaluate(
        f"""navigator.clipboard.read().then(([one]) => one.getType("image/png")).then({BYTES_OF})"""
    )
    first, second = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(one))).convert("RGB")).astype(int)
        for one in (copied, shown)
    )
    assert first.shape == (256, 256, 3)
    assert np.abs(first - second).mean() < 5  # what is shown


@pytest.fixture
def phone(browser: Any, address: str, traced_once: None) -> Iterator[Any]:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, locale="en"
    )
    yield visit(context, address)
    context.close()


@pytest.mark.parametrize("upright", [pytest.param(False, marks=pytest.mark.slow), True])
def test_two_fingers_scale_and_one_moves(phone: Any, photo: Path, upright: bool) -> None:
    open_photo(phone, photo)
    box = phone.locator("#stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch = phone.context.new_cdp_session(phone)

    def fingers(kind: str, *points: tuple[float, float]) -> None:
        touch.send(
            "Input.dispatchTouchEvent",
            {
                "type": kind,
                "touchPoints": [{"x": a, "y": b, "id": i} for i, (a, b) in enumerate(points)],
            },
        )

    def pair(apart: float) -> list[tuple[float, float]]:
        a, b = (0.0, apart) if upright else (apart, 0.0)
        return [(x - a, y - b), (x + a, y + b)]

    def percent() -> int:
        return int(phone.locator("#own-size").inner_text().split()[0])

    whole, scrolled = percent(), phone.evaluate("scrollY")
    fingers("touchStart", *pair(30))
    for apart in range(35, 95, 5):
        fingers("touchMove", *pair(apart))
    fingers("touchEnd")
    assert 2.2 * whole < percent() < 3.6 * whole
    assert phone.evaluate("visualViewport.scale") == 1 and phone.evaluate("scrollY") == scrolled
    before = phone.locator("#pane-after .layer").bounding_box()
    fingers("touchStart", (x, y))
    for step in range(5, 45, 5):
        fingers("touchMove", (x + step, y + step / 2))
    fingers("touchEnd")
    after = phone.locator("#pane-after .layer").bounding_box()
    assert after["x"] - before["x"] == pytest.approx(40, abs=6)
    assert after["y"] - before["y"] == pytest.approx(20, abs=4)
    phone.click("#own-size")
    assert percent() == whole


def at(page: Any, x: float, y: float) -> tuple[float, float]:
    """Where a point of the photo, in shares of its sides, is on the screen."""
    box = page.locator("#pane-after .layer").bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def test_a_missed_face_is_marked_by_a_box(page: Any, photo: Path) -> None:
    mark(page, photo, "#mark-box")
    page.mouse.move(*at(page, 0.02, 0.05))
    page.mouse.down()
    page.mouse.move(*at(page, 0.2, 0.2))
    page.wait_for_selector("#rubber:not([hidden])")
    page.mouse.move(*at(page, 0.3, 0.35))
    page.mouse.up()
    check_marked(page, lambda box: abs(box[0] - 5) < 20 and abs(box[3] - 90) < 30)


@pytest.mark.slow
def test_a_missed_face_is_marked_by_five_points(page: Any, photo: Path) -> None:
    mark(page, photo, "#mark-points")
    for said, point in (
        ("eye on the left", (0.1, 0.15)), ("eye on the right", (0.2, 0.15)),
        ("tip of the nose", (0.15, 0.2)), ("left corner of the mouth", (0.115, 0.25)),
        ("right corner of the mouth", (0.185, 0.25)),
    ):  # fmt: skip
        page.wait_for_selector(f"#marking-text:has-text('{said}')")
        page.mouse.click(*at(page, *point))
    check_marked(page, lambda box: box[0] < 26 and 40 < box[2] < 80)


def mark(page: Any, photo: Path, button: str) -> None:
    """Open a photo and begin to mark; the picture is in sight."""
    open_photo(page, photo)
    page.locator("details", has=page.locator(button)).evaluate("e => e.open = true")
    page.click(button)
    page.wait_for_selector("#marking:not([hidden])")
    page.evaluate("scrollTo(0, 0)")


def check_marked(page: Any, is_there: Callable[[list[float]], bool]) -> None:
    page.wait_for_selector("#faces button:nth-child(2)")
    (listed,) = page.evaluate("async () => (await fetch('/api/v1/photos')).json()")
    boxes = [face["box"] for face in listed["faces"] if face["box"][2] < 110]
    assert len(listed["faces"]) == 2 and len(boxes) == 1 and is_there(boxes[0]), boxes
    assert page.locator("#sliders .slider").count() == 2  # in the edit at once
    assert page.locator("#marking").is_hidden() and page.locator("#rubber").is_hidden()
    page.wait_for_selector("#tag-after:text-is('after')")


@pytest.mark.slow
def test_the_page_opens_without_its_server_and_says_so(browser: Any, editor: Editor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    with running(editor, port) as address:
        page.goto(address)  # once is enough
        page.wait_for_selector("body[data-kept]")
    page.reload()
    page.wait_for_selector("body[data-ready]")
    page.wait_for_selector("#notice:has-text('服务器没有回应')")  # in the language of before
    assert page.locator("#tab-video").inner_text() == "视频"
    assert page.locator("h1").inner_text() == "reage"
    assert page.locator(".example img").first.evaluate("e => e.naturalWidth") > 0
    width = page.evaluate("getComputedStyle(document.querySelector('.drop')).borderStyle")
    assert width == "dashed"  # with its style
    with running(editor, port):  # and works as soon as the server is back
        page.wait_for_selector("#privacy:has-text('这台电脑')")
        page.wait_for_selector("body[data-ready]")
        page.click(".example >> nth=1")
        page.wait_for_selector(READY)
        assert page.locator("#notice").is_hidden()
    context.close()
