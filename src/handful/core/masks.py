"""Masks that the user drew: which pixels of a picture are meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from handful.core.decode import DecodedPhoto, UnreadablePhoto, decode_photo
from handful.core.errors import UserError


def read_mask(path: Path, width: int, height: int, picture: str) -> npt.NDArray[np.bool_]:
    """A mask as (height, width), true above half of its brightest value, so that 0/1, 0/255 and JPEG masks all serve.

    Raises:
        UserError: unreadable, of another size than the picture, or without a region.
    """
    pixels = decode_picture(path).pixels
    bright = pixels.max(axis=2) if pixels.ndim == 3 else pixels
    if bright.shape != (height, width):
        raise UserError(
            f"The mask {path.name} is {bright.shape[1]}x{bright.shape[0]} px.",
            f"A mask has the size of its picture: {picture} is {width}x{height} px.",
            "Save the mask at the picture's size.",
        )
    if not bright.any():
        raise UserError(
            f"The mask {path.name} marks 0 pixels.",
            "A mask is white (or 1) in the region and black (0) elsewhere, with at least 1 pixel in the region.",
            "Mark the region in the mask.",
        )
    return np.asarray(bright > bright.max() / 2)


def decode_picture(path: Path) -> DecodedPhoto:
    """Raises:
    UserError: it cannot be read.
    """
    try:
        return decode_photo(path)
    except UnreadablePhoto as error:
        raise UserError(
            f"{path} cannot be read: {error}.", "A picture or mask is a PNG, JPEG, BMP or TIFF file.", "Save it again."
        ) from None
