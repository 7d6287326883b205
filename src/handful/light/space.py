"""The few pictures that all light on a fixed part is made of.

Whatever distant light falls on a convex Lambertian part, its pictures lie close to a space of nine dimensions
(Basri and Jacobs 2003; Ramamoorthi and Hanrahan 2001). Here that space comes from photos alone, by a singular value
decomposition that clipped pixels, moved parts and dirt do not pull away.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from handful.core.seeds import numpy_stream

MOST_IMAGES = 9
_FOLDS = 5
_ITERATIONS = 8
_HUBER = 1.345  # 95 % efficient where errors are normal (Huber 1981)
_MAD_TO_SIGMA = 1.4826
_BLOCK_PX = 8
_LEAST_GAIN = 0.05


@dataclass(frozen=True)
class LightSpace:
    """Basis images and how much of them the photos support."""

    basis: Tensor
    """(k, h, w), orthonormal, linear light."""
    coefficients: Tensor
    """(n, k) of each photo."""
    left_out_error: tuple[float, ...]
    """By number of basis images, from 1 to one more than are supported: mean absolute error on photos left out, as a
    share of their mean light; empty where fewer than 3 photos leave none to leave out."""

    @property
    def pictures(self) -> Tensor:
        """Every photo as the space has it, (n, h, w)."""
        pictures: Tensor = torch.tensordot(self.coefficients, self.basis, dims=1)
        return pictures


def fit_space(pictures: Tensor, known: Tensor) -> LightSpace:
    """The space of pictures, with as many basis images as photos left out confirm.

    A photo left out is fitted on half of its pixels (blocks of 8 px, as on a chessboard) and judged on the other
    half. One more basis image is taken while it lowers the mean error by a twentieth, and by its standard error.

    Args:
        pictures: (n, h, w) linear light, each divided by its gain.
        known: (n, h, w) bool; other pixels do not count.
    """
    n, height, width = pictures.shape
    matrix, mask = pictures.double().flatten(1), known.flatten(1)
    count, errors = _supported_count(matrix, mask, _chessboard(height, width)) if n >= 3 else (1, ())
    basis, _ = robust_basis(matrix, mask, count)
    coefficients = project(matrix, mask, basis)
    return LightSpace(basis.reshape(-1, height, width), coefficients, errors)


def robust_basis(matrix: Tensor, known: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Basis (count, pixels) and coefficients (n, count) of the rows of a matrix (n, pixels).

    Huber's pseudo-values: what lies far from the fit is drawn towards it, what is unknown is put on it, and the
    decomposition is made again. It begins at the photos with what lies far from their median replaced
    by it.
    """
    middle = _known_median(matrix, known)
    spread = 3 * _MAD_TO_SIGMA * _known_median((matrix - middle).abs(), known)
    fitted = torch.where(known & ((matrix - middle).abs() <= spread), matrix, middle[None])
    for _ in range(_ITERATIONS):
        values, vectors = torch.linalg.eigh(fitted @ fitted.T)  # small: photos by photos
        keep = vectors[:, -count:].flip(1)
        basis = (keep.T @ fitted) / values[-count:].flip(0).clamp(min=1e-30).sqrt()[:, None]
        basis = basis * torch.where(basis.sum(1, keepdim=True) < 0, -1.0, 1.0)
        coefficients = fitted @ basis.T
        approximation = coefficients @ basis
        residual = matrix - approximation
        limit = _HUBER * _MAD_TO_SIGMA * residual[known].abs().median() + 1e-12
        fitted = approximation + torch.where(known, residual.clamp(-limit, limit), torch.zeros_like(residual))
    return basis, coefficients


def project(matrix: Tensor, known: Tensor, basis: Tensor) -> Tensor:
    """Coefficients (n, k) of rows (n, pixels) on a basis (k, pixels), by reweighted least squares (Huber)."""
    rows = []
    for row, mask in zip(matrix, known, strict=True):
        seen, wanted = basis[:, mask], row[mask]
        weight = torch.ones_like(wanted)
        coefficients = basis.new_zeros(len(basis))
        for _ in range(_ITERATIONS if len(wanted) else 0):
            weighted = seen * weight
            gram = weighted @ seen.T
            ridge = 1e-9 * gram.diagonal().mean().clamp(min=1e-12) * torch.eye(len(basis), dtype=basis.dtype)
            coefficients = torch.linalg.solve(gram + ridge, weighted @ wanted)
            left_over = (wanted - coefficients @ seen).abs()
            limit = _HUBER * _MAD_TO_SIGMA * left_over.median() + 1e-12
            weight = limit / left_over.clamp(min=float(limit))
        rows.append(coefficients)
    return torch.stack(rows)


def _supported_count(matrix: Tensor, known: Tensor, fitted_on: Tensor) -> tuple[int, tuple[float, ...]]:
    """How many basis images photos left out confirm, and their mean error for 1, 2, ... up to one more than that."""
    n = len(matrix)
    folds = min(n, _FOLDS)
    order = torch.from_numpy(numpy_stream(0, "light space folds").permutation(n))
    groups = [order[fold::folds] for fold in range(folds)]
    errors = [_left_out_errors(matrix, known, fitted_on, groups, 1)]
    for count in range(2, 1 + min(MOST_IMAGES, n - len(groups[0]))):
        errors.append(_left_out_errors(matrix, known, fitted_on, groups, count))
        gain = errors[-2] - errors[-1]
        if gain.mean() < max(_LEAST_GAIN * errors[-2].mean(), gain.std() / n**0.5):
            return count - 1, tuple(float(error.mean()) for error in errors)
    return len(errors), tuple(float(error.mean()) for error in errors)


def _left_out_errors(matrix: Tensor, known: Tensor, fitted_on: Tensor, groups: list[Tensor], count: int) -> Tensor:
    """(n,): error of each photo under a basis made without its group."""
    errors = matrix.new_zeros(len(matrix))
    for out in groups:
        kept = torch.ones(len(matrix), dtype=torch.bool)
        kept[out] = False
        basis, _ = robust_basis(matrix[kept], known[kept], count)
        predicted = project(matrix[out], known[out] & fitted_on, basis) @ basis
        judged = known[out] & ~fitted_on
        missed = ((matrix[out] - predicted).abs() * judged).sum(1)
        errors[out] = missed / (matrix[out] * judged).sum(1).clamp(min=1e-12)
    return errors


def _chessboard(height: int, width: int) -> Tensor:
    """(pixels,) bool: every other block, on which photos left out are fitted."""
    block = max(1, min(_BLOCK_PX, min(height, width) // 2))
    y, x = torch.arange(height)[:, None] // block, torch.arange(width)[None, :] // block
    return ((y + x) % 2 == 0).flatten()


def _known_median(matrix: Tensor, known: Tensor) -> Tensor:
    median: Tensor = torch.where(known, matrix, torch.nan).nanmedian(0).values
    return median.nan_to_num(0.0)


def residual_share(pictures: Tensor, known: Tensor, approximation: Tensor, quantile: float) -> Tensor:
    """(1, h, w): relative error that a share `quantile` of the photos stays below, at each pixel; 0 where none knows.

    Args:
        pictures, known, approximation: (n, h, w).
        quantile: 0 to 1.
    """
    floor = 0.05 * pictures[known].median() if known.any() else 1.0
    relative = (pictures - approximation).abs() / approximation.abs().clamp(min=float(floor))
    seen: Tensor = torch.where(known, relative, torch.nan).nanquantile(quantile, dim=0, keepdim=True)
    return seen.nan_to_num(0.0)
