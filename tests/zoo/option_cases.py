"""Odd options: numbers of all kinds, names without end."""

from __future__ import annotations

from collections.abc import Iterator

from ground import Ground
from runner import Case

__all__ = ["cases"]

LONG = "9" * 5000
ODD = ["", "nan", "inf", "-inf", "1e400", "0x10", LONG, "1_0", "\u0661\u0662", "None", "1,5"]


def cases(ground: Ground) -> Iterator[Case]:
    yield from _of_edit(ground)
    yield from _ranges(ground)
    yield from _points(ground)
    yield from _names(ground)
    yield from _others(ground)


def _edit(ground: Ground, name: str, *options: str, expect: str = "refused") -> Case:
    argv = ["edit", str(ground.photo), "-o", "out", *options]
    return Case("options", name, argv, expect=expect)  # type: ignore[arg-type]


def _of_edit(ground: Ground) -> Iterator[Case]:
    for number, text in enumerate(ODD):
        yield _edit(ground, f"to {number}", f"--to={text}")
        yield _edit(ground, f"face {number}", "--to=60", f"--face={text}")
        yield _edit(ground, f"face to {number}", f"--to={text}=60")
        yield _edit(ground, f"to of face {number}", f"--to=1={text}")
        yield _edit(ground, f"seed {number}", "--to=60", f"--seed={text}")
    for text in ("0", "-1", "99", "1.5", "²", "1 ", "all,1"):
        yield _edit(ground, f"face {text}", "--to=60", f"--face={text}")
    for text in ("-1", "121", "1e9", "60=", "=60", "0=60", "-1=60", "99=60", "1=60=2", "1==60"):
        yield _edit(ground, f"to {text}", f"--to={text}")
    yield _edit(ground, "to twice", "--to", "60", "60")
    yield _edit(ground, "to many", "--to", *(f"{n / 4}" for n in range(400)))
    yield _edit(ground, "fine", "--to=60.5", expect="fine")


def _ranges(ground: Ground) -> Iterator[Case]:
    texts = [
        "0:1e300:1",
        "0:1:1e-300",
        "1:2:0",
        "1:2:-0.0",
        "0:100:1e-9",
        "-1e308:1e308:1",
        "0:120:nan",
        "0:nan:1",
        "nan:1:1",
        "::",
        ":",
        "1:",
        ":1",
        "1:2:3:4",
        "10:80:1e999",
        f"0:{LONG}:1",
        f"0:1:0.{LONG}",
        f"0:1:{'0' * 5000}",
        "0:120:0.1",
        "1e-320:1e-310:1e-323",
    ]
    for number, text in enumerate(texts):
        yield _edit(ground, f"ages {number}", f"--ages={text}")
        options = (f"--model={ground.model}", f"--direction={ground.direction}", "--quality=fast")
        yield _edit(ground, f"strength {number}", f"--strength={text}", *options)
    for number, text in enumerate(
        ["nan:60", "0:inf", f"5:{LONG}", "5:60:1:2", "5", "60:5000", ":"]
    ):
        argv = ["animate", str(ground.photo), f"--ages={text}", "-o", "out/a.gif", "--fps=2"]
        yield Case("options", f"animate {number}", argv)
    for number, text in enumerate(["0.5", "1e5", "nan", "inf", "1e-9", "601"]):
        argv = ["animate", str(ground.photo), "--ages=5:60", f"--seconds={text}", "-o", "out/a.gif"]
        yield Case(
            "options",
            f"seconds {number}",
            [*argv, "--fps=4", "--size=64"],
            expect="fine" if text == "0.5" else "refused",
        )


def _points(ground: Ground) -> Iterator[Case]:
    def face(scale: float, x: float = 130.0, y: float = 100.0) -> str:
        return " ".join(
            f"{x + scale * u},{y + scale * v}"
            for u, v in ((-20, 0), (20, 0), (0, 20), (-15, 40), (15, 40))
        )

    big = [face(s) for s in (20, 1e3, 1e5, 1e9, 1e100, 1e300)]
    far = [face(1, x, y) for x, y in ((2000, 0), (0, -1e5), (1e9, 1e9), (1e300, 0), (-1e30, 5))]
    odd = [
        face(1e-9),
        "1,2 3,4",
        f"{LONG},1 " * 5,
        "nan,nan " * 5,
        "inf,0 " * 5,
        "0,0 " * 5,
        "1,2,3 " * 5,
        "1,1 2,2 3,3 4,4 5,5",
        "1,2 " * 100_000,
        "a,b " * 5,
        "; ; ; ; ;",
        face(float("nan")),
        "110,100 150,100 130,120 115,1e300 145,1e300",
        "110,100 150,100 1e300,-1e300 115,140 145,140",
    ]
    for number, text in enumerate([*big, *far, *odd]):
        yield _edit(ground, f"points {number}", "--to=60", f"--points={text[:120_000]}")
        if number < 11:
            argv = ["project", str(ground.photo), "--step=1", f"--points={text}", "-o", "out"]
            yield Case("options", f"points project {number}", [*argv, f"--model={ground.model}"])
    yield _edit(ground, "points fine", "--to=60", f"--points={face(1.2)}", expect="fine")


