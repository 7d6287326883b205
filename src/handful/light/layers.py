"""The model by which light is fitted and photos are relit, in layers that add up.

raised part: strength * matt * (1 + glow * slope) + gloss * wet;  sheet: strength * its finish.

The glow counts only where the rig says that the raised part is translucent: elsewhere it leads the fit astray.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from handful.light.reflect import ggx, lambert, schlick
from handful.light.rig import Rig
from handful.light.shade import Material
from handful.light.shadow import ambient_occlusion, cast_shadow
from handful.light.shape import height_to_normals

_ROUGHNESS, _F0 = 0.2, 0.04  # wet sealant


@dataclass(frozen=True)
class Lit:
    """What lamps add, each (h, w)."""

    matt: Tensor
    """Of a white matt surface."""
    wet: Tensor
    """Gloss of wet sealant."""
    sheen: Tensor
    """Of the sheet's gloss; 0 where it is matt."""


@dataclass(frozen=True)
class Layers:
    """What lamps and room add together, each (h, w)."""

    matt: Tensor
    """Of a white matt surface."""
    wet: Tensor
    """Gloss of wet sealant."""
    sheet: Tensor
    """Of the sheet's finish."""
    rims: Tensor
    """Light that a translucent bead guides to its flanks."""


class Surface:
    """A surface and how it is lit: what does not depend on where the lamps stand is computed once."""

    def __init__(self, height_mm: Tensor, pixel_mm: float, sheet: Material | None, rig: Rig) -> None:
        """Takes a surface.

        Args:
            height_mm: (1, 1, h, w).
            pixel_mm: side of a pixel.
            sheet: finish of what is not raised; None is matt.
            rig: what is known of the lamps.
        """
        self.height_mm, self.pixel_mm, self.sheet, self.rig = height_mm, pixel_mm, sheet, rig
        self.normals = height_to_normals(height_mm, pixel_mm)
        self._upright = self.normals[0, 2]
        self._sky = ambient_occlusion(height_mm, pixel_mm)[0, 0]

    def lit(self, azimuth_deg: float, elevation_deg: float, shadows: bool = True) -> Lit:
        """As `shade.shade` under the rig's lamps, without the room, which costs most and stays."""
        height, normals = self.height_mm, self.normals
        view = height.new_tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1)
        matt, wet, sheen = (torch.zeros_like(height) for _ in range(3))
        for lamp in self.rig.lamps(azimuth_deg % 360, elevation_deg):
            direction, strength = lamp.incidence(height, self.pixel_mm)
            if shadows and lamp.casts_shadow:
                strength = strength * cast_shadow(height, self.pixel_mm, lamp)
            matt = matt + strength * lambert(normals, direction)
            wet = wet + strength * ggx(normals, direction, view, _ROUGHNESS, _F0)
            if self.sheet is not None:
                finish = self.sheet.roughness, self.sheet.f0, self.sheet.roughness_across, self.sheet.brushing_deg
                sheen = sheen + strength * ggx(normals, direction, view, *finish)
        return Lit(matt[0, 0], wet[0, 0], sheen[0, 0])

    def layers(self, lit: Lit, ambient: float) -> Layers:
        """Lamps and a room of some even radiance, relative to the main lamp."""
        matt = lit.matt + ambient * self._sky
        sheet = matt
        if self.sheet is not None:
            room = self.rig.room(ambient) * self._sky * schlick(self.sheet.f0, self._upright)
            sheet = self.sheet.albedo * matt + lit.sheen + room
        rims = matt * (1 - self._upright) if self.rig.translucent else torch.zeros_like(matt)
        return Layers(matt, lit.wet, sheet, rims)
