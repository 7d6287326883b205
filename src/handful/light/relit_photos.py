"""Relights a photo or a folder of photos: files in, files out, with the light that was used in every row.

| in the output folder | what |
|---|---|
| `NAME.png`, or `NAME-000.png` ... | relit photos, at the photo's bit depth, marked as altered |
| `masks/` | the mask of each, copied byte for byte: light moves no edge |
| `relight.jsonl` | a row for each: light fitted, light used, what lies outside the envelope |
| `relight.json` | the settings, the envelope found and made, the station's light, notes |
| `light/` | pictures of the flat field, the basis images, and where the model does not hold |
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from handful.core.config import fingerprint
from handful.core.decode import keep_out_of_photos
from handful.core.errors import UserError
from handful.core.images import pixels_sha256, png_bytes
from handful.core.provenance import generated_texts, generated_xmp
from handful.core.seeds import numpy_stream
from handful.core.workspace import write_atomically
from handful.light.envelope import Envelope, azimuth_range, value_range
from handful.light.field import StationField, check_saturation, fit_station_field
from handful.light.fit import FittedLight
from handful.light.photo_files import PhotoFile, read_photos
from handful.light.photo_shape import find_lights
from handful.light.relight import FALLOFFS, GAINS, Change, Relighter, scale_light
from handful.light.relit_records import RelightSettings, RelitRow, RelitSet

MANIFEST_FILE, ROWS_FILE = "relight.json", "relight.jsonl"

_STATION_PX = 256  # long side at which the light of a folder is compared: a folder of large photos must fit in memory
_ERROR_SHOWN = 0.5  # relative error that is white in the picture of the residual


def relight_photos(
    source: Path, out: Path, settings: RelightSettings, masks: Path | None = None, heights: Path | None = None
) -> RelitSet:
    """Says what light the photos have, and relights them.

    Args:
        source: a photo or a folder of photos; only read.
        out: a new or empty folder.
        settings: new lights and what is known. Without any new light only the light found is written.
        masks: the photo's mask, or a folder of masks of the same names: above 0 on the bead.
        heights: likewise heights: .npy in mm, or integers in steps of `height_unit_mm`.

    Raises:
        UserError: unreadable or saturated photos, masks or heights that do not fit, angles out of range.
    """
    _check_ranges(settings)
    _check_out(out, source)
    photos, unreadable = read_photos(source, masks, heights, settings.gamma, settings.bit_depth)
    field, fields = _station(photos)
    notes = [] if field.view.shared else [f"No shared view. {field.view.words()}"]

    known = masks is not None or heights is not None or settings.photo_azimuth_deg is not None
    if settings.sheet != "matt" and masks is None and heights is None:
        raise UserError(
            "The finish of the sheet was given or asked for, and nothing says where the sheet is.",
            "It needs --mask (of the bead) or --height.",
            "Give one of them, or leave --sheet out.",
        )
    turned = settings.azimuth_deg is not None or settings.elevation_deg is not None
    if turned and not known:
        raise UserError(
            "A new direction of light was asked for, and nothing says what shape the part has.",
            "It needs --mask (of the bead), --height, or --photo-azimuth (shape from shading).",
            "Give one of them, or change --gain and --falloff alone.",
        )
    if settings.count is not None and not known:
        notes.append("The direction of light is left as it is: without mask, height or photo light no shape is known.")
    shown = find_lights(photos, settings) if known else None
    notes += shown.notes if shown else ()
    found = _found(field, fields, shown.lights if shown else ())
    if settings.count is not None:
        _check_not_a_point(settings, found)

    run = fingerprint([settings.model_dump(mode="json"), [pixels_sha256(photo.codes) for photo in photos]])
    rows = []
    if settings.wants_photos:
        for place, photo in enumerate(photos):
            # One photo's planes at a time: a folder of large photos must fit in memory
            relighter = None
            if shown:
                relighter = Relighter(shown.scene(photo, settings), shown.lights[place])
            own = float(field.gains[place]), _falloff(fields[place])
            rows += _relight_one(photo, relighter, settings, found, own, out, run, place)
    _write_maps(field, out / "light")
    write_atomically(out / ROWS_FILE, "".join(row.model_dump_json() + "\n" for row in rows).encode())
    relit = RelitSet(
        source=str(source.resolve()),
        settings=settings,
        photos=tuple(photo.name for photo in photos),
        unreadable=tuple(unreadable),
        station=tuple(field.words()),
        found=found,
        made=_made(rows, field, fields, photos) if rows else None,
        lights={photo.name: _light_row(light) for photo, light in zip(photos, shown.lights, strict=True)}
        if shown
        else {},
        sheet=shown.finish if shown else None,
        notes=tuple(notes),
        files=tuple(row.file for row in rows),
        extrapolated=sum(bool(row.outside) for row in rows),
    )
    write_atomically(out / MANIFEST_FILE, (relit.model_dump_json(indent=2) + "\n").encode())
    return relit


def _relight_one(
    photo: PhotoFile,
    relighter: Relighter | None,
    settings: RelightSettings,
    found: Envelope,
    own: tuple[float, float],
    out: Path,
    run: str,
    place: int,
) -> list[RelitRow]:
    """Writes all relit photos of one photo; `own` is its gain and falloff relative to the middle photo."""
    linear, clipped = photo.planes()
    rows = []
    for index in range(settings.count or 1):
        change = _draw(settings, found, own, relighter is not None, place, index)
        lit = relighter.relight(change) if relighter else scale_light(linear, linear, clipped, change)
        codes = photo.integers(lit)
        stem = photo.name.rsplit(".", 1)[0] if len(Path(photo.name).suffix) else photo.name
        file = f"{stem}-{index:03d}.png" if settings.count is not None else f"{stem}.png"
        mask = None if photo.mask is None else f"masks/{file.removesuffix('.png')}{photo.mask.suffix}"
        light = relighter.light if relighter else None
        azimuth = change.azimuth_deg if change.azimuth_deg is not None or light is None else light.azimuth_deg
        elevation = change.elevation_deg if change.elevation_deg is not None or light is None else light.elevation_deg
        made = azimuth, elevation, change.gain * own[0], 1 - (1 - change.falloff) * (1 - own[1])
        row = RelitRow(
            file=file,
            photo=photo.name,
            photo_pixels_sha256=pixels_sha256(photo.codes),
            pixels_sha256=pixels_sha256(codes),
            mask=mask,
            azimuth_deg=azimuth,
            elevation_deg=elevation,
            gain=change.gain,
            falloff=change.falloff,
            photo_azimuth_deg=light.azimuth_deg if light else None,
            photo_elevation_deg=light.elevation_deg if light else None,
            clipped_share=float(clipped.double().mean()),
            held_share=float(relighter.held.mean()) if relighter else None,
            outside=tuple(found.outside(*made)),
        )
        texts = generated_texts("relight", run[:12], settings.seed, "algorithmicallyEnhanced")
        texts["Light"] = json.dumps(row.model_dump(include={"azimuth_deg", "elevation_deg", "gain", "falloff"}))
        png = png_bytes(codes, photo.camera.bit_depth, texts, generated_xmp("algorithmicallyEnhanced"))
        write_atomically(out / file, png)
        if photo.mask is not None and mask is not None:
            write_atomically(out / mask, photo.mask.read_bytes())
        rows.append(row)
    return rows


def _draw(
    settings: RelightSettings, found: Envelope, own: tuple[float, float], turned: bool, place: int, index: int
) -> Change:
    """The new light number `index` of a photo."""
    random = numpy_stream(settings.seed, f"relight photo {place}", index)
    given = settings.azimuth_deg, settings.elevation_deg, settings.gain, settings.falloff
    if settings.count is None:
        azimuth, elevation, gain, falloff = ((wish.low + wish.high) / 2 if wish else None for wish in given)
        return Change(azimuth, elevation, 1.0 if gain is None else gain, falloff or 0.0)
    ranges = found.azimuth_deg, found.elevation_deg, found.gain, found.falloff
    drawn = [
        (wish or known).draw(random) if wish or known else None  # type: ignore[union-attr]
        for wish, known in zip(given, ranges, strict=True)
    ]
    azimuth, elevation, gain, falloff = drawn
    if settings.gain is None and gain is not None:  # the envelope is relative to the middle photo, a change to its own
        gain = min(max(gain / own[0], GAINS[0]), GAINS[1])
    if settings.falloff is None and falloff is not None:
        falloff = min(max(1 - (1 - falloff) / (1 - own[1]), FALLOFFS[0]), FALLOFFS[1])
    if not turned:
        azimuth = elevation = None
    azimuth = None if azimuth is None else azimuth % 360
    return Change(azimuth, elevation, 1.0 if gain is None else gain, falloff or 0.0)


def _station(photos: list[PhotoFile]) -> tuple[StationField, Tensor]:
    """The light of all photos together, and each photo's slow field (n, h, w)."""
    small, over = [], []
    for photo in photos:
        linear, clipped = photo.planes()
        height, width = linear.shape[-2:]
        factor = min(1.0, _STATION_PX / max(height, width))
        size = max(1, round(height * factor)), max(1, round(width * factor))
        pooled = torch.nn.functional.adaptive_avg_pool2d(torch.cat([linear, clipped.double()])[None], size)[0]
        small.append(pooled[:-1])
        over.append(pooled[-1:] > 0)
    check_saturation([photo.planes()[1] for photo in photos])  # before pooling, which spreads a clipped pixel
    field = fit_station_field(small, over)
    return field, field.slow.fields(field.slow.coefficients, (field.flat.shape[1], field.flat.shape[2]))


