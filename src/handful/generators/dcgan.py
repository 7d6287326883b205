"""DCGAN: a deep convolutional generative adversarial network.

Paper: Radford, Metz, Chintala: Unsupervised Representation Learning with Deep Convolutional Generative
    Adversarial Networks, 2015, arXiv 1511.06434.
Good for: a first trained baseline that every paper reports; minutes on a CPU at 64 px; 20 photos and more.
Weak at: few photos, which its discriminator learns by heart; canvases above 128 px; fine texture. It can collapse to
    one look.
Differs: Any canvas: the short side is halved floor(log2(side / 4)) times to a base grid, rounded up, and what is too
    much is cropped at the centre; at 64x64 this is the usual net. Widths are 512-256-128-64 and kernels 4x4, as in the
    code that everybody runs; the paper's figure 1 draws twice the widths (setting width = 128) and 5x5 kernels. No
    convolution has a bias. The fake batch of the discriminator's update serves the generator's update too. Photos and
    fakes may be augmented. For sampling, the batch norm statistics are measured once for the current (averaged)
    weights, from fixed latents, so that an image depends on its seed alone; the paper does not say what it did. Two
    photos at least: batch norm divides out the brightness and contrast of a photo that is alone.
Origin: written for Handful from the paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from handful.core.config import Settings
from handful.core.seeds import Noise, draw_noise, noise_by_seed, torch_stream
from handful.generators.base import Augment, Clock, Facts, Generator, ImageSpec, Stateful
from handful.generators.layers import BatchNorm, fused_adam, initialise, measure_batch_norms

FACTS = Facts(least_photos=2, least_side_px=8, trains=True, source_type="trainedAlgorithmicMedia")

_CALIBRATION_BATCHES = 8
_CALIBRATION_BATCH = 16


class DcganSettings(Settings):
    """Settings of DCGAN; the defaults are the paper's unless marked as ours."""

    noise: Noise = "uniform"
    """Distribution of the latents: uniform on [-1, 1), or gaussian N(0, 1)."""
    latent: int = Field(100, ge=1, le=1024)
    """Numbers in one latent."""
    width: int = Field(64, ge=1, le=512)
    """Channels at half the image's size; they double at each halving, up to 8 times this (default ours: half of
    the paper's figure)."""
    learning_rate: float = Field(2e-4, gt=0, le=1)
    """Adam's step size, for both networks."""
    beta1: float = Field(0.5, ge=0, lt=1)
    """Adam's decay of the mean gradient."""
    beta2: float = Field(0.999, ge=0, lt=1)
    """Adam's decay of the mean squared gradient."""


class GeneratorNetwork(nn.Module):
    """Latents (n, latent) -> images (n, channels, height, width) in (-1, 1), float32."""

    def __init__(self, spec: ImageSpec, latent: int, widths: Sequence[int]) -> None:
        """Args:
        widths: channels from the image inwards, one for each doubling.
        """
        super().__init__()
        self.spec = spec
        scale = 2 ** len(widths)
        self.base = (widths[-1], math.ceil(spec.height / scale), math.ceil(spec.width / scale))
        self.project = nn.Linear(latent, math.prod(self.base), bias=False)
        layers: list[nn.Module] = [BatchNorm(widths[-1]), nn.ReLU(inplace=True)]
        for before, after in pairwise(reversed(widths)):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), BatchNorm(after), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(widths[0], spec.channels, 4, 2, 1, bias=False))

    def forward(self, latents: Tensor) -> Tensor:
        maps = self.project(latents).unflatten(1, self.base)
        images = torch.tanh(self.layers(maps).float())  # (n, c, base * 2**doublings), at least the canvas
        top, left = (images.shape[2] - self.spec.height) // 2, (images.shape[3] - self.spec.width) // 2
        return images[:, :, top : top + self.spec.height, left : left + self.spec.width]


