"""Make a whole dataset of people who do not exist; it can stop and resume at any time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from reage.datasets.made_people.card import dataset_card
from reage.datasets.made_people.journal import Journal
from reage.datasets.made_people.measurements import age_errors, separability, sex_kept
from reage.datasets.made_people.options import SynthesisOptions, derive_seed
from reage.datasets.made_people.pair_lists import (
    Fold,
    Picture,
    fold_of,
    folds_for,
    gaps_of,
    list_pairs,
    pairs_text,
)
from reage.datasets.made_people.recogniser import NAMES, apart_by, choose_recogniser
from reage.datasets.made_people.records import Drawn, Made, Person, from_text
from reage.datasets.prepare.shards import COLUMNS, disk_errors, move_all, pack, write_index
from reage.errors import ReageError
from reage.fitting.people import lacks_people
from reage.jobs.ray_cluster import check_ray, distribute, keep_cluster

__all__ = ["SynthesisReport", "synthesize"]

LEAST_PEOPLE = 50  # for rates of mistaken pairs: of fewer, chance decides
MOST_DRAWS = 30  # a person of the dataset, before the model is taken to have no more
EXTRA = ("condition", "number", "fold", "seed", "male")  # columns that a prepared dataset has not
Work = Callable[[Sequence[int | Person]], Iterator[Drawn | Made]]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class SynthesisReport:
    """What was made."""

    people: int
    pictures: int
    drawn: int  # faces, of which some were too like others or none
    figures: Mapping[str, Any]  # as in NAME-figures.json
    files: tuple[Path, ...]


def synthesize(
    output: Path,
    options: SynthesisOptions | None = None,
    *,
    workers: int | None = None,
    ray: str | None = None,
    on_progress: Progress | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> SynthesisReport:
    """Make a dataset of people who do not exist, each at many ages and under many conditions.

    The same call resumes after an interruption; `output` then has the same bytes as without it,
    whatever the number of `workers` (None: the cores) and wherever they are (`ray`: the address of
    a cluster). They are spawned, so a script guards this call by `if __name__ == "__main__"`.
    `on_progress` is told what is counted, how many are done, and of how many; `on_notice` what is
    worth a line before the work. Raises ReageError.
    """
    options = options or SynthesisOptions()
    if ray is not None:
        check_ray(ray)
    options = replace(options, recogniser=choose_recogniser(options.recogniser))
    output = Path(output)
    make = partial(_make, _with_full_names(options))

    def work(todo: Sequence[int | Person]) -> Iterator[Drawn | Made]:
        return distribute(todo, make, workers, ray)

    with disk_errors(output), keep_cluster(ray, workers):
        Journal.check_output(output, "synthesize")
        with Journal(output, options.describe(), on_notice) as journal:
            notice = lacks_people(options.model)
            if notice is not None and on_notice is not None:
                on_notice(notice)
            people = _choose(journal, options, work, on_progress)
            todo = [person for person in people if person.number not in journal.made]
            for done, made in enumerate(work(todo), len(people) - len(todo) + 1):
                journal.add(made)
                if on_progress is not None:
                    on_progress("people", done, len(people))
            report = _write(journal, people, options)
            journal.finish()
    return report


def _make(options: SynthesisOptions) -> Callable[[int | Person], Drawn | Made]:
    from reage.datasets.made_people.maker import Maker

    return Maker(options).do


def _with_full_names(options: SynthesisOptions) -> SynthesisOptions:
    """Make paths absolute: workers on other machines have another working directory."""
    names = {name: getattr(options, name) for name in ("model", "direction")}
    return replace(
        options, **{k: str(Path(v).absolute()) for k, v in names.items() if v and Path(v).exists()}
    )


def _choose(
    journal: Journal, options: SynthesisOptions, work: Work, on_progress: Progress | None
) -> list[Person]:
    """Draw faces until there are enough people, all of them distinct.

    They are taken in the order of their numbers, so how many are drawn at once changes nothing.
    """
    apart = apart_by(options.recogniser) if options.apart is None else options.apart
    drawn = 0
    while True:
        people = _choose_people(journal.drawn, drawn, apart, options.people)
        if on_progress is not None:
            on_progress("faces", len(people), options.people)
        if len(people) == options.people:
            return people
        if drawn >= MOST_DRAWS * options.people:
            raise ReageError(
                f"only {len(people)} of {drawn} drawn faces are people who differ by {apart:g}: "
                f"ask for fewer --people, a smaller --apart, or make another model"
            )
        more = range(drawn, drawn + max(2 * (options.people - len(people)), 8))
        for found in work([draw for draw in more if draw not in journal.drawn]):
            journal.add(found)
        drawn = more.stop


def _choose_people(drawn: Mapping[int, Drawn], count: int, apart: float, most: int) -> list[Person]:
    people: list[Person] = []
    vectors: list[np.ndarray] = []
    for draw in range(count):
        text = drawn[draw].vector
        if text is None or len(people) == most:
            continue
        vector = from_text(text)
        if not vectors or np.linalg.norm(np.stack(vectors) - vector, axis=1).min() >= apart:
            vectors.append(vector)
            people.append(Person(len(people) + 1, draw))
    return people


def _write(
    journal: Journal, people: Sequence[Person], options: SynthesisOptions
) -> SynthesisReport:
    ready, name = journal.ready, journal.output.resolve().name
    rows, places, vectors = _gather(journal, people, name)
    pack(ready, name, rows, lambda i: journal.picture_of(places[i]), options.shard)
    lists = _lists(rows, options)
    for file, folds in lists.items():
        (ready / file).write_text(pairs_text(folds), encoding="utf-8", newline="\n")
    last = max(person.draw for person in people)
    figures = {
        "people": len(people),
        "pictures": len(rows),
        "drawn": last + 1,
        "recogniser": NAMES[options.recogniser],
        "identity": {file: _apart(folds, vectors, len(people)) for file, folds in lists.items()},
        "sex": sex_kept(rows),
        "age": age_errors(rows),
    }
    text = json.dumps(figures, indent=1) + "\n"
    (ready / f"{name}-figures.json").write_text(text, encoding="utf-8", newline="\n")
    card = dataset_card(name, options, figures)
    (ready / "README.md").write_text(card, encoding="utf-8", newline="\n")
    write_index(ready / f"{name}.csv", rows, (*COLUMNS, *EXTRA))
    files = tuple(move_all(ready, journal.output))
    return SynthesisReport(len(people), len(rows), last + 1, figures, files)


def _apart(folds: Sequence[Fold], vectors: np.ndarray, people: int) -> dict[str, Any]:
    """Measure how well people can be told apart; few people allow no rates."""
    found = separability(folds, vectors)
    if people >= LEAST_PEOPLE:
        return found
    return found | dict.fromkeys(("auc", "equal_error", "threshold", "accuracy"))


def _gather(
    journal: Journal, people: Sequence[Person], name: str
) -> tuple[list[dict[str, Any]], list[tuple[int, int]], np.ndarray]:
    """Collect index rows, the places of their pictures, and their vectors `[N, D]`."""
    rows: list[dict[str, Any]] = []
    places: list[tuple[int, int]] = []
    vectors: list[np.ndarray] = []
    empty = dict.fromkeys((*COLUMNS, *EXTRA))
    for person in people:
        made = journal.made[person.number]
        who, fold = f"person{person.number:06}", fold_of(person.number, len(people))
        for number, row in enumerate(made.rows, 1):
            place = f"{who}/{who}_{number:04}.webp"
            # The last fold is for validation, so that nobody is on both sides.
            split = "val" if fold == folds_for(len(people)) else "train"
            known = {"file": f"{len(rows):09}.webp", "split": split, "source": name,
                     "original": place, "person": who, "number": number, "fold": fold}  # fmt: skip
            rows.append(empty | row | known)
        places += [(person.number, i) for i in range(len(made.rows))]
        vectors += [from_text(text) for text in made.vectors]
    return rows, places, np.stack(vectors)


def _lists(rows: Sequence[Mapping[str, Any]], options: SynthesisOptions) -> dict[str, list[Fold]]:
    """The pair lists by their files: of all ages, and one for each gap."""
    folds: dict[int, list[Picture]] = {}
    for i, row in enumerate(rows):
        picture = Picture(row["person"], row["number"], row["age"], i)
        folds.setdefault(row["fold"], []).append(picture)
    ordered = [folds[number] for number in sorted(folds)]
    wanted: list[tuple[str, float | None]] = [("pairs.txt", None)]
    wanted += [(f"pairs-gap{gap:g}.txt", gap) for gap in gaps_of(options.ages)]
    seeds = {file: derive_seed(options.seed, "pairs", file) for file, _ in wanted}
    found = {file: list_pairs(ordered, options.pairs, seeds[file], gap) for file, gap in wanted}
    return {file: folds for file, folds in found.items() if folds}
