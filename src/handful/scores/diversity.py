"""Diversity: how much samples differ from one another, as a share of how much photos do.

Paper: Zhang, Isola, Efros, Shechtman, Wang (2018), "The Unreasonable Effectiveness of Deep Features as a Perceptual
    Metric", arXiv 1801.03924, equation 1: the squared difference of two images' features, each place scaled to unit
    length, averaged over places and summed over layers.
Read: the mean distance between two samples over that between two photos. 1 means as varied as the photos; 0 means that
    all samples are one picture. Above 1 is no praise: noise and broken parts differ from sample to sample too. It never
    says that a sample looks right, and copies of the photos score near 1: read it beside kid and nearest_photo.
Few images: unbiased on both sides; the interval leaves out photos and samples in groups. With fewer than about 10
    photos it is wide.
Oracle: the distance of every pair, written out in tests.
Differs: the layers are those of EfficientNet-Lite0 at its five resolutions, unweighted: the paper's weights were
    learned for other networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from handful.core.artifacts import Score
from handful.core.errors import UserError
from handful.core.images import Floats
from handful.features.image_set import ImageSet
from handful.scores.base import FeatureMaps, ImageSets, ScoreFacts, check_counts
from handful.scores.jackknife import interval, split_groups, spread

FACTS = ScoreFacts(
    better="neither",
    perfect="1: samples differ as much as photos do",
    best=1.0,
    least_reference=3,
    least_samples=3,
    needs="images",
    sees="variety",
    network="efficientnet-lite0-stages",
)

Array = npt.NDArray[np.float64]
_BATCH_IMAGES = 16
_TINY = 1e-12
_ALIKE = 1e-6
"""Below it a mean distance is rounding; two photos of a camera at rest are farther apart by their noise alone."""


@dataclass(frozen=True)
class _Side:
    """What one set's mean distance is made of: every image as one vector (d,) whose squared length is the number of
    layers, so that the distance of two images is the squared distance of their vectors."""

    sums: Array
    """The sum of the vectors of each group of images, (groups, d)."""
    rows: Array
    """Images of each group."""
    within: Array
    """For each group, the sum of distances between images of one photo, which are no pairs, counted twice."""
    tied: Array
    """For each group, how many such pairs there are, counted twice."""
    layers: int

    def mean_distance(self, left_out: int | None = None) -> float:
        """Over pairs of images from different photos, without a group or with all."""
        keep = np.arange(len(self.rows)) != (-1 if left_out is None else left_out)
        total, n = self.sums[keep].sum(0), self.rows[keep].sum()
        distances = 2 * n * n * self.layers - 2 * float(total @ total)
        return float((distances - self.within[keep].sum()) / (n * (n - 1) - self.tied[keep].sum()))


def score(sets: ImageSets) -> Score:
    """The ratio of the mean distances within samples and within reference photos.

    Raises:
        UserError: fewer than 3 photos or samples, or photos that are all alike.
    """
    check_counts("diversity", FACTS, sets)
    network = sets.network(FACTS.network)
    samples, photos = _side(sets.samples, network), _side(sets.reference, network)
    of_samples, of_photos = samples.mean_distance(), photos.mean_distance()
    if of_photos < _ALIKE:
        raise UserError(
            "All reference photos are the same picture.",
            "diversity is a share of how much photos differ, which must be above 0.",
            "Leave the copies out (`handful dataset` does unless told to keep them), or add photos.",
        )
    value = of_samples / of_photos
    without_samples = [samples.mean_distance(group) / of_photos for group in range(len(samples.rows))]
    without_photos = [of_samples / photos.mean_distance(group) for group in range(len(photos.rows))]
    low, high = interval(
        value, spread(value, without_samples, samples.rows), spread(value, without_photos, photos.rows)
    )
    return Score(
        name="diversity",
        value=value,
        low=max(low, 0.0),
        high=high,
        n_reference=len(np.unique(sets.reference.photo_numbers())),
        m_samples=len(sets.samples),
        details={"between_samples": of_samples, "between_photos": of_photos},
    )


def vectors(images: Floats, network: FeatureMaps) -> Array:
    """Images (n, c, h, w) -> (n, d): squared distances between rows are perceptual distances."""
    parts = []
    for maps in network(images).values():
        flat = maps.reshape(len(maps), maps.shape[1], -1).astype(np.float64)
        flat = flat / np.sqrt(np.sum(flat**2, axis=1, keepdims=True) + _TINY)
        parts.append(flat.reshape(len(maps), -1) / np.sqrt(flat.shape[2]))
    return np.concatenate(parts, axis=1)


def _side(images: ImageSet, network: FeatureMaps) -> _Side:
    order = sorted(range(len(images)), key=lambda row: images.hashes[row])  # what images hold, not how they came
    photos = images.photo_numbers()[order]
    groups = split_groups(photos)
    group = np.empty(len(images), dtype=np.intp)
    for number, rows in enumerate(groups):
        group[rows] = number
    sums: Array | None = None
    layers = 0
    by_photo: dict[int, tuple[Array, int]] = {}
    several = len(np.unique(photos)) < len(photos)
    for start in range(0, len(order), _BATCH_IMAGES):
        batch = vectors(np.stack([images.unit(row) for row in order[start : start + _BATCH_IMAGES]]), network)
        if sums is None:
            layers = round(float(batch[0] @ batch[0]))
            sums = np.zeros((len(groups), batch.shape[1]))
        for offset, vector in enumerate(batch):
            sums[group[start + offset]] += vector
            if several:
                before, count = by_photo.get(int(photos[start + offset]), (np.zeros(len(vector)), 0))
                by_photo[int(photos[start + offset])] = (before + vector, count + 1)
    assert sums is not None  # check_counts saw images
    within, tied = np.zeros(len(groups)), np.zeros(len(groups))
    for photo, (total, count) in by_photo.items():
        place = group[np.flatnonzero(photos == photo)[0]]
        within[place] += 2 * count * count * layers - 2 * float(total @ total)
        tied[place] += count * (count - 1)
    sizes: Array = np.bincount(group, minlength=len(groups)).astype(np.float64)
    return _Side(sums, sizes, within, tied, layers)
