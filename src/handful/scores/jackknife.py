"""Intervals over images: delete-a-group jackknife on both sides of a comparison.

Tiles of one photo are left out together: they are no independent pictures.

Papers: Busing, Meijer, van der Leeden (1999), "Delete-m jackknife for unequal m", Statistics and Computing 9:3-8
    (pseudo-values and their variance); Satterthwaite (1946) for the degrees of freedom.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from handful.features.image_set import Features, PhotoNumbers

Indices = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """How far a number moves when images of one set are exchanged."""

    variance: float
    groups: int


def content_order(features: Features) -> Indices:
    """A shuffled order of the rows that depends on what they hold, not on how they came."""
    digests = [hashlib.sha256(row.tobytes()).digest() for row in np.ascontiguousarray(features)]
    return np.array(sorted(range(len(digests)), key=digests.__getitem__), dtype=np.intp)


def split_groups(photos: PhotoNumbers, most: int = 20) -> list[Indices]:
    """Row numbers in at most `most` groups of whole photos; the groups' numbers of photos differ by at most one.

    Args:
        photos: the photo of each row; they are taken in the order in which they first appear.
        most: groups at most.
    """
    _, first, found = np.unique(photos, return_index=True, return_inverse=True)
    places = np.argsort(np.argsort(first))[found]
    parts = np.array_split(np.arange(len(first)), min(len(first), most))
    return [np.flatnonzero(np.isin(places, part)) for part in parts]


def spread(value: float, left_out: Sequence[float] | Floats, sizes: Sequence[int] | Floats) -> Spread:
    """Variance of `value` over the images of one set.

    Args:
        value: the number from all images.
        left_out: the number without each group.
        sizes: how many images each group has; together they are all images of the set.
    """
    without, h = np.asarray(left_out), np.sum(sizes) / np.asarray(sizes)  # the paper's h = n / m
    pseudo_values = h * value - (h - 1) * without
    estimate = float(np.sum(value - (1 - 1 / h) * without))
    return Spread(float(np.mean((pseudo_values - estimate) ** 2 / (h - 1))), len(sizes))


def interval(value: float, first: Spread, second: Spread) -> tuple[float, float]:
    """The 95 % interval around `value` when the images of both sets vary."""
    variance = first.variance + second.variance
    if variance == 0:
        return value, value
    freedom = variance**2 / sum(s.variance**2 / (s.groups - 1) for s in (first, second))
    half = float(stats.t.ppf(0.975, freedom)) * variance**0.5
    return value - half, value + half
