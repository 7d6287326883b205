"""Single-image Frechet distance: how far the small texture of a sample is from that of the photo it was made from.

Paper: Rott Shaham, Dekel, Michaeli (2019), "SinGAN: Learning a Generative Model from a Single Natural Image", arXiv
    1905.01164, section 3.1: the Frechet distance between the features of two images at an early layer, where every
    place in an image is one sample of 64 or 192 numbers.
Read: 0 means the same mean and covariance of features; lower is better, and a copy of its photo scores 0: it measures
    fidelity, never novelty. It sees texture and not where it lies: an image with its parts shuffled scores well. Each
    sample is compared with the photo it was made from, as its manifest states; a sample that was made from no single
    photo is compared with the nearest training photo, which is `paired_share` below 1 and a lower number. Read it
    against its two anchors: a photo against its own mirror image, and against another photo. The value is that of 64
    channels, before the first pool, as in the released program of the paper; the paper's text speaks of 192, before
    the second: `sifid_192`. Published numbers use an ImageNet Inception trained anew and cannot be compared with it.
Few images: one photo and one sample are enough for a number. The places of one image are no independent samples, so
    the interval is over photos, each with its samples, or over samples where there is one photo.
Oracle: scipy's matrix square root on small maps; a plain float64 forward pass of the stem.
Differs: the stem is that of the Inception that FID is defined with. Nothing is resized, the covariance is full, images
    reach the network by one conversion from their integers (the released program scaled PNG and JPEG differently), and
    pairs come from manifests, never from file names. Covariances are factored, so no square root of a product is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import linalg

from handful.core.artifacts import Score
from handful.core.errors import UserError
from handful.core.images import Floats
from handful.features.image_set import ImageSet, PhotoNumbers
from handful.scores.base import FeatureMaps, ImageSets, ScoreFacts, check_counts
from handful.scores.jackknife import Spread, interval, spread

FACTS = ScoreFacts(
    better="lower",
    perfect="0, which is a copy; about photo_to_photo is as good as another real photo is",
    best=0.0,
    least_reference=1,
    least_samples=1,
    compares_with="sources",
    needs="images",
    network="inception-2015-stem",
)

Array = npt.NDArray[np.float64]
_VARIANTS = ("64", "192")
"""The stem's layers; their names are their channels."""
_BATCH_IMAGES = 16
_LEAST_SHORT_SIDE_PX = 19
"""Below it nothing is left before the second pool."""


@dataclass(frozen=True)
class Moments:
    """Mean and covariance of one image's features over its places."""

    mean: Array
    """(d,)"""
    root: Array
    """R (d, d) with R^T R = the unbiased covariance."""
    deviations: Array
    """(d,): the square roots of the covariance's eigenvalues, largest first."""


def score(sets: ImageSets) -> Score:
    """The mean distance between samples and the photos they were made from.

    Raises:
        UserError: no training photo or sample, or images with fewer places than channels.
    """
    check_counts("sifid", FACTS, sets)
    stem = sets.network(FACTS.network)
    photos = list(_moments_of(sets.training, stem))
    variants = tuple(photos[0])
    distances: dict[str, list[float]] = {variant: [] for variant in variants}
    chosen: list[int] = []
    for sample, source in zip(_moments_of(sets.samples, stem), sets.sources, strict=True):
        photo = nearest(sample["64"], [moments["64"] for moments in photos]) if source is None else source
        chosen.append(photo)
        for variant in variants:
            distances[variant].append(frechet(sample[variant], photos[photo][variant]))
    value = float(np.mean(distances["64"]))
    numbers = sets.training.photo_numbers()[chosen]
    low, high = _interval(np.array(distances["64"]), numbers)
    unpaired = sum(source is None for source in sets.sources)
    notes = ["It uses the Inception of FID: published SIFIDs, of another network, cannot be compared with it."]
    if unpaired:
        notes.append(
            f"{unpaired} of {len(chosen)} samples were made from no single photo: each is compared with its nearest "
            "training photo, which gives a lower number than pairing does."
        )
    if "192" not in variants:
        notes.append("No sifid_192: the images have fewer than 192 places before the second pool.")
    if low is None:
        notes.append("No interval: it needs at least 2 samples.")
    elif len(np.unique(numbers)) == 1:
        notes.append("The interval is over samples of one photo and says nothing of other photos.")
    details = {"paired_share": 1 - unpaired / len(chosen)}
    details |= {f"sifid_{variant}": float(np.mean(distances[variant])) for variant in variants}
    details |= _anchors(sets.training, photos, stem)
    return Score(
        name="sifid",
        value=value,
        low=low,
        high=high,
        n_reference=len(np.unique(numbers)),
        m_samples=len(chosen),
        notes=tuple(notes),
        details=details,
    )


