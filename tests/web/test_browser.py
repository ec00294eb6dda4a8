"""The page in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from page_client import (
    READY,
    drop,
    jobs,
    note_changes,
    open_file,
    open_photo,
    set_slider,
    visit,
)


def test_from_upload_to_download(page: Any, photo: Path, tmp_path: Path) -> None:
    open_photo(page, photo)
    assert page.locator("#faces-text").inner_text() == "One face was found."
    before = page.locator("#after").get_attribute("src")
    set_slider(page, "#age-1", 20)
    page.wait_for_selector(".read:has-text('looks about 2')")
    assert page.locator("#after").get_attribute("src") != before
    assert page.locator("#years-1").input_value() == "20"
    with page.expect_download() as saved:
        page.click("#get-photo")
    assert saved.value.suggested_filename == "ada-age20.jpg"
    data = Path(saved.value.path()).read_bytes()
    assert data.startswith(b"\xff\xd8\xff") and b"rainedAlgorithmicMedia" in data
    with page.expect_download() as saved:
        page.click("#get-project")
    project = tmp_path / "ada.reage"
    saved.value.save_as(project)
    page.click("#close-photo")
    page.click("#ask-yes")
    page.wait_for_selector("#start", state="visible")
    open_file(page, project)
    assert page.locator("#years-1").input_value() == "20"
    assert page.locator("#history li").count() == 3  # the photo, the first aged look, 20 years


def test_the_first_picture_is_an_older_face_and_no_job_made_it(page: Any, photo: Path) -> None:
    page.set_input_files("#file", str(photo))
    page.wait_for_selector(".read:has-text('looks')")
    own = int(page.locator("#years-1").input_value()) - 30
    assert 20 < own < 50
    page.wait_for_selector(READY)
    assert page.locator("#busy").is_hidden() and jobs(page) == []
    page.click("#undo")  # to the photo as it is
    page.wait_for_selector(".read:has-text('in the photo')")
    assert page.locator("#get-photo").is_disabled()


@pytest.mark.slow
@pytest.mark.usefixtures("two_steps")
def test_what_needs_a_code_is_learnt_and_then_shown(page: Any, photo: Path) -> None:
    open_photo(page, photo)
    before = page.locator("#after").get_attribute("src")
    page.locator("details", has=page.locator("#paste")).evaluate("e => e.open = true")
    note_changes(page, "#busy", "hidden")
    page.select_option("#paste", "none")
    page.wait_for_selector(f"#after:not([src='{before}'])")
    page.wait_for_function("() => document.querySelector('#after').naturalWidth === 128")
    assert None in page.evaluate("seen")  # it was shown while it went on
    assert page.locator("#busy").is_hidden()
    with page.expect_download() as saved:
        page.click("#get-photo")
    from PIL import Image

    assert Image.open(saved.value.path()).size == (128, 128)  # what is shown
    assert [job["kind"] for job in jobs(page)] == ["invert"]
    page.locator("#directions-card").evaluate("e => e.open = true")
    page.select_option("#paste", "delta")
    page.select_option("#direction", "sefa:1")
    set_slider(page, "#strength", 3)
    page.wait_for_selector("#history :text('sefa:1 3')")
    with page.expect_download() as saved:
        page.click("#get-photo")
    assert saved.value.suggested_filename == "ada-sefa1+3.jpg"
    assert len(jobs(page)) == 1


@pytest.mark.slow
def test_a_cancelled_inversion_goes_back(page: Any, photo: Path) -> None:
    open_photo(page, photo)
    page.locator("details", has=page.locator("#paste")).evaluate("e => e.open = true")
    page.locator("#quality").evaluate("e => e.value = 'best'")
    page.select_option("#paste", "replace")
    page.wait_for_selector("#progress-picture[src]")
    page.click("#cancel")
    page.wait_for_selector("#busy", state="hidden")
    assert page.locator("#paste").input_value() == "delta"
    assert page.locator("#history li").count() == 2
    assert page.evaluate("document.activeElement.id") == "age-1"  # a field would open a keyboard
    set_slider(page, "#age-1", 20)
    page.wait_for_selector(".read:has-text('looks about 2')")


@pytest.mark.slow  # its kind: test_from_upload_to_download
def test_files_are_named_after_their_photo(page: Any, photo: Path) -> None:
    open_photo(page, photo)
    page.route("**/animation?*", lambda one: one.continue_(url=f"{one.request.url}&seconds=0.5"))
    with page.expect_download() as saved:
        page.click(".get-moving[data-suffix='.gif']")
    assert saved.value.suggested_filename == "ada-ages5-80.gif"


@pytest.mark.slow
def test_a_job_ends_with_its_tab(browser: Any, address: str, photo: Path) -> None:
    context = browser.new_context()
    tab, other = visit(context, address), visit(context, address)
    open_photo(tab, photo)
    tab.locator("#quality").evaluate("e => e.value = 'best'")
    tab.locator("details", has=tab.locator("#paste")).evaluate("e => e.open = true")
    tab.select_option("#paste", "replace")
    tab.wait_for_selector("#progress-picture[src]")
    assert jobs(other)[0]["state"] == "running"
    tab.close()
    other.wait_for_function(
        """async () => (await (await fetch("/api/v1/jobs")).json())[0].state === "cancelled" """
    )
    context.close()


def test_keys_move_the_slider_and_undo(page: Any, photo: Path) -> None:
    open_photo(page, photo)
    page.focus("#age-1")
    start = int(page.locator("#age-1").input_value())
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.locator("#years-1").input_value() == f"{start + 2}"
    page.keyboard.press("Control+z")
    assert page.locator("#age-1").input_value() == f"{start + 1}"  # the thumb goes along
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.wait_for_selector("#undo:disabled")
    page.keyboard.press("Control+y")
    assert page.locator("#history [aria-current]").inner_text() == f"{start} years"
    assert page.locator("#age-1").input_value() == f"{start}"


@pytest.mark.usefixtures("two_steps")
def test_a_drop_belongs_to_the_open_panel(page: Any, photo: Path, tmp_path: Path) -> None:
    drop(page, photo, "image/png")
    page.wait_for_selector(READY)
    page.click("#tab-mix")
    drop(page, photo, "image/png")
    page.wait_for_selector("#mix-save:not([hidden])")
    drop(page, photo, "image/png")  # another one asks first
    page.click("#ask button:not(#ask-yes)")
    assert page.locator("#history li").count() == 2  # the first photo is still open
    clip, many = tmp_path / "ada.mp4", tmp_path / "many.zip"
    for path, panel in ((clip, "video"), (many, "folder")):
        path.write_bytes(b"some bytes")
        page.click(f"#tab-{panel}")
        drop(page, path, "application/octet-stream")
        found = page.locator(f"#{panel}-file").evaluate("e => [...e.files].map((f) => f.name)")
        assert found == [path.name]
    assert page.locator("#notice").is_hidden()


def test_language_is_switched_and_kept(page: Any, address: str) -> None:
    page.select_option("#language", "zh")
    page.wait_for_selector("#drop h2:text('把照片拖到这里')")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert page.locator("#tab-video").inner_text() == "视频"


def test_of_two_languages_the_later_choice_stays(page: Any) -> None:
    """Also when the words of the earlier one come last."""
    page.locator("#language").evaluate(
        """async (list) => {
          for (list.value of ["ar", "en"]) list.dispatchEvent(new Event("change"));
          await import("/static/texts/ar.js");
          await new Promise((resolve) => { setTimeout(resolve); });
        }"""
    )
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("#language").input_value() == "en"


def test_nobody_with_a_finger_is_asked_to_drop(browser: Any, page: Any, address: str) -> None:
    assert page.locator("#drop h2").is_visible()
    phone = {"viewport": {"width": 320, "height": 640}, "is_mobile": True, "has_touch": True}
    context = browser.new_context(**phone)
    held = visit(context, address)
    assert held.locator("#choose").is_visible() and held.locator("#drop h2").is_hidden()
    assert held.evaluate("document.documentElement.scrollWidth") == 320
    context.close()


def test_what_a_visitor_reads_first_is_no_source_text(page: Any) -> None:
    page.click("#tab-about")
    page.wait_for_selector("#about-model:not(:empty)")
    assert page.locator("#about-card").is_hidden()
    page.locator("#panel-about summary").click()
    assert "faces" in page.locator("#about-card").inner_text()
    assert page.locator("#film[role=group][aria-label] .get-moving").count() == 3


def test_every_word_is_in_every_language() -> None:
    import re

    import reage.web.app

    static = reage.web.app.STATIC

    def words(path: Path) -> dict[str, str]:
        found = re.findall(r'(?:^|[,{]) *(\w+): "([^"]*)"', path.read_text(encoding="utf-8"), re.M)
        return {key: text for key, text in found if key not in ("locale", "dir")}

    english = words(static / "texts" / "en.js")
    assert len(english) > 150
    for path in (static / "texts").glob("*.js"):
        others = words(path)
        assert english.keys() == others.keys(), path.name
        for key, text in english.items():  # what is filled in is in each of them
            holes = [sorted(re.findall(r"\{\w+\}", one)) for one in (text, others[key])]
            assert holes[0] == holes[1], (path.name, key)
    page = (static / "index.html").read_text(encoding="utf-8")
    used = set(re.findall(r'data-(?:text|label)="(\w+)"', page))
    for script in (static / "js").rglob("*.js"):
        used |= set(re.findall(r'\btext\("(\w+)"', script.read_text(encoding="utf-8")))
    assert used <= english.keys()


@pytest.mark.slow
def test_phone_width_has_no_sideways_scrolling(browser: Any, address: str, photo: Path) -> None:
    screen = {"width": 360, "height": 740}
    context = browser.new_context(viewport=screen, color_scheme="dark")
    phone = visit(context, address)
    open_photo(phone, photo)
    for tab in ("photo", "mix", "video", "folder", "about"):
        phone.click(f"#tab-{tab}")
        wide = phone.evaluate("document.documentElement.scrollWidth")
        assert wide <= 360, f"{tab} is {wide} px wide"
    dark = phone.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark == "rgb(16, 22, 21)"
    context.close()


def test_bad_file_is_said_in_a_line(page: Any, tmp_path: Path) -> None:
    bad = tmp_path / "notes.jpg"
    bad.write_text("no picture at all")
    page.set_input_files("#file", str(bad))
    page.wait_for_selector("#notice:has-text('text file')")
    assert page.locator("#start").is_visible()


@pytest.mark.slow
def test_inversion_is_stopped_and_kept(page: Any, photo: Path) -> None:
    open_photo(page, photo)
    page.locator("#quality").evaluate("e => e.value = 'best'")
    page.locator("details", has=page.locator("#paste")).evaluate("e => e.open = true")
    page.select_option("#paste", "replace")
    page.wait_for_selector("#progress-picture[src]")
    page.click("#stop")
    page.wait_for_selector("#busy", state="hidden")
    assert page.locator("#paste").input_value() == "replace"
    assert page.locator("#again").is_visible()


@pytest.mark.slow
def test_two_people_are_mixed(page: Any, photo: Path) -> None:
    open_photo(page, photo)
    page.click("#tab-mix")
    page.set_input_files("#mix-file", str(photo))
    page.wait_for_selector("#mix-save:not([hidden])")
    before = page.locator("#mix-result").get_attribute("src")
    set_slider(page, "#coarse", 60)
    page.wait_for_selector(f"#mix-result:not([src='{before}'])")
    with page.expect_download() as saved:
        page.click("#mix-save")
    assert saved.value.suggested_filename == "ada-mixed-ada-coarse60.jpg"
    from PIL import Image

    data = Path(saved.value.path()).read_bytes()
    assert Image.open(saved.value.path()).size == (256, 256)  # the photo, not the face's square
    assert b"rainedAlgorithmicMedia" in data


def test_controls_have_names(page: Any, photo: Path) -> None:
    open_photo(page, photo)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, input, select, a[href]')]
        .filter(e => e.checkVisibility())
        .filter(e => !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length))
        .map(e => e.outerHTML)"""
    )
    assert json.dumps(nameless) == "[]"
