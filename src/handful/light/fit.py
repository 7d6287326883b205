"""The light of one photo: the one under which a height field of known or assumed shape looks most like it.

The layers of `layers.py` have free strengths from 0, in linear light, which come out by least squares for every light
that is tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import binary_dilation
from scipy.optimize import minimize, nnls
from torch import Tensor

from handful.core.errors import UserError
from handful.light.layers import Layers, Lit, Surface
from handful.light.rig import ONE_LAMP, Rig
from handful.light.shade import Material
from handful.light.shape import check_height

TRIAL_PX, FIT_PX = 96, 256
"""Long sides at which lights are tried, and at which the best of them is fitted: averaged slopes lead it astray."""
ELEVATIONS_DEG = (5.0, 90.0)
LEAST_EXPLAINED = 0.3
EQUALLY_GOOD = 1.1
"""Azimuths whose misfit is within this factor of the best cannot be told from it."""
LEAST_LIGHT = 1e-4

_AZIMUTHS = range(0, 360, 30)
_ELEVATIONS = (15, 30, 45, 60, 75)
_AMBIENTS = (0.05, 0.3, 1.0)
_BESIDE = 0.06
"""The sheet is looked at up to this share of the long side beside the bead."""
_FOOT_PX = 2
"""So many pixels beside the bead are mixed with the slope of its foot, which a sheen shows and a matt sheet hides."""
_HUBER = 1.345
_MOST_EVALUATIONS = 60


@dataclass(frozen=True)
class FittedLight:
    """The light of one photo."""

    azimuth_deg: float
    elevation_deg: float
    ambient: float
    """Radiance of the even sky, relative to the lamp."""
    gloss: float
    """Strength of the gloss on the raised part."""
    bead: float
    """Strength of the matt layer on the raised part: its albedo times the lamp, in the photo's units."""
    sheet: float
    """Strength of the layers of the sheet beside it."""
    glow: float
    """Of the raised part's rims, times `bead`; 0 unless the rig says that it is translucent."""
    misfit: float
    """Median of |photo / model - 1| where it was fitted."""
    explained: float
    """Share of the raised part's unevenness that the light explains (1 - mean absolute error / that of an even
    surface). Below `LEAST_EXPLAINED` the direction is a guess: a translucent bead glows at its rims, say."""
    azimuths_as_good_deg: tuple[float, ...]
    """Azimuths, in steps of 30, that fit about as well: one straight bead shows light across it alone."""
    given: bool
    """Stated by the user rather than fitted."""
    loss: float
    """What the fit made least: comparable between height fields of one photo."""


@dataclass(frozen=True)
class Scene:
    """A photo with what is known of its surface."""

    photo: Tensor
    """(1 or 3, h, w) linear light, 1 at saturation."""
    clipped: Tensor
    """(1, h, w) bool."""
    height_mm: Tensor
    """(1, 1, h, w)."""
    raised: Tensor
    """(1, h, w) bool: the bead; it has an albedo of its own, and the gloss."""
    pixel_mm: float
    sheet: Material | None = None
    """Finish of what is not raised; its albedo and f0 count relative to each other. None is matt."""
    rig: Rig = ONE_LAMP
    """What is known of the lamps."""

    def __post_init__(self) -> None:
        size = self.photo.shape[-2:]
        for name, plane in (("mask", self.raised), ("height field", self.height_mm)):
            if plane.shape[-2:] != size:
                raise UserError(
                    f"The {name} is {plane.shape[-1]}x{plane.shape[-2]} and the photo {size[1]}x{size[0]}.",
                    "Both must have the same size in pixels: nothing is resized in silence.",
                    f"Give the {name} of this photo.",
                )
        check_height(self.height_mm, self.pixel_mm)


