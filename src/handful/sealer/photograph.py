"""A scene becomes a photo: lamps and room, translucent sealant on metal, lens, sensor.

Light is counted in whites and stays linear up to the sensor. Colour comes in at the very end: the light that each kind
of reflection returns is computed once and tinted by its material.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter, shift
from torch import Tensor
from torch.nn import functional as F

from handful.core.images import Integers
from handful.light.camera import Camera, expose
from handful.light.shade import Material, Shading, shade
from handful.light.shape import height_to_normals
from handful.light.sources import Light
from handful.sealer.bead import Plane
from handful.sealer.part import Part
from handful.sealer.presets import Preset
from handful.sealer.scene import Plan, Scene

Radiance = npt.NDArray[np.float32]
"""(channels, height, width), linear, 1 is white."""

_METAL_MATT, _SEALANT_F0 = 0.10, 0.04
_BRUSHED_ROUGHNESS, _PLAIN_ROUGHNESS = (0.20, 0.55), (0.17, 0.17)  # along and across the grooves
_TABLE, _CLOTH = (0.026, 0.027, 0.031), (0.0150, 0.0165, 0.0245)
_FIBRE = (0.05, 0.05, 0.07)
_DUST = 0.5  # radiance of a bright grain


def lamps(part: Part, plan: Plan) -> tuple[Light, Light]:
    """The lamp and its fill on the other side."""
    preset = part.preset
    main = Light(
        plan.light_azimuth_deg,
        plan.light_elevation_deg,
        preset.lamp,
        preset.lamp_distance_mm,
        preset.lamp_size_deg,
    )
    across = (plan.light_azimuth_deg + 340) % 360 - 180
    fill = Light(across, 55, preset.lamp * preset.fill, preset.lamp_distance_mm, 20, casts_shadow=False)
    return main, fill


def radiance(part: Part, plan: Plan, scene: Scene, around: Surroundings, colour: bool) -> Radiance:
    """Light that leaves the scene towards the camera.

    Args:
        part: of the station.
        plan: of the photo.
        scene: of the photo.
        around: of the photo.
        colour: three channels instead of one.
    """
    preset, cover = part.preset, scene.surface.cover
    normals, white = _white(part, plan, scene, around.room)
    matt, gloss = white.diffuse[0, 0].numpy(), white.specular[0, 0].numpy()
    lean_x, lean_y, upright = normals[0].numpy()
    for azimuth, middle, wide, brightness in around.windows:
        lean = lean_x * np.cos(azimuth) - lean_y * np.sin(azimuth)
        gloss = gloss + cover * brightness * preset.gloss * np.exp(-(((lean - middle) / wide) ** 2))

    spread_px = 0.12 * preset.bead_width_mm / scene.pixel_mm
    inside = _blurred(matt * cover, spread_px) / np.maximum(_blurred(cover, spread_px), 1e-3)
    body = matt + preset.translucency * (inside - matt)
    clear = 0.75 * preset.translucency * upright**9  # looking straight down one sees the sheet through the bead
    rim = 1.4 * preset.translucency * matt * (1 - upright) ** 1.5  # light that the bead guides to its flanks
    width_px = preset.bead_width_mm / scene.pixel_mm
    thrown = 0.6 * _blurred(matt * cover, 0.15 * width_px) + 0.4 * _blurred(matt * cover, 0.6 * width_px)
    thrown = thrown * (1 - cover)  # light of the bead that the metal mirrors
    foreign = scene.surface.foreign
    below = _TABLE if preset.background == "table" else _CLOTH

    channels = []
    for channel in range(3) if colour else (1,):
        sheet, sealant = preset.sheet_colour[channel], preset.sealant_colour[channel]
        metal = sheet * (gloss + _METAL_MATT * matt + thrown * sealant)
        bead = (1 - clear) * sealant * (body + rim) + clear * 0.5 * sheet * matt + gloss
        seen = metal + cover * (bead - metal)
        seen = seen + foreign * (_FIBRE[channel] * matt - seen)
        behind = below[channel] / 0.34 * preset.ambient * scene.background
        seen = behind + scene.sheet * (seen - behind) + _DUST * scene.specks * matt
        channels.append(around.white[channel] * np.clip(seen, 0, None))
    return np.stack(channels).astype(np.float32)


@dataclass(frozen=True)
class Surroundings:
    """What differs from photo to photo around the part, besides lamp and gain."""

    room: Plane
    """Brightness of the room that a flat sheet mirrors, slowly changing over the picture, around 1."""
    windows: tuple[tuple[float, float, float, float], ...]
    """Bright strips that wet sealant mirrors: azimuth in radians, lean of the surface and its width, brightness."""
    white: tuple[float, float, float]
    """Colour of the light."""
    fringe_px: tuple[float, float]
    """How far red lies from green in x and y; blue lies as far on the other side."""
    blur_px: float


def draw_surroundings(part: Part, random: np.random.Generator) -> Surroundings:
    """Draws them for one photo."""
    preset = part.preset
    y, x = np.ogrid[-1 : 1 : part.height * 1j, -1 : 1 : part.width * 1j]
    tilt_x, tilt_y, bow_x, bow_y = random.normal(0, (0.5, 0.5, 0.2, 0.2))
    slope = tilt_x * x + tilt_y * y + bow_x * (x**2 - 0.33) + bow_y * (y**2 - 0.33)
    fringe = random.uniform(-1, 1, 2) * preset.colour_fringe_px * part.unit
    red, blue = random.normal(0, preset.colour_cast, 2)
    windows = tuple(
        (
            random.uniform(-np.pi, np.pi),
            random.uniform(0.05, 0.55),
            random.uniform(0.04, 0.12),
            preset.windows * random.uniform(0.3, 1),
        )
        for _ in range(3)
    )
    return Surroundings(
        room=np.exp(preset.room * slope).astype(np.float32),
        windows=windows,
        white=(1 + red, 1.0, 1 + blue),
        fringe_px=(float(fringe[0]), float(fringe[1])),
        blur_px=float(preset.blur_px * random.lognormal(0, preset.blur_spread) * part.unit),
    )


def through_lens(light: Radiance, part: Part, around: Surroundings) -> Radiance:
    """Light on the sensor: colours apart, blurred, veiled, darker towards the corners.

    Args:
        light: (c, h, w).
        part: of the station.
        around: of the photo.
    """
    preset = part.preset
    _, height, width = light.shape
    if len(light) == 3 and max(map(abs, around.fringe_px)) > 0.05:
        move = around.fringe_px[::-1]
        light = np.stack(
            [
                shift(light[0], move, order=1, mode="nearest"),
                light[1],
                shift(light[2], (-move[0], -move[1]), order=1, mode="nearest"),
            ]
        )
    sharp = gaussian_filter(light, (0, around.blur_px, around.blur_px), truncate=3)
    wide = _coarse_blur(sharp, 0.05 * min(height, width))
    y, x = np.ogrid[:height, :width]
    from_centre = ((x - (width - 1) / 2) ** 2 + (y - (height - 1) / 2) ** 2) / ((width / 2) ** 2 + (height / 2) ** 2)
    sensor: Radiance = (sharp + preset.veil * (wide - sharp)) * (1 - preset.falloff * from_centre).astype(np.float32)
    return sensor


def take(sensor: Radiance, part: Part, gain: float, random: torch.Generator) -> Integers:
    """The photo, 8 bit, (h, w) or (h, w, 3)."""
    preset = part.preset
    camera = camera_of(preset, gain)
    _, height, width = sensor.shape
    light = torch.from_numpy(sensor)
    if preset.enlarged > 1:
        small = (max(8, round(height / preset.enlarged)), max(8, round(width / preset.enlarged)))
        light = F.interpolate(light[None], small, mode="area")[0]
    codes = expose(light, camera, random).to(torch.uint8).numpy()
    pixels = codes[0] if len(codes) == 1 else np.ascontiguousarray(codes.transpose(1, 2, 0))
    if preset.enlarged == 1:
        return pixels
    picture = Image.fromarray(pixels)
    if picture.mode == "RGB":  # such cameras keep colour coarser than brightness
        luma, *colours = picture.convert("YCbCr").split()
        coarse = [plane.reduce(3).resize(plane.size, Image.Resampling.BICUBIC) for plane in colours]
        picture = Image.merge("YCbCr", [luma, *coarse]).convert("RGB")
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))


def camera_of(preset: Preset, gain: float) -> Camera:
    """The station's camera at one gain."""
    return Camera(
        gain=gain,
        gamma=preset.gamma,
        full_well_electrons=preset.full_well_electrons,
        read_noise_electrons=preset.read_noise_electrons,
    )


