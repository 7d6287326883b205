"""The sizes of SinGAN's scales, and antialiased bicubic resizing as two matrix products."""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from torch import Tensor

_ROUNDING = 1e-6
_CUBIC_SUPPORT_PX = 4.0


def pyramid_sizes(
    height: int, width: int, min_size: int, max_size: int, scale_factor: float
) -> tuple[tuple[int, int], ...]:
    """(height, width) of every scale, coarsest first.

    The authors' procedure: counted in steps of `scale_factor`, one scale more than lead from the canvas' short side
    down to `min_size`, less those that shrinking it to `max_size` skips; then the factor is set so that the
    coarsest short side is exactly `min_size`. A canvas that is no larger than that (shrunk or not) has one scale.

    Args:
        height, width: the canvas, in pixels.
        min_size: short side of the coarsest scale.
        max_size: longest side of the finest scale.
        scale_factor: wanted ratio of a side to that of the next finer scale, in (0, 1).
    """
    short, long = min(height, width), max(height, width)
    shrink = min(1.0, max_size / long)
    finest = (_round_up(height * shrink), _round_up(width * shrink))
    if min(finest) <= min_size:
        return (finest,)
    steps = _steps(min_size / short, scale_factor) + 1 - _steps(shrink, scale_factor)
    factor = (min_size / min(finest)) ** (1 / steps)
    return tuple(
        (_round_up(finest[0] * factor ** (steps - scale)), _round_up(finest[1] * factor ** (steps - scale)))
        for scale in range(steps + 1)
    )


def _steps(ratio: float, scale_factor: float) -> int:
    return math.ceil(math.log(ratio, scale_factor) - _ROUNDING)


def _round_up(length: float) -> int:
    return math.ceil(length - _ROUNDING)


def resize(images: Tensor, height: int, width: int) -> Tensor:
    """Images (n, c, h, w), clipped to [-1, 1], -> (n, c, height, width) in [-1, 1], float32.

    Bicubic (Keys 1981, a = -0.5) with the kernel stretched where the image shrinks, and mirrored borders, as
    MATLAB's imresize has them.
    """
    with torch.autocast(images.device.type, enabled=False):
        images = images.float().clamp(-1, 1)
        if images.shape[2:] == (height, width):
            return images
        down = torch.from_numpy(resize_matrix(images.shape[2], height)).to(images.device)
        across = torch.from_numpy(resize_matrix(images.shape[3], width)).to(images.device)
        return (down @ images @ across.T).clamp(-1, 1)


@functools.lru_cache(maxsize=128)
def resize_matrix(before: int, after: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Weights (after, before) of a line of `before` pixels in each pixel of the resized one; rows sum to 1."""
    scale = after / before
    stretch = max(1.0, 1 / scale)
    reach = math.ceil(_CUBIC_SUPPORT_PX * stretch / 2) + 1
    centres = (np.arange(after) + 0.5) / scale - 0.5
    pixels = np.floor(centres)[:, None] + np.arange(-reach, reach + 1)  # (after, 2 reach + 1)
    weights = _cubic((centres[:, None] - pixels) / stretch)
    weights /= weights.sum(1, keepdims=True)
    mirrored = np.concatenate([np.arange(before), np.arange(before)[::-1]])[pixels.astype(int) % (2 * before)]
    matrix = np.zeros((after, before))
    np.add.at(matrix, (np.arange(after)[:, None], mirrored), weights)
    return matrix.astype(np.float32)


def _cubic(x: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))
