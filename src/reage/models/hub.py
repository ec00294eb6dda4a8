"""Model folders of the Hugging Face Hub by name: hf://owner/name, or hf://owner/name@revision.

By urllib, since two documented addresses are all that is needed of it. Only safetensors and
config.json are fetched. What was fetched first stays: the commit and each file's SHA-256 are
written beside the files, a later load needs no network and is refused when a file has changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reage.errors import ModelError
from reage.files import new_folder
from reage.models.fetching import fetch, reason_of
from reage.models.files import file_sha256
from reage.numbers import is_whole, read_json

__all__ = ["SCHEME", "Pinned", "hub_model", "origin", "read_pins"]

SCHEME = "hf://"
ENDPOINT = "https://huggingface.co"
NAME = re.compile(r"hf://([\w-][\w.-]*/[\w-][\w.-]*)(?:@([\w-][\w./-]*))?")
WANTED = re.compile(r"config\.json|[\w-][\w.-]*\.safetensors")
PICKLES = (".bin", ".ckpt", ".pdparams", ".pickle", ".pkl", ".pt", ".pth")
PINS = "pins.json"
LARGEST = 4 << 30  # bytes of one file; a 1024-px generator has 0.12
LISTING = 16 << 20  # bytes of the hub's list of files
# What a bad connection or a malformed answer raises.
BROKEN = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, EOFError)

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Listed:
    """A file as the hub lists it."""

    name: str
    size: int
    sha256: str | None  # of large files
    blob: str | None  # Git's SHA-1, of small ones


@dataclass(frozen=True)
class Pinned:
    """What was fetched for a name, and is checked at each load."""

    repository: str
    revision: str  # as it was asked for
    commit: str  # what that was then
    sha256: Mapping[str, str]  # by file


def hub_model(name: str, folder: Path, progress: Progress | None = None) -> Path:
    """The folder of a hub model under `folder`, or its one safetensors file; fetched once."""
    match = NAME.fullmatch(name)
    if match is None or ".." in name:
        raise ModelError(f"{name!r} is not hf://OWNER/NAME or hf://OWNER/NAME@REVISION")
    repository, revision = match[1], match[2] or "main"
    place = folder / "hub" / repository.replace("/", "--") / revision.replace("/", "--")
    if not (place / PINS).is_file():
        try:
            _fetch_all(repository, revision, place, progress)
        except BROKEN as error:
            raise ModelError(
                f"cannot fetch {name} from {_endpoint()}: {reason_of(error)}"
            ) from error
    return _check_pins(name, place)


def read_pins(path: Path) -> Pinned:
    """Read the pins of a folder from `hub_model`; ModelError if they cannot be read."""
    place = path if path.is_dir() else path.parent
    try:
        known = read_json((place / PINS).read_bytes())
        names = ("repository", "revision", "commit", "sha256")
        pins = Pinned(*(known[name] for name in names))
        if not all(isinstance(part, str) for pair in pins.sha256.items() for part in pair):
            raise ValueError("its hashes are no texts")
        return pins
    except BROKEN as error:
        raise ModelError(f"{place} is damaged; delete it to fetch the model again") from error


def origin(name: str) -> str:
    """Name a model's origin for its card: its name on the hub, else its file name."""
    return name if name.startswith(SCHEME) else Path(name).name


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")


def _check_pins(name: str, place: Path) -> Path:
    """Compare the files with the hashes recorded when they were fetched."""
    try:
        pins = read_pins(place).sha256
        changed = [file for file, sha256 in pins.items() if file_sha256(place / file) != sha256]
    except (*BROKEN, ModelError) as error:
        raise ModelError(f"{place} is damaged; delete it to fetch {name} again") from error
    if changed:
        raise ModelError(
            f"{place / changed[0]} is not what was fetched (SHA-256); delete {place} to fetch "
            f"{name} again"
        )
    return place if "config.json" in pins else place / next(iter(pins))


def _fetch_all(repository: str, revision: str, place: Path, progress: Progress | None) -> None:
    quoted = urllib.parse.quote(revision, safe="")
    listing = _get_json(f"{_endpoint()}/api/models/{repository}/revision/{quoted}?blobs=true")
    commit = str(listing["sha"])
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise ValueError(f"the commit is {commit[:60]!r}")
    files = _choose(listing["siblings"], repository)
    with new_folder(place) as temporary:
        total, before = sum(file.size for file in files), 0
        pins = {}
        for file in files:
            done = before
            report = None if progress is None else lambda n, done=done: progress(done + n, total)
            url = f"{_endpoint()}/{repository}/resolve/{commit}/{file.name}"
            pins[file.name] = _download(url, file, temporary / file.name, report)
            before += file.size
        known = {"repository": repository, "revision": revision, "commit": commit, "sha256": pins}
        known["files"] = [asdict(file) for file in files]
        (temporary / PINS).write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


def _choose(siblings: Any, repository: str) -> list[Listed]:
    """Choose the files to fetch; ModelError if no model can be loaded safely."""
    names = [str(item["rfilename"]) for item in siblings]
    chosen = [_read_entry(item) for item in siblings if WANTED.fullmatch(str(item["rfilename"]))]
    weights = [file for file in chosen if file.name != "config.json"]
    if not weights:
        pickles = [name for name in names if name.endswith(PICKLES)]
        if pickles:
            raise ModelError(
                f"hf://{repository} has its weights as pickles only ({pickles[0]}), which are not "
                "fetched: download that file yourself and give its path, or ask for safetensors"
            )
        raise ModelError(f"hf://{repository} holds no safetensors; is it a model of faces?")
    if len(chosen) == len(weights) > 1:
        raise ModelError(
            f"hf://{repository} has {len(weights)} safetensors files and no config.json that says "
            "which is the generator; download one and give its path"
        )
    for file in chosen:
        if not is_whole(file.size, 1, LARGEST):
            raise ModelError(
                f"hf://{repository}: {file.name} has {file.size!r:.30} bytes; not fetched"
            )
    return chosen


def _read_entry(item: dict[str, Any]) -> Listed:
    large = item.get("lfs") or {}
    return Listed(str(item["rfilename"]), item["size"], large.get("sha256"), item.get("blobId"))


def _request(url: str) -> urllib.request.Request:
    request = urllib.request.Request(url, headers={"User-Agent": "reage"})
    token = os.environ.get("HF_TOKEN")
    if token:  # for the hub alone: its files lie elsewhere, where it redirects to
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    return request


def _get_json(url: str) -> dict[str, Any]:
    data = b"".join(fetch(_request(url), LISTING))
    if len(data) > LISTING:
        raise ValueError("its list of files has no end")
    return read_json(data)


def _download(url: str, file: Listed, path: Path, report: Callable[[int], None] | None) -> str:
    """Fetch one file and compare it with what the hub says of it; its SHA-256."""
    digest, blob, done = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % file.size), 0
    with path.open("wb") as out:
        for chunk in fetch(_request(url), file.size):
            done += len(chunk)
            out.write(chunk)
            digest.update(chunk)
            blob.update(chunk)
            if report is not None:
                report(done)
    found = digest.hexdigest()
    wrong = (file.sha256 is not None and file.sha256 != found) or (
        file.sha256 is None and file.blob is not None and file.blob != blob.hexdigest()
    )
    if done != file.size or wrong:
        raise ModelError(
            f"what {url} sent is not {file.name}: {done} bytes of {file.size}, SHA-256 "
            f"{found[:12]}...; nothing was kept, try again"
        )
    return found