def _white(part: Part, plan: Plan, scene: Scene, room: Plane) -> tuple[Tensor, Shading]:
    """Normals, and both layers of a scene whose matt part is white."""
    preset = part.preset
    height = torch.from_numpy(scene.height_mm)[None, None]
    cover = torch.from_numpy(scene.surface.cover)[None, None]
    normals = height_to_normals(height, scene.pixel_mm)
    metal = _BRUSHED_ROUGHNESS if preset.brushed else _PLAIN_ROUGHNESS
    wet = 0.12 + 0.5 * (1 - preset.gloss)
    along, across = (value + (wet - value) * cover for value in metal)
    material = Material(
        albedo=1.0,
        roughness=along,
        f0=1 + (_SEALANT_F0 - 1) * cover,  # the metal's reflectance is its colour
        roughness_across=across if preset.brushed else None,
        brushing_deg=-plan.pose.turn_deg + (90.0 if plan.view.upright_grain else 0.0),
    )
    # the metal mirrors the room: brighter towards the lamp and to its sides
    towards = lamps(part, plan)[0].direction(height)[:, :2]
    lean = (normals[:, :2] * towards).sum(dim=1, keepdim=True)
    bright = (1 + 3.5 * lean + 4 * (1 - normals[:, 2:])).clamp(0.2, 4)
    mirrored = preset.mirrored * torch.from_numpy(room)[None, None] * bright
    ambient = preset.ambient * (1 + (1 - cover) * (mirrored - 1))
    coarser = 2 if min(height.shape[2:]) >= 128 else 1
    return normals, shade(height, scene.pixel_mm, material, lamps(part, plan), ambient, coarser=coarser)


def _blurred(plane: Plane, sigma_px: float) -> Plane:
    blurred: Plane = _coarse_blur(plane[None], sigma_px)[0]
    return blurred


def _coarse_blur(planes: Radiance, sigma_px: float) -> Radiance:
    """A wide Gaussian blur of (c, h, w), computed on a picture so small that the blur is about two pixels."""
    _, height, width = planes.shape
    factor = max(1, int(sigma_px / 2))
    if factor == 1:
        sharp: Radiance = gaussian_filter(planes, (0, sigma_px, sigma_px), truncate=3)
        return sharp
    small = F.avg_pool2d(torch.from_numpy(planes)[None], factor, ceil_mode=True, count_include_pad=False)
    soft = gaussian_filter(small[0].numpy(), (0, sigma_px / factor, sigma_px / factor), truncate=3)
    large = F.interpolate(torch.from_numpy(soft)[None], scale_factor=float(factor), mode="bilinear")
    blurred: Radiance = large[0, :, :height, :width].numpy()
    return blurred
