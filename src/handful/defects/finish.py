"""The finish of a joint: denoising steps that give the margin back the texture which blending averages away.

The closed-form denoiser over patches (arXiv 2606.04299; place by place, arXiv 2412.20292) with two pictures to choose
from, the photo and the piece, so that the weights are logistic:

    w(p) = 1 / (1 + exp((D_piece(p) - D_photo(p)) / (2 tau^2))),   D(p) = sum over the patch at p of (z - picture)^2

Both are brought to the blended picture's low band first: tone stays what the blend made it, and detail is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from scipy.special import expit

from handful.defects.cutting import Piece
from handful.defects.poisson import Plane

_PATCH_PX = 7
_LOW_PX = 1.0
"""Standard deviation of the Gaussian that parts detail from tone."""
TAUS = (4.0, 2.5, 1.6, 1.0)
"""Over the root mean square of the photo's detail around the piece: nothing is decided at first, all in the end."""
_LEAST_DETAIL = 0.25
"""Grey levels: rounding alone makes about so much."""


def finish_margin(joined: Plane, photo: Plane, pixels: Plane, piece: Piece, taus: Sequence[float] = TAUS) -> Plane:
    """The blended picture with a margin whose detail is, at each place, the photo's or the piece's.

    Args:
        joined: (h, w, c), blended; equal to `photo` outside `piece.region`.
        photo: (h, w, c), without the piece.
        pixels: (h, w, c), the piece under the photo's light.
        piece: of the same size.
        taus: noise of each step, falling, over the photo's detail.

    Returns:
        (h, w, c): `joined` itself in the defect and outside the region.
    """
    margin = (piece.region & ~piece.mask)[..., None]
    tone = _low(joined)
    detail = photo - _low(photo)
    own, other = tone + detail, tone + pixels - _low(pixels)
    scale = max(float(np.sqrt((detail[piece.ring] ** 2).mean())), _LEAST_DETAIL)
    z = clean = joined
    for tau, following in zip(taus, (*taus[1:], 0.0), strict=True):
        # |z - own|^2 - |z - other|^2
        favour = ((other - own) * (2 * z - own - other)).sum(axis=2)
        favour = ndimage.uniform_filter(favour, _PATCH_PX) * _PATCH_PX**2
        weight = expit(favour / (2 * (tau * scale) ** 2))[..., None]
        clean = np.where(margin, own + weight * (other - own), joined)
        z = clean + following / tau * (z - clean)
    return clean


def _low(picture: Plane) -> Plane:
    low: Plane = ndimage.gaussian_filter(picture, (_LOW_PX, _LOW_PX, 0))
    return low
