"""MIND: sliced Wasserstein distance of features, free of any Gaussian assumption and cheap.

Paper: arXiv 2605.06797: 3 d times the mean, over random directions, of the squared one-dimensional Wasserstein distance
    of d-dimensional features.
Read: 0 on average when samples are as good as new photos; lower is better. The distance of two finite sets is above 0
    even when both are equally good, by a constant divided by the number of images. That floor, `floor`, is measured
    on the photos themselves, half of them against the other half, brought to the numbers at hand, and subtracted: so
    single values may be negative. The number as in the paper is `plug_in`.
Few images: all samples count, not only as many as there are photos. The floor comes from halves of the photos and is
    itself rough below about 10. The interval spans photos and samples, not the floor.
Oracle: sorted differences where both sets are equally large; the closed form for shifted sets; the interval against
    leaving out each image.
Differs: quantiles of the smaller set are interpolated; the released program draws a subset of equal size instead, which
    throws samples away. Directions come from one fixed stream, so a score is reproducible. The floor is ours.
"""

from __future__ import annotations

import numpy as np

from handful.core.artifacts import Score
from handful.core.seeds import numpy_stream
from handful.features.image_set import PhotoNumbers
from handful.scores.base import FeatureSets, ScoreFacts, check_counts, photo_numbers, photo_places
from handful.scores.jackknife import content_order, interval
from handful.scores.transport import Floats, directions, distance, image_spread, transport

FACTS = ScoreFacts(
    better="lower",
    perfect="0 on average; single values scatter around it",
    best=0.0,
    least_reference=4,
    least_samples=2,
    version=2,
)

_DIRECTIONS = 1000
_SPLITS = 20
_FEW = 10


def score(sets: FeatureSets) -> Score:
    """The distance between samples and reference photos, less what two sets of photos have.

    Raises:
        UserError: fewer than 4 photos or 2 samples.
    """
    check_counts("mind", FACTS, sets)
    order = content_order(sets.reference)
    numbers = photo_numbers(sets.reference, sets.reference_photos)[order]
    photos = _numbered_as_met(numbers)
    slices = directions(_DIRECTIONS, sets.reference.shape[1], numpy_stream(0, "mind directions"))
    x, y = slices @ sets.samples.T, slices @ sets.reference[order].T
    scale = 3.0 * sets.reference.shape[1]
    found = transport(x, y, power=2)
    m, n = len(sets.samples), int(photos.max()) + 1
    floor = scale * _floor(y, photos) * (1 / n + 1 / m)
    value = scale * found.value - floor
    over_samples, _ = image_spread(scale * found.of_x, np.arange(m))
    over_photos, added = image_spread(scale * found.of_y, photos)
    per_photo = np.empty(n)
    per_photo[photo_places(numbers)] = value + added[photos]
    low, high = interval(value, over_samples, over_photos)
    notes = (f"The floor comes from {n} photos; below {_FEW} it is rough.",) if n < _FEW else ()
    return Score(
        name="mind",
        value=value,
        low=low,
        high=high,
        n_reference=n,
        m_samples=m,
        notes=notes,
        details={"plug_in": scale * found.value, "floor": floor, "reference_images": float(len(sets.reference))},
        per_photo=tuple(float(one) for one in per_photo),
    )


def _floor(y: Floats, photos: PhotoNumbers) -> float:
    """c, where two sets of n and m images of one distribution are about c (1/n + 1/m) apart: from halves of photos."""
    n = int(photos.max()) + 1
    half = n // 2
    random = numpy_stream(0, "mind splits")
    found = []
    for _ in range(_SPLITS):
        drawn = random.permutation(n)
        one, other = np.isin(photos, drawn[:half]), np.isin(photos, drawn[half : 2 * half])
        found.append(distance(y[:, one], y[:, other], power=2))
    return float(np.mean(found)) * half / 2


def _numbered_as_met(numbers: PhotoNumbers) -> PhotoNumbers:
    """Photos numbered from 0 in the order in which they first appear."""
    _, first, found = np.unique(numbers, return_index=True, return_inverse=True)
    ranks: PhotoNumbers = np.argsort(np.argsort(first))[found]
    return ranks
