"""A bead: its path on the part, its width along it, and its height field.

A round nozzle lays one disc after another, so the half-width swells and narrows with the pitch of the discs. Across
the path the bead is a circular cap that meets the sheet at the contact angle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, gaussian_filter1d, map_coordinates
from scipy.spatial import cKDTree

Plane = npt.NDArray[np.floating[Any]]
"""One value a pixel: (height, width)."""
Line = npt.NDArray[np.float64]

STEP_MM = 0.02
"""Between the points of a path."""
_FOOT_MM = 0.05  # sealant wets the sheet: no sharp foot
_COARSE_PX = 8  # grid on which pixels near the bead are looked for


@dataclass(frozen=True)
class Grid:
    """Where each pixel of a picture looks at, on the part."""

    x_mm: Plane
    y_mm: Plane
    pixel_mm: float


@dataclass(frozen=True)
class Bead:
    """A bead as laid."""

    path_mm: Line
    """(points, 2): x and y of the centre line, left to right, `STEP_MM` apart."""
    half_mm: Line
    """(points,): half width at the foot, without the ripple of the circles."""
    contact_angle_deg: float
    pitch_mm: float
    width_mm: float
    """Full width at the foot, averaged along the path, without defects."""

    def moved(self, aside_mm: Line) -> Bead:
        """The bead with each point of its path moved to the right of its course (down, where it runs right)."""
        along = np.gradient(self.path_mm, axis=0)
        along /= np.hypot(*along.T)[:, None]
        normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
        return replace(self, path_mm=self.path_mm + normal * aside_mm[:, None])


@dataclass(frozen=True)
class Laid:
    """A bead on a grid."""

    height_mm: Plane
    """0 where there is none."""
    cover: Plane
    """Share of the pixel under sealant, 0 to 1."""


def resample(points_mm: Line) -> Line:
    """A polyline as points `STEP_MM` apart."""
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points_mm, axis=0).T))])
    at = np.arange(0, lengths[-1], STEP_MM)
    return np.stack([np.interp(at, lengths, points_mm[:, 0]), np.interp(at, lengths, points_mm[:, 1])], axis=1)


def draw_bead(
    path_mm: Line,
    width_mm: float,
    contact_angle_deg: float,
    pitch_mm: float,
    unevenness: float,
    random: np.random.Generator,
) -> Bead:
    """A bead along a path; its width changes slowly by `unevenness` (relative standard deviation)."""
    points = len(path_mm)
    slow = gaussian_filter1d(random.standard_normal(points), 1.5 * width_mm / STEP_MM, mode="reflect")
    uneven = 1 + unevenness * slow / max(float(slow.std()), 1e-12)
    return Bead(path_mm, width_mm / 2 * uneven / uneven.mean(), contact_angle_deg, pitch_mm, width_mm)


def lay(bead: Bead, grid: Grid) -> Laid:
    """The bead's height and cover on a grid."""
    reach = 1.1 * float(bead.half_mm.max()) + 2 * grid.pixel_mm
    tree = cKDTree(bead.path_mm)
    near = _near(tree, grid, reach)
    places = np.stack([grid.x_mm[near], grid.y_mm[near]], axis=1)
    distance, nearest = tree.query(places, distance_upper_bound=reach)
    half = np.append(bead.half_mm * _swell(bead), 0.0)[nearest]  # the last: none near
    angle = np.deg2rad(bead.contact_angle_deg)
    radius = half / np.sin(angle)
    inside = distance < half
    cap = np.zeros(distance.shape)
    cap[inside] = np.sqrt(radius[inside] ** 2 - distance[inside] ** 2) - radius[inside] * np.cos(angle)
    height = np.zeros(grid.x_mm.shape, np.float32)
    height[near] = cap
    cover = np.zeros(grid.x_mm.shape, np.float32)
    cover[near] = np.clip((half - distance) / grid.pixel_mm + 0.5, 0, 1) * (half > 0)
    foot_px = max(_FOOT_MM / grid.pixel_mm, 0.5)
    return Laid(gaussian_filter(height, foot_px, truncate=3), cover)


def signed_distance(path_mm: Line, grid: Grid) -> Plane:
    """Distance to the path in mm, positive to the right of its course; interpolated on a coarse grid."""
    height, width = grid.x_mm.shape
    rows, columns = (np.arange(0, side + 4, 4) for side in (height, width))
    x, y = (_extended(plane)[np.ix_(rows, columns)] for plane in (grid.x_mm, grid.y_mm))
    places = np.stack([x.ravel(), y.ravel()], axis=1)
    distance, nearest = cKDTree(path_mm).query(places)
    along = np.gradient(path_mm, axis=0)[nearest]
    off = places - path_mm[nearest]
    signed = np.where(along[:, 0] * off[:, 1] - along[:, 1] * off[:, 0] >= 0, distance, -distance).reshape(x.shape)
    at_y, at_x = np.arange(height) / 4, np.arange(width) / 4
    fine: Plane = map_coordinates(signed, np.meshgrid(at_y, at_x, indexing="ij"), order=1).astype(np.float32)
    return fine


def _extended(plane: Plane) -> Plane:
    """The plane and four more rows and columns of the same course."""
    more: Plane = np.pad(plane, ((0, 8), (0, 8)), mode="reflect", reflect_type="odd")
    return more


def _swell(bead: Bead) -> Line:
    """Relative half width along the path: the outline of discs one pitch apart; mean 1."""
    along, half = np.arange(len(bead.half_mm)) * STEP_MM, bead.width_mm / 2
    pitch = min(bead.pitch_mm, half)
    place = along + 0.9 * pitch * np.sin(along / (7.3 * pitch))  # the feed is never quite even
    outline = np.sqrt(1 - ((np.mod(place, pitch) - pitch / 2) / half) ** 2)
    swell: Line = outline / outline.mean()
    return swell


def _near(tree: cKDTree, grid: Grid, reach_mm: float) -> npt.NDArray[np.bool_]:
    """Pixels that may lie within reach of the path, found block by block."""
    height, width = grid.x_mm.shape
    middle_y = np.minimum(np.arange(0, height, _COARSE_PX) + _COARSE_PX // 2, height - 1)
    middle_x = np.minimum(np.arange(0, width, _COARSE_PX) + _COARSE_PX // 2, width - 1)
    at = np.ix_(middle_y, middle_x)
    block_mm = 1.1 * _COARSE_PX * grid.pixel_mm
    distance, _ = tree.query(
        np.stack([grid.x_mm[at].ravel(), grid.y_mm[at].ravel()], axis=1), distance_upper_bound=reach_mm + block_mm
    )
    blocks = np.isfinite(distance).reshape(len(middle_y), len(middle_x))
    near: npt.NDArray[np.bool_] = blocks.repeat(_COARSE_PX, axis=0).repeat(_COARSE_PX, axis=1)[:height, :width]
    return near
