"""What relighting is asked, and what it writes down: settings, a row for each photo, and the whole set."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from handful.core.config import Settings
from handful.light.envelope import Envelope, Range
from handful.light.rig import Rig
from handful.light.sheet import Finish


class RelightSettings(Settings):
    """What to make of the photos, and what is known about them."""

    azimuth_deg: Range | None = None
    """Of the new light: 0 right, 90 top of the picture. None: drawn from the envelope, or the photo's own
    where no count is given."""
    elevation_deg: Range | None = None
    """Above the sheet."""
    gain: Range | None = None
    """Times the photo's light."""
    falloff: Range | None = None
    """Share of light lost in the corners beyond what the photo lost."""
    count: int | None = Field(None, ge=1)
    """Lights to draw for each photo; None: one relit photo, at the middle of each range."""
    seed: int = 0
    photo_azimuth_deg: float | None = None
    """Of the light in the photos where it is known; None fits it to the bead."""
    photo_elevation_deg: float | None = None
    contact_angle_deg: float | None = None
    """Of a bead known by its mask; None takes the one that fits best."""
    sheet: Finish | Literal["matt", "fit"] = "matt"
    """Finish of what lies beside the bead; fit finds it from photos under several lights."""
    rig: Rig = Rig()
    """What is known of the station's lamps beyond where the main one stands."""
    pixel_mm: float = Field(0.05, gt=0)
    """Side of a pixel on the part."""
    height_unit_mm: float = Field(0.0002, gt=0)
    """One step of an integer height file."""
    gamma: float | None = Field(None, ge=0.2, le=5)
    """Of the camera; None: 2.2 for 8 bit, 1 (linear) for more."""
    bit_depth: int | None = None
    """The camera's, where files hide it."""

    @property
    def wants_photos(self) -> bool:
        return self.count is not None or any((self.azimuth_deg, self.elevation_deg, self.gain, self.falloff))


class RelitRow(Settings):
    """One line of relight.jsonl."""

    file: str
    photo: str
    photo_pixels_sha256: str
    pixels_sha256: str
    mask: str | None
    azimuth_deg: float | None
    """Used; None: the direction is the photo's own and unknown."""
    elevation_deg: float | None
    gain: float
    falloff: float
    photo_azimuth_deg: float | None
    """Found in the photo."""
    photo_elevation_deg: float | None
    clipped_share: float
    """Pixels left alone because they are saturated."""
    held_share: float | None
    """How far the change of direction was applied, mean over the frame: 1 where the model fits everywhere."""
    outside: tuple[str, ...]
    """What of this light was not found in the photos."""


class RelitSet(Settings):
    """relight.json: what was found and what was made."""

    source: str
    settings: RelightSettings
    photos: tuple[str, ...]
    unreadable: tuple[str, ...]
    station: tuple[str, ...]
    """Sentences about the station's light."""
    found: Envelope
    made: Envelope | None
    lights: dict[str, dict[str, Any]]
    """Fitted light of each photo whose shape is known."""
    sheet: Finish | None
    """Finish of the sheet that was used; None is matt."""
    notes: tuple[str, ...]
    files: tuple[str, ...]
    extrapolated: int
    """How many of the files have a light outside what was found."""
