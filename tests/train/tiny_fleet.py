"""Learns each photo's brightness by itself; the loss of a very bright photo is not a number.

Paper: none.
Good for: tests of fleets, in milliseconds.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from handful.core.config import Settings
from handful.generators.base import Augment, Clock, Facts, Generator, ImageSpec, Stateful

FACTS = Facts(
    least_photos=1, least_side_px=8, trains=True, source_type="trainedAlgorithmicMedia", one_photo_at_a_time=True
)


class TinyFleetSettings(Settings):
    spoilt_above: float = 2.0
    """A photo with a mean above this makes the loss of its third step not a number."""
    enough_steps: int = 0
    """After so many steps it has finished; 0 for never."""
    pause_s: float = 0.0
    """How long a step takes."""


class Levels(nn.Module):
    """One level a photo."""

    levels: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("levels", torch.zeros(0))

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        self.levels = torch.empty_like(state_dict[f"{prefix}levels"])
        super()._load_from_state_dict(state_dict, prefix, *rest)


class TinyFleet(Generator):
    settings_class = TinyFleetSettings

    def __init__(self, settings: TinyFleetSettings, spec: ImageSpec, seed: int) -> None:
        super().__init__(settings, spec, seed)
        self.settings = settings
        self.bank = Levels()
        self.done_steps = 0

    def prepare(self, photos: Tensor) -> None:
        self.bank.levels = torch.zeros(len(photos))

    def step(self, batch: Tensor, clock: Clock, augment: Augment) -> dict[str, Tensor]:
        member = min(int(clock.progress * len(self.bank.levels)), len(self.bank.levels) - 1)
        self.done_steps = clock.step + 1
        time.sleep(self.settings.pause_s)
        mean = batch.mean() + torch.rand((), generator=clock.random)
        self.bank.levels[member] += 0.5 * (mean - self.bank.levels[member])
        spoilt = clock.step >= 2 and batch.mean() > self.settings.spoilt_above
        return {"error": (mean - self.bank.levels[member]).abs() * (torch.nan if spoilt else 1.0)}

    @property
    def finished(self) -> bool:
        return 0 < self.settings.enough_steps <= self.done_steps

    def join(self, members: Sequence[Mapping[str, Mapping[str, Any]]]) -> None:
        self.bank.levels = torch.cat([states["bank"]["levels"] for states in members])

    def sample(self, seeds: Sequence[int]) -> Tensor:
        places = [seed % len(self.bank.levels) for seed in seeds]
        level = self.bank.levels[places].clamp(-1, 1)[:, None, None, None]
        return level.expand(-1, self.spec.channels, self.spec.height, self.spec.width).clone()

    def modules(self) -> dict[str, Stateful]:
        return {"bank": self.bank}
