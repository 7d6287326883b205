"""The smallest adversarial generator, with faults that tests can ask for.

Paper: none.
Good for: tests of the training loop, in milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from handful.core.config import Settings
from handful.core.seeds import noise_by_seed, torch_stream
from handful.generators.base import Augment, Clock, Facts, Generator, ImageSpec, Stateful

FACTS = Facts(least_photos=1, least_side_px=8, trains=True, source_type="trainedAlgorithmicMedia")


class TinySettings(Settings):
    rate: float = 2e-3
    """Learning rate."""
    nan_loss_step: int = -1
    """The step that returns a loss that is not a number."""
    nan_weight_step: int = -1
    """The step that spoils a weight and says nothing."""
    huge_loss_step: int = -1
    """The step that returns a loss of a million."""
    alike_from: float = 2.0
    """Share of the budget from which all samples are the same."""


class TinyGenerator(Generator):
    settings_class = TinySettings
    averaged = ("generator",)

    def __init__(self, settings: TinySettings, spec: ImageSpec, seed: int) -> None:
        super().__init__(settings, spec, seed)
        self.settings = settings
        self.generator = nn.Sequential(
            nn.Conv2d(4, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, spec.channels, 1)
        )
        self.discriminator = nn.Sequential(nn.Conv2d(spec.channels, 8, 3, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(8, 1, 3))
        random = torch_stream(seed, "tiny weights")
        for network in (self.generator, self.discriminator):
            for parameter in network.parameters():
                nn.init.normal_(parameter, 0.0, 0.3, generator=random)
        self.generator_adam = torch.optim.Adam(self.generator.parameters(), settings.rate, (0.5, 0.9), fused=True)
        self.discriminator_adam = torch.optim.Adam(self.discriminator.parameters(), settings.rate, fused=True)
        self.brightness = torch.zeros(())
        self.alike = False

    def prepare(self, photos: Tensor) -> None:
        self.brightness = photos.mean()

    def step(self, batch: Tensor, clock: Clock, augment: Augment) -> dict[str, Tensor]:
        noise = torch.randn(len(batch), 4, *batch.shape[-2:], generator=clock.random)
        fake = self._images(noise)
        real_score = self.discriminator(augment(batch, clock.random))
        fake_score = self.discriminator(augment(fake.detach(), clock.random))
        loss_d = F.softplus(-real_score).mean() + F.softplus(fake_score).mean()
        self.discriminator_adam.zero_grad()
        loss_d.backward()
        self.discriminator_adam.step()
        loss_g = F.softplus(-self.discriminator(augment(fake, clock.random))).mean()
        self.generator_adam.zero_grad()
        loss_g.backward()
        self.generator_adam.step()
        self._misbehave(clock)
        loss_d = loss_d.detach()
        if clock.step == self.settings.nan_loss_step:
            loss_d = loss_d * torch.nan
        if clock.step == self.settings.huge_loss_step:
            loss_d = loss_d + 1e6
        return {"d": loss_d, "g": loss_g.detach()}

    def sample(self, seeds: Sequence[int]) -> Tensor:
        noise = noise_by_seed(seeds, (4, self.spec.height, self.spec.width), "gaussian", "tiny sample")
        noise = noise[:1].expand_as(noise) if self.alike else noise
        self.generator.eval()
        with torch.no_grad():
            images = self._images(noise)
        self.generator.train()
        return images

    def modules(self) -> dict[str, Stateful]:
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "generator_adam": self.generator_adam,
            "discriminator_adam": self.discriminator_adam,
            "brightness": _Brightness(self),
        }

    def _images(self, noise: Tensor) -> Tensor:
        return torch.tanh(self.generator(noise) + self.brightness)

    def _misbehave(self, clock: Clock) -> None:
        self.alike = clock.progress >= self.settings.alike_from
        if clock.step == self.settings.nan_weight_step:
            with torch.no_grad():
                self.generator[0].weight[0, 0, 0, 0] = torch.nan


class _Brightness:
    """What `prepare` learned."""

    def __init__(self, owner: TinyGenerator) -> None:
        self.owner = owner

    def state_dict(self) -> dict[str, object]:
        return {"mean": self.owner.brightness}

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        self.owner.brightness = state_dict["mean"]
