"""What drawing from patch_diffusion can be told, and how that is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from handful.core.config import Settings
from handful.core.errors import UserError
from handful.core.images import Floats, integers_to_unit
from handful.core.masks import decode_picture, read_mask
from handful.generators.patch_diffusion_parts.photo_light import measure_field
from handful.generators.patch_diffusion_parts.photo_store import PhotoStore
from handful.generators.patch_diffusion_parts.start import Start

PhotoOrFile = Annotated[Annotated[int, Field(ge=0)] | Path, Field(union_mode="left_to_right")]


class PatchDiffusionControls(Settings):
    """What drawing can be told. The dials are as the run's settings say where they are left out."""

    patch_px: int | None = Field(None, ge=3)
    """Side of the patches: small ones vary more, large ones copy more."""
    mixture_photos: int | None = Field(None, ge=1)
    """Photos that the light of a sample is mixed from."""
    mixture_nearest: int | None = Field(None, ge=1)
    """Among how many photos nearest to the first the others of a mixture are chosen: fewer means light nearer to some
    photo."""
    mixture_most: float | None = Field(None, gt=0, le=1)
    """Largest share of one photo in a mixture: less means light farther from any photo."""
    temperature: float | None = Field(None, gt=0, le=100)
    """How undecided the choice of photos stays before the last step: samples vary more below 1 and copy more above."""
    start: PhotoOrFile | None = None
    """Start from a training photo: its number among the training images, from 0, or its file in the data set."""
    noise: float = Field(0.5, ge=0, le=1)
    """How much of that photo is drawn anew: 0 nothing, 1 everything but its light."""
    region: Path | None = None
    """A mask of the canvas' size: only where it is white may that photo change."""
    light: PhotoOrFile | None = None
    """Light to follow: that of a training photo (its number), or a picture of light, whose slow changes of brightness
    are laid over the light that the photos share."""


def read_start(controls: PatchDiffusionControls, store: PhotoStore) -> Start | None:
    """The photo that drawing starts from.

    Raises:
        UserError: a region without a photo, a photo that is none to draw from, a file that is no training photo, a
            mask that does not fit, or a region or a light that exclude each other.
    """
    if controls.start is None:
        if controls.region is None:
            return None
        raise UserError(
            f"region is {controls.region.name}, and there is no photo that it is a region of.",
            f"A region belongs to 1 photo: start is its number, 0 to {len(store.pixels) - 1}, or its file.",
            "Add --set start=NUMBER, or leave region out.",
        )
    if controls.region is not None and controls.light is not None:
        raise UserError(
            "region and light were both given.",
            "Outside a region the photo stays as it is, and with it its light: 1 of the two can be followed.",
            "Leave one of them out.",
        )
    number = _find(controls.start, store)
    kept = store.numbers.tolist()
    if number not in kept:
        raise UserError(
            f"start is photo {number}, which was left out: its light is unlike every other's.",
            f"Drawing starts from one of the {len(kept)} photos that samples are drawn from.",
            "Choose another, or train again with --set drop_outliers=false.",
        )
    region = None if controls.region is None else _read_region(controls.region, store)
    return Start(kept.index(number), controls.noise, region)


def read_field(controls: PatchDiffusionControls, store: PhotoStore) -> Tensor | None:
    """Log gain (c, terms) of the light to follow, None for that of the mixture.

    Raises:
        UserError: no such photo, or a picture that cannot be read or is black.
    """
    if controls.light is None:
        return None
    if isinstance(controls.light, int):
        return store.lights[_check_number("light", controls.light, store)]
    channels = store.pixels.shape[1]
    picture = torch.from_numpy(_read(controls.light, channels))
    if float(picture.max()) <= -0.96:
        raise UserError(
            f"The picture of light {controls.light.name} is black.",
            "Its brightest grey value must be above 2 % of the range.",
            "Expose it longer, or give --set light= a photo's number.",
        )
    return measure_field(picture).to(store.lights)


def _find(start: int | Path, store: PhotoStore) -> int:
    if isinstance(start, int):
        return _check_number("start", start, store)
    count, channels, height, width = store.pixels.shape
    photo = torch.from_numpy(_read(start, channels))
    number = store.find(photo.to(store.pixels.device))
    if number is None:
        raise UserError(
            f"{start.name} ({photo.shape[2]}x{photo.shape[1]} px) has the pixels of no training photo.",
            f"Drawing starts from one of the {count} training images, {width}x{height} px, so that a sample can say "
            "what it was made from.",
            "Give its file in 2_dataset/images, or its number.",
        )
    return number


def _check_number(name: str, number: int, store: PhotoStore) -> int:
    if number >= len(store.pixels):
        raise UserError(
            f"{name} is photo {number}.",
            f"This run has {len(store.pixels)} training photo(s), numbered 0 to {len(store.pixels) - 1}.",
            "Choose one of those.",
        )
    return number


def _read_region(path: Path, store: PhotoStore) -> Tensor:
    height, width = store.pixels.shape[2:]
    return torch.from_numpy(read_mask(path, width, height, "the canvas")).to(store.pixels.device)


def _read(path: Path, channels: int) -> Floats:
    """A picture (channels, h, w) in [-1, 1]."""
    decoded = decode_picture(path)
    picture = integers_to_unit(decoded.pixels, decoded.bit_depth)
    if len(picture) == channels:
        return picture
    return np.repeat(picture.mean(0, keepdims=True), channels, axis=0)
