"""Labels and masks of photos, brought to the canvas as their photos are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from handful.core.artifacts import DatasetImage, Photo, Size
from handful.core.errors import UserError
from handful.core.labels import GOOD, IndexMap, LabelSheet, index_map, label_of
from handful.dataset.canvas import fit_index_map
from handful.dataset.settings import Fit


@dataclass(frozen=True)
class CanvasLabel:
    """What is known of one image on the canvas."""

    label: str
    """'good', a kind, or '' where it is not known."""
    mask: IndexMap | None
    """None where nothing is outlined."""


def check_labels(labels: LabelSheet, folder: str) -> None:
    """Refuses labels of other photos.

    Raises:
        UserError: the labels are of another folder.
    """
    if labels.folder != folder:
        raise UserError(
            f"The labels are of the photos in {labels.folder}, and the data set is of {folder}.",
            "Photos and labels are of one folder.",
            "Run `handful dataset` again: it reads both.",
        )


def canvas_labels(
    labels: LabelSheet | None, photo: Photo, pieces: Sequence[str], canvas: Size, fit: Fit
) -> Iterator[CanvasLabel]:
    """The label of each image that a photo gives, in the order of `fit_photo`.

    Where a photo's defects are outlined, an image's label follows from what of them lies in it. Where they are not, a
    whole photo keeps its label; of a cut of a defective photo it is not known whether the defect lies in it.

    Args:
        labels: of all photos; None where there are none.
        photo: as it was audited.
        pieces: file name suffixes of its images.
        canvas: size of each.
        fit: how the photo was brought to it.

    Raises:
        UserError: as `labels.index_map`.
    """
    found = {one.name: one for one in labels.photos}.get(photo.name) if labels is not None else None
    if labels is None or found is None:
        yield from (CanvasLabel("", None) for _ in pieces)
    elif found.regions:
        whole = index_map(found.regions, labels.kinds, Path(labels.folder), photo.size)
        for _, piece in fit_index_map(whole, canvas, fit):
            label = label_of(piece, labels.kinds)
            yield CanvasLabel(label, None if label == GOOD else piece)
    else:
        known = found.label == GOOD or fit == "keep"
        yield from (CanvasLabel(found.label if known else "", None) for _ in pieces)


def label_warnings(labels: LabelSheet | None, images: Sequence[DatasetImage]) -> tuple[str, ...]:
    """What was lost or left open when labels came onto the canvas."""
    if labels is None:
        return ()
    warnings = list(labels.warnings)
    label_of_photo = {photo.name: photo.label for photo in labels.photos}
    images_of: dict[str, list[DatasetImage]] = {}
    for image in images:
        images_of.setdefault(image.photo, []).append(image)
    open_photos = [
        name for name, cut in images_of.items()
        if name in label_of_photo and any(not image.label for image in cut)
    ]  # fmt: skip
    if open_photos:
        warnings.append(
            f"{len(open_photos)} defective photos have no outlines (such as {open_photos[0]}): the images cut from "
            "them have no label, for the defect may lie outside."
        )
    lost = [
        name for name, cut in images_of.items()
        if label_of_photo.get(name, GOOD) != GOOD and all(image.label == GOOD for image in cut)
    ]  # fmt: skip
    if lost:
        warnings.append(f"The defects of {len(lost)} photos (such as {lost[0]}) lie outside the crop.")
    return tuple(warnings)
