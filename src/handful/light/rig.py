"""The lamps of a station, as far as they are known beyond where the main one stands."""

from __future__ import annotations

from pydantic import Field

from handful.core.config import Settings
from handful.core.errors import UserError
from handful.light.sources import Light

_FILL_SIZE_DEG = 20.0


class Fill(Settings):
    """A second, soft lamp that turns with the main one and keeps its elevation. It casts no shadow."""

    turned_deg: float = Field(ge=-180, le=180)
    """From the main lamp, counter-clockwise: 180 stands across."""
    elevation_deg: float = Field(ge=5, le=90)
    """Above the sheet."""
    strength: float = Field(ge=0, le=10)
    """Times the main lamp."""


class Rig(Settings):
    """How the station is lit, relative to a main lamp of strength 1."""

    size_deg: float = Field(Light.size_deg, ge=0.1, le=60)
    """Angular size of the main lamp: the larger, the softer the edge of cast shadows."""
    fill: Fill | None = None
    mirrored: float | None = Field(None, ge=0, le=10)
    """Radiance of the room that a sheet with a sheen mirrors. None: that of the ambient light, which the bead shows."""
    translucent: bool = False
    """The raised part guides light to its flanks, by as much as the photo shows."""

    def lamps(self, azimuth_deg: float, elevation_deg: float) -> tuple[Light, ...]:
        """All lamps, the main one at these angles."""
        main = Light(azimuth_deg, elevation_deg, size_deg=self.size_deg)
        if self.fill is None:
            return (main,)
        across = (azimuth_deg + self.fill.turned_deg) % 360
        fill = Light(across, self.fill.elevation_deg, self.fill.strength, None, _FILL_SIZE_DEG, casts_shadow=False)
        return main, fill

    def room(self, ambient: float) -> float:
        """What a sheet mirrors of the room under some ambient light."""
        return ambient if self.mirrored is None else self.mirrored


ONE_LAMP = Rig()
"""What is taken where nothing is stated."""


def parse_fill(text: str) -> Fill:
    """'160,55,0.25' as degrees from the main lamp, elevation and strength."""
    try:
        turned, elevation, strength = map(float, text.split(","))
        return Fill(turned_deg=turned, elevation_deg=elevation, strength=strength)
    except ValueError:
        raise UserError(
            f"The second lamp is '{text}'.",
            "It is TURNED,ELEVATION,STRENGTH: degrees from the main lamp from -180 to 180, degrees above the sheet "
            "from 5 to 90, times the main lamp from 0 to 10.",
            "Give for example --fill 160,55,0.25.",
        ) from None
