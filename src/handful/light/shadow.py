"""Shadows of a height field: what the surface hides of a lamp, and of the sky.

Both march over the height field and keep the horizon: the steepest rise seen from a pixel in one direction. A lamp
is hidden by as much of its disc as lies below the horizon; the sky by all that lies below it.
Papers: Max, "Horizon mapping: shadows for bump-mapped surfaces", 1988; Jimenez et al., "Practical Real-Time
Strategies for Accurate Indirect Occlusion", 2016 (eq. 7: the sky between two horizons, in closed form).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from handful.light.shape import check_height, height_to_normals
from handful.light.sources import Light

# a step of the march is this share of the way already made, and at least one pixel
_LAMP_GROWTH, _SKY_GROWTH = 0.06, 0.2
_LOWEST = -1e3  # slope of a horizon that was never seen


def attached_shadow(normals: Tensor, direction: Tensor) -> Tensor:
    """True (n, 1, h, w) where the surface turns away from the light: n.l <= 0."""
    return (normals * direction).sum(dim=1, keepdim=True) <= 0


def cast_shadow(height_mm: Tensor, pixel_mm: float, light: Light) -> Tensor:
    """Share of the lamp that each pixel sees over the rest of the surface, (n, 1, h, w): 1 lit, 0 in shadow.

    Beyond the border the surface goes on as at the border. Differentiable in the height and in the light's angles.

    Raises:
        UserError: a height field of another shape, or with values that are not finite.
    """
    check_height(height_mm, pixel_mm)
    direction, _ = light.incidence(height_mm, pixel_mm)
    flat = direction[:, :2].square().sum(dim=1, keepdim=True).clamp_min(1e-12).sqrt()
    step, elevation = direction[:, :2] / flat, torch.atan2(direction[:, 2:], flat)
    lowest = float((elevation.detach().min() - math.radians(light.size_deg) / 2).clamp_min(math.radians(0.5)))
    relief_mm = float(height_mm.detach().amax() - height_mm.detach().amin())
    reach_px = min(relief_mm / math.tan(lowest) / pixel_mm, math.hypot(*height_mm.shape[2:]))
    rise = _horizon(height_mm, pixel_mm, step, reach_px, _LAMP_GROWTH)
    return ((elevation - torch.atan(rise)) / math.radians(light.size_deg) + 0.5).clamp(0, 1)


def ambient_occlusion(height_mm: Tensor, pixel_mm: float, reach_mm: float = 3.0, slices: int = 4) -> Tensor:
    """Share of an even sky's light that reaches each pixel, (n, 1, h, w): 1 on a free plane, less at a bead's foot.

    Exact in each slice through the pixel, cosine of the surface's own normal included: a tilted plane gets
    (1 + cos tilt) / 2.

    Args:
        height_mm: (n, 1, h, w).
        pixel_mm: side of a pixel on the part.
        reach_mm: how far away something may stand and still be seen.
        slices: vertical planes through each pixel; 4 are good to about 1 % at a straight foot.

    Raises:
        UserError: a height field of another shape, or with values that are not finite.
    """
    normals = height_to_normals(height_mm, pixel_mm)
    total = torch.zeros_like(height_mm)
    for index in range(slices):
        turn = math.pi * (index + 0.5) / slices
        step = height_mm.new_tensor([math.cos(turn), math.sin(turn)]).view(1, 2, 1, 1)
        # the normal's part in the slice, and its angle from the vertical towards +step
        in_slice = (normals[:, :2] * step).sum(dim=1, keepdim=True)
        length = (in_slice.square() + normals[:, 2:].square()).sqrt()
        tilt = torch.atan2(in_slice, normals[:, 2:])
        ahead = _from_vertical(_horizon(height_mm, pixel_mm, step, reach_mm / pixel_mm, _SKY_GROWTH))
        behind = -_from_vertical(_horizon(height_mm, pixel_mm, -step, reach_mm / pixel_mm, _SKY_GROWTH))
        # the sky also ends where the surface turns away
        ahead = torch.minimum(ahead, tilt + math.pi / 2)
        behind = torch.maximum(behind, tilt - math.pi / 2)
        total = total + length * (_arc(ahead, tilt) + _arc(behind, tilt))
    return (total / slices).clamp(0, 1)


def _from_vertical(rise: Tensor) -> Tensor:
    """Slope of a horizon -> its angle from the vertical, at most a quarter turn: the sky ends at the sheet's plane."""
    return math.pi / 2 - torch.atan(rise).clamp_min(0)


