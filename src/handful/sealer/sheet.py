"""The part that the bead lies on: a sheet with its edge, embossing and hole, its grain, scratches and dust."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter, uniform_filter1d

from handful.sealer.bead import Grid, Plane


@dataclass(frozen=True)
class Features:
    """Shape of the part. Lengths in mm; None: the part has no such feature in this view."""

    edge_y_mm: float | None = None
    """A straight edge above: the part lies below it."""
    hole_mm: tuple[float, float] | None = None
    """Centre of a hole of 3.7 mm diameter in an embossed ring."""
    edge_aside_mm: float | None = None
    """An edge that follows the bead, so far to its side; negative to the left of its course."""
    step_aside_mm: float | None = None
    """A pressed step that follows the bead, so far to its side."""


@dataclass(frozen=True)
class Ground:
    """A sheet without a bead."""

    height_mm: Plane
    """Pressed shape, without grain."""
    sheet: Plane
    """Share of the pixel that is sheet, 0 to 1; the rest is hole or background."""


def press(features: Features, grid: Grid, aside_mm: Plane | None) -> Ground:
    """The pressed sheet.

    Args:
        features: of the part.
        grid: where the pixels look.
        aside_mm: signed distance of each pixel to the bead's path; needed where a feature follows the bead.
    """
    height = np.zeros(grid.x_mm.shape, np.float32)
    sheet = np.ones(grid.x_mm.shape, np.float32)
    if features.edge_y_mm is not None:
        from_edge = grid.y_mm - features.edge_y_mm
        sheet *= _covered(from_edge, grid)
        height -= 0.24 * np.exp(-np.clip(from_edge, 0, None) / 0.18)
    if features.hole_mm is not None:
        from_hole = np.hypot(grid.x_mm - features.hole_mm[0], grid.y_mm - features.hole_mm[1])
        sheet *= _covered(from_hole - 1.85, grid)
        height += 0.42 * smooth_step((4.5 - from_hole) / 1.2) + 0.2 * smooth_step((2.2 - from_hole) / 0.42)
    if aside_mm is not None and features.edge_aside_mm is not None:
        inward = (features.edge_aside_mm - aside_mm) * np.sign(features.edge_aside_mm)
        sheet *= _covered(inward, grid)
        height -= 0.12 * np.exp(-np.clip(inward, 0, None) / 0.05)
    if aside_mm is not None and features.step_aside_mm is not None:
        height += 0.06 * smooth_step((aside_mm - features.step_aside_mm) / 0.5 + 0.5)
    return Ground(height, sheet)


def grain(random: np.random.Generator, shape: tuple[int, int], brushed: bool, pixel_mm: float, upright: bool) -> Plane:
    """Height of the sheet's grain in mm: grooves along x where brushed (standard deviation 2.6 um), else faint rolling.

    Args:
        random: its own stream.
        shape: (height, width).
        brushed: deep grooves, or the faint grain of a rolled sheet.
        pixel_mm: grooves are as long on the part whatever the size of the picture.
        upright: grooves along y instead.
    """
    height, width = shape[::-1] if upright else shape
    noise = random.standard_normal((height, width), np.float32)
    scale = 0.061 / pixel_mm
    fine = gaussian_filter(noise, (0.5, 14 * scale), mode="wrap", truncate=2.5)
    rough = gaussian_filter(noise[:, ::-1], 0.6, mode="wrap", truncate=2.5)
    if brushed:
        along = max(3, min(round(200 * scale), width))
        long = uniform_filter1d(gaussian_filter(noise[::-1], (0.8, 0), mode="wrap"), along, axis=1, mode="wrap")
        mixed = 0.75 * _unit(fine) + 0.55 * _unit(long) + 0.35 * _unit(rough)
        depth_mm = 0.0026 * min(1.0, pixel_mm / 0.061)
    else:
        short = gaussian_filter(noise[::-1], (1.3, 5.0), mode="wrap", truncate=2.5)
        mixed = 0.3 * _unit(fine) + 1.0 * _unit(short) + 0.3 * _unit(rough)
        depth_mm = 0.0016 * min(1.0, pixel_mm / 0.016)
    return np.ascontiguousarray(mixed.T if upright else mixed) * np.float32(depth_mm)


def specks(random: np.random.Generator, grid: Grid, dust_per_cm2: float, scratches_per_cm2: float) -> Plane:
    """Dust and scratches as added brightness, about -0.3 to 1: grains, fibres, and fine lines, brighter or darker."""
    height, width = grid.x_mm.shape
    area_cm2 = height * width * (grid.pixel_mm / 10) ** 2
    canvas = Image.new("F", (width, height), 0.0)
    draw = ImageDraw.Draw(canvas)
    for _ in range(random.poisson(dust_per_cm2 * area_cm2)):
        x, y, size_mm = random.uniform(0, width), random.uniform(0, height), 0.045 * random.lognormal(0, 0.6)
        light = float(random.choice([0.55, 0.3, -0.25], p=[0.45, 0.4, 0.15]) * random.uniform(0.4, 1.2))
        half = size_mm / 2 / grid.pixel_mm
        if random.uniform() < 0.15:
            turn, far = random.uniform(0, np.pi), 4 * half
            draw.line([x, y, x + far * np.cos(turn), y + far * np.sin(turn)], fill=light, width=1)
        elif half < 0.5:
            draw.point([x, y], fill=light * 4 * half**2)
        else:
            flat = half * random.uniform(0.5, 1)
            draw.ellipse([x - half, y - flat, x + half, y + flat], fill=light)
    for _ in range(random.poisson(scratches_per_cm2 * area_cm2)):
        x, y, turn = random.uniform(0, width), random.uniform(0, height), random.normal(0, 0.5)
        long = random.lognormal(0.3, 0.6) / grid.pixel_mm
        light = float(random.choice([0.12, -0.1]) * random.uniform(0.3, 1.2) * min(1.0, 0.03 / grid.pixel_mm))
        draw.line([x, y, x + long * np.cos(turn), y + long * np.sin(turn)], fill=light, width=1)
    drawn: Plane = gaussian_filter(np.asarray(canvas), 0.6, truncate=3)
    return drawn


def cloth(random: np.random.Generator, grid: Grid) -> Plane:
    """Brightness of dark knitted cloth, mean about 1: rows of slanted loops, each of its own height, and fluff."""
    shape = grid.x_mm.shape
    scale = random.uniform(1.2, 1.7)
    row_mm, loop_mm = 0.40 * scale, 0.58 * scale
    slow = gaussian_filter(random.standard_normal(shape, np.float32), 0.35 / grid.pixel_mm, truncate=2)
    bend = 0.07 * slow / max(float(slow.std()), 1e-9)
    across = (grid.y_mm + bend) / row_mm
    row = np.floor(across)
    shift = np.mod(np.sin(row * 12.9898) * 43758.5453, 1)  # a steady shift for each row
    along = (grid.x_mm + 0.6 * bend + 0.16 * (across - row)) / loop_mm + shift
    loop = np.floor(along)
    lift = np.mod(np.sin(row * 78.233 + loop * 37.719) * 24634.6345, 1)
    in_row, in_loop = across - row - 0.5, along - loop - 0.5
    shape_of = np.exp(-((in_loop / 0.36) ** 2) - ((in_row + 0.5 * in_loop**2) / 0.24) ** 2)
    fluff = gaussian_filter(random.standard_normal(shape, np.float32), 2.0, truncate=2)
    fluff /= max(float(fluff.std()), 1e-9)
    woven = (1.0 + 2.6 * lift**2) * shape_of * np.clip(1 + 0.8 * fluff, 0, None)
    lit: Plane = (0.5 + woven + 0.5 * np.clip(fluff - 0.3, 0, 3) ** 2).astype(np.float32)
    return lit


def smooth_step(t: Plane) -> Plane:
    """From 0 at t = 0 to 1 at t = 1."""
    t = np.clip(t, 0, 1)
    step: Plane = t * t * (3 - 2 * t)
    return step


def _covered(distance_mm: Plane, grid: Grid) -> Plane:
    """Coverage of a pixel by a half plane: 0 outside, 1 inside, linear over one pixel."""
    covered: Plane = np.clip(distance_mm / grid.pixel_mm + 0.5, 0, 1)
    return covered


def _unit(plane: Plane) -> Plane:
    scaled: Plane = plane / max(float(plane.std()), 1e-12)
    return scaled
