"""Joins a piece to a photo. Outside the piece's region no bit changes."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import ndimage

from handful.defects.cutting import Piece
from handful.defects.finish import finish_margin
from handful.defects.poisson import Plane, differences, solve_poisson

Blend = Literal["poisson", "mixed", "feather", "diffusion"]
_OWN_SHARE = 0.7
"""Of the smooth passage from defect to photo, where gradients change from the piece's to the photo's: mixed over the
whole margin, two textures would average."""


def join_piece(photo: Plane, piece: Piece, blend: Blend) -> Plane:
    """What the photo shows with the piece in it.

    poisson: within the defect and a little beyond the gradients are the piece's, in the rest of the margin the photo's
    own; the values pass over between. mixed: of the two the larger one, wherever the piece's would be.
    feather: the piece, brought to the photo's level, fades over the margin. diffusion: poisson, and then the margin's
    detail by denoising steps (`finish_margin`).

    Args:
        photo: (h, w, c), the part of it under the piece.
        piece: of the same size.

    Returns:
        (h, w, c), not yet rounded or clipped; equal to `photo` outside `piece.region`.
    """
    # the defect follows the light at its new place: reflected light is a product
    level = max(float(photo[piece.ring].mean()), 1.0) / max(float(piece.pixels[piece.ring].mean()), 1.0)
    pixels = piece.pixels * level
    share = _passing(piece)
    if blend == "feather":
        offset = photo[piece.ring].mean(axis=0) - pixels[piece.ring].mean(axis=0)
        faded: Plane = photo + share[..., None] * (pixels + offset - photo)
        return faded
    share = (share > _OWN_SHARE).astype(np.float64)
    across, down = differences(photo)
    wanted = []
    for own, other, weight in zip(
        (across, down),
        differences(pixels),
        ((share[:, 1:] + share[:, :-1]) / 2, (share[1:] + share[:-1]) / 2),
        strict=True,
    ):
        if blend == "mixed":
            other = np.where(np.abs(other) > np.abs(own), other, own)
        wanted.append(own + weight[..., None] * (other - own))
    joined = solve_poisson(photo, wanted[0], wanted[1], piece.region)
    return finish_margin(joined, photo, pixels, piece) if blend == "diffusion" else joined


def _passing(piece: Piece) -> Plane:
    """(h, w): 1 in the defect, falling smoothly to 0 at the edge of the region."""
    from_mask = ndimage.distance_transform_edt(~piece.mask)
    margin = float(from_mask[piece.region].max()) + 1
    share: Plane = np.where(piece.region, 0.5 + 0.5 * np.cos(np.pi * np.clip(from_mask / margin, 0, 1)), 0.0)
    return share
