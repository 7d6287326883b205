"""handful dataset: one canvas, one split, frozen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handful.cli import options
from handful.cli.output import JsonFlag, emit

if TYPE_CHECKING:
    from handful.core.artifacts import DatasetManifest

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
    layout: options.Layout = None,
    seed: Annotated[int | None, typer.Option(help="Decides which groups are held out.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Brings photos, their labels and masks to one canvas and holds some out, near-duplicates kept together."""
    from handful.core.config import parse_settings
    from handful.core.decode import keep_out_of_photos
    from handful.core.workspace import Workspace
    from handful.dataset.build import build_dataset
    from handful.dataset.settings import DatasetSettings
    from handful.photos.audit import audit_photos
    from handful.photos.layouts import read_labels, write_labels

    flags = options.given(
        canvas=canvas, fit=fit, filter=filter, channels=channels, heldout=heldout, folds=folds, split=split,
        group_by=group_by, seed=seed,
    )  # fmt: skip
    settings = parse_settings(DatasetSettings, flags, "handful dataset")
    work = Workspace(out)
    audit = audit_photos(photos, bit_depth=bit_depth, layout=layout)
    labels = read_labels(photos, layout)
    keep_out_of_photos(out, photos)
    with work.hold():
        dataset = build_dataset(audit, work.dataset, settings, labels=labels)
        audit.write(work.photos)  # only now: a refused data set must not replace the audit of the one that stands
        write_labels(labels, work.photos)
    heldout_images = dataset.heldout(0)
    lines = [
        f"{len(dataset.images)} images of {dataset.canvas}, {dataset.channels} channel(s), {dataset.bit_depth} bit",
        f"{len(dataset.training(0))} to train on, {len(heldout_images)} held out ({dataset.split})",
        *_label_words(dataset),
        *[f"left out: {file.name}: {file.reason}" for file in dataset.left_out],
        *[f"note: {warning}" for warning in dataset.warnings],
        f"dataset: {work.dataset}, fingerprint {dataset.fingerprint[:12]}",
    ]
    emit(as_json, {"dataset": str(work.dataset), **dataset.model_dump(mode="json")}, lines)


def _label_words(dataset: DatasetManifest) -> list[str]:
    """How many images have each label; nothing where there are no labels."""
    labels = [image.label for image in dataset.images]
    if not any(labels):
        return []
    masks = sum(image.mask is not None for image in dataset.images)
    counts = [
        f"{labels.count(label)} {label or 'unknown'}" for label in ("good", *dataset.kinds, "") if label in labels
    ]
    return [f"labels: {', '.join(counts)}; {masks} masks"]
