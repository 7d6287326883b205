"""The light of each photo as a smooth gain over the frame: exp of a quadratic in x and y for each channel.

Detail grows with the light that falls on it. Patches of a photo with other light than the sample's would leave marks
along strong edges; divided by its own light, a photo fits any sample, which is then lit as a whole. Gains multiply
grey values above black; a gamma curve leaves a gain a gain.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

TERMS = 6
_SIDE = 24
_BLACK = 0.02
"""Grey value (0 to 1) below which a ratio says nothing."""
_ROUNDS = 8
_ROBUST = 0.1
"""Log ratio beyond which a place counts as changed, not as lit otherwise."""


def measure_light(photos: Tensor) -> Tensor:
    """Coefficients (n, c, 6) of the log gain of photos (n, c, h, w) in [-1, 1] over their shared light.

    Fitted by reweighted least squares (Cauchy weights), so that parts which changed do not count. Their mean over
    the photos is 0.
    """
    n, channels = photos.shape[:2]
    grey = ((F.adaptive_avg_pool2d(photos, _SIDE) + 1) / 2).double().flatten(2)  # (n, c, places)
    basis = _basis(_SIDE, _SIDE, photos.device).double().flatten(1).T  # (places, 6)
    bright = grey.median(0).values.clamp(min=0)
    importance = torch.where(bright > _BLACK, bright, torch.zeros_like(bright))
    logs = grey.clamp(min=_BLACK).log()
    coefficients = torch.zeros(n, channels, TERMS, dtype=torch.float64, device=photos.device)
    for _ in range(_ROUNDS):
        shared = (logs - coefficients @ basis.T).median(0).values
        ratios = logs - shared
        weights = importance / (1 + ((ratios - coefficients @ basis.T) / _ROBUST).square())  # (n, c, places)
        left = torch.einsum("pi,ncp,pj->ncij", basis, weights, basis)
        left = left + 1e-6 * torch.eye(TERMS, dtype=left.dtype, device=left.device)
        coefficients = torch.linalg.solve(left, torch.einsum("pi,ncp->nci", basis, weights * ratios))
        coefficients = coefficients - coefficients.mean(0)
    return coefficients.float()


def gain(coefficients: Tensor, height: int, width: int) -> Tensor:
    """The gain itself: (..., c, 6) -> (..., c, height, width)."""
    return torch.einsum("...i,ihw->...hw", coefficients, _basis(height, width, coefficients.device)).exp()


def relight(image: Tensor, gains: Tensor) -> Tensor:
    """Grey values above black times the gains; -1 is black."""
    return (image + 1) * gains - 1


def _basis(height: int, width: int, device: torch.device) -> Tensor:
    """(6, height, width): 1, x, y, x^2, x y, y^2 at pixel centres of the frame [-1, 1]^2."""
    y = ((torch.arange(height, device=device) + 0.5) / height * 2 - 1)[:, None].expand(height, width)
    x = ((torch.arange(width, device=device) + 0.5) / width * 2 - 1)[None].expand(height, width)
    return torch.stack([torch.ones_like(x), x, y, x * x, x * y, y * y])
