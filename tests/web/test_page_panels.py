"""The panels of long jobs in a real browser: videos, many photos, the poster."""

from __future__ import annotations

import io
import shutil
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_client import READY, drop, open_photo, save_of
from PIL import Image

FRAMES, RATE = 8, 10


@pytest.fixture(scope="module")
def clip(astronaut: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people side by side, with colours that the output cannot keep."""
    av = pytest.importorskip("av")
    path = tmp_path_factory.mktemp("clips") / "two.webm"
    picture = np.hstack([astronaut, astronaut[:, ::-1]])
    with av.open(str(path), "w") as out:
        options = {"crf": "10", "b": "0", "cpu-used": "8", "deadline": "realtime"}
        stream = out.add_stream("libvpx-vp9", rate=RATE, options=options)
        stream.height, stream.width, stream.pix_fmt = *picture.shape[:2], "yuv444p"
        for shift in range(FRAMES):
            frame = np.ascontiguousarray(np.roll(picture, shift, 0))
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def photos(astronaut: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with somebody, somebody below it, nobody, and a file that is no photo."""
    folder = tmp_path_factory.mktemp("many") / "holiday"
    (folder / "more").mkdir(parents=True)
    Image.fromarray(astronaut).save(folder / "ada.png")
    Image.fromarray(astronaut[:, ::-1]).save(folder / "more" / "bea.jpg", quality=95)
    Image.fromarray(np.full((64, 64, 3), 120, np.uint8)).save(folder / "nobody.png")
    (folder / "notes.txt").write_text("no photo")
    return folder


def frames(path: Path) -> np.ndarray:
    """All frames of a video, `[N, H, W, 3]`."""
    import av

    with av.open(str(path)) as video:
        return np.stack([one.to_ndarray(format="rgb24") for one in video.decode(video=0)])


@pytest.mark.slow
def test_a_person_of_a_video_is_chosen_by_picture(page: Any, clip: Path, tmp_path: Path) -> None:
    page.click("#tab-video")
    page.set_input_files("#video-file", str(clip))
    page.click("#find-people")
    page.wait_for_selector("#people label:nth-child(2)")
    assert page.locator("#video-which").is_hidden()  # the pictures say who
    page.locator("#people label").evaluate_all(
        "all => all.forEach((e) => { e.dataset.old = 'yes'; })"
    )
    page.fill("#video-start", "0.1")
    page.fill("#video-end", "0.5")
    page.wait_for_selector("#people label:not([data-old])")  # who is there where the part begins
    pictures = page.locator("#people canvas").evaluate_all(
        "all => all.map((e) => new Set(e.getContext('2d').getImageData(0, 0, 112, 112).data).size)"
    )
    assert min(pictures) > 50  # people, no empty squares
    page.fill("#video-age", "0s=40, 3s=60")
    assert not page.locator("#video-age").evaluate("e => e.checkValidity()")  # for one of them
    page.locator("#people input").first.uncheck()
    assert page.locator("#video-age").evaluate("e => e.checkValidity()")
    page.fill("#video-age", "70")
    page.click("#video-form button.main")
    page.wait_for_selector("#video-jobs .players video:nth-child(2)")
    assert "4:4:4 become 4:2:0" in page.locator("#video-jobs .notes").inner_text()
    page.locator(".players video").nth(1).evaluate("e => e.play()")  # the original goes along
    page.wait_for_function("() => document.querySelector('.players video').currentTime > 0.2")
    saved = save_of(page, "#video-jobs .row button", tmp_path)
    assert saved.name == "two-age70-0.1s-0.5s.mp4"
    made, source = frames(saved), frames(clip)
    assert len(made) == 4
    change = np.abs(made.astype(int) - source[1:5]).mean((0, 1, 3))
    assert change[256:].mean() > change[:256].mean() + 1.5, (
        change[256:].mean(),
        change[:256].mean(),
    )


def test_ages_of_a_video_that_cannot_be_are_said_before(page: Any) -> None:
    page.click("#tab-video")
    for age in ("", "130", "0s=40,3s", "old", "0s=40, 3s=130", "1:70"):
        page.fill("#video-age", age)
        assert not page.locator("#video-age").evaluate("e => e.checkValidity()"), age


@pytest.mark.slow
def test_a_whole_video_gets_older_as_it_plays(page: Any, clip: Path, tmp_path: Path) -> None:
    page.click("#tab-video")
    page.set_input_files("#video-file", str(clip))
    page.fill("#video-age", "0s=35, 0.7s=75")
    page.select_option("#video-whole", "all")
    assert page.locator("#trim-fields").is_hidden()
    page.select_option("#video-which", "all")
    page.click("#video-form button.main")
    saved = save_of(page, "#video-jobs .players ~ .row button", tmp_path)
    made, source = frames(saved), frames(clip)
    change = np.abs(made.astype(int) - source).mean((1, 2, 3))
    assert len(made) == FRAMES and change[-1] > change[0] + 0.5


@pytest.mark.slow
def test_a_folder_is_aged(page: Any, photos: Path, tmp_path: Path) -> None:
    page.click("#tab-folder")
    page.set_input_files("#folder-whole", str(photos))
    check_folder(page, tmp_path, "holiday-ages30-70.zip", {"ada", "bea"})


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True])
def test_files_or_a_zip_are_aged(page: Any, photos: Path, tmp_path: Path, packed: bool) -> None:
    files, name = [str(photos / name) for name in ("ada.png", "nobody.png")], "photos-ages30-70.zip"
    if packed:
        files = [shutil.make_archive(str(tmp_path / "packed"), "zip", photos)]
    page.click("#tab-folder")
    page.set_input_files("#folder-file", files)
    if packed:
        check_folder(page, tmp_path, "packed-ages30-70.zip", {"ada", "bea"})
    else:
        check_folder(page, tmp_path, name, {"ada"})


