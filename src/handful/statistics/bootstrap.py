"""Hierarchical bootstrap: seeds and photos. It resamples what photos add to a score, never images.

For a number that has no formula for its spread, such as a rank correlation of means. One unit fewer is drawn than
there are at each level: then the spread is right even for two seeds, where the plain bootstrap gives half.

Papers: Davison, Hinkley (1997), "Bootstrap Methods and their Application", section 3.8 (hierarchical data);
    Rao, Wu (1988), "Resampling Inference With Complex Survey Data", J. Am. Stat. Assoc. 83:231-241 (n - 1 draws).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
ROUNDS = 1000


def hierarchical_means(tables: Sequence[Floats], random: np.random.Generator, rounds: int = ROUNDS) -> Floats:
    """Means of every method in every round, (methods, rounds); methods share the draw of seeds and photos.

    Args:
        tables: one a fold, (methods, runs, photos): what each photo adds to the score of each run; near-duplicates
            are one photo already, as on score cards.
        random: decides every draw.
        rounds: how often.
    """
    photos = sum(table.shape[2] for table in tables)
    means = np.zeros((len(tables[0]), rounds))
    for table in tables:
        over_runs, over_photos = (draw_weights(units, rounds, random) for units in table.shape[1:])
        totals = np.einsum("kij,ri,rj->kr", table, over_runs, over_photos, optimize=True)
        means += totals * table.shape[2] / photos
    return means


def draw_weights(units: int, rounds: int, random: np.random.Generator) -> Floats:
    """Weights (rounds, units) that sum to 1: how often each unit came in units - 1 draws; one unit always counts."""
    if units == 1:
        return np.ones((rounds, 1))
    return random.multinomial(units - 1, np.full(units, 1 / units), size=rounds) / (units - 1)


def percentile_interval(values: Floats, confidence: float = 0.95) -> tuple[float, float]:
    """The middle share of the bootstrap values."""
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
