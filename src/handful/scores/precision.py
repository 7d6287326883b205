"""Precision: the share of samples that look like some photo.

Paper: Kynkaanniemi, Karras, Laine, Lehtinen, Aila (2019), "Improved Precision and Recall Metric for Assessing
    Generative Models", arXiv 1904.06991, equation 2: a sample counts when it lies within the ball of a photo, which
    reaches to the photo's third nearest other photo.
Read: 1 means that every sample lies where photos lie; 0 that none does. It says nothing of variety: one good picture
    over and over scores 1, and copies score 1. Read recall beside it. New photos score below 1: with few photos the
    balls leave gaps.
Few images: one photo far from all others has a huge ball and lets anything pass; density weighs it down. The interval
    joins the exact limits of a share of samples with the spread over photos.
Oracle: the definition in loops; one picture over and over.
Differs: the ball does not hold its border, so that equal sets score exactly 1 and no tie decides. Tiles of one photo
    are no neighbours of each other.
"""

from __future__ import annotations

import numpy as np

from handful.core.artifacts import Score
from handful.scores.base import FeatureSets, ScoreFacts, check_counts
from handful.scores.neighbours import Distances, measure, over_photos, share_interval

FACTS = ScoreFacts(
    better="higher",
    perfect="1; new photos score somewhat lower",
    best=1.0,
    least_reference=4,
    least_samples=2,
    worst=0.0,
)


def score(sets: FeatureSets) -> Score:
    """The share of samples within a ball of the photos.

    Raises:
        UserError: fewer than 4 photos or 2 samples.
    """
    check_counts("precision", FACTS, sets)
    distances, samples = measure(sets)
    value = precision(distances)
    low, high = share_interval(value, len(samples), over_photos(distances, precision))
    return Score(
        name="precision",
        value=value,
        low=low,
        high=high,
        n_reference=distances.photo_count,
        m_samples=len(samples),
        notes=("One good picture over and over scores 1: read recall and coverage beside it.",),
        details={"reference_images": float(len(sets.reference))},
    )


def precision(distances: Distances) -> float:
    """Of distances."""
    return float(np.mean((distances.across < distances.radii()).any(1)))
