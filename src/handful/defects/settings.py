"""How defects are put into good photos."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from handful.core.config import Settings, parse_settings
from handful.core.errors import UserError


class PlacementSettings(Settings):
    """What decides where a defect comes to lie and how it is joined to the photo."""

    kinds: tuple[str, ...] = ()
    """Kinds of defect to place; they take turns from seed to seed. Empty: all there are."""
    least: Annotated[int, Field(ge=1, le=20)] = 1
    """Defects in an image, all of one kind, at least."""
    most: Annotated[int, Field(ge=1, le=20)] = 1
    """... and at most."""
    smallest: Annotated[float, Field(ge=0.25, le=4)] = 0.8
    """Size of the placed defect over its own, at least."""
    largest: Annotated[float, Field(ge=0.25, le=4)] = 1.25
    """... and at most."""
    turn_deg: Annotated[float, Field(ge=0, le=180)] = 10.0
    """It is turned by up to so much, either way."""
    mirror: Literal["none", "horizontal", "vertical", "both"] = "none"
    """May it be mirrored: left for right, up for down. 'none' where light or part have a direction."""
    match: bool = True
    """Only where the photo looks as the surroundings of the defect do; False: at any allowed spot."""
    within_px: Annotated[int, Field(ge=0)] | None = None
    """For a fixed view: only within so many pixels (across and down) of where a defect of that kind was seen."""
    spots: Path | None = None
    """A mask of the photos' size: defects lie where it is not 0, nowhere else."""
    blend: Literal["poisson", "mixed", "feather", "diffusion"] = "poisson"
    """poisson: seamless; mixed: seamless, and the photo's texture stays where it is the stronger; feather: a soft
    edge; diffusion: poisson, and denoising steps that give the margin its texture back."""
    margin_px: Annotated[int, Field(ge=1, le=64)] = 4
    """Around the defect's mask; in it the defect's surroundings pass into the photo."""
    ring_px: Annotated[int, Field(ge=2, le=128)] = 12
    """Around the margin; its look decides where a defect fits."""
    light: Annotated[float, Field(ge=1, le=10)] = 1.5
    """A spot may be brighter or darker than the defect's surroundings by this factor; the defect follows."""
    good_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Of the images that get a piece of flawless surface in just the same way, labelled good: what an inspector learns
    to tell from those is the joint, not the defect."""
    single: bool = False
    """Accept kinds of which the library holds 1 defect."""

    def is_good(self, seed: int) -> bool:
        """Whether seed `seed` gets a flawless piece; they are spread evenly over the seeds."""
        return int((seed + 1) * self.good_share + 1e-9) > int(seed * self.good_share + 1e-9)


def placement_settings(values: Mapping[str, Any]) -> PlacementSettings:
    """Settings from what a user typed.

    Raises:
        UserError: an unknown name, a value out of range, a least above its most.
    """
    settings = parse_settings(PlacementSettings, dict(values), "handful defects")
    for low, high in (("least", "most"), ("smallest", "largest")):
        if getattr(settings, low) > getattr(settings, high):
            raise UserError(
                f"{low} is {getattr(settings, low)}, and {high} is {getattr(settings, high)}.",
                f"{low} may be at most {high}.",
                f"Give --{high} too, or a smaller --{low}.",
            )
    return settings
