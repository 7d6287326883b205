"""Kernel inception distance: an unbiased distance between two sets of images, whatever their number.

Paper: Binkowski, Sutherland, Arbel, Gretton (2018), "Demystifying MMD GANs", arXiv 1801.01401, section 4: squared
    maximum mean discrepancy with the kernel (x.y / d + 1)^3, as a U-statistic.
Read: 0 means no difference that the kernel sees; lower is better. It is unbiased, so equally good sets scatter
    around 0 and the number may be negative: it is reported as it is. An interval that holds 0 means that these
    images cannot tell samples from photos.
Few images: no bias at any number, but a wide interval. The interval comes from leaving out photos and samples one
    at a time. The usual spread over random subsets is no such interval: every subset shares the few photos.
    Tiles of one photo form no pair with each other, and are left out together.
Oracle: torch-fidelity 0.4.0 with one subset of all images, on stored features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from handful.core.artifacts import Score
from handful.scores.base import Features, FeatureSets, PhotoNumbers, ScoreFacts, check_counts, photo_numbers
from handful.scores.jackknife import content_order, interval, spread

FACTS = ScoreFacts(
    better="lower",
    perfect="0 on average; single values scatter around it",
    best=0.0,
    least_reference=2,
    least_samples=2,
    version=2,
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
    cross_x, cross_y = _cross_sums(x, y)
    samples, reference = _side(x, np.arange(len(x)), cross_x), _side(y, photos, cross_y)
    m, n = len(samples.rows), len(reference.rows)
    xx, yy = samples.within_mean(), reference.within_mean()
    value = xx + yy - 2 * samples.cross_mean(reference)
    low = high = None
    notes: tuple[str, ...] = ()
    if min(n, m) >= 3:
        without_sample = samples.within_means_without() + yy - 2 * samples.cross_means_without(reference)
        without_photo = xx + reference.within_means_without() - 2 * reference.cross_means_without(samples)
        low, high = interval(
            value, spread(value, without_sample, samples.rows), spread(value, without_photo, reference.rows)
        )
    else:
        notes = ("No interval: leaving one photo out needs at least 3 photos and 3 samples.",)
    details = {"reference_images": float(len(y))}
    return Score(name="kid", value=value, low=low, high=high, n_reference=n, m_samples=m, notes=notes, details=details)


def _side(x: Features, photos: PhotoNumbers, cross: Sums) -> _Side:
    _, photo = np.unique(photos, return_inverse=True)

    def by_photo(values: Sums) -> Sums:
        return np.bincount(photo, values).astype(np.float64)

    return _Side(by_photo(np.ones(len(x))), by_photo(_kernel_sums(x, photo)), by_photo(cross))


def _kernel(x: Features, y: Features) -> Sums:
    kernel: Sums = (x @ y.T / x.shape[1] + 1) ** 3
    return kernel


def _kernel_sums(x: Features, photos: PhotoNumbers) -> Sums:
    """For each row the kernel's sum over the rows of all other photos, (n,). The whole matrix is never held."""
    sums = np.empty(len(x))
    for start in range(0, len(x), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        kernel = _kernel(x[block], x)
        kernel[photos[block, None] == photos] = 0  # tiles of one photo are no pair of independent images
        sums[block] = kernel.sum(1)
    return sums


def _cross_sums(x: Features, y: Features) -> tuple[Sums, Sums]:
    """For each row of x the kernel's sum over the rows of y, and for each of y that over x."""
    over_y, over_x = [], np.zeros(len(y))
    for start in range(0, len(x), _BLOCK_ROWS):
        kernel = _kernel(x[start : start + _BLOCK_ROWS], y)
        over_y.append(kernel.sum(1))
        over_x += kernel.sum(0)
    return np.concatenate(over_y), over_x
