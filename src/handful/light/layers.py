"""What the lamps add to each layer of the model by which light is fitted and photos are relit."""

from __future__ import annotations

from collections.abc import Sequence
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
    """What lamps add to each part of the model, each (1, 1, h, w)."""

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
    lamps: Sequence[Light],
    sheet: Material | None = None,
    shadows: bool = True,
) -> Layers:
    """As `shade.shade`, without the ambient light, which does not depend on the lamp and costs most."""
    view = height_mm.new_tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1)
    matt, wet, sheen = (torch.zeros_like(height_mm) for _ in range(3))
    for lamp in lamps:
        direction, strength = lamp.incidence(height_mm, pixel_mm)
        if shadows and lamp.casts_shadow:
            strength = strength * cast_shadow(height_mm, pixel_mm, lamp)
        matt = matt + strength * lambert(normals, direction)
        wet = wet + strength * ggx(normals, direction, view, _ROUGHNESS, _F0)
        if sheet is not None:
            finish = sheet.roughness, sheet.f0, sheet.roughness_across, sheet.brushing_deg
            sheen = sheen + strength * ggx(normals, direction, view, *finish)
    return Layers(matt, wet, sheen)


def mirrored_sky(sky: Tensor, normals: Tensor, sheet: Material | None) -> Tensor:
    """What the sheet's gloss reflects of an even sky of radiance 1, of which each pixel sees a share; (1, 1, h, w)."""
    return torch.zeros_like(sky) if sheet is None else sky * schlick(sheet.f0, normals[:, 2:])
