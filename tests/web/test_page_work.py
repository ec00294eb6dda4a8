"""Work on the page is not lost, and the page says what is true, in a real browser."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from page_client import READY, drop, note_changes, open_file, open_photo, set_slider, visit
from PIL import Image


@pytest.fixture(scope="module")
def couple(astronaut: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "two.png"
    Image.fromarray(np.hstack([astronaut, astronaut[:, ::-1]])).save(path)
    return path


@pytest.fixture
def phone(browser: Any, address: str, traced_once: None) -> Iterator[Any]:
    """A small phone of somebody who reads from right to left."""
    screen = {"width": 320, "height": 640}
    context = browser.new_context(viewport=screen, locale="ar", has_touch=True)
    yield visit(context, address)
    context.close()


def test_work_survives_a_reload(page: Any, photo: Path, couple: Path) -> None:
    open_photo(page, couple)
    open_photo(page, photo)
    page.wait_for_selector("#photos button:nth-child(2)")
    with page.expect_response("**/edits"):
        set_slider(page, "#age-1", 21)
    page.reload()
    page.wait_for_selector(READY)
    assert page.locator("#years-1").input_value() == "21"
    assert page.locator("#history li").count() == 3
    page.click("#photos button[aria-label='two.png']")
    page.wait_for_selector("#faces button:nth-child(2)")


@pytest.mark.slow
def test_another_photo_is_dropped_only_after_a_question(
    page: Any, photo: Path, couple: Path
) -> None:
    open_photo(page, photo)
    drop(page, couple, "image/png")
    page.wait_for_selector("#ask[open] >> text=ada.png")
    page.click("#ask button:not(#ask-yes)")
    assert page.locator("#faces-text").inner_text() == "One face was found."
    drop(page, couple, "image/png")
    page.click("#ask-yes")
    page.wait_for_selector("#faces button:nth-child(2)")
    page.wait_for_selector(READY)


def test_two_faces_are_shown_one_at_a_time(page: Any, couple: Path) -> None:
    open_photo(page, couple)
    note_changes(page, "#tag-after")
    page.click("#faces button[aria-pressed='false']")
    page.wait_for_selector("#age-2")
    page.wait_for_selector("#tag-after:text-is('after')")
    # The picture without her passed for nothing that it is not.
    assert "making the picture …" in page.evaluate("seen")
    page.wait_for_function(
        """() => [...document.querySelectorAll("#ages img")].every(
          (image) => image.naturalWidth === image.naturalHeight && image.naturalWidth > 0)"""
    )
    page.click("#zoom")
    page.wait_for_function("() => document.querySelector('#after').naturalWidth === 256")
    box = page.locator("#stage").bounding_box()
    assert abs(box["width"] - box["height"]) < 3
    page.click("#faces button:nth-child(2)")  # out of the edit again
    page.wait_for_selector("#age-2", state="detached")
    assert page.locator("#faces button[aria-pressed='true']").count() == 1


@pytest.mark.slow  # its kind: test_steps_of_a_project below
def test_a_project_is_never_shown_as_what_it_is_not(page: Any, photo: Path, tmp_path: Path) -> None:
    open_photo(page, photo)
    with page.expect_download() as saved:
        page.click("#get-project")
    project = tmp_path / "ada.reage"
    saved.value.save_as(project)
    page.evaluate(
        """() => {
          const tag = document.querySelector("#tag-after");
          const after = document.querySelector("#after");
          window.lies = 0;
          new MutationObserver(() => {
            const same = after.src === document.querySelector("#before").src || !after.src;
            if (!tag.hidden && tag.textContent === "after" && same) window.lies += 1;
          }).observe(document.querySelector("#stage"),
            { subtree: true, attributes: true, childList: true, characterData: true });
        }"""
    )
    open_file(page, project)
    page.wait_for_selector("#tag-after:text-is('after')")
    assert page.evaluate("window.lies") == 0


def test_steps_of_a_project_that_are_none_are_left_out(
    page: Any, photo: Path, tmp_path: Path
) -> None:
    """The page stood still, also after each reload, until the session ended."""
    open_photo(page, photo)
    with page.expect_download() as saved:
        page.click("#get-project")
    sound = {"ages": {"1": 33}, "paste": "delta", "direction": "", "strength": 0}
    odd = [
        3,
        None,
        sound | {"ages": {"99": 70}},
        sound | {"ages": {"1": "x"}},
        sound | {"paste": 1},
    ]
    project = tmp_path / "ada.reage"
    with zipfile.ZipFile(saved.value.path()) as whole, zipfile.ZipFile(project, "w") as made:
        for name in whole.namelist():
            data = whole.read(name)
            if name == "project.json":
                known = json.loads(data)
                data = json.dumps(known | {"edits": {"history": [*odd, sound, 5], "now": "x"}})
            made.writestr(name, data)
    page.set_input_files("#file", str(project))
    page.wait_for_selector("#photos button:nth-child(2)")
    page.wait_for_selector("#tag-after:text-is('after')")
    assert page.locator("#years-1").input_value() == "33"
    assert page.locator("#history li").count() == 1


def test_errors_go_when_what_failed_works(page: Any, photo: Path, tmp_path: Path) -> None:
    bad = tmp_path / "notes.jpg"
    bad.write_text("no picture at all")
    page.set_input_files("#file", str(bad))
    page.wait_for_selector("#notice:has-text('text file')")
    open_photo(page, photo)
    assert page.locator("#notice").is_hidden()
    page.context.set_offline(True)
    set_slider(page, "#age-1", 33)
    page.wait_for_selector("#notice:has-text('does not answer')")
    page.context.set_offline(False)
    page.wait_for_selector("#notice", state="hidden")
    page.wait_for_selector("#tag-after:text-is('after')")


def test_the_focus_stays_and_readings_are_in_words(page: Any, photo: Path) -> None:
    open_photo(page, photo)
    said = page.locator(".read").inner_text()
    assert "give or take " in said and "±" not in page.locator("main").inner_text()
    page.focus("#undo")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "redo"
    page.click("#history li:nth-child(2) button")
    assert page.evaluate("document.activeElement.textContent").endswith("years")


def test_an_age_is_typed_and_the_row_is_chosen(page: Any, photo: Path) -> None:
    open_photo(page, photo)
    page.fill("#years-1", "47")
    page.press("#years-1", "Enter")
    page.wait_for_selector("#tag-after:text-is('after')")
    assert page.locator("#age-1").input_value() == "47"
    page.fill("#years-1", "130")
    page.press("#years-1", "Enter")  # is refused with a hint, and picture and slider stay
    assert "0 to 120" in page.locator("#years-1").evaluate("e => e.validationMessage")
    assert page.locator("#age-1").input_value() == "47"
    page.fill("#years-1", "63.5")
    page.press("#years-1", "Enter")
    page.wait_for_selector("#after[alt='63.5 years']")
    assert page.locator("#years-1").evaluate("e => [e.value, e.checkValidity()]") == ["63.5", True]
    page.press("#age-1", "Control+z")
    page.press("#age-1", "Control+y")
    assert page.locator("#years-1").input_value() == "63.5"
    page.fill("#row-ages", "20,60")
    page.press("#row-ages", "Enter")
    page.click("#ages button:nth-child(2)")
    assert page.locator("#ages button[aria-pressed='true']").inner_text() == "60"
    page.click("#tab-folder")
    for ages, good in (("20,60", True), ("20 60", True), ("20;x", False)):
        page.fill("#folder-ages", ages)
        assert page.locator("#folder-ages").evaluate("e => e.checkValidity()") is good
    assert "20, 40, 60" in page.locator("#folder-ages").evaluate("e => e.validationMessage")


@pytest.mark.slow
def test_a_small_phone_from_right_to_left(phone: Any, photo: Path) -> None:
    assert phone.locator("html").get_attribute("dir") == "rtl"
    open_photo(phone, photo)
    for tab in ("photo", "mix", "video", "folder", "poster", "about"):
        phone.click(f"#tab-{tab}")
        wide = phone.evaluate("document.documentElement.scrollWidth")
        assert wide <= 320, f"{tab} is {wide} px wide"
    small = phone.evaluate(
        """() => [...document.querySelectorAll("button, select, input[type=range]")]
        .filter((e) => e.checkVisibility() && !e.closest("#boxes") && e.id !== "curtain")
        .filter((e) => e.getBoundingClientRect().height < 43.5).map((e) => e.outerHTML)"""
    )
    assert small == []
    phone.click("#tab-photo")
    with phone.expect_request("**/strip?*") as asked:  # in the words of the page
        phone.click("#get-strip")
    assert "يبدو في {age}" in unquote(asked.value.url)
    phone.wait_for_selector("#saving span:text-is('تم الحفظ.')")


def test_what_was_seen_comes_without_a_request(page: Any, photo: Path) -> None:
    open_photo(page, photo)
    for age in (30, 65):
        set_slider(page, "#age-1", age)
        page.wait_for_selector(f"#after[alt='{age} years']")
        page.wait_for_selector("#stage:not(.draft)")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    set_slider(page, "#age-1", 30)
    assert page.locator("#tag-after").inner_text() == "after"
    assert not [url for url in asked if "ages=1:30&" in url]
