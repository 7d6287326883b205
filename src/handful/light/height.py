"""Height from what a photo and its mask say: a bead's cross-section, or shape from shading.

Both are assumptions made visible. One picture fixes a surface only up to its scale (the bas-relief ambiguity:
Belhumeur, Kriegman, Yuille 1999): a flatter part under a lower light looks the same.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import distance_transform_edt, gaussian_filter, maximum_filter
from torch import Tensor

from handful.core.decode import UnreadablePhoto, decode_photo
from handful.core.errors import UserError

CONTACT_ANGLES_DEG = (5.0, 120.0)
_STEEPEST_DEG = 60.0  # of a surface from shading
_FOOT_BLUR_PX = 1.0
_OUTLINE_BLUR, _RIDGE_BLUR = 0.1, 0.05  # of the bead's half-width
_BORDER = 0.01  # of the short side
_SHORTEST_PX, _LONGEST_SHARE = 4.0, 0.25  # wavelengths that shading is trusted with: above noise, below falloff
_NOISE = 0.05  # of the strongest response; keeps directions across the light, which shading does not show, small


def bead_height(mask: npt.NDArray[np.bool_], contact_angle_deg: float = 45.0, pixel_mm: float = 1.0) -> Tensor:
    """A bead as a circular cap over its mask, (1, 1, h, w) in mm, 0 outside.

    With half-width a at the foot and contact angle t the cap has the radius R = a / sin t, and at the distance r from
    the centre line the height sqrt(R^2 - r^2) - R cos t. Distances to the foot come from the mask's distance transform;
    a is the largest of them around each pixel. The outline is smoothed first, over a tenth of the half-width, and the
    bead runs out of the picture where the mask ends within a hundredth of its border. Above 90 degrees the overhang is
    cut off by the view from above.

    Args:
        mask: (h, w), True on the bead; it may run out of the picture.
        contact_angle_deg: between the sheet and the bead's flank, an assumption.
        pixel_mm: side of a pixel on the part.

    Raises:
        UserError: an empty or full mask, or an angle out of range.
    """
    check_contact_angle(contact_angle_deg)
    if not mask.any() or mask.all():
        raise UserError(
            f"The mask marks {mask.mean():.0%} of the picture.",
            "A mask marks the bead (not 0) and leaves the sheet (0): neither nothing nor all.",
            "Give the mask of the bead.",
        )
    outline = _even_outline(mask)
    to_foot: npt.NDArray[np.float64] = np.clip(distance_transform_edt(outline) - 0.5, 0, None)  # to the pixels' edge
    reach = max(1, math.ceil(to_foot.max()))
    half = maximum_filter(to_foot, 2 * reach + 1)
    weight = gaussian_filter(outline.astype(np.float64), reach / 2)
    half = np.maximum(gaussian_filter(half * outline, reach / 2) / np.maximum(weight, 1e-9), 0.5)
    angle = math.radians(contact_angle_deg)
    from_centre = np.clip(half - to_foot, 0, half)
    if contact_angle_deg <= 90:
        radius, base = half / math.sin(angle), half / math.tan(angle)
    else:  # the widest place, seen from above, is the equator
        radius, base = half, half * math.cos(angle)
    cap = np.sqrt(np.maximum(radius**2 - from_centre**2, 0)) - base
    blur = max(_FOOT_BLUR_PX, _RIDGE_BLUR * reach)  # distances to a bent outline have creases
    return torch.from_numpy(gaussian_filter(np.where(outline, cap, 0.0), blur) * pixel_mm)[None, None]


def _even_outline(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The mask without the jags of a thresholded outline, and without ends just before the picture's border."""
    margin = max(1, round(_BORDER * min(mask.shape)))
    whole = np.pad(mask[margin:-margin, margin:-margin], margin, mode="edge")
    if not whole.any():
        whole = mask
    blur = _OUTLINE_BLUR * float(distance_transform_edt(whole).max())
    smooth: npt.NDArray[np.bool_] = gaussian_filter(whole.astype(np.float64), blur, mode="nearest") > 0.5
    return smooth if smooth.any() else whole


