"""What shape a photo shows, by what the user gave: a height, a bead's mask, or the light that shaped the shading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from handful.light.fit import LEAST_EXPLAINED, FittedLight, Scene, assumed_light, fit_light
from handful.light.height import bead_height, read_height, shading_height
from handful.light.photo_files import PhotoFile, read_mask
from handful.light.relit_records import RelightSettings
from handful.light.shade import Material
from handful.light.sheet import Finish
from handful.light.sheet_fit import fit_finish

_TRIED_DEG, _FINER_DEG = (30.0, 45.0, 60.0, 75.0), 7.5
_PHOTOS_TRIED = 3
_RAISED_FROM = 0.1  # of a given height's range: higher counts as the bead, where no mask says so
_USUAL_ELEVATION_DEG = 45.0


def best_contact_angle(loss: Callable[[float], float]) -> float:
    """Of 30, 45, 60 and 75 degrees and what lies half-way between them the angle of the least loss."""
    losses = {angle: loss(angle) for angle in _TRIED_DEG}
    best = min(losses, key=losses.__getitem__)
    losses |= {angle: loss(angle) for angle in (best - _FINER_DEG, best + _FINER_DEG)}
    return min(losses, key=losses.__getitem__)


def choose_contact_angle(
    photos: Sequence[PhotoFile], settings: RelightSettings, sheet: Material | None = None
) -> float | None:
    """The contact angle stated, or the one under which the first three photos fit best; None where no cap is needed.

    One folder is one station with one sealant, so all its photos share the angle.
    """
    needed = [photo for photo in photos if photo.mask is not None and photo.height is None][:_PHOTOS_TRIED]
    if not needed:
        return None
    if settings.contact_angle_deg is not None:
        return settings.contact_angle_deg

    def loss(angle: float) -> float:
        return sum(photo_light(photo, photo_scene(photo, settings, angle, sheet), settings).loss for photo in needed)

    return best_contact_angle(loss)


def photo_scene(
    photo: PhotoFile, settings: RelightSettings, contact_angle_deg: float | None, sheet: Material | None = None
) -> Scene:
    """The photo with its height field, on a sheet of some finish; None is matt.

    Raises:
        UserError: a mask or height that does not fit the photo, or cannot be read.
    """
    linear, clipped = photo.planes()
    raised = read_mask(photo.mask)[None] if photo.mask is not None else None
    if photo.height is not None:
        height = read_height(photo.height, settings.height_unit_mm)
        if raised is None:
            raised = height[0] > height.min() + _RAISED_FROM * (height.max() - height.min())
    elif raised is not None and contact_angle_deg is not None:
        height = bead_height(raised[0].numpy(), contact_angle_deg, settings.pixel_mm)
    else:
        light = _stated(settings)
        height = shading_height(linear, light.azimuth_deg, light.elevation_deg, settings.pixel_mm)
        raised = torch.zeros_like(clipped)
    return Scene(linear, clipped, height, raised, settings.pixel_mm, sheet, settings.rig)


def photo_light(photo: PhotoFile, scene: Scene, settings: RelightSettings) -> FittedLight:
    """The light of a photo: fitted, or as stated where its shape came from that statement."""
    if photo.mask is None and photo.height is None:
        return _stated(settings)
    return fit_light(scene, settings.photo_azimuth_deg, settings.photo_elevation_deg)


def shape_note(photos: Sequence[PhotoFile], settings: RelightSettings, contact_angle_deg: float | None) -> str | None:
    """What was assumed about the shape, in words; None where the height was given."""
    if all(photo.height is not None for photo in photos):
        return None
    if contact_angle_deg is not None:
        how = "was stated" if settings.contact_angle_deg is not None else "is the best of 22.5 to 82.5 in steps of 7.5"
        return (
            f"The bead's height is a circular cap over its mask; its contact angle of {contact_angle_deg:g} degrees "
            f"{how}. One photo does not fix its scale: a flatter bead under lower light looks alike (bas-relief)."
        )
    light = _stated(settings)
    return (
        f"Shape from shading under a stated light (azimuth {light.azimuth_deg:g}, elevation {light.elevation_deg:g}): "
        "paint, dirt and gloss are read as slope, hills and hollows may be swapped, its scale is a guess (bas-relief)."
    )


def _stated(settings: RelightSettings) -> FittedLight:
    elevation = settings.photo_elevation_deg
    return assumed_light(settings.photo_azimuth_deg or 0.0, _USUAL_ELEVATION_DEG if elevation is None else elevation)


@dataclass(frozen=True)
class StationLights:
    """What the photos' shapes say about their light."""

    contact_angle_deg: float | None
    """Of the bead; None where no cap was needed."""
    lights: tuple[FittedLight, ...]
    """Of each photo."""
    finish: Finish | None
    """Of the sheet; None is matt."""
    notes: tuple[str, ...]
    """What was assumed or guessed."""

    def scene(self, photo: PhotoFile, settings: RelightSettings) -> Scene:
        return photo_scene(photo, settings, self.contact_angle_deg, _material(self.finish))


def find_lights(photos: Sequence[PhotoFile], settings: RelightSettings) -> StationLights:
    """Fits the light of each photo, and the sheet's finish where that is wanted.

    Raises:
        UserError: as `photo_scene` and `fit_finish`.
    """

    def fit(finish: Finish | None) -> tuple[float | None, tuple[FittedLight, ...]]:
        sheet = _material(finish)
        angle = choose_contact_angle(photos, settings, sheet)
        # One photo's planes at a time: a folder of large photos must fit in memory
        return angle, tuple(photo_light(one, photo_scene(one, settings, angle, sheet), settings) for one in photos)

    notes = []
    finish = settings.sheet if isinstance(settings.sheet, Finish) else None
    angle, lights = fit(finish)
    if settings.sheet == "fit":
        found = fit_finish(lights)
        notes.append(found.words())
        if found.finish is not None:
            finish = found.finish
            angle, lights = fit(finish)
    guessed = [photo.name for photo, light in zip(photos, lights, strict=True) if light.explained < LEAST_EXPLAINED]
    if guessed:  # not those whose light was stated: their share is not a number
        notes.append(
            f"Of {len(guessed)} photo(s) the direction of light is a guess: it explains less than "
            f"{LEAST_EXPLAINED:.0%} of the bead's unevenness, for example of {guessed[0]}."
        )
    notes += [note] if (note := shape_note(photos, settings, angle)) is not None else []
    return StationLights(angle, lights, finish, tuple(notes))


def _material(finish: Finish | None) -> Material | None:
    return None if finish is None else finish.material()
