"""Differentiable augmentation of photos and samples alike, so that few photos do not wear a critic out.

Paper: Zhao, Liu, Lin, Zhu, Han: Differentiable Augmentation for Data-Efficient GAN Training, 2020,
    arXiv 2006.10738. Colour, translation and cutout follow section 4 and its ranges; flip and relight are ours.
Differs: the names are switched one by one, and saturation leaves grey images alone.
Origin: written here from the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from handful.core.errors import UserError
from handful.generators.base import Augment
from handful.generators.classic import DRAWS, ClassicSettings, vary
from handful.light.slow import SlowLight, fit_slow_light
from handful.light.view import compare_views

Operation = Literal["classic", "flip", "color", "translation", "cutout", "relight"]

_SHIFT_SHARE = 1 / 8
_CUTOUT_SHARE = 1 / 2
_LIGHT_PX = 64  # size at which the photos' light is compared
_BLACK, _WHITE = 0.03, 0.998  # of the range: outside, a pixel says nothing about light


def build_augment(operations: Sequence[Operation], photos: Tensor | None = None) -> Augment:
    """The given operations one after another; none leaves images as they are.

    Each image of a batch draws its own numbers, on the CPU, from the generator that the caller passes.

    Args:
        operations: their names.
        photos: the training photos (n, c, h, w) in [-1, 1], whose light `relight` learns; the others need none.

    Raises:
        UserError: relight with fewer than 2 photos.
    """
    known = dict(_OPERATIONS)
    if "relight" in operations:
        known["relight"] = build_relight(photos)
    chosen = [known[operation] for operation in operations]

    def augment(images: Tensor, random: torch.Generator) -> Tensor:
        for operate in chosen:
            images = operate(images, random)
        return images

    return augment


def build_relight(photos: Tensor | None) -> Augment:
    """Moves the light of each image, by gain and slow gradient, as far as the light of the photos moves.

    A field is drawn on the straight line between the lights of two photos, relative to their middle one, and
    multiplies the grey values above black. A camera's gamma turns a field into a power of it, in photos and here
    alike, so that no gamma need be known. Nothing is clipped, and no edge moves. The direction of light is left
    alone: the normals of a sample are not known.

    Args:
        photos: (n, c, h, w) in [-1, 1], at least 2.

    Raises:
        UserError: fewer than 2 photos.
    """
    if photos is None or len(photos) < 2:
        raise UserError(
            f"The augmentation relight was asked for with {0 if photos is None else len(photos)} training photo(s).",
            "It moves light as the light of the photos differs, which takes at least 2.",
            "Add photos, or leave relight out of --augment.",
        )
    light = _photo_light(photos)
    drawable = light.drawable.float()

    def relight(images: Tensor, random: torch.Generator) -> Tensor:
        n, _, height, width = images.shape
        first, second = torch.randint(0, len(drawable), (2, n), generator=random)
        coefficients = torch.lerp(drawable[first], drawable[second], torch.rand(n, 1, generator=random))
        fields = light.fields(coefficients, (height, width))[:, None].to(images)  # (n, 1, h, w)
        return (images + 1) * fields - 1

    return relight


def _photo_light(photos: Tensor) -> SlowLight:
    """Gain and gradient of each photo's grey values above black, relative to the middle one."""
    grey = ((photos.detach().cpu().double().mean(1, keepdim=True) + 1) / 2).clamp(0, 1)
    factor = min(1.0, _LIGHT_PX / max(grey.shape[2:]))
    height, width = (max(1, round(side * factor)) for side in grey.shape[2:])
    small = torch.nn.functional.adaptive_avg_pool2d(grey, (height, width))
    known = (small > _BLACK) & (small < _WHITE)
    return fit_slow_light(small[:, 0], known[:, 0], compare_views(list(small)))


def classic(images: Tensor, random: torch.Generator) -> Tensor:
    """What the generator `classic` does, with its default ranges: small shift and turn, gain, contrast, noise."""
    draws = torch.rand(len(images), DRAWS, generator=random)
    noise = torch.randn(images.shape, generator=random)
    return vary(images, draws, noise, ClassicSettings())


def flip(images: Tensor, random: torch.Generator) -> Tensor:
    """Mirrors half of the images left to right."""
    chosen = _uniform(images, random) < 0.5
    return torch.where(chosen, images.flip(-1), images)


def color(images: Tensor, random: torch.Generator) -> Tensor:
    """Brightness -0.5 ... 0.5 added; saturation (colour only) times 0 ... 2; contrast times 0.5 ... 1.5."""
    images = images + (_uniform(images, random) - 0.5)
    if images.shape[1] == 3:
        images = _stretch(images, images.mean(dim=1, keepdim=True), 2 * _uniform(images, random))
    return _stretch(images, images.mean(dim=(1, 2, 3), keepdim=True), 0.5 + _uniform(images, random))


def translation(images: Tensor, random: torch.Generator) -> Tensor:
    """Shifts by up to an eighth of each side in whole pixels; what comes in from outside is 0."""
    n, _, height, width = images.shape
    rows, rows_inside = _shifted_places(height, n, images, random)  # (n, h)
    columns, columns_inside = _shifted_places(width, n, images, random)  # (n, w)
    each = torch.arange(n, device=images.device)[:, None, None]
    # Indices around the channel axis put it last: (n, h, w, c).
    shifted = images.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    inside = rows_inside[:, None, :, None] & columns_inside[:, None, None, :]
    return shifted * inside


def cutout(images: Tensor, random: torch.Generator) -> Tensor:
    """Sets a rectangle of half of each side to 0; its centre lies anywhere in the image."""
    n, _, height, width = images.shape
    rows = _near_random_centre(height, n, images, random)
    columns = _near_random_centre(width, n, images, random)
    return images * ~(rows[:, None, :, None] & columns[:, None, None, :])


def _uniform(images: Tensor, random: torch.Generator) -> Tensor:
    """One number in [0, 1) an image, shaped (n, 1, 1, 1)."""
    return torch.rand(images.shape[0], 1, 1, 1, generator=random).to(images.device)


def _stretch(images: Tensor, mean: Tensor, factor: Tensor) -> Tensor:
    return mean + (images - mean) * factor


def _shifted_places(side: int, n: int, images: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Where each place of a shifted axis is read from, (n, side), and whether that lies inside the image."""
    most = round(side * _SHIFT_SHARE)
    shift = torch.randint(-most, most + 1, (n, 1), generator=random)
    places = (torch.arange(side) - shift).to(images.device)
    return places.clamp(0, side - 1), (places >= 0) & (places < side)


def _near_random_centre(side: int, n: int, images: Tensor, random: torch.Generator) -> Tensor:
    """True (n, side) on a stretch of half the side around a random centre, as far as it lies inside."""
    length = round(side * _CUTOUT_SHARE)
    start = torch.randint(0, side, (n, 1), generator=random) - length // 2
    places = torch.arange(side)
    return ((places >= start) & (places < start + length)).to(images.device)


_OPERATIONS: dict[str, Augment] = {
    "classic": classic,
    "flip": flip,
    "color": color,
    "translation": translation,
    "cutout": cutout,
}
