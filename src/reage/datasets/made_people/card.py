"""The README.md of a dataset of people who do not exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reage.datasets.made_people.measurements import REACHED
from reage.datasets.made_people.options import SynthesisOptions
from reage.datasets.made_people.pair_lists import folds_for
from reage.models.checkpoints import load_config
from reage.models.registry import find_model

__all__ = ["dataset_card"]


def dataset_card(name: str, options: SynthesisOptions, figures: Mapping[str, Any]) -> str:
    """Markdown: what it is and is not, whose licence, how it was made, what was measured."""
    ages = ", ".join(f"{age:g}" for age in options.ages)
    model, licence, data = _origin(options)
    return "\n".join(
        [
            f"# {name}",
            f"{figures['pictures']} pictures of {figures['people']} people who do not exist, each "
            f"at the ages {ages} under {options.conditions} conditions, made by `reage "
            "synthesize`: tar shards in the WebDataset convention (each picture with its labels "
            f"as .json) and the index `{name}.csv`.",
            "",
            "## What it is not",
            "No picture shows a real person, and none is evidence of how people age. A person "
            "here ages as the model has learnt it and as an age network reads it: a recogniser "
            "trained on this learns that, with the biases of both. Measure on real people before "
            "you rely on anything learnt here. The generator was trained on photos of real "
            "people; that no drawn face is like one of them was not tested.",
            "",
            "## Licence",
            f"Made with the model `{model}`, whose licence is {licence}; it was trained on {data}. "
            "Its conditions, attribution among them, are this dataset's. Every picture carries "
            "the IPTC's mark of synthetic media.",
            "",
            "## Labels",
            "`age` is the age that was asked for, `apparent_age` and `apparent_age_spread` what "
            "the age network reads on the stored picture. `condition` 0 is plain; the others "
            "differ in style (the generator's middle and fine levels), light, pose in the plane, "
            "blur, noise and compression: `made_by` in the .json says how. `seed` is the "
            "picture's own. `yaw` and `pitch` are those of the person's first picture. `original` "
            "is the place that the pair lists mean: `person000001 3` is "
            "`person000001/person000001_0003.webp`, `number` 3.",
            f"`fold` is one of {folds_for(figures['people'])}; nobody is in two. The last fold is "
            "the split `val`, all others `train`: what was trained on `train` is tested on the "
            "pairs of the last fold only.",
            "",
            "## How it was made",
            f"{_settings(options)}. Of {figures['drawn']} drawn faces those were left out in whose "
            "picture no face is found or that are nearer to an earlier person than the limit. "
            "Each look is brought to its age in a closed loop with the age network.",
            "",
            "## Can its people be told apart?",
            f"Distances by {figures['recogniser']}; `accuracy` with the thresholds of the other "
            "folds, as LFW has it.",
            "",
            *_identity(figures["identity"], figures["people"]),
            "",
            "## Do they stay women and men?",
            _sex(figures["sex"]),
            "",
            "## What remains",
            "The generator is small: pictures are its 128 or so pixels, enlarged, with old skin's "
            "lines drawn at full size; young faces are soft, and few show hair or ears whole. Hair "
            "and brows keep their colour at every age. Faces that read as younger than 16 or older "
            "than 45, or neither clearly as a woman nor as a man, were not taken. Sex is what a "
            "network reads, not what anybody is."
            if figures["sex"]["pictures"]
            else "",
            "",
            "## Are its ages right?",
            f"Years between `age` and `apparent_age`, and how many are within {REACHED:g}. The "
            "same network steered the pictures, so a second one would find larger errors.",
            "",
            *_ages(figures["age"]),
            "",
        ]
    )


def _origin(options: SynthesisOptions) -> tuple[str, str, str]:
    folder = find_model(options.model)
    if not folder.is_dir():
        return folder.name, "unknown", "unknown data"
    config = load_config(folder)
    return config.name, config.licence, config.data


def _settings(options: SynthesisOptions) -> str:
    names = ("people", "conditions", "amount", "apart", "pairs", "seed", "direction")
    return ", ".join(f"{name} {getattr(options, name)}" for name in names)


def _sex(found: Mapping[str, Any]) -> str:
    if found["kept"] is None:
        return "No picture shows a grown-up."
    return (
        f"{found['kept']:.1%} of the {found['pictures']} pictures from 20 years on read as the sex "
        "that most of the person's pictures read as."
    )


def _identity(lists: Mapping[str, Mapping[str, Any]], people: int) -> list[str]:
    head = ("list", "pairs", "same", "different", "AUC", "equal error", "accuracy")
    lines = []
    if any(found["auc"] is None for found in lists.values()):
        rows = [(f"`{file}`", found["pairs"]) for file, found in lists.items()]
        return [f"{people} people are too few for rates; from 50 on they stand here.", "",
                *_table(("list", "pairs"), rows)]  # fmt: skip
    for file, found in lists.items():
        same, other = (f"{found[k]['mean']:.2f} ± {found[k]['deviation']:.2f}"
                       for k in ("same", "different"))  # fmt: skip
        accuracy = "" if found["accuracy"] is None else f"{found['accuracy']:.1%}"
        rates = (f"{found['auc']:.3f}", f"{found['equal_error']:.1%}", accuracy)
        lines.append((f"`{file}`", found["pairs"], same, other, *rates))
    return _table(head, lines)


def _ages(found: Mapping[str, Any]) -> list[str]:
    rows = {"all": found["all"], "plain pictures": found["plain"]} | found["by_age"]
    names = ("pictures", "mean_error", "bias", "reached")
    lines = [(name, *(figures[n] for n in names)) for name, figures in rows.items()]
    return _table(("asked age", "pictures", "mean error", "read as older by", "reached"), lines)


def _table(head: Sequence[str], lines: Sequence[Sequence[Any]]) -> list[str]:
    rows = [head, ["---"] * len(head), *lines]
    return ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
