"""Regions to fill in and photos to join, at every level of a pyramid."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from handful.core.errors import UserError
from handful.generators.gpnn_parts.levels import Size


def shrink_region(region: Tensor, size: Size) -> Tensor:
    """(1, 1, h, w) -> (1, 1, *size), true wherever any pixel of the region went."""
    return F.adaptive_max_pool2d(region.float(), size) > 0


def free_patches(inside: Tensor, patch_px: int) -> Tensor:
    """(patches,): the patches, row by row, that hold no pixel of the region (1, 1, h, w)."""
    return F.max_pool2d(inside.float(), patch_px, stride=1).flatten() == 0


def outside_mean(image: Tensor, inside: Tensor) -> Tensor:
    """(1, c, 1, 1): mean of the image (1, c, h, w) outside the region."""
    return (image * ~inside).sum((2, 3), keepdim=True) / (~inside).sum()


def side_by_side(photos: Tensor) -> Tensor:
    """(k, c, h, w) -> (1, c, h, w): strips of equal width, the first from the first photo, each from its own place."""
    photo = torch.arange(photos.shape[3], device=photos.device) * len(photos) // photos.shape[3]
    return photos[photo, :, :, torch.arange(photos.shape[3], device=photos.device)].permute(1, 2, 0)[None]


def check_region(region: Tensor, sizes: tuple[Size, ...], patch_px: int) -> None:
    """Refuses a region that leaves some level without a patch to take.

    Raises:
        UserError: it does.
    """
    for height, width in sizes:
        if not free_patches(shrink_region(region, (height, width)), patch_px).any():
            raise UserError(
                f"The region covers {float(region.float().mean()):.0%} of the canvas; at the level of {width}x{height} "
                f"px no patch of {patch_px}x{patch_px} px is outside it.",
                "At every level at least 1 patch must lie outside, since the region is filled from there.",
                "Make the region smaller, or train again with a smaller patch_px or a larger coarsest_px.",
            )
