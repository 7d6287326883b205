"""Relights a photo: the light of the photo is fitted, and the photo multiplied by what another light would change.

The model is that of `layers.py`, with the strengths that were fitted. What is not gloss is multiplied by the ratio of
its shading under the new light to that under the fitted one; the gloss gets the difference. Nothing is painted: where
the ratio is 1 the photo stays as it is, clipped pixels stay in any case, and where the model does not fit the photo
the change of direction fades out.

What it ignores: light from bead to sheet and back, light inside a translucent bead, and that metal is not matt unless
its finish is known (`sheet.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from handful.light.fit import ELEVATIONS_DEG, LEAST_LIGHT, FittedLight, Scene, check_range
from handful.light.layers import Surface

RATIO_LIMITS = (0.2, 5.0)
"""The ratio of shadings is kept within these."""
HOLDS_BELOW, FAILS_ABOVE = 0.3, 0.8
"""Absolute logarithm of photo / model, slow part: full change of direction up to the first, none from the second."""
GAINS, FALLOFFS = (0.05, 20.0), (-0.9, 0.9)


@dataclass(frozen=True)
class Change:
    """A new light. None leaves that of the photo."""

    azimuth_deg: float | None = None
    elevation_deg: float | None = None
    gain: float = 1.0
    """Times the light of the photo."""
    falloff: float = 0.0
    """Share of light lost in the corners beyond what the photo lost; negative gives some back."""

    def __post_init__(self) -> None:
        check_range("azimuth", self.azimuth_deg, -360, 360, "degrees")
        check_range("elevation", self.elevation_deg, *ELEVATIONS_DEG, "degrees")
        check_range("gain", self.gain, *GAINS, "times the photo's light")
        check_range("falloff", self.falloff, *FALLOFFS, "of the light")


class Relighter:
    """A photo under its fitted light, ready for others: what does not depend on the new light is computed once."""

    def __init__(self, scene: Scene, light: FittedLight) -> None:
        self.scene, self.light = scene, light
        self.surface = Surface(scene.height_mm, scene.pixel_mm, scene.sheet, scene.rig)
        self.matt, self.gloss = self._layers(light.azimuth_deg, light.elevation_deg)
        self.residual = self._residual()
        """(1, h, w): slow part of |log(photo / model)|, of the mean over the channels."""
        self.held = ((FAILS_ABOVE - self.residual) / (FAILS_ABOVE - HOLDS_BELOW)).clamp(0, 1)
        """(1, h, w): how far a change of direction is believed, 0 to 1."""

    def relight(self, change: Change) -> Tensor:
        """The photo under another light, linear, (1 or 3, h, w), not clipped. Clipped pixels are left as they were."""
        photo = self.scene.photo.double()
        azimuth = self.light.azimuth_deg if change.azimuth_deg is None else change.azimuth_deg
        elevation = self.light.elevation_deg if change.elevation_deg is None else change.elevation_deg
        relit = photo
        if (azimuth % 360, elevation) != (self.light.azimuth_deg, self.light.elevation_deg):
            matt, gloss = self._layers(azimuth, elevation)
            ratio = (matt / self.matt.clamp(min=LEAST_LIGHT)).clamp(*RATIO_LIMITS)
            shine = torch.minimum(self.gloss, photo)
            relit = (photo - shine) * (1 + self.held * (ratio - 1)) + shine + self.held * (gloss - self.gloss)
            relit = relit.clamp(min=0)
        return scale_light(relit, photo, self.scene.clipped, change)

    def _layers(self, azimuth_deg: float, elevation_deg: float) -> tuple[Tensor, Tensor]:
        """Shading up to each region's strength, and gloss; each (1, h, w)."""
        layers = self.surface.layers(self.surface.lit(azimuth_deg, elevation_deg), self.light.ambient)
        # the sheet's brightness as a whole: what is left of metal without its sheen is mostly noise
        shading = torch.where(self.scene.raised, layers.matt + self.light.glow * layers.rims, layers.sheet)
        return shading, self.light.gloss * layers.wet * self.scene.raised

    def _residual(self) -> Tensor:
        grey = self.scene.photo.double().mean(0, keepdim=True)
        matt = (grey - self.gloss).clamp(min=0.05 * grey)
        logarithm = (matt.clamp(min=LEAST_LIGHT) / self.matt.clamp(min=LEAST_LIGHT)).log()
        for region in (self.scene.raised, ~self.scene.raised):
            seen = region & ~self.scene.clipped
            if seen.any():
                logarithm = torch.where(region, logarithm - logarithm[seen].median(), logarithm)
        blur = max(self.scene.photo.shape[-2:]) / 200
        return torch.from_numpy(gaussian_filter(logarithm.numpy(), (0, blur, blur))).abs()


def scale_light(relit: Tensor, photo: Tensor, clipped: Tensor, change: Change) -> Tensor:
    """`relit` under the change's gain and falloff; clipped pixels as in the photo. All (1 or 3, h, w), linear."""
    y, x = (torch.linspace(-1, 1, side, dtype=torch.float64) for side in photo.shape[-2:])
    corner = (y[:, None] ** 2 + x[None, :] ** 2) / 2  # 0 in the middle, 1 in the corners
    return torch.where(clipped, photo.double(), relit * change.gain * (1 - change.falloff * corner))
