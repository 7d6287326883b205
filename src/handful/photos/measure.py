"""What one photo says about its lens and its light: sharpness, brightness, clipped shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handful.core.images import Floats, resize

SHARPNESS_PX = 256
"""Long side at which sharpness is measured; a smaller photo is taken as it is."""


@dataclass(frozen=True)
class Measures:
    """See the fields of the same name in `core.artifacts.Photo`."""

    sharpness: float
    mean: float
    dark_share: float
    bright_share: float


def measure(image: Floats, grey: Floats) -> Measures:
    """Measures a photo.

    Args:
        image: (c, h, w) in [-1, 1].
        grey: the same as (1, h, w).
    """
    strongest = image.max(axis=0)  # colour is dark when all channels are, and clipped when one is
    half_level = 1 / 255  # half an 8-bit level, where the range is 2 wide
    return Measures(
        sharpness=sharpness(grey),
        mean=float((grey.mean(dtype=np.float64) + 1) / 2),
        dark_share=float((strongest <= -1 + 3 * half_level).mean()),
        bright_share=float((strongest >= 1 - half_level).mean()),
    )


def sharpness(grey: Floats) -> float:
    """Standard deviation of the Laplacian (four neighbours) at 256 px long side, in grey levels of 255."""
    _, height, width = grey.shape
    factor = min(1.0, SHARPNESS_PX / max(height, width))
    small = resize(grey, max(1, round(width * factor)), max(1, round(height * factor)), "bicubic")[0] * 127.5
    if min(small.shape) < 3:
        return 0.0
    laplacian = small[:-2, 1:-1] + small[2:, 1:-1] + small[1:-1, :-2] + small[1:-1, 2:] - 4 * small[1:-1, 1:-1]
    return float(laplacian.std(dtype=np.float64))
