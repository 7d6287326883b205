"""One defect cut from a photo, and the same resized, turned and mirrored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from handful.core.images import Integers
from handful.core.labels import Mask
from handful.defects.poisson import Plane

CONTEXT_PX = 48
"""Surroundings that are cut out with a defect, on each side."""
_SIDES = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Cutting:
    """A defect with its surroundings."""

    name: str
    kind: str
    photo: str
    """Name of the photo that it is from."""
    photo_pixels_sha256: str
    x: int
    """Left edge of the crop in the photo."""
    y: int
    """Its upper edge."""
    pixels: Integers
    """(h, w) or (h, w, 3)."""
    mask: Mask
    """(h, w): the defect."""
    others: Mask
    """(h, w): other defects, which may not come along."""


@dataclass(frozen=True)
class Piece:
    """What is put into a photo."""

    pixels: Plane
    """(h, w, c)."""
    mask: Mask
    """(h, w): the defect."""
    region: Mask
    """(h, w): all that may change; 1 px or more from the border."""
    ring: Mask
    """(h, w): surroundings that decide where it fits."""


def grow(mask: Mask, by_px: float) -> Mask:
    """The mask and all within a distance of it."""
    grown: Mask = ndimage.distance_transform_edt(~mask) <= by_px
    return grown


def cut_out(photo: Integers, mask: Mask, others: Mask, name: str, kind: str, source: tuple[str, str]) -> Cutting:
    """Cuts a defect out, with CONTEXT_PX around it as far as the photo reaches.

    Args:
        photo: (h, w) or (h, w, 3).
        mask, others: (h, w) each, the defect and all others on the photo.
        name, kind: of the defect.
        source: name and pixel hash of the photo.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = max(int(rows[0]) - CONTEXT_PX, 0), max(int(columns[0]) - CONTEXT_PX, 0)
    window = (slice(top, int(rows[-1]) + 1 + CONTEXT_PX), slice(left, int(columns[-1]) + 1 + CONTEXT_PX))
    crop = np.ascontiguousarray(photo[window])
    return Cutting(name, kind, *source, left, top, crop, mask[window].copy(), others[window].copy())


def split_regions(mask: Mask, apart_px: float) -> list[Mask]:
    """Parts of a mask, not empty, that lie farther than `apart_px` from each other, largest first."""
    reach = int(np.ceil(apart_px / 2)) + 1
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    window = (
        slice(max(rows[0] - reach, 0), rows[-1] + 1 + reach),
        slice(max(columns[0] - reach, 0), columns[-1] + 1 + reach),
    )
    numbers, count = ndimage.label(grow(mask[window], apart_px / 2), _SIDES)
    parts = []
    for number in range(1, count + 1):
        part = np.zeros_like(mask)
        part[window] = mask[window] & (numbers == number)
        parts.append(part)
    return sorted(parts, key=lambda part: -int(part.sum()))


def shape_piece(
    cutting: Cutting,
    margin_px: int,
    ring_px: int,
    size: float = 1.0,
    turn_deg: float = 0.0,
    flips: tuple[bool, bool] = (False, False),
) -> Piece | None:
    """A cutting as it will lie in another photo; unturned, unresized and unflipped its pixels are exactly its own.

    Args:
        cutting: what was cut.
        margin_px: around the mask, part of the region that changes.
        ring_px: around the margin.
        size: over its own.
        turn_deg: counterclockwise, as one looks at the photo.
        flips: left for right, up for down; before it is turned.

    Returns:
        None where the defect vanishes, or where its margin lies beyond the photo or on another defect.
    """
    planes = cutting.pixels.astype(np.float64).reshape(*cutting.mask.shape, -1)
    mask, usable = cutting.mask, ~cutting.others
    # beyond the crop there is nothing to use; a pixel more keeps the region off the border
    reach = margin_px + ring_px + 2
    planes = np.pad(planes, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    mask, usable = np.pad(mask, reach), np.pad(usable, reach)
    if flips[0]:
        planes, mask, usable = planes[:, ::-1], mask[:, ::-1], usable[:, ::-1]
    if flips[1]:
        planes, mask, usable = planes[::-1], mask[::-1], usable[::-1]
    if size != 1.0 or turn_deg != 0.0:
        planes, mask, usable = _turned(planes, mask, usable, size, turn_deg, reach)
    if not mask.any():
        return None
    from_mask = ndimage.distance_transform_edt(~mask)
    region = from_mask <= margin_px
    if (region & ~usable).any():
        return None
    ring = (from_mask > margin_px) & (from_mask <= margin_px + ring_px) & usable
    if not ring.any():
        return None
    near = from_mask <= margin_px + ring_px + 1
    rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    return Piece(planes[window], mask[window], region[window], ring[window])


def _turned(
    planes: Plane, mask: Mask, usable: Mask, size: float, turn_deg: float, reach: int
) -> tuple[Plane, Mask, Mask]:
    """All three about the middle pixel of the mask; the picture by cubic, the masks by linear interpolation."""
    rows, columns = np.nonzero(mask)
    # about a pixel's centre, so that a quarter turn brings pixels onto pixels
    middle = np.array([(rows.min() + rows.max()) // 2, (columns.min() + columns.max()) // 2])
    half = np.array([np.ptp(rows) + 1, np.ptp(columns) + 1]) / 2 + 1
    turn = np.deg2rad(turn_deg)
    cosine, sine = np.cos(turn), np.sin(turn)
    back = np.array([[cosine, sine], [-sine, cosine]]) / size  # (y, x) of the result -> of the cutting
    extent = np.abs(np.linalg.inv(back)) @ half + reach
    shape = tuple(int(side) for side in 2 * np.ceil(extent) + 1)
    offset = middle - back @ ((np.array(shape) - 1) / 2)

    def move(plane: npt.NDArray[np.float64], order: int) -> Plane:
        mode = "nearest" if order > 1 else "constant"
        moved: Plane = ndimage.affine_transform(plane, back, offset, output_shape=shape, order=order, mode=mode)
        return moved

    if size < 1:  # a picture made smaller is smoothed first, or its texture would alias
        planes = ndimage.gaussian_filter(planes, (*([0.5 * np.sqrt(1 / size**2 - 1)] * 2), 0))
    moved = np.stack([move(planes[..., channel], 3) for channel in range(planes.shape[2])], axis=2)
    return moved, move(mask.astype(np.float64), 1) >= 0.5, move(usable.astype(np.float64), 1) > 0.999
