"""The finish of the sheet under the bead: how much of its light comes back matt, how much as sheen.

A flat sheet has one normal, so one photo shows one value of its reflection and does not say how that changes with the
light. Photos under several lights do: the bead tells where the lamp stood, and the sheet's brightness beside the bead's
follows albedo * (lamp + sky) + f0 * (sheen + sky), with one roughness for all. GGX as in `reflect.py`; the grooves of
brushed metal are not told from even roughness.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from scipy.optimize import nnls

from handful.core.config import Settings
from handful.core.errors import UserError
from handful.light.fit import FittedLight
from handful.light.reflect import ggx
from handful.light.shade import Material

LEAST_PHOTOS, LEAST_RANGE_DEG = 4, 10.0
_ROUGHNESSES = np.geomspace(0.1, 1.0, 24)
_REFLECTED = 0.75  # albedo and f0 together: only their ratio is known
_F0 = 0.5  # at which sheens are compared: but for light that bounces between facets they grow in proportion to it
_MATT_AS_GOOD, _MATT_GOOD = 1.1, 0.01
"""A matt sheet is taken where its error is at most so many times that of the best finish, or so small."""


class Finish(Settings):
    """What a sheet does with light; albedo and f0 count relative to each other."""

    albedo: float = Field(ge=0, le=1)
    """Matt."""
    f0: float = Field(ge=0, le=1)
    """Sheen at normal incidence: 0 matt, 0.5 to 0.9 metal."""
    roughness: float = Field(gt=0, le=1)
    """GGX alpha: 0.2 to 0.5 brushed metal."""

    def material(self) -> Material:
        return Material(self.albedo, self.roughness, self.f0)


@dataclass(frozen=True)
class FoundFinish:
    """What photos under several lights say about their sheet."""

    finish: Finish | None
    """None where a matt sheet explains them about as well."""
    error: float
    """Root mean square of sheet brightness / model - 1."""
    matt_error: float
    """The same of a matt sheet."""

    def words(self) -> str:
        if self.finish is None:
            return f"The sheet is taken as matt, which explains its brightness to {self.matt_error:.1%}."
        one = self.finish
        return (
            f"The sheet's finish, from its brightness under all lights: albedo {one.albedo:.2f}, f0 {one.f0:.2f} "
            f"(relative to each other), roughness {one.roughness:.2f}. It explains the brightness to {self.error:.1%}, "
            f"a matt sheet to {self.matt_error:.1%}."
        )


def parse_finish(text: str) -> Finish:
    """'0.25,0.5,0.4' as albedo, f0, roughness."""
    try:
        albedo, f0, roughness = (float(part) for part in text.split(","))
        if not (0 <= albedo <= 1 and 0 <= f0 <= 1 and 0 < roughness <= 1 and albedo + f0 > 0):
            raise ValueError
    except ValueError:
        raise UserError(
            f"The sheet is '{text}'.",
            "It is matt, fit, or ALBEDO,F0,ROUGHNESS: shares of the light from 0 to 1, roughness above 0 to 1.",
            "Give for example --sheet 0.25,0.5,0.4, or --sheet fit with photos under several lights.",
        ) from None
    return Finish(albedo=albedo, f0=f0, roughness=roughness)


def fit_finish(lights: Sequence[FittedLight]) -> FoundFinish:
    """The finish under which the sheet is as bright in every photo as it is.

    Args:
        lights: of photos of one station, each fitted beside a matt sheet.

    Raises:
        UserError: fewer than 4 photos, or lights from much the same elevation.
    """
    seen = [light for light in lights if light.bead > 0 and light.sheet > 0]
    elevations = np.array([light.elevation_deg for light in seen])
    spread = float(np.ptp(elevations)) if len(seen) else 0.0
    if len(seen) < LEAST_PHOTOS or spread < LEAST_RANGE_DEG:
        raise UserError(
            f"The sheet's finish was to be found from {len(seen)} photo(s) whose lamps differ by {spread:.1f} degrees "
            "of elevation.",
            f"It takes at least {LEAST_PHOTOS} photos over at least {LEAST_RANGE_DEG:g} degrees.",
            "State the finish (--sheet ALBEDO,F0,ROUGHNESS), or give photos under more lights.",
        )
    ambient = np.array([light.ambient for light in seen])
    matt = np.sin(np.radians(elevations)) + ambient
    brightness = np.array([light.sheet / light.bead for light in seen]) * matt

    def solve(*layers: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        strengths, distance = nnls(np.stack(layers, axis=1) / brightness[:, None], np.ones(len(seen)))
        return distance / math.sqrt(len(seen)), strengths

    matt_error, _ = solve(matt)
    trials = [(*solve(matt, _sheen(elevations, alpha) + ambient), float(alpha)) for alpha in _ROUGHNESSES]
    error, strengths, roughness = min(trials, key=lambda trial: trial[0])
    if matt_error <= max(_MATT_AS_GOOD * error, _MATT_GOOD):
        return FoundFinish(None, error, matt_error)
    albedo, f0 = (_REFLECTED * strengths / strengths.sum()).tolist()
    return FoundFinish(Finish(albedo=albedo, f0=f0, roughness=roughness), error, matt_error)


def _sheen(elevations_deg: npt.NDArray[np.float64], roughness: float) -> npt.NDArray[np.float64]:
    """Sheen of a flat sheet seen from above under lamps of strength 1, for f0 = 1; one for each lamp."""
    rise = torch.from_numpy(np.radians(elevations_deg))
    direction = torch.stack([rise.cos(), torch.zeros_like(rise), rise.sin()])[None, :, None]  # (1, 3, 1, lamps)
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).view(1, 3, 1, 1)
    shown: npt.NDArray[np.float64] = ggx(up.expand_as(direction), direction, up, roughness, _F0)[0, 0, 0].numpy() / _F0
    return shown
