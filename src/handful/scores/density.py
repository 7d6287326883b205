"""Density: how many photos' balls a sample lies in, against how many it should.

Paper: Naeem, Oh, Uh, Choi, Yoo (2020), "Reliable Fidelity and Diversity Metrics for Generative Models", arXiv
    2002.09797, equation 5: the number of photos' balls around each sample, divided by k.
Read: about 1 when samples come from where photos come from, 0 when they lie elsewhere. Above 1 is no praise: samples
    crowd where photos are dense, as a generator does that shows the usual and leaves the rare out. Unlike precision,
    one odd photo with a huge ball hardly moves it.
Few images: right on average for equal distributions at any number; the interval is over photos and samples.
Oracle: the definition in loops; equal distributions average to 1.
Differs: k is 3 (the paper takes 5), for the sake of few photos. Tiles of one photo are no neighbours of each other.
"""

from __future__ import annotations

from handful.core.artifacts import Score
from handful.scores.base import FeatureSets, ScoreFacts, check_counts
from handful.scores.jackknife import interval
from handful.scores.neighbours import NEIGHBOURS, Distances, measure, over_photos, over_samples, photo_shares

FACTS = ScoreFacts(
    better="higher",
    perfect="about 1; above it samples crowd where photos are dense",
    best=1.0,
    least_reference=5,
    least_samples=2,
    worst=0.0,
)


def score(sets: FeatureSets) -> Score:
    """The mean number of balls around a sample, divided by k.

    Raises:
        UserError: fewer than 5 photos or 2 samples.
    """
    check_counts("density", FACTS, sets)
    distances, samples = measure(sets)
    value = density(distances)
    low, high = interval(value, over_samples(distances, density), over_photos(distances, density))
    return Score(
        name="density",
        value=value,
        low=max(low, 0.0),
        high=high,
        n_reference=distances.photo_count,
        m_samples=len(samples),
        details={"reference_images": float(len(sets.reference))},
    )


def density(distances: Distances) -> float:
    """Of distances; the tiles of a photo count as one."""
    inside = (distances.across < distances.radii()).mean(0)
    return float(photo_shares(inside, distances.photos).sum() / NEIGHBOURS)
