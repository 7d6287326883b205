"""The part and its bead as geometry: a sheet with an embossed bolt hole and an edge, and a bead laid on it.

Lengths are in pixels; x points right, y down, z (height) towards the camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter, gaussian_filter1d, map_coordinates, uniform_filter1d
from scipy.spatial import cKDTree

from handful.core.seeds import numpy_stream

Plane = npt.NDArray[np.floating[Any]]
"""One value a pixel: (height, width)."""

_CONTACT_ANGLE_DEG = 62.0  # between the sheet and the bead's flank at the foot
_MARGIN_PX = 24  # texture beyond the frame, for parts that lie a little elsewhere


@dataclass(frozen=True)
class Pose:
    """Where a part lies, relative to the station's nominal place."""

    right_px: float
    down_px: float
    turn_deg: float


@dataclass(frozen=True)
class Bead:
    """A bead as laid: its centre line and its width."""

    path: npt.NDArray[np.float64]
    """(points, 2): x and y of the centre line, left to right, in pixels."""
    width_px: float
    """Full width at the foot, averaged along the path."""


@dataclass(frozen=True)
class Scene:
    """Everything light can fall on. All planes are (height, width)."""

    height: Plane
    """Height of the sheet and the bead on it, in pixels."""
    brushing: Plane
    """Height of the fine brushing of the sheet, in pixels; 0 under the bead."""
    sealant: Plane
    """Share of the pixel covered by sealant, 0 to 1."""
    sheet: Plane
    """Share of the pixel where sheet metal (with or without sealant) lies; the rest is hole or table."""


class Part:
    """The sheet-metal part of one station: what all its photos have in common. Decided by the seed."""

    def __init__(self, seed: int, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.unit = min(width / 658, height / 490)  # every length follows the size of the picture
        random = numpy_stream(seed, "sealer part")
        self.nominal_path = np.stack(
            [np.linspace(-0.1, 1.1, 7) * width, (0.46 + 0.13 * _gentle(random, 7)) * height], axis=1
        )
        self.hole_centre = np.array([random.uniform(0.74, 0.84) * width, random.uniform(0.77, 0.80) * height])
        self.edge_y = random.uniform(0.055, 0.075) * height
        self._texture = brushed_texture(random, width + 2 * _MARGIN_PX, height + 2 * _MARGIN_PX)

    def draw_bead(self, random: np.random.Generator, width_px: float) -> Bead:
        """The nominal path with the small errors of a dispensing robot, as a bead of that width."""
        points = self.nominal_path.copy()
        points[:, 1] += random.normal(0, 0.012) * self.height + random.normal(0, 0.005, len(points)) * self.height
        spline = CubicSpline(points[:, 0], points[:, 1])
        x = np.linspace(points[0, 0], points[-1, 0], int(np.ceil(points[-1, 0] - points[0, 0])) * 4)
        return Bead(np.stack([x, spline(x)], axis=1), width_px)

    def place(self, pose: Pose, bead: Bead, random: np.random.Generator) -> Scene:
        """The part in its pose, with its own variation of brushing, under the bead."""
        y, x = np.mgrid[: self.height, : self.width].astype(np.float64)
        u, v = _to_part(x, y, pose, self.width, self.height)
        own = brushed_texture(random, self.width, self.height)
        shared = map_coordinates(self._texture, [v + _MARGIN_PX, u + _MARGIN_PX], order=1, mode="reflect")
        brushing = 0.85 * shared + 0.5 * own

        from_hole = np.hypot(u - self.hole_centre[0], v - self.hole_centre[1]) / self.unit
        from_edge = (v - self.edge_y) / self.unit
        sheet = _ramp(from_hole - 30) * _ramp(from_edge)
        emboss = 7 * _smooth((from_hole - 54) / 20) - 3.5 * _smooth((36 - from_hole) / 7)
        rolled_edge = -4 * np.exp(-np.clip(from_edge, 0, None) / 3)
        ground = (rolled_edge - emboss) * self.unit

        cap = bead_height(bead, self.width, self.height, self.unit)
        sealant = np.clip(cap / (0.03 * bead.width_px), 0, 1)
        return Scene(ground + cap, brushing * (1 - sealant), sealant, np.maximum(sheet, sealant))


def bead_height(bead: Bead, width: int, height: int, unit: float) -> Plane:
    """Height of the bead: a circular cap across the path, and along it a chain of linked circles.

    A round nozzle lays one disc after another, so the half-width swells and narrows with the pitch of the discs.
    """
    path = bead.path
    reach = bead.width_px * 0.75
    y, x = np.mgrid[:height, :width]
    steepest = np.abs(np.diff(path[:, 1]) / np.diff(path[:, 0])).max()
    near = np.abs(y - np.interp(np.arange(width), path[:, 0], path[:, 1])) < reach * np.hypot(1, steepest)
    distance, nearest = cKDTree(path).query(np.stack([x[near], y[near]], axis=1), distance_upper_bound=reach)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T)), [0.0]])  # last: "none near"

    pitch = 0.19 * bead.width_px
    place = along[nearest] + 0.9 * pitch * np.sin(along[nearest] / (7.3 * pitch))  # the feed is never quite even
    between = np.mod(place, pitch) - pitch / 2
    swell = np.sqrt(1 - (between / (bead.width_px / 2)) ** 2)
    mean_swell = np.sqrt(1 - (np.linspace(-0.5, 0.5, 101) * pitch / (bead.width_px / 2)) ** 2).mean()
    half = bead.width_px / 2 * swell / mean_swell

    angle = np.deg2rad(_CONTACT_ANGLE_DEG)
    radius = half / np.sin(angle)
    inside = distance < half
    cap = np.zeros(distance.shape)
    cap[inside] = np.sqrt(radius[inside] ** 2 - distance[inside] ** 2) - radius[inside] * np.cos(angle)
    field = np.zeros((height, width))
    field[near] = cap
    wetted: Plane = gaussian_filter(field, 0.9 * unit)  # sealant wets the sheet: no sharp foot, no cusps
    return wetted


