"""Damaged copies of every kind of weights that `reage` reads, by a seed.

First the bytes of a file are damaged (bits flipped, cut, blocks moved), then what it says: tensors
swapped, of other types, shapes and values, keys lost and renamed, settings of any size.
"""

from __future__ import annotations

import io
import json
import pickle
import random
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import made_checkpoints
import numpy as np
import stub_networks
import test_face_networks
import test_hyperstyle
import torch
from ground import FAMILIES, Ground
from made_lucidrains import CONFIGS, lucidrains_state
from parts import LONG, ODD, edit_of, latent_of, torch_of
from runner import Case
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from made_fran import NARROW, seeded_fran
from reage.errors import ReageError
from reage.models.checkpoints import load_model, seal
from reage.networks.agers.fran import FranNormed, FranPlain

__all__ = ["cases"]

BYTES, CONTENTS = 6, 12  # damaged copies of each file
INSPECT = ("models", "inspect", "FILE")
CONVERT = ("convert", "FILE", "out/m")


@dataclass(frozen=True)
class Kind:
    """A kind of file: its name, what is in it, how that is written, and what reads it."""

    file: str
    content: Callable[[], Any]
    write: Callable[[Any], bytes]
    commands: tuple[tuple[str, ...], ...]
    folder: Path | None = None  # a model folder that the file belongs into


def cases(ground: Ground, seed: int = 0) -> Iterator[Case]:
    """Damage files of each kind; another seed damages them otherwise."""
    for name, kind in _kinds(ground).items():
        sound = kind.write(kind.content())
        for number in range(BYTES + CONTENTS):
            chance = random.Random(f"{seed} {name} {number}")
            make = partial(_make, kind, sound, number < BYTES, chance)
            argv = [
                a.replace("FILE", kind.file) for a in kind.commands[number % len(kind.commands)]
            ]
            yield Case("checkpoints", f"{name} {number}", argv, make, "any")


def _make(kind: Kind, sound: bytes, bytewise: bool, chance: random.Random, folder: Path) -> None:
    data = _damaged_bytes(sound, chance) if bytewise else None
    while data is None:
        with suppress(RuntimeError, TypeError, ValueError, KeyError, AttributeError, OverflowError):
            data = kind.write(_damaged_content(kind.content(), chance, kind.write is torch_of))
    if kind.folder is not None:
        place = folder / kind.file.split("/")[0]
        place.mkdir()
        for file in kind.folder.iterdir():
            (place / file.name).write_bytes(file.read_bytes())
        (folder / kind.file).write_bytes(data)
        with suppress(ReageError):
            seal(place)
    (folder / kind.file).write_bytes(data)


def _damaged_bytes(sound: bytes, chance: random.Random) -> bytes:
    data = bytearray(sound)
    last = max(len(data) - 64, 1)
    a, b = chance.randrange(last), chance.randrange(last)
    match chance.randrange(9):
        case 0:
            del data[a:]
        case 1:
            del data[a : a + chance.randrange(1, 5000)]
        case 2:
            data[a : a + 512] = bytes(len(data[a : a + 512]))
        case 3:
            data[a : a + 64], data[b : b + 64] = data[b : b + 64], data[a : a + 64]
        case 4:
            data[a:a] = data[b : b + 3000]
        case 5:
            data += chance.randbytes(3000)
        case _:
            near = chance.choice((300, 4000, len(data)))
            for _ in range(chance.choice((1, 1, 2, 5, 50))):
                place = chance.randrange(min(near, len(data)))
                if chance.random() < 0.3:
                    place = len(data) - 1 - place
                data[place] ^= 1 << chance.randrange(8)
    return bytes(data)


def _damaged_content(content: Any, chance: random.Random, views: bool) -> Any:
    if chance.random() < 0.08:
        odd = [content, content]
        return chance.choice((odd, {"state_dict": content}, {"a": odd}, (content,), {1: content}))
    holders: list[Any] = []
    _find(content, holders)
    for _ in range(chance.choice((1, 1, 2, 4))):
        holder = chance.choices(holders, [len(h) ** 0.5 for h in holders])[0]
        _damage(holder, chance, views)
    return content


def _find(value: Any, found: list[Any]) -> None:
    if isinstance(value, dict) and value:
        found.append(value)
        for part in value.values():
            _find(part, found)


def _damage(state: dict[Any, Any], chance: random.Random, views: bool) -> None:
    key = chance.choice(list(state))
    value = state[key]
    if not isinstance(value, Tensor | np.ndarray):
        state[key] = chance.choice([*ODD, torch.zeros(3), 10**30])
        return
    if chance.random() < 0.25:
        _rename(state, key, chance)
        return
    numpy = isinstance(value, np.ndarray)
    tensor = torch.from_numpy(np.array(value)) if numpy else value.detach()
    other = chance.choice([v for v in state.values() if isinstance(v, Tensor | np.ndarray)])
    changed = _changed(tensor, torch.as_tensor(np.array(other)), chance, views)
    state[key] = changed.numpy() if numpy and isinstance(changed, Tensor) else changed


