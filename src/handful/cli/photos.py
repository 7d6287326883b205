"""handful photos: what is in this folder?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handful.cli import options
from handful.cli.output import JsonFlag, emit, table_lines

EXAMPLE = "handful photos photos/"


def command(
    folder: Annotated[Path, typer.Argument(help="The folder of photos. It is only read.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="A workspace to write 1_photos/photos.json into.")] = None,
    bit_depth: options.BitDepth = None,
    as_json: JsonFlag = False,
) -> None:
    """Reads a folder of photos and says what is in it: sizes, depths, damage, duplicates, blur, exposure."""
    from handful.core.workspace import Workspace
    from handful.photos.audit import audit_photos, audit_rows

    audit = audit_photos(folder, Workspace(out).photos if out else None, bit_depth)
    lines = table_lines(audit_rows(audit))
    lines += [f"left out: {file.name}: {file.reason}" for file in audit.unreadable]
    lines += [f"note: {warning}" for warning in audit.warnings]
    lines.append(f"{len(audit.photos)} photos, fingerprint {audit.fingerprint[:12]}")
    emit(as_json, audit.model_dump(mode="json"), lines)
