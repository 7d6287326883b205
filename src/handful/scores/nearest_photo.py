"""Nearest training photo: are the samples new images, or copies of what the generator was trained on?

Paper: Meehan, Chaudhuri, Dasgupta (2020), "A Non-Parametric Test to Detect Data-Copying in Generative Models",
    arXiv 2004.05675: compares distances of samples and of held-out data to the training data. The ratio of
    medians is ours: with a handful of photos a test has no power, and a ratio can be read.
Read: median distance of a sample to its nearest training photo, divided by the same for photos the generator
    never saw. 0 is a copy; 1 is as new as a new photo; above 1 the samples lie farther from the training photos
    than real photos do, which is damage rather than novelty. `identical_share` counts samples that equal a
    training photo; `closer_share` those nearer than the nearest held-out photo.
Few images: the scale is the median over the held-out photos, so with fewer than 10 it is rough. Without held-out
    photos it is the distance of each training photo to the next one, which near-duplicates make too small and
    so hide copying. The network hardly sees small shifts and changes of light: a number near 0 proves copying, a
    number near 1 does not disprove it.
Oracle: constructed distances with known medians; no other tool computes this ratio.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from handful.core.artifacts import Score
from handful.core.errors import UserError
from handful.core.seeds import numpy_stream
from handful.features.image_set import PhotoNumbers
from handful.scores.base import FeatureSets, ScoreFacts, check_counts, count_photos, photo_numbers

FACTS = ScoreFacts(
    better="neither",
    perfect="1: samples are as far from the training photos as new photos are; 0 is a copy",
    best=1.0,
    least_reference=2,
    least_samples=2,
    compares_with="training",
    version=2,
)

_FEW = 10
_RESAMPLES = 1000
_IDENTICAL = 1e-5
"""Relative to the length of a feature: float32 arithmetic cannot tell closer images apart."""
Distances = npt.NDArray[np.float64]


def score(sets: FeatureSets) -> Score:
    """The ratio of medians, with a bootstrap interval over samples and held-out photos.

    Raises:
        UserError: fewer than 2 training photos or samples, or no two photos differ.
    """
    check_counts("nearest_photo", FACTS, sets)
    samples = np.sort(cdist(sets.samples, sets.training).min(1))
    notes = []
    if len(sets.heldout):
        scale, photos = cdist(sets.heldout, sets.training).min(1), photo_numbers(sets.heldout, sets.heldout_photos)
        kind = "held-out"
    else:
        photos = photo_numbers(sets.training, sets.training_photos)
        among = cdist(sets.training, sets.training)
        among[photos[:, None] == photos] = np.inf
        scale = among.min(1)
        kind = "training"
        notes.append(
            "No held-out photos: the scale is the distance of each training photo to its nearest other one, "
            "which near-duplicates make too small."
        )
    if np.median(scale) == 0:
        raise UserError(
            f"More than half of the {len(scale)} {kind} images equal a training photo.",
            "nearest_photo needs photos that differ from the training photos.",
            "Build the data set again with `handful dataset`, which leaves duplicates out.",
        )
    scale_photos = len(np.unique(photos))
    if scale_photos < _FEW:
        notes.append(f"The scale comes from {scale_photos} {kind} photo(s); below {_FEW} it is rough.")
    length = float(np.median(np.linalg.norm(sets.training, axis=1)))
    low, high = _bootstrap(samples, scale, photos) if min(len(samples), scale_photos) > 1 else (None, None)
    return Score(
        name="nearest_photo",
        value=float(np.median(samples) / np.median(scale)),
        low=low,
        high=high,
        n_reference=count_photos(sets.training, sets.training_photos),
        m_samples=len(samples),
        notes=tuple(notes),
        details={
            "closer_share": float(np.mean(samples < scale.min())),
            "identical_share": float(np.mean(samples <= _IDENTICAL * length)),
            "median_sample_distance": float(np.median(samples)),
            "median_photo_distance": float(np.median(scale)),
            "scale_photos": float(scale_photos),
            "reference_images": float(len(sets.training)),
        },
    )


def _bootstrap(samples: Distances, scale: Distances, photos: PhotoNumbers) -> tuple[float, float]:
    """95 % percentile interval of the ratio: draws samples, and photos with all their rows.

    Both are sorted by what they hold before they are drawn, so that their order does not matter.
    """
    random = numpy_stream(0, "nearest_photo bootstrap")
    drawn = random.integers(len(samples), size=(_RESAMPLES, len(samples)))
    over = np.median(np.sort(samples)[drawn], axis=1)
    by_photo = sorted((np.sort(scale[photos == photo]) for photo in np.unique(photos)), key=lambda rows: list(rows))
    drawn = random.integers(len(by_photo), size=(_RESAMPLES, len(by_photo)))
    under = np.array([np.median(np.concatenate([by_photo[photo] for photo in row])) for row in drawn])
    low, high = np.quantile(over / np.maximum(under, scale[scale > 0].min()), [0.025, 0.975])
    return float(low), float(high)
