"""Reads labelled samples, and keeps away from a fold what its generator cannot be trusted with there.

A sample may carry what it learned: where a generator saw a held-out photo, its samples are that photo in disguise. So
a set is used only in folds none of whose held-out (or set aside) photos its run was trained on, told by pixel hashes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from handful.core.artifacts import DatasetManifest, SampleManifest, Size, read_sample_rows
from handful.core.errors import UserError
from handful.core.images import Floats, read_unit_images, resize, unit_to_integers
from handful.core.images import pixels_sha256 as hash_pixels
from handful.core.labels import GOOD
from handful.inspection.labelled_set import LabelledSet, Masks
from handful.inspection.read import Fold, label_numbers, read_masks
from handful.inspection.review import accepts, read_review


@dataclass(frozen=True)
class SampleSet:
    """One folder of samples, as far as the reviewer accepted them."""

    name: str
    contestant: str
    samples: LabelledSet
    """On the canvas of the data set."""
    drawn_hashes: tuple[str, ...]
    """Of the pixels as they were drawn, before the canvas."""
    seen: frozenset[str]
    """Pixel hashes of the photos that its generator learned from."""
    canvas: Size
    bit_depth: int
    rejected: int
    """Samples that the reviewer rejected."""


@dataclass(frozen=True)
class Source:
    """All samples of one generator, class by class perhaps, as the arms use them in one fold."""

    name: str
    samples: LabelledSet
    canvas: Size
    """Of most of them when they were drawn."""
    bit_depth: int
    sets: tuple[str, ...]


def read_sample_set(reference: str, dataset: DatasetManifest, samples: Path, reviews: Path) -> SampleSet:
    """The samples of one set.

    Args:
        reference: a folder, or the name of one below `samples`; with '=LABEL' behind it where its rows have no labels.
        dataset: whose canvas and kinds hold.
        samples: 4_samples of the workspace.
        reviews: where `handful review` leaves its answers; a set without one is used whole.

    Raises:
        UserError: no such set, samples without labels, a set that does not say what it learned from, or that learned
            from photos which the data set does not know.
    """
    place, _, label = reference.partition("=")
    folder = find_set(place, samples)
    manifest = SampleManifest.read(folder)
    _check_seen(folder, manifest, dataset)
    review = read_review(reviews / folder.name)
    rows = list(read_sample_rows(folder).values())
    kept = [row for row in rows if accepts(review, row)]
    if not kept:
        raise UserError(
            f"0 of {len(rows)} samples in {folder} are accepted.",
            "A set needs at least 1 accepted sample.",
            f"Look at its review again (`handful review {place}`), or leave the set out.",
        )
    labels = [label or row.label for row in kept]
    bare = [row.file for row, own in zip(kept, labels, strict=True) if not own]
    if bare:
        raise UserError(
            f"{len(bare)} of {len(kept)} samples in {folder} have no label, for example {bare[0]}.",
            f"Each must be labelled; the labels of the photos are {', '.join((GOOD, *dataset.kinds))}.",
            f"Where all are of one label, give --samples {place}=LABEL.",
        )
    if manifest.channels != dataset.channels:
        raise UserError(
            f"The samples in {folder} have {manifest.channels} channel(s), the photos {dataset.channels}.",
            "Photos and samples have the same number of channels: grey 1, colour 3.",
            "Draw them again from a run that was trained on this data set.",
        )
    images = read_unit_images(folder, [row.file for row in kept], manifest.bit_depth)
    numbers = label_numbers(labels, dataset.kinds, f"the set {folder}")
    masks = read_masks(folder, list(zip(labels, [row.mask for row in kept], strict=True)), images.shape[2:])
    if masks is not None:
        masks = _renumber(masks, manifest.kinds, dataset.kinds, f"the set {folder}")
    images, masks = _to_canvas(images, masks, dataset)
    return SampleSet(
        name=folder.name,
        contestant=manifest.contestant,
        samples=LabelledSet(
            images,
            numbers,
            dataset.kinds,
            masks,
            tuple(hash_pixels(unit_to_integers(image, dataset.bit_depth)) for image in images),
            np.arange(len(images), dtype=np.intp),
            tuple(f"{folder.name}/{row.file}" for row in kept),
        ),
        drawn_hashes=tuple(row.pixels_sha256 for row in kept),
        seen=frozenset(manifest.training_pixels),
        canvas=manifest.canvas,
        bit_depth=manifest.bit_depth,
        rejected=len(rows) - len(kept),
    )


def check_sets(references: Sequence[str], samples: Path) -> None:
    """Makes sure, before anything is built, that there is a set of samples behind every reference.

    Raises:
        UserError: there is none.
    """
    for reference in references:
        SampleManifest.read(find_set(reference.partition("=")[0], samples))


def find_set(place: str, samples: Path) -> Path:
    """The folder of a set, by its name below `samples` or by its path."""
    return next((one for one in (samples / place, Path(place)) if one.is_dir()), samples / place)


def sources_of_fold(sets: Sequence[SampleSet], fold: Fold) -> dict[str, Source]:
    """The sources that this fold may use, by name: sets whose generator saw nothing that is held out or set aside here.

    Raises:
        UserError: a sample that has the pixels of a held-out photo.
    """
    found: dict[str, list[SampleSet]] = {}
    for one in sets:
        if not one.seen & unseen_photos(fold):
            _check_test(one, fold)
            found.setdefault(one.contestant, []).append(one)
    return {name: _pool(name, own) for name, own in found.items()}


def check_usable(sets: Sequence[SampleSet], folds: Sequence[Fold]) -> None:
    """Makes sure that every set can be used somewhere.

    Raises:
        UserError: a set whose generator saw held-out photos of every fold.
    """
    for one in sets:
        overlaps = [(len(one.seen & unseen_photos(fold)), fold) for fold in folds]
        least, fold = min(overlaps, key=lambda pair: pair[0])
        if least:
            known = dict(zip(fold.test.hashes, fold.test.names, strict=True))
            if fold.aside is not None:
                known |= dict(zip(fold.aside.hashes, fold.aside.names, strict=True))
            name = known[min(one.seen & set(known))]
            raise UserError(
                f"The generator of {one.name} was trained on {least} photo(s) that fold {fold.number} holds out or "
                f"sets aside, for example {name}.",
                "In at least one fold it must have seen 0 of them: else the test would be of photos it remembers.",
                f"Train it on the training photos alone: `handful train --fold {fold.number}`, or give --generators "
                "instead of --samples.",
            )


def unseen_photos(fold: Fold) -> frozenset[str]:
    """Pixel hashes of the photos that no generator may have seen in this fold."""
    aside = fold.aside.hashes if fold.aside is not None else ()
    return frozenset((*fold.test.hashes, *aside))


def _pool(name: str, sets: Sequence[SampleSet]) -> Source:
    masks = [one.samples.masks for one in sets]
    samples = LabelledSet(
        np.concatenate([one.samples.images for one in sets]),
        np.concatenate([one.samples.labels for one in sets]),
        sets[0].samples.kinds,
        None if any(mask is None for mask in masks) else np.concatenate([mask for mask in masks if mask is not None]),
        tuple(value for one in sets for value in one.samples.hashes),
        np.arange(sum(len(one.samples) for one in sets), dtype=np.intp),
        tuple(value for one in sets for value in one.samples.names),
    )
    largest = max(sets, key=lambda one: len(one.samples))
    return Source(name, samples, largest.canvas, largest.bit_depth, tuple(one.name for one in sets))


def _check_seen(folder: Path, manifest: SampleManifest, dataset: DatasetManifest) -> None:
    known = {image.pixels_sha256 for image in dataset.images}
    foreign = set(manifest.training_pixels) - known
    if foreign or not manifest.training_pixels:
        what = (
            f"The generator of {folder} learned from {len(foreign)} image(s) that the data set does not know."
            if foreign
            else f"{folder} does not say which photos its generator learned from."
        )
        raise UserError(
            what,
            f"All must be among the {len(known)} images of this data set: else nobody can tell whether held-out photos "
            "were among them.",
            "Train the generator on this data set and draw again, or give --generators instead of --samples.",
        )


def _check_test(one: SampleSet, fold: Fold) -> None:
    held = dict(zip(fold.test.hashes, fold.test.names, strict=True))
    for name, *hashes in zip(one.samples.names, one.samples.hashes, one.drawn_hashes, strict=True):
        found = set(hashes) & set(held)
        if found:
            raise UserError(
                f"The sample {name} has the pixels of the held-out photo {held[found.pop()]}.",
                "0 held-out photos may be among the samples.",
                "Remove that sample from its set, or draw the set again.",
            )


def _renumber(masks: Masks, own: Sequence[str], kinds: Sequence[str], where: str) -> Masks:
    table = np.zeros(256, np.uint8)
    numbers = label_numbers(own, kinds, where)
    table[1 : len(own) + 1] = numbers
    if int(masks.max(initial=0)) > len(own):
        raise UserError(
            f"A mask of {where} has the value {int(masks.max())}.",
            f"Its manifest names {len(own)} kinds of defect, and 0 is good.",
            "Draw the set again.",
        )
    renumbered: Masks = table[masks]
    return renumbered


def _to_canvas(images: Floats, masks: Masks | None, dataset: DatasetManifest) -> tuple[Floats, Masks | None]:
    width, height = dataset.canvas.width, dataset.canvas.height
    if images.shape[2:] == (height, width):
        return images, masks
    scaled = np.stack([resize(image, width, height, "bicubic") for image in images])
    if masks is not None:
        nearest = Image.Resampling.NEAREST
        masks = np.stack([np.asarray(Image.fromarray(mask).resize((width, height), nearest)) for mask in masks])
    return scaled, masks
