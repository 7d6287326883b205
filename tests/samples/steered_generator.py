"""A generator whose drawing can be told how bright, how wide and by which stencil.

Paper: none.
Good for: tests of controls, in milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor, nn

from handful.core.config import Settings
from handful.core.errors import UserError
from handful.core.images import read_png
from handful.core.seeds import noise_by_seed
from handful.generators.base import Facts, Generator, ImageSpec, Stateful

FACTS = Facts(least_photos=1, least_side_px=1, trains=False, source_type="algorithmicMedia")


class SteeredSettings(Settings):
    spread: float = 0.5
    """Of the values of an image."""


class SteeredControls(Settings):
    level: float = Field(0.0, ge=-1, le=1)
    """Mean brightness."""
    columns: int | None = Field(None, ge=1)
    """Columns of an image; None for the canvas."""
    stencil: Path | None = None
    """Where this picture is black, the image is black."""


class SteeredGenerator(Generator):
    settings_class = SteeredSettings
    controls_class = SteeredControls

    def __init__(self, settings: SteeredSettings, spec: ImageSpec, seed: int) -> None:
        super().__init__(settings, spec, seed)
        self.spread = settings.spread
        self.mean = nn.Linear(1, 1)

    def prepare(self, photos: Tensor) -> None:
        self.mean.bias.data.fill_(0.0)

    def sample(self, seeds: Sequence[int]) -> Tensor:
        return self.sample_controlled(seeds, SteeredControls())

    def check_controls(self, controls: Settings) -> None:
        assert isinstance(controls, SteeredControls)
        if controls.columns is not None and controls.columns > 100:
            raise UserError(f"columns is {controls.columns}.", "This run draws at most 100.", "Ask for fewer.")

    @torch.no_grad()
    def sample_controlled(self, seeds: Sequence[int], controls: Settings) -> Tensor:
        assert isinstance(controls, SteeredControls)
        shape = (self.spec.channels, self.spec.height, controls.columns or self.spec.width)
        images = noise_by_seed(seeds, shape, "uniform", "steered") * self.spread + controls.level
        if controls.stencil is not None:
            images[..., torch.from_numpy(read_png(controls.stencil) == 0)] = -1
        return images.clamp(-1, 1)

    def modules(self) -> dict[str, Stateful]:
        return {"mean": self.mean}
