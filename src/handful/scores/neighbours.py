"""Balls around images that reach to their k-th neighbour: what precision, recall, density and coverage share.

Papers: Kynkaanniemi, Karras, Laine, Lehtinen, Aila (2019), "Improved Precision and Recall Metric for Assessing
    Generative Models", arXiv 1904.06991, equations 1 and 2; Naeem, Oh, Uh, Choi, Yoo (2020), "Reliable Fidelity and
    Diversity Metrics for Generative Models", arXiv 2002.09797, equations 5 and 6; Zou, Donner (2008), "Construction
    of confidence limits about effect measures", Stat. Med. 27:1693-1702 (limits put together from two sources).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.spatial.distance import cdist
from scipy.special import gammaln

from handful.features.image_set import Features, PhotoNumbers
from handful.scores.base import FeatureSets, photo_numbers
from handful.scores.jackknife import Spread, content_order, split_groups, spread
from handful.statistics.binomial import share_limits

NEIGHBOURS = 3
"""k of all four scores. The papers take 3 and 5; with ten held-out photos 5 neighbours are half of them."""
Floats = npt.NDArray[np.float64]
Keep = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Distances:
    """Between all rows of both sets; rows in an order that their content alone decides."""

    across: Floats
    """(samples, photo rows)."""
    among_photos: Floats
    """(photo rows, photo rows); infinite between rows of one photo."""
    photos: PhotoNumbers
    """The photo of each row."""

    @property
    def photo_count(self) -> int:
        """n."""
        return len(np.unique(self.photos))

    def radii(self) -> Floats:
        """The distance of each photo row to its k-th nearest other photo, (rows,)."""
        order = np.argsort(self.photos, kind="stable")
        starts = np.flatnonzero(np.diff(self.photos[order], prepend=-1))
        return kth_smallest(np.minimum.reduceat(self.among_photos[:, order], starts, axis=1))

    def only(self, samples: Keep | None = None, photo_rows: Keep | None = None) -> Distances:
        """The same for some of the rows."""
        rows = np.arange(len(self.across)) if samples is None else samples
        columns = np.arange(len(self.photos)) if photo_rows is None else photo_rows
        return Distances(
            self.across[np.ix_(rows, columns)], self.among_photos[np.ix_(columns, columns)], self.photos[columns]
        )


def measure(sets: FeatureSets) -> tuple[Distances, Features]:
    """Distances, and the samples in their order."""
    order = content_order(sets.reference)
    photos = photo_numbers(sets.reference, sets.reference_photos)[order]
    reference, samples = sets.reference[order], sets.samples[content_order(sets.samples)]
    among = cdist(reference, reference)
    among[photos[:, None] == photos] = np.inf
    return Distances(cdist(samples, reference), among, photos), samples


def kth_smallest(distances: Floats) -> Floats:
    """Of each row, the k-th smallest; the largest finite one where fewer are finite."""
    finite = np.isfinite(distances).sum(1)
    ordered = np.sort(distances, axis=1)
    found: Floats = ordered[np.arange(len(ordered)), np.minimum(NEIGHBOURS, np.maximum(finite, 1)) - 1]
    return found


def sample_radii(samples: Features) -> Floats:
    """The distance of each sample to its k-th nearest other sample, (m,)."""
    squares = np.sum(samples**2, axis=1)
    among = squares[:, None] + squares - 2 * samples @ samples.T
    np.fill_diagonal(among, np.inf)
    k = min(NEIGHBOURS, len(samples) - 1)
    radii: Floats = np.sqrt(np.maximum(np.partition(among, k - 1, axis=1)[:, k - 1], 0))
    return radii


def photo_shares(hit: npt.NDArray[np.floating], photos: PhotoNumbers) -> Floats:
    """The mean of what the rows of each photo have, in order of the photos' first rows."""
    _, first, found = np.unique(photos, return_index=True, return_inverse=True)
    means = np.bincount(found, weights=hit) / np.bincount(found)
    ordered: Floats = means[np.argsort(first)]
    return ordered


def over_samples(distances: Distances, value: Callable[[Distances], float]) -> Spread:
    """Spread of a value over samples, by leaving out groups of them."""
    m = len(distances.across)
    groups = split_groups(np.arange(m))
    without = [value(distances.only(samples=np.delete(np.arange(m), group))) for group in groups]
    return spread(value(distances), without, [len(group) for group in groups])


def over_photos(distances: Distances, value: Callable[[Distances], float]) -> Spread:
    """Spread of a value over photos, by leaving out groups of them with all their rows."""
    rows = np.arange(len(distances.photos))
    groups = split_groups(distances.photos)
    without = [value(distances.only(photo_rows=np.delete(rows, group))) for group in groups]
    return spread(value(distances), without, [len(group) for group in groups])


def share_interval(share: float, trials: int, other: Spread) -> tuple[float, float]:
    """The 95 % interval of a share of counted images, whose hits also depend on the images of another set.

    Args:
        share: of the counted images.
        trials: how many they are, independent of each other.
        other: spread of the share over the other set.
    """
    low, high = share_limits(round(share * trials), trials)
    reach = float(stats.t.ppf(0.975, other.groups - 1)) * other.variance**0.5
    down, up = np.hypot(share - low, reach), np.hypot(high - share, reach)
    return max(0.0, share - float(down)), min(1.0, share + float(up))


def covered_when_drawing(inside: npt.NDArray[np.floating], samples: int, drawn: int) -> Floats:
    """Probability that at least one of `drawn` samples, drawn from all without repetition, is one of those inside.

    Args:
        inside: how many of the samples lie in each ball.
        samples: m.
        drawn: at most m.
    """
    outside = samples - np.asarray(inside, np.float64)
    possible = outside >= drawn
    rest = np.where(possible, outside, drawn)
    # C(outside, drawn) / C(samples, drawn)
    log_none = gammaln(rest + 1) - gammaln(rest - drawn + 1) - gammaln(samples + 1) + gammaln(samples - drawn + 1)
    missed: Floats = np.where(possible, np.exp(log_none), 0.0)
    return 1 - missed


def expected_coverage(photos: int, drawn: int) -> float:
    """What coverage is on average when samples come from the photos' own distribution: a ball misses all drawn samples
    where the k nearest of the other photos and the samples together are photos."""
    steps = np.arange(1, NEIGHBOURS + 1)
    return float(1 - np.prod((photos - steps) / (photos + drawn - steps)))
