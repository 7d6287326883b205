"""Kernel inception distance: an unbiased distance between two sets of images, whatever their number.

Paper: Binkowski, Sutherland, Arbel, Gretton (2018), "Demystifying MMD GANs", arXiv 1801.01401, section 4: squared
    maximum mean discrepancy with the kernel (x.y / d + 1)^3, as a U-statistic.
Read: 0 means no difference that the kernel sees; lower is better. It is unbiased, so equally good sets scatter
    around 0 and the number may be negative: it is reported as it is. An interval that holds 0 means that these
    images cannot tell samples from photos.
Few images: no bias at any number, but a wide interval. The interval comes from leaving out images one at a time
    on both sides. The usual spread over random subsets is no such interval: every subset shares the few photos.
Oracle: torch-fidelity 0.4.0 with one subset of all images, on stored features.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from handful.core.artifacts import Score
from handful.scores.base import Features, FeatureSets, ScoreFacts, check_counts
from handful.scores.jackknife import content_order, interval, split_groups, spread

FACTS = ScoreFacts(
    better="lower",
    perfect="0 on average; single values scatter around it",
    best=0.0,
    least_reference=2,
    least_samples=2,
)

_BLOCK_ROWS = 1024
Sums = npt.NDArray[np.float64]


def score(sets: FeatureSets) -> Score:
    """The distance between samples and reference photos.

    Raises:
        UserError: fewer than 2 of either.
    """
    check_counts("kid", FACTS, sets)
    samples, reference = (features[content_order(features)] for features in (sets.samples, sets.reference))
    m, n = len(samples), len(reference)
    within_samples, within_reference = _kernel_sums(samples), _kernel_sums(reference)
    cross_samples, cross_reference = _cross_sums(samples, reference)
    xx, yy, xy = within_samples.sum(), within_reference.sum(), cross_samples.sum()
    value = _estimate(xx, yy, xy, m, n)
    low = high = None
    notes: tuple[str, ...] = ()
    if min(n, m) >= 3:
        # Without one image the double sums lose its row and its column.
        without_sample = _estimate(xx - 2 * within_samples, yy, xy - cross_samples, m - 1, n)
        without_photo = _estimate(xx, yy - 2 * within_reference, xy - cross_reference, m, n - 1)
        low, high = interval(
            value,
            spread(value, without_sample, split_groups(m, most=m)),
            spread(value, without_photo, split_groups(n, most=n)),
        )
    else:
        notes = ("No interval: leaving one image out needs at least 3 photos and 3 samples.",)
    return Score(name="kid", value=float(value), low=low, high=high, n_reference=n, m_samples=m, notes=notes)


def _estimate(xx: Any, yy: Any, xy: Any, m: int, n: int) -> Any:
    """The U-statistic from sums of the kernel: within m samples and n photos (no self-pairs), and across."""
    return xx / (m * (m - 1)) + yy / (n * (n - 1)) - 2 * xy / (m * n)


def _kernel(x: Features, y: Features) -> Sums:
    kernel: Sums = (x @ y.T / x.shape[1] + 1) ** 3
    return kernel


def _kernel_sums(x: Features) -> Sums:
    """For each row the kernel's sum over all other rows, (n,). In blocks: the whole matrix is never held."""
    own = (np.sum(x * x, axis=1) / x.shape[1] + 1) ** 3
    blocks = [_kernel(x[start : start + _BLOCK_ROWS], x).sum(1) for start in range(0, len(x), _BLOCK_ROWS)]
    sums: Sums = np.concatenate(blocks) - own
    return sums


def _cross_sums(x: Features, y: Features) -> tuple[Sums, Sums]:
    """For each row of x the kernel's sum over the rows of y, and for each of y that over x."""
    over_y, over_x = [], np.zeros(len(y))
    for start in range(0, len(x), _BLOCK_ROWS):
        kernel = _kernel(x[start : start + _BLOCK_ROWS], y)
        over_y.append(kernel.sum(1))
        over_x += kernel.sum(0)
    return np.concatenate(over_y), over_x