def _rename(state: dict[Any, Any], key: Any, chance: random.Random) -> None:
    value = state[key]
    names = [
        *(f"{key}x", f"x.{key}", f"{key}\n\x1b[31mreage: fine", f"{key}." * 400, 5, None, b"x", ""),
        *("".join(chance.choice("0123456789") if c.isdigit() else c for c in f"{key}"),) * 4,
        "".join(LONG[:30] if c.isdigit() else c for c in f"{key}"),
    ]
    if chance.random() < 0.7:
        del state[key]
    if chance.random() < 0.7 or not state:
        state[chance.choice(names)] = value


def _changed(t: Tensor, other: Tensor, chance: random.Random, views: bool) -> Any:
    """What stands in a tensor's place."""
    flat = t.reshape(-1)
    ways: list[Callable[[], Any]] = [
        lambda: other,
        lambda: t.transpose(0, -1).contiguous() if t.ndim else t[None],
        lambda: flat.clone(),
        lambda: t[None].clone(),
        lambda: torch.cat([t, t]) if t.ndim else t.expand(3).clone(),
        lambda: torch.cat([t, t], -1) if t.ndim else t,
        lambda: t[:0].clone() if t.ndim else torch.zeros(0),
        lambda: torch.zeros((0, *t.shape)),
        lambda: t.reshape(*t.shape, *[1] * 20),
        lambda: t.to(torch.int8),
        lambda: t.double(),
        lambda: t.bfloat16(),
        lambda: t.half() * 60000,
        lambda: t.to(torch.complex64),
        lambda: t.bool(),
        lambda: t.to(torch.float8_e4m3fn),
        lambda: torch.full_like(t.float(), float("nan")),
        lambda: torch.where(torch.arange(len(flat)) == len(flat) // 2, torch.inf, flat).view(
            t.shape
        ),
        lambda: t.float() * 1e30,
        lambda: torch.full_like(t.float(), -3e38),
        lambda: t.double() * 1e300,
        lambda: t * 0,
        lambda: -t,
        lambda: flat[:1].expand(t.shape) if len(flat) else t,
        lambda: torch.zeros(1).expand(10**5, 10**5) if views else -t,
        lambda: torch.zeros(1).expand(1, 8192, 8192, 3, 3) if views else t.float() - 1,
        lambda: t.to_sparse(),
        lambda: torch.quantize_per_tensor(t.float(), 0.1, 0, torch.qint8),
        lambda: torch.nested.nested_tensor([flat[:2], flat[:3]]),
        lambda: torch.zeros(t.shape, device="meta"),
        lambda: torch.nn.Parameter(t.float()),
        lambda: [t, t],
        lambda: {"a": t},
        lambda: chance.choice(ODD),
        lambda: flat.tolist()[:500],
        lambda: t.float().numpy(),
        lambda: torch.zeros(()),
        lambda: torch.randn((8192, *t.shape[1:]) if t.ndim < 3 and t.numel() < 5000 else t.shape),
    ]
    return chance.choice(ways)()


def _kinds(ground: Ground) -> dict[str, Kind]:
    """Small files of all kinds."""
    edit = ("edit", str(ground.photo), "--to=60", "-o", "out", "--model=FILE", "--quality=fast")
    used = (INSPECT, CONVERT, (*edit, "--direction=sefa:1"))
    held: dict[str, Kind] = {}
    for family in ("rosinality", "mmgen"):
        content = partial(_loaded, ground.data(ground.foreign(family)))
        held[family] = Kind(f"a{FAMILIES[family]}", content, torch_of, used)
    paddle = partial(pickle.loads, ground.data(ground.foreign("paddlegan")))
    held["paddlegan"] = Kind("a.pdparams", paddle, pickle.dumps, used)
    model = load_model(ground.model).generator
    sys.modules |= stub_networks.persistence_modules()  # pickles name them

    def network() -> dict[str, Any]:
        tensors = stub_networks.with_filters(model)
        return {"tensors": tensors, "attributes": dict(stub_networks.ATTRIBUTES)}

    held["nvidia"] = Kind("a.pkl", network, lambda c: pickle.dumps({"G_ema": _stub(c)}), used)
    held["pti"] = Kind("a.pt", network, lambda c: torch_of(_stub(c)), used)
    for family in made_checkpoints.FAMILIES:
        content = partial(made_checkpoints.published, family)
        held[family] = Kind("a.pt", content, torch_of, used)
    held["old torch"] = Kind("a.pt", held["e4e"].content, _old_torch_of, used)
    for name in test_hyperstyle.KINDS:
        content = partial(test_hyperstyle.checkpoint, name)
        held[f"hyperstyle {name}"] = Kind("a.pt", content, torch_of, used)
    for name in CONFIGS:
        content = lambda n=name: {"GAN": lucidrains_state(n), "version": "1.9.0"}  # noqa: E731
        held[f"lucidrains {name}"] = Kind("model_7.pt", content, torch_of, used)
    for network_of in (FranPlain, FranNormed):
        content = lambda n=network_of: OrderedDict(seeded_fran(n(NARROW)).state_dict())  # noqa: E731
        held[network_of.__name__] = Kind("a.pth", content, torch_of, (INSPECT, edit))
    golden = dict(np.load(test_face_networks.GOLDEN))
    held["arcface"] = Kind(
        "a.pth", lambda: test_face_networks.arcface_state(golden), torch_of, (INSPECT,)
    )
    held["dex"] = Kind(
        "a.pth", lambda: {"state_dict": test_face_networks.dex_state(golden)}, torch_of, (INSPECT,)
    )
    return held | _own_kinds(ground)


