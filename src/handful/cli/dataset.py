"""handful dataset: one canvas, one split, frozen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handful.cli import options
from handful.cli.output import JsonFlag, emit

EXAMPLE = "handful dataset photos/ --out work/ --canvas 64"


def command(
    photos: Annotated[Path, typer.Argument(help="The folder of photos. It is only read.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The workspace; 1_photos and 2_dataset are written there.")],
    canvas: options.Canvas = None,
    fit: options.Fit = None,
    filter: options.Filter = None,
    channels: options.Channels = None,
    bit_depth: options.BitDepth = None,
    heldout: options.Heldout = None,
    folds: options.Folds = None,
    split: options.Split = None,
    group_by: options.GroupBy = None,
    seed: Annotated[int | None, typer.Option(help="Decides which groups are held out.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Brings photos to one canvas and holds some out, near-duplicates kept together."""
    from handful.core.config import parse_settings
    from handful.core.decode import keep_out_of_photos
    from handful.core.workspace import Workspace
    from handful.dataset.build import build_dataset
    from handful.dataset.settings import DatasetSettings
    from handful.photos.audit import audit_photos

    flags = options.given(
        canvas=canvas, fit=fit, filter=filter, channels=channels, heldout=heldout, folds=folds, split=split,
        group_by=group_by, seed=seed,
    )  # fmt: skip
    settings = parse_settings(DatasetSettings, flags, "handful dataset")
    work = Workspace(out)
    audit = audit_photos(photos, bit_depth=bit_depth)
    keep_out_of_photos(out, photos)
    with work.hold():
        dataset = build_dataset(audit, work.dataset, settings)
        audit.write(work.photos)  # only now: a refused data set must not replace the audit of the one that stands
    heldout_images = dataset.heldout(0)
    lines = [
        f"{len(dataset.images)} images of {dataset.canvas}, {dataset.channels} channel(s), {dataset.bit_depth} bit",
        f"{len(dataset.training(0))} to train on, {len(heldout_images)} held out ({dataset.split})",
        *[f"left out: {file.name}: {file.reason}" for file in dataset.left_out],
        *[f"note: {warning}" for warning in dataset.warnings],
        f"dataset: {work.dataset}, fingerprint {dataset.fingerprint[:12]}",
    ]
    emit(as_json, {"dataset": str(work.dataset), **dataset.model_dump(mode="json")}, lines)
