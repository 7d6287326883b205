"""A camera: lens blur, falloff, shot and read noise, gain, gamma, 8 bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from handful.core.images import Integers

_FULL_WELL = 9000.0  # electrons of a pixel at radiance 1 and gain 1
_READ_NOISE = 7.0  # electrons, standard deviation
_GAMMA = 2.2
_LENS_BLUR_PX = 0.7
_FALLOFF = 0.16  # light lost in the corners

Radiance = npt.NDArray[np.floating[Any]]


def collect(radiance: Radiance) -> Radiance:
    """Light (c, h, w) on the sensor: blurred by the lens and darker towards the corners. Linear, without noise."""
    _, height, width = radiance.shape
    y, x = np.mgrid[:height, :width]
    from_centre = ((x - (width - 1) / 2) ** 2 + (y - (height - 1) / 2) ** 2) / ((width / 2) ** 2 + (height / 2) ** 2)
    blur = _LENS_BLUR_PX * min(width / 658, height / 490)
    sensor: Radiance = gaussian_filter(radiance, (0, blur, blur)) * (1 - _FALLOFF * from_centre)
    return sensor


def read_out(sensor: Radiance, gain: float, random: np.random.Generator) -> Radiance:
    """Signal (c, h, w), 1 at saturation, still linear and not clipped: gain x (light + shot noise + read noise)."""
    electrons = random.poisson(np.clip(sensor, 0, None) * _FULL_WELL)
    noisy = electrons + random.normal(0, _READ_NOISE, sensor.shape)
    signal: Radiance = gain * noisy / _FULL_WELL
    return signal


def develop(signal: Radiance) -> Integers:
    """Signal (c, h, w) -> 8-bit picture (h, w) or (h, w, 3), gamma 2.2, clipped at saturation."""
    pixels = np.rint(255 * np.clip(signal, 0, 1) ** (1 / _GAMMA)).astype(np.uint8)
    return pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))


def linearise(pixels: Integers) -> Radiance:
    """8-bit picture -> linear signal of the same shape, 1 at saturation: undoes `develop` up to rounding."""
    signal: Radiance = (pixels / 255.0) ** _GAMMA
    return signal
