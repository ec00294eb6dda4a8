"""Write the report: report.json, and Markdown of its figures."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reage.errors import ImageError
from reage.evaluation.heads_report import heads_section
from reage.evaluation.looks import ATTRIBUTES
from reage.evaluation.marks import Mark
from reage.evaluation.run import Evaluation
from reage.evaluation.tables import GENDERS, KINDS, NEAR, NEAR_SECOND
from reage.evaluation.words import number, percent, table
from reage.files import check_folder, place_for_files, write_together
from reage.images import save_array

__all__ = ["MARKDOWN", "check_output", "markdown", "write_report"]

MARKDOWN, JSON = "report.md", "report.json"
DISCLOSURE = "Made by reage: synthetic faces"
GROUPS = {
    "all": "",
    "target": "target age",
    "source": "age of the person (label)",
    "gender": "gender (label)",
    "group": "race or skin tone (label)",
}


def check_output(folder: Path, *, overwrite: bool) -> None:
    """Raise ImageError before any work if the report cannot be written."""
    check_folder(folder)
    if (folder / MARKDOWN).exists() and not overwrite:
        raise ImageError(f"{folder / MARKDOWN} exists already: name another folder, or --overwrite")


def write_report(evaluation: Evaluation, folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Write report.md, report.json and the pictures, all or none; returns the files."""
    check_output(folder, overwrite=overwrite)
    files = [folder / name for name in (MARKDOWN, JSON, *evaluation.pictures)]
    text = json.dumps(_round_floats(evaluation.figures), indent=1, ensure_ascii=False)
    words = markdown(evaluation.figures, list(evaluation.pictures))
    with place_for_files(folder), write_together() as write:
        write(folder / MARKDOWN, words.encode())  # it appears last: by it a report is known
        write(folder / JSON, (text + "\n").encode())
        for name, picture in evaluation.pictures.items():
            save_array(picture, folder / name, mark=DISCLOSURE, overwrite=True, write=write)
    return files


def markdown(figures: Mapping[str, Any], pictures: Sequence[str] = ()) -> str:
    """The report of the figures of an `Evaluation`."""
    parts = [
        _head(figures),
        _marks(figures["marks"]),
        _samples(figures["samples"]),
        _inversion(figures["inversion"]),
        _ageing(figures["ageing"], figures["config"]),
        _pairs(figures["pairs"], figures["config"]),
        heads_section(figures["heads"]),
        _effort(figures),
    ]
    for at, section in ((2, "samples"), (3, "inversion"), (4, "ageing"), (5, "pairs")):
        shown = [f"![{name}]({name})" for name in pictures if name.startswith(section)]
        parts[at] += ["", *shown]
    text = "\n\n".join("\n".join(part) for part in parts if part)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _head(figures: Mapping[str, Any]) -> list[str]:
    model, config, judges = figures["model"], figures["config"], figures["judges"]
    return [
        f"# Evaluation of {model['name']}",
        "",
        f"Generator {model['generator_hash'][:12]}, {model['resolution']} px, {model['precision']} "
        f"on {model['device']}; ages moved by: {model['ageing_by'] or 'nothing'}. Dataset "
        f"{_data(figures['data'])}, split {config['split']}, seed {config['seed']}, quality "
        f"{config['quality']}, pasted by {config['paste']}. Intervals are 95 % bootstrap intervals "
        "over faces.",
        "",
        f"Ages are read by {judges['age']} and by {judges['second_age'] or 'no second network'}, "
        f"identity by {judges['recogniser'] or 'no recogniser'}. Measured faces are real ones that "
        "the model was not trained on; aged ones are synthetic, one plausible look each.",
        *(["", *(f"**Missing**: {line}" for line in figures["missing"])]),
    ]


