"""Excess FID: how much farther samples are from the held-out photos than the training photos are, at equal numbers.

Paper: Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter (2017), arXiv 1706.08500, equation 6, for the distance; Chong,
    Forsyth (2020), "Effectively Unbiased FID and Inception Score", arXiv 1911.07023, for the bias that is taken away.
Read: 0 on average when samples are as good as the training photos; lower is better, and single values may be negative.
    Both distances are to the same held-out photos and from as many images, so the floor that a plain FID has with few
    photos falls out. `floor` is the distance of the training photos; `resolution` is its standard deviation over random
    splits of all photos: differences below that are finer than the ruler.
Few images: unbiased for samples that are as good as photos, at any number; the resolution says what it can tell apart.
    Copies of the training photos score 0: read the copying scores first.
Oracle: differences of the plain distance on subsets; equal distributions average to 0.
"""

from __future__ import annotations

import numpy as np

from handful.core.artifacts import Score
from handful.core.errors import UserError
from handful.core.seeds import numpy_stream
from handful.features.image_set import Features, PhotoNumbers
from handful.scores.base import FeatureSets, ScoreFacts, check_counts, photo_numbers
from handful.scores.fid import frechet_distance
from handful.scores.jackknife import Spread, content_order, interval, split_groups, spread

FACTS = ScoreFacts(
    better="lower",
    perfect="0 on average; single values scatter around it",
    best=0.0,
    least_reference=3,
    least_samples=3,
    compares_with="both",
)

_LEAST_HELDOUT = 3
_SPLITS = 40
_ROUNDING = 1e-9
"""Of the floor: what is closer to it is equal to it."""
_MOST_LOTS = 8
"""Of as many samples as there are training images; more hardly narrow a number that the photos decide."""


def score(sets: FeatureSets) -> Score:
    """The difference of the two distances.

    Raises:
        UserError: fewer than 3 training photos, samples or held-out photos.
    """
    check_counts("excess_fid", FACTS, sets)
    heldout, heldout_photos = _ordered(sets.heldout, sets.heldout_photos)
    if len(np.unique(heldout_photos)) < _LEAST_HELDOUT:
        raise UserError(
            f"There are {len(np.unique(heldout_photos))} held-out photos.",
            f"excess_fid measures both sets against held-out photos and needs at least {_LEAST_HELDOUT}.",
            "Build the data set again with more of them held out (`handful dataset --heldout`).",
        )
    training, training_photos = _ordered(sets.training, sets.training_photos)
    samples = sets.samples[content_order(sets.samples)]
    coordinates = _low_rank(samples, training, heldout)
    samples, training, heldout = np.split(coordinates, [len(samples), len(samples) + len(training)])
    floor = _at_size(training, heldout, min(len(samples), len(training)))
    value = excess(samples, training, heldout)
    groups = [split_groups(photos) for photos in (np.arange(len(samples)), training_photos, heldout_photos)]
    spreads = [
        spread(
            value, [excess(*_without(samples, training, heldout, side, group)) for group in own], list(map(len, own))
        )
        for side, own in enumerate(groups)
    ]
    fewest = min(spreads[1].groups, spreads[2].groups)
    low, high = interval(value, spreads[0], Spread(spreads[1].variance + spreads[2].variance, fewest))
    splits = _splits(training, heldout, training_photos, heldout_photos)
    return Score(
        name="excess_fid",
        value=value,
        low=low,
        high=high,
        n_reference=len(np.unique(training_photos)),
        m_samples=len(samples),
        details={
            "floor": floor,
            "resolution": float(np.std(splits, ddof=1)),
            "floor_over_splits": float(np.mean(splits)),
            "heldout_photos": float(len(np.unique(heldout_photos))),
        },
    )


def excess(samples: Features, training: Features, heldout: Features) -> float:
    """FID(samples, held-out) - FID(training, held-out), both from as many images as the smaller has."""
    size = min(len(samples), len(training))
    distance, floor = _at_size(samples, heldout, size), _at_size(training, heldout, size)
    return distance - floor if abs(distance - floor) > _ROUNDING * floor else 0.0


def _at_size(rows: Features, heldout: Features, size: int) -> float:
    """The mean distance to the held-out photos over disjoint lots of `size` rows."""
    starts = range(0, len(rows) - size + 1, size)[:_MOST_LOTS]
    return float(np.mean([frechet_distance(rows[start : start + size], heldout) for start in starts]))


def _splits(
    training: Features, heldout: Features, training_photos: PhotoNumbers, heldout_photos: PhotoNumbers
) -> list[float]:
    """Distances between random parts of all photos, as many in each as are held out and are not."""
    rows = np.concatenate([training, heldout])
    photos = np.concatenate([training_photos, heldout_photos + training_photos.max() + 1])
    numbers, parts = np.unique(photos), len(np.unique(heldout_photos))
    random, found = numpy_stream(0, "excess_fid splits"), []
    for _ in range(_SPLITS):
        apart = np.isin(photos, random.permutation(numbers)[:parts])
        found.append(frechet_distance(rows[~apart], rows[apart]))
    return found


def _ordered(features: Features, stated: PhotoNumbers | None) -> tuple[Features, PhotoNumbers]:
    """Rows by what they hold, and their photos numbered in the order in which they then appear."""
    order = content_order(features)
    _, first, found = np.unique(photo_numbers(features, stated)[order], return_index=True, return_inverse=True)
    numbers: PhotoNumbers = np.argsort(np.argsort(first))[found]
    return features[order], numbers


def _low_rank(*sets: Features) -> Features:
    """All rows in coordinates of their own span: distances stay, and there are no more columns than rows."""
    rows: Features = np.concatenate(sets)
    rows -= rows.mean(0)
    if len(rows) >= rows.shape[1]:
        return rows
    values, vectors = np.linalg.eigh(rows @ rows.T)
    kept = values > values[-1] * 1e-13
    coordinates: Features = vectors[:, kept] * np.sqrt(values[kept])
    return coordinates


def _without(samples: Features, training: Features, heldout: Features, side: int, group: np.ndarray) -> list[Features]:
    return [
        np.delete(rows, group, 0) if place == side else rows for place, rows in enumerate((samples, training, heldout))
    ]
