"""How much a joint shows: the jump of the gradient across the edge of what was changed."""

from __future__ import annotations

import numpy as np

from handful.core.labels import Mask
from handful.defects.cutting import Piece
from handful.defects.poisson import Plane

_LEAST_USUAL = 0.25
"""Grey levels: rounding alone makes about so much."""


def joint_jump(joined: Plane, before: Plane, piece: Piece) -> float:
    """The jump at the joint over the usual one: that of the defect in its own photo, or of this photo before.

    Args:
        joined, before: (h, w, c) each, the photo with the piece and without.
        piece: of the same size.
    """
    usual = max(gradient_jump(piece.pixels, piece.region), gradient_jump(before, piece.region), _LEAST_USUAL)
    return gradient_jump(joined, piece.region) / usual


def gradient_jump(picture: Plane, region: Mask) -> float:
    """Mean absolute second difference across the edge of a region, at the two pixels on either side of it.

    Args:
        picture: (h, w, c).
        region: (h, w), 2 px or more from the border.

    Returns:
        Grey levels per px², mean over the channels; 0 where the picture goes on evenly.
    """
    total, count = 0.0, 0
    for axis in (0, 1):
        bend = np.abs(np.diff(picture, n=2, axis=axis)).mean(axis=2)
        edge = np.diff(region.astype(np.int8), axis=axis) != 0
        size = edge.shape[axis]
        # bend k is centred at pixel k + 1; edge k lies between the pixels k and k + 1
        before, after = np.take(edge, range(1, size), axis), np.take(edge, range(size - 1), axis)
        for at in (before, after):
            total += float(bend[at].sum())
            count += int(at.sum())
    return total / max(count, 1)
