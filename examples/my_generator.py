"""Sliced Wasserstein: a linear generator, moved until its random projections match those of the photos.

Paper: Deshpande, Zhang, Schwing: Generative Modeling using the Sliced Wasserstein Distance, 2018, arXiv 1803.11188.
Good for: showing what a generator file needs; stations where only the light changes.
Weak at: anything that moves: it can only mix photos, so moving edges become ghosts. Small batches shrink the spread.
Differs: linear in pixel space instead of a deep network; the step size falls to 0 over the budget.
Origin: written for Handful from the paper. Try it: `handful compare photos --generators examples/my_generator.py`
"""

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor, nn

from handful.core.config import Settings
from handful.core.seeds import draw_noise, noise_by_seed, torch_stream
from handful.generators.base import Augment, Clock, Facts, Generator, ImageSpec, Stateful

FACTS = Facts(least_photos=1, least_side_px=1, trains=True, source_type="trainedAlgorithmicMedia")


class MySettings(Settings):
    latent: int = Field(8, ge=1, le=256)
    """Directions in pixel space along which samples vary."""
    projections: int = Field(64, ge=1, le=4096)
    """Random projections compared in one step."""
    learning_rate: float = Field(0.01, gt=0, le=1)
    """Adam's step size at the start."""


class MyGenerator(Generator):
    settings_class = MySettings

    def __init__(self, settings: MySettings, spec: ImageSpec, seed: int) -> None:
        super().__init__(settings, spec, seed)
        self.settings, self.shape = settings, (spec.channels, spec.height, spec.width)
        directions = torch.randn(settings.latent, *self.shape, generator=torch_stream(seed, "mine/weights"))
        self.model = nn.ParameterDict({"mean": torch.zeros(self.shape), "directions": 0.02 * directions})
        self.optimiser = torch.optim.Adam(self.model.parameters())

    def prepare(self, photos: Tensor) -> None:
        self.model["mean"].data.copy_(photos.mean(0))

    def _images(self, codes: Tensor) -> Tensor:
        images: Tensor = self.model["mean"] + torch.tensordot(codes.to(self.device), self.model["directions"], dims=1)
        return images  # (n, c, h, w)

    def step(self, batch: Tensor, clock: Clock, augment: Augment) -> dict[str, Tensor]:
        codes = draw_noise((len(batch), self.settings.latent), "gaussian", clock.random)
        fake = augment(self._images(codes), clock.random).flatten(1)  # (n, pixels)
        real = augment(batch, clock.random).flatten(1)
        directions = draw_noise((real.shape[1], self.settings.projections), "gaussian", clock.random).to(self.device)
        loss = ((real @ directions).sort(0).values - (fake @ directions).sort(0).values).square().mean()
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * (1 - clock.progress)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return {"distance": loss.detach()}

    @torch.no_grad()
    def sample(self, seeds: Sequence[int]) -> Tensor:
        return self._images(noise_by_seed(seeds, (self.settings.latent,), "gaussian", "mine/code")).clamp(-1, 1)

    def modules(self) -> dict[str, Stateful]:
        return {"model": self.model, "optimiser": self.optimiser}
