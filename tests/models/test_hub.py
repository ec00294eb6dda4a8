"""hf://owner/name against a local server that answers as the hub does."""

from __future__ import annotations

import errno
import hashlib
import http.server
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from reage.cli.main import main
from reage.errors import ModelError
from reage.models import fetching
from reage.models import hub as hub_module
from reage.models.checkpoints import ModelConfig, save_model
from reage.models.families.rosinality import write as write_rosinality
from reage.models.files import tensor_hash
from reage.models.registry import find_model, load
from reage.networks.stylegan2.generator import Generator

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """What the server has, what was asked of it, and what it does wrong."""

    def __init__(self, root: Path):
        self.root = root
        self.asked: list[str] = []
        self.tokens: list[tuple[str, str | None]] = []
        self.large = True  # files are stored as LFS, with a SHA-256
        self.spoil = b""
        self.listed: dict[str, int] = {}  # other sizes than the true ones

    def listing(self) -> dict[str, object]:
        siblings = []
        for path in sorted(self.root.iterdir()):
            data = path.read_bytes()
            size = self.listed.get(path.name, len(data))
            blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            item: dict[str, object] = {"rfilename": path.name, "size": size, "blobId": blob}
            if self.large and path.suffix == ".safetensors":
                item["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": size}
            siblings.append(item)
        return {"id": "someone/faces", "sha": COMMIT, "siblings": siblings}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    (tmp_path / "hub").mkdir()
    hub = Hub(tmp_path / "hub")

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            hub.asked.append(self.path)
            hub.tokens.append((self.path, self.headers.get("Authorization")))
            name = self.path.rpartition("/")[2]
            if self.path.startswith("/api/models/someone/faces/revision/"):
                self.answer(json.dumps(hub.listing()).encode())
            elif self.path == f"/someone/faces/resolve/{COMMIT}/{name}":
                self.send_response(302)
                self.send_header("Location", f"/storage/{name}")
                self.end_headers()
            elif self.path.startswith("/storage/"):
                self.answer((hub.root / name).read_bytes() + hub.spoil)
            else:
                self.send_error(404)

        def answer(self, data: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    yield hub
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(hub: Hub, tiny: Generator, tiny_config: ModelConfig) -> Hub:
    hub.root.rmdir()
    save_model(tiny_config, tiny, hub.root, card="card", dtype=torch.float32)
    (hub.root / "model.pkl").write_bytes(b"never fetched")
    return hub


def test_a_folder_is_fetched_once_and_pinned(
    folder: Hub, tiny: Generator, monkeypatch: pytest.MonkeyPatch
):
    model = load("hf://someone/faces")
    assert model.generator_hash == tensor_hash(tiny.state_dict())
    assert sum("storage" in path for path in folder.asked) == 2  # config.json and the weights
    assert not any("pkl" in path or "README" in path for path in folder.asked)
    assert model.folder is not None
    pins = json.loads((model.folder / "pins.json").read_text())
    assert pins["commit"] == COMMIT
    assert set(pins["sha256"]) == {"config.json", "generator.safetensors"}
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")  # from here on offline
    assert load("hf://someone/faces").generator_hash == model.generator_hash
    with pytest.raises(ModelError, match="cannot fetch hf://someone/faces@v2"):
        load("hf://someone/faces@v2")


def test_revisions_are_asked_for_and_kept_apart(folder: Hub):
    first, second = find_model("hf://someone/faces"), find_model("hf://someone/faces@pr/1")
    assert first != second
    assert folder.asked[-3 - 2].endswith("/revision/pr%2F1?blobs=true")


def test_a_single_file_of_another_program_is_a_model(hub: Hub, tiny: Generator):
    write_rosinality(tiny.config, tiny.state_dict(), hub.root / "ffhq.safetensors")
    (hub.root / "README.md").write_text("card")
    model = load("hf://someone/faces")
    assert model.config.generator == tiny.config


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code, *capsys.readouterr()


@pytest.mark.parametrize("single", [False, True])
def test_it_is_converted_and_inspected_where_a_file_is(
    folder: Hub, tiny: Generator, tmp_path: Path, capsys: pytest.CaptureFixture[str], single: bool
):
    weights = "generator.safetensors"
    if single:  # in rosinality's layout, and nothing that says so
        for path in folder.root.iterdir():
            path.unlink()
        weights = "ffhq.safetensors"
        write_rosinality(tiny.config, tiny.state_dict(), folder.root / weights)
    status, out, _ = run(capsys, "models", "inspect", "hf://someone/faces")
    assert status == 0
    sha256 = hashlib.sha256((folder.root / weights).read_bytes()).hexdigest()
    assert f"someone/faces, revision main, commit {COMMIT}" in out
    assert f"{sha256}  {weights}" in out
    assert "32 px, channels 16 16 16 8" in out
    asked = len(folder.asked)
    for target in ("my-model", "my-model.pt"):
        assert run(capsys, "convert", "hf://someone/faces", tmp_path / target)[0] == 0
        made = load(tmp_path / target)
        for name, tensor in tiny.state_dict().items():
            assert torch.allclose(made.generator.state_dict()[name], tensor, rtol=1e-5), name
    assert len(folder.asked) == asked  # it was fetched and pinned by the first command
    assert "Converted from hf://someone/faces." in (tmp_path / "my-model/README.md").read_text()


@pytest.mark.parametrize(
    "command",
    [("convert", "hf://someone/faces", "out"), ("models", "inspect", "hf://someone/faces")],
)
def test_the_commands_refuse_a_changed_file_too(
    folder: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...],
):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    weights = find_model("hf://someone/faces") / "generator.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    status, _, err = run(capsys, *command)
    assert status == 1
    assert "generator.safetensors is not what was fetched" in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("large", [True, False])
