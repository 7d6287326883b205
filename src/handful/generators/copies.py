"""Copies: the training photos themselves, drawn again and again.

Paper: none; the anchor that every honest comparison needs.
Good for: the floor of novelty: a score that likes copies best cannot see memorising.
Weak at: everything else, by intent.
Differs: nothing to differ from.
Origin: written for Handful.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from handful.core.config import Settings
from handful.core.seeds import torch_stream
from handful.generators.base import Facts, Generator, ImageSpec, Stateful
from handful.generators.layers import PhotoBank

FACTS = Facts(least_photos=1, least_side_px=1, trains=False, source_type="algorithmicallyEnhanced", anchor=True)


class CopiesSettings(Settings):
    """Copies has no settings."""


class Copies(Generator):
    """A bank of photos; a seed picks one, each equally likely."""

    settings_class = CopiesSettings

    def __init__(self, settings: CopiesSettings, spec: ImageSpec, seed: int) -> None:
        super().__init__(settings, spec, seed)
        self.bank = PhotoBank()
        self._masks: dict[int, Tensor] = {}

    def prepare(self, photos: Tensor) -> None:
        """Keeps the photos."""
        self.bank.fill(photos)

    def prepare_masks(self, masks: Tensor) -> None:
        self.bank.fill_masks(masks)

    def sample(self, seeds: Sequence[int]) -> Tensor:
        sources, known = self.sources(seeds), self.bank.masks
        self._masks = dict(zip(seeds, known[sources], strict=True)) if len(known) else {}
        return self.bank.photos[sources]

    def masks(self) -> Mapping[int, Tensor]:
        return self._masks

    def sources(self, seeds: Sequence[int], controls: Settings | None = None) -> list[int]:
        count = len(self.bank.photos)
        return [int(torch.randint(count, (), generator=torch_stream(seed, "copies/photo"))) for seed in seeds]

    def modules(self) -> dict[str, Stateful]:
        return {"bank": self.bank}
