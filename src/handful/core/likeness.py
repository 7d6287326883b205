"""Near-duplicates: photos that are one picture but for gain, offset, a small shift or the file's compression.

Two thumbnails are compared over every shift up to 3 px, the one fitted to the other by the best gain and
offset; what remains is their residual. Linked photos, and photos linked through others, form a group.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse.csgraph import connected_components

from handful.core.images import Floats, resize

THUMBNAIL_PX = 64
"""Long side of the thumbnails compared."""
LARGEST_SHIFT_PX = 3
"""At thumbnail size: 1/21 of the long side."""
LINK_RESIDUAL = 1.5
"""Photos at or below it are near-duplicates, in grey levels of 255. docs/photos.md has the measurement behind it."""

Residuals = npt.NDArray[np.float64]


def thumbnail(grey: Floats) -> Floats:
    """(1, h, w) in [-1, 1] -> (h', w') in grey levels of 255, long side 64 px."""
    _, height, width = grey.shape
    factor = THUMBNAIL_PX / max(height, width)
    small = resize(grey, max(1, round(width * factor)), max(1, round(height * factor)), "bilinear")
    levels: Floats = (small[0] + 1) * np.float32(127.5)
    return levels


def residuals(thumbnails: Sequence[Floats]) -> Residuals:
    """What remains of each pair at its best shift, gain and offset: (n, n) RMS in grey levels of 255.

    A pair of different shapes is infinitely far. Of the two directions (a fitted to b, b to a) the worse counts,
    so that an empty picture is no copy of a full one.
    """
    count = len(thumbnails)
    smallest = np.full((count, count), np.inf)
    for shape in {thumbnail.shape for thumbnail in thumbnails}:
        members = [index for index, thumbnail in enumerate(thumbnails) if thumbnail.shape == shape]
        smallest[np.ix_(members, members)] = _residuals_of_one_shape(np.stack([thumbnails[i] for i in members]))
    return smallest


def _residuals_of_one_shape(stack: Floats) -> Residuals:
    """(n, h, w) -> (n, n), with one Gram matrix for each whole-pixel shift.

    Photo i, cropped at the centre, is projected on the span of photo j, shifted, and its two gradients. The
    gradients stand for the rest of the shift, below a pixel (first order of Taylor's series).
    """
    count, height, width = stack.shape
    reach_y, reach_x = (min(LARGEST_SHIFT_PX, max(0, side - 2) // 4) for side in (height, width))
    inner_height, inner_width = height - 2 * reach_y, width - 2 * reach_x
    slopes = [np.gradient(stack, axis=axis) if stack.shape[axis] > 1 else np.zeros_like(stack) for axis in (1, 2)]
    fields = np.stack([stack, *slopes])  # (3, n, h, w)

    def crop(images: Floats, top: int, left: int) -> Floats:
        cut = images[..., top : top + inner_height, left : left + inner_width]
        rows: Floats = cut.reshape(*images.shape[:-2], inner_height * inner_width)
        means: Floats = rows.mean(axis=-1, keepdims=True)
        return rows - means

    centre = crop(stack, reach_y, reach_x)  # (n, pixels)
    power = (centre.astype(np.float64) ** 2).sum(axis=1)
    most_explained = np.zeros((count, count))
    for top in range(2 * reach_y + 1):
        for left in range(2 * reach_x + 1):
            shifted = crop(fields, top, left)  # (3, n, pixels)
            products = np.einsum("ip,kjp->jki", centre, shifted, optimize=True).astype(np.float64)
            norms = np.einsum("kjp,ljp->jkl", shifted, shifted, optimize=True).astype(np.float64)
            explained = (products * (np.linalg.pinv(norms, hermitian=True) @ products)).sum(axis=1).T
            explained[products[:, 0].T <= 0] = 0  # a negative is no copy
            most_explained = np.maximum(most_explained, explained)
    left_over: Residuals = np.sqrt(np.maximum(power[:, None] - most_explained, 0) / centre.shape[1])
    return np.maximum(left_over, left_over.T)


def groups(pair_residuals: Residuals) -> list[int]:
    """Group number of each photo, counted in order of first appearance; linked photos share one."""
    _, labels = connected_components(pair_residuals <= LINK_RESIDUAL, directed=False)
    first_seen = {label: number for number, label in enumerate(dict.fromkeys(labels.tolist()))}
    return [first_seen[label] for label in labels.tolist()]