def frechet(a: Moments, b: Moments) -> float:
    """The squared Frechet distance between two Gaussians."""
    difference = a.mean - b.mean
    # the trace of sqrt(S1 S2) is the nuclear norm of R1 R2^T
    root = linalg.svdvals(a.root @ b.root.T).sum()
    spreads = np.sum(a.deviations**2) + np.sum(b.deviations**2)
    return max(float(difference @ difference + spreads - 2 * root), 0.0)  # rounding alone can take it below 0


def nearest(sample: Moments, photos: Sequence[Moments]) -> int:
    """The photo with the least distance; of equals the first.

    The nuclear norm of R1 R2^T is at most the sum of products of their sorted singular values (von Neumann), which
    bounds every distance from below at little cost: few need to be computed.
    """
    means = np.stack([photo.mean for photo in photos]) - sample.mean
    deviations = np.stack([photo.deviations for photo in photos]) - sample.deviations
    bounds = np.sum(means**2, 1) + np.sum(deviations**2, 1)
    best, least = 0, float("inf")
    for photo in np.argsort(bounds, kind="stable"):
        if bounds[photo] > least:
            break
        distance = frechet(sample, photos[photo])
        if (distance, photo) < (least, best):
            best, least = int(photo), distance
    return best


def moments(places: Floats) -> Moments:
    """Of one image's map (d, h, w)."""
    rows = places.reshape(len(places), -1).astype(np.float64)  # (d, positions)
    mean = rows.mean(1)
    rows = rows - mean[:, None]
    values, vectors = linalg.eigh(rows @ rows.T / (rows.shape[1] - 1))
    deviations = np.sqrt(np.maximum(values[::-1], 0))
    return Moments(mean, deviations[:, None] * vectors.T[::-1], deviations)


def _moments_of(images: ImageSet, stem: FeatureMaps, mirrored: bool = False) -> Iterator[dict[str, Moments]]:
    """For each image its moments in every variant for which it is large enough."""
    for batch in images.batches(_BATCH_IMAGES):
        _check_places(batch)
        maps = stem(np.ascontiguousarray(batch[..., ::-1]) if mirrored else batch)
        variants = [name for name in _VARIANTS if maps[name][0, 0].size >= int(name)]
        for row in range(len(batch)):
            yield {name: moments(maps[name][row]) for name in variants}


def _anchors(images: ImageSet, photos: Sequence[dict[str, Moments]], stem: FeatureMaps) -> dict[str, float]:
    """Mean distances of photos to their own mirror images, and to another photo each: the next in order of content."""
    numbers = images.photo_numbers()
    order = sorted(range(len(images)), key=images.hashes.__getitem__)
    others = [
        (one, other) for one, other in zip(order, order[1:] + order[:1], strict=True) if numbers[one] != numbers[other]
    ]
    mirrored = list(_moments_of(images, stem, mirrored=True))
    anchors = {}
    for variant in photos[0]:
        to_mirror = [frechet(photo[variant], mirror[variant]) for photo, mirror in zip(photos, mirrored, strict=True)]
        anchors[f"photo_to_mirrored_{variant}"] = float(np.mean(to_mirror))
        if others:
            to_other = [frechet(photos[one][variant], photos[other][variant]) for one, other in others]
            anchors[f"photo_to_photo_{variant}"] = float(np.mean(to_other))
    return anchors


def _interval(distances: Array, photos: PhotoNumbers) -> tuple[float | None, float | None]:
    """The jackknife interval over photos, each with its samples; over samples where there is one photo."""
    if len(distances) < 2:
        return None, None
    groups = photos if len(np.unique(photos)) > 1 else np.arange(len(photos))
    _, members = np.unique(groups, return_inverse=True)
    sizes, sums = np.bincount(members), np.bincount(members, weights=distances)
    without = (distances.sum() - sums) / (len(distances) - sizes)
    value = float(distances.mean())
    low, high = interval(value, spread(value, without, sizes.astype(np.float64)), Spread(0.0, 2))
    return max(low, 0.0), high


def _check_places(batch: Floats) -> None:
    """Refuses images with fewer places than channels at the layer before the first pool."""
    height, width = batch.shape[2:]
    places = max((height - 3) // 2 - 1, 0) * max((width - 3) // 2 - 1, 0)
    if places < 64 or min(height, width) < _LEAST_SHORT_SIDE_PX:
        raise UserError(
            f"Images of {width}x{height} px have {places} places at the layer with 64 channels.",
            f"sifid needs 64 places or more and {_LEAST_SHORT_SIDE_PX} px on the short side: 21x21 px are enough.",
            "Build the data set again with a larger --canvas.",
        )
