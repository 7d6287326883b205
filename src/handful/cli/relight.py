"""handful relight: the same photo under another light."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handful.cli import options
from handful.cli.output import JsonFlag, emit

EXAMPLE = "handful relight photos/ --out relit/ --gain 1.1 --falloff 0.1"


def command(
    source: Annotated[Path, typer.Argument(help="A photo or a folder of photos. Only read.", show_default=False)],
    out: Annotated[Path, typer.Option(help="A new or empty folder.", show_default=False)],
    azimuth: Annotated[str | None, typer.Option(help="New light, degrees: 0 right, 90 top. 30 or 20:60.")] = None,
    elevation: Annotated[str | None, typer.Option(help="New light, degrees above the sheet: 5 to 90.")] = None,
    gain: Annotated[str | None, typer.Option(help="Times the photo's light: 1.1 or 0.8:1.2.")] = None,
    falloff: Annotated[str | None, typer.Option(help="Share of light lost in the corners: 0.1 or 0:0.2.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Lights to draw for each photo.")] = None,
    seed: Annotated[int, typer.Option(help="Light i of photo k depends on this, i and k alone.")] = 0,
    mask: Annotated[Path | None, typer.Option(help="The bead's mask, or a folder of masks of the same names.")] = None,
    height: Annotated[Path | None, typer.Option(help="Height (.npy in mm, or 16-bit PNG), or a folder.")] = None,
    height_unit_mm: Annotated[float, typer.Option(help="One step of an integer height file.")] = 0.0002,
    photo_azimuth: Annotated[float | None, typer.Option(help="Light in the photo, where known; else fitted.")] = None,
    photo_elevation: Annotated[float | None, typer.Option(help="Light in the photo, where known.")] = None,
    contact_angle: Annotated[float | None, typer.Option(help="Of the bead, 5 to 120; left out: fitted.")] = None,
    sheet: Annotated[
        str,
        typer.Option(help="matt; fit: found from photos under many lights; or ALBEDO,F0,ROUGHNESS[,ACROSS,GROOVES]."),
    ] = "matt",
    lamp_size: Annotated[float, typer.Option(help="Angular size of the lamp, degrees: 20 softens shadows.")] = 3.0,
    fill: Annotated[
        str | None, typer.Option(help="Second lamp: TURNED,ELEVATION,STRENGTH, relative to the main one: 160,55,0.25.")
    ] = None,
    mirrored: Annotated[
        float | None,
        typer.Option(help="Room that a metal sheet mirrors, times the lamp; left out: as the ambient light."),
    ] = None,
    translucent: Annotated[bool, typer.Option("--translucent", help="The bead guides light to its flanks.")] = False,
    pixel_mm: Annotated[float, typer.Option(help="Side of a pixel on the part.")] = 0.05,
    gamma: Annotated[float | None, typer.Option(help="Of the camera; 2.2 for 8 bit, else 1.")] = None,
    bit_depth: options.BitDepth = None,
    as_json: JsonFlag = False,
) -> None:
    """Relights real photos: multiplies by what another light would change, never repaints, and says what it assumed.

    Without a new light it only says what light the photos have.
    """
    from handful.core.config import parse_settings
    from handful.light.envelope import parse_range
    from handful.light.relit_photos import relight_photos
    from handful.light.relit_records import RelightSettings
    from handful.light.rig import parse_fill
    from handful.light.sheet import parse_finish

    ranges = {"azimuth": azimuth, "elevation": elevation, "gain": gain, "falloff": falloff}
    wishes = {name: None if text is None else parse_range(name, text) for name, text in ranges.items()}
    values = {
        "azimuth_deg": wishes["azimuth"],
        "elevation_deg": wishes["elevation"],
        "gain": wishes["gain"],
        "falloff": wishes["falloff"],
        "count": count,
        "seed": seed,
        "photo_azimuth_deg": photo_azimuth,
        "photo_elevation_deg": photo_elevation,
        "contact_angle_deg": contact_angle,
        "sheet": sheet if sheet in ("matt", "fit") else parse_finish(sheet).model_dump(),
        "rig": {
            "size_deg": lamp_size,
            "fill": None if fill is None else parse_fill(fill).model_dump(),
            "mirrored": mirrored,
            "translucent": translucent,
        },
        "pixel_mm": pixel_mm,
        "height_unit_mm": height_unit_mm,
        "gamma": gamma,
        "bit_depth": bit_depth,
    }
    relit = relight_photos(source, out, parse_settings(RelightSettings, values, "relight"), mask, height)
    lines = list(relit.station)
    for name, light in relit.lights.items():
        lines.append(f"{name}: light from azimuth {light['azimuth_deg']:.0f}, elevation {light['elevation_deg']:.0f}")
    lines += [f"left out: {reason}" for reason in relit.unreadable]
    lines += [f"note: {note}" for note in relit.notes]
    if relit.extrapolated:
        lines.append(f"{relit.extrapolated} photo(s) have a light outside what was found (relight.jsonl says which).")
    lines.append(f"{len(relit.files)} relit photo(s) in {out}")
    emit(as_json, relit.model_dump(mode="json"), lines)