def _names(ground: Ground) -> Iterator[Case]:
    devices = [
        "meta",
        "foo",
        "cpu:99999",
        "cuda:99",
        "",
        "-1",
        "mps",
        "xla",
        "cpu:-1",
        LONG,
        "vulkan",
        "fpga",
        "hpu",
        "privateuseone",
        "cpu\n",
        "CPU",
        "cuda:" + LONG,
        "ipu:0",
        "lazy",
    ]
    for number, text in enumerate(devices):
        yield _edit(ground, f"device {number}", "--to=60", f"--device={text}")
    models = [
        "x" * 5000,
        "a/" * 3000,
        "",
        " ",
        "..",
        "/",
        "~nobody/x",
        "~" + "x" * 3000,
        "hf://",
        "hf://a/" + "b" * 5000,
        "hf://../..",
        "-",
        "faces128\n",
        "con",
        "http://127.0.0.1/x",
        "file:///etc/passwd",
        "/dev/null",
        "%s%n",
        "{0.__class__}",
    ]
    for number, text in enumerate(models):
        yield _edit(ground, f"model {number}", "--to=60", f"--model={text}")
        yield Case("options", f"inspect {number}", ["models", "inspect", text])
    for number, text in enumerate(models[:8]):
        yield Case("options", f"card {number}", ["models", text or "x y"])
        yield _edit(ground, f"tuned {number}", "--to=60", "--paste=replace", f"--tuned={text}")
        yield _edit(ground, f"lpips {number}", "--to=60", "--paste=replace", f"--lpips={text}")
    numbers = [
        "0",
        "-1",
        "33",
        "1:0-",
        "1:3-1",
        "1:0-99",
        LONG,
        f"1:0-{LONG}",
        f"1:{LONG}-{LONG}",
        "nan",
        "1.5",
        "",
        "\u0661",
        "1:0-3:4",
        "1e1",
    ]
    for number, text in enumerate(numbers):
        options = (f"--model={ground.model}", "--strength=1")
        yield _edit(ground, f"sefa {number}", f"--direction=sefa:{text}", *options)
    for number, text in enumerate(["x" * 5000, "a/" * 3000, "sefa:", "..", "/dev/null"]):
        yield _edit(ground, f"direction {number}", "--to=60", f"--direction={text}")
        yield Case("options", f"photo {number}", ["edit", text or "x", "--to=60", "-o", "out"])
        yield Case("options", f"age {number}", ["age", text or "x"])
    for number, text in enumerate(["x" * 5000, "a/" * 3000, "out/" + "y" * 300 + ".png"]):
        yield Case(
            "options",
            f"output {number}",
            ["strip", str(ground.photo), "--to=60", "-o", text or "x"],
        )


def _others(ground: Ground) -> Iterator[Case]:
    photo, model = str(ground.photo), f"--model={ground.model}"
    for number, text in enumerate([*ODD, "-1", "2", "1e-400000"]):
        argv = ["mix", photo, photo, "--levels=0", f"--amount={text}", "-o", "out/m.png", model]
        fine = {"1e-400000": "any"}.get(text, "refused")
        yield Case("options", f"amount {number}", [*argv, "--quality=fast"], expect=fine)  # type: ignore[arg-type]
    for number, text in enumerate(
        ["", "0-", "-1", "99", LONG, f"0-{LONG}", "0-3-5", "\u0661", "4-2", "a"]
    ):
        argv = ["mix", photo, photo, f"--levels={text}", "-o", "out/m.png", model, "--quality=fast"]
        yield Case("options", f"levels {number}", argv)
        argv = ["project", photo, f"--latent-level={text}", "-o", "out", "--step=1", model]
        yield Case("options", f"latent level {number}", argv)
    of_project = ["start-lr", "final-lr", "mse-weight", "time-budget"]
    for name in of_project:
        for number, text in enumerate(["nan", "inf", "-inf", "-1", LONG, "x"]):
            argv = ["project", photo, f"--{name}={text}", "-o", "out", "--step=1", model]
            yield Case("options", f"{name} {number}", argv)
    for name in ("size", "scale", "shift", "max-yaw", "max-padding", "min-face", "val", "shard"):
        for number, text in enumerate(["nan", "inf", "-55", LONG]):
            argv = ["prepare", "pictures", f"--{name}={text}", "-o", "out/set", "--processes=1"]
            yield Case("options", f"prepare {name} {number}", argv, _one_picture(ground))
    for name in ("kimg", "minutes", "snapshot-minutes"):
        for number, text in enumerate(["nan", "inf", "-1"]):
            argv = ["train", "generator", "--data=nothing", "--run=out/run", f"--{name}={text}"]
            yield Case("options", f"train {name} {number}", argv)
    for name in ("people", "conditions", "amount", "apart", "pairs", "shard"):
        for number, text in enumerate(["nan", "-3", LONG]):
            argv = ["synthesize", f"--{name}={text}", "-o", "out/set", "--workers=1", model]
            yield Case("options", f"synthesize {name} {number}", argv)
    for number, text in enumerate(["nan", "inf", "0", "-1", "x"]):
        yield Case(
            "options", f"idle {number}", ["serve", "--port=0", "--no-open", f"--idle={text}"]
        )
    for number, text in enumerate(
        ["nan,0.1", "1,inf", "1", "1,2,3", f"{LONG},1", "0,0", "-1,0", ","]
    ):
        argv = ["convert", str(ground.model), "out/new", f"--alignment={text}"]
        yield Case("options", f"alignment {number}", argv)
    months = [
        "2015-13",
        "0000-01",
        f"{LONG}-01",
        "2015",
        "nan-nan",
        "9999-12",
        "\u0662\u0660\u0661\u0665-01",
    ]
    for number, text in enumerate(months):
        argv = ["sheet", photo, f"--born={text}", "--last-seen=2019-07", "-o", "out/s"]
        yield Case("options", f"born {number}", argv)


def _one_picture(ground: Ground):
    def make(folder):
        (folder / "pictures").mkdir()
        (folder / "pictures" / "a.png").write_bytes(ground.data(ground.photo))

    return make
