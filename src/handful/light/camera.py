"""A camera: linear radiance to integer codes and back.

Noise model of EMVA 1288: electrons arrive with shot noise (variance = their number), reading adds its own, the gain
turns them into a signal; then black level, gamma and quantisation. Shot noise is drawn as a normal number of the
same variance, which is close from about twenty electrons and keeps the way differentiable.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from handful.core.errors import UserError


@dataclass(frozen=True)
class Camera:
    """What lies between light and file."""

    gain: float = 1.0
    """Signal, in shares of full scale, for radiance 1; above 0. At 1 a white just saturates."""
    gamma: float = 2.2
    """Codes grow with the signal to the power 1 / gamma; 1 is a linear camera. 0.2 to 5."""
    black_level: float = 0.0
    """Share of full scale that is written without light, 0 to 0.5."""
    bit_depth: int = 8
    """Bits of a code, 8 to 16."""
    full_well_electrons: float = 10000.0
    """Electrons that fill the scale at gain 1: fewer mean more shot noise. `math.inf`: no shot noise."""
    read_noise_electrons: float = 5.0
    """Standard deviation of reading, from 0."""

    def __post_init__(self) -> None:
        _check("gain", self.gain, 1e-6, 1e6)
        _check("gamma", self.gamma, 0.2, 5)
        _check("black level", self.black_level, 0, 0.5)
        _check("bit depth", self.bit_depth, 8, 16)
        _check("full well in electrons", self.full_well_electrons, 1, math.inf)
        _check("read noise in electrons", self.read_noise_electrons, 0, 1e6)

    @property
    def top_code(self) -> int:
        """The largest code: 255 at 8 bit."""
        return int(2**self.bit_depth - 1)


def signal(linear: Tensor, camera: Camera, random: torch.Generator | None = None) -> Tensor:
    """Radiance -> signal in shares of full scale, linear, noisy, neither clipped nor quantised; differentiable.

    Args:
        linear: radiance of any shape, 1 is white.
        camera: the camera.
        random: a CPU generator for the noise; None is a camera without noise.
    """
    clean = linear * camera.gain
    if random is None:
        return clean
    drawn = torch.randn(linear.shape, generator=random, dtype=linear.dtype).to(linear.device)
    scale = camera.gain / camera.full_well_electrons  # signal of one electron; 0 for an endless well
    variance = linear.clamp_min(0) * camera.gain * scale
    if math.isfinite(camera.full_well_electrons):
        variance = variance + (camera.read_noise_electrons * scale) ** 2
    return clean + drawn * (variance + 1e-20).sqrt()


def expose(linear: Tensor, camera: Camera, random: torch.Generator | None = None) -> Tensor:
    """Radiance -> the codes that the camera writes, int32 in 0 ... 2**bit_depth - 1, clipped at both ends.

    Args: those of `signal`.
    """
    with torch.no_grad():
        value = signal(linear, camera, random).clamp(0, 1) ** (1 / camera.gamma)
        level = camera.black_level + (1 - camera.black_level) * value
        return (level * camera.top_code).round().to(torch.int32)


def linearise(codes: Tensor, camera: Camera, dtype: torch.dtype = torch.float32) -> Tensor:
    """Codes -> radiance, 1 is white: undoes `expose` up to noise and rounding. Clipped pixels are only a bound.

    Raises:
        UserError: a code above 2**bit_depth - 1.
    """
    if codes.numel() and int(codes.max()) > camera.top_code:
        raise UserError(
            f"A pixel has the value {int(codes.max())}.",
            f"At {camera.bit_depth} bit the largest value is {camera.top_code}.",
            "State the camera's bit depth.",
        )
    level = codes.to(dtype) / camera.top_code
    value = ((level - camera.black_level) / (1 - camera.black_level)).clamp_min(0)
    return value**camera.gamma / camera.gain


def clipped(codes: Tensor, camera: Camera) -> Tensor:
    """True where the true radiance is unknown: at the top of the scale, or at or below the black level of 0 light."""
    return (codes >= camera.top_code) | (codes <= round(camera.black_level * camera.top_code))


def _check(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise UserError(
            f"The camera's {name} is {value:g}.",
            f"It must lie from {least:g} to {most:g}.",
            f"Give another {name}.",
        )
