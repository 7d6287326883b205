"""What is known of a rendered photo: numbers for station.json, and planes for the folder beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from handful.core.images import png_bytes
from handful.light.shape import height_to_normals
from handful.sealer.bead import STEP_MM, Line
from handful.sealer.part import Part
from handful.sealer.scene import Plan, Scene

HEIGHT_UNIT_MM, HEIGHT_ZERO = 0.0002, 20000
"""height in mm = (code - zero) x unit: from -4 to 9 mm in steps of 0.2 um."""
PLANES: dict[str, str] = {
    "height": f"16 bit: mm = (code - {HEIGHT_ZERO}) x {HEIGHT_UNIT_MM}; what the camera sees, grain included",
    "normals": "8 bit RGB: x right, y down, z to the camera = code / 127.5 - 1",
    "bead": "8 bit: 255 where sealant or a foreign body covers at least half of the pixel",
    "defect": "8 bit: 255 where the surface differs from that of the flawless bead",
}
_PATH_POINTS = 33


def truth_row(name: str, part: Part, plan: Plan) -> dict[str, Any]:
    """What station.json says of one photo; lengths in mm on the part, places in pixels of the photo."""
    path = part.to_picture(plan.bead.path_mm, plan.pose)
    every = max(1, len(path) // (_PATH_POINTS - 1))
    return {
        "file": name,
        "class": plan.defects[0].kind if plan.defects else "good",
        "light_azimuth_deg": plan.light_azimuth_deg,
        "light_elevation_deg": plan.light_elevation_deg,
        "light_distance_mm": part.preset.lamp_distance_mm,
        "gain": plan.gain,
        "bead_width_mm": plan.bead.width_mm,
        "bead_width_px": round(plan.bead.width_mm / part.pixel_mm, 3),
        "contact_angle_deg": plan.bead.contact_angle_deg,
        "right_mm": plan.pose.right_mm,
        "down_mm": plan.pose.down_mm,
        "turn_deg": plan.pose.turn_deg,
        "tilt_right_deg": plan.pose.tilt_right_deg,
        "tilt_down_deg": plan.pose.tilt_down_deg,
        "path_px": np.round(path[::every], 2).tolist(),
        "defects": [
            {
                "kind": defect.kind,
                "size_mm": defect.size_mm,
                "strength": defect.strength,
                "at_px": np.round(_place(path, defect.along_mm), 2).tolist(),
            }
            for defect in plan.defects
        ],
    }


def planes(scene: Scene) -> dict[str, bytes]:
    """The planes of one photo as PNG files."""
    codes = np.clip(np.rint(scene.height_mm / HEIGHT_UNIT_MM) + HEIGHT_ZERO, 0, 65535)
    normals = height_to_normals(torch.from_numpy(scene.height_mm)[None, None], scene.pixel_mm)[0].numpy()
    colours = np.rint((normals.transpose(1, 2, 0) + 1) * 127.5)
    covered = np.maximum(scene.surface.cover, scene.surface.foreign) >= 0.5
    defect = np.zeros(covered.shape, bool)
    for mask in scene.defect_masks:
        defect |= mask
    return {
        "height": png_bytes(codes.astype(np.uint16), 16),
        "normals": png_bytes(colours.astype(np.uint8), 8),
        "bead": png_bytes((255 * covered).astype(np.uint8), 8),
        "defect": png_bytes((255 * defect).astype(np.uint8), 8),
    }


def _place(path: Line, along_mm: float) -> Line:
    place: Line = path[min(int(along_mm / STEP_MM), len(path) - 1)]
    return place
