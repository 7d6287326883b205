"""Copies planted to calibrate a detector: what becomes of a photo that a generator hands out as its own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from handful.core.seeds import numpy_stream
from handful.scores.recompressed import compress

Images = npt.NDArray[np.float32]

SHIFT_SHARE = 1 / 8
"""Of each side: 16 px at 128."""
GAIN = 0.2
JPEG_QUALITY = 75
KINDS = ("exact", "shifted", "brighter", "darker", "mirrored", "jpeg", "all together")


def plant(photos: Images, kind: str, seed: int = 0) -> Images:
    """Copies of photos (n, h, w) on the scale 0 to 255, on the same scale; copy i depends on photo i, kind and seed."""
    return np.stack(
        [_copy(photo, kind, numpy_stream(seed, f"planted {kind}", row)) for row, photo in enumerate(photos)]
    )


def _copy(photo: Images, kind: str, random: np.random.Generator) -> Images:
    if kind == "exact":
        return photo
    if kind == "shifted":
        return _shift(photo, random)
    if kind in ("brighter", "darker"):
        return _gain(photo, 1 + GAIN if kind == "brighter" else 1 - GAIN)
    if kind == "mirrored":
        return np.ascontiguousarray(photo[:, ::-1])
    if kind == "jpeg":
        return compress(photo, JPEG_QUALITY)
    moved = _gain(_shift(photo[:, ::-1], random), random.uniform(1 - GAIN, 1 + GAIN))
    return compress(moved, JPEG_QUALITY)


def _shift(photo: Images, random: np.random.Generator) -> Images:
    """By a whole number of px in each direction; what comes into view repeats the border."""
    reach = [int(side * SHIFT_SHARE) for side in photo.shape]
    down, right = (int(random.integers(-most, most + 1)) for most in reach)
    padded = np.pad(photo, [(most, most) for most in reach], mode="edge")
    top, left = reach[0] - down, reach[1] - right
    return padded[top : top + photo.shape[0], left : left + photo.shape[1]]


def _gain(photo: Images, gain: float) -> Images:
    """As a camera would: rounded to levels, saturated at 255."""
    levels: Images = np.rint(np.clip(photo * np.float32(gain), 0, 255)).astype(np.float32)
    return levels
