"""The fields of a poster: one table for the options, the TOML file, the page and the labels."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, cast, get_type_hints
from urllib.parse import urlsplit

from reage.errors import UsageError
from reage.outputs.poster.dates import OLDEST, PosterDate, parse_date
from reage.outputs.poster.languages import LANGUAGES
from reage.tables import read_text

__all__ = ["FIELDS", "PAPERS", "PosterFields", "Rule", "fill_fields", "read_fields"]

PAPERS = ("a4", "letter")
MOST_CONTACTS = 6
# Direction marks, the byte order mark and the like come along with copied text; nobody sees them.
INVISIBLE: dict[int, None] = dict.fromkeys((0x200B, 0x200E, 0x200F, 0xFEFF, 0x2060, 0xAD))
LARGEST_FILE = 1 << 16  # letters of a TOML file
Day: TypeAlias = PosterDate | None
Years: TypeAlias = float | None
Picture: TypeAlias = Path | bytes | None  # a file, or its bytes
Texts: TypeAlias = tuple[str, ...]
Kind = Literal["text", "lines", "list", "date", "age", "file", "url", "choice"]


@dataclass(frozen=True)
class Rule:
    """How one field is asked for and what it may hold."""

    kind: Kind
    help: str  # one line, for --help and the page
    most: int = 0  # characters, or of one entry of a list
    choices: tuple[str, ...] = ()  # of a choice; the first is the default
    name: str = ""  # the key in TOML; the option is --name with dashes


@dataclass(frozen=True)
class PosterFields:
    """What a poster says. Each empty field is left out of it.

    The labels are in `assets/poster/languages`.
    """

    name: Annotated[str, Rule("text", "Name of the person.", 80)] = ""
    born: Annotated[Day, Rule("date", "Date of birth: YYYY-MM-DD, YYYY-MM or YYYY.")] = None
    age: Annotated[Years, Rule("age", "Age when last seen, if the date of birth is unknown.")] = (
        None
    )
    missing_since: Annotated[Day, Rule("date", "Date when the person was last seen.")] = None
    missing_from: Annotated[str, Rule("text", "Place where the person was last seen.", 120)] = ""
    photo_taken: Annotated[Day, Rule("date", "Date of PHOTO; default: when last seen.")] = None
    today: Annotated[Day, Rule("date", "Date of the poster; default: today.")] = None
    # How the person looks: in the words of the report.
    sex: Annotated[str, Rule("text", "Sex; female and male are translated.", 40)] = ""
    height: Annotated[str, Rule("text", 'Height, such as "178 cm".', 40)] = ""
    weight: Annotated[str, Rule("text", 'Weight, such as "70 kg".', 40)] = ""
    eyes: Annotated[str, Rule("text", "Colour of the eyes.", 40)] = ""
    hair: Annotated[str, Rule("text", "Colour and length of the hair when last seen.", 80)] = ""
    marks: Annotated[str, Rule("lines", "Distinguishing marks: scars, tattoos, glasses.", 300)] = ""
    clothes: Annotated[str, Rule("lines", "Clothes when last seen.", 300)] = ""
    text: Annotated[str, Rule("lines", "Free text: circumstances, languages, illness.", 900)] = ""
    # Whom to call.
    contacts: Annotated[Texts, Rule("list", "Telephone or e-mail to call; several.", 80)] = ()
    case_number: Annotated[str, Rule("text", "Case number.", 60)] = ""
    organisation: Annotated[str, Rule("text", "Organisation that searches.", 100)] = ""
    logo: Annotated[Picture, Rule("file", "Picture file of the organisation's logo.")] = None
    url: Annotated[str, Rule("url", "Web page, also printed as a QR code.", 300)] = ""
    # How it is printed.
    language: Annotated[
        str, Rule("choice", "Language of the words in the picture.", 0, LANGUAGES)
    ] = "en"
    paper: Annotated[str, Rule("choice", "Paper size.", 0, PAPERS)] = "a4"


FIELDS: tuple[Rule, ...] = tuple(
    replace(hint.__metadata__[0], name=name)
    for name, hint in get_type_hints(PosterFields, include_extras=True).items()
)


def fill_fields(values: Mapping[str, object], where: str = "") -> PosterFields:
    """Check values by name and fill the fields; None and "" leave one empty.

    `where` names the source in messages. Raises UsageError with the first field that is wrong.
    """
    known = {rule.name: rule for rule in FIELDS}
    unknown = [name for name in values if name not in known]
    if unknown:
        raise UsageError(
            f"{where}unknown field {', '.join(unknown)}; the fields are {', '.join(known)}"
        )
    given = {name: value for name, value in values.items() if value not in (None, "", (), [])}
    return PosterFields(
        **{name: _checked(known[name], value, where) for name, value in given.items()}
    )


def read_fields(path: Path) -> dict[str, object]:
    """Read the fields' values from a TOML file; a logo is found beside the file."""
    try:
        text = read_text(path)
        if len(text) > LARGEST_FILE:
            raise UsageError(f"{path} is too large for a file of fields ({len(text)} letters)")
        values: dict[str, object] = tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from None
    fill_fields(values, f"{path}: ")
    if isinstance(values.get("logo"), str):
        values["logo"] = path.parent / cast(str, values["logo"])
    return values


def _checked(rule: Rule, value: object, where: str) -> Any:
    """Return a field's value in its own type, or raise UsageError."""
    name = f"{where}{rule.name}"
    match rule.kind:
        case "list":
            entries = [value] if isinstance(value, str) else value
            if not isinstance(entries, list | tuple) or len(entries) > MOST_CONTACTS:
                raise UsageError(f"{name} must be a list of at most {MOST_CONTACTS} texts")
            return tuple(_checked_text(name, entry, rule.most) for entry in entries)
        case "date":
            if isinstance(value, PosterDate):
                return value
            day = value.date() if isinstance(value, datetime) else value
            return parse_date(day.isoformat() if isinstance(day, date) else str(day), name)
        case "age":
            return _checked_age(name, value)
        case "file":
            if not isinstance(value, str | Path | bytes):
                raise UsageError(f"{name} must be the path of a picture file, not {value!r}")
            return value if isinstance(value, bytes) else Path(value)
        case "choice":
            if value not in rule.choices:
                raise UsageError(f"{name} {value!r} is unknown; choose {', '.join(rule.choices)}")
            return value
        case "url":
            return _checked_url(name, _checked_text(name, value, rule.most))
        case _:
            return _checked_text(name, value, rule.most, lines=rule.kind == "lines")


def _checked_text(name: str, value: object, most: int, *, lines: bool = False) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{name} must be a text in quotes, not {value!r}")
    shown = value.translate(INVISIBLE)
    text = "\n".join(" ".join(line.split()) for line in shown.strip().splitlines())
    text = text if lines else text.replace("\n", " ")
    if len(text) > most:
        raise UsageError(f"{name} has {len(text)} characters; at most {most} fit the poster")
    if any(not (char.isprintable() or char in "\n\u200c\u200d") for char in text):
        raise UsageError(f"{name} holds characters that cannot be printed; remove them")
    return text


def _checked_age(name: str, value: object) -> float:
    try:
        age = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        age = -1.0
    if isinstance(value, bool) or not 0 <= age <= OLDEST:
        raise UsageError(f"{name} {value!r} is not an age; give years from 0 to {OLDEST}")
    return age


def _checked_url(name: str, text: str) -> str:
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or " " in text:
        raise UsageError(f"{name} {text!r} is not a web address; begin it with https://")
    return text
