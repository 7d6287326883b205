"""The envelope: which light was found in the photos, which was made, and what lies outside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from handful.core.config import Settings
from handful.core.errors import UserError

_STEP = 1e-6


class Range(Settings):
    """From `low` to `high`, both included. An azimuth's `high` may pass 360."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:.4g} to {self.high:.4g}"

    @property
    def is_point(self) -> bool:
        return self.high - self.low < _STEP

    def holds(self, value: float) -> bool:
        return self.low - _STEP <= value <= self.high + _STEP

    def draw(self, random: np.random.Generator) -> float:
        return float(random.uniform(self.low, self.high)) if not self.is_point else self.low


class Envelope(Settings):
    """Ranges of light over some photos. None: not known, for the shape of the part is not."""

    photos: int
    azimuth_deg: Range | None
    """The shortest arc that holds all azimuths."""
    elevation_deg: Range | None
    gain: Range
    """Relative to the middle photo of the folder."""
    falloff: Range
    """Share of light lost in the corners, relative to the middle photo."""

    def outside(self, azimuth_deg: float | None, elevation_deg: float | None, gain: float, falloff: float) -> list[str]:
        """What of a light was not found in the photos, each one short sentence."""
        said = []
        for name, found, value, circular in (
            ("azimuth", self.azimuth_deg, azimuth_deg, True),
            ("elevation", self.elevation_deg, elevation_deg, False),
            ("gain", self.gain, gain, False),
            ("falloff", self.falloff, falloff, False),
        ):
            if value is None:
                continue
            if found is None:
                said.append(f"{name} {value:.4g}: which ones the photos have is not known.")
            elif not any(found.holds(value + turn) for turn in ((-360, 0, 360, 720) if circular else (0,))):
                said.append(f"{name} {value:.4g} is outside {found}.")
        return said


def value_range(values: Sequence[float]) -> Range:
    return Range(low=min(values), high=max(values))


def azimuth_range(azimuths_deg: Sequence[float]) -> Range:
    """The shortest arc that holds all azimuths; begins in 0 to 360."""
    ordered = sorted(float(azimuth) % 360 for azimuth in azimuths_deg)
    gaps = [after - before for before, after in zip(ordered, [*ordered[1:], ordered[0] + 360], strict=True)]
    start = (int(np.argmax(gaps)) + 1) % len(ordered)
    return Range(low=ordered[start], high=ordered[start] + 360 - max(gaps))


def parse_range(name: str, text: str) -> Range:
    """'30' or '20:60' as a range.

    Raises:
        UserError: neither one number nor two in order.
    """
    parts = text.split(":")
    try:
        numbers = [float(part) for part in parts]
        if len(numbers) > 2 or numbers[0] > numbers[-1] or not np.isfinite(numbers).all():
            raise ValueError
    except ValueError:
        raise UserError(
            f"--{name} is '{text}'.",
            "It is one number, or a range LOW:HIGH of two finite numbers in order.",
            f"Write --{name} {'20:60' if name in ('azimuth', 'elevation') else '0.8:1.2'}, for example.",
        ) from None
    return Range(low=numbers[0], high=numbers[-1])
