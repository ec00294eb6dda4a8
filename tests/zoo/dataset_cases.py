"""Datasets, tables, lists of pairs and heads, stored codes and run folders that are odd."""

from __future__ import annotations

import io
import json
import random
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ground import FACES, SIDE, Ground, Table, png_of, table_bytes, write_faces, write_tar
from parts import DEEP, HUGE, LONG, NESTED, ODD, torch_of
from PIL import Image
from runner import Case
from safetensors.torch import save

from reage.models.checkpoints import load_model

__all__ = ["cases"]

KIND = "datasets"
# What may stand in a cell of a table.
CELLS = [
    *("nan", "inf", "-5", "1e400", "x", LONG, "30-", "-", "+", "3-2", "\u0663", "1_0", "0x5"),
    *(
        "a\0b",
        "\udcff",
        "a" * 200_000,
        '"',
        "9" * 400,
        "-0-0",
        "1e5-1e6",
        "nan+",
        "12+3",
        " ",
        "1,5",
    ),
]
NUMBERS = ("age", "age_bin", "yaw", "padding", "apparent_age")


def cases(ground: Ground) -> Iterator[Case]:
    commands = {
        "train": (
            *("train", "encoder", str(ground.encoding), "--data=d", "--run=out/r", "--kimg=0.004"),
            *("--set", "batch=4", "--threads=1", "--device=cpu"),
        ),
        "fit": (
            *("fit", str(ground.model), "--data=d", "--faces=6", "--steps=1", "--components=2"),
            *("-o", "out/d.direction.safetensors"),
        ),
        "people": ("people", str(ground.encoding), "--data=d", "--components=2", "-o", "out/p"),
        "evaluate": (
            *("evaluate", str(ground.encoding), "--data=d", "--split=train", "--faces=2"),
            *("--samples=4", "--steps=0", "--ages=20:60:40", "--quality=fast", "-o", "out/e"),
        ),
    }
    for number, (name, damage) in enumerate(_damages()):
        command = list(commands)[number % len(commands)]
        argv = commands[command]
        yield Case(KIND, f"{name} {command}", argv, partial(_dataset, damage), "any")
    yield from _tables(ground)
    yield from _runs(ground, commands["train"])
    yield from _stores(ground, commands["fit"])
    yield from _judges(ground)


def _judges(ground: Ground) -> Iterator[Case]:
    """Manifests of the second age network, which are JSON beside its numbers."""
    entry = '{"name": "a", "shape": %s}'
    quantised = '{"name": "a", "shape": [8], "quantization": %s}'
    huge = "1" + "0" * 400
    entries = [
        *(entry % shape for shape in ("[2]", "[1e400]", "[NaN]", "[2.5]", "[]", '"22"', "[true]")),
        *(entry % f"[{huge}]", "5", '{"name": [], "shape": [2]}', '{"name": "a"}'),
        *(quantised % f'{{"scale": {scale}, "min": 0}}' for scale in (huge, "NaN", '"x"', "[1]")),
        *(quantised % "5", quantised % "{}"),
    ]
    texts = [f'[{{"weights": [{one}]}}]' for one in entries]
    argv = (
        *("evaluate", str(ground.model), "--portraits=.", "--second-age=a.bin", "-o", "out/e"),
        "--quality=fast",
    )
    for number, text in enumerate([*texts, DEEP, "{}", "5", "null", "\0", "[1" + LONG + "]"]):
        files = {"a.bin": bytes(8), "a-weights_manifest.json": text.encode()}
        pairs = {"pairs.csv": b"id,older,newer\na,a.png,a.png\n"}
        yield Case(KIND, f"second age {number}", argv, _files(ground, files | pairs))


def _dataset(damage: Callable[[Path, Table], None], folder: Path) -> None:
    """A small dataset that `damage` has changed: its folder, and its table's rows."""
    place = folder / "d"
    rows = write_faces(place)
    (place / "d.csv").unlink()
    damage(place, rows)
    if not list(place.glob("*.csv")):
        (place / "d.csv").write_bytes(table_bytes(rows))


def _bomb(side: int) -> bytes:
    """A PNG that unpacks to side x side black pixels."""
    file = io.BytesIO()
    Image.new("L", (1, 1)).save(file, "PNG")
    start, pack = file.getvalue()[:8], zlib.compressobj(9)
    line = bytes(1 + side)
    data = b"".join(pack.compress(line) for _ in range(side)) + pack.flush()
    header = side.to_bytes(4, "big") * 2 + bytes((8, 0, 0, 0, 0))
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return start + b"".join(
        len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
        for kind, body in chunks
    )


