"""What one lamp adds to each layer of the model by which light is fitted and photos are relit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from handful.light.reflect import ggx, lambert, schlick
from handful.light.shade import Material
from handful.light.shadow import cast_shadow
from handful.light.sources import Light

_ROUGHNESS, _F0 = 0.2, 0.04  # wet sealant


@dataclass(frozen=True)
class Layers:
    """What one distant lamp of strength 1 adds to each part of the model, each (1, 1, h, w)."""

    matt: Tensor
    """Of a white matt surface."""
    wet: Tensor
    """Gloss of wet sealant."""
    sheen: Tensor
    """Gloss of the sheet's finish; 0 where that is matt."""


def shade_layers(
    normals: Tensor,
    height_mm: Tensor,
    pixel_mm: float,
    lamp: Light,
    sheet: Material | None = None,
    shadows: bool = True,
) -> Layers:
    """As `shade.shade`, without the ambient light, which does not depend on the lamp and costs most."""
    direction, strength = lamp.incidence(height_mm, pixel_mm)
    if shadows:
        strength = strength * cast_shadow(height_mm, pixel_mm, lamp)
    view = height_mm.new_tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1)
    matt = strength * lambert(normals, direction)
    sheen = torch.zeros_like(matt)
    if sheet is not None:
        finish = sheet.roughness, sheet.f0, sheet.roughness_across, sheet.brushing_deg
        sheen = strength * ggx(normals, direction, view, *finish)
    return Layers(matt, strength * ggx(normals, direction, view, _ROUGHNESS, _F0), sheen)


def mirrored_sky(sky: Tensor, normals: Tensor, sheet: Material | None) -> Tensor:
    """What the sheet's gloss reflects of an even sky of radiance 1, of which each pixel sees a share; (1, 1, h, w)."""
    return torch.zeros_like(sky) if sheet is None else sky * schlick(sheet.f0, normals[:, 2:])
