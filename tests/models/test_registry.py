"""Names, the user's folder, downloads, and the embedded model."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

from reage.errors import ModelError
from reage.models import registry
from reage.models.checkpoints import Alignment, Model, ModelConfig, save_model, tensor_hash
from reage.models.families.table import write_foreign
from reage.models.registry import KNOWN, KnownModel, find_model, list_models, load, model_card
from reage.networks.stylegan2.generator import Generator

pytestmark = pytest.mark.quick


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "models"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path, tiny: Generator, tiny_config: ModelConfig) -> Iterator[KnownModel]:
    """A known model on a local server."""
    root = tmp_path / "served"
    write_foreign(Model(tiny_config, tiny, None, ""), root / "file.pt", "rosinality")
    data = (root / "file.pt").read_bytes()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=root))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield KnownModel(
        name="remote",
        url=f"http://127.0.0.1:{server.server_port}/file.pt",
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        licence="CC0-1.0",
        alignment=Alignment(0.9, 0.15),
        metrics={"fid": 3},
    )
    server.shutdown()
    server.server_close()


def changed(row: KnownModel, **changes: object) -> KnownModel:
    return KnownModel(**{**vars(row), **changes})  # type: ignore[arg-type]


def test_the_embedded_model_loads():
    model = load("faces128")
    assert model.config.alignment == Alignment(0.70, 0.22)
    assert model.config.generator.resolution == 128
    assert model.generator_hash == tensor_hash(model.generator.state_dict())
    with torch.no_grad():
        ws = model.generator.mapping.w_avg.expand(1, model.generator.num_ws, -1)
        image = model.generator.synthesize(ws)
    assert image.shape == (1, 3, 128, 128)
    assert image.isfinite().all()
    assert 0.1 < image.std() < 1


def test_the_card_names_data_and_licence():
    card = model_card("faces128")
    measured = f"{load('faces128').config.metrics['encoder_psnr_db']} dB"
    for words in ("FairFace", "Government Publishing Office", "CC BY 4.0", "Limits", measured):
        assert words in card


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ModelError, match="no model 'faces129': known are faces128, ffhq1024"):
        load("faces129")


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/nowhere/at/all.pkl"])
def test_odd_names_are_refused(name: str):
    with pytest.raises(ModelError):
        find_model(name)


def test_folders_and_files_by_path(tmp_path: Path, tiny: Generator, tiny_config: ModelConfig):
    folder = save_model(tiny_config, tiny, tmp_path / "m", card="card", dtype=torch.float32)
    assert load(folder).generator_hash == tensor_hash(tiny.state_dict())
    assert load(str(folder)).config.name == "tiny"
    assert model_card(folder) == "card"
    for name, layout in (
        ("a.pt", "rosinality"),
        ("a.safetensors", "rosinality"),
        ("a.pkl", "nvidia"),
    ):
        write_foreign(load(folder), tmp_path / name, layout)
        model = load(tmp_path / name)
        assert model.folder is None
        assert model.config.name == "a"
        assert model.config.alignment == Alignment()  # FFHQ's, the convention
        assert model.generator_hash == tensor_hash(tiny.state_dict())
    with pytest.raises(ModelError, match="no model card"):
        model_card(tmp_path / "a.pt")


def test_models_of_the_user_are_found(home: Path, tiny: Generator, tiny_config: ModelConfig):
    save_model(tiny_config, tiny, home / "mine", card="")
    write_foreign(load("mine"), home / "other.pt", "rosinality")
    (home / "broken").mkdir()
    (home / "broken" / "config.json").write_text("{")
    assert load("mine").config.name == "tiny"
    assert load("other").config.name == "other"
    names = {info.name: info.source for info in list_models()}
    assert names == {"faces128": "embedded", "mine": "installed", "ffhq1024": "download"}
    with pytest.raises(ModelError, match="not JSON"):
        load("broken")


def test_a_home_that_nobody_knows_is_a_name_like_others(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REAGE_HOME", "~nobody-here/x")
    assert registry.models_folder() == Path("~nobody-here/x/models")
    assert next(info.name for info in list_models()) == "faces128"
    with pytest.raises(ModelError, match="no model '~nobody-here/model'"):
        load("~nobody-here/model")


def test_home_folders(monkeypatch: pytest.MonkeyPatch, home: Path):
    assert registry.models_folder() == home
    monkeypatch.delenv("REAGE_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert registry.models_folder() == Path("/data/reage/models")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert registry.models_folder() == Path.home() / ".local" / "share" / "reage" / "models"


def test_a_known_model_is_fetched_once(served: KnownModel, home: Path, tiny: Generator):
    seen: list[tuple[int, int]] = []
    model = load("remote", known=[served], progress=lambda *pair: seen.append(pair))
    assert seen[-1] == (served.size, served.size)
    assert model.generator_hash == tensor_hash(tiny.state_dict())
    assert model.config.alignment == served.alignment
    assert (model.config.licence, model.config.metrics) == ("CC0-1.0", {"fid": 3})
    assert [p.name for p in home.iterdir()] == ["remote.pt"]
    gone = changed(served, url="http://127.0.0.1:1/file.pt")
    assert load("remote", known=[gone]).generator_hash == model.generator_hash
    (info,) = [i for i in list_models([served]) if i.name == "remote"]
    assert info.path == home / "remote.pt"


@pytest.mark.parametrize("wrong", [{"sha256": "0" * 64}, {"size": 10}, {"size": 10**9}])
def test_what_is_not_the_known_file_is_not_kept(
    served: KnownModel, home: Path, wrong: dict[str, object]
):
    with pytest.raises(ModelError, match="nothing was kept"):
        load("remote", known=[changed(served, **wrong)])
    assert not list(home.iterdir())


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x.pt", "nonsense", "{}/missing.pt"])
def test_failed_downloads_say_why(served: KnownModel, home: Path, url: str):
    row = changed(served, url=url.format(served.url.rpartition("/")[0]))
    with pytest.raises(ModelError, match="cannot fetch remote"):
        load("remote", known=[row])
    assert not list(home.iterdir())


def test_a_changed_download_is_refused(served: KnownModel, home: Path):
    home.mkdir(parents=True)
    (home / "remote.pt").write_bytes(bytes(served.size))
    with pytest.raises(ModelError, match="delete it"):
        load("remote", known=[served])


def test_known_rows_are_sound():
    assert len({row.name for row in KNOWN}) == len(KNOWN)
    for row in KNOWN:
        assert row.url.startswith("https://")
        assert len(bytes.fromhex(row.sha256)) == 32
