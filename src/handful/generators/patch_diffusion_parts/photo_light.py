"""The light of each photo as a smooth gain over the frame, for each channel by itself (`light/slow.py`).

Detail grows with the light that falls on it. Patches of a photo with other light than the sample's would leave marks
along strong edges; divided by its own light, a photo fits any sample, which is then lit as a whole. Gains multiply
grey values above black; a gamma curve leaves a gain a gain.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from handful.light.slow import FLAT_DEGREE, SLOW_DEGREE, fit_slow_light, polynomial_terms
from handful.light.view import View

_SIDE = 24
_SLOW_TERMS = 6
_BLACK, _WHITE = 0.02, 0.998
"""Grey values (0 to 1) between which a ratio says something."""


def measure_light(photos: Iterable[Tensor], agreement: Tensor) -> Tensor:
    """Coefficients (n, c, 6) of the log gain of each photo over the light that they share.

    Args:
        photos: each (c, h, w) in [-1, 1].
        agreement: (n,): of each photo's structure with the others'; what agrees shows one view.
    """
    grey, known = (torch.stack(parts) for parts in zip(*map(_grey, photos), strict=True))  # (n, c, side, side)
    view = View(tuple(agreement.tolist()), ((0, 0),) * len(grey))
    fits = [fit_slow_light(grey[:, channel], known[:, channel], view) for channel in range(grey.shape[1])]
    coefficients = torch.stack([fit.coefficients for fit in fits], dim=1)
    return (coefficients - coefficients.mean(0)).float().to(agreement.device)


def measure_field(field: Tensor) -> Tensor:
    """Coefficients (c, 15) of the log of the smooth light that a picture (c, h, w) in [-1, 1] shows; mean 0.

    Plain least squares: a robust fit would take the ends of a steep light for something that does not belong.
    """
    grey, known = _grey(field)
    design = polynomial_terms(_SIDE, _SIDE, FLAT_DEGREE).flatten(1).T  # (places, 15)
    logs, counts = grey.clamp(min=_BLACK).log().flatten(1), known.double().flatten(1)
    ridge = 1e-3 * torch.eye(design.shape[1], dtype=design.dtype)
    coefficients = torch.stack(
        [
            torch.linalg.solve(design.T @ (count[:, None] * design) + ridge, design.T @ (count * log))
            for log, count in zip(logs, counts, strict=True)
        ]
    )
    coefficients[:, 0] = 0  # how bright the picture is says nothing of the lamp
    return coefficients.float().to(field.device)


def gain(coefficients: Tensor, height: int, width: int, rows: slice = slice(None)) -> Tensor:
    """The gain itself: (..., c, 6) of a photo's light or (..., c, 15) of a field -> (..., c, rows, width)."""
    degree = SLOW_DEGREE if coefficients.shape[-1] == _SLOW_TERMS else FLAT_DEGREE
    terms = _terms(height, width, degree)[:, rows].to(coefficients.device)
    gains: Tensor = torch.tensordot(coefficients, terms, dims=1).exp_()
    return gains


@lru_cache(maxsize=2)
def _terms(height: int, width: int, degree: int) -> Tensor:
    """Kept for the photos of a set, which are lit one after another."""
    return polynomial_terms(height, width, degree).float()


def relight(image: Tensor, gains: Tensor) -> Tensor:
    """Grey values above black times the gains; -1 is black."""
    return (image + 1).mul_(gains).sub_(1)


def _grey(photo: Tensor) -> tuple[Tensor, Tensor]:
    """Grey values (c, side, side) from 0 to 1 in float64, and which of them say something."""
    grey = ((F.adaptive_avg_pool2d(photo.detach().cpu(), _SIDE) + 1) / 2).double()
    return grey, (grey > _BLACK) & (grey < _WHITE)
