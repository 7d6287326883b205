"""Differentiable augmentation of photos and samples alike, so that few photos do not wear a critic out.

Paper: Zhao, Liu, Lin, Zhu, Han: Differentiable Augmentation for Data-Efficient GAN Training, 2020,
    arXiv 2006.10738. Colour, translation and cutout follow section 4 and its ranges; flip is ours.
Differs: the names are switched one by one, and saturation leaves grey images alone.
Origin: written here from the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from handful.generators.base import Augment
from handful.generators.classic import DRAWS, ClassicSettings, vary

Operation = Literal["classic", "flip", "color", "translation", "cutout"]

_SHIFT_SHARE = 1 / 8
_CUTOUT_SHARE = 1 / 2


def build_augment(operations: Sequence[Operation]) -> Augment:
    """The given operations one after another; none leaves images as they are.

    Each image of a batch draws its own numbers, on the CPU, from the generator that the caller passes.
    """

    def augment(images: Tensor, random: torch.Generator) -> Tensor:
        for operation in operations:
            images = _OPERATIONS[operation](images, random)
        return images

    return augment


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


_OPERATIONS = {"classic": classic, "flip": flip, "color": color, "translation": translation, "cutout": cutout}