def fit_light(scene: Scene, azimuth_deg: float | None = None, elevation_deg: float | None = None) -> FittedLight:
    """The light under which the height field looks most like the photo, by robust least squares.

    Every region has a free albedo, so the sheet's brightness says nothing, and shadows beside the bead do.

    Args:
        scene: what is seen.
        azimuth_deg, elevation_deg: of the photo's light where it is known; None fits it.
    """
    check_range("azimuth of the photo", azimuth_deg, -360, 360, "degrees")
    check_range("elevation of the photo", elevation_deg, *ELEVATIONS_DEG, "degrees")
    small, trials = _Fit.of(scene, TRIAL_PX), []
    for azimuth in [azimuth_deg] if azimuth_deg is not None else _AZIMUTHS:
        for elevation in [elevation_deg] if elevation_deg is not None else _ELEVATIONS:
            lit = small.surface.lit(azimuth, elevation, shadows=False)
            trials += [(small.misfit(lit, ambient), azimuth, elevation, ambient) for ambient in _AMBIENTS]
    best = min(trials)
    as_good = sorted({float(trial[1]) for trial in trials if trial[0] <= EQUALLY_GOOD * best[0]})

    free = [azimuth_deg is None, elevation_deg is None, True]
    start = np.array([best[1], best[2], np.log(best[3])])

    fine = _Fit.of(scene, FIT_PX)

    def light(point: npt.NDArray[np.float64]) -> tuple[float, float, float]:
        """The free parts of (azimuth, elevation, logarithm of ambient) filled in."""
        full = start.copy()
        full[free] = point
        return float(full[0]), float(np.clip(full[1], *ELEVATIONS_DEG)), float(np.exp(np.clip(full[2], -5, 3)))

    def misfit(point: npt.NDArray[np.float64]) -> float:
        azimuth, elevation, ambient = light(point)
        return fine.misfit(fine.surface.lit(azimuth, elevation), ambient)

    steps = np.diag([12.0, 7.0 if best[2] < 70 else -7.0, 0.5])[free][:, free]
    simplex = start[free] + np.concatenate([np.zeros((1, sum(free))), steps])
    options = {"initial_simplex": simplex, "maxfev": _MOST_EVALUATIONS, "xatol": 0.3, "fatol": 1e-4}
    found = minimize(misfit, start[free], method="Nelder-Mead", options=options)
    azimuth, elevation, ambient = light(found.x)
    model, (bead, gloss, glow), (sheet,) = fine.model(fine.surface.lit(azimuth, elevation), ambient)
    relative = ((fine.photo - model).abs() / model.clamp(min=LEAST_LIGHT))[fine.wanted]
    raised = fine.photo[fine.regions[0]]
    missed, uneven = (raised - model[fine.regions[0]]).abs().mean(), (raised - raised.median()).abs().mean()
    return FittedLight(
        azimuth_deg=azimuth % 360,
        elevation_deg=elevation,
        ambient=ambient,
        gloss=gloss,
        bead=bead,
        sheet=sheet,
        glow=glow / bead if bead else 0.0,
        misfit=float(relative.median()),
        explained=1 - float(missed / uneven.clamp(min=1e-12)),
        azimuths_as_good_deg=tuple(as_good),
        given=azimuth_deg is not None and elevation_deg is not None,
        loss=float(found.fun),
    )


def assumed_light(azimuth_deg: float, elevation_deg: float) -> FittedLight:
    """The stated light of a photo whose shape comes from its shading: a fit would only find what went in.

    Ambient light is assumed at 0.3 of the lamp, and no gloss.
    """
    check_range("azimuth of the photo", azimuth_deg, -360, 360, "degrees")
    check_range("elevation of the photo", elevation_deg, ELEVATIONS_DEG[0], 85, "degrees")
    unknown = float("nan")
    return FittedLight(
        azimuth_deg=azimuth_deg % 360,
        elevation_deg=elevation_deg,
        ambient=0.3,
        gloss=0.0,
        bead=unknown,
        sheet=unknown,
        glow=0.0,
        misfit=unknown,
        explained=unknown,
        azimuths_as_good_deg=(),
        given=True,
        loss=unknown,
    )


