"""Where a piece fits: every place of a photo at once, by Fourier transforms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from handful.core.labels import Mask
from handful.defects.cutting import Piece
from handful.defects.poisson import Plane

_SLACK = 1.25
"""How much worse than the best place, in grey levels, a place may fit."""
_OWN_SHARE = 0.3
"""Of the ring's own variance that may stay unexplained."""
_QUIET = (0.25, 3.0)
"""Quantile of the photo's local variance that counts as texture, and how many times that may stay unexplained: two
unlike pieces of one texture differ by twice its variance."""

Counts = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """How a piece fits at each place of its upper left corner."""

    mismatch: Counts
    """(rows, columns): mean over the ring and the channels of the squared difference, after the best offset of each
    channel."""
    level: Counts
    """(rows, columns): mean of the photo under the ring."""


def correlate(plane: Plane, kernel: Plane) -> Counts:
    """Sum of plane times kernel with the kernel's corner at every place where it lies within the plane.

    Args:
        plane: (h, w).
        kernel: (a, b), not larger.

    Returns:
        (h - a + 1, w - b + 1).
    """
    shape = [fft.next_fast_len(side, real=True) for side in plane.shape]
    product = fft.rfft2(plane, shape) * np.conj(fft.rfft2(kernel, shape))
    rows, columns = plane.shape[0] - kernel.shape[0] + 1, plane.shape[1] - kernel.shape[1] + 1
    summed: Counts = fft.irfft2(product, shape)[:rows, :columns]
    return summed


def fit_ring(photo: Plane, piece: Plane, ring: Mask) -> Fit:
    """Compares the surroundings of a piece with every place of a photo.

    Args:
        photo: (h, w, c).
        piece: (a, b, c), not larger than the photo.
        ring: (a, b), where they are compared.
    """
    weights = ring.astype(np.float64) / ring.sum()
    mismatch, level = np.zeros(()), np.zeros(())
    channels = photo.shape[2]
    for channel in range(channels):
        # about the mean, so that float sums of squares stay exact
        zero = piece[..., channel][ring].mean()
        plane, patch = photo[..., channel] - zero, piece[..., channel] - zero
        mean = correlate(plane, weights)
        squares = correlate(plane**2, weights) - 2 * correlate(plane, weights * patch) + (weights * patch**2).sum()
        mismatch = mismatch + np.maximum(squares - mean**2, 0) / channels  # patch has mean 0 under the ring
        level = level + (mean + zero) / channels
    return Fit(mismatch, level)


def allowed_places(mask: Mask, region: Mask, spots: Mask | None, taken: Mask) -> Mask:
    """Places of the corner at which the defect lies on allowed spots and the changed region on nothing changed before.

    Args:
        mask: (a, b), of the defect.
        region: (a, b), what changes with it.
        spots: (h, w), where defects may lie; None: anywhere.
        taken: (h, w), what was changed before.

    Returns:
        (h - a + 1, w - b + 1); empty where the region is larger than the photo.
    """
    rows, columns = taken.shape[0] - mask.shape[0] + 1, taken.shape[1] - mask.shape[1] + 1
    if rows < 1 or columns < 1:
        return np.zeros((0, 0), bool)
    allowed = np.ones((rows, columns), bool)
    if spots is not None:
        allowed &= correlate((~spots).astype(np.float64), mask.astype(np.float64)) < 0.5
    if taken.any():
        allowed &= correlate(taken.astype(np.float64), region.astype(np.float64)) < 0.5
    return allowed


def near_places(allowed: Mask, mask: Mask, middles: npt.NDArray[np.float64], within_px: int) -> Mask:
    """Those places that bring the defect's middle within so many pixels (across and down) of one of these.

    Args:
        allowed: places as from `allowed_places`.
        mask: (a, b), of the defect.
        middles: (n, 2), (y, x) in the photo.
        within_px: across and down.
    """
    near = np.zeros_like(allowed)
    for y, x in middles - mask_middle(mask):
        top, left = max(int(np.ceil(y - within_px)), 0), max(int(np.ceil(x - within_px)), 0)
        near[top : max(int(np.floor(y + within_px)) + 1, 0), left : max(int(np.floor(x + within_px)) + 1, 0)] = True
    return allowed & near


def mask_middle(mask: Mask) -> npt.NDArray[np.float64]:
    """(y, x) of the middle of a mask's box."""
    rows, columns = np.nonzero(mask)
    return np.array([(rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2])


def fitting_places(photo: Plane, piece: Piece, allowed: Mask, light: float) -> tuple[Mask, Fit]:
    """Places, among the allowed, where the photo looks as the piece's surroundings do.

    A place fits that is nearly as good as the best, and leaves unexplained no more than a share of the ring's own
    variance or, on plain surfaces, no more than their texture does.

    Args:
        photo: (h, w, c).
        piece: what is to be placed.
        allowed: places as from `allowed_places`.
        light: largest ratio of the photo's level to the ring's, either way.
    """
    fit = fit_ring(photo, piece.pixels, piece.ring)
    levels = np.maximum(fit.level, 1) / max(float(piece.pixels[piece.ring].mean()), 1.0)
    places = allowed & (levels <= light) & (levels >= 1 / light)
    if not places.any():
        return places, fit
    own = float(piece.pixels[piece.ring].var(axis=0).mean())
    limit = max(_OWN_SHARE * own, _QUIET[1] * quiet_variance(photo, piece.mask.shape))
    best = float(fit.mismatch[places].min())
    return places & (fit.mismatch <= min(limit, _SLACK**2 * best)), fit


def quiet_variance(photo: Plane, window: tuple[int, ...]) -> float:
    """Variance within windows of the photo's quieter parts, mean over the channels."""
    size = (*window, 1)
    mean = ndimage.uniform_filter(photo, size)
    variance = ndimage.uniform_filter(photo**2, size) - mean**2
    return float(np.quantile(variance.mean(axis=2)[::4, ::4], _QUIET[0]))


def draw_place(places: Mask, random: np.random.Generator) -> tuple[int, int]:
    """One of the places, (row, column), each as likely as another."""
    chosen = np.flatnonzero(places)
    row, column = np.unravel_index(chosen[int(random.integers(len(chosen)))], places.shape)
    return int(row), int(column)
