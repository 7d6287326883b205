"""A data set: images on a canvas, and which of them are held out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

from handful.core.artifacts.manifest import Artifact, Size
from handful.core.artifacts.photos import Unreadable
from handful.core.config import Settings, fingerprint
from handful.core.errors import UserError


class DatasetImage(Settings):
    """One image of the data set: a photo (or a tile of one) on the canvas."""

    file: str
    """PNG below the dataset folder, for example 'images/Good001.png'."""
    photo: str
    """Name of the photo it was made from."""
    pixels_sha256: str
    """Of the canvas-sized pixels."""
    group: int
    """Groups are never split between training and held-out."""
    fold: int | None
    """The fold in which this image is held out; None: always trained on."""
    label: str = ""
    """'good' or a kind of defect; '' where the photos have no labels."""
    mask: str | None = None
    """Index map below the dataset folder: 0 good, k `DatasetManifest.kinds[k - 1]`; None where nothing is outlined."""


class DatasetManifest(Artifact):
    """A frozen data set: canvas, split and fingerprints."""

    file_name: ClassVar[str] = "dataset.json"
    stage: ClassVar[str] = "dataset"

    canvas: Size
    channels: Literal[1, 3]
    bit_depth: int
    fit: Literal["keep", "crop", "tile"]
    filter: str
    split: str
    """How photos were held out, in words and settings."""
    folds: int
    """Number of folds; fold 0 is the default split."""
    photo_size: Size
    photo_folder: str
    images: tuple[DatasetImage, ...]
    left_out: tuple[Unreadable, ...]
    """Unreadable files and exact duplicates that were left out, with the reason."""
    kinds: tuple[str, ...] = ()
    """Kinds of defect, in the order of their numbers in masks."""
    warnings: tuple[str, ...]
    fingerprint: str
    """Over canvas, filter, split and every image's pixels."""

    def training(self, fold: int) -> tuple[DatasetImage, ...]:
        """The images that a generator may see in this fold."""
        self._check(fold)
        return tuple(image for image in self.images if image.fold != fold)

    def heldout(self, fold: int) -> tuple[DatasetImage, ...]:
        """The images that no generator sees in this fold."""
        self._check(fold)
        return tuple(image for image in self.images if image.fold == fold)

    def _check(self, fold: int) -> None:
        if not 0 <= fold < self.folds:
            raise UserError(
                f"Fold {fold} does not exist.",
                f"This data set has {self.folds} fold(s), numbered from 0.",
                "Choose one of them with --fold, or build the data set again with --folds.",
            )


def training_fingerprint(images: Iterable[DatasetImage]) -> str:
    """Over the sorted pixel hashes of training images: which photos a run can have learned from."""
    return fingerprint(sorted(image.pixels_sha256 for image in images))