def _own_kinds(ground: Ground) -> dict[str, Kind]:
    """reage's own files."""
    edit = (*edit_of(ground), "--direction=FILE")
    folder = ("edit", str(ground.photo), "--to=60", "-o", "out", "--model=m", "--quality=fast")
    held = {}
    for name, path, argv in (
        ("direction", ground.direction, edit),
        ("ager", ground.ager, edit),
    ):
        held[name] = Kind(path.name, partial(_opened, path), _safetensors, (argv,))
    generator = partial(_opened, ground.model / "generator.safetensors")
    held["folder's generator"] = Kind(
        "m/generator.safetensors", generator, _safetensors, (folder,), ground.model
    )
    held["folder's direction"] = Kind(
        "m/age.direction.safetensors", held["direction"].content, _safetensors, (folder,),
        ground.model,
    )  # fmt: skip
    hash_ = load_model(ground.model).generator_hash
    codes = lambda: {  # noqa: E731
        "ws": torch.zeros(2, 8, 32),
        "__metadata__": {
            "latents": json.dumps(
                {"kind": "reage-latents", "format": 1, "generator_hash": hash_, "provenance": {}}
            )
        },
    }
    held["codes"] = Kind("c.safetensors", codes, _safetensors, (latent_of(ground, "FILE"),))
    for suffix, content in (
        (".pt", lambda: {"a.jpg": {"img": torch.zeros(3, 8, 8), "latent": torch.zeros(8, 32),
                                   "noise": [torch.zeros(1, 1, 4, 4)]}}),
        (".pkl", lambda: {"w": np.zeros((1, 8, 32), np.float32), "names": {"a": np.zeros(3)}}),
    ):  # fmt: skip
        write = torch_of if suffix == ".pt" else pickle.dumps
        held[f"codes{suffix}"] = Kind(f"c{suffix}", content, write, (latent_of(ground, "FILE"),))
    tuned = lambda: {  # noqa: E731
        "pivot": torch.zeros(1, 8, 32),
        "synthesis.b32.torgb.bias": torch.zeros(3),
        "synthesis.b32.conv1.bias": torch.zeros(8),
        "__metadata__": {"kind": "reage-tuning", "generator_hash": hash_},
    }
    held["tuning"] = Kind(
        "t.safetensors", tuned, _safetensors,
        (edit_of(ground, "--paste=replace", "--tuned=FILE"),),
    )  # fmt: skip
    return held


def _loaded(data: bytes) -> Any:
    return torch.load(io.BytesIO(data), weights_only=False)


def _old_torch_of(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def _opened(path: Path) -> dict[str, Any]:
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return {**tensors, "__metadata__": dict(file.metadata() or {})}


def _safetensors(content: Any) -> bytes:
    held = dict(content)
    metadata = held.pop("__metadata__", None)
    texts = {
        str(k): v if isinstance(v, str) else json.dumps(v) for k, v in (metadata or {}).items()
    }
    return save({str(k): v.contiguous() for k, v in held.items()}, texts or None)


def _stub(content: dict[str, Any]) -> Any:
    """A network of stubs; what is no tensor stands among its attributes."""
    held = content["tensors"]
    tensors = {k: v for k, v in held.items() if isinstance(v, Tensor) and v.is_floating_point()}
    others = {k: v for k, v in held.items() if k not in tensors}
    network = stub_networks.network(tensors, content["attributes"])
    for name, value in others.items():
        network._buffers[name] = value
    return network
