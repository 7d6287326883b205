"""Cluster diversity: how much samples differ that resemble the same training photo, as a share of how much photos do.

Paper: Ojha, Li, Lu, Efros, Lee, Shechtman, Zhang (2021), "Few-shot Image Generation via Cross-domain Correspondence",
    arXiv 2104.06820, section 4.1: samples are assigned to the training photo that they are perceptually nearest to, and
    distances are taken within these clusters. A method that only reshades its few photos is found out here, though all
    its samples together look as varied as the photos.
Read: the mean perceptual distance between two samples of one cluster over that between two held-out photos of one
    cluster. 1 means as varied as photos; 0 means that samples of a cluster are one picture. Above 1 is no praise: noise
    and broken parts differ too. `clusters` is how many training photos have two samples or more.
Few images: two held-out photos of ten seldom share a nearest photo. Where none do, the distance between any two photos
    takes its place, which is a little larger, and a note says so. The interval is over clusters; one has none.
Oracle: the distance of every pair within each cluster, written out in tests.
Differs: layers and weights are those of `diversity`. Pairs are pooled over clusters and not averaged cluster by
    cluster: then clusters weigh as they do among photos, whatever the numbers of images. The paper gives no ratio.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from handful.core.artifacts import Score
from handful.core.errors import UserError
from handful.features.image_set import ImageSet
from handful.scores.base import FeatureMaps, ImageSets, ScoreFacts, check_counts, count_photos
from handful.scores.diversity import vectors
from handful.scores.jackknife import Spread, interval

FACTS = ScoreFacts(
    better="neither",
    perfect="1: samples near one training photo differ as much as photos near one do",
    best=1.0,
    least_reference=2,
    least_samples=3,
    compares_with="training",
    needs="images",
    sees="variety",
    network="efficientnet-lite0-stages",
)

Array = npt.NDArray[np.float32]
Sums = npt.NDArray[np.float64]
_BATCH_IMAGES = 16
_ALIKE = 1e-6
"""Below it a mean distance is rounding."""


@dataclass(frozen=True)
class Clusters:
    """Pairs of one set of images that share their nearest training photo; a row a cluster with at least one pair."""

    distances: Sums
    """Summed over the cluster's pairs."""
    pairs: Sums

    @property
    def mean(self) -> float:
        """Over all pairs; there is at least one."""
        return float(self.distances.sum() / self.pairs.sum())

    @property
    def spread(self) -> Spread | None:
        """Of the mean over clusters; None with one."""
        count = len(self.pairs)
        if count < 2:
            return None
        left = self.distances - self.mean * self.pairs
        return Spread(float(count / (count - 1) * (left**2).sum() / self.pairs.sum() ** 2), count)


def score(sets: ImageSets) -> Score:
    """The ratio of mean distances within clusters.

    Raises:
        UserError: fewer than 2 training photos or 3 samples, no two samples that share a nearest photo, or photos that
            are all alike.
    """
    check_counts("cluster_diversity", FACTS, sets)
    network = sets.network(FACTS.network)
    order = sorted(range(len(sets.training)), key=sets.training.hashes.__getitem__)
    centres = np.stack(list(_vectors(sets.training, network, order)))  # (n, d); at 256 px d is half a million
    samples, photos = find_clusters(sets.samples, centres, network), find_clusters(sets.heldout, centres, network)
    if not len(samples.pairs):
        raise UserError(
            f"No two of {len(sets.samples)} samples share their nearest training photo.",
            f"cluster_diversity compares samples that do; {len(centres) + 1} samples surely have such a pair.",
            "Draw more samples with `handful sample --count`.",
        )
    notes: tuple[str, ...] = ()
    if not len(photos.pairs):
        photos = find_clusters(sets.heldout if len(sets.heldout) > 1 else sets.training, centres[:1], network)
        notes = (
            "No two held-out photos share their nearest training photo: the scale is the distance between any two "
            "photos, which is a little larger.",
        )
    if not len(photos.pairs) or photos.mean < _ALIKE:
        raise UserError(
            "All photos are the same picture.",
            "cluster_diversity is a share of how much photos differ, which must be above 0.",
            "Leave the copies out (`handful dataset` does unless told to keep them), or add photos.",
        )
    value = samples.mean / photos.mean
    low = high = None
    if samples.spread and photos.spread:
        scale = photos.mean**2
        low, high = interval(
            value,
            Spread(samples.spread.variance / scale, samples.spread.groups),
            Spread(photos.spread.variance * value**2 / scale, photos.spread.groups),
        )
        low = max(low, 0.0)
    else:
        notes += ("No interval: it needs two clusters of samples and two of held-out photos.",)
    return Score(
        name="cluster_diversity",
        value=value,
        low=low,
        high=high,
        n_reference=count_photos(sets.training),
        m_samples=len(sets.samples),
        notes=notes,
        details={
            "between_samples": samples.mean,
            "between_photos": photos.mean,
            "clusters": float(len(samples.pairs)),
            "clusters_of_photos": float(len(photos.pairs)),
        },
    )


def find_clusters(images: ImageSet, centres: Array, network: FeatureMaps) -> Clusters:
    """The images by their nearest centre (n, d); images of one photo, which are no two pictures, form no pair."""
    order = sorted(range(len(images)), key=images.hashes.__getitem__)  # what images hold, not how they came
    numbers = images.photo_numbers()[order]
    several = len(np.unique(numbers)) < len(numbers)
    clusters: dict[int, _Sum] = {}
    of_one_photo: dict[tuple[int, int], _Sum] = {}
    lengths = (centres**2).sum(1)
    for place, vector in enumerate(_vectors(images, network, order)):
        centre = int((lengths - 2 * (centres @ vector)).argmin())
        clusters.setdefault(centre, _Sum(len(vector))).add(vector)
        if several:
            of_one_photo.setdefault((centre, int(numbers[place])), _Sum(len(vector))).add(vector)
    distances = {centre: cluster.distances() for centre, cluster in clusters.items()}
    pairs = {centre: cluster.pairs() for centre, cluster in clusters.items()}
    for (centre, _), photo in of_one_photo.items():
        distances[centre] -= photo.distances()
        pairs[centre] -= photo.pairs()
    kept = [centre for centre in sorted(pairs) if pairs[centre]]
    return Clusters(np.array([distances[centre] for centre in kept]), np.array([pairs[centre] for centre in kept]))


class _Sum:
    """Of vectors; what the distances between all of them add up to follows from it."""

    def __init__(self, dimensions: int) -> None:
        self.total: Array = np.zeros(dimensions, np.float32)
        self.squares = 0.0
        self.count = 0

    def add(self, vector: Array) -> None:
        self.total += vector
        self.squares += float(vector @ vector)
        self.count += 1

    def distances(self) -> float:
        """Over all pairs."""
        return max(0.0, self.count * self.squares - float(self.total @ self.total)) if self.count > 1 else 0.0

    def pairs(self) -> float:
        return self.count * (self.count - 1) / 2


def _vectors(images: ImageSet, network: FeatureMaps, order: Sequence[int]) -> Iterator[Array]:
    """Of every image, in this order."""
    for start in range(0, len(order), _BATCH_IMAGES):
        batch = np.stack([images.unit(row) for row in order[start : start + _BATCH_IMAGES]])
        yield from vectors(batch, network).astype(np.float32)
