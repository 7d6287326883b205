"""Verbatim: how much of a sample is one piece of one training photo, pixel for pixel.

Paper: Carlini et al. (2023), "Extracting Training Data from Diffusion Models", arXiv 2301.13188, for the need: what is
    memorised shows itself pixel for pixel. The largest connected area is ours; for methods that put patches together a
    distance over the whole image sees nothing, as every patch comes from another photo.
Read: the mean, over samples, of the largest connected area that equals one training photo at one shift of up to 16 px,
    as a share of the image. 0 is what new images score, 1 is a whole copy. `largest` is that of the worst sample.
    `heldout_photos` is the same for photos that the generator never saw, and `above_heldout` the share of samples with
    a larger area than any of them has: cameras that clip, or photos without noise, give real photos common areas too.
    Equal means the same level in every channel, rounded to 8 bits. A copy that was made brighter, sharper or coarser
    in any way is not verbatim: that is what gate looks for.
Few images: defined from one photo. The interval is over samples: 100 samples without a single pixel in common still
    allow a generator of which 3.6 % are whole copies.
Oracle: planted pieces of known area; every shift tried by brute force on small images.
Differs: areas are looked for that hold a patch of 8 x 8 px with some structure on a grid of 8 px; what is smaller than
    15 px in either direction may be missed, and counts as 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from handful.core.artifacts import Score
from handful.core.errors import UserError
from handful.core.seeds import numpy_stream
from handful.features.image_set import ImageSet
from handful.scores.base import ImageSets, ScoreFacts, check_counts, count_photos
from handful.statistics.binomial import share_limits

FACTS = ScoreFacts(
    better="lower",
    perfect="0: no area of a sample is a piece of a training photo; see heldout_photos",
    best=0.0,
    least_reference=1,
    least_samples=1,
    compares_with="training",
    needs="images",
    sees="novelty",
)

REACH_PX = 16
PATCH_PX = 8
_STRUCTURE_LEVELS = 4
"""A patch with less between its darkest and its brightest pixel is found everywhere and no sign of copying."""
_CANDIDATES = 8
"""Photos and shifts whose whole area is measured; those with most equal patches."""
_BATCH_IMAGES = 64

Levels = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class _Patches:
    """The patches of some images on a grid."""

    hashes: Hashes
    """(k,)"""
    image: Places
    """(k,): the image of each."""
    down: Places
    right: Places


def score(sets: ImageSets) -> Score:
    """The mean share of a sample that is a piece of one photo.

    Raises:
        UserError: no training photo, no sample, or images smaller than a patch.
    """
    check_counts("verbatim", FACTS, sets)
    photos = _levels(sets.training, range(len(sets.training)))
    shares = _all_shares(sets.samples, photos)
    total, m = float(shares.sum()), len(shares)
    # of all shares with this sum, whole copies among new images spread most
    low, high = share_limits(math.floor(total), m)[0], share_limits(math.ceil(total), m)[1]
    details = {"largest": float(shares.max())}
    notes: tuple[str, ...] = ()
    if len(sets.heldout):
        of_photos = _all_shares(sets.heldout, photos)
        details["heldout_photos"] = float(of_photos.mean())
        details["heldout_largest"] = float(of_photos.max())
        details["above_heldout"] = float(np.mean(shares > of_photos.max()))
    else:
        notes = ("No held-out photos: how much two photos have in common anyway is not known.",)
    return Score(
        name="verbatim",
        value=float(shares.mean()),
        low=low,
        high=high,
        n_reference=count_photos(sets.training),
        m_samples=m,
        notes=notes,
        details=details,
    )


def verbatim_shares(images: Levels, photos: Levels) -> npt.NDArray[np.float64]:
    """For each image (m, c, h, w) the largest connected area that equals one of the photos (n, c, h, w) at one shift,
    as a share of the image, (m,)."""
    candidates: list[list[tuple[int, int, int, int]]] = [[] for _ in images]  # (votes, photo, down, right) of an image
    grid = _grid(images)
    for number, photo in enumerate(photos):
        for image, *found in _votes(grid, photo):
            candidates[image].append((found[0], number, found[1], found[2]))
    return np.array([_largest(image, photos, own) for image, own in zip(images, candidates, strict=True)])


def _all_shares(images: ImageSet, photos: Levels) -> npt.NDArray[np.float64]:
    order = sorted(range(len(images)), key=images.hashes.__getitem__)  # sums must not depend on how images came
    starts = range(0, len(order), _BATCH_IMAGES)
    batches = [_levels(images, order[start : start + _BATCH_IMAGES]) for start in starts]
    return np.concatenate([verbatim_shares(batch, photos) for batch in batches])


def _levels(images: ImageSet, rows: Sequence[int]) -> Levels:
    """(n, c, h, w), rounded to 8 bits."""
    levels: Levels = np.stack([np.rint((images.unit(row) + 1) * np.float32(127.5)) for row in rows]).astype(np.uint8)
    if min(levels.shape[2:]) < PATCH_PX:
        raise UserError(
            f"Images of {levels.shape[3]}x{levels.shape[2]} px are smaller than a patch.",
            f"verbatim looks for patches of {PATCH_PX}x{PATCH_PX} px.",
            "Build the data set again with a larger --canvas.",
        )
    return levels


def _hash(image: Levels) -> Hashes:
    """Of the patch at every place: (c, h, w) -> (h - 7, w - 7); other patches have other hashes, all but surely."""
    random = numpy_stream(0, "verbatim hashes")
    weights = random.integers(1, 2**63, size=image.shape[0] + 2 * PATCH_PX, dtype=np.uint64) * np.uint64(2) + np.uint64(
        1
    )
    channels, down, right = np.split(weights, [image.shape[0], image.shape[0] + PATCH_PX])
    pixels: Hashes = (image.astype(np.uint64) * channels[:, None, None]).sum(0)  # modulo 2^64, as all sums here
    return _slide(_slide(pixels.T, down).T, right)


def _slide(rows: Hashes, weights: Hashes) -> Hashes:
    """Weighted sums over PATCH_PX neighbours along the last axis."""
    width = rows.shape[-1] - PATCH_PX + 1
    total = np.zeros((*rows.shape[:-1], width), np.uint64)
    for place, weight in enumerate(weights):
        total += rows[..., place : place + width] * weight
    return total


def _grid(images: Levels) -> _Patches:
    """Patches with structure, one every PATCH_PX px."""
    hashes = np.stack([_hash(image)[::PATCH_PX, ::PATCH_PX] for image in images])
    n, rows, columns = hashes.shape
    tiles = images[:, :, : rows * PATCH_PX, : columns * PATCH_PX].reshape(n, -1, rows, PATCH_PX, columns, PATCH_PX)
    spread = tiles.max((3, 5)).astype(np.int16) - tiles.min((3, 5))  # (n, c, rows, columns)
    image, down, right = np.nonzero(spread.max(1) >= _STRUCTURE_LEVELS)
    return _Patches(hashes[image, down, right], image, down * PATCH_PX, right * PATCH_PX)


def _votes(grid: _Patches, photo: Levels) -> list[tuple[int, int, int, int]]:
    """(image, equal patches, down, right): the shifts at which images have most patches in common with a photo."""
    hashes = _hash(photo)
    order = np.argsort(hashes, axis=None)
    known = hashes.ravel()[order]
    first = np.searchsorted(known, grid.hashes, "left")
    counts = np.searchsorted(known, grid.hashes, "right") - first
    patch = np.repeat(np.arange(len(counts)), counts)
    if not len(patch):
        return []
    nth = np.arange(len(patch)) - np.repeat(np.cumsum(counts) - counts, counts)
    there = order[first[patch] + nth]
    down = grid.down[patch] - there // hashes.shape[1]
    right = grid.right[patch] - there % hashes.shape[1]
    near = (np.abs(down) <= REACH_PX) & (np.abs(right) <= REACH_PX)
    keys = np.stack([grid.image[patch], down, right], axis=1)[near]
    found, votes = np.unique(keys, axis=0, return_counts=True)
    kept = []
    for image in np.unique(found[:, 0]):
        own = np.flatnonzero(found[:, 0] == image)
        for row in own[np.argsort(-votes[own], kind="stable")[:_CANDIDATES]]:
            kept.append((int(image), int(votes[row]), int(found[row, 1]), int(found[row, 2])))
    return kept


def _largest(image: Levels, photos: Levels, candidates: list[tuple[int, int, int, int]]) -> float:
    """The largest connected equal area over the candidates with most votes, as a share of the image."""
    height, width = image.shape[1:]
    most = 0
    for _, photo, down, right in sorted(candidates, key=lambda one: (-one[0], *one[1:]))[:_CANDIDATES]:
        seen = image[:, max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)]
        known = photos[photo][:, max(-down, 0) : height - max(down, 0), max(-right, 0) : width - max(right, 0)]
        areas, count = ndimage.label((seen == known).all(0))
        if count:
            most = max(most, int(np.bincount(areas.ravel())[1:].max()))
    return most / float(height * width)
