"""Shading: a surface of some material under some lamps, as linear radiance in two layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from handful.light.reflect import ggx, lambert, schlick
from handful.light.shadow import ambient_occlusion, cast_shadow
from handful.light.shape import height_to_normals
from handful.light.sources import Light


@dataclass(frozen=True)
class Material:
    """What the surface is made of: numbers, or maps broadcastable to (n, 1 or 3, h, w)."""

    albedo: Tensor | float
    """Share of the light that comes back matt, 0 to 1. With f0 it should not exceed 1."""
    roughness: Tensor | float
    """GGX alpha of the gloss, above 0 to 1; along the brushing where the metal is brushed."""
    f0: Tensor | float
    """Share that the gloss reflects at normal incidence: 0.04 sealant, 0.5 to 0.9 metal."""
    roughness_across: Tensor | float | None = None
    """GGX alpha across the brushing; None is an even surface."""
    brushing_deg: float = 0.0
    """Direction of the grooves in the picture, from the x axis towards the top of the picture."""


@dataclass(frozen=True)
class Shading:
    """Linear radiance, 1 is white; each (n, 1 or 3, h, w)."""

    diffuse: Tensor
    """Matt layer: proportional to the albedo."""
    specular: Tensor
    """Gloss layer."""

    @property
    def radiance(self) -> Tensor:
        """Both layers together: what the camera sees."""
        return self.diffuse + self.specular


def shade(
    height_mm: Tensor,
    pixel_mm: float,
    material: Material,
    lights: Sequence[Light],
    ambient: float | Tensor = 0.0,
    shadows: bool = True,
    coarser: int = 1,
) -> Shading:
    """What a camera straight above (orthographic) sees of a height field.

    Linear in the strengths of the lights and in `ambient`; differentiable in height, material and lights. Light that
    the surface throws onto itself is left out.

    Args:
        height_mm: (n, 1, h, w).
        pixel_mm: side of a pixel on the part.
        material: of each pixel.
        lights: any number of lamps.
        ambient: radiance of an even sky, from 0; a map where it is uneven.
        shadows: False leaves out cast shadows and the dark foot of a bead; attached shadows always count.
        coarser: cast shadows and the sky are computed on a height field smaller by this factor, from 1: they change
            slowly, and the march is most of the work.

    Raises:
        UserError: a height field of another shape, or with values that are not finite.
    """
    normals = height_to_normals(height_mm, pixel_mm)
    view = height_mm.new_tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1)
    relief = F.avg_pool2d(height_mm, coarser, ceil_mode=True, count_include_pad=False)

    def fine(plane: Tensor) -> Tensor:
        size = height_mm.shape[2:]
        return plane if coarser == 1 else F.interpolate(plane, size, mode="bilinear", align_corners=False)

    sky = fine(ambient_occlusion(relief, pixel_mm * coarser)) if shadows else (1 + normals[:, 2:]) / 2
    sky = sky * ambient
    matt = sky
    gloss = sky * schlick(material.f0, normals[:, 2:])
    for light in lights:
        direction, strength = light.incidence(height_mm, pixel_mm)
        if shadows and light.casts_shadow:
            strength = strength * fine(cast_shadow(relief, pixel_mm * coarser, light))
        matt = matt + strength * lambert(normals, direction)
        gloss = gloss + strength * ggx(
            normals,
            direction,
            view,
            material.roughness,
            material.f0,
            material.roughness_across,
            material.brushing_deg,
        )
    return Shading(matt * material.albedo, gloss)
