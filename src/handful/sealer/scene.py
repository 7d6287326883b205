"""One photo's scene: the sheet, the bead on it with its defects, what lies on both, and where the camera looks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from handful.core.seeds import numpy_stream
from handful.sealer.bead import Bead, Grid, Line, Plane, draw_bead, signed_distance
from handful.sealer.defects import Defect, DefectSettings, Surface, draw_defects, lay_with_defects
from handful.sealer.part import Part, Pose, View
from handful.sealer.sheet import cloth, grain, press, specks

_WELL_INSIDE = 0.12  # share of the picture's sides in which no defect begins


@dataclass(frozen=True)
class Plan:
    """All that is decided about a photo before anything is rendered."""

    pose: Pose
    view: View
    bead: Bead
    """Flawless."""
    defects: list[Defect]
    light_azimuth_deg: float
    light_elevation_deg: float
    gain: float


@dataclass(frozen=True)
class Scene:
    """Everything light can fall on; planes are (height, width) in float32."""

    height_mm: Plane
    """Of the surface that the camera sees, grain included."""
    surface: Surface
    """The bead with its defects."""
    sheet: Plane
    """Share of the pixel that is sheet, sealant or foreign body; the rest is hole or background."""
    specks: Plane
    """Dust and scratches as added brightness."""
    background: Plane
    """Brightness of what lies below, mean about 1."""
    defect_masks: list[npt.NDArray[np.bool_]]
    """One for each defect of the plan."""
    pixel_mm: float


def plan(part: Part, seed: int, index: int, defects: DefectSettings | None) -> Plan:
    """Draws photo `index`: a function of part, seed, index and defect settings alone."""
    preset = part.preset
    random = numpy_stream(seed, "sealer conditions", index)
    pose, view = part.pose(random), part.view(random)
    width_mm = max(0.2 * preset.bead_width_mm, random.normal(preset.bead_width_mm, preset.bead_width_spread_mm))
    bead = draw_bead(
        view.path_mm, round(width_mm, 4), preset.contact_angle_deg, preset.pitch_mm, preset.unevenness, random
    )
    azimuth = (random.normal(preset.azimuth_deg, preset.azimuth_spread_deg) + 180) % 360 - 180
    elevation, gain = random.uniform(*preset.elevation_deg), random.uniform(*preset.gain)
    kind = defects.kind_of(index) if defects else None
    found: list[Defect] = []
    if defects and kind:
        inside = _well_inside(part.to_picture(bead.path_mm, pose), part)
        found = draw_defects(defects, kind, bead, inside, numpy_stream(seed, "sealer defects", index))
    return Plan(pose, view, bead, found, round(azimuth, 2), round(elevation, 2), round(gain, 4))


def build(part: Part, plan: Plan, seed: int, index: int) -> Scene:
    """The plan as planes."""
    preset, grid = part.preset, part.grid(plan.pose)
    random = numpy_stream(seed, "sealer photo", index)
    features = plan.view.features
    follows = features.edge_aside_mm is not None or features.step_aside_mm is not None
    ground = press(features, grid, signed_distance(plan.view.path_mm, grid) if follows else None)
    surface, masks = lay_with_defects(plan.bead, plan.defects, grid, numpy_stream(seed, "sealer defect shapes", index))
    covered = np.maximum(surface.cover, surface.foreign)
    sheet_grain = grain(random, ground.sheet.shape, preset.brushed, grid.pixel_mm, plan.view.upright_grain)
    return Scene(
        height_mm=ground.height_mm + surface.height_mm + sheet_grain * (1 - covered),
        surface=surface,
        sheet=np.maximum(ground.sheet, covered),
        specks=specks(random, grid, preset.dust_per_cm2, preset.scratches_per_cm2),
        background=_background(preset.background, grid, random, float(ground.sheet.min())),
        defect_masks=masks,
        pixel_mm=grid.pixel_mm,
    )


def _background(kind: str, grid: Grid, random: np.random.Generator, least_sheet: float) -> Plane:
    if kind == "cloth" and least_sheet < 1:
        return cloth(random, grid)
    return np.ones(grid.x_mm.shape, np.float32)


def _well_inside(pixels: Line, part: Part) -> npt.NDArray[np.bool_]:
    x, y = pixels[:, 0] / part.width, pixels[:, 1] / part.height
    low, high = _WELL_INSIDE, 1 - _WELL_INSIDE
    inside: npt.NDArray[np.bool_] = (x > low) & (x < high) & (y > low) & (y < high)
    return inside
