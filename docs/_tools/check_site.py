"""Fail if a page of the built site would load anything from another host.

python docs/_tools/check_site.py build/site
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

# Attributes that a browser fetches by itself. `href` of a link that a reader clicks is not one.
FETCHED = {"src", "srcset", "poster", "data"}
CSS_URL = re.compile(r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^'\")\s]+)")


class Fetches(HTMLParser):
    """Collect what a page loads from another host."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            fetched = name in FETCHED or (tag == "link" and name == "href")
            if fetched and value and re.match(r"(https?:)?//", value):
                self.found.append(f"<{tag} {name}={value}>")


def external(path: Path) -> list[str]:
    """Return what one file of the site loads from another host."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".css":
        return CSS_URL.findall(text)
    parser = Fetches()
    parser.feed(text)
    return parser.found + CSS_URL.findall(text)


def main(site: Path) -> int:
    pages = [p for p in sorted(site.rglob("*")) if p.suffix in (".html", ".css", ".svg")]
    assert pages, f"{site} holds no pages"
    wrong = [f"{page.relative_to(site)}: {what}" for page in pages for what in external(page)]
    print("\n".join(wrong) or f"{len(pages)} files, nothing from another host")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
