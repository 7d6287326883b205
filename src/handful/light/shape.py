"""Shape of a surface: height field to unit normals."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from handful.core.errors import UserError


def height_to_normals(height_mm: Tensor, pixel_mm: float) -> Tensor:
    """Unit normals (n, 3, h, w) of a height field: x right, y down, z towards the camera.

    The normal of z = h(x, y) is (-dh/dx, -dh/dy, 1) / length; slopes are central differences, one-sided at the border.
    Perturb the height, never the normals: random normals belong to no surface (they are not integrable).

    Args:
        height_mm: (n, 1, h, w), both sides at least 2 pixels.
        pixel_mm: side of a pixel on the part.

    Raises:
        UserError: another shape, a height that is not finite, a pixel side that is not positive.
    """
    check_height(height_mm, pixel_mm)
    down, right = torch.gradient(height_mm, spacing=pixel_mm, dim=(2, 3))
    raw = torch.cat([-right, -down, torch.ones_like(height_mm)], dim=1)
    return raw / raw.square().sum(dim=1, keepdim=True).sqrt()


def check_height(height_mm: Tensor, pixel_mm: float) -> None:
    """Raises UserError unless `height_mm` is a finite (n, 1, h, w) and `pixel_mm` a positive number."""
    if height_mm.ndim != 4 or height_mm.shape[1] != 1 or min(height_mm.shape[2:]) < 2:
        raise UserError(
            f"The height field has the shape {tuple(height_mm.shape)}.",
            "It must be (n, 1, h, w) with at least 2x2 pixels.",
            "Give one height in millimetres for each pixel.",
        )
    unknown = int((~torch.isfinite(height_mm.detach())).sum())
    if unknown:
        raise UserError(
            f"The height field has {unknown} values that are not numbers (NaN or infinite).",
            f"All {height_mm.numel()} heights must be finite, in millimetres.",
            "Fill the holes of the height field, for instance from their neighbours.",
        )
    if not (math.isfinite(pixel_mm) and pixel_mm > 0):
        raise UserError(
            f"The side of a pixel is {pixel_mm} mm.",
            "It must be a number above 0.",
            "Divide a known length on the part in millimetres by its length in pixels.",
        )