def brushed_texture(random: np.random.Generator, width: int, height: int) -> Plane:
    """Height of brushed metal: fine grooves along x, of several lengths; standard deviation 1."""
    noise = random.standard_normal((height, width))
    fine = gaussian_filter(noise, (0.5, 14), mode="wrap")
    long = uniform_filter1d(gaussian_filter1d(noise[::-1], 0.8, axis=0, mode="wrap"), 200, axis=1, mode="wrap")
    grain = gaussian_filter(noise[:, ::-1], 0.6, mode="wrap")
    texture: Plane = fine / fine.std() * 0.75 + long / long.std() * 0.55 + grain / grain.std() * 0.35
    return texture


def _gentle(random: np.random.Generator, points: int) -> npt.NDArray[np.float64]:
    """A slow wave of amplitude about 1 with random phase."""
    phase = random.uniform(0, 2 * np.pi)
    wave: npt.NDArray[np.float64] = np.sin(np.linspace(0, 1.25 * np.pi, points) + phase)
    return wave


def _to_part(x: Plane, y: Plane, pose: Pose, width: int, height: int) -> tuple[Plane, Plane]:
    """Picture coordinates -> coordinates on the part."""
    turn = np.deg2rad(pose.turn_deg)
    right, down = x - width / 2 - pose.right_px, y - height / 2 - pose.down_px
    u = np.cos(turn) * right + np.sin(turn) * down + width / 2
    v = -np.sin(turn) * right + np.cos(turn) * down + height / 2
    return u, v


def _ramp(distance: Plane) -> Plane:
    """Coverage of a pixel by a half plane: 0 outside, 1 inside, linear over one pixel."""
    covered: Plane = np.clip(distance + 0.5, 0, 1)
    return covered


def _smooth(t: Plane) -> Plane:
    """Smooth step from 0 at t = 0 to 1 at t = 1."""
    t = np.clip(t, 0, 1)
    step: Plane = t * t * (3 - 2 * t)
    return step
