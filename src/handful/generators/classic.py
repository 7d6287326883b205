"""Classic augmentation: training photos, slightly shifted, turned, brightened and made noisy.

Paper: none; the practice that generated images must beat.
Good for: the anchor "what ordinary augmentation gives"; an honest alternative where it is enough.
Weak at: anything new: every image is one photo with its light and place changed, and a wrong range breaks the
    inspection's meaning.
Differs: nothing to differ from. Flips are off, because few stations are mirror symmetric.
Origin: written for Handful; warps and adjustments by kornia with parameters drawn from our own streams.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from kornia.enhance import adjust_contrast, adjust_contrast_with_mean_subtraction
from kornia.geometry.transform import get_rotation_matrix2d, warp_affine
from pydantic import Field
from torch import Tensor

from handful.core.config import Settings
from handful.core.seeds import torch_stream
from handful.generators.base import Facts, Generator, ImageSpec, Stateful
from handful.generators.layers import PhotoBank

FACTS = Facts(least_photos=1, least_side_px=2, trains=False, source_type="algorithmicallyEnhanced", anchor=True)


class ClassicSettings(Settings):
    """Ranges of the changes; every change is uniform within its range. All defaults are ours."""

    shift: float = Field(0.03, ge=0, le=0.5)
    """Largest shift in x and in y, as a share of the side; the border is filled by reflection."""
    turn_degrees: float = Field(2.0, ge=0, le=180)
    """Largest turn about the centre, either way, in degrees."""
    flip_horizontal: bool = False
    """Mirror half of the images left to right: only where the station allows it."""
    flip_vertical: bool = False
    """Mirror half of the images top to bottom: only where the station allows it."""
    gain: float = Field(0.1, ge=0, lt=1)
    """Largest relative change of exposure: grey values (black is 0) times 1 - gain to 1 + gain."""
    contrast: float = Field(0.1, ge=0, lt=1)
    """Largest relative change of the distance to the image's mean."""
    noise: float = Field(0.01, ge=0, le=0.5)
    """Standard deviation of Gaussian pixel noise, as a share of the grey range."""


DRAWS = 7
"""Uniform numbers that decide the changes of one image."""


def vary(photos: Tensor, draws: Tensor, noise: Tensor, settings: ClassicSettings) -> Tensor:
    """Photos (n, c, h, w) in [-1, 1], each changed within the settings' ranges; differentiable.

    Args:
        photos: one for each image.
        draws: (n, DRAWS), uniform on [0, 1).
        noise: standard normal, shaped as the photos.
        settings: the ranges.
    """
    gain, contrast = (draws[:, 3:5] * 2 - 1).T.to(photos)
    images = move((photos + 1) / 2, draws, settings, "bicubic")  # kornia's range: [0, 1]
    images = adjust_contrast(images, 1 + gain * settings.gain)  # kornia's name for a factor on grey values
    images = adjust_contrast_with_mean_subtraction(images, 1 + contrast * settings.contrast)
    images = images + noise.to(images) * settings.noise
    return images.clamp(0, 1) * 2 - 1


def move(images: Tensor, draws: Tensor, settings: ClassicSettings, mode: Literal["bicubic", "nearest"]) -> Tensor:
    """The flips, shift and turn that `vary` gives images (n, c, h, w), masks too; differentiable if bicubic."""
    n, (height, width) = len(images), images.shape[2:]
    right, down, turn = (draws[:, :3] * 2 - 1).T.to(images)
    for axis, allowed in ((3, settings.flip_horizontal), (2, settings.flip_vertical)):
        flipped = (draws[:, axis + 3] < 0.5) & allowed
        images = torch.where(flipped.to(images.device)[:, None, None, None], images.flip(axis), images)
    centre = torch.tensor([[(width - 1) / 2, (height - 1) / 2]]).to(images).expand(n, 2)
    matrix = get_rotation_matrix2d(centre, turn * settings.turn_degrees, torch.ones(n, 2).to(images))
    matrix[:, :, 2] += torch.stack([right * width, down * height], dim=1) * settings.shift
    return warp_affine(images, matrix, (height, width), mode=mode, padding_mode="reflection")


class Classic(Generator):
    """A bank of photos; a seed picks one and decides every change."""

    settings_class = ClassicSettings

    def __init__(self, settings: ClassicSettings, spec: ImageSpec, seed: int) -> None:
        super().__init__(settings, spec, seed)
        self.settings = settings
        self.bank = PhotoBank()
        self._masks: dict[int, Tensor] = {}

    def prepare(self, photos: Tensor) -> None:
        """Keeps the photos."""
        self.bank.fill(photos)

    def prepare_masks(self, masks: Tensor) -> None:
        self.bank.fill_masks(masks)

    def sample(self, seeds: Sequence[int]) -> Tensor:
        random = self._streams(seeds)
        chosen = self._pick(random)
        photos = self.bank.photos[chosen]
        draws = torch.stack([torch.rand(DRAWS, generator=one) for one in random])
        self._masks = {}
        if len(self.bank.masks):
            moved = move(self.bank.masks[chosen][:, None].float(), draws, self.settings, "nearest")
            self._masks = dict(zip(seeds, moved[:, 0].round().to(torch.uint8), strict=True))
        noise = torch.stack([torch.randn(photos.shape[1:], generator=one) for one in random])
        return vary(photos, draws, noise, self.settings)

    def masks(self) -> Mapping[int, Tensor]:
        return self._masks

    def sources(self, seeds: Sequence[int], controls: Settings | None = None) -> list[int]:
        return self._pick(self._streams(seeds))

    def _streams(self, seeds: Sequence[int]) -> list[torch.Generator]:
        return [torch_stream(seed, "classic") for seed in seeds]

    def _pick(self, random: Sequence[torch.Generator]) -> list[int]:
        """The photo of each seed: the first number of its stream."""
        return [int(torch.randint(len(self.bank.photos), (), generator=one)) for one in random]

    def modules(self) -> dict[str, Stateful]:
        return {"bank": self.bank}
