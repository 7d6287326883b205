"""What a station is like: its part, bead, light, camera and how much each varies. Four come with Handful."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from handful.core.config import Settings
from handful.core.errors import unknown_name

PathKind = Literal["straight", "curve", "corner"]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Spread = Annotated[float, Field(ge=0)]
"""Standard deviation from photo to photo."""


class Preset(Settings):
    """One station. Lengths in millimetres on the part, angles in degrees, light in whites."""

    field_mm: Positive = 40.0
    """Width of the part that a photo of 658x490 shows; other sizes show as much of its width or height."""
    wandering: bool = False
    """Every photo shows another place of the part, at any angle; otherwise all show one place."""
    path: PathKind = "curve"
    """Course of the bead from left to right. A wandering station has bends of all kinds."""

    bead_width_mm: Positive = 2.8
    bead_width_spread_mm: Spread = 0.13
    contact_angle_deg: Annotated[float, Field(ge=15, le=90)] = 62.0
    """Between the sheet and the bead's flank at its foot."""
    pitch_mm: Positive = 0.53
    """Distance of the linked circles that the gun lays; a small one gives a smooth bead."""
    unevenness: Share = 0.02
    """Slow changes of the width along the bead."""
    sealant_colour: tuple[Share, Share, Share] = (0.62, 0.65, 0.67)
    """Albedo in red, green and blue; a grey photo shows the green one."""
    gloss: Share = 0.8
    """1: wet, a sharp highlight; 0: matt."""
    translucency: Share = 0.15
    """0: paint; 1: the light spreads inside the bead and the sheet shines through its thin rim."""

    brushed: bool = True
    """Grooves along x; otherwise a plain rolled sheet with a faint grain."""
    sheet_colour: tuple[Share, Share, Share] = (0.50, 0.50, 0.485)
    """Reflectance of the metal in red, green and blue."""
    background: Literal["table", "cloth"] = "table"
    """What lies under the part."""
    dust_per_cm2: Spread = 0.4
    scratches_per_cm2: Spread = 0.12

    azimuth_deg: float = 112.0
    """Of the lamp: 0 stands right of the picture, 90 at its top."""
    azimuth_spread_deg: Spread = 7.0
    elevation_deg: tuple[Positive, Positive] = (38.0, 52.0)
    """Lowest and highest."""
    lamp_distance_mm: Positive = 320.0
    lamp_size_deg: Annotated[float, Field(ge=0.1, le=60)] = 6.0
    lamp: Spread = 0.46
    """Radiance of a white matt sheet that faces the lamp."""
    fill: Share = 0.25
    """Of the lamp: a second one stands across."""
    ambient: Spread = 0.46
    """Radiance of the even part of the room."""
    mirrored: Spread = 0.5
    """Brightness of the part of the room that a flat sheet mirrors, relative to the rest."""
    room: Spread = 0.12
    """How unevenly the room is mirrored by the metal."""
    windows: Spread = 0.05
    """Radiance of bright strips of the room that wet sealant mirrors along its flanks."""
    colour_cast: Spread = 0.01
    """Of red and of blue against green."""
    gain: tuple[Positive, Positive] = (0.85, 1.15)

    shift_mm: Spread = 0.18
    """Where the part lies, relative to its nominal place, in x and y."""
    turn_deg: Spread = 0.35
    tilt_deg: Spread = 0.5
    """Of the camera against the sheet: gives a faint perspective."""

    gamma: Positive = 2.2
    full_well_electrons: Positive = 9000.0
    read_noise_electrons: Spread = 7.0
    blur_px: Spread = 0.7
    """Standard deviation of the lens at 658x490."""
    blur_spread: Spread = 0.0
    """Of the logarithm of the blur: focus that is not always met."""
    falloff: Share = 0.16
    """Light lost in the corners."""
    veil: Share = 0.03
    """Share of the light that the lens scatters widely."""
    colour_fringe_px: Spread = 0.15
    """Lateral chromatic aberration at 658x490."""
    enlarged: Annotated[float, Field(ge=1, le=4)] = 1.0
    """The photo was taken smaller by this factor and enlarged afterwards: its grain is that much coarser."""


PRESETS: dict[str, Preset] = {
    "seam": Preset(),
    "seam-straight": Preset(path="straight"),
    "seam-corner": Preset(path="corner"),
    "glue": Preset(
        field_mm=10.6,
        wandering=True,
        bead_width_mm=1.75,
        bead_width_spread_mm=0.14,
        contact_angle_deg=68,
        pitch_mm=0.12,
        unevenness=0.03,
        sealant_colour=(0.66, 0.66, 0.67),
        gloss=0.92,
        translucency=0.8,
        brushed=False,
        sheet_colour=(0.40, 0.40, 0.395),
        background="cloth",
        dust_per_cm2=110,
        scratches_per_cm2=6,
        azimuth_deg=100,
        azimuth_spread_deg=60,
        elevation_deg=(30, 48),
        lamp_distance_mm=150,
        lamp_size_deg=25,
        lamp=0.5,
        fill=0.6,
        ambient=0.48,
        mirrored=0.13,
        room=1.2,
        windows=0.3,
        colour_cast=0.03,
        gain=(0.75, 1.15),
        shift_mm=0.0,
        turn_deg=0.0,
        tilt_deg=1.5,
        full_well_electrons=900,
        read_noise_electrons=9,
        blur_px=2.6,
        blur_spread=0.3,
        falloff=0.04,
        veil=0.06,
        colour_fringe_px=1.7,
        enlarged=1.8,
    ),
}
"""seam: an automotive seam on brushed steel, fixed view, with a curved, straight or angled course. glue: a translucent
bead on a rolled cover, close up."""


def preset(name: str) -> Preset:
    """The station of that name.

    Raises:
        UserError: there is none.
    """
    if name not in PRESETS:
        raise unknown_name("station", name, PRESETS, "handful station --help")
    return PRESETS[name]
