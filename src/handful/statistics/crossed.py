"""The effect over runs and photos at once: would it hold with other seeds and with other photos?

Every run of a fold is judged by the same photos, so the differences between two methods form a table, runs by
photos. Luck of the seed moves a whole row, luck of the photo a whole column. Ten seeds on one fold are ten runs, but
one draw of photos: a test that flips runs calls two equally good methods different in most such comparisons when
their faults differ (docs/findings/judge.md). The variance here has both parts.

Papers: Cameron, Gelbach, Miller (2011), "Robust Inference With Multiway Clustering", J. Bus. Econ. Statist.
    29:238-249 (rows + columns - cells); Satterthwaite (1946) for the degrees of freedom; Schuirmann (1987), J.
    Pharmacokinet. Biopharm. 15:657-680, for two one-sided tests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from handful.statistics.paired import two_sided_t_p
from handful.statistics.power import LEVEL, POWER

Floats = npt.NDArray[np.float64]
Table = Floats
"""Differences of one fold, (runs, photos): row i, column j is what photo j adds to the difference of run i."""


@dataclass(frozen=True)
class Effect:
    """A mean difference and how surely it is known."""

    mean: float
    photo_variance: float
    """Of the mean, when other photos are held out."""
    run_variance: float
    """Of the mean, when other seeds are trained."""
    shared_variance: float
    """Counted in both."""
    photo_freedom: float
    run_freedom: float

    @property
    def variance(self) -> float:
        both = self.photo_variance + self.run_variance
        return max(both - self.shared_variance, self.photo_variance, self.run_variance)

    @property
    def freedom(self) -> float:
        """Satterthwaite's degrees of freedom."""
        parts = ((self.photo_variance, self.photo_freedom), (self.run_variance, self.run_freedom))
        divisor = sum(variance**2 / freedom for variance, freedom in parts if variance > 0)
        return sum(variance for variance, _ in parts) ** 2 / divisor if divisor > 0 else float("inf")

    @property
    def p(self) -> float:
        """Two-sided, of no difference over photos and seeds."""
        return two_sided_t_p(self.mean, self.variance, self.freedom)

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        half = float(stats.t.ppf((1 + confidence) / 2, self.freedom)) * self.variance**0.5
        return self.mean - half, self.mean + half

    def equivalence_p(self, margin: float) -> float:
        """p of two one-sided tests: small where the difference surely lies within -margin ... margin."""
        if self.variance <= 0:
            return 0.0 if abs(self.mean) < margin else 1.0
        return float(stats.t.sf((margin - abs(self.mean)) / self.variance**0.5, self.freedom))


def crossed_effect(tables: Sequence[Table]) -> Effect | None:
    """The mean over all photos and runs with its variance over both; None where there is too little to tell.

    Args:
        tables: one a fold, (runs, photos); every fold has the same number of runs, and near-duplicates are one photo
            already, as on score cards.
    """
    runs = len(tables[0]) if tables else 0
    photos = sum(table.shape[1] for table in tables)
    if min((table.shape[1] for table in tables), default=0) < 2 or runs * len(tables) < 2:
        return None
    weights = [table.shape[1] / photos for table in tables]
    means = np.array([table.mean(axis=1) for table in tables])  # (folds, runs)
    photo_variance = run_variance = shared_variance = 0.0
    for weight, table in zip(weights, tables, strict=True):
        columns = table.shape[1]
        photo_variance += weight**2 * float(table.mean(axis=0).var(ddof=1)) / columns
        if runs > 1:
            run_variance += weight**2 * float(table.mean(axis=1).var(ddof=1)) / runs
            left = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
            shared_variance += weight**2 * float((left**2).sum()) / ((runs - 1) * (columns - 1) * runs * columns)
    run_freedom = len(tables) * (runs - 1)
    if runs == 1:  # each fold is a run of its own: its luck shows between the folds only
        run_variance, run_freedom = float(means[:, 0].var(ddof=1)) / len(tables), len(tables) - 1
    mean = float(np.dot(weights, means.mean(axis=1)))
    return Effect(mean, photo_variance, run_variance, shared_variance, photos - len(tables), run_freedom)


def sample_size(effect: Effect, runs: int, photos: int, difference: float, power: float = POWER) -> tuple[int, int]:
    """Paired runs and held-out photos with which a difference would be found with `power` at 5 %.

    The parts of the variance are taken to shrink with their numbers. Runs alone are added where that is enough, else
    photos alone, else both; neither becomes fewer than there are.

    Args:
        effect: as measured now.
        runs: paired runs it came from.
        photos: held-out photos it came from, over all folds.
        difference: the mean difference to be found, above 0.
    """
    reach = float(stats.t.ppf(1 - LEVEL / 2, effect.freedom) + stats.norm.ppf(power))
    target = (difference / reach) ** 2
    of_photos = max(0.0, effect.variance - effect.run_variance)
    of_runs = effect.variance - of_photos
    if of_photos < target / 2:
        more_runs, more_photos = of_runs / (target - of_photos), 1.0
    elif of_runs < target / 2:
        more_runs, more_photos = 1.0, of_photos / (target - of_runs)
    else:
        more_runs, more_photos = of_runs / (target / 2), of_photos / (target / 2)
    return math.ceil(runs * max(1.0, more_runs)), math.ceil(photos * max(1.0, more_photos))
