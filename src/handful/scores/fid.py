"""Frechet inception distance: how far apart two sets of images lie in mean and covariance of their features.

Paper: Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter (2017), "GANs Trained by a Two Time-Scale Update Rule
    Converge to a Local Nash Equilibrium", arXiv 1706.08500, equation 6.
Read: 0 means equal mean and covariance; lower is better. Compare only numbers with the same photos, the same
    number of samples and the same network. The interval says how far the number moves from image to image; it
    does not contain the bias below.
Few images: the number is too high by about a constant divided by the number of images, on both sides, and
    photos count most: with 40 photos two sets of equally good images are far from 0, and a thousand samples
    instead of forty hardly help. Read it against the FID of real photos at the same counts, never on its own.
Oracle: torch-fidelity 0.4.0, on stored features; scipy's matrix square root where covariances have full rank.
Differs: computed without a matrix square root. The trace of sqrt(S1 S2) is the nuclear norm of A B^T, where A
    and B are the centred features divided by sqrt(n - 1) and sqrt(m - 1), so that S1 = A^T A and S2 = B^T B. This
    is exact also for singular covariances, the only kind that fewer images than dimensions give. With more
    images than dimensions the triangular factor of A = Q R stands for A: R^T R = A^T A.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import linalg

from handful.core.artifacts import Score
from handful.features.image_set import Features, PhotoNumbers
from handful.scores.base import FeatureSets, ScoreFacts, check_counts, photo_numbers
from handful.scores.jackknife import Indices, content_order, interval, split_groups, spread

FACTS = ScoreFacts(
    better="lower",
    perfect="0, but real photos score above 0 when they are few",
    best=0.0,
    least_reference=2,
    least_samples=2,
    version=2,
    equal_counts=True,
)

_FLOOR_IMAGES = 2048


def score(sets: FeatureSets) -> Score:
    """The distance between samples and reference photos.

    Raises:
        UserError: fewer than 2 of either.
    """
    check_counts("fid", FACTS, sets)
    order = content_order(sets.reference)
    reference, photos = sets.reference[order], photo_numbers(sets.reference, sets.reference_photos)[order]
    samples = sets.samples[content_order(sets.samples)]
    n, m = len(np.unique(photos)), len(samples)
    value = frechet_distance(samples, reference)
    low, high = _interval(value, samples, reference, photos) if min(n, m) >= 3 else (None, None)
    notes = []
    if min(n, m) < _FLOOR_IMAGES:
        notes.append(
            f"With {n} photos and {m} samples the distance has a floor well above 0, of order 1/n: "
            "compare it only at these counts, best with what held-out photos score."
        )
    if low is None:
        notes.append("No interval: leaving one photo out needs at least 3 photos and 3 samples.")
    return Score(
        name="fid",
        value=value,
        low=low,
        high=high,
        n_reference=n,
        m_samples=m,
        notes=tuple(notes),
        details={"reference_images": float(len(reference))},
    )


def frechet_distance(a: Features, b: Features) -> float:
    """The Frechet distance between Gaussians fitted to the rows of a (n, d) and b (m, d); float64, n, m >= 2."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    difference = a.mean(0) - b.mean(0)
    a, b = (_centred(rows) for rows in (a, b))
    root = _nuclear_norm(_few_rows(a) @ _few_rows(b).T)
    distance = difference @ difference + np.sum(a * a) + np.sum(b * b) - 2 * root
    return max(float(distance), 0.0)  # rounding alone can take it below 0


def _centred(rows: Features) -> Features:
    """Rows A with A^T A = their covariance."""
    centred: Features = (rows - rows.mean(0)) / np.sqrt(len(rows) - 1)
    return centred


def _few_rows(rows: Features) -> Features:
    """At most d rows R with R^T R = A^T A for A (n, d), so that no nuclear norm of A changes: A = Q R."""
    if len(rows) <= rows.shape[1]:
        return rows
    triangle: Features = linalg.qr(rows, mode="r")[0]
    return triangle[: rows.shape[1]]


def _nuclear_norm(matrix: npt.NDArray[np.floating]) -> float:
    return float(linalg.svdvals(matrix).sum())


def _interval(value: float, a: Features, b: Features, photos_b: PhotoNumbers) -> tuple[float, float]:
    """The jackknife interval over the rows of a and the photos of b, at most 20 groups a side."""
    groups_a, groups_b = split_groups(np.arange(len(a))), split_groups(photos_b)
    without_a, without_b = _without_each(groups_a, a, b), _without_each(groups_b, b, a)
    sizes_a, sizes_b = ([len(group) for group in groups] for groups in (groups_a, groups_b))
    low, high = interval(value, spread(value, without_a, sizes_a), spread(value, without_b, sizes_b))
    return max(low, 0.0), high


def _without_each(groups: list[Indices], a: Features, b: Features) -> list[float]:
    """The distance to `b` without each group of rows of `a`, from one product of the two.

    Args:
        groups: row numbers to leave out, one group at a time.
        a: rows (n, d).
        b: rows (m, d).
    """
    difference, a, b = a.mean(0) - b.mean(0), a - a.mean(0), _centred(b)
    cross, trace_b = a @ _few_rows(b).T, np.sum(b * b)
    squares = np.sum(a * a, axis=1)
    distances = []
    for group in groups:
        kept = len(a) - len(group)
        shift = -a[group].sum(0) / kept  # of the mean, as all rows together have mean 0
        trace_a = (squares.sum() - squares[group].sum() - kept * shift @ shift) / (kept - 1)
        rest = np.delete(cross, group, 0)
        root = _nuclear_norm(rest - rest.mean(0)) / np.sqrt(kept - 1)
        distances.append(float((difference + shift) @ (difference + shift) + trace_a + trace_b - 2 * root))
    return distances
