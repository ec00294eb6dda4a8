"""An A4 sheet for the search for a missing person: plausible looks today, with notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from reage.agers.base import PreparedFace
from reage.faces.readings import AgeReading
from reage.images import Photo
from reage.outputs.grid import cut_to_face
from reage.outputs.labels import FAINT, INK, PAPER, font, plain, wrap_text, write
from reage.outputs.months import Dates, said_age
from reage.outputs.outcomes import Outcome

__all__ = ["DPI", "HONESTY", "SheetFacts", "changes_in", "draw_sheet", "sheet_age", "sheet_notes"]

DPI = 300
PAGE = (2480, 3508)  # A4 at 300 dpi
MARGIN, GAP = 150, 40  # pixels
LARGE, TITLE, BODY = 960, 92, 40  # side of the two large pictures; font sizes (40 is 9.6 points)
ACROSS = 4  # small pictures in a row
AROUND = 1.5  # side of the squares shown, in FFHQ squares
RULE, MARK = (190, 190, 196), (170, 40, 30)

HONESTY = (
    "What this is, and is not. All pictures but the photo are synthetic: a computer program made "
    "them from that photo. Each shows one of several plausible looks. None is a prediction: growth,"
    " hair, weight, illness and way of life are not known to the program. None is evidence of "
    "anybody's identity. Show them together with the photo, and as what they are; who resembles "
    "one of them is not therefore the person sought."
)


@dataclass(frozen=True, eq=False)
class SheetFacts:
    """The content of a sheet."""

    name: str  # "" where it is not to be given
    dates: Dates
    photo: Photo
    face: PreparedFace
    asked: float  # years, of which the program was to show the face
    outcomes: Sequence[Outcome]  # the first is the main one
    made_by: str  # program, model, seed


def sheet_age(dates: Dates, reading: AgeReading) -> float:
    """Return the target age: that of today, but never younger than in the photo."""
    return max(dates.years_now, reading.age) if dates.years_between > 0 else dates.years_now


def changes_in(years: float) -> float:
    """Return the share of the possible variation for so many years, 0..1."""
    return min(0.4 + years / 20, 1.0)


def sheet_notes(facts: SheetFacts) -> list[str]:
    """List the estimated ages of the pictures, and missed targets, one per line."""
    then, now = said_age(facts.dates.months_then), said_age(facts.dates.months_now)
    reading, main = facts.face.view.reading, facts.outcomes[0].face
    lines = [
        f"In the photo the age network reads {reading.age:.0f} ± {reading.spread:.0f} years; "
        f"{then} is the true age."
    ]
    if facts.asked > facts.dates.years_now + 0.5:
        lines.append(
            f"That is more than {now} already, so the face could not be aged by its read age: the "
            "pictures show mere variations."
        )
    elif main.limit is None:
        lines.append(f"Asked for {now}, the large picture reads {main.after.age:.0f}.")
    else:
        lines.append(
            f"NOT REACHED: asked for {now}, the large picture reads {main.after.age:.0f} only "
            f"({main.limit}). The person is likely to look "
            f"{'older' if main.after.age < facts.dates.years_now else 'younger'} than shown."
        )
    ages = [outcome.face.after.age for outcome in facts.outcomes]
    spread = float(np.mean([outcome.face.after.spread for outcome in facts.outcomes]))
    lines.append(
        f"Read ages of the {len(ages)} pictures: {min(ages):.0f} to {max(ages):.0f}, mean "
        f"{np.mean(ages):.0f}; each reading is uncertain by ± {spread:.0f} years."
    )
    return lines


def draw_sheet(facts: SheetFacts) -> np.ndarray:
    """Draw the page, `[3508, 2480, 3]` uint8: A4 at 300 dpi."""
    page = Image.new("RGB", PAGE, PAPER)
    y = _heading(page, facts, MARGIN)
    y = _large(page, facts, y)
    y = _small(page, facts, y)
    y = _scale(page, facts, y)
    _words(page, facts, y)
    return np.asarray(page)


def _heading(page: Image.Image, facts: SheetFacts, y: int) -> int:
    dates, width = facts.dates, PAGE[0] - 2 * MARGIN
    who = facts.name or "This person"
    title = f"{who}: possible looks at {said_age(dates.months_now)}"
    write(page, (MARGIN, y), title, TITLE, width=width)
    line = (
        f"Born {dates.born.words} · last seen {dates.last_seen.words} at "
        f"{said_age(dates.months_then)} · {said_age(dates.months_now)} in {dates.today.words}"
    )
    write(page, (MARGIN, y + 120), line, BODY * 1.2, ink=FAINT, width=width)
    write(page, (MARGIN, y + 190), "SYNTHETIC PICTURES - no prediction, no evidence", BODY * 1.1,
          ink=MARK)  # fmt: skip
    return y + 270


def _large(page: Image.Image, facts: SheetFacts, y: int) -> int:
    """Draw the photo and the main outcome side by side."""
    main = facts.outcomes[0]
    reading = facts.face.view.reading
    right = PAGE[0] - MARGIN - LARGE
    photo = f"the photo, at {said_age(facts.dates.months_then)}"
    made = f"synthetic: {said_age(facts.dates.months_now)} asked"
    _picture(page, facts, facts.photo, (MARGIN, y), LARGE, photo, f"reads {reading.age:.0f}")
    note = f"reads {main.face.after.age:.0f}"
    _picture(page, facts, main.edit.photo, (right, y), LARGE, made, note)
    middle = ((MARGIN + LARGE + right) // 2, y + LARGE // 2)
    ImageDraw.Draw(page).polygon(
        [(middle[0] - 40, middle[1] - 60), (middle[0] + 50, middle[1]),
         (middle[0] - 40, middle[1] + 60)], fill=RULE,
    )  # fmt: skip
    return y + LARGE + 110


def _small(page: Image.Image, facts: SheetFacts, y: int) -> int:
    """Draw the other outcomes in rows."""
    others = facts.outcomes[1:]
    if not others:
        return y
    write(page, (MARGIN, y), "Other plausible looks of the same age", BODY * 1.2)
    y += 75
    side = (PAGE[0] - 2 * MARGIN - (ACROSS - 1) * GAP) // ACROSS
    for i, outcome in enumerate(others):
        place = (MARGIN + i % ACROSS * (side + GAP), y + i // ACROSS * (side + 80))
        note = f"reads {outcome.face.after.age:.0f}"
        _picture(page, facts, outcome.edit.photo, place, side, outcome.name, note)
    return y + -(-len(others) // ACROSS) * (side + 80) + 20


def _picture(
    page: Image.Image,
    facts: SheetFacts,
    photo: Photo,
    place: tuple[int, int],
    side: int,
    label: str,
    note: str,
) -> None:
    """Draw the face's square of a photo, with its name at the left and its age at the right."""
    cut = Image.fromarray(
        np.ascontiguousarray(cut_to_face(photo.rgb8, facts.face.view.face, AROUND))
    )
    page.paste(cut.resize((side, side), Image.Resampling.LANCZOS), place)
    x, base = place[0], place[1] + side + 46
    room = font(BODY * 0.9).getlength(plain(note)) + 16
    write(page, (x, base), label, BODY, anchor="ls", width=side - room)
    write(page, (x + side, base), note, BODY * 0.9, ink=FAINT, anchor="rs")


