"""A table and a plot of what the benchmarks wrote.

    python benchmarks/report.py build/bench/*.json --table build/bench/bench.md \
        --plot build/bench/bench.svg

The plot shows how many times reage's float32 time each takes (a logarithmic axis); the plot needs
matplotlib (the extra "train").
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

Row = dict[str, Any]  # as timing.Row, with its ratios
FIRST = "reage"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    found = [json.loads(file.read_text(encoding="utf-8")) for file in options.files]
    rows = [row for content in found for row in content["rows"]]
    text = report(found[0]["machine"], rows)
    print(text)
    if options.table:
        options.table.write_text(text + "\n", encoding="utf-8")
    if options.plot:
        plot([row for row in rows if FIRST in row["seconds"]], options.plot)


def report(machine: dict[str, Any], rows: list[Row]) -> str:
    """Markdown: what is compared, then the lists of parts, then the most memory."""
    compared = [row for row in rows if FIRST in row["seconds"]]
    listed = [row for row in rows if row["seconds"] and FIRST not in row["seconds"]]
    weighed = [row for row in rows if row["megabytes"]]
    where = ", ".join(f"{name} {value}" for name, value in machine.items())
    parts = [where, comparison(compared), *map(listing, listed)]
    if weighed:
        parts.append(memory(weighed))
    return "\n\n".join(part for part in parts if part)


def comparison(rows: list[Row]) -> str:
    """Seconds of each, in brackets the times of ours; the bounds and how far we are from them."""
    names = united(rows, "seconds")
    bounds = united(rows, "bound")
    head = ["", *names, *(f"bound {name}" for name in bounds), "bfloat16 against float32", "turns"]
    return table(head, [compared_cells(row, names, bounds) for row in rows])


def compared_cells(row: Row, names: list[str], bounds: list[str]) -> list[str]:
    cells = [row["what"]]
    for name in names:
        value = row["seconds"].get(name)
        times = "" if name == FIRST else f" ({row['ratios'].get(name, 0):.2f} x)"
        cells.append("" if value is None else shown(value) + times)
    for name in bounds:
        value = row["bound"].get(name)
        own = row["seconds"].get(FIRST if name == "float32" else f"{FIRST} {name}")
        times = f" (we take {own / value:.1f} x)" if own and value else ""
        cells.append("" if value is None else shown(value) + times)
    quality = "" if row["psnr"] is None else f"{row['psnr']:.1f} dB"
    return [*cells, quality, str(row["turns"])]


def listing(row: Row) -> str:
    return table([row["what"], ""], [[name, shown(s)] for name, s in row["seconds"].items()])


def memory(rows: list[Row]) -> str:
    """Megabytes of each process."""
    names = united(rows, "megabytes")
    cells = [
        [row["what"], *(f"{row['megabytes'].get(name, 0):.0f} MB" for name in names)]
        for row in rows
    ]
    return table(["most memory", *names], [[c if c != "0 MB" else "" for c in r] for r in cells])


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def united(rows: list[Row], part: str) -> list[str]:
    """The names in a part of any row, ours first."""
    names = dict.fromkeys(name for row in rows for name in row[part])
    return sorted(names, key=lambda name: not name.startswith(FIRST))


def shown(seconds: float) -> str:
    """Three digits, milliseconds for what is short."""
    if seconds >= 100:
        return f"{seconds:.0f} s"
    return f"{1000 * seconds:.3g} ms" if seconds < 0.1 else f"{seconds:.3g} s"


def plot(rows: list[Row], path: Path) -> None:
    """A line of dots each: how many times ours each takes; strokes are the bounds."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(10, 1.2 + 0.32 * len(rows)), layout="constrained")
    axes.axvline(1, color="black", linewidth=1, label=FIRST)
    for name, times in series(rows).items():
        kept = [(n, value) for n, value in enumerate(times) if value]
        marker = "|" if name.startswith("bound") else "o"
        where = [value for _, value in kept], [n for n, _ in kept]
        axes.plot(*where, marker, markersize=10 if marker == "|" else 6, label=name, alpha=0.8)
    axes.set_yticks(range(len(rows)), [row["what"].replace("`", "") for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xscale("log")
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if within(tick, axes.get_xlim())]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.grid(alpha=0.3)
    axes.set_xlabel(f"time, as times of {FIRST} in float32 (left is faster)")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def series(rows: list[Row]) -> dict[str, list[float]]:
    """Of each implementation and each bound, its times of ours in every row; 0 is none."""
    names = [name for name in united(rows, "seconds") if name != FIRST]
    found = {name: [row["ratios"].get(name, 0) for row in rows] for name in names}
    for name in united(rows, "bound"):
        bounds = [row["bound"].get(name, 0) / row["seconds"][FIRST] for row in rows]
        found[f"bound {name}"] = bounds
    return found


def within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


if __name__ == "__main__":
    main()
