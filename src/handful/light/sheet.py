"""The finish of the sheet under the bead: how much of its light comes back matt, how much as sheen."""

from __future__ import annotations

from pydantic import Field, model_validator

from handful.core.config import Settings
from handful.core.errors import UserError
from handful.light.shade import Material

_EVEN = ("albedo", "f0", "roughness")
_BRUSHED = (*_EVEN, "across", "grooves_deg")


class Finish(Settings):
    """What a sheet does with light; albedo and f0 count relative to each other."""

    albedo: float = Field(ge=0, le=1)
    """Matt."""
    f0: float = Field(ge=0, le=1)
    """Sheen at normal incidence: 0 matt, 0.5 to 0.9 metal."""
    roughness: float = Field(gt=0, le=1)
    """GGX alpha, along the grooves where there are some: 0.2 to 0.5 metal."""
    across: float | None = Field(None, gt=0, le=1)
    """GGX alpha across the grooves of brushed metal; None is an even finish."""
    grooves_deg: float = Field(0.0, ge=-180, le=180)
    """Direction of the grooves, from the picture's x axis towards its top."""

    @model_validator(mode="after")
    def _reflects(self) -> Finish:
        if self.albedo + self.f0 == 0:
            raise ValueError("albedo and f0 are both 0")
        return self

    def material(self) -> Material:
        return Material(self.albedo, self.roughness, self.f0, self.across, self.grooves_deg)

    def words(self) -> str:
        first = f"albedo {self.albedo:.2f}, f0 {self.f0:.2f} (relative to each other), roughness {self.roughness:.2f}"
        if self.across is None:
            return first
        return f"{first} along grooves at {self.grooves_deg:.0f} degrees and {self.across:.2f} across them"


def parse_finish(text: str) -> Finish:
    """'0.25,0.5,0.4' as albedo, f0, roughness; a brushed one has roughness across and the grooves' degrees as well."""
    parts = text.split(",")
    try:
        names = _BRUSHED if len(parts) == len(_BRUSHED) else _EVEN
        return Finish(**dict(zip(names, map(float, parts), strict=True)))
    except ValueError:
        raise UserError(
            f"The sheet is '{text}'.",
            "It is matt, fit, ALBEDO,F0,ROUGHNESS or, brushed, ALBEDO,F0,ALONG,ACROSS,GROOVES_DEG: shares of the light "
            "from 0 to 1, roughness above 0 to 1, degrees from -180 to 180.",
            "Give for example --sheet 0.25,0.5,0.4, or --sheet fit with photos under several lights.",
        ) from None
