"""The tables of a batch: a row for each face of each output, as CSV and Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reage.files import write_file
from reage.jobs.batch.task import Done

__all__ = ["COLUMNS", "ERRORS", "MANIFEST", "as_text", "manifest_rows", "write_manifest"]

MANIFEST, ERRORS = "manifest", "errors.csv"
COLUMNS: dict[str, type] = {
    "input": str, "status": str, "error": str, "output": str, "width": int, "height": int,
    "face": int, "asked": float, "before": float, "before_spread": float, "after": float,
    "after_spread": float, "reached": bool, "limit": str, "strength": float, "likeness": float,
    "psnr": float, "model": str, "notices": str,
}  # fmt: skip


def manifest_rows(all_done: Sequence[Done]) -> list[dict[str, Any]]:
    """A row for each face of each output, and one for each photo that failed."""
    rows = []
    for done in all_done:
        status = "left out" if done.left_out else "done" if done.error is None else "failed"
        own = {"input": done.key, "status": status, "error": done.error, "model": done.model,
               "notices": " | ".join(done.notices) or None}  # fmt: skip
        rows += [{**dict.fromkeys(COLUMNS), **row, **own} for row in done.rows or ({},)]
    return rows


def write_manifest(folder: Path, all_done: Sequence[Done]) -> list[Path]:
    """Write manifest.csv, manifest.parquet where pyarrow is installed, and errors.csv."""
    rows = manifest_rows(all_done)
    files = {f"{MANIFEST}.csv": _csv(rows, list(COLUMNS))}
    parquet = _parquet(rows)
    if parquet is not None:
        files[f"{MANIFEST}.parquet"] = parquet
    errors = [{"input": done.key, "error": done.error} for done in all_done if done.error]
    files[ERRORS] = _csv(errors, ["input", "error"])
    for name, data in files.items():
        write_file(folder / name, data)
    return [folder / name for name in files]


def as_text(name: str) -> str:
    r"""Escape non-UTF-8 bytes of a name as \xff, since neither ZIP nor Parquet can store them."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _csv(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "surrogateescape")  # names as on the disk


def _parquet(rows: Sequence[dict[str, Any]]) -> bytes | None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        return None
    types = {str: pa.string(), int: pa.int32(), float: pa.float64(), bool: pa.bool_()}
    schema = pa.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
    sink = pa.BufferOutputStream()
    texts = [{k: as_text(v) if isinstance(v, str) else v for k, v in row.items()} for row in rows]
    pq.write_table(pa.Table.from_pylist(texts, schema=schema), sink)
    return sink.getvalue().to_pybytes()
