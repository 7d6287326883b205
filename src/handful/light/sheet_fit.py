"""Finds the finish of the sheet from photos under several lights.

A flat sheet has one normal, so one photo shows one value of its reflection and does not say how that changes with the
light. Photos under several lights do: the bead tells where the lamp stood, and the sheet's brightness beside the bead's
follows albedo * (lamp + sky) + f0 * (sheen + sky), with one roughness for all, or with one along the grooves of brushed
metal and another across them. GGX as in `reflect.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize, nnls

from handful.core.errors import UserError
from handful.light.fit import FittedLight
from handful.light.reflect import ggx
from handful.light.sheet import Finish

Numbers = npt.NDArray[np.float64]

LEAST_PHOTOS, LEAST_RANGE_DEG = 4, 10.0
LEAST_PHOTOS_BRUSHED = 8
_EVEN = np.geomspace(0.1, 1.0, 24)
_ALONG, _TIMES_ACROSS, _DIRECTIONS_DEG = np.geomspace(0.1, 0.7, 8), (1.4, 2.0, 2.8, 4.0), np.arange(0.0, 180.0, 15.0)
_REFLECTED = 0.75  # albedo and f0 together: only their ratio is known
_F0 = 0.5  # at which sheens are compared: but for light that bounces between facets they grow in proportion to it
_REWEIGHTED, _HUBER = 4, 1.345
_MATT_AS_GOOD, _MATT_GOOD = 1.1, 0.01
"""A matt sheet is taken where its error is at most so many times that of the best finish, or so small."""
_BRUSHED_WORTH = 0.5
"""A brushed finish is taken where its error is at most this share of an even one's. Of 25 even sheets whose brightness
was off by 3 % at random, two more numbers took half of the error in at most two with 8 and 12 photos, in none with 24.
"""


@dataclass(frozen=True)
class FoundFinish:
    """What photos under several lights say about their sheet."""

    finish: Finish | None
    """None where a matt sheet explains them about as well."""
    error: float
    """Mean of |sheet brightness / model - 1|."""
    matt_error: float
    """The same of a matt sheet."""

    def words(self) -> str:
        if self.finish is None:
            return f"The sheet is taken as matt, which explains its brightness to {self.matt_error:.1%}."
        return (
            f"The sheet's finish, from its brightness under all lights: {self.finish.words()}. It explains the "
            f"brightness to {self.error:.1%}, a matt sheet to {self.matt_error:.1%}."
        )


def fit_finish(lights: Sequence[FittedLight]) -> FoundFinish:
    """The finish under which the sheet is as bright in every photo as it is: matt, even, or brushed.

    A brushed one is looked for from 8 photos on, and taken where it leaves at most half of the error.

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
    photos = _Brightness.of(seen)
    matt_error, _ = photos.explained_by(None)
    error, finish = photos.best(np.stack([_EVEN, _EVEN, np.zeros_like(_EVEN)], axis=1), brushed=False)
    if len(seen) >= LEAST_PHOTOS_BRUSHED:
        along, times, turns = (grid.ravel() for grid in np.meshgrid(_ALONG, _TIMES_ACROSS, _DIRECTIONS_DEG))
        brushed_error, brushed = photos.best(np.stack([along, along * times, turns], axis=1), brushed=True)
        if brushed_error <= _BRUSHED_WORTH * error:
            error, finish = brushed_error, brushed
    if matt_error <= max(_MATT_AS_GOOD * error, _MATT_GOOD):
        return FoundFinish(None, error, matt_error)
    return FoundFinish(finish, error, matt_error)