def shading_height(photo: Tensor, azimuth_deg: float, elevation_deg: float, pixel_mm: float = 1.0) -> Tensor:
    """A surface that would shade like the photo, (1, 1, h, w) in mm: linear shape from shading.

    To first order in the slopes p, q a matt surface is as bright as 1 - (p l_x + q l_y) / l_z (Pentland 1990), which
    turns into a division of Fourier transforms; it is regularised where the light shows nothing. Paint, dirt and gloss
    are read as slope, a light from the other side would turn hills into hollows, and the scale is a guess.

    Args:
        photo: (1, h, w) or (3, h, w) linear light.
        azimuth_deg, elevation_deg: of the light in the photo; it must be known. Elevation above 0, below 90.
        pixel_mm: side of a pixel on the part.
    """
    grey = photo.double().mean(0).numpy()
    height, width = grey.shape
    slow = gaussian_filter(grey, _LONGEST_SHARE * min(height, width) / 2)
    contrast = np.clip(grey / np.maximum(slow, 1e-4) - 1, -1, 1)
    contrast = contrast - gaussian_filter(contrast, _LONGEST_SHARE * min(height, width) / 2)
    mirrored = np.pad(contrast, ((0, height), (0, width)), mode="symmetric")
    fy, fx = np.meshgrid(np.fft.fftfreq(2 * height), np.fft.fftfreq(2 * width), indexing="ij")
    azimuth, elevation = math.radians(azimuth_deg), math.radians(elevation_deg)
    light_x, light_y = math.cos(azimuth) / math.tan(elevation), -math.sin(azimuth) / math.tan(elevation)
    response = -2j * np.pi * (fx * light_x + fy * light_y)
    power = np.abs(response) ** 2
    passed = np.hypot(fx, fy) < 1 / _SHORTEST_PX
    noise = (_NOISE * np.abs(response[passed]).max()) ** 2 + 1e-12
    spectrum = np.fft.fft2(mirrored) * np.conj(response) / (power + noise) * passed
    surface = np.fft.ifft2(spectrum).real[:height, :width]
    slope = np.quantile(np.hypot(*np.gradient(surface)), 0.99)
    surface = surface * min(1.0, math.tan(math.radians(_STEEPEST_DEG)) / max(float(slope), 1e-9))
    return torch.from_numpy((surface - surface.min()) * pixel_mm)[None, None]


def check_contact_angle(contact_angle_deg: float) -> None:
    """Raises UserError unless the angle is one that a bead can have."""
    least, most = CONTACT_ANGLES_DEG
    if not least <= contact_angle_deg <= most:
        raise UserError(
            f"The contact angle is {contact_angle_deg:g} degrees.",
            f"It lies from {least:g} to {most:g}: 20 to 90 for sealant on metal.",
            "Give another --contact-angle.",
        )


def read_height(path: Path, unit_mm: float) -> Tensor:
    """A height file as (1, 1, h, w) in mm: .npy (h, w) in mm, or an integer grey picture in steps of `unit_mm`.

    Raises:
        UserError: unreadable, not grey, or with values that are not finite.
    """
    try:
        plane = np.load(path) if path.suffix == ".npy" else decode_photo(path).pixels * unit_mm
    except (OSError, ValueError, UnreadablePhoto) as error:
        reason = error.reason if isinstance(error, UnreadablePhoto) else str(error)
        raise _no_height(path, f"cannot be read: {reason}") from None
    if plane.ndim != 2 or plane.dtype.kind not in "fiu":
        raise _no_height(path, f"holds {plane.dtype} of the shape {plane.shape}")
    height = torch.from_numpy(plane.astype(np.float64))[None, None]
    unknown = int((~torch.isfinite(height)).sum())
    if unknown:
        raise _no_height(path, f"has {unknown} of {height.numel()} values that are not finite (NaN or infinite)")
    return height


def _no_height(path: Path, what: str) -> UserError:
    return UserError(
        f"The height file {path} {what}.",
        "A height is one finite number a pixel: .npy (h, w) in mm, or a grey picture in steps of --height-unit-mm.",
        "Fill the gaps, or give the mask alone: then a bead's cross-section is assumed.",
    )
