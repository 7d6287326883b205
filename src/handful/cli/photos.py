"""handful photos: what is in this folder?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handful.cli import options
from handful.cli.output import JsonFlag, emit, table_lines

if TYPE_CHECKING:
    from handful.core.workspace import Workspace

EXAMPLE = "handful photos photos/"


def command(
    folder: Annotated[Path, typer.Argument(help="The folder of photos. It is only read.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="A workspace to write 1_photos/photos.json and labels.json into.")
    ] = None,
    bit_depth: options.BitDepth = None,
    layout: options.Layout = None,
    as_json: JsonFlag = False,
) -> None:
    """Reads a folder of photos and says what is in it: sizes, depths, damage, duplicates, blur, exposure, labels."""
    from handful.core.decode import keep_out_of_photos
    from handful.core.workspace import Workspace
    from handful.photos.audit import audit_photos, audit_rows
    from handful.photos.layouts import label_lines, read_labels, write_labels

    if out is None:
        audit = audit_photos(folder, bit_depth=bit_depth, layout=layout)
        labels = read_labels(folder, layout)
    else:
        work = Workspace(out)
        keep_out_of_photos(out, folder)
        _check_data_set(work, folder)
        audit = audit_photos(folder, bit_depth=bit_depth, layout=layout)
        labels = read_labels(folder, layout)
        with work.hold():
            _check_data_set(work, folder)  # another run may have built one meanwhile
            audit.write(work.photos)
            write_labels(labels, work.photos)
    lines = table_lines(audit_rows(audit))
    lines += [f"left out: {file.name}: {file.reason}" for file in audit.unreadable]
    lines += [f"note: {warning}" for warning in audit.warnings]
    lines += label_lines(labels)
    lines.append(f"{len(audit.photos)} photos, fingerprint {audit.fingerprint[:12]}")
    document = {"labels": None if labels is None else labels.model_dump(mode="json")}
    emit(as_json, audit.model_dump(mode="json") | document, lines)


def _check_data_set(work: Workspace, folder: Path) -> None:
    """Refuses to replace the audit that a standing data set of another folder was built from."""
    from handful.core.artifacts import DatasetManifest
    from handful.core.errors import UserError

    if not (work.dataset / DatasetManifest.file_name).exists():
        return
    built_from = DatasetManifest.read(work.dataset).photo_folder
    if Path(built_from) != folder.resolve():
        raise UserError(
            f"{work.root} holds a data set of the photos in {built_from}, and these are in {folder}.",
            "A workspace belongs to one photo folder: its photos.json describes the photos of its data set.",
            "Give another folder with --out, or leave --out out to look at the photos alone.",
        )
