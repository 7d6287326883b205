"""A drawn region is put into a picture with a soft edge; outside, not a bit changes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from handful.core.images import Integers

_REACH = 4.0  # standard deviations at which the soft edge ends

Weights = npt.NDArray[np.float64]


def region_weights(mask: npt.NDArray[np.bool_], dilation_px: float, smoothing_px: float) -> Weights:
    """Share of the drawing in every pixel, (h, w) in [0, 1]: the mask grown by a disc, then smoothed.

    It is exactly 0 beyond dilation_px + 4 smoothing_px (in each direction) from the mask, and 1 at its highest.

    Args:
        mask: (h, w), true in the region, at least once.
        dilation_px: radius of the disc.
        smoothing_px: standard deviation of the Gaussian.
    """
    grown = ndimage.distance_transform_edt(~mask) <= dilation_px
    weights: Weights = ndimage.gaussian_filter(grown.astype(np.float64), smoothing_px, truncate=_REACH, mode="nearest")
    shares: Weights = np.clip(weights / weights.max(), 0, 1)
    return shares


def blend(picture: Integers, drawn: Integers, weights: Weights) -> Integers:
    """The picture with the drawing in it, as integers of the picture's kind.

    Args:
        picture, drawn: (h, w) or (h, w, 3), of one size.
        weights: share of the drawing, (h, w); where it is 0 the picture's own integers stay.
    """
    share = weights if picture.ndim == 2 else weights[..., None]
    mixed = np.rint(picture + share * (drawn.astype(np.float64) - picture)).astype(picture.dtype)
    return np.where(share > 0, mixed, picture)