def check_folder(page: Any, folder: Path, name: str, people: set[str]) -> None:
    """Age what was chosen, and look at thumbnails, errors and the ZIP."""
    page.fill("#folder-ages", "30, 70")
    page.click("#folder-form button.main")
    page.wait_for_selector("#folder-jobs .thumbs figure")
    shown = page.locator("#folder-jobs figcaption").all_inner_texts()
    assert len(shown) == 2 * len(people)
    page.wait_for_function(
        "() => [...document.querySelectorAll('.thumbs img')].every((e) => e.naturalWidth > 0)"
    )
    errors = page.locator("#folder-jobs .warn li").all_inner_texts()
    assert len(errors) == 1 and "nobody.png: No face" in errors[0] and "--" not in errors[0]
    assert page.locator("#folder-jobs :text('One photo could not be used:')").is_visible()
    saved = save_of(page, "#folder-jobs .row button", folder)
    assert saved.name == name
    with zipfile.ZipFile(saved) as archive:
        names = archive.namelist()
        made = [one for one in names if one.endswith((".png", ".jpg"))]
        assert sorted(made) == sorted(shown)
        assert {Path(one).name.split("-")[0] for one in made} == people
        pictures = [np.asarray(Image.open(io.BytesIO(archive.read(one)))) for one in sorted(made)]
    assert np.abs(pictures[0].astype(int) - pictures[1]).mean() > 1  # at two ages


