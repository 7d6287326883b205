"""One station's part, and where it lies in each photo: paths, features, poses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from handful.core.seeds import numpy_stream
from handful.sealer.bead import STEP_MM, Grid, Line, resample
from handful.sealer.presets import Preset
from handful.sealer.sheet import Features

WIDTH_PX, HEIGHT_PX = 658, 490
"""Usual size of a photo: the field of view and the lens are stated for it."""


@dataclass(frozen=True)
class Pose:
    """Where a part lies relative to its nominal place, and how the camera is tilted against it."""

    right_mm: float
    down_mm: float
    turn_deg: float
    """Counter-clockwise in the picture."""
    tilt_right_deg: float
    tilt_down_deg: float


@dataclass(frozen=True)
class View:
    """What one photo shows of the part."""

    path_mm: Line
    """Course of the bead, `STEP_MM` apart, from left to right."""
    features: Features
    upright_grain: bool


class Part:
    """What all photos of one station have in common. Decided by preset and seed."""

    def __init__(self, preset: Preset, seed: int, width: int, height: int) -> None:
        self.preset, self.width, self.height = preset, width, height
        self.unit = min(width / WIDTH_PX, height / HEIGHT_PX)
        """Length of a pixel of the usual size, in pixels of this size."""
        self.pixel_mm = preset.field_mm / WIDTH_PX / self.unit
        self.wide_mm, self.high_mm = width * self.pixel_mm, height * self.pixel_mm
        random = numpy_stream(seed, "sealer part")
        self._nominal = self._course(random)
        self._features = Features(
            edge_y_mm=(random.uniform(0.055, 0.075) - 0.5) * self.high_mm,
            hole_mm=(random.uniform(0.24, 0.34) * self.wide_mm, random.uniform(0.27, 0.30) * self.high_mm),
        )

    def view(self, random: np.random.Generator) -> View:
        """The part in one photo, with the small errors of a dispensing robot, or another place of it."""
        if self.preset.wandering:
            return self._somewhere(random)
        points = self._nominal.copy()
        points[:, 1] += (random.normal(0, 0.012) + random.normal(0, 0.003, len(points))) * self.high_mm
        return View(_smooth(points), self._features, False)

    def pose(self, random: np.random.Generator) -> Pose:
        """How this photo's part lies."""
        preset = self.preset
        shift, turn, tilt = random.normal(0, preset.shift_mm, 2), random.normal(0, preset.turn_deg), preset.tilt_deg
        tilts = random.normal(0, tilt, 2)
        return Pose(*(round(float(value), 4) for value in (*shift, turn, *tilts)))

    def grid(self, pose: Pose) -> Grid:
        """Where each pixel looks: turned, shifted and, by the tilt, in perspective."""
        x = ((np.arange(self.width) - (self.width - 1) / 2) * self.pixel_mm)[None, :]
        y = ((np.arange(self.height) - (self.height - 1) / 2) * self.pixel_mm)[:, None]
        distance_mm = 8 * self.preset.field_mm
        slopes = np.tan(np.deg2rad([pose.tilt_right_deg, pose.tilt_down_deg])) / distance_mm
        scale = 1 / (1 - slopes[0] * x - slopes[1] * y)
        x, y = x * scale - pose.right_mm, y * scale - pose.down_mm
        turn = np.deg2rad(pose.turn_deg)
        return Grid(
            (np.cos(turn) * x - np.sin(turn) * y).astype(np.float32),
            (np.sin(turn) * x + np.cos(turn) * y).astype(np.float32),
            self.pixel_mm,
        )

    def to_picture(self, points_mm: Line, pose: Pose) -> Line:
        """Points on the part -> x and y in pixels of the picture: undoes `grid`."""
        turn = np.deg2rad(pose.turn_deg)
        x = np.cos(turn) * points_mm[:, 0] + np.sin(turn) * points_mm[:, 1] + pose.right_mm
        y = -np.sin(turn) * points_mm[:, 0] + np.cos(turn) * points_mm[:, 1] + pose.down_mm
        distance_mm = 8 * self.preset.field_mm
        slopes = np.tan(np.deg2rad([pose.tilt_right_deg, pose.tilt_down_deg])) / distance_mm
        scale = 1 / (1 + slopes[0] * x + slopes[1] * y)
        middle = np.array([(self.width - 1) / 2, (self.height - 1) / 2])
        pixels: Line = np.stack([x * scale, y * scale], axis=1) / self.pixel_mm + middle
        return pixels

    def _course(self, random: np.random.Generator) -> Line:
        """Seven to nine points of the nominal path, from beyond the left to beyond the right border."""
        kind = self.preset.path
        x = np.linspace(-0.6, 0.6, 7) * self.wide_mm
        phase = random.uniform(0, 2 * np.pi)
        if kind == "straight":
            slope = random.uniform(-0.08, 0.08)
            return np.stack([x, slope * x - 0.04 * self.high_mm], axis=1)
        if kind == "curve":
            wave = np.sin(np.linspace(0, 1.25 * np.pi, 7) + phase)
            return np.stack([x, (-0.04 + 0.13 * wave) * self.high_mm], axis=1)
        radius = random.uniform(0.15, 0.25) * self.high_mm
        corner = np.array([random.uniform(-0.12, 0.0) * self.wide_mm, random.uniform(-0.26, -0.16) * self.high_mm])
        turn = np.linspace(0, np.pi / 2, 5)
        arc = corner + radius * np.stack([np.sin(turn) - 1, 1 - np.cos(turn)], axis=1)
        start = [[-0.6 * self.wide_mm, corner[1]], [-0.3 * self.wide_mm, corner[1]]]
        end = [[corner[0], 0.3 * self.high_mm], [corner[0], 0.6 * self.high_mm]]
        return np.concatenate([start, arc, end])

    def _somewhere(self, random: np.random.Generator) -> View:
        """A close-up of any place along a cover's bead: straight by the edge, a bend, or a corner."""
        reach = 0.8 * np.hypot(self.wide_mm, self.high_mm)
        along = np.arange(-reach, reach, STEP_MM)
        kind = random.choice(["straight", "bend", "corner"], p=[0.45, 0.35, 0.2])
        heading = random.choice([-90, 0, 0, 90]) + random.normal(0, 4)
        width = self.preset.bead_width_mm
        if kind == "straight":
            curvature = np.zeros(len(along))
        elif kind == "bend":
            heading = random.uniform(-90, 90)
            curvature = np.full(len(along), random.choice([-1, 1]) / (width * random.uniform(5, 20)))
        else:
            radius = width * random.uniform(1.3, 2.2)
            curvature = random.choice([-1, 1]) / radius * (np.abs(along - random.normal(0, width)) < radius * np.pi / 4)
        middle = len(along) // 2
        turn = np.cumsum(curvature) * STEP_MM
        turn += np.deg2rad(heading) - turn[middle]
        path = np.cumsum(np.stack([np.cos(turn), np.sin(turn)], axis=1), axis=0) * STEP_MM
        path += random.normal(0, 0.13 * min(self.wide_mm, self.high_mm), 2) - path[middle]
        by_edge = kind != "bend" and random.uniform() < 0.65
        side = random.choice([-1.0, 1.0])
        hole, pressed = None, kind != "corner" and random.uniform() < 0.6
        if kind == "straight" and random.uniform() < 0.35:
            normal = np.array([-np.sin(turn[middle]), np.cos(turn[middle])])
            hole = path[middle] - side * normal * (width * random.uniform(0.6, 1.1) + 4.6)
            pressed = False
        return View(
            path,
            Features(
                hole_mm=None if hole is None else (float(hole[0]), float(hole[1])),
                edge_aside_mm=float(side * width * random.uniform(0.62, 0.95)) if by_edge else None,
                step_aside_mm=float(-side * width * random.uniform(1.4, 2.6)) if pressed else None,
            ),
            bool(random.uniform() < 0.6),
        )


def _smooth(points_mm: Line) -> Line:
    """A smooth course through points, `STEP_MM` apart."""
    at = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points_mm, axis=0).T))])
    fine = CubicSpline(at, points_mm)(np.linspace(0, at[-1], 400))
    return resample(fine)
