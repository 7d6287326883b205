"""A generator that does not train: it repeats the mean photo."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from handful.core.config import Settings
from handful.generators.base import Facts, Generator, ImageSpec, Stateful

FACTS = Facts(least_photos=2, least_side_px=8, trains=False, source_type="algorithmicMedia", anchor=True)


class MemorySettings(Settings):
    pass


class MemoryGenerator(Generator):
    settings_class = MemorySettings

    def __init__(self, settings: MemorySettings, spec: ImageSpec, seed: int) -> None:
        super().__init__(settings, spec, seed)
        self.mean = nn.Module()
        self.mean.register_buffer("image", torch.zeros(spec.channels, spec.height, spec.width))

    def prepare(self, photos: Tensor) -> None:
        self.mean.image.copy_(photos.mean(0))

    def sample(self, seeds: Sequence[int]) -> Tensor:
        return self.mean.image.expand(len(seeds), -1, -1, -1)

    def modules(self) -> dict[str, Stateful]:
        return {"mean": self.mean}