@pytest.mark.slow
def test_a_poster_with_a_logo(page: Any, photo: Path, tmp_path: Path) -> None:
    open_photo(page, photo)
    page.click("#tab-poster")
    logo = tmp_path / "logo.png"
    Image.new("RGBA", (80, 40), (250, 0, 250, 255)).save(logo)
    page.fill("#poster-name", "Ada Example")
    page.fill("#poster-photo_taken", "2010-05")
    page.set_input_files("#poster-logo", str(logo))
    page.select_option("#poster-language", label="español")
    large = tmp_path / "large.png"
    large.write_bytes(bytes(800_000))
    page.set_input_files("#poster-logo", str(large))
    page.wait_for_selector("#notice:has-text('0.7 MB are allowed')")
    assert page.locator("#poster-logo").evaluate("e => e.files.length") == 0
    page.set_input_files("#poster-logo", str(logo))
    page.select_option("#language", "zh")  # what was filled in stays
    page.wait_for_selector("#poster-fields :text('标志')")
    page.select_option("#poster-language", label="español")
    page.click("#poster-make")
    page.wait_for_selector("#poster-save:not([hidden])")
    shown = page.locator("#poster-page").screenshot()
    pixels = np.asarray(Image.open(io.BytesIO(shown)).convert("RGB")).astype(int)
    assert (np.abs(pixels - (250, 0, 250)) < 40).all(2).sum() > 100
    saved = save_of(page, "#poster-save", tmp_path)
    from pypdf import PdfReader

    assert saved.name == "ada-poster.pdf"
    text = PdfReader(saved).pages[0].extract_text()
    assert "Ada Example" in text and "DESAPARECID" in text.upper()
    page.click("#tab-photo")
    page.click("#close-photo")
    page.click("#ask-yes")
    page.click("#tab-poster")  # of a photo that is closed, nothing is left to save
    page.wait_for_selector("#poster-page", state="hidden")
    page.wait_for_selector("#poster-save", state="hidden")


def test_fields_of_the_poster_are_the_reader_s(page: Any) -> None:
    page.select_option("#language", "ar")
    page.wait_for_selector("html[dir=rtl]")  # the fields are made anew when its words come
    page.click("#tab-poster")
    page.fill("#poster-contacts", "+20 2 1234567")
    way = page.locator("#poster-contacts").evaluate("e => [getComputedStyle(e).direction, e.title]")
    assert way == ["ltr", ""]  # and no English beside it
    page.fill("#poster-contacts", "القاهرة")
    assert page.locator("#poster-contacts").evaluate("e => getComputedStyle(e).direction") == "rtl"
    assert page.locator("#poster-born").get_attribute("title") == "2015, 2015-03, 2015-03-17"


def test_fields_of_the_poster_stay_in_the_later_language(page: Any) -> None:
    page.click("#tab-poster")
    page.wait_for_selector("#poster-name")
    held: list[Any] = []
    page.route("**/fields?language=ar", lambda route: held.append(route))
    page.select_option("#language", "ar")
    while not held:
        page.wait_for_timeout(20)
    page.select_option("#language", "zh")
    page.wait_for_selector("#poster-fields :text('标志')")
    with page.expect_response("**/fields?language=ar"):
        held[0].continue_()
    page.wait_for_timeout(200)  # in which they would come
    assert page.locator("#poster-fields :text('标志')").count() == 1


def test_nobody_is_mixed_with_a_photo_that_is_closed(page: Any, photo: Path) -> None:
    open_photo(page, photo)
    page.click("#tab-mix")
    page.wait_for_selector("#mix-result[src]")
    page.click("#tab-photo")
    page.click("#close-photo")
    held: list[Any] = []
    page.route("**/photos/*", lambda route: held.append(route))
    page.click("#ask-yes")
    while not held:
        page.wait_for_timeout(20)
    page.click("#tab-mix")  # while the server closes it
    held[0].continue_()
    page.wait_for_selector("#mix-busy:has-text('open a photo')")
    page.locator("#coarse").evaluate("e => e.dispatchEvent(new Event('input'))")
    assert page.locator("#mix-result[src]").count() == 0 and page.locator("#notice").is_hidden()


@pytest.mark.slow
def test_a_photo_dropped_where_none_is_taken_is_opened(page: Any, photo: Path) -> None:
    page.click("#tab-about")
    drop(page, photo, "image/png")
    page.wait_for_selector("#panel-photo:visible")
    page.wait_for_selector(READY)


@pytest.mark.slow
def test_tabs_show_that_there_are_more(page: Any) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    page.wait_for_selector("#tabs.more-after:not(.more-before)")
    boxes = [tab.bounding_box() for tab in page.locator("#tabs button").all()]
    assert all(one["x"] + one["width"] <= next["x"] for one, next in pairwise(boxes))
    page.click("#tab-about")
    page.wait_for_selector("#tabs.more-before:not(.more-after)")
    page.set_viewport_size({"width": 1280, "height": 640})
    page.wait_for_selector("#tabs:not(.more-before):not(.more-after)")
