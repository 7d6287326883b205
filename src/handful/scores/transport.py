"""Sliced Wasserstein distances between two sets of rows of unequal number, and what each row adds to them.

Along one direction the best transport pairs quantile with quantile. Sets of unequal number are paired by interpolating
the quantiles of the smaller, so no row is thrown away. What a row adds comes from the dual of the same problem: the
distance is a mean over one set plus a mean over the other of the potentials, and by the envelope theorem a potential is
also how the distance moves when its row gets more weight. So the spread over images costs no leaving out.

Papers: Rabin, Peyre, Delon, Bernot (2011), "Wasserstein Barycenter and its Application to Texture Mixing" (slices);
    Sommerfeld, Munk (2018), "Inference for Empirical Wasserstein Distances", J. R. Stat. Soc. B 80:219 (potentials).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from handful.features.image_set import PhotoNumbers
from handful.scores.jackknife import Spread

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Transport:
    """The distance of two sets, mean over directions."""

    value: float
    of_x: Floats
    """How the value moves with the weight of each row of x, (m,); mean 0."""
    of_y: Floats
    """The same for the rows of y, (n,)."""


def directions(count: int, dimensions: int, random: np.random.Generator) -> Floats:
    """Unit vectors (count, dimensions), uniform on the sphere."""
    drawn = random.normal(size=(count, dimensions))
    unit: Floats = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return unit


def transport(x: Floats, y: Floats, power: Literal[1, 2]) -> Transport:
    """The one-dimensional Wasserstein distance W_p^p in every direction, averaged.

    Args:
        x: projections (directions, m).
        y: projections (directions, n).
        power: p.
    """
    order_x, order_y = np.argsort(x, axis=1), np.argsort(y, axis=1)
    sorted_x, sorted_y = (np.take_along_axis(side, order, 1) for side, order in ((x, order_x), (y, order_y)))
    return Transport(
        _sorted_distance(sorted_x, sorted_y, power),
        _potential(sorted_x, order_x, sorted_y, power),
        _potential(sorted_y, order_y, sorted_x, power),
    )


def distance(x: Floats, y: Floats, power: Literal[1, 2]) -> float:
    """`transport` without what each row adds."""
    return _sorted_distance(np.sort(x, axis=1), np.sort(y, axis=1), power)


def image_spread(added: Floats, images: PhotoNumbers) -> tuple[Spread, Floats]:
    """The variance of a mean over images from what each row adds, and what each image adds, by its number.

    Args:
        added: (rows,); mean 0.
        images: the image, or photo, of each row, from 0 without gaps; they are independent of each other.
    """
    count = int(images.max()) + 1
    each: Floats = np.bincount(images, weights=added).astype(np.float64) * (count / len(added))
    return Spread(float(each.var(ddof=1) / count) if count > 1 else 0.0, max(count, 2)), each


def _sorted_distance(x: Floats, y: Floats, power: int) -> float:
    count = max(x.shape[1], y.shape[1])
    gap = _quantiles(x, count) - _quantiles(y, count)
    return float(np.mean(np.abs(gap) if power == 1 else gap**2))


def _quantiles(sorted_rows: Floats, count: int) -> Floats:
    """At levels (i + 1/2) / count, where the i-th of n values stands for level (i + 1/2) / n; (directions, count)."""
    n = sorted_rows.shape[1]
    if n == count:
        return sorted_rows
    places = np.clip((np.arange(count) + 0.5) * (n / count) - 0.5, 0, n - 1)
    below = np.minimum(places.astype(np.intp), max(n - 2, 0))
    share = places - below
    found: Floats = sorted_rows[:, below] * (1 - share) + sorted_rows[:, np.minimum(below + 1, n - 1)] * share
    return found


def _potential(sorted_x: Floats, order: npt.NDArray[np.intp], sorted_y: Floats, power: int) -> Floats:
    """Integrates the potential's slope along x: p |x - T(x)|^(p - 1) with the sign of x - T(x)."""
    gap = sorted_x - _quantiles(sorted_y, sorted_x.shape[1])
    slope = np.sign(gap) if power == 1 else 2 * gap
    rises = np.diff(sorted_x, axis=1) * (slope[:, 1:] + slope[:, :-1]) / 2
    along = np.concatenate([np.zeros((len(rises), 1)), np.cumsum(rises, axis=1)], axis=1)
    along -= along.mean(axis=1, keepdims=True)
    added = np.empty_like(along)
    np.put_along_axis(added, order, along, 1)
    mean: Floats = added.mean(axis=0)
    return mean
