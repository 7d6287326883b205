"""handful export: samples and photos as a labelled set that other tools read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from handful.cli.output import JsonFlag, emit

if TYPE_CHECKING:
    from handful.samples.export_formats import Format

EXAMPLE = "handful export work/4_samples/RUN --format classes --out exported/ --label good"


def command(
    source: Annotated[Path, typer.Argument(help="A set of samples, or a dataset folder.", show_default=False)],
    format: Annotated[str, typer.Option(help="mvtec, coco, yolo, voc, classes or masks.")],
    out: Annotated[Path, typer.Option(help="A new or empty folder.")],
    with_photos: Annotated[
        bool, typer.Option("--with-photos", help="Of samples: the photos too; held-out ones become the test part.")
    ] = False,
    fold: Annotated[
        int | None, typer.Option(help="The fold whose photos test; default: the run's own.", show_default=False)
    ] = None,
    label: Annotated[str, typer.Option(help="Of samples that carry no label: good, or a kind of defect.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Writes labelled images in a layout that other tools read. Samples are only ever training images."""
    from handful.samples.export import export_set

    manifest = export_set(source, out, cast("Format", format), with_photos, fold, label)
    lines = [f"{len(manifest.files)} images in {out}, as {manifest.format}"]
    for split in ("train", "test"):
        files = [file for file in manifest.files if file.split == split]
        if files:
            labels = [file.label for file in files]
            counts = ", ".join(f"{labels.count(one)} {one}" for one in ("good", *manifest.kinds) if one in labels)
            lines.append(f"{split}: {counts}; {sum(file.generated for file in files)} of them generated")
    if any(file.file.startswith("../") for file in manifest.files):
        lines.append(f"note: mvtec trains on good images alone; defects to train on are in {out}_defects.")
    if manifest.left_out:
        lines.append(f"note: {manifest.left_out} photos without a label are left out.")
    emit(as_json, {"folder": str(out), **manifest.model_dump(mode="json")}, lines)
