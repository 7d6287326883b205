"""What light does at one station, learned from its photos: flat field, falloff, light space, and where that fails.

I_k(x) = gain_k * sum_j c_kj B_j(x) + residual, all in linear light, with up to nine basis images B_j (space.py). The
slow part of each photo's light, gain and gradient, is a polynomial in the logarithm (slow.py): it can be moved to any
picture of the station, generated ones too, without touching an edge.

What it cannot know: with a fixed view a slow change of the part's own brightness looks like falloff, and belongs to the
flat field here. Photos that do not share a view have no light space, and their gradients are partly their content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from handful.core.errors import UserError
from handful.core.seeds import numpy_stream
from handful.light.slow import SlowLight, fit_slow_light
from handful.light.space import LightSpace, fit_space, residual_share
from handful.light.view import View, compare_views

WORK_PX = 96
"""Long side at which light is compared."""
RESIDUAL_QUANTILE = 0.9
"""The residual map shows the error that this share of the photos stays below."""
HOLDS_BELOW = 0.15
"""Relative error up to which the model counts as holding."""

_DARKEST = 0.002  # of saturation: below, 8-bit steps and read noise exceed the light
_MOST_CLIPPED = 0.5  # share of all pixels; above, half of the light is unknown


@dataclass(frozen=True)
class StationField:
    """Light at one station. Planes lie at `WORK_PX`; n photos, k basis images."""

    view: View
    gains: Tensor
    """(n,): brightness of each photo relative to the middle one."""
    flat: Tensor
    """(1, h, w): light over the frame, mean 1."""
    slow: SlowLight
    """Gain and gradient of each photo, relative to the middle one."""
    space: LightSpace | None
    """None where the photos share no view."""
    residual: Tensor
    """(1, h, w): relative error of the model; see `HOLDS_BELOW`."""
    clipped: Tensor
    """(1, h, w): share of the photos that are clipped there."""

    @property
    def falloff(self) -> float:
        """Share of light lost in the corners, relative to the centre; negative where corners are brighter."""
        plane = self.flat[0]
        _, height, width = self.flat.shape
        corners = plane[:: height - 1, :: width - 1].mean()
        return 1 - float(corners / plane[height // 2, width // 2])

    @property
    def holds_share(self) -> float:
        """Share of the frame where the model holds."""
        return float((self.residual < HOLDS_BELOW).double().mean())

    def draw(self, seed: int, size: tuple[int, int] | None = None) -> Tensor:
        """A light of this station as a multiplicative field for linear light, float64 (1, h, w); 1 is the middle light.

        It lies on the straight line between the lights of two photos, so it never leaves what was found.

        Args:
            seed: decides the two photos and the place between them.
            size: (height, width); None gives that of the field.
        """
        random = numpy_stream(seed, "station light")
        first, second = (int(place) for place in random.integers(0, len(self.slow.drawable), 2))
        coefficients = torch.lerp(self.slow.drawable[first], self.slow.drawable[second], float(random.random()))
        return self.slow.fields(coefficients[None], size or (self.flat.shape[1], self.flat.shape[2]))

    def words(self) -> list[str]:
        """What was found, in sentences."""
        low, high = float(self.gains.min()), float(self.gains.max())
        lines = [
            self.view.words(),
            f"Gain {low:.2f} to {high:.2f} of the middle one over {len(self.gains)} photo(s); "
            f"{self.falloff:.0%} of the light is lost in the corners (a slow change of the part's own brightness "
            "counts).",
        ]
        if self.space is None:
            lines.append("No basis images: without a shared view only gain and slow gradients are compared.")
        else:
            lines.append(
                f"{len(self.space.basis)} basis image(s) are confirmed by photos left out."
                if self.space.left_out_error
                else "One basis image: fewer than 3 photos leave none to confirm more."
            )
        lines.append(f"The model holds (error below {HOLDS_BELOW:.0%}) on {self.holds_share:.0%} of the frame.")
        return lines


def fit_station_field(photos: Sequence[Tensor], clipped: Sequence[Tensor], require_view: bool = False) -> StationField:
    """Learns a station's light from its photos.

    Args:
        photos: each (1, h, w) or (3, h, w), linear light, 1 at saturation. At least one.
        clipped: of each, bool (1, h, w): saturated pixels, whose light is unknown.
        require_view: refuse photos that do not share a view, instead of leaving the light space out.

    Raises:
        UserError: no shared view where one is required; photos of which more than half is clipped.
    """
    check_saturation(clipped)
    view = compare_views(photos)
    if require_view:
        view.require()
    size = _work_size(photos[view.shown_by[0]] if view.shared else photos[0])
    light = torch.stack([_shrink(photo.double().mean(0, keepdim=True), size)[0] for photo in photos])  # (n, h, w)
    over = torch.stack([_shrink(mask.double(), size)[0] for mask in clipped])
    known = (over == 0) & (light > _DARKEST)
    slow_light = fit_slow_light(light, known, view)
    gains = slow_light.coefficients[:, 0].exp()
    fields = slow_light.fields(slow_light.coefficients, size)
    space = None
    if view.shared:
        places = list(view.shown_by)
        scaled = (light / gains[:, None, None])[places]
        space = fit_space(scaled, known[places])
        residual = residual_share(scaled, known[places], space.pictures, RESIDUAL_QUANTILE)
    else:
        residual = residual_share(light, known, fields * slow_light.flat, RESIDUAL_QUANTILE)
    return StationField(
        view=view,
        gains=gains,
        flat=(slow_light.flat / slow_light.flat.mean())[None],
        slow=slow_light,
        space=space,
        residual=residual,
        clipped=(over > 0).double().mean(0, keepdim=True),
    )


def check_saturation(clipped: Sequence[Tensor]) -> None:
    """Refuses photos whose light is mostly unknown.

    Raises:
        UserError: with the share of clipped pixels.
    """
    share = float(torch.cat([mask.flatten() for mask in clipped]).double().mean())
    if share > _MOST_CLIPPED:
        raise UserError(
            f"{share:.0%} of the pixels are saturated.",
            f"Light can be learned where at most {_MOST_CLIPPED:.0%} are: what was clipped is unknown.",
            "Take the photos again with a shorter exposure or less gain.",
        )


def _work_size(photo: Tensor) -> tuple[int, int]:
    height, width = photo.shape[-2:]
    factor = min(1.0, WORK_PX / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def _shrink(planes: Tensor, size: tuple[int, int]) -> Tensor:
    small: Tensor = torch.nn.functional.adaptive_avg_pool2d(planes[None], size)[0]
    return small
