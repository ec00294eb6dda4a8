"""`reage fit-detail`: a bank of the skin detail of old faces."""

from __future__ import annotations

from pathlib import Path

import click

from reage.errors import ModelError, UsageError


@click.command("fit-detail")
@click.argument("heads", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder.")
@click.option("--source", help="Use only the heads of this source.")
@click.option(
    "--chosen",
    type=click.Path(path_type=Path, exists=True),
    help="Text file that lists the exemplars, one name per line, followed by covered regions.",
)
@click.option("--credit", default="", help="Source and licence, stored with the bank.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier bank.")
def fit_detail(
    heads: Path,
    output: Path,
    source: str | None,
    chosen: Path | None,
    credit: str,
    overwrite: bool,
) -> None:
    """Build a bank of skin detail from the table HEADS (a CSV beside its .tar or pictures).

    Detail of old faces identifies them: use pictures of people who do not exist.

    \b
    reage fit-detail heads.csv --source faker --chosen exemplars.txt -o detail
    """
    from reage.compositing.detail_bank import INDEX, write_bank
    from reage.faces.detection import FaceDetector
    from reage.files import check_folder
    from reage.fitting.heads import (
        choose_old,
        choose_young,
        read_choice,
        read_heads,
        read_pictures,
    )
    from reage.fitting.skin_detail import Head, fit_bank

    check_folder(output)
    if (output / INDEX).exists() and not overwrite:
        raise ModelError(f"{output} holds a bank already; add --overwrite to replace it")
    rows = [row for row in read_heads(heads) if source in (None, row.source)]
    young = choose_young(rows)
    old = read_choice(chosen, rows) if chosen else [(row, ()) for row in choose_old(rows)]
    for name, some, sexes in (
        ("young", young, {row.sex for row in young}),
        ("old", old, {row.sex for row, _ in old}),
    ):
        if len(sexes) < 2:
            raise UsageError(f"{heads} has {len(some)} {name} heads: both sexes are needed")
    pictures = dict(read_pictures(heads, [*young, *(row for row, _ in old)]))
    detector = FaceDetector()

    def head(row, covered=()) -> Head:
        rgb = pictures[row]
        faces = detector.detect(rgb)
        if not faces:
            raise UsageError(f"no face was found in {row.file}")
        return Head(row.name, rgb, faces[0], row.sex, row.age, row.ita, covered)

    first = [head(row) for row in young]
    second = [head(row, covered) for row, covered in old]
    bank = fit_bank(first, second, [one.face for one in (*first, *second)], credit)
    write_bank(bank, output)
    size = sum(len(one.data) for one in bank.exemplars) / 1e6
    click.echo(
        f"{output}: {len(bank.exemplars)} exemplars of {len(first)} young heads, {size:.1f} MB"
    )
