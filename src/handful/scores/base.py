"""What a score is: a pure function on features that returns a value, its interval, both n and notes.

A score file states `FACTS` and a function `score(sets) -> Score`. It opens no file, resizes nothing, picks
no device: the protocol did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from handful.core.errors import UserError

Features = npt.NDArray[np.floating[Any]]
PhotoNumbers = npt.NDArray[np.intp]


@dataclass(frozen=True)
class ScoreFacts:
    """How to read a score. All values are literals, read without import."""

    better: Literal["lower", "higher", "neither"]
    """'neither': nearer to `best` from both sides."""
    perfect: str
    """What a perfect generator would score, in words."""
    best: float
    """The same as a number; what a score is expected to be when samples are as good as new photos."""
    least_reference: int
    """Fewest photos with which the number is defined."""
    least_samples: int
    compares_with: Literal["reference", "training"] = "reference"
    """Which photos `least_reference` counts."""
    version: int = 1
    """Raised whenever the same features give another number; part of every protocol's fingerprint."""


@dataclass(frozen=True)
class FeatureSets:
    """Feature arrays (images, dimensions), float64, one row an image, all from one network."""

    samples: Features
    reference: Features
    """The photos that the protocol compares with: held-out or training."""
    training: Features
    """The photos that the generator saw."""
    heldout: Features
    """The photos that it never saw; may have 0 rows."""
    reference_photos: PhotoNumbers | None = None
    """The photo that each row was made from, by number: tiles of one photo share it. None: each row is a photo."""
    training_photos: PhotoNumbers | None = None
    heldout_photos: PhotoNumbers | None = None


def photo_numbers(features: Features, stated: PhotoNumbers | None) -> PhotoNumbers:
    """The photo of each row, as stated, or each row its own."""
    return np.arange(len(features)) if stated is None else stated


def count_photos(features: Features, stated: PhotoNumbers | None) -> int:
    """How many photos the rows were made from."""
    return len(np.unique(photo_numbers(features, stated)))


def check_counts(name: str, facts: ScoreFacts, sets: FeatureSets) -> None:
    """Refuses sets too small for a score.

    Raises:
        UserError: too few photos or samples.
    """
    if facts.compares_with == "reference":
        kind, photos = "reference", count_photos(sets.reference, sets.reference_photos)
    else:
        kind, photos = "training", count_photos(sets.training, sets.training_photos)
    if photos < facts.least_reference:
        raise UserError(
            f"There are {photos} {kind} photos.",
            f"{name} needs at least {facts.least_reference}.",
            "Add photos and build the data set again, so that more are held out.",
        )
    if len(sets.samples) < facts.least_samples:
        raise UserError(
            f"There are {len(sets.samples)} samples.",
            f"{name} needs at least {facts.least_samples}.",
            "Draw more samples with `handful sample --count`.",
        )
