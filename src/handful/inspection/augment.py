"""Classical augmentation for inspectors: shift, turn, zoom, mirror, light and noise, of images and masks alike.

Paper: Cubuk, Zoph, Shlens, Le (2019), "RandAugment: Practical automated data augmentation with a reduced search
    space", arXiv 1909.13719: one strength for all operations can be tuned where few images cannot choose each range.
Differs: every operation is applied to every image, within ranges that a fixed station can show.
Origin: written here from the paper.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Mirror = Literal["none", "horizontal", "vertical", "both"]

# at strength 1, each drawn uniformly between minus and plus
_SHIFT = 0.06  # of each side
_TURN = math.radians(5)
_ZOOM = 0.06
_GAIN = 0.1  # of the grey values above black
_CONTRAST = 0.1
_NOISE = 0.02  # standard deviation, of a range of 2


def augment_batch(
    images: Tensor, masks: Tensor | None, strength: float, mirror: Mirror, random: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """Varies each image by its own draw, and its mask with it. What comes in from outside is the image mirrored.

    Args:
        images: (n, c, h, w) in [-1, 1].
        masks: (n, h, w) integers, or None.
        strength: multiplies every range; 0 moves nothing and leaves the light alone.
        mirror: along which sides half of the images are mirrored.
        random: decides every draw, on the CPU.
    """
    draws = torch.rand(len(images), 8, generator=random)
    noise = torch.randn(images.shape, generator=random)
    swing = (draws * 2 - 1) * strength
    places = _places(images, swing, draws, mirror)
    images = F.grid_sample(images, places, mode="bilinear", padding_mode="reflection", align_corners=False)
    if masks is not None:
        moved = F.grid_sample(
            masks[:, None].float(), places, mode="nearest", padding_mode="reflection", align_corners=False
        )
        masks = moved[:, 0].to(masks.dtype)
    gain, contrast = (1 + swing[:, column, None, None, None] * most for column, most in ((4, _GAIN), (5, _CONTRAST)))
    gain, contrast = gain.to(images.device), contrast.to(images.device)
    images = (images + 1) * gain - 1
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    images = mean + (images - mean) * contrast + noise.to(images.device) * (strength * _NOISE)
    return images.clamp(-1, 1), masks


def _places(images: Tensor, swing: Tensor, draws: Tensor, mirror: Mirror) -> Tensor:
    """Where each pixel is read from, (n, h, w, 2), in the units of `grid_sample`."""
    height, width = images.shape[2:]
    turn, zoom = swing[:, 0] * _TURN, 1 + swing[:, 1] * _ZOOM
    across = torch.where(draws[:, 6] < 0.5, -1.0, 1.0) if mirror in ("horizontal", "both") else 1.0
    down = torch.where(draws[:, 7] < 0.5, -1.0, 1.0) if mirror in ("vertical", "both") else 1.0
    cosine, sine = torch.cos(turn) * zoom, torch.sin(turn) * zoom
    # a turn in pixels is no turn in units of half sides unless these are equal
    rows = torch.stack(
        [
            torch.stack([cosine * across, -sine * (height / width) * down, swing[:, 2] * 2 * _SHIFT], dim=1),
            torch.stack([sine * (width / height) * across, cosine * down, swing[:, 3] * 2 * _SHIFT], dim=1),
        ],
        dim=1,
    )  # (n, 2, 3)
    grid = F.affine_grid(rows, list(images.shape), align_corners=False)
    return grid.to(images.device)
