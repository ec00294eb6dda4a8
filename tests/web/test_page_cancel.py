"""Long work on the page: it can be cancelled, says so at once, and outlives a reload."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from page_client import drop, jobs, note_changes, open_photo, save_of


def cancel(page: Any, box: str, button: str) -> None:
    """Cancel what goes on beside a button, which stays where it is and works again."""
    page.locator(f"{box} button:visible").focus()
    page.wait_for_function(  # it is at work: uploads, and what only waits, are cancelled at once
        """(box) => document.querySelector(`${box} progress`).value > 0
          && !/^(Uploading|Opening)/.test(document.querySelector(`${box} span`).textContent)""",
        arg=box,
    )
    note_changes(page, f"{box} span")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"{box} span:text-is('Cancelled')")
    assert any(said.startswith("Cancelling") for said in page.evaluate("seen"))
    assert page.locator(f"{box} button").is_hidden() and page.locator(button).is_enabled()
    assert page.locator("#notice").is_hidden()  # nothing went wrong
    assert page.evaluate("document.activeElement !== document.body")


@pytest.mark.slow
def test_all_long_work_can_be_cancelled(page: Any, photo: Path, tmp_path: Path) -> None:
    open_photo(page, photo)
    page.click(".get-moving[data-suffix='.mp4']")
    assert page.locator("#film button:enabled").count() == 0  # one film at a time
    cancel(page, "#saving", ".get-moving[data-suffix='.gif']")
    page.click("#tab-mix")
    assert page.locator(".level:enabled").count() == 0  # there is nobody to mix with yet
    page.locator("#quality").evaluate("e => e.value = 'best'")
    page.set_input_files("#mix-file", str(photo))
    cancel(page, "#mix-busy", "#mix-choose")
    notes = tmp_path / "notes.txt"
    notes.write_text("no photo")
    drop(page, notes, "text/plain")
    page.click("#ask-yes")
    page.wait_for_selector("#notice:has-text('text file')")
    page.click("#tab-poster")
    assert page.locator("#notice").is_hidden()  # it was about the other panel
    page.fill("#poster-photo_taken", "2010")
    page.click("#poster-make")
    cancel(page, "#poster-state", "#poster-make")


@pytest.fixture
def long_upload(page: Any, tmp_path: Path) -> Path:
    """A file that takes minutes on the page's line."""
    path = tmp_path / "holiday.zip"
    path.write_bytes(bytes(4_000_000))
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 20_000}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", slow)
    return path


def test_an_upload_of_a_job_is_cancelled(page: Any, long_upload: Path) -> None:
    page.click("#tab-folder")
    page.set_input_files("#folder-file", str(long_upload))
    with page.expect_event("requestfailed", lambda one: "/folders?" in one.url):
        page.click("#folder-form button.main")
        page.click("#folder-jobs .progress button")
    page.wait_for_selector("#folder-jobs .progress span:text-is('Cancelled')")
    assert page.locator("#folder-jobs .progress button").is_hidden()
    assert page.evaluate("document.activeElement !== document.body")
    assert jobs(page) == [] and page.locator("#notice").is_hidden()


@pytest.mark.slow  # its kind: test_an_upload_of_a_job_is_cancelled
def test_the_upload_of_a_photo_is_cancelled(page: Any, photo: Path, long_upload: Path) -> None:
    page.set_input_files("#file", str(long_upload))
    with page.expect_event("requestfailed", lambda one: "/photos?" in one.url):
        page.click("#notice-cancel")
    assert page.locator("#notice").is_hidden() and page.locator("#start").is_visible()
    page.set_input_files("#file", str(long_upload))
    with page.expect_event("requestfailed", lambda one: "holiday.zip" in one.url):
        open_photo(page, photo)  # which is small: the later one is wanted
    assert page.locator("#notice").is_hidden() and page.locator("#notice-cancel").is_hidden()
    assert len(page.evaluate("async () => (await fetch('/api/v1/photos')).json()")) == 1


@pytest.mark.slow
def test_a_long_job_is_there_after_a_reload(page: Any, photo: Path, tmp_path: Path) -> None:
    page.click("#tab-folder")
    page.set_input_files("#folder-file", str(photo))
    page.fill("#folder-ages", "30, 50, 70")
    page.click("#folder-form button.main")
    page.wait_for_selector("#folder-jobs .progress button:visible")
    page.reload()
    page.wait_for_selector("body[data-ready]")
    page.click("#tab-folder")
    page.wait_for_selector("#folder-jobs .thumbs figure:nth-child(3)")
    saved = save_of(page, "#folder-jobs .row button", tmp_path)
    assert saved.name == "photos-ages30-70.zip"


def test_a_folder_without_photos_is_said_before_it_is_sent(page: Any, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("no photo")
    page.click("#tab-folder")
    drop(page, notes, "text/plain")
    page.click("#folder-form button.main")
    page.wait_for_selector("#notice:has-text('None of these files')")
    assert page.locator("#folder-jobs .job").count() == 0
