"""Project files: with codes and without, of other agers and generators, of the first format."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from made_fran import known_fran, save_state
from reage.editor import Editor, load
from reage.errors import LatentError
from reage.images import decode_photo, encode_photo, photo_from_array
from reage.outputs.project import Project, open_project, pack_project

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def small_editor(small_folder: Path) -> Editor:
    return load(small_folder, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def portrait(astronaut: np.ndarray) -> bytes:
    return encode_photo(photo_from_array(astronaut), "PNG", None)[0]


def begun(editor: Editor, portrait: bytes) -> Project:
    photo = decode_photo(portrait, "ada.png")
    return Project("ada.png", portrait, photo, editor.choose_faces(photo), chosen=(1,))


def with_code(editor: Editor, project: Project) -> Project:
    (face,) = editor.invert(project.photo, project.faces, quality="fast", paste="delta")
    return replace(project, codes={1: face}, paste="replace")


def members(data: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts: Members, **changed: Any) -> bytes:
    known = {**json.loads(parts["project.json"]), **changed}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in {**parts, "project.json": json.dumps(known).encode()}.items():
            archive.writestr(name, data)
    return file.getvalue()


def of_format_1(data: bytes) -> bytes:
    """The same as the first format had it."""
    parts = members(data)
    known = json.loads(parts["project.json"])
    faces = [
        {"number": face["number"], "score": face["score"], **face["code"]}
        for face in known["faces"]
    ]
    for name in ("fingerprint", "paste"):
        del known[name]
    parts["project.json"] = json.dumps(known).encode()
    return packed(parts, format=1, faces=faces)


def test_faces_without_codes_are_kept(editor: Editor, portrait: bytes) -> None:
    project = replace(begun(editor, portrait), edits={"now": 0}, quality="best", seed=7)
    data = pack_project(editor, project)
    assert pack_project(editor, project) == data  # same work, same bytes
    again = open_project(editor, data)
    assert (again.chosen, again.codes, again.notices) == ([1], {}, ())
    assert (again.edits, again.quality, again.seed) == ({"now": 0}, "best", 7)
    assert (again.faces[1].points == project.faces[1].points).all()
    before, after = (
        editor.trace(one.photo, editor.prepare(one.photo, one.faces)).edit(60.0)
        for one in (project, again)
    )
    assert (before.photo.pixels == after.photo.pixels).all()


def test_codes_are_kept_with_their_masks(small_editor: Editor, portrait: bytes) -> None:
    project = with_code(small_editor, begun(small_editor, portrait))
    again = open_project(small_editor, pack_project(small_editor, project))
    one, other = project.codes[1], again.codes[1]
    assert torch.equal(one.ws, other.ws) and torch.equal(one.base, other.base)
    assert (one.view.mask == other.view.mask).all()
    assert again.paste == "replace" and again.notices == ()
    assert one.inversion is not None and other.inversion is not None
    assert other.inversion.steps == one.inversion.steps


def test_another_ager_is_said_in_one_line(editor: Editor, portrait: bytes) -> None:
    data = pack_project(editor, begun(editor, portrait))
    (notice,) = open_project(replace(editor, grey_hair=False), data).notices
    assert "another ager" in notice and "\n" not in notice


def test_another_generator_is_refused_only_for_codes(
    editor: Editor, small_editor: Editor, portrait: bytes
) -> None:
    project = begun(small_editor, portrait)
    (notice,) = open_project(editor, pack_project(small_editor, project)).notices
    assert "model small" in notice
    coded = pack_project(small_editor, with_code(small_editor, project))
    with pytest.raises(LatentError, match=r"was made with the model small .* --model"):
        open_project(editor, coded)


def test_an_ager_without_codes_opens_what_holds_none(
    small_editor: Editor, portrait: bytes, tmp_path: Path
) -> None:
    fran = load(save_state(known_fran(), tmp_path / "fran.pt"), device="cpu")
    project = begun(small_editor, portrait)
    assert open_project(fran, pack_project(small_editor, project)).chosen == [1]
    with pytest.raises(LatentError, match="holds its latent codes"):
        open_project(fran, pack_project(small_editor, with_code(small_editor, project)))


def test_a_file_of_the_first_format_opens(small_editor: Editor, portrait: bytes) -> None:
    project = with_code(small_editor, begun(small_editor, portrait))
    again = open_project(small_editor, of_format_1(pack_project(small_editor, project)))
    assert again.chosen == [1] and again.notices == ()
    assert torch.equal(again.codes[1].ws, project.codes[1].ws)


@pytest.mark.parametrize(
    "changed",
    [
        {"format": 3},
        {"faces": []},
        {"paste": "elsewhere"},
        {"quality": "worst"},
        {"faces": [{"number": 1, "score": 1.0, "chosen": False}]},
        {"faces": [{"number": 9, "score": 1.0, "chosen": True}]},
        {"fingerprint": None, "photo": {"name": "ada.png", "sha256": "0"}},
    ],
)
def test_what_is_not_understood_is_refused(
    editor: Editor, portrait: bytes, changed: Mapping[str, Any]
) -> None:
    data = pack_project(editor, begun(editor, portrait))
    with pytest.raises(LatentError, match="project"):
        open_project(editor, packed(members(data), **changed))
