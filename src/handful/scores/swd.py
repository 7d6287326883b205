"""Sliced Wasserstein distance of small patches at several scales: a second opinion that knows no network.

Paper: Karras, Aila, Laine, Lehtinen (2018), "Progressive Growing of GANs", arXiv 1710.10196, section 5: patches of
    7 x 7 px from every level of a Laplacian pyramid, compared along random directions.
Read: 0 means the same distribution of small structure at every scale; lower is better. `swd_128` and so on are the
    levels, named by their short side in px: fine levels see grain and sharpness, coarse ones shape and light. Two sets
    of real photos are above 0 as well: `halves_of_photos` is the distance of one half of the photos to the other. It
    shares nothing with a network, so where it and a network rank alike, the ranking is no network's taste.
Few images: too high by an amount that falls with the number of images; compare at equal counts. The interval is over
    whole photos and samples, never over patches, which of one image are no independent pictures. One photo is enough
    for a number, with an interval over samples alone.
Oracle: scipy's wasserstein_distance in each direction; the pyramid adds up to the image; the interval against leaving
    out each image.
Differs: patches are taken at the same places in all images, 64 a level; all sets are scaled by the photos' mean and
    deviation, so that a difference of light counts (the paper scales each set by its own); unequal numbers are paired
    by interpolated quantiles; the value is the mean of the levels and is not multiplied by 1000.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from handful.core.artifacts import Score
from handful.core.errors import UserError
from handful.core.seeds import numpy_stream
from handful.features.image_set import ImageSet
from handful.scores.base import ImageSets, ScoreFacts, check_counts, photo_places
from handful.scores.jackknife import interval
from handful.scores.transport import Floats, directions, distance, image_spread, transport

FACTS = ScoreFacts(
    better="lower",
    perfect="0, but two sets of real photos are above 0: see halves_of_photos",
    best=0.0,
    least_reference=1,
    least_samples=2,
    needs="images",
    version=2,
    equal_counts=True,
)

PATCH_PX = 7
_PATCHES = 64
"""Of an image and level."""
_LEAST_LEVEL_PX = 16
"""Short side of the coarsest level."""
_DIRECTIONS = 128
_BLOCK_DIRECTIONS = 32
_BATCH_IMAGES = 16
_SPLITS = 4
_BINOMIAL = np.array([1, 4, 6, 4, 1]) / 16


def score(sets: ImageSets) -> Score:
    """The distance between samples and reference photos.

    Raises:
        UserError: fewer than 2 of either, or images too small for a patch.
    """
    check_counts("swd", FACTS, sets)
    photos = photo_places(sets.reference.photo_numbers())
    x_levels, y_levels = patches(sets.samples), patches(sets.reference)
    m, n = len(sets.samples), len(np.unique(photos))
    levels: dict[str, float] = {}
    halves = []
    of_samples, of_photos = np.zeros(m), np.zeros(len(photos))
    for side_px, y in y_levels.items():
        x = x_levels[side_px]
        mean, deviation = y.mean((0, 1), np.float64), y.std((0, 1), np.float64) + 1e-6
        x, y = (x - mean) / deviation, (y - mean) / deviation
        value, of_x, of_y, half = _level(x, y, photos, side_px)
        levels[f"swd_{side_px}"] = value
        halves.append(half)
        of_samples += of_x / len(y_levels)
        of_photos += of_y / len(y_levels)
    value = float(np.mean(list(levels.values())))
    over_samples, _ = image_spread(of_samples, np.arange(m))
    over_photos, added = image_spread(of_photos, photos)
    low, high = interval(value, over_samples, over_photos)
    details = {**levels, "reference_images": float(len(photos))}
    notes = ["The interval is over samples and says nothing of other photos."]
    if n > 1:
        details["halves_of_photos"] = float(np.mean(halves))
        notes = ["Above 0 for real photos too: read it against halves_of_photos and at equal counts."]
    return Score(
        name="swd",
        value=value,
        low=max(low, 0.0),
        high=high,
        n_reference=n,
        m_samples=m,
        notes=tuple(notes),
        details=details,
        per_photo=tuple(float(value + one) for one in added),
    )


def patches(images: ImageSet) -> dict[int, npt.NDArray[np.float32]]:
    """Short side of a level in px -> the patches of every image there, (n, patches, 49 or 147).

    Raises:
        UserError: images too small for a patch.
    """
    found: dict[int, list[npt.NDArray[np.float32]]] = {}
    for batch in images.batches(_BATCH_IMAGES):
        if min(batch.shape[2:]) < PATCH_PX:
            raise UserError(
                f"Images of {batch.shape[3]}x{batch.shape[2]} px are smaller than a patch.",
                f"swd compares patches of {PATCH_PX}x{PATCH_PX} px.",
                "Build the data set again with a larger --canvas.",
            )
        for level in laplacian_pyramid(batch):
            found.setdefault(min(level.shape[2:]), []).append(_cut(level))
    return {side_px: np.concatenate(parts) for side_px, parts in found.items()}


def laplacian_pyramid(batch: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
    """Images (n, c, h, w) -> what each scale adds, finest first; the last is what is left. Expanded again, they add up
    to the image."""
    levels = []
    while min(batch.shape[2:]) >= 2 * _LEAST_LEVEL_PX:
        smaller = _blur(batch)[:, :, ::2, ::2]
        levels.append(batch - expand(smaller, batch.shape[2], batch.shape[3]))
        batch = smaller
    return [*levels, batch]


def expand(smaller: npt.NDArray[np.float32], height: int, width: int) -> npt.NDArray[np.float32]:
    """(n, c, h, w) -> (n, c, height, width), twice as large: pixels set apart, gaps filled by the blur."""
    spread = np.zeros((*smaller.shape[:2], height, width), np.float32)
    spread[:, :, ::2, ::2] = smaller
    filled = np.zeros((1, 1, height, width), np.float32)
    filled[:, :, ::2, ::2] = 1
    return _blur(spread) / _blur(filled)


def _blur(batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    for axis in (2, 3):
        batch = ndimage.correlate1d(batch, _BINOMIAL, axis=axis, mode="mirror")
    return batch


def _cut(level: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The patches of a level at places that its size alone decides, (n, patches, numbers)."""
    windows = np.lib.stride_tricks.sliding_window_view(level, (PATCH_PX, PATCH_PX), axis=(2, 3))
    rows, columns = windows.shape[2:4]
    random = numpy_stream(0, f"swd places {level.shape[2]}x{level.shape[3]}")
    places = np.sort(random.permutation(rows * columns)[:_PATCHES])
    cut = windows[:, :, places // columns, places % columns]  # (n, c, patches, 7, 7)
    flat: npt.NDArray[np.float32] = cut.transpose(0, 2, 1, 3, 4).reshape(len(level), len(places), -1)
    return flat


def _level(
    x: npt.NDArray[np.float32], y: npt.NDArray[np.float32], photos: npt.NDArray[np.intp], side_px: int
) -> tuple[float, Floats, Floats, float]:
    """One level: the distance, what each sample and each photo image adds, and the distance of halves of the photos,
    which is 0 where there is one photo."""
    slices = directions(_DIRECTIONS, x.shape[2], numpy_stream(0, f"swd directions {side_px}"))
    value, half = 0.0, 0.0
    of_x, of_y = np.zeros(len(x)), np.zeros(len(y))
    blocks = range(0, _DIRECTIONS, _BLOCK_DIRECTIONS)
    for start in blocks:
        block = slices[start : start + _BLOCK_DIRECTIONS]
        over_x, over_y = (np.tensordot(block, side, axes=(1, 2)) for side in (x, y))  # (directions, images, patches)
        found = transport(over_x.reshape(len(block), -1), over_y.reshape(len(block), -1), power=1)
        value += found.value / len(blocks)
        of_x += found.of_x.reshape(x.shape[:2]).mean(1) / len(blocks)
        of_y += found.of_y.reshape(y.shape[:2]).mean(1) / len(blocks)
        half += _halves(over_y, photos) / len(blocks) if photos.any() else 0.0
    return value, of_x, of_y, half


def _halves(projected: Floats, photos: npt.NDArray[np.intp]) -> float:
    """The mean distance of one half of the photos to the other (directions, images, patches)."""
    order = np.unique(photos)
    # told by what the photos hold, so that their order does not matter
    order = order[np.argsort([projected[0, photos == photo].mean() for photo in order], kind="stable")]
    random, found = numpy_stream(0, "swd halves"), []
    for _ in range(_SPLITS):
        drawn = random.permutation(order)
        one, other = np.isin(photos, drawn[: len(order) // 2]), np.isin(photos, drawn[len(order) // 2 :])
        half, rest = (projected[:, side].reshape(len(projected), -1) for side in (one, other))
        found.append(distance(half, rest, power=1))
    return float(np.mean(found))
