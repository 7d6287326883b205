"""Patches of images as rows of a matrix, and back."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def to_patches(images: Tensor, patch_px: int) -> Tensor:
    """Every patch of images (n, c, h, w), image by image and row by row: (patches, c patch_px patch_px)."""
    return F.unfold(images, patch_px).transpose(1, 2).flatten(0, 1).contiguous()


def fold_patches(patches: Tensor, places: Tensor, height: int, width: int, patch_px: int) -> Tensor:
    """The image (1, c, height, width) whose pixels are the means of all that the patches there say.

    Args:
        patches: (patches, c patch_px patch_px), those to choose from.
        places: (places,) which of them lies at each place of the image, row by row.
        height, width: of the image.
        patch_px: side of a patch.
    """
    rows, columns = height - patch_px + 1, width - patch_px + 1
    chosen = patches[places].T.reshape(-1, patch_px, patch_px, rows, columns)  # (c, p, p, rows, columns)
    total = patches.new_zeros(len(chosen), height, width)
    for down in range(patch_px):
        for right in range(patch_px):
            total[:, down : down + rows, right : right + columns] += chosen[:, down, right]
    count = _cover(height, patch_px, patches)[:, None] * _cover(width, patch_px, patches)
    return (total / count)[None]


def _cover(length: int, patch_px: int, like: Tensor) -> Tensor:
    """How many patches cover each pixel of a line."""
    place = torch.arange(length, device=like.device)
    most = min(patch_px, length - patch_px + 1)
    return torch.minimum(place + 1, length - place).clamp(max=most).to(like)
