"""Reads the images that a run may learn from, and makes sure that they are the ones of the data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from handful.core.artifacts import DatasetImage, DatasetManifest, training_fingerprint
from handful.core.errors import UserError
from handful.core.images import pixels_sha256, read_png, read_unit_images, unit_to_integers
from handful.core.labels import GOOD
from handful.generators.base import ImageSpec


@dataclass(frozen=True)
class TrainingSet:
    """The training images of one fold."""

    manifest: DatasetManifest
    photos: Tensor
    """(n, c, h, w) in [-1, 1]."""
    spec: ImageSpec
    fingerprint: str
    """Over the pixel hashes of exactly these images."""
    pixels: tuple[str, ...]
    """Those hashes themselves, in the order of `photos`."""
    masks: Tensor | None
    """(n, h, w) uint8: their index maps, where of every photo it is known what is wrong where; else None."""
    label: str
    """The one that all of them have; '' where they differ or have none."""


def read_training_set(dataset: Path, fold: int, most_photos: int | None = None) -> TrainingSet:
    """The images of `dataset` that are not held out in `fold`.

    Args:
        dataset: its folder.
        fold: which photos are held out.
        most_photos: take at most so many photos, evenly in file order, each with all its tiles; None takes all.

    Raises:
        UserError: no data set, no such fold, no training image, one with the pixels of a held-out image, or one that
            changed since.
    """
    manifest = DatasetManifest.read(dataset)
    images = manifest.training(fold)
    if not images:
        raise UserError(
            f"The data set {dataset} has no training image in fold {fold}.",
            "Training needs at least 1.",
            "Add photos and run `handful dataset` again, or hold fewer out.",
        )
    _keep_apart(images, manifest.heldout(fold), fold)
    if most_photos is not None:
        images = _thin_out(images, most_photos)
    photos = read_unit_images(dataset, [image.file for image in images], manifest.bit_depth)
    for image, photo in zip(images, photos, strict=True):
        if pixels_sha256(unit_to_integers(photo, manifest.bit_depth)) != image.pixels_sha256:
            raise UserError(
                f"{dataset / image.file} has changed since the data set was built.",
                "Training reads the images exactly as dataset.json describes them.",
                "Run `handful dataset` again.",
            )
    return TrainingSet(
        manifest=manifest,
        photos=torch.from_numpy(photos),
        spec=ImageSpec(manifest.canvas.width, manifest.canvas.height, manifest.channels),
        fingerprint=training_fingerprint(images),
        pixels=tuple(image.pixels_sha256 for image in images),
        masks=_read_masks(dataset, manifest, images),
        label=images[0].label if len({image.label for image in images}) == 1 else "",
    )


def _read_masks(dataset: Path, manifest: DatasetManifest, images: Sequence[DatasetImage]) -> Tensor | None:
    if not any(image.mask for image in images) or not all(image.mask or image.label == GOOD for image in images):
        return None
    masks = torch.zeros(len(images), manifest.canvas.height, manifest.canvas.width, dtype=torch.uint8)
    for mask, image in zip(masks, images, strict=True):
        if image.mask is not None:
            found = read_png(dataset / image.mask)
            if found.shape != mask.shape or int(found.max()) > len(manifest.kinds):
                raise UserError(
                    f"The mask {dataset / image.mask} is {'x'.join(map(str, found.shape[1::-1]))} px with values up to "
                    f"{int(found.max())}.",
                    f"This data set's masks are {manifest.canvas} px with values from 0 to {len(manifest.kinds)}.",
                    "Run `handful dataset` again.",
                )
            mask.copy_(torch.from_numpy(found.copy()))
    return masks


def _keep_apart(training: Sequence[DatasetImage], heldout: Sequence[DatasetImage], fold: int) -> None:
    """Refuses a data set in which a training image equals a held-out one, told by their pixels."""
    out = {image.pixels_sha256: image.file for image in heldout}
    shared = [image for image in training if image.pixels_sha256 in out]
    if shared:
        raise UserError(
            f"{len(shared)} training image(s) of fold {fold} have the pixels of a held-out one, for example "
            f"{shared[0].file} those of {out[shared[0].pixels_sha256]}.",
            "No held-out pixel may be trained on.",
            "Build the data set again with `handful dataset`, which keeps equal pictures together.",
        )


def _thin_out(images: Sequence[DatasetImage], most_photos: int) -> tuple[DatasetImage, ...]:
    names = list(dict.fromkeys(image.photo for image in images))
    count = min(most_photos, len(names))
    chosen = {names[(2 * place + 1) * len(names) // (2 * count)] for place in range(count)}
    return tuple(image for image in images if image.photo in chosen)
