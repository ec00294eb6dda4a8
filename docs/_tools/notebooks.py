"""Show each notebook as a page of the site: its text as it is, its code as code blocks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files


def on_files(files: Files, config: Any) -> Files:
    """Add a page NAME.md for every notebook NAME.ipynb (an event of MkDocs)."""
    for path in sorted(Path(config.docs_dir, "notebooks").glob("*.ipynb")):
        page = f"notebooks/{path.stem}.md"
        files.append(File.generated(config, page, content=to_markdown(path)))
    return files


def to_markdown(path: Path) -> str:
    """Return the cells of a notebook as Markdown, below a link to the file."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = []
    for cell in cells:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    title, *rest = parts
    link = f"[Download this notebook]({path.name}); it runs in Jupyter or VS Code."
    return "\n\n".join([title, link, *rest]) + "\n"
