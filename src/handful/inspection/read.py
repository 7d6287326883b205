"""Reads the labelled photos of a data set: for each fold what inspectors learn from and what they are tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handful.core.artifacts import DatasetImage, DatasetManifest
from handful.core.errors import UserError
from handful.core.images import pixels_sha256, read_png, read_unit_images, unit_to_integers
from handful.core.labels import GOOD
from handful.core.provenance import generated_among
from handful.core.seeds import numpy_stream
from handful.inspection.labelled_set import LabelledSet, Labels, Masks
from handful.statistics.binomial import share_at_most

LEAST_TEST_DEFECTS = 5
"""Held-out defective photos over all folds: with fewer, even an inspector that finds every one has proved nothing."""
_LEAST_A_FOLD = 2
"""Of good and of defective photos: below, AUROC has no spread."""
_LEAST_TRAINING = 2
"""Training photos of each label: one alone cannot be told from its background."""


@dataclass(frozen=True)
class Fold:
    """The photos of one fold."""

    number: int
    base: LabelledSet
    """Real photos that every arm may learn from."""
    aside: LabelledSet | None
    """Real training photos that no generator may have seen; None where there are none."""
    test: LabelledSet
    """Held out: nothing learns from them."""


def read_folds(dataset: Path, photos: int | None) -> tuple[Fold, ...]:
    """Every fold of a labelled data set.

    Args:
        dataset: folder with dataset.json.
        photos: how many of a fold's training photos are used; the others are set aside. None: all.

    Raises:
        UserError: photos without labels or that are samples, a file that changed, too few photos of a label, too few
            held-out defects.
    """
    manifest = DatasetManifest.read(dataset)
    _check_labels(manifest)
    _check_photos(manifest)
    whole = read_labelled(dataset, manifest, manifest.images)
    folds = []
    for number in range(manifest.folds):
        inside = np.array([image.fold != number for image in manifest.images])
        training, test = whole.take(np.flatnonzero(inside)), whole.take(np.flatnonzero(~inside))
        _check_apart(training, test, number)
        base, aside = _set_aside(training, photos, number)
        folds.append(Fold(number, base, aside, test))
    _check_counts(folds)
    return tuple(folds)


def read_labelled(folder: Path, manifest: DatasetManifest, images: Sequence[DatasetImage]) -> LabelledSet:
    """Images of a data set with labels and masks; masks are None unless every defective image has one.

    Raises:
        UserError: a file is missing, or no longer what the manifest says.
    """
    pixels = read_unit_images(folder, [image.file for image in images], manifest.bit_depth)
    for image, unit in zip(images, pixels, strict=True):
        if pixels_sha256(unit_to_integers(unit, manifest.bit_depth)) != image.pixels_sha256:
            raise UserError(
                f"{folder / image.file} has changed since the data set was built.",
                "Inspectors learn from the images exactly as dataset.json describes them.",
                "Run `handful dataset` again.",
            )
    return LabelledSet(
        images=pixels,
        labels=label_numbers([image.label for image in images], manifest.kinds, f"the data set {folder}"),
        kinds=manifest.kinds,
        masks=read_masks(folder, [(image.label, image.mask) for image in images], pixels.shape[2:]),
        hashes=tuple(image.pixels_sha256 for image in images),
        groups=np.array([image.group for image in images], dtype=np.intp),
        names=tuple(image.photo for image in images),
    )


def label_numbers(labels: Sequence[str], kinds: Sequence[str], where: str) -> Labels:
    """0 for good, k for kinds[k - 1].

    Raises:
        UserError: a label that is neither good nor one of the kinds.
    """
    numbers = {GOOD: 0} | {kind: number for number, kind in enumerate(kinds, start=1)}
    unknown = sorted(set(labels) - set(numbers))
    if unknown:
        raise UserError(
            f"{where} has the label '{unknown[0]}'.",
            f"The labels of the photos are: {', '.join(numbers)}.",
            "Correct the label, or add photos of that kind and run `handful photos` and `handful dataset` again.",
        )
    return np.array([numbers[label] for label in labels], dtype=np.intp)


def read_masks(folder: Path, rows: Sequence[tuple[str, str | None]], size: tuple[int, ...]) -> Masks | None:
    """Index maps (n, h, w) of images given as (label, mask file); None unless every defective one has its mask.

    Raises:
        UserError: a mask that cannot be read, or of another size.
    """
    if any(mask is None and label != GOOD for label, mask in rows):
        return None
    masks = np.zeros((len(rows), *size), np.uint8)
    for row, (_, file) in enumerate(rows):
        if file is None:
            continue
        mask = read_png(folder / file)
        if mask.shape != tuple(size):
            raise UserError(
                f"The mask {folder / file} is {mask.shape[1]}x{mask.shape[0]} px, its image {size[1]}x{size[0]} px.",
                "A mask has the size of its image.",
                "Remove the file and run the stage that made it again.",
            )
        masks[row] = mask
    return masks


def stratified_order(labels: Labels, seed: int, purpose: str) -> Labels:
    """All rows in a random order in which every beginning holds the labels in their whole proportion."""
    random = numpy_stream(seed, purpose)
    places = np.empty(len(labels))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        places[random.permutation(rows)] = (np.arange(len(rows)) + 0.5) / len(rows)
    order: Labels = np.argsort(places, kind="stable")
    return order


def _set_aside(training: LabelledSet, photos: int | None, fold: int) -> tuple[LabelledSet, LabelledSet | None]:
    if photos is None or photos == len(training):
        return training, None
    if photos > len(training):
        raise UserError(
            f"--photos is {photos}, and fold {fold} has {len(training)} training photos.",
            f"From 2 to {len(training)} of them can be used; the others are set aside.",
            "Give a smaller --photos, or leave it out to use all.",
        )
    order = stratified_order(training.labels, fold, "photos set aside")
    near = set(training.groups[order[:photos]].tolist())
    later = [row for row in order[photos:] if int(training.groups[row]) not in near]  # a near-copy is no new photo
    return training.take(order[:photos]), training.take(later) if later else None


def _check_labels(manifest: DatasetManifest) -> None:
    bare = [image.photo for image in manifest.images if not image.label]
    if bare:
        raise UserError(
            f"{len(bare)} of {len(manifest.images)} photos have no label, for example {bare[0]}.",
            "An inspection needs a label for every photo: good, or a kind of defect.",
            "Put the photos into folders named good, scratch, ..., or use another layout that `handful photos` reads.",
        )
    if not manifest.kinds:
        raise UserError(
            f"All {len(manifest.images)} photos are good.",
            f"An inspection is tested on at least {LEAST_TEST_DEFECTS} held-out defective photos.",
            "Add photos with defects, in a folder named after the kind.",
        )


def _check_photos(manifest: DatasetManifest) -> None:
    """Refuses a folder of photos with samples among them, such as an exported set: they would be tested on."""
    names = sorted({image.photo for image in manifest.images})
    drawn = generated_among(Path(manifest.photo_folder), names)
    if drawn:
        raise UserError(
            f"{len(drawn)} of the {len(names)} photos say of themselves that they were generated, for example "
            f"{drawn[0]}.",
            "0 samples may be among the photos: they would pass for real ones, and be tested on.",
            "Take them out of the folder, build the data set anew, and give their sets with --samples.",
        )


def _check_apart(training: LabelledSet, test: LabelledSet, fold: int) -> None:
    shared = set(training.hashes) & set(test.hashes)
    if shared:
        name = test.names[test.hashes.index(min(shared))]
        raise UserError(
            f"{len(shared)} held-out photo(s) of fold {fold} have the pixels of a training photo, for example {name}.",
            "No held-out picture may be learned from.",
            "Build the data set again with `handful dataset`, which keeps equal pictures together.",
        )


def _check_counts(folds: Sequence[Fold]) -> None:
    defects = sum(int((fold.test.labels > 0).sum()) for fold in folds)
    for fold in folds:
        bad, good = int((fold.test.labels > 0).sum()), int((fold.test.labels == 0).sum())
        if min(bad, good) < _LEAST_A_FOLD or defects < LEAST_TEST_DEFECTS:
            limit = f", which still allows {share_at_most(0, bad):.0%} slip-through if all are found" if bad else ""
            raise UserError(
                f"Fold {fold.number} holds out {bad} defective and {good} good photos{limit}.",
                f"Each fold needs at least {_LEAST_A_FOLD} of each, and all folds together {LEAST_TEST_DEFECTS} "
                f"defective ones; here they have {defects}.",
                "Add photos, hold out more of them (`--heldout`), or give fewer `--folds`.",
            )
        for number, label in enumerate((GOOD, *fold.base.kinds)):
            found = int((fold.base.labels == number).sum())
            if 0 < found < _LEAST_TRAINING or (number == 0 and found == 0):
                raise UserError(
                    f"Fold {fold.number} has {found} training photo(s) labelled {label}.",
                    f"A label needs at least {_LEAST_TRAINING} training photos.",
                    f"Add photos of {label}, or move that one away.",
                )
