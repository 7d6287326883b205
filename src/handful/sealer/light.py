"""Light on a scene: Lambert and microfacet reflection of one distant light, ambient light and shadows.

Everything is linear light. View is straight down (orthographic), so the half vector is one for all pixels.
Microfacets: GGX (Walter et al. 2007), in slope space with two widths for brushed metal; masking after
Kelemen and Szirmay-Kalos (2001), 1 / (4 (l.h)^2); Fresnel after Schlick (1994).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from handful.sealer.scene import Plane, Scene


@dataclass(frozen=True)
class Light:
    """One distant light."""

    azimuth_deg: float
    """0: from the right of the picture, 90: from its top."""
    elevation_deg: float
    """Above the sheet."""

    @property
    def direction(self) -> npt.NDArray[np.float64]:
        """Unit vector towards the light: x right, y down, z towards the camera."""
        azimuth, elevation = np.deg2rad([self.azimuth_deg, self.elevation_deg])
        return np.array([np.cos(elevation) * np.cos(azimuth), -np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])


@dataclass(frozen=True)
class Layers:
    """Reflected light by material and kind, each (height, width), for a light of power 1 and white materials."""

    sealant_diffuse: Plane
    sealant_specular: Plane
    metal_diffuse: Plane
    metal_specular: Plane
    behind: Plane
    """Ambient light on what lies in the hole and below the edge."""


_AMBIENT = 0.34  # of the power of the light
_SEALANT_ROUGHNESS = 0.13  # wet
_ALONG_BRUSHING, _ACROSS_BRUSHING = 0.20, 0.62  # roughness of the sheet
_BRUSHING_DEPTH_PX = 0.042  # standard deviation of the height of the brushing
_SEALANT_F0, _METAL_F0 = 0.04, 0.56  # reflectance straight on: polymer, steel


def shade(scene: Scene, light: Light) -> Layers:
    """The light that reaches the camera from every pixel."""
    to_light = light.direction
    half = to_light + np.array([0.0, 0.0, 1.0])
    half /= np.linalg.norm(half)
    light_half = float(to_light @ half)
    masking = 1 / (4 * light_half**2)

    slope_y, slope_x = _slopes(scene.height)
    length: Plane = np.sqrt(slope_x**2 + slope_y**2 + 1)
    normal_light = _dot(slope_x, slope_y, length, to_light)
    lit = cast_shadow(scene.height, light) * np.clip(normal_light, 0, None)
    sky = ambient_share(scene.height) * (0.5 + 0.5 / length)  # a flank sees half of the sky

    normal_half = np.clip(_dot(slope_x, slope_y, length, half), 0, 1)
    gloss = _ggx(normal_half, _SEALANT_ROUGHNESS) * masking * _schlick(_SEALANT_F0, light_half)
    brush_y, brush_x = _slopes(scene.brushing * _BRUSHING_DEPTH_PX)
    # slopes of the half vector relative to the surface, in the frame of the brushing (grooves along x)
    tilt_x = (slope_x + brush_x + half[0] / half[2]) / _ALONG_BRUSHING
    tilt_y = (slope_y + brush_y + half[1] / half[2]) / _ACROSS_BRUSHING
    facets = 1 / (np.pi * _ALONG_BRUSHING * _ACROSS_BRUSHING * (1 + tilt_x**2 + tilt_y**2) ** 2 * half[2] ** 4)
    sheen = facets * masking * _schlick(_METAL_F0, light_half)

    sealant, metal = scene.sealant, scene.sheet * (1 - scene.sealant)
    mirror = 1 + 2 * brush_y  # the grooves also mirror an uneven room
    return Layers(
        sealant_diffuse=sealant * (lit / np.pi + _AMBIENT * sky),
        sealant_specular=sealant * (lit * gloss + _AMBIENT * sky * _SEALANT_F0),
        metal_diffuse=metal * (lit / np.pi + _AMBIENT * sky),
        metal_specular=metal * (lit * sheen + _AMBIENT * sky * _METAL_F0 * mirror),
        behind=(1 - scene.sheet) * _AMBIENT,
    )


def cast_shadow(height: Plane, light: Light) -> Plane:
    """Share of the light that is not blocked by something higher on its way: 1 lit, 0 in shadow.

    Marches from every pixel towards the light; the edge is soft because a real light has a size.
    """
    to_light = light.direction
    rise = to_light[2] / np.hypot(to_light[0], to_light[1])  # height gained for each pixel travelled
    step_x, step_y = to_light[:2] / np.hypot(to_light[0], to_light[1])
    reach = int(np.ptp(height) / rise) + 2
    blocked = np.zeros_like(height)
    for travelled in range(2, reach, 2):
        ahead = _shifted(height, round(travelled * step_x), round(travelled * step_y))
        over = ahead - height - travelled * rise
        blocked = np.maximum(blocked, over / (0.06 * travelled + 1.0))
    lit: Plane = gaussian_filter(1 - np.clip(blocked, 0, 1), 0.8)
    return lit


def ambient_share(height: Plane) -> Plane:
    """Share of the ambient light that arrives: less at the foot of a bead, whose flank hides the sky."""
    share = np.ones_like(height)
    for reach_px, weight in ((3.0, 0.9), (9.0, 0.9)):
        hidden = np.clip((gaussian_filter(height, reach_px) - height) / reach_px, 0, None)
        share /= 1 + weight * 2 * hidden
    return share


def _slopes(height: Plane) -> tuple[Plane, Plane]:
    down: Plane = np.asarray(np.gradient(height, axis=0))
    right: Plane = np.asarray(np.gradient(height, axis=1))
    return down, right


def _dot(slope_x: Plane, slope_y: Plane, length: Plane, vector: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Normal times vector; the normal of a height field is (-slope_x, -slope_y, 1) / length."""
    product: npt.NDArray[np.float64] = (vector[2] - slope_x * vector[0] - slope_y * vector[1]) / length
    return product


def _ggx(normal_half: Plane, roughness: float) -> Plane:
    squared = roughness**2
    density: Plane = squared / (np.pi * (normal_half**2 * (squared - 1) + 1) ** 2)
    return density


def _schlick(straight_on: float, cosine: float) -> float:
    return straight_on + (1 - straight_on) * (1 - cosine) ** 5


def _shifted(plane: Plane, right: int, down: int) -> Plane:
    """`plane` read at (x + right, y + down); the border repeats."""
    rows = np.clip(np.arange(plane.shape[0]) + down, 0, plane.shape[0] - 1)
    columns = np.clip(np.arange(plane.shape[1]) + right, 0, plane.shape[1] - 1)
    return plane[rows][:, columns]
