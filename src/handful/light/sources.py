"""Light sources: distant lamps, near lamps with falloff, rings of lamps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from handful.core.errors import UserError


@dataclass(frozen=True)
class Light:
    """One lamp. A number holds for the whole batch, a tensor (n,) gives one value an image and carries gradients."""

    azimuth_deg: Tensor | float
    """Where it stands around the part, -360 to 360: 0 right of the picture, 90 at its top."""
    elevation_deg: Tensor | float
    """Above the sheet, from above 0 to 90 (straight above)."""
    strength: Tensor | float = 1.0
    """Radiance of a white matt surface that faces the lamp, at the middle of the picture; from 0. A tensor is (n,), or
    (n, 3, 1, 1) for a coloured lamp."""
    distance_mm: Tensor | float | None = None
    """From the middle of the picture. None: so far away that its rays are parallel."""
    size_deg: float = 3.0
    """Angle under which the part sees the lamp, 0.1 to 60: the width of its shadows' soft edge."""
    casts_shadow: bool = True
    """False saves the march for cast shadows, for the many lamps of a ring that fill each other's shadows."""

    def __post_init__(self) -> None:
        _check("azimuth", self.azimuth_deg, -360, 360, "degrees")
        _check("elevation", self.elevation_deg, 0, 90, "degrees", above=True)
        _check("strength", self.strength, 0, math.inf, "whites")
        _check("angular size", self.size_deg, 0.1, 60, "degrees")
        if self.distance_mm is not None:
            _check("distance", self.distance_mm, 0, math.inf, "mm", above=True)

    def direction(self, like: Tensor) -> Tensor:
        """Unit vectors (1 or n, 3, 1, 1) from the middle of the picture towards the lamp, on the device of `like`."""
        azimuth = torch.deg2rad(_column(self.azimuth_deg, like))
        elevation = torch.deg2rad(_column(self.elevation_deg, like))
        right, down = elevation.cos() * azimuth.cos(), -elevation.cos() * azimuth.sin()
        return torch.cat([right, down, elevation.sin().expand_as(right)], dim=1)

    def incidence(self, height_mm: Tensor, pixel_mm: float) -> tuple[Tensor, Tensor]:
        """Unit vectors towards the lamp, and its strength there: (.., 3, ..) and (.., 1 or 3, ..), broadcastable.

        A near lamp is another direction for each pixel, and falls off with the square of the distance.

        Args:
            height_mm: (n, 1, h, w).
            pixel_mm: side of a pixel on the part.
        """
        direction = self.direction(height_mm)
        strength = _column(self.strength, height_mm)
        if self.distance_mm is None:
            return direction, strength
        distance = _column(self.distance_mm, height_mm)
        way = direction * distance - positions_mm(height_mm, pixel_mm)
        squared = way.square().sum(dim=1, keepdim=True)
        return way / squared.sqrt(), strength * distance**2 / squared


def ring_lights(
    count: int,
    elevation_deg: float,
    strength: float,
    distance_mm: float | None = None,
    first_azimuth_deg: float = 0.0,
    casts_shadow: bool = False,
) -> tuple[Light, ...]:
    """A ring light as `count` equal lamps around the part.

    Args:
        count: lamps, from 3; 8 to 16 look like a closed ring.
        elevation_deg: of the ring above the sheet.
        strength: of the whole ring: the sum over its lamps.
        distance_mm: of each lamp; None for parallel light.
        first_azimuth_deg: of one lamp; the others follow counter-clockwise.
        casts_shadow: whether cast shadows are marched, once for each lamp.

    Raises:
        UserError: fewer than 3 lamps, or an angle out of range.
    """
    if count < 3:
        raise UserError(f"The ring has {count} lamps.", "A ring has at least 3.", "Give 8, or single lights instead.")
    size_deg = min(60.0, 360 / count)
    return tuple(
        Light(
            (first_azimuth_deg + 360 * lamp / count) % 360,
            elevation_deg,
            strength / count,
            distance_mm,
            size_deg,
            casts_shadow,
        )
        for lamp in range(count)
    )


def positions_mm(height_mm: Tensor, pixel_mm: float) -> Tensor:
    """Where each pixel's surface lies, (n, 3, h, w), from the middle of the picture: x right, y down, z up."""
    count, _, height, width = height_mm.shape
    x = (torch.arange(width).to(height_mm) - (width - 1) / 2) * pixel_mm
    y = (torch.arange(height).to(height_mm) - (height - 1) / 2) * pixel_mm
    flat = torch.stack([x[None, :].expand(height, width), y[:, None].expand(height, width)])
    return torch.cat([flat.expand(count, 2, height, width), height_mm], dim=1)


def _column(value: Tensor | float, like: Tensor) -> Tensor:
    """A number or a tensor (n,) as (1 or n, 1, 1, 1); a tensor of four dimensions as it is."""
    tensor = value.to(like) if isinstance(value, Tensor) else like.new_tensor(value)
    return tensor if tensor.ndim == 4 else tensor.reshape(-1, 1, 1, 1)


def _check(name: str, value: Tensor | float, least: float, most: float, unit: str, above: bool = False) -> None:
    values = torch.as_tensor(value).detach().double().reshape(-1)
    good = torch.isfinite(values) & (values <= most) & ((values > least) if above else (values >= least))
    if bool(good.all()):
        return
    limits = f"{'above ' if above else 'from '}{least:g}" + (f" to {most:g}" if math.isfinite(most) else "")
    raise UserError(
        f"The {name} of a light is {float(values[~good][0]):g} {unit}.",
        f"It must lie {limits} {unit}.",
        f"Give another {name}.",
    )
