"""What commands print: one JSON document on stdout with --json, else a few readable lines.

Progress goes to stderr, so that stdout holds the result alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else on stdout.")]


def emit(as_json: bool, document: Any, lines: Sequence[str]) -> None:
    """Prints the document as JSON, or the lines as text."""
    if not as_json:
        print("\n".join(lines))
        return
    print(json.dumps(document, default=str))


def table_lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows (the first is the header) as aligned columns of text."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [lines[0], "-" * len(lines[0]), *lines[1:]]


def note(text: str) -> None:
    """One line to the person watching, on stderr."""
    print(text, file=sys.stderr, flush=True)
