"""Recall: the share of photos that samples come near to.

Paper: Kynkaanniemi, Karras, Laine, Lehtinen, Aila (2019), "Improved Precision and Recall Metric for Assessing
    Generative Models", arXiv 1904.06991, equation 2 with the sets exchanged: a photo counts when it lies within the
    ball of a sample, which reaches to the sample's third nearest other sample.
Read: 1 means that samples spread over all that the photos show; near 0 that they show one thing, or none of it.
Few images: it moves in steps of one photo, and with 10 photos its interval is wide. More samples make smaller balls, so
    compare at equal counts.
Oracle: the definition in loops; one picture over and over.
Differs: no sample's ball reaches farther than the middle one around a photo: the paper's number, `recall_uncapped`,
    rises when samples are scattered far and wide. The ball does not hold its border. Of tiles, a photo counts by the
    share of its tiles.
"""

from __future__ import annotations

import numpy as np

from handful.core.artifacts import Score
from handful.features.image_set import Features
from handful.scores.base import FeatureSets, ScoreFacts, check_counts
from handful.scores.jackknife import split_groups, spread
from handful.scores.neighbours import Distances, measure, photo_shares, sample_radii, share_interval

FACTS = ScoreFacts(
    better="higher",
    perfect="1; new photos score somewhat lower",
    best=1.0,
    least_reference=2,
    least_samples=4,
    worst=0.0,
    equal_counts=True,
)


def score(sets: FeatureSets) -> Score:
    """The share of photos within a ball of the samples.

    Raises:
        UserError: fewer than 2 photos or 4 samples.
    """
    check_counts("recall", FACTS, sets)
    distances, samples = measure(sets)
    value = recall(distances, samples)
    groups = split_groups(np.arange(len(samples)))
    without = []
    for group in groups:
        kept = np.delete(np.arange(len(samples)), group)
        without.append(recall(distances.only(samples=kept), samples[kept]))
    low, high = share_interval(value, distances.photo_count, spread(value, without, [len(group) for group in groups]))
    return Score(
        name="recall",
        value=value,
        low=low,
        high=high,
        n_reference=distances.photo_count,
        m_samples=len(samples),
        notes=("It falls with the number of samples: compare at equal counts.",),
        details={
            "recall_uncapped": recall(distances, samples, capped=False),
            "reference_images": float(len(sets.reference)),
        },
    )


def recall(distances: Distances, samples: Features, capped: bool = True) -> float:
    """Of distances and of the samples in their order (m, d)."""
    radii = sample_radii(samples)
    if capped:
        radii = np.minimum(radii, np.median(distances.radii()))
    near = np.any(distances.across < radii[:, None], axis=0)
    return float(photo_shares(np.asarray(near, np.float64), distances.photos).mean())
