"""Slow variation of light over the frame: polynomials fitted robustly to the logarithm of pictures.

In the logarithm a gain is a constant, a falloff or a gradient of light a low polynomial, and light of two kinds
adds up. Whatever stands out from it (the part, a highlight, dirt) is an outlier and loses its weight.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from handful.light.view import View

FLAT_DEGREE = 4
"""Of the flat field's polynomial: bowls, tilts and vignetting; 15 terms."""
SLOW_DEGREE = 2
"""Of a photo's own gain, gradient and bowl: 6 terms."""

_ITERATIONS = 15
_TUKEY = 4.685  # biweight constant: 95 % efficient where errors are normal (Holland and Welsch 1977)
_MAD_TO_SIGMA = 1.4826
_WIDEST_SCALE = 0.1  # of a logarithm: where several materials fill the frame, the fit holds on to the commonest one
_RIDGE = 1e-3  # of the pixels that count: keeps slopes small where few pixels of the frame do


@dataclass(frozen=True)
class SlowLight:
    """Gain and gradient of each of n photos, relative to the middle one."""

    coefficients: Tensor
    """(n, 6), of logarithms; the first is the logarithm of the gain."""
    drawable: Tensor
    """(m, 6): lights to draw from. With a shared view those of the photos that show it. Without one, where content
    counts as light, those of all photos, each coefficient kept within its middle half."""
    flat: Tensor
    """(h, w): smooth light that all photos have in common, in their own units."""

    def fields(self, coefficients: Tensor, size: tuple[int, int]) -> Tensor:
        """Coefficients (m, 6) as multiplicative fields (m, h, w); 1 where all are 0. Differentiable."""
        terms = polynomial_terms(*size, SLOW_DEGREE).to(coefficients)
        fields: Tensor = torch.tensordot(coefficients, terms, dims=1).exp()
        return fields


def fit_slow_light(light: Tensor, known: Tensor, view: View) -> SlowLight:
    """Every photo's slow part relative to what all have in common, and that without the photos' own parts, in turn.

    Args:
        light: (n, h, w), above 0 where known. Raised to a power (a camera's gamma), every coefficient is multiplied by
            it, and a field still divides out.
        known: (n, h, w) bool; clipped and black pixels do not count.
        view: of the photos. Without a shared view the common picture is its smooth part alone.
    """
    logarithms = light.clamp(min=1e-9).log()
    n, *size = light.shape
    places = list(view.shown_by) if view.shared else list(range(n))
    slow_terms, flat_terms = (polynomial_terms(size[0], size[1], degree) for degree in (SLOW_DEGREE, FLAT_DEGREE))
    common = _known_median(logarithms[places], known[places])
    seen = known.any(0)
    slow = torch.zeros(n, len(slow_terms), dtype=torch.float64)
    for _ in range(2):
        flat = torch.tensordot(fit_falloff(common[None], seen[None], flat_terms), flat_terms, dims=1)[0]
        slow = fit_falloff(logarithms - (common if view.shared else flat), known, slow_terms)
        slow = slow - slow[places].median(0).values
        common = _known_median((logarithms - torch.tensordot(slow, slow_terms, dims=1))[places], known[places])
    flat = torch.tensordot(fit_falloff(common[None], seen[None], flat_terms), flat_terms, dims=1)[0]
    drawable = slow[places]
    if not view.shared:
        drawable = drawable.clamp(drawable.quantile(0.25, dim=0), drawable.quantile(0.75, dim=0))
    return SlowLight(slow, drawable, flat.exp())


def polynomial_terms(height: int, width: int, degree: int) -> Tensor:
    """Products of Legendre polynomials up to a total degree, float64 (terms, height, width); the first is 1.

    Each but the first has mean 0 over the frame (up to its sampling), so the first coefficient is a mean.
    """
    along = [_legendre(side, degree) for side in (height, width)]  # (degree + 1, side) each
    orders = [(total - x, x) for total in range(degree + 1) for x in range(total + 1)]
    return torch.stack([along[0][y][:, None] * along[1][x][None, :] for y, x in orders])


def fit_falloff(logarithms: Tensor, known: Tensor, terms: Tensor) -> Tensor:
    """Coefficients of each picture's slow part.

    Iteratively reweighted least squares with Tukey's biweight, begun at each picture's median.

    Args:
        logarithms: (n, h, w) natural logarithms of light.
        known: (n, h, w) bool; other pixels (clipped, black) do not count.
        terms: (k, h, w) of `polynomial_terms`.

    Returns:
        (n, k). A picture with fewer than 4 k known pixels gets its median and no slope.
    """
    design = terms.flatten(1).T  # (pixels, k)
    values, counts = logarithms.double().flatten(1), known.flatten(1)
    coefficients = values.new_zeros(len(values), design.shape[1])
    numbers = counts.sum(1)
    some = numbers > 0
    coefficients[some, 0] = _medians(values, counts, _beside(counts))[some]
    enough = numbers >= 4 * design.shape[1]
    coefficients[enough] = _reweighted(design, values[enough], counts[enough], coefficients[enough])
    return coefficients


def _reweighted(design: Tensor, values: Tensor, counts: Tensor, start: Tensor) -> Tensor:
    """All pictures (n, pixels) at once, each by its own weights; pixels that do not count have none."""
    coefficients = start
    slopes = torch.ones(design.shape[1], dtype=design.dtype)
    slopes[0] = 0
    beside, columns = _beside(counts), design.T.contiguous()
    for _ in range(_ITERATIONS):
        left_over = values - coefficients @ columns
        scale = (_MAD_TO_SIGMA * _medians(left_over.abs(), counts, beside)).clamp(1e-6, _WIDEST_SCALE)
        weight = (1 - (left_over / (_TUKEY * scale[:, None])) ** 2).clamp(min=0) ** 2 * counts
        weighted = weight[:, None] * columns  # (n, k, pixels)
        ridge = (_RIDGE * weight.sum(1)[:, None] * slopes).diag_embed()
        right = weighted @ values[:, :, None]
        coefficients = torch.linalg.solve(weighted @ design + ridge, right)[:, :, 0]
    return coefficients


def _beside(counts: Tensor) -> Tensor:
    """(n, pixels): infinities that, in place of what does not count, leave the (lower) median of the rest in the
    middle of each row."""
    pixels, seen = counts.shape[1], counts.sum(1)
    below = (pixels - 1) // 2 - (seen - 1).clamp(min=0) // 2
    low = (~counts).cumsum(1) <= below[:, None]
    return torch.where(low, -torch.inf, torch.inf).double()


def _medians(values: Tensor, counts: Tensor, beside: Tensor) -> Tensor:
    """(n,): of those of each row that count; infinite where none does."""
    return torch.where(counts, values, beside).median(1).values


def _legendre(side: int, degree: int) -> Tensor:
    """P_0 ... P_degree at the middles of `side` pixels, (degree + 1, side)."""
    x = (2 * torch.arange(side, dtype=torch.float64) + 1) / side - 1
    rows = [torch.ones_like(x), x]
    for order in range(1, degree):
        rows.append(((2 * order + 1) * x * rows[-1] - order * rows[-2]) / (order + 1))
    return torch.stack(rows[: degree + 1])


def _known_median(logarithms: Tensor, known: Tensor) -> Tensor:
    """(n, h, w) -> (h, w); where no photo knows, the median of everything that is known."""
    median: Tensor = torch.where(known, logarithms.double(), torch.nan).nanmedian(0).values
    return median.nan_to_num(float(median.nanmedian().nan_to_num(0.0)))