def _data(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "-"
    return f"{found['name']} ({found['pictures']} pictures, index {found['index_sha256'][:12]})"


def _marks(found: Sequence[Mapping[str, Any]]) -> list[str]:
    known = [Mark(**mark) for mark in found]
    words = {True: "yes", False: "no", None: "not measured"}
    rows = [
        (m.name, f"{'>=' if m.at_least else '<='} {m.wanted:g}", m.found, words[m.met])
        for m in known
    ]
    return ["## Marks", *table(("what", "asked", "found", "met"), rows)]


def _samples(found: Mapping[str, Any]) -> list[str]:
    if "spaces" not in found:
        return ["## Samples", *_note(found)]
    rows = []
    for space, figures in found["spaces"].items():
        seen = "a loss uses it" if figures["used_by_losses"] else "no loss uses it"
        for name, fid in figures["fid"].items():
            kid = figures["kid"][name]
            rows.append(
                (
                    f"{space} ({figures['dimensions']}; {seen})",
                    "real crops, the floor" if name == "real" else name,
                    number(fid, 3),
                    f"{1000 * kid['mean']:.2f} ± {1000 * kid['spread']:.2f}",
                )
            )
    count = found["count"]
    return [
        "## Samples",
        "",
        f"{count} samples of each truncation_psi against {count} real crops; the floor is {count} "
        "other real crops. FID is biased for so few pictures: compare only reports of the same "
        "count. KID is 1000 x the mean of 100 blocks ± their standard deviation. Features are "
        "divided by the root of their mean square over the real crops.",
        *(table(("features", "pictures", "FID", "KID x 1000"), rows) if rows else [""]),
    ]


def _inversion(found: Mapping[str, Any]) -> list[str]:
    if "ways" not in found:
        return ["## Inversion", *_note(found)]
    rows = [
        (
            name,
            way["faces"],
            *(way[key] for key in ("psnr", "perceptual", "identity_distance")),
            percent(way.get("same_person")),
            way["seconds"],
        )
        for name, way in found["ways"].items()
    ]
    head = ("by", "faces", "PSNR, dB", f"distance, {found['perceptual']}", "identity distance")
    head = (*head, "same person", "seconds a face")
    return ["## Inversion", *_note(found), *table(head, rows)]


def _ageing(found: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    if "by" not in found:
        return ["## Ageing", *_note(found)]
    lines = [
        "## Ageing",
        "",
        f"{found['faces']} faces to {', '.join(f'{t:g}' for t in config['targets'])} years; "
        f"{found['missed']} in which no face was found are left out. *Photo* and *reconstruction* "
        "are what one would get for doing nothing: the same figures of the photo itself, and of "
        "the photo with the generator's unedited face in it. *Near* is the share of pictures read "
        f"within {NEAR:g} years of the target, *reached* what the edit itself claims, *all at "
        f"once* near, within {NEAR_SECOND:g} years by the second network, and the same person.",
    ]
    for group, title in GROUPS.items():
        lines += _group(found["by"][group], title)
    return lines + _labels(found["labels"]) + _leakage(found["leakage"]) + _smooth(found)


def _group(found: Mapping[str, Any], title: str) -> list[str]:
    shares = ("near", "reached", "same_person", "all_at_once")
    rows = []
    for name in found["aged"]:
        for kind in KINDS if not title or title == GROUPS["target"] else KINDS[:1]:
            row = found[kind][name]
            numbers = [row[key] for key in ("pictures", "mae", "mae_second", "identity_distance")]
            rows.append((name, kind, *numbers, *(percent(row[key]) for key in shares)))
    if title in ("", GROUPS["target"]):
        first = (title or "faces", "what")
    else:
        first, rows = (title,), [(row[0], *row[2:]) for row in rows]
    head = ("pictures", "MAE", "MAE, second", "identity distance", "near", "reached")
    return table((*first, *head, "same person", "all at once"), rows)


def _labels(found: Mapping[str, Any]) -> list[str]:
    rows = [(kind, row["faces"], row["mae"], row["mae_second"]) for kind, row in found.items()]
    head = ("not aged", "faces", "MAE to the label's middle", "by the second network")
    return ["The networks' own errors, on the same faces:", *table(head, rows)]


def _leakage(found: Mapping[str, Any]) -> list[str]:
    keys = ("photo_mean", "photo_spread", "reconstruction", "aged", "drift")
    rows = [
        (f"{name}: {ATTRIBUTES[name]}", *(row[key] for key in keys), percent(row["unseen"]))
        for name, row in found.items()
    ]
    head = ("leakage", "photos: mean", "and spread", "change, reconstruction", "change, aged")
    flipped, second = (percent(found[name]["flipped"]) for name in GENDERS)
    return [
        "Mean absolute change against the photo (the photo's own is 0), beside how much people "
        f"differ. The gender that is read flips in {flipped} of the pictures, by the second "
        f"network in {second}.",
        *table((*head, "drift for +10 years", "no face seen"), rows),
    ]


def _smooth(found: Mapping[str, Any]) -> list[str]:
    smooth = found["smoothness"]
    rows = [
        ("roughness of the read age (SD of second differences), years", smooth["age_roughness"]),
        ("change of the picture a step (RMS), grey levels", smooth["step"]),
        ("unevenness of the steps (SD / mean)", smooth["step_unevenness"]),
        ("steps in which the read age falls by over a year", percent(smooth["backwards"])),
        ("lowest PSNR outside the mask (what is bent counts), dB", found["psnr_outside"]),
        ("seconds an edit, all targets", found["seconds"]),
    ]
    return table(("per step", "value"), rows)


def _pairs(found: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    if "measures" not in found:
        return ["## The same people, later", *_note(found)]
    gap = found["gap"]
    span = f"{gap['low']:.1f} to {gap['high']:.1f}, mean {gap['mean']:.1f} years" if gap else "-"
    names = {
        "identity": "identity distance",
        "age": "read age, years apart",
        "second_age": "read age, second network",
    }
    keys = ("older", "reconstruction", "aged")
    rows = [
        (
            f"{names[name]} to the newer photo",
            *(row[key] for key in keys),
            percent(row["nearer"]),
            row["gain"],
            row["gain_over_reconstruction"],
        )
        for name, row in found["measures"].items()
        if row
    ]
    head = ("", "older photo", "reconstruction", "aged by the gap", "aged is nearer")
    same = found["same_person"] or {"older": None, "aged": None}
    return [
        "## The same people, later",
        "",
        f"{found['pairs']} pairs, {found['missed']} left out. Gap: {span}, from the newer photo's "
        f"EXIF date; {found['dated']} older ones have a date too, the others are taken to be of "
        f"{config['older_year']:g}, so that a gap may be some years off. The older photo is aged "
        "to what the age network reads in it plus the gap. A gain above 0 means nearer to the "
        "newer photo. Taken for the same person: "
        f"{percent(same['older'])} as they are, {percent(same['aged'])} aged.",
        *table((*head, "gain", "gain over the reconstruction"), rows),
    ]


def _effort(figures: Mapping[str, Any]) -> list[str]:
    made_by = figures["made_by"]
    rows = [(name, value) for name, value in figures["seconds"].items()]
    memory = figures["peak_memory_mb"]
    return [
        "## Time and memory",
        *table(("section", "seconds"), rows),
        f"Most memory held: {'-' if memory is None else f'{memory:.0f} MB'}. "
        f"{made_by['threads']} threads of {made_by['processors']} processors; reage "
        f"{made_by['reage']}, torch {made_by['torch']}, Python {made_by['python']}.",
    ]


def _note(found: Mapping[str, Any]) -> list[str]:
    return ["", found["note"] + "."] if "note" in found else []


def _round_floats(value: Any) -> Any:
    """Round all floats in plain data to six significant digits."""
    if isinstance(value, Mapping):
        return {str(name): _round_floats(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_round_floats(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