@dataclass(frozen=True)
class _Brightness:
    """How bright the sheet is beside the bead in each photo, under which lamp; all (photos,)."""

    azimuths_deg: Numbers
    elevations_deg: Numbers
    ambient: Numbers
    sheet: Numbers

    @classmethod
    def of(cls, lights: Sequence[FittedLight]) -> _Brightness:
        azimuths, elevations, ambient, strength = np.array(
            [(light.azimuth_deg, light.elevation_deg, light.ambient, light.sheet / light.bead) for light in lights]
        ).T
        return cls(azimuths, elevations, ambient, strength * (np.sin(np.radians(elevations)) + ambient))

    def explained_by(self, sheen: Numbers | None) -> tuple[float, Numbers]:
        """Mean relative error of the best albedo and, with a sheen (photos,), f0; and these strengths (2,).

        Robust, as here and there a lamp is found several degrees off.
        """
        matt = np.sin(np.radians(self.elevations_deg)) + self.ambient
        shiny = np.zeros_like(matt) if sheen is None else sheen + self.ambient
        layers = np.stack([matt, shiny], axis=1) / self.sheet[:, None]
        weight = np.ones(len(matt))
        for _ in range(_REWEIGHTED):  # Huber's loss by reweighted squares
            strengths, _ = nnls(layers * weight[:, None] ** 0.5, weight**0.5)
            left_over = np.abs(1 - layers @ strengths)
            limit = _HUBER * 1.4826 * float(np.median(left_over)) + 1e-9
            weight = limit / np.maximum(left_over, limit)
        return float(left_over.mean()), strengths

    def best(self, shapes: Numbers, brushed: bool) -> tuple[float, Finish]:
        """The finish of least error near the best of (trials, 3) roughness along, across, and direction in degrees."""
        errors = [self.explained_by(sheen)[0] for sheen in _sheens(self.azimuths_deg, self.elevations_deg, shapes)]
        start = shapes[int(np.argmin(errors))]
        free = 3 if brushed else 1

        def explained(change: Numbers) -> tuple[float, Numbers]:
            (sheen,) = _sheens(self.azimuths_deg, self.elevations_deg, _changed(start, change)[None])
            return self.explained_by(sheen)

        simplex = np.vstack([np.zeros(free), 0.1 * np.eye(free)])
        options = {"initial_simplex": simplex, "xatol": 1e-3, "fatol": 1e-6}
        found = minimize(lambda change: explained(change)[0], simplex[0], method="Nelder-Mead", options=options)
        error, strengths = explained(found.x)
        albedo, f0 = (_REFLECTED * strengths / strengths.sum()).tolist()
        along, across, turn = _changed(start, found.x).tolist()
        grooves = {"across": across, "grooves_deg": turn % 180} if brushed else {}
        return error, Finish(albedo=albedo, f0=f0, roughness=along, **grooves)


def _changed(shape: Numbers, change: Numbers) -> Numbers:
    """A finish's roughnesses times the exponential of a change, and its direction turned by that in radians.

    One number alone changes an even finish: both roughnesses alike.
    """
    first, second, turn = (change[0], change[0], 0.0) if len(change) == 1 else change
    along, across = np.clip(shape[:2] * np.exp([first, second]), 0.05, 1.0)
    return np.array([along, across, shape[2] + math.degrees(turn)])


def _sheens(azimuths_deg: Numbers, elevations_deg: Numbers, shapes: Numbers) -> Numbers:
    """Sheen of a flat sheet seen from above under lamps of strength 1, for f0 = 1: (finishes, lamps).

    Args:
        azimuths_deg, elevations_deg: of the lamps.
        shapes: (finishes, 3) roughness along and across the grooves, and their direction in degrees.
    """
    along, across, turns = torch.from_numpy(shapes).T[:, None, None, :, None]
    turned = torch.deg2rad(torch.from_numpy(azimuths_deg) - turns)  # the lamps turn, and the grooves lie along x
    rise = torch.deg2rad(torch.from_numpy(elevations_deg)).expand_as(turned)
    direction = torch.cat([rise.cos() * turned.cos(), -rise.cos() * turned.sin(), rise.sin()], dim=1)
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).view(1, 3, 1, 1)
    shown: Numbers = (ggx(up.expand_as(direction), direction, up, along, _F0, across)[0, 0] / _F0).numpy()
    return shown
