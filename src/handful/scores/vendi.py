"""Vendi score: the effective number of different images among the samples, against that among the photos.

Paper: Friedman, Dieng (2023), "The Vendi Score: A Diversity Evaluation Metric for Machine Learning", arXiv 2210.02410,
    definition 3.1: exp of the entropy of the eigenvalues of K / n, with the cosine of features as the kernel K.
Read: 1 means as varied as the photos, 0 that all samples are one picture. Above 1 is no praise: noise and broken parts
    are varied too. The value is (V - 1) of samples over (V - 1) of photos, because one picture has V = 1;
    `vendi_samples` and `vendi_photos` are V themselves.
Few images: V grows with the number of images, so samples are taken in lots of as many as there are photos, and the lots
    averaged. The interval leaves out photos and samples in groups.
Oracle: eigenvalues with known entropy: k pictures equally often and at right angles have V = k.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import linalg

from handful.core.artifacts import Score
from handful.core.errors import UserError
from handful.features.image_set import Features
from handful.scores.base import FeatureSets, ScoreFacts, check_counts, photo_numbers
from handful.scores.jackknife import Indices, content_order, interval, split_groups, spread

FACTS = ScoreFacts(
    better="neither",
    perfect="1: samples are as varied as photos",
    best=1.0,
    least_reference=3,
    least_samples=3,
    sees="variety",
)

Floats = npt.NDArray[np.float64]
_ALIKE = 1e-9


def score(sets: FeatureSets) -> Score:
    """The ratio of what is above one picture.

    Raises:
        UserError: fewer than 3 photos or samples, or photos that are all alike.
    """
    check_counts("vendi", FACTS, sets)
    order = content_order(sets.reference)
    photos = photo_numbers(sets.reference, sets.reference_photos)[order]
    of_photos, of_samples = (
        _cosines(side) for side in (sets.reference[order], sets.samples[content_order(sets.samples)])
    )
    rows, columns = np.arange(len(of_samples)), np.arange(len(of_photos))

    def pair(samples: Indices, reference: Indices) -> tuple[float, float]:
        """V of samples and of photos, at equal numbers."""
        size = min(len(samples), len(reference))
        return _in_lots(of_samples, samples, size), _in_lots(of_photos, reference, size)

    def ratio(samples: Indices, reference: Indices) -> float:
        drawn, real = pair(samples, reference)
        return (drawn - 1) / (real - 1)

    v_samples, v_photos = pair(rows, columns)
    if v_photos - 1 < _ALIKE:
        raise UserError(
            "All reference photos have the same features.",
            "vendi is a share of how varied photos are, which must be above 0.",
            "Leave the copies out (`handful dataset` does unless told to keep them), or add photos.",
        )
    value = ratio(rows, columns)
    sample_groups, photo_groups = split_groups(rows), split_groups(photos)
    low, high = interval(
        value,
        spread(
            value, [ratio(np.delete(rows, group), columns) for group in sample_groups], list(map(len, sample_groups))
        ),
        spread(value, [ratio(rows, np.delete(columns, group)) for group in photo_groups], list(map(len, photo_groups))),
    )
    return Score(
        name="vendi",
        value=value,
        low=max(low, 0.0),
        high=high,
        n_reference=len(np.unique(photos)),
        m_samples=len(rows),
        details={"vendi_samples": v_samples, "vendi_photos": v_photos, "reference_images": float(len(columns))},
    )


def vendi(kernel: Floats) -> float:
    """Of a kernel (n, n) with ones on its diagonal."""
    values = linalg.eigvalsh(kernel / len(kernel))
    values = values[values > 1e-12]
    return float(np.exp(-np.sum(values * np.log(values))))


def _cosines(features: Features) -> Floats:
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    kernel: Floats = unit @ unit.T
    return kernel


def _in_lots(kernel: Floats, rows: Indices, size: int) -> float:
    """The mean of V over disjoint lots of `size` rows."""
    lots = [rows[start : start + size] for start in range(0, len(rows) - size + 1, size)]
    return float(np.mean([vendi(kernel[np.ix_(lot, lot)]) for lot in lots]))
