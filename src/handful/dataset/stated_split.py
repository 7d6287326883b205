"""The split that the photos' layout states: its test photos are held out."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from handful.core.artifacts import Photo
from handful.core.errors import UserError
from handful.core.labels import LabelSheet
from handful.dataset.settings import DatasetSettings
from handful.dataset.split import Split


def stated_split(
    photos: Sequence[Photo],
    settings: DatasetSettings,
    labels: LabelSheet | None,
    pixels: Sequence[Collection[str]] | None = None,
) -> Split:
    """Holds out what the layout calls test; all else is trained on.

    Args:
        photos: in natural file order, at least one.
        settings: with split 'layout'.
        labels: of the photos.
        pixels: for each photo the pixel hashes of its images on the canvas.

    Raises:
        UserError: the layout states no test or no training photo, other settings of the split are given too, or an
            image is on both sides.
    """
    if settings.folds > 1 or settings.group_by is not None or settings.heldout == 0:
        raise UserError(
            "--split layout is given together with --folds, --group-by or --heldout 0.",
            "The layout alone says which photos are held out, once.",
            "Leave out the other flags, or leave out --split layout.",
        )
    stated = {photo.name: photo.split for photo in labels.photos} if labels is not None else {}
    test = [stated.get(photo.name) == "test" for photo in photos]
    if all(test) or not any(test):
        raise UserError(
            f"The layout of the photos calls {sum(test)} of {len(photos)} photos test photos.",
            "--split layout needs at least 1 test photo and 1 to train on.",
            "Leave out --split layout, or put photos into folders train and test.",
        )
    hashes = [(side, one) for side, own in zip(test, pixels or [()] * len(photos), strict=True) for one in own]
    both = {one for side, one in hashes if side} & {one for side, one in hashes if not side}
    if both:
        raise UserError(
            f"{len(both)} image(s) on the canvas are the same among the training and the test photos.",
            "No test image may be a training image.",
            "Take the copies out of the training photos, or leave out --split layout.",
        )
    numbers: dict[tuple[int, bool], int] = {}
    groups = tuple(
        numbers.setdefault((photo.group, side), len(numbers)) for photo, side in zip(photos, test, strict=True)
    )
    cut = len(numbers) - len({photo.group for photo in photos})
    warnings = (
        (
            f"{cut} groups of near-duplicates have photos on both sides of the layout's split: scores will look better "
            "than on new parts.",
        )
        if cut
        else ()
    )
    words = f"{sum(test)} of {len(photos)} photos held out, as their layout states"
    return Split(groups, tuple(0 if side else None for side in test), words, warnings)


def unheeded_split(photos: Sequence[Photo], settings: DatasetSettings, labels: LabelSheet | None) -> tuple[str, ...]:
    """A warning where the layout states a split and another one is made."""
    stated = {photo.name: photo.split for photo in labels.photos} if labels is not None else {}
    test = sum(stated.get(photo.name) == "test" for photo in photos)
    if settings.split == "layout" or not 0 < test < len(photos):
        return ()
    return (
        f"The layout calls {test} of {len(photos)} photos test photos, and they were not held out for that: "
        "--split layout holds out those.",
    )