@dataclass(frozen=True)
class _Fit:
    """A scene at the size at which light is fitted."""

    photo: Tensor  # (h, w)
    surface: Surface
    regions: tuple[Tensor, ...]  # (h, w) bool: raised, then its surroundings
    wanted: Tensor  # (h, w) bool: all regions together

    @classmethod
    def of(cls, scene: Scene, long_side_px: int) -> _Fit:
        height, width = scene.photo.shape[-2:]
        factor = min(1.0, long_side_px / max(height, width))
        size = max(2, round(height * factor)), max(2, round(width * factor))

        def shrink(plane: Tensor) -> Tensor:
            small: Tensor = torch.nn.functional.adaptive_avg_pool2d(plane.double()[None], size)[0, 0]
            return small

        height_mm = shrink(scene.height_mm[0])[None, None]
        raised = shrink(scene.raised)
        known = shrink(scene.clipped) == 0
        foot_px = 0 if scene.sheet is None else _FOOT_PX
        outside = (raised <= 0).numpy()
        reach = foot_px + max(2, round(_BESIDE * max(size)))
        near = binary_dilation(~outside, iterations=reach)
        foot = binary_dilation(~outside, iterations=foot_px) if foot_px else ~outside
        regions = (raised >= 1) & known, torch.from_numpy(near & ~foot) & known
        usable = int(regions[0].sum())
        if usable <= 10:
            raise UserError(
                f"Of the raised part {usable} pixels (at {long_side_px} px) are neither clipped nor edge.",
                "More than 10 are needed to fit the light.",
                "Give another mask or height, a photo with less exposure, or state the light of the photo.",
            )
        photo = shrink(scene.photo.double().mean(0, keepdim=True))
        surface = Surface(height_mm, scene.pixel_mm * width / size[1], scene.sheet, scene.rig)
        return cls(photo, surface, regions, regions[0] | regions[1])

    def misfit(self, lit: Lit, ambient: float) -> float:
        """Huber's loss of the best strengths under a light, in units of a tenth of each region's brightness."""
        total = 0.0
        for _, left_over, wanted, _ in self._solve(self.surface.layers(lit, ambient)):
            size = left_over.abs() / (0.1 * wanted.median().clamp(min=LEAST_LIGHT))
            total += float(torch.where(size < 1, size**2 / 2, size - 0.5).sum())
        return total / int(self.wanted.sum())

    def model(self, lit: Lit, ambient: float) -> tuple[Tensor, list[float], list[float]]:
        """The picture (h, w) under a light at best, and the strengths of `_solve`'s layers in each region."""
        picture, strengths = torch.ones_like(self.photo), [[0.0, 0.0, 0.0], [0.0]]
        for place, (region, left_over, wanted, found) in enumerate(self._solve(self.surface.layers(lit, ambient))):
            picture[region] = wanted - left_over
            strengths[place] = found.tolist()
        return picture, strengths[0], strengths[1]

    def _solve(self, layers: Layers) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """For each region: itself, what the best fit leaves over, what was wanted, strengths of its layers."""
        parts = (layers.matt, layers.wet, layers.rims), (layers.sheet,)
        for region, part in zip(self.regions, parts, strict=True):
            if region.any():
                planes = torch.stack([plane[region] for plane in part])
                wanted = self.photo[region]
                strengths = _non_negative(planes, wanted)
                yield region, wanted - strengths @ planes, wanted, strengths


def _non_negative(layers: Tensor, wanted: Tensor) -> Tensor:
    """Strengths (k,) >= 0 of layers (k, pixels) that come closest to the wanted values, by reweighted squares."""
    scale = layers.square().mean(1).sqrt().clamp(min=1e-12)
    layers = layers / scale[:, None]
    weight, little = torch.ones_like(wanted), 1e-9 * len(wanted) * torch.eye(len(layers), dtype=layers.dtype)
    strengths = layers.new_zeros(len(layers))
    for _ in range(3):
        weighted = layers * weight
        root = torch.linalg.cholesky(weighted @ layers.T + little)
        target = torch.linalg.solve_triangular(root, (weighted @ wanted)[:, None], upper=False)
        strengths = torch.from_numpy(nnls(root.T.numpy(), target[:, 0].numpy())[0])
        left_over = (wanted - strengths @ layers).abs()
        limit = _HUBER * 1.4826 * float(left_over.median()) + 1e-9
        weight = limit / left_over.clamp(min=limit)
    return strengths / scale


def check_range(name: str, value: float | None, least: float, most: float, unit: str) -> None:
    """Raises UserError unless the value is None or lies within the limits."""
    if value is not None and not least <= value <= most:
        raise UserError(
            f"The {name} is {value:g} {unit}.",
            f"It must lie from {least:g} to {most:g} {unit}.",
            f"Give another {name}.",
        )