def _falloff(plane: Tensor) -> float:
    """Share of light lost in the corners of a field (h, w), relative to its middle."""
    height, width = plane.shape
    return 1 - float(plane[:: max(1, height - 1), :: max(1, width - 1)].mean() / plane[height // 2, width // 2])


def _found(field: StationField, fields: Tensor, lights: Sequence[FittedLight]) -> Envelope:
    return Envelope(
        photos=len(fields),
        azimuth_deg=azimuth_range([light.azimuth_deg for light in lights]) if lights else None,
        elevation_deg=value_range([light.elevation_deg for light in lights]) if lights else None,
        gain=value_range(field.gains.tolist()),
        falloff=value_range([_falloff(plane) for plane in fields]),
    )


def _made(rows: list[RelitRow], field: StationField, fields: Tensor, photos: list[PhotoFile]) -> Envelope:
    place = {photo.name: index for index, photo in enumerate(photos)}
    azimuths = [row.azimuth_deg for row in rows if row.azimuth_deg is not None]
    elevations = [row.elevation_deg for row in rows if row.elevation_deg is not None]
    return Envelope(
        photos=len(rows),
        azimuth_deg=azimuth_range(azimuths) if azimuths else None,
        elevation_deg=value_range(elevations) if elevations else None,
        gain=value_range([row.gain * float(field.gains[place[row.photo]]) for row in rows]),
        falloff=value_range([1 - (1 - row.falloff) * (1 - _falloff(fields[place[row.photo]])) for row in rows]),
    )


def _light_row(light: FittedLight) -> dict[str, Any]:
    return {name: value for name, value in vars(light).items() if value == value}  # without NaN: assumed lights


def _write_maps(field: StationField, folder: Path) -> None:
    maps = {"flat": field.flat[0] / field.flat.max(), "residual": field.residual[0] / _ERROR_SHOWN}
    maps["clipped"] = field.clipped[0]
    for number, plane in enumerate(field.space.basis if field.space is not None else (), start=1):
        maps[f"basis_{number}"] = 0.5 + 0.5 * plane / plane.abs().max()
    for name, plane in maps.items():
        codes = (plane.clamp(0, 1) * 255).round().numpy().astype("uint8")
        write_atomically(folder / f"{name}.png", png_bytes(codes, 8))


def _check_ranges(settings: RelightSettings) -> None:
    """Refuses angles, gains and falloffs out of range before any photo is read."""
    given = settings.azimuth_deg, settings.elevation_deg, settings.gain, settings.falloff
    for end in ("low", "high"):
        azimuth, elevation, gain, falloff = (None if wish is None else getattr(wish, end) for wish in given)
        Change(azimuth, elevation, 1.0 if gain is None else gain, 0.0 if falloff is None else falloff)
    if settings.count is None and any(wish is not None and not wish.is_point for wish in given):
        raise UserError(
            "A range of light was given, and no number of lights to draw from it.",
            "A range LOW:HIGH needs --count of at least 1.",
            "Add --count 5, or give one number.",
        )


def _check_not_a_point(settings: RelightSettings, found: Envelope) -> None:
    given = settings.azimuth_deg, settings.elevation_deg, settings.gain, settings.falloff
    ranges = found.azimuth_deg, found.elevation_deg, found.gain, found.falloff
    used = [wish or known for wish, known in zip(given, ranges, strict=True)]
    if all(one is None or one.is_point for one in used):
        raise UserError(
            f"All lights to draw from are one: {found.photos} photo(s) show no variation.",
            "Lights are drawn from what the photos show, at least 2, or from ranges that you give.",
            "Give a range, for example --azimuth 20:60 --gain 0.8:1.2, or a folder of photos.",
        )


def _check_out(out: Path, source: Path) -> None:
    if not source.exists():
        raise UserError(
            f"There is no {source}.", "Give a photo or a folder of photos.", "Check the path to the photos."
        )
    if source.is_dir():
        keep_out_of_photos(out, source)
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise UserError(
            f"{out} is not empty." if out.is_dir() else f"{out} is a file.",
            "Relit photos go into a new or empty folder: theirs must not be mixed with others.",
            "Give another folder with --out.",
        )