def test_what_differs_from_the_hub_s_word_is_not_kept(folder: Hub, tmp_path: Path, large: bool):
    folder.large = large
    listing = folder.listing()
    path = folder.root / "generator.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # as long as it was
    folder.listing = lambda: listing  # type: ignore[method-assign]
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"is not generator\.safetensors"):
        load("hf://someone/faces")
    assert not list((tmp_path / "home").rglob("*.safetensors"))


def test_longer_answers_and_huge_files_are_refused(folder: Hub):
    folder.spoil = b"x"
    with pytest.raises(ModelError, match="nothing was kept"):
        load("hf://someone/faces")
    folder.spoil, folder.listed = b"", {"generator.safetensors": 1 << 40}
    with pytest.raises(ModelError, match="1099511627776 bytes; not fetched"):
        load("hf://someone/faces")


def test_a_changed_file_is_refused(folder: Hub):
    path = find_model("hf://someone/faces") / "config.json"
    path.write_text(path.read_text() + " ")
    with pytest.raises(ModelError, match=r"config\.json is not what was fetched"):
        load("hf://someone/faces")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["pytorch_model.bin", "config.json"], "pickles only .pytorch_model.bin"),
        (["README.md"], "no safetensors"),
        (["a.safetensors", "b.safetensors"], "2 safetensors files and no config.json"),
        ([".hidden.safetensors"], "no safetensors"),
    ],
)
def test_folders_without_one_safe_model_are_refused(hub: Hub, files: list[str], message: str):
    for name in files:
        (hub.root / name).write_bytes(b"some bytes")
    with pytest.raises(ModelError, match=message):
        load("hf://someone/faces")
    assert not any("storage" in path for path in hub.asked)


@pytest.mark.parametrize("siblings", [[{"rfilename": "../../x.safetensors", "size": 3}], 3, [{}]])
def test_odd_listings_are_refused(hub: Hub, tmp_path: Path, siblings: object):
    hub.listing = lambda: {"sha": COMMIT, "siblings": siblings}  # type: ignore[method-assign]
    with pytest.raises(ModelError):
        load("hf://someone/faces")
    assert not list(tmp_path.rglob("x.safetensors"))


def test_answers_that_are_no_listing_are_refused(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(json, "dumps", lambda _: "[" * 100_000)
    with pytest.raises(ModelError, match="cannot fetch hf://someone/faces"):
        load("hf://someone/faces")


def test_a_listing_without_an_end_is_not_read(folder: Hub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hub_module, "LISTING", 100)
    with pytest.raises(ModelError, match="its list of files has no end"):
        load("hf://someone/faces")
    assert not any("storage" in path for path in folder.asked)


def test_a_file_without_an_end_is_not_read(folder: Hub, monkeypatch: pytest.MonkeyPatch):
    """The body goes on for 64 MiB after what was listed; it is left soon after that."""
    folder.spoil = b"x" * (64 << 20)
    read: list[int] = []
    monkeypatch.setattr(fetching, "CHUNK", 1 << 16)
    with pytest.raises(ModelError, match="nothing was kept"):
        find_model("hf://someone/faces", progress=lambda done, _: read.append(done))
    assert max(read) < 1 << 20


def test_a_full_disk_is_said_without_an_unfinished_name(
    folder: Hub, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/models/.0123.part/config.json")

    monkeypatch.setattr(hub_module, "_download", full)
    with pytest.raises(ModelError, match=r"from http://127\.0\.0\.1:\d+: No space left on device$"):
        load("hf://someone/faces")


def test_the_token_goes_to_the_hub_alone(folder: Hub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    load("hf://someone/faces")
    stored = {path.startswith("/storage/"): token for path, token in folder.tokens}
    assert stored == {True: None, False: "Bearer secret"}
    for path, token in folder.tokens:
        assert token == stored[path.startswith("/storage/")], path


@pytest.mark.parametrize(
    "name", ["hf://", "hf://faces", "hf://a/b/c", "hf://../x", "hf://a/b@../c"]
)
def test_odd_names_are_refused(hub: Hub, name: str):
    with pytest.raises(ModelError, match="OWNER/NAME"):
        load(name)
    assert hub.asked == []