def _arc(horizon: Tensor, tilt: Tensor) -> Tensor:
    """Integral of the cosine-weighted sky from the vertical to a horizon, in one slice."""
    return (-torch.cos(2 * horizon - tilt) + torch.cos(tilt) + 2 * horizon * torch.sin(tilt)) / 4


def _horizon(height_mm: Tensor, pixel_mm: float, step: Tensor, reach_px: float, growth: float) -> Tensor:
    """Steepest rise (height over way) of the surface ahead of each pixel, (n, 1, h, w).

    Args:
        height_mm: (n, 1, h, w).
        pixel_mm: side of a pixel on the part.
        step: unit vectors (1 or n, 2, 1 or h, 1 or w) in the picture, x right, y down.
        reach_px: how far to look.
        growth: of the steps with the way.
    """
    rise = torch.full_like(height_mm, _LOWEST)
    ways = [1.0]
    while ways[-1] < reach_px:
        ways.append(min(ways[-1] + max(1.0, growth * ways[-1]), reach_px))
    for way in ways:
        ahead = _ahead(height_mm, step * way)
        rise = torch.maximum(rise, (ahead - height_mm) / (way * pixel_mm))
    return rise


def _ahead(height_mm: Tensor, shift: Tensor) -> Tensor:
    """The height field read at every pixel + `shift` (1 or n, 2, 1 or h, 1 or w), between pixels linearly."""
    if shift.shape[2:] != (1, 1):
        return _sampled(height_mm, shift)
    if shift.shape[0] > 1:
        return torch.cat([_shifted(height_mm[i : i + 1], shift[i : i + 1]) for i in range(len(height_mm))])
    return _shifted(height_mm, shift)


def _shifted(height_mm: Tensor, shift: Tensor) -> Tensor:
    """One shift for all pixels: four slices, weighted. Many times faster than sampling."""
    _, _, height, width = height_mm.shape
    x, y = shift[0, 0, 0, 0], shift[0, 1, 0, 0]
    left, top = math.floor(x.item()), math.floor(y.item())
    right_share, down_share = x - left, y - top
    padded = F.pad(height_mm, _margins(left, width) + _margins(top, height), mode="replicate")
    column, row = max(left, 0), max(top, 0)
    rows = padded[:, :, row : row + height] * (1 - down_share) + padded[:, :, row + 1 : row + 1 + height] * down_share
    return rows[..., column : column + width] * (1 - right_share) + rows[..., column + 1 : column + 1 + width] * (
        right_share
    )


def _margins(offset: int, length: int) -> tuple[int, int]:
    """Pixels to add before and after, so that [offset, offset + length] can be read."""
    return max(-offset, 0), max(offset + 1, 0)


def _sampled(height_mm: Tensor, shift: Tensor) -> Tensor:
    """Another shift (1 or n, 2, h, w) for every pixel."""
    count, _, height, width = height_mm.shape
    x = torch.arange(width).to(height_mm)[None, None, :] + shift[:, 0]
    y = torch.arange(height).to(height_mm)[None, :, None] + shift[:, 1]
    grid = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], dim=-1)
    return F.grid_sample(
        height_mm, grid.expand(count, height, width, 2), mode="bilinear", padding_mode="border", align_corners=True
    )