class DiscriminatorNetwork(nn.Module):
    """Images (n, channels, height, width) -> logits (n,), float32: above 0 means photo."""

    def __init__(self, spec: ImageSpec, widths: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(spec.channels, widths[0], 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), BatchNorm(after), nn.LeakyReLU(0.2, True)]
        scale = 2 ** len(widths)
        head = nn.Conv2d(widths[-1], 1, (spec.height // scale, spec.width // scale), bias=False)
        self.layers = nn.Sequential(*layers, head)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers(images)  # (n, 1, 1, 1)
        return logits.flatten().float()


class Dcgan(Generator):
    """One generator and one discriminator, one update each a batch."""

    settings_class = DcganSettings
    averaged = ("generator",)

    def __init__(self, settings: DcganSettings, spec: ImageSpec, seed: int) -> None:
        super().__init__(settings, spec, seed)
        self.settings = settings
        doublings = (min(spec.width, spec.height) // 4).bit_length() - 1  # floor(log2(short side / 4))
        widths = [settings.width * min(8, 2**level) for level in range(doublings)]
        with torch.device("meta"):  # no weights are drawn twice, and none from the global stream
            self.generator = GeneratorNetwork(spec, settings.latent, widths)
            self.discriminator = DiscriminatorNetwork(spec, widths)
        for name, network in (("generator", self.generator), ("discriminator", self.discriminator)):
            network.to_empty(device=self.device)
            initialise(network, seed, f"dcgan/{name}")
        betas = (settings.beta1, settings.beta2)
        self.generator_optimiser = fused_adam(self.generator, settings.learning_rate, betas)
        self.discriminator_optimiser = fused_adam(self.discriminator, settings.learning_rate, betas)
        self._measured: list[Tensor] = []

    def prepare(self, photos: Tensor) -> None:
        """Nothing: DCGAN sees the photos only in batches."""

    def step(self, batch: Tensor, clock: Clock, augment: Augment) -> dict[str, Tensor]:
        self.generator.train()
        latents = draw_noise((len(batch), self.settings.latent), self.settings.noise, clock.random)
        real = augment(batch, clock.random)
        fake = augment(self.generator(latents.to(self.device)), clock.random)

        # -log D(x) - log(1 - D(G(z))), each batch normalised by itself
        discriminator_loss = F.softplus(-self.discriminator(real)).mean()
        discriminator_loss = discriminator_loss + F.softplus(self.discriminator(fake.detach())).mean()
        self.discriminator_optimiser.zero_grad()
        discriminator_loss.backward()  # type: ignore[no-untyped-call]
        self.discriminator_optimiser.step()

        # -log D(G(z)). Frozen, the discriminator computes no gradient of its weights, and autocast, which keeps the
        # casts of trainable weights, casts the updated ones afresh.
        self.discriminator.requires_grad_(False)
        generator_loss = F.softplus(-self.discriminator(fake)).mean()
        self.generator_optimiser.zero_grad()
        generator_loss.backward()  # type: ignore[no-untyped-call]
        self.generator_optimiser.step()
        self.discriminator.requires_grad_(True)
        return {"discriminator": discriminator_loss.detach(), "generator": generator_loss.detach()}

    @torch.no_grad()
    def sample(self, seeds: Sequence[int]) -> Tensor:
        with torch.autocast(self.device.type, enabled=False):
            self._measure()
            latents = noise_by_seed(seeds, (self.settings.latent,), self.settings.noise, "dcgan/latent")
            images: Tensor = self.generator(latents.to(self.device))
            return images

    def _measure(self) -> None:
        """Measures the batch norms' sampling statistics, unless that was done for exactly these weights."""
        weights = [parameter.detach() for parameter in self.generator.parameters()]
        known = len(self._measured) == len(weights) and all(
            old.device == new.device and torch.equal(old, new) for old, new in zip(self._measured, weights, strict=True)
        )
        if not known:
            random = torch_stream(0, "dcgan/calibration")
            shape = (_CALIBRATION_BATCH, self.settings.latent)
            batches = [draw_noise(shape, self.settings.noise, random) for _ in range(_CALIBRATION_BATCHES)]
            measure_batch_norms(self.generator, (batch.to(self.device) for batch in batches))
            self._measured = [weight.clone() for weight in weights]
        self.generator.eval()

    def modules(self) -> dict[str, Stateful]:
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "generator_optimiser": self.generator_optimiser,
            "discriminator_optimiser": self.discriminator_optimiser,
        }
