"""Kernel inception distance: an unbiased distance between two sets of images, whatever their number.

Paper: Binkowski, Sutherland, Arbel, Gretton (2018), "Demystifying MMD GANs", arXiv 1801.01401, section 4: squared
    maximum mean discrepancy with the kernel (x.y / d + 1)^3, as a U-statistic.
Read: 0 means no difference that the kernel sees; lower is better. It is unbiased, so equally good sets scatter
    around 0 and the number may be negative: it is reported as it is. An interval that holds 0 means that these
    images cannot tell samples from photos.
Few images: no bias at any number, but a wide interval. The interval spans photos and samples; the usual spread over
    random subsets is no such interval: every subset shares the few photos. `resolution` is the standard deviation of
    KID between two sets of as many real photos: differences below it are finer than the ruler.
    Tiles of one photo form no pair with each other, and are left out together.
Oracle: torch-fidelity 0.4.0 with one subset of all images, on stored features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from handful.core.artifacts import Score
from handful.features.image_set import Features, PhotoNumbers
from handful.scores.base import FeatureSets, ScoreFacts, check_counts, photo_numbers, photo_places
from handful.scores.jackknife import content_order, spread
from handful.statistics.kernel_distance import (
    LEAST_IMAGES,
    cross_variance,
    distance_interval,
    equal_sets_variance,
    pair_variance,
)

FACTS = ScoreFacts(
    better="lower",
    perfect="0 on average; single values scatter around it",
    best=0.0,
    least_reference=2,
    least_samples=2,
    version=4,
)

_BLOCK_ROWS = 1024
Sums = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Side:
    """Sums of the kernel over one set of images, photo by photo; a sample counts as a photo of one row."""

    rows: Sums
    """Rows of each photo."""
    within: Sums
    """For each photo the kernel's sum over its rows and the rows of all other photos of this set."""
    cross: Sums
    """For each photo the kernel's sum over its rows and all rows of the other set."""

    def within_mean(self) -> float:
        """The mean kernel over pairs of rows from different photos."""
        return float(self.within.sum() / self._pairs())

    def within_means_without(self) -> Sums:
        """The same without each photo: the double sum loses its rows and its columns."""
        pairs = self._pairs() - 2 * self.rows * (self.rows.sum() - self.rows)
        means: Sums = (self.within.sum() - 2 * self.within) / pairs
        return means

    def cross_mean(self, other: _Side) -> float:
        return float(self.cross.sum() / (self.rows.sum() * other.rows.sum()))

    def cross_means_without(self, other: _Side) -> Sums:
        means: Sums = (self.cross.sum() - self.cross) / ((self.rows.sum() - self.rows) * other.rows.sum())
        return means

    def _pairs(self) -> float:
        return float(self.rows.sum() ** 2 - (self.rows**2).sum())


def score(sets: FeatureSets) -> Score:
    """The distance between samples and reference photos.

    Raises:
        UserError: fewer than 2 of either.
    """
    check_counts("kid", FACTS, sets)
    order = content_order(sets.reference)
    y, photos = sets.reference[order], photo_numbers(sets.reference, sets.reference_photos)[order]
    x = sets.samples[content_order(sets.samples)]
    among_samples, squares = _sums_within(x)
    among_photos, across, tiles = _by_photo(x, y, photos)
    samples = _Side(np.ones(len(x)), among_samples, across.sum(1))
    reference = _Side(tiles, among_photos.sum(1), across.sum(0))
    m, n = len(x), len(tiles)
    xx, yy = samples.within_mean(), reference.within_mean()
    value = xx + yy - 2 * samples.cross_mean(reference)
    # a photo of many tiles counts for more in the mean, and its deviation from the mean with it
    per_photo = value + (xx + yy - 2 * across.sum(0) / (m * tiles) - value) * tiles / tiles.mean()
    details = {"reference_images": float(len(y))}
    low = high = None
    notes: tuple[str, ...] = ()
    if min(n, m) >= LEAST_IMAGES:
        without_sample = samples.within_means_without() + yy - 2 * samples.cross_means_without(reference)
        without_photo = xx + reference.within_means_without() - 2 * reference.cross_means_without(samples)
        jackknife = (
            spread(value, without_sample, samples.rows).variance + spread(value, without_photo, reference.rows).variance
        )
        kernel = among_photos / np.outer(tiles, tiles)
        photo_pairs = pair_variance(n, kernel.sum(1), float((kernel**2).sum()))
        sample_pairs = pair_variance(m, among_samples, squares)
        equal = equal_sets_variance(m, n, sample_pairs, photo_pairs, cross_variance(across / tiles))
        low, high = distance_interval(value, jackknife, equal, min(n, m))
        details["resolution"] = equal_sets_variance(n, n, photo_pairs, photo_pairs, photo_pairs) ** 0.5
    else:
        notes = (f"No interval: it needs at least {LEAST_IMAGES} photos and {LEAST_IMAGES} samples.",)
    return Score(
        name="kid",
        value=value,
        low=low,
        high=high,
        n_reference=n,
        m_samples=m,
        notes=notes,
        details=details,
        per_photo=tuple(float(added) for added in per_photo),
    )


def _kernel(x: Features, y: Features) -> Sums:
    kernel: Sums = (x @ y.T / x.shape[1] + 1) ** 3
    return kernel


def _sums_within(x: Features) -> tuple[Sums, float]:
    """For each row the kernel's sum over all other rows, (m,), and the sum of its squares over all pairs.

    The whole matrix is never held.
    """
    sums, squares = np.empty(len(x)), 0.0
    for start in range(0, len(x), _BLOCK_ROWS):
        kernel = _kernel(x[start : start + _BLOCK_ROWS], x)
        rows = np.arange(len(kernel))
        kernel[rows, start + rows] = 0
        sums[start : start + len(kernel)] = kernel.sum(1)
        squares += float((kernel**2).sum())
    return sums, squares


def _by_photo(x: Features, y: Features, photos: PhotoNumbers) -> tuple[Sums, Sums, Sums]:
    """The kernel summed over the tiles of each photo, and how many tiles each has.

    Returns:
        Between photos (n, n), 0 on the diagonal: tiles of one photo are no pair of independent images; between samples
        and photos (m, n); tiles of each photo (n,).
    """
    photo = photo_places(photos)
    member = np.eye(photo.max() + 1)[photo]  # (tiles, n)
    among = np.zeros((member.shape[1], member.shape[1]))
    for start in range(0, len(y), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        among += member[block].T @ (_kernel(y[block], y) @ member)
    np.fill_diagonal(among, 0)
    blocks = range(0, len(x), _BLOCK_ROWS)
    across = np.concatenate([_kernel(x[start : start + _BLOCK_ROWS], y) @ member for start in blocks])
    return among, across, member.sum(0)