def _scale(page: Image.Image, facts: SheetFacts, y: int) -> int:
    """Draw a scale of years: a dot for each estimated age, a line at the target age."""
    ages = [outcome.face.after.age for outcome in facts.outcomes]
    reading = facts.face.view.reading.age
    marks = [*ages, reading, facts.dates.years_now]
    low, high = max(min(marks) - 6, 0), max(marks) + 6
    draw, left, width = ImageDraw.Draw(page), MARGIN + 330, PAGE[0] - 2 * MARGIN - 400

    def at(age: float) -> float:
        return left + (age - low) / (high - low) * width

    write(page, (MARGIN, y + 72), "Read ages, years", BODY, anchor="ls")
    draw.line((left, y + 60, left + width, y + 60), fill=RULE, width=4)
    step = 5 if high - low < 60 else 10
    for tick in range(int(-(-low // step) * step), int(high) + 1, step):
        draw.line((at(tick), y + 60, at(tick), y + 74), fill=RULE, width=4)
        write(page, (at(tick), y + 112), f"{tick}", BODY * 0.85, ink=FAINT, anchor="ms")
    goal = at(facts.dates.years_now)
    draw.line((goal, y + 16, goal, y + 74), fill=MARK, width=6)
    write(page, (goal, y + 8), "age today", BODY * 0.8, ink=MARK, anchor="ms")
    for age in ages:
        draw.ellipse((at(age) - 14, y + 46, at(age) + 14, y + 74), outline=INK, width=5)
    spot = at(reading)
    draw.rectangle((spot - 12, y + 48, spot + 12, y + 72), fill=FAINT)
    write(page, (spot, y + 154), "photo", BODY * 0.8, ink=FAINT, anchor="ms")
    return y + 190


def _words(page: Image.Image, facts: SheetFacts, y: int) -> None:
    """Write the notes, the honesty line in a box, and the footer; shrink them if needed."""
    width, foot = PAGE[0] - 2 * MARGIN, PAGE[1] - MARGIN // 2
    size = float(BODY)
    while True:
        notes = [line for note in sheet_notes(facts) for line in wrap_text(note, width, size)]
        honest = wrap_text(HONESTY, width - 60, size)
        height = (len(notes) + len(honest)) * size * 1.3 + 170
        if y + height <= foot or size < 30:
            break
        size -= 1
    for line in notes:
        write(page, (MARGIN, y), line, size)
        y += round(size * 1.3)
    y += 24
    box = (MARGIN, y, PAGE[0] - MARGIN, y + round(len(honest) * size * 1.3) + 50)
    ImageDraw.Draw(page).rectangle(box, outline=MARK, width=5)
    for i, line in enumerate(honest):
        write(page, (MARGIN + 30, y + 22 + round(i * size * 1.3)), line, size)
    write(page, (MARGIN, foot), facts.made_by, BODY * 0.8, ink=FAINT, anchor="ls", width=width)