def _damages() -> Iterator[tuple[str, Callable[[Path, Table], None]]]:
    """Names and what is done to a dataset."""
    for number, cell in enumerate(CELLS):
        for key in NUMBERS[number % 2 :: 2]:

            def one_cell(_: Path, rows: Table, key: str = key, cell: str = cell) -> None:
                if key == "age_bin":
                    for row in rows:
                        row["age_bin"] = row.pop("age")
                rows[3][key] = cell

            yield f"{key} {number}", one_cell
    whole = {
        "empty table": b"",
        "no rows": b"file,split,age\n",
        "utf-16": "file,split\n0.png,train\n".encode("utf-16"),
        "not text": bytes(range(256)) * 10,
        "zero bytes": bytes(5000),
        "open quote": b'file,split\n"0.png,train\n' + b"a" * 300_000,
        "no split": b"file,age\n0.png,3\n",
        "many columns": b"file," + b"a," * 50_000 + b"split\n0.png,train\n",
        "short rows": b"file,split,age\n0.png\n1.png\n",
        "long rows": b"file,split,age\n0.png,train,3,4,5,6\n",
        "one row": b"file,split,age\n0.png,train,30\n",
        "same rows": b"file,split,age\n" + b"0.png,train,30\n" * 9,
    }
    for name, data in whole.items():
        yield name, lambda place, _, data=data: (place / "d.csv").write_bytes(data)
    tars = {
        "cut": lambda data: data[: len(data) // 2],
        "empty": lambda data: b"",
        "zeros": lambda data: bytes(len(data)),
        "flipped": lambda data: bytes(b ^ 1 if n % 700 == 5 else b for n, b in enumerate(data)),
        "gzip": lambda data: b"\x1f\x8b" + data,
        "huge size": lambda data: data[:124] + b"\x80" + b"\xff" * 11 + data[136:],
    }
    for name, change in tars.items():
        for _ in range(2):
            yield f"tar {name}", lambda place, _, c=change: _rewrite(place / "a.tar", c)
    chance = np.random.default_rng(1)
    noise = chance.integers(0, 255, (64, 48, 4), np.uint8)
    pictures = {
        "other size": png_of(noise[..., :3]),
        "alpha": png_of(noise[:SIDE, :SIDE]),
        "grey": png_of(noise[:SIDE, :SIDE, 0]),
        "16 bits": png_of(noise[:SIDE, :SIDE, 0].astype(np.uint16) * 200),
        "damaged": png_of(noise[..., :3])[:300],
        "none": b"not a picture",
        "empty": b"",
        "bomb": _bomb(40_000),
        "large": _bomb(9_000),
        "one pixel": png_of(noise[:1, :1, :3]),
    }
    for name, data in pictures.items():
        for every in (True, False):

            def replace(place: Path, _: Table, data: bytes = data, every: bool = every) -> None:
                small = png_of(np.zeros((SIDE, SIDE, 3), np.uint8))
                entries = {f"{n}.png": data if every or n == 3 else small for n in range(FACES)}
                write_tar(place / "a.tar", entries)

            yield f"picture {name} {'all' if every else 'one'}", replace
    yield "link", lambda place, _: _special(place / "a.tar", tarfile.SYMTYPE)
    yield "device", lambda place, _: _special(place / "a.tar", tarfile.CHRTYPE)
    yield "no tar", lambda place, _: (place / "a.tar").unlink()
    yield "two tables", lambda place, _: [(place / f"{n}.csv").write_text("file\n") for n in "ab"]
    yield "folder for table", lambda place, _: (place / "d.csv").mkdir()
    yield "folder for tar", lambda place, _: ((place / "a.tar").unlink(), (place / "a.tar").mkdir())


def _rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def _special(path: Path, kind: bytes) -> None:
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo("0.png")
        entry.type, entry.linkname = kind, "../../etc/passwd"
        archive.addfile(entry)


def _tables(ground: Ground) -> Iterator[Case]:
    """Tables of heads and pairs, labels, and lists of heads."""
    head = {"file": "a.png", "source": "s", "sex": "f", "age": "30", "age_second": "31",
            "ita": "30", "yaw": "1", "sharp_to": "512", "licence": "", "grey": "0"}  # fmt: skip
    heads = {
        "head-sheet": (
            "head-sheet",
            "h.csv",
            f"--model={ground.model}",
            "--count=1",
            "-o",
            "out/h",
        ),
        "fit-detail": ("fit-detail", "h.csv", "-o", "out/h"),
        "evaluate": ("evaluate", str(ground.model), "--heads=h.csv", "--faces=1", "-o", "out/h"),
    }
    for number, cell in enumerate(CELLS):
        name, argv = list(heads.items())[number % 3]
        for key in ("age", "sharp_to", "yaw", "ita", "file")[number % 2 :: 2]:
            rows = [head, head | {"file": "b.png", key: cell}]
            yield Case(
                KIND,
                f"heads {key} {number} {name}",
                argv,
                _files(ground, {"h.csv": table_bytes(rows)}),
                "any" if key == "file" or cell == "-5" else "refused",
            )
    lists = [
        b"nobody\n",
        b"\xff\xfe",
        bytes(99),
        b"a forehead\n",
        b"a " + b"x" * 10**6,
        b"#" * 10**6,
    ]
    for number, data in enumerate(lists):
        argv = (*heads["fit-detail"], "--chosen=l.txt")
        yield Case(
            KIND,
            f"list {number}",
            argv,
            _files(ground, {"h.csv": table_bytes([head]), "l.txt": data}),
            "any",
        )
    header = b"id,older,newer\n"
    pairs = [
        *(b"", header, header + b"a,x.png,y.png\n", b"id\n5\n", header + b"\xff,a.png,b.png\n"),
        *(header + b"a" * 200_000 + b",a.png,b.png\n", header + b"\0,a.png,b.png\n"),
        *(header + b"a,../../../../etc/passwd,a.png\n", header + b"a,/dev/zero,a.png\n"),
        *(header + b"a,.,a.png\n", header + b"a,a\0.png,a.png\n", header + b"a,a.png\n"),
        header + b"x" * 300 + b"," + b"x" * 300 + b",a.png\n",
    ]
    for number, data in enumerate(pairs):
        argv = ("evaluate", str(ground.model), "--portraits=.", "-o", "out/p", "--quality=fast")
        yield Case(KIND, f"pairs {number}", argv, _files(ground, {"pairs.csv": data}), "any")
    for number, cell in enumerate(CELLS):
        table = table_bytes([{"file": "a.png", ("age", "age_bin")[number % 2]: cell}])
        argv = ("prepare", "a.png", "--labels=l.csv", "-o", "out/d", "--processes=1", "--size=32")
        yield Case(KIND, f"labels {number}", argv, _files(ground, {"l.csv": table}), "any")


def _files(ground: Ground, files: dict[str, bytes]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        shutil.copy(ground.photo, folder / "a.png")
        for name, data in files.items():
            (folder / name).write_bytes(data)

    return make


def _runs(ground: Ground, train: tuple[str, ...]) -> Iterator[Case]:
    """Run folders to resume whose settings or states are odd."""
    argv = ("train", "encoder", "--run=r", "--resume")
    for name, change in _run_changes():

        def make(folder: Path, change: Callable[[Path], None] = change) -> None:
            shutil.copytree(ground.run, folder / "r")
            change(folder / "r")

        yield Case("runs", name, argv, make, "any", many=True)
    values = [
        "nan",
        "inf",
        "1e400",
        LONG,
        "-1",
        "[" * 200,
        "(" * 5000,
        "'x'",
        "None",
        "2**99",
        "9" * 30,
    ]
    for number, value in enumerate(values):
        for key in ("batch", "lr", "generator.lr"):
            some = (*train, "--set", f"{key}={value}")
            yield Case("runs", f"set {key} {number}", some, partial(_dataset, lambda *_: None))


def _run_changes() -> Iterator[tuple[str, Callable[[Path], None]]]:
    def settings(place: Path, change: Callable[[dict[str, Any]], Any]) -> None:
        known = json.loads((place / "config.json").read_text())
        changed = change(known)
        text = changed if isinstance(changed, str) else json.dumps(changed)
        (place / "config.json").write_text(text)

    texts = [DEEP, "", "{", "[]", "null", "\0", "5", '{"kind": "encoder"}', "{" * 10**5]
    for number, text in enumerate(texts):
        yield f"text {number}", lambda place, t=text: settings(place, lambda _: t)
    for number, value in enumerate(ODD):
        for key in (
            "kind",
            "config",
            "data",
            "model",
            "kimg",
            "threads",
            "precision",
            "split",
            "decay_kimg",
        ):
            if (number + len(key)) % 4 == 0:
                yield (
                    f"{key} {number}",
                    lambda place, k=key, v=value: settings(place, lambda c: c | {k: v}),
                )
        for key in ("batch", "seed", "generator", "encoder"):
            if (number + len(key)) % 2 == 0:
                yield (
                    f"config {key} {number}",
                    lambda place, k=key, v=value: settings(
                        place, lambda c: c | {"config": c["config"] | {k: v}}
                    ),
                )
    states = [
        *(b"", b"PK\x03\x04", b"\x80\x02}.", b"\x80\x02" + b"(" * 10**5 + b".", bytes(10**6)),
        *(torch_of({}), torch_of({"step": 5}), torch_of({"step": HUGE, "trainer": {}})),
        *(torch_of({"step": "x", "trainer": {}}), torch_of([1]), torch_of({"step": 0})),
        *(torch_of({"step": 0, "trainer": value}) for value in ([[]] * 9, None, {"encoder": 5})),
        torch_of({"step": float("nan"), "trainer": {}}),
        *(b"\x80\x02N" + b"2\x86" * 80 + b".", b"\x80\x02}N" + b"2\x86" * 60 + b"Ns."),
        torch_of(torch.zeros(1).expand(10**6, 10**6)),
    ]
    for number, data in enumerate(states):
        yield f"state {number}", lambda place, d=data: (place / "state.pt").write_bytes(d) and None
    for number in range(30):

        def flip(place: Path, number: int = number) -> None:
            chance = random.Random(f"state {number}")
            data = bytearray((place / "state.pt").read_bytes())
            if number % 3 == 0:
                del data[chance.randrange(len(data)) :]
            for _ in range(1 + number % 3):
                near = min(len(data), (5000, 10**9)[number % 2])
                data[chance.randrange(near)] ^= 1 << chance.randrange(8)
            (place / "state.pt").write_bytes(data)

        yield f"state damaged {number}", flip
    for number in range(20):

        def content(place: Path, number: int = number) -> None:
            chance = random.Random(f"content {number}")
            state = torch.load(place / "state.pt", weights_only=True)
            holders: list[dict[Any, Any]] = []
            _dicts(state, holders)
            held = chance.choice(holders)
            key = chance.choice(list(held))
            odd = [
                *(v for v in ODD if v is not NESTED),
                torch.zeros(3),
                torch.full((2, 2), torch.nan),
                {},
                [torch.zeros(2)],
            ]
            held[key] = chance.choice(odd)
            torch.save(state, place / "state.pt")

        yield f"state content {number}", content
    logs = [
        *(b"\xff\n", b"{\n" * 9, b"5\n", b'{"step": "x"}\n', b'{"step": 1e999}\n', DEEP.encode()),
        *(bytes(99), b'{"step": [1]}\n', b'{"step": 1' + b"0" * 5000 + b"}\n", b'{"step": 0}\n'),
        b'{"step": 0, "kimg": "x", "loss": [1]}\n',
    ]
    for number, data in enumerate(logs):
        yield f"log {number}", lambda place, d=data: (place / "log.jsonl").write_bytes(d) and None


def _dicts(value: Any, found: list[dict[Any, Any]]) -> None:
    if isinstance(value, dict) and value:
        found.append(value)
    for part in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        _dicts(part, found)


def _stores(ground: Ground, fit: tuple[str, ...]) -> Iterator[Case]:
    """Codes that `fit` has stored."""
    hash_ = load_model(ground.model).generator_hash
    names = [f"{n}.png" for n in range(FACES)]
    codes = torch.zeros(FACES, 8, 32)
    stores = [
        save({"ws": codes}, {"generator_hash": hash_, "files": json.dumps(names)}),
        save({"ws": codes[:, :3].clone()}, {"generator_hash": hash_, "files": json.dumps(names)}),
        save({"ws": codes[:3]}, {"generator_hash": hash_, "files": json.dumps(names)}),
        save({"ws": codes * torch.nan}, {"generator_hash": hash_, "files": json.dumps(names)}),
        save(
            {"ws": codes.to(torch.complex64)}, {"generator_hash": hash_, "files": json.dumps(names)}
        ),
        save({"ws": codes.bool()}, {"generator_hash": hash_, "files": json.dumps(names)}),
        save({"ws": codes}, {"generator_hash": hash_, "files": DEEP}),
        save({"ws": codes}, {"generator_hash": hash_, "files": "5"}),
        save({"ws": codes}, {"generator_hash": hash_, "files": json.dumps([[]] * FACES)}),
        save({"ws": codes}, {"generator_hash": hash_, "files": json.dumps([None] * FACES)}),
        save({"ws": torch.zeros(())}, {"generator_hash": hash_, "files": "[]"}),
        save({"ws": codes}, {"generator_hash": hash_}),
        save({"w": codes}),
        b"",
        b"\0" * 99,
    ]
    argv = (*fit, "--codes=c.safetensors")
    for number, data in enumerate(stores):

        def make(folder: Path, data: bytes = data) -> None:
            _dataset(lambda *_: None, folder)
            (folder / "c.safetensors").write_bytes(data)

        yield Case(KIND, f"codes {number}", argv, make, "any")
