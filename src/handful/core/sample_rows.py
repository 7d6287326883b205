"""The rows of a set of samples while it is being drawn: samples.jsonl grows line by line, each before its file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

from handful.core.artifacts import SAMPLE_ROWS, SampleRow
from handful.core.errors import UserError
from handful.core.images import pixels_sha256, read_png
from handful.core.workspace import explain_full_disk, write_atomically


def read_unfinished_rows(folder: Path) -> dict[int, SampleRow]:
    """The rows by seed; unlike the judge, it leaves out a line that a kill cut short. Empty where there are none.

    Raises:
        UserError: the file is damaged.
    """
    path = folder / SAMPLE_ROWS
    if not path.is_file():
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        rows = [SampleRow.model_validate_json(line) for line in lines if line.endswith("\n")]
    except (ValidationError, UnicodeDecodeError):
        raise UserError(
            f"{path} is damaged.",
            "It must be as this version of Handful wrote it.",
            "Delete that folder of samples and draw them again.",
        ) from None
    return {row.seed: row for row in rows}


def append_rows(folder: Path, rows: Iterable[SampleRow]) -> None:
    """Adds lines at the end.

    Raises:
        UserError: the disk is full.
    """
    path = folder / SAMPLE_ROWS
    with explain_full_disk(path), path.open("a", encoding="utf-8") as file:
        file.writelines(_line(row) for row in rows)


def write_rows(folder: Path, rows: Mapping[int, SampleRow]) -> None:
    """Writes all of them anew, in order of seed."""
    write_atomically(folder / SAMPLE_ROWS, "".join(_line(rows[seed]) for seed in sorted(rows)).encode())


def is_intact(folder: Path, row: SampleRow | None) -> bool:
    """Whether a sample is there whole: its pixels as they were drawn, and what belongs to it."""
    if row is None:
        return False
    beside = [file for file in (row.mask, row.passport.file if row.passport is not None else None) if file]
    if not all((folder / file).is_file() for file in (row.file, *beside)):
        return False
    try:
        return pixels_sha256(read_png(folder / row.file)) == row.pixels_sha256
    except UserError:
        return False


def _line(row: SampleRow) -> str:
    return row.model_dump_json() + "\n"
