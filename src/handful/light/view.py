"""Do the photos of a folder show one view? Only then may their light be compared pixel by pixel.

Edges stay where they are when the light moves, while brightness does not, so strengths of edges are compared:
of every photo with the median over the others, at 64 px long side, over shifts up to 3 px.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from handful.core.errors import UserError

VIEW_PX = 64
"""Long side at which photos are compared."""
LARGEST_SHIFT_PX = 3
"""At that size: a part may lie up to 1/21 of the long side elsewhere."""
LEAST_AGREEMENT = 0.5
"""Correlation of edge strengths from which a photo counts as showing the view; docs/light.md has the measurement."""
LEAST_SHARE = 0.75
"""Share of the photos that must show one view."""

_EDGE_BLUR_PX = 0.7
_DARKEST = 1e-4  # of linear light: keeps the noise of black from counting as edges

Plane = npt.NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """Evidence of whether photos share a view."""

    agreement: tuple[float, ...]
    """Of each photo: correlation of its edge strengths with the median of the others' (1: the same picture)."""
    shift_px: tuple[tuple[int, int], ...]
    """Right and down, at 64 px long side, at which that correlation was found."""

    @property
    def shown_by(self) -> tuple[int, ...]:
        """Places of the photos that show the view."""
        return tuple(place for place, value in enumerate(self.agreement) if value >= LEAST_AGREEMENT)

    @property
    def shared(self) -> bool:
        return len(self.shown_by) >= LEAST_SHARE * len(self.agreement)

    def words(self) -> str:
        """One sentence with the numbers."""
        count = len(self.agreement)
        if count == 1:
            return "One photo is its own view."
        return (
            f"{len(self.shown_by)} of {count} photos show one view: agreement of their edges is "
            f"{np.median(self.agreement):.2f} in the median and {min(self.agreement):.2f} at least, "
            f"where {LEAST_AGREEMENT} is needed."
        )

    def require(self) -> None:
        """Refuses photos that do not share a view.

        Raises:
            UserError: with the agreement found.
        """
        if not self.shared:
            raise UserError(
                f"These photos do not share a view: {self.words()}",
                f"Light is compared pixel by pixel where at least {LEAST_SHARE:.0%} of the photos show one fixed view.",
                "Give photos of one fixed camera and one place of the part, for example by sorting them into folders.",
            )


def compare_views(photos: Sequence[Tensor]) -> View:
    """How far photos show one view.

    Args:
        photos: each (1, h, w) or (3, h, w), linear light, 0 to 1; sizes may differ.
    """
    if len(photos) == 1:
        return View((1.0,), ((0, 0),))
    sizes = {tuple(photo.shape[-2:]) for photo in photos}
    small = [edge_strength(photo) for photo in photos]
    if len(sizes) > 1:  # photos of unlike shapes cannot show one view: each is compared with those of its own
        return _compare_shapes(small)
    return View(*_compare(np.stack(small)))


def edge_strength(photo: Tensor) -> Plane:
    """Gradient of the logarithm of a photo's light, at 64 px long side."""
    height, width = photo.shape[-2:]
    factor = VIEW_PX / max(height, width)
    size = max(1, round(height * factor)), max(1, round(width * factor))
    grey = torch.nn.functional.adaptive_avg_pool2d(photo.double().mean(0)[None, None], size)[0, 0].numpy()
    down, right = np.gradient(gaussian_filter(np.log(np.maximum(grey, _DARKEST)), _EDGE_BLUR_PX))
    strength: Plane = np.hypot(down, right)
    return strength


def _compare_shapes(small: list[Plane]) -> View:
    agreement, shifts = [0.0] * len(small), [(0, 0)] * len(small)
    shapes = [plane.shape for plane in small]
    common = max(set(shapes), key=shapes.count)
    places = [place for place, shape in enumerate(shapes) if shape == common]
    if len(places) > 1:
        found = _compare(np.stack([small[place] for place in places]))
        for place, value, shift in zip(places, *found, strict=True):
            agreement[place], shifts[place] = value, shift
    return View(tuple(agreement), tuple(shifts))


def _compare(stack: Plane) -> tuple[tuple[float, ...], tuple[tuple[int, int], ...]]:
    """(n, h, w) -> agreement and shift of each with the median of the others."""
    reach = range(-LARGEST_SHIFT_PX, LARGEST_SHIFT_PX + 1)
    best = []
    for place, plane in enumerate(stack):
        others: Plane = np.median(np.delete(stack, place, 0), 0)
        best.append(
            max(
                (_correlation(*_overlap(plane, others, right, down)), (right, down))
                for right in reach
                for down in reach
            )
        )
    return tuple(value for value, _ in best), tuple(shift for _, shift in best)


def _overlap(plane: Plane, other: Plane, right: int, down: int) -> tuple[Plane, Plane]:
    """`plane` shifted, and the middle of `other` on which it is compared."""
    height, width = plane.shape
    y, x = (min(LARGEST_SHIFT_PX, (side - 1) // 2) for side in (height, width))
    down, right = max(-y, min(y, down)), max(-x, min(x, right))
    return plane[y + down : height - y + down, x + right : width - x + right], other[y : height - y, x : width - x]


def _correlation(a: Plane, b: Plane) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / max(np.sqrt((a * a).sum() * (b * b).sum()), 1e-300))
