"""Reflection: Lambert for the matt part, GGX microfacets for the gloss, with the energy of many bounces put back.

Papers: Walter et al., "Microfacet Models for Refraction through Rough Surfaces", EGSR 2007 (GGX, eq. 33-34);
Heitz, "Understanding the Masking-Shadowing Function", JCGT 2014 (anisotropic GGX eq. 85-87, height-correlated
Smith eq. 99); Schlick, "An Inexpensive BRDF Model", 1994 (Fresnel); Kulla and Conty, "Revisiting Physically Based
Shading", SIGGRAPH course 2017 (bounces between facets).

Roughness is the width of the distribution of slopes, the alpha of GGX: 0.1 to 0.3 wet sealant, 0.2 to 0.5 brushed
metal. Every function broadcasts over (n, c, h, w); vectors have their three parts in dimension 1.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional as F

_SMALLEST = 1e-6
_TABLE = 32  # nodes of the table of directional albedos, for each of cosine and roughness


def lambert(normals: Tensor, direction: Tensor) -> Tensor:
    """Radiance (n, 1, h, w) of a white matt surface under a light of strength 1: max(0, n.l); 0 in its own shadow.

    Args:
        normals: unit vectors (n, 3, h, w).
        direction: unit vectors towards the light, broadcastable to the normals.
    """
    return _dot(normals, direction).clamp_min(0)


def ggx(
    normals: Tensor,
    direction: Tensor,
    view: Tensor,
    roughness: Tensor | float,
    f0: Tensor | float,
    roughness_across: Tensor | float | None = None,
    brushing_deg: float = 0.0,
) -> Tensor:
    """Radiance (n, 1 or 3, h, w) of the gloss under a light of strength 1: pi times the BRDF times max(0, n.l).

    Args: those of `ggx_brdf`.
    """
    brdf = ggx_brdf(normals, direction, view, roughness, f0, roughness_across, brushing_deg)
    return math.pi * brdf * lambert(normals, direction)


def ggx_brdf(
    normals: Tensor,
    direction: Tensor,
    view: Tensor,
    roughness: Tensor | float,
    f0: Tensor | float,
    roughness_across: Tensor | float | None = None,
    brushing_deg: float = 0.0,
) -> Tensor:
    """Reflected radiance per irradiance, in 1/sr: reciprocal, never negative, 0 below the horizon.

    Args:
        normals: unit vectors (n, 3, h, w).
        direction: unit vectors towards the light, broadcastable to the normals.
        view: unit vectors towards the camera, broadcastable to the normals.
        roughness: GGX alpha, above 0 to 1; along the brushing where the metal is brushed.
        f0: share reflected at normal incidence, 0 to 1: 0.04 sealant, 0.5 to 0.9 metal.
        roughness_across: GGX alpha across the brushing; None is an even surface.
        brushing_deg: direction of the grooves in the picture, from the x axis towards the top of the picture.
    """
    like = normals
    along = _tensor(roughness, like)
    across = along if roughness_across is None else _tensor(roughness_across, like)
    f0 = _tensor(f0, like)
    half = _unit(direction + view)
    normal_light, normal_view = _dot(normals, direction), _dot(normals, view)
    visible = (normal_light > 0) & (normal_view > 0)
    normal_light, normal_view = normal_light.clamp_min(_SMALLEST), normal_view.clamp_min(_SMALLEST)

    if roughness_across is None:
        facets = _facets(_dot(normals, half), 1 - _dot(normals, half) ** 2, along, along)
        hidden = _smith(1 - normal_light**2, normal_light, along) + _smith(1 - normal_view**2, normal_view, along)
    else:
        tangent, bitangent = _grooves(normals, brushing_deg)

        def stretched(vector: Tensor) -> Tensor:  # squared tangential part, in units of the roughness
            return (_dot(tangent, vector) * along) ** 2 + (_dot(bitangent, vector) * across) ** 2

        spread = (_dot(tangent, half) / along) ** 2 + (_dot(bitangent, half) / across) ** 2
        facets = 1 / (math.pi * along * across * (spread + _dot(normals, half) ** 2) ** 2)
        hidden = _smith(stretched(direction), normal_light, 1.0) + _smith(stretched(view), normal_view, 1.0)
    fresnel = schlick(f0, _dot(direction, half))
    once = fresnel * facets / ((1 + hidden) * 4 * normal_light * normal_view)
    mean_roughness = ((along**2 + across**2) / 2).sqrt()
    return torch.where(visible, once + _many_bounces(normal_light, normal_view, mean_roughness, f0), 0.0)


def schlick(f0: Tensor | float, cosine: Tensor) -> Tensor:
    """Fresnel reflectance after Schlick: f0 at normal incidence, 1 at grazing incidence."""
    return f0 + (1 - f0) * (1 - cosine.clamp(0, 1)) ** 5


def directional_albedo(cosine: Tensor, roughness: Tensor) -> Tensor:
    """Share of the light from one direction that a mirror of this roughness reflects in one bounce (f0 = 1).

    What is missing to 1 hits another facet first. Interpolated in a table, differentiable.

    Args:
        cosine: of the angle between normal and light, 0 to 1.
        roughness: GGX alpha, 0 to 1.
    """
    table, _ = _albedo_table()
    cosine, roughness = cosine + torch.zeros_like(roughness), roughness + torch.zeros_like(cosine)
    grid = torch.stack([cosine.clamp(0, 1), roughness.clamp(0, 1)], dim=-1).reshape(1, -1, 1, 2) * 2 - 1
    values = F.grid_sample(
        table.to(cosine)[None, None], grid, mode="bilinear", padding_mode="border", align_corners=True
    )
    return values.reshape(cosine.shape)


def _many_bounces(normal_light: Tensor, normal_view: Tensor, roughness: Tensor, f0: Tensor) -> Tensor:
    """BRDF of light that leaves after two bounces or more (Kulla and Conty): without it rough metal is too dark."""
    _, means = _albedo_table()
    place = roughness.clamp(0, 1) * (_TABLE - 1)
    below = place.detach().floor().clamp(0, _TABLE - 2)
    means = means.to(normal_light)
    low, high = means[below.long()], means[below.long() + 1]
    mean = low + (high - low) * (place - below)
    colour = f0 + (1 - f0) / 21  # mean of Schlick over the hemisphere
    share = colour**2 * mean / (1 - colour * (1 - mean))
    lost_in = 1 - directional_albedo(normal_light, roughness)
    lost_out = 1 - directional_albedo(normal_view, roughness)
    return share * lost_in * lost_out / (math.pi * (1 - mean).clamp_min(_SMALLEST))


@functools.cache
def _albedo_table() -> tuple[Tensor, Tensor]:
    """Directional albedos (roughness, cosine), and their mean over the hemisphere (roughness), in float64.

    Samples the normals that the viewer sees (Heitz, "Sampling the GGX Distribution of Visible Normals", JCGT 2018) at
    fixed midpoints, so that the integrand is smooth at every roughness: the albedo is the mean of G2 / G1.
    """
    steps = 48
    ramp = torch.linspace(0, 1, _TABLE, dtype=torch.float64)
    alpha = ramp.clamp_min(1e-3)[:, None, None, None]
    cosine = ramp.clamp_min(1e-3)[None, :, None, None]
    middle = (torch.arange(steps, dtype=torch.float64) + 0.5) / steps
    radius, turn = middle.sqrt()[:, None], (2 * math.pi * middle)[None, :]
    view_x, view_z = alpha * (1 - cosine**2).sqrt(), cosine
    length = (view_x**2 + view_z**2).sqrt()
    view_x, view_z = view_x / length, view_z / length
    # a point on the half discs that the stretched viewer sees
    first, second = radius * turn.cos(), radius * turn.sin()
    part = (1 + view_z) / 2
    second = (1 - part) * (1 - first**2).clamp_min(0).sqrt() + part * second
    third = (1 - first**2 - second**2).clamp_min(0).sqrt()
    # axes: first along y, second along (-view_z, 0, view_x), third along the view
    half_x, half_y = alpha * (third * view_x - second * view_z), alpha * first
    half_z = (third * view_z + second * view_x).clamp_min(0)
    size = (half_x**2 + half_y**2 + half_z**2).sqrt()
    half_x, half_z = half_x / size, half_z / size
    light_z = 2 * ((1 - cosine**2).sqrt() * half_x + cosine * half_z) * half_z - cosine
    up = light_z > 0
    light_z = light_z.clamp_min(_SMALLEST)
    hidden_view = _smith(1 - cosine**2, cosine, alpha)
    hidden_light = _smith(1 - light_z**2, light_z, alpha)
    table = torch.where(up, (1 + hidden_view) / (1 + hidden_view + hidden_light), 0.0).mean(dim=(2, 3))
    mean = torch.trapezoid(table * 2 * ramp, ramp, dim=1)
    return table, mean


def _facets(normal_half: Tensor, sine_squared: Tensor, along: Tensor, across: Tensor) -> Tensor:
    return 1 / (math.pi * along * across * (sine_squared / along**2 + normal_half**2) ** 2)


def _smith(sine_squared: Tensor, cosine: Tensor, roughness: Tensor | float) -> Tensor:
    """Smith's Lambda: facets hidden for each one seen."""
    return ((1 + roughness**2 * sine_squared.clamp_min(0) / cosine**2).sqrt() - 1) / 2


def _grooves(normals: Tensor, brushing_deg: float) -> tuple[Tensor, Tensor]:
    """Unit vectors along and across the grooves, in the surface."""
    turn = math.radians(brushing_deg)
    groove = normals.new_tensor([math.cos(turn), -math.sin(turn), 0.0]).view(1, 3, 1, 1)
    along = _unit(groove - _dot(normals, groove) * normals)
    x, y, z = normals.unbind(1)
    right, down, up = along.unbind(1)
    across = torch.stack([y * up - z * down, z * right - x * up, x * down - y * right], dim=1)  # normal x along
    return along, across


def _dot(first: Tensor, second: Tensor) -> Tensor:
    return (first * second).sum(dim=1, keepdim=True)


def _unit(vector: Tensor) -> Tensor:
    return vector / _dot(vector, vector).clamp_min(_SMALLEST**2).sqrt()


def _tensor(value: Tensor | float, like: Tensor) -> Tensor:
    return value if isinstance(value, Tensor) else like.new_tensor(value)
