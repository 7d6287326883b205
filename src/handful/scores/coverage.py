"""Coverage: the share of photos that have a sample near them, with as many samples as photos.

Paper: Naeem, Oh, Uh, Choi, Yoo (2020), "Reliable Fidelity and Diversity Metrics for Generative Models", arXiv
    2002.09797, equation 6: a photo counts when a sample lies within its ball, which reaches to its k-th nearest photo.
Read: low means that samples leave out part of what the photos show, or lie elsewhere. `expected` is what new photos
    have on average; well below it something is missing. Above it samples repeat the photos: copies reach 1.
Few images: with many samples every ball catches one by chance and the number says nothing, so it is taken for as many
    samples as there are photos. All samples count: it is the mean over every such draw, in closed form. It moves in
    steps of about one photo.
Oracle: the definition in loops over every draw; `expected` by simulation.
Differs: k is 3 (the paper takes 5); the number of samples is brought to that of the photos.
"""

from __future__ import annotations

from handful.core.artifacts import Score
from handful.scores.base import FeatureSets, ScoreFacts, check_counts
from handful.scores.neighbours import (
    Distances,
    Floats,
    covered_when_drawing,
    expected_coverage,
    measure,
    over_samples,
    photo_shares,
    share_interval,
)

FACTS = ScoreFacts(
    better="higher",
    perfect="`expected`, about 0.9; 1 is reached by copies",
    best=1.0,
    least_reference=5,
    least_samples=2,
    worst=0.0,
)


def score(sets: FeatureSets) -> Score:
    """The expected share of photos with a sample near them.

    Raises:
        UserError: fewer than 5 photos or 2 samples.
    """
    check_counts("coverage", FACTS, sets)
    distances, samples = measure(sets)
    n, m = distances.photo_count, len(samples)
    covered = coverage_by_photo(distances, min(n, m))
    value = float(covered.mean())

    def with_fewer(some: Distances) -> float:
        return float(coverage_by_photo(some, min(n, len(some.across))).mean())

    low, high = share_interval(value, n, over_samples(distances, with_fewer))
    notes = () if m >= n else (f"There are {m} samples for {n} photos: fewer samples cover fewer photos.",)
    return Score(
        name="coverage",
        value=value,
        low=low,
        high=high,
        n_reference=n,
        m_samples=m,
        notes=notes,
        details={"expected": expected_coverage(n, min(n, m)), "reference_images": float(len(sets.reference))},
    )


def coverage_by_photo(distances: Distances, drawn: int) -> Floats:
    """For each photo, the probability that one of so many samples lies in its ball."""
    inside = (distances.across < distances.radii()).sum(0)
    return photo_shares(covered_when_drawing(inside, len(distances.across), drawn), distances.photos)
