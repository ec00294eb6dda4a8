"""What a poster says, in one language: the content that `assets/poster/poster.typ` lays out."""

from __future__ import annotations

from collections.abc import Sequence

from reage.outputs.poster.fields import PosterFields
from reage.outputs.poster.languages import Words, load_words
from reage.outputs.poster.poster import Poster
from reage.outputs.poster.times import Times

__all__ = ["poster_content"]

FACTS = ("sex", "height", "weight", "eyes", "hair")  # a line each beside the photo
MARKS = ("marks", "clothes")  # below those, over several lines


def poster_content(poster: Poster) -> dict[str, object]:
    """Return the texts of a poster by the names that the layout knows, without its pictures."""
    fields, words = poster.fields, load_words(poster.fields.language)
    labels, said = words.labels, words.sentences
    today = poster.times.today
    return {
        "language": words.language,
        "rtl": words.direction == "rtl",
        "paper": {"a4": "a4", "letter": "us-letter"}[fields.paper],
        "title": " - ".join(text for text in (labels["missing"], fields.name) if text),
        "author": fields.organisation or poster.program,
        "description": said["honesty"] if poster.looks else "",
        "date": [today.year, today.month or 1, today.day or 1],
        "missing": labels["missing"],
        "name": fields.name,
        "lead": _lead(fields, words),
        "facts": _facts(fields, poster.times, words),
        "photo": {"file": "photo.jpg", "caption": _caption(poster, words)},
        "looks-title": _looks_title(poster.times, words),
        "synthetic": said["synthetic"],
        "looks": [
            {"file": f"look{i}.jpg", "words": _join(words, [words.looks[n] for n in look.names])}
            for i, look in enumerate(poster.looks)
        ],
        "marks": [(labels[n], getattr(fields, n)) for n in MARKS if getattr(fields, n)],
        "text": fields.text,
        "seen": said["seen"],
        "call": labels["contacts"] + words.colon,
        "contacts": fields.contacts,
        "organisation": fields.organisation,
        "case": (labels["case_number"], fields.case_number) if fields.case_number else None,
        "url": fields.url,
        "small": _small(poster, words),
    }


def _lead(fields: PosterFields, words: Words) -> list[tuple[str, str]]:
    lines = []
    if fields.missing_since is not None:
        lines.append(
            (words.labels["missing_since"] + words.colon, words.say_date(fields.missing_since))
        )
    if fields.missing_from:
        lines.append((words.labels["missing_from"] + words.colon, fields.missing_from))
    return lines


def _facts(fields: PosterFields, times: Times, words: Words) -> list[tuple[str, str]]:
    """Return labels and values beside the photo."""
    found: list[tuple[str, str]] = []
    if fields.born is not None:
        found.append((words.labels["born"], words.say_date(fields.born)))
    then, now = times.age_then, times.age_now
    if then is not None and now is not None:
        found.append((words.labels["age"], words.say_age(then)))
        if words.say_age(now) != words.say_age(then):
            found.append((words.labels["age_now"], words.say_age(now)))
    for name in FACTS:
        value: str = getattr(fields, name)
        if value:
            found.append((words.labels[name], words.values.get(value.lower(), value)))
    return found


def _caption(poster: Poster, words: Words) -> str:
    taken = poster.fields.photo_taken
    parts = [words.labels["photo"]]
    if taken is not None:
        parts.append(words.say_date(taken))
    if poster.times.age_in_photo is not None:
        parts.append(words.say_age(poster.times.age_in_photo))
    return _join(words, parts)


def _looks_title(times: Times, words: Words) -> str:
    title = words.labels["outcomes"]
    if times.age_now is None:
        return title
    age = words.say_age(times.age_now)
    return _join(words, [title, words.sentences["about"].format(age=age)])


def _small(poster: Poster, words: Words) -> list[str]:
    """Return the responsible sentences: what the pictures are, and how they were made."""
    if not poster.looks:
        return []
    said = words.sentences
    # Names and dates stay whole among words that run the other way: Unicode's isolates.
    apart = "\u2068{}\u2069".format if words.direction == "rtl" else str
    made = said["made"].format(
        program=apart(poster.program),
        model=apart(poster.model),
        date=apart(words.say_date(poster.times.today)),
        years=words.say_span(poster.times.passed),
    )
    short = [said["short"]] if poster.short else []
    return [" ".join([said["honesty"], *short]), made]


def _join(words: Words, parts: Sequence[str]) -> str:
    return words.comma.join(parts)
