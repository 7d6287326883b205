"""What a score is: a pure function on features or on images that returns a value, its interval, both n and notes.

A score file states `FACTS` and a function `score(sets) -> Score`, where `sets` is `FeatureSets` or, with
`needs="images"`, `ImageSets`. It opens no file, resizes nothing, picks no device: the protocol did.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from handful.core.errors import UserError
from handful.core.images import Floats
from handful.features.image_set import Features, ImageSet, PhotoNumbers

FeatureMaps = Callable[[Floats], dict[str, Floats]]
"""Images (n, c, h, w) in [-1, 1] -> layer name -> what that layer gives for them, (n, ...); see `MapNetwork`. What an
image gives depends on that image alone."""


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
    compares_with: Literal["reference", "training", "both", "sources", "nothing"] = "reference"
    """What samples are compared with; `least_reference` counts these photos. 'both': with held-out photos, as are the
    training photos, which are counted. 'sources': each sample with the training photo that it was made from. 'nothing':
    it describes the samples alone, reads no photo, and so cannot say how good they are."""
    needs: Literal["features", "images"] = "features"
    """'features': it is asked once for every feature network. 'images': once, on the card of the space `pixels`."""
    sees: Literal["closeness", "variety", "novelty"] = "closeness"
    """What makes it worse: samples farther from photos, samples more like each other, or more copies among them."""
    equal_counts: bool = False
    """Whether numbers can be compared only where they come from equally many samples."""
    worst: float | None = None
    """Where it stops, however bad samples get: a share of none. None: nowhere."""
    network: str = ""
    """The one that an image score asks `ImageSets.network` or `ImageSets.logits` for; '' where it needs none."""
    version: int = 1
    """Raised whenever the same features or images give another number; part of every protocol's fingerprint."""


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
    """The photo that each row was made from, by number: tiles of one photo share it, and so do near-duplicates, which
    are no independent pictures (`ImageSet.photo_numbers`). None: each row is a photo."""
    training_photos: PhotoNumbers | None = None
    heldout_photos: PhotoNumbers | None = None


@dataclass(frozen=True)
class ImageSets:
    """The images themselves, all of one size and one number of channels."""

    samples: ImageSet
    reference: ImageSet
    """The photos that the protocol compares with: held-out or training."""
    training: ImageSet
    """The photos that the generator saw."""
    heldout: ImageSet
    """The photos that it never saw; may be empty."""
    sources: tuple[int | None, ...]
    """For each sample, the row of `training` that it was made from, as its generator stated; None where it stated
    nothing: most generators learn from all photos at once."""
    network: Callable[[str], FeatureMaps]
    """The map network named in FACTS, made ready by the protocol: weights and device are no concern of a score."""
    logits: Callable[[str, ImageSet], Features]
    """The feature network named in FACTS, images -> the logits of its classifier (n, classes), float64."""


def photo_numbers(features: Features, stated: PhotoNumbers | None) -> PhotoNumbers:
    """The photo of each row, as stated, or each row its own."""
    return np.arange(len(features)) if stated is None else stated


def photo_places(numbers: PhotoNumbers) -> PhotoNumbers:
    """For each row, the place of its photo in `Score.per_photo`: ascending by number, from 0 without gaps.

    Names and groups decide the numbers, and no feature space does; so what a photo adds in one space stands where it
    stands in every other.
    """
    places: PhotoNumbers = np.unique(numbers, return_inverse=True)[1]
    return places


def count_photos(features: Features | ImageSet, stated: PhotoNumbers | None = None) -> int:
    """How many photos the rows or images were made from."""
    numbers = features.photo_numbers() if isinstance(features, ImageSet) else photo_numbers(features, stated)
    return len(np.unique(numbers))


def check_counts(name: str, facts: ScoreFacts, sets: FeatureSets | ImageSets) -> None:
    """Refuses sets too small for a score.

    Raises:
        UserError: too few photos or samples.
    """
    if facts.compares_with != "nothing":
        kind = "reference" if facts.compares_with == "reference" else "training"
        # image sets know their photos themselves
        photos = count_photos(getattr(sets, kind), getattr(sets, f"{kind}_photos", None))
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
