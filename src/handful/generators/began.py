"""BEGAN: boundary equilibrium GAN, whose discriminator is an autoencoder.

Paper: Berthelot, Schumm, Metz: BEGAN: Boundary Equilibrium Generative Adversarial Networks, 2017, arXiv 1703.10717.
Good for: smooth, calm pictures at 32 to 128 px; a measure M of how far training has come; one number, gamma, that
    trades quality (low) for variety (high).
Weak at: few photos: it tends to collapse to one look. Fine texture, which a pixel loss blurs. Short budgets: an update
    costs about 5 times the arithmetic of one of DCGAN, and the paper trains for hundreds of thousands of them; after a
    few hundred, samples are still flat grey.
Differs: Any canvas: the short side is halved round(log2(side / 8)) times. A convolution with stride 2 leaves half the
    rows and columns, rounded up; the decoder goes back through exactly those sizes and cuts a row or column off where
    doubling gave one too many. At 64 and 128 px this is the paper's net with its 8x8 base. Of the encoder's two
    convolutions a size, the second has the stride of 2. One batch of latents serves both losses of an update (the paper
    draws z_D and z_G apart), and both networks are updated at once. The learning rate is halved when M, averaged over
    each fiftieth of the budget, has not fallen by 1 % for a fifth of the budget (setting patience), and never below
    2e-5; the paper says only that it is halved when M stalls. Skip connections and vanishing residuals, which the paper
    calls optional, are off. Initial weights are Glorot's uniform ones, biases 0; Adam's betas are its defaults; the
    paper states neither. Photos and fakes may be augmented. Outputs are linear, as in the paper, and clipped to [-1, 1]
    only in samples. Two photos at least: of a single one, a copy is the best answer.
Origin: written for Handful from the paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from handful.core.config import Settings
from handful.core.seeds import Noise, draw_noise, noise_by_seed, torch_stream
from handful.generators.base import Augment, Clock, Facts, Generator, ImageSpec, Stateful
from handful.generators.layers import fused_adam

FACTS = Facts(least_photos=2, least_side_px=8, trains=True, source_type="trainedAlgorithmicMedia")

_BASE_SIDE_PX = 8
_WINDOWS = 50  # M is averaged over each such share of the budget before it is judged
_LEAST_FALL = 0.01
_LEARNING_RATE_FLOOR = 2e-5  # below it, practice saw collapse


class BeganSettings(Settings):
    """Settings of BEGAN; the defaults are the paper's unless marked as ours."""

    noise: Noise = "uniform"
    """Distribution of the latents: uniform on [-1, 1), or gaussian N(0, 1)."""
    code: int = Field(64, ge=1, le=1024)
    """Numbers in one latent, and in the discriminator's code (paper: 64 or 128)."""
    filters: int = Field(64, ge=8, le=512)
    """Channels n of every layer but the encoder's, which has n, 2n, 3n, ... (paper: 64 or 128)."""
    gamma: float = Field(0.5, ge=0, le=1)
    """Wanted ratio of the fakes' loss to the photos' loss: low for quality, high for variety (paper: 0.3 to 0.7)."""
    lambda_k: float = Field(0.001, ge=0, le=1)
    """How fast k, the weight of the fakes in the discriminator's loss, follows that ratio."""
    learning_rate: float = Field(1e-4, gt=0, le=1)
    """Adam's first step size, for both networks; halved whenever M stalls, down to 2e-5."""
    beta1: float = Field(0.9, ge=0, lt=1)
    """Adam's decay of the mean gradient (default ours: Adam's)."""
    beta2: float = Field(0.999, ge=0, lt=1)
    """Adam's decay of the mean squared gradient (default ours: Adam's)."""
    patience: float = Field(0.2, gt=0, le=1)
    """Share of the budget without a fall of M by 1 % after which the learning rate is halved (default ours)."""
    skip_connections: bool = False
    """Whether the decoder's first map is seen again at every size."""
    residual_steps: int = Field(0, ge=0, le=1_000_000)
    """Steps over which vanishing residuals fade from 1 to 0 (paper, where used: 16000); 0 leaves them out."""


class ConvElu(nn.Conv2d):
    """3x3 convolution and ELU; with a residual where `carry` is above 0 and the shape stays the same."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__(before, after, 3, stride, padding=1)
        self.same_shape = before == after and stride == 1

    def forward(self, maps: Tensor, carry: float = 0.0) -> Tensor:
        out = F.elu(super().forward(maps), inplace=True)
        return torch.lerp(out, maps, carry) if carry and self.same_shape else out


class Encoder(nn.Module):
    """Images (n, channels, height, width) -> codes (n, code)."""

    def __init__(self, spec: ImageSpec, settings: BeganSettings) -> None:
        super().__init__()
        sizes, n = map_sizes(spec), settings.filters
        layers, channels = [ConvElu(spec.channels, n)], n
        for level in range(len(sizes)):
            wider, last = n * (level + 1), level + 1 == len(sizes)
            # two convolutions a size; the second leads on to the next: (h, w) -> (ceil(h / 2), ceil(w / 2))
            layers += [ConvElu(channels, wider), ConvElu(wider, wider, stride=1 if last else 2)]
            channels = wider
        self.layers = nn.ModuleList(layers)
        self.to_code = nn.Linear(channels * math.prod(sizes[0]), settings.code)

    def forward(self, images: Tensor, carry: float) -> Tensor:
        maps = images
        for layer in self.layers:
            maps = layer(maps, carry)
        codes: Tensor = self.to_code(maps.flatten(1))
        return codes


class Decoder(nn.Module):
    """Codes or latents (n, code) -> images (n, channels, height, width), float32, of any value.

    It is the generator, and with other weights the second half of the discriminator.
    """

    def __init__(self, spec: ImageSpec, settings: BeganSettings) -> None:
        super().__init__()
        n, self.skip_connections = settings.filters, settings.skip_connections
        self.sizes = map_sizes(spec)
        self.from_code = nn.Linear(settings.code, n * math.prod(self.sizes[0]))
        layers: list[nn.Module] = []
        for level in range(len(self.sizes)):
            joined = 2 * n if self.skip_connections and level else n
            layers += [ConvElu(joined, n), ConvElu(n, n)]
        self.layers = nn.ModuleList(layers)
        self.to_image = nn.Conv2d(n, spec.channels, 3, padding=1)

    def forward(self, codes: Tensor, carry: float = 0.0) -> Tensor:
        maps = first = self.from_code(codes).unflatten(1, (-1, *self.sizes[0]))  # (n, filters, *base)
        for level, (height, width) in enumerate(self.sizes):
            if level:
                maps = double(maps, height, width)
                if self.skip_connections:
                    first = double(first, height, width)
                    maps = torch.cat([maps, first], 1)
            maps = self.layers[2 * level + 1](self.layers[2 * level](maps, carry), carry)
        images: Tensor = self.to_image(maps)
        return images.float()


class Autoencoder(nn.Module):
    """The discriminator: images -> their reconstructions, both (n, channels, height, width)."""

    def __init__(self, spec: ImageSpec, settings: BeganSettings) -> None:
        super().__init__()
        self.encoder = Encoder(spec, settings)
        self.decoder = Decoder(spec, settings)

    def forward(self, images: Tensor, carry: float = 0.0) -> Tensor:
        reconstructions: Tensor = self.decoder(self.encoder(images, carry), carry)
        return reconstructions


class Balance(nn.Module):
    """k of section 3.3, and the carry of the vanishing residuals."""

    k: Tensor
    carry: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("k", torch.zeros(()))
        self.register_buffer("carry", torch.zeros(()))

    def update(self, loss_real: Tensor, loss_fake: Tensor, gamma: float, lambda_k: float) -> Tensor:
        """k <- clip(k + lambda_k (gamma L(x) - L(G(z))), 0, 1); returns M = L(x) + |gamma L(x) - L(G(z))|."""
        excess = gamma * loss_real - loss_fake
        self.k.add_(excess, alpha=lambda_k).clamp_(0, 1)
        return loss_real + excess.abs()


class Plateau:
    """Notices that M has stalled: its mean over a window of the budget has not fallen by 1 % for `patience`.

    M is summed on its device and read once a window, so that no step waits for a GPU.
    """

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self._state: dict[str, Any] = {"window": 0, "sum": torch.zeros(()), "steps": 0, "best": None, "best_in": 0}

    def stalls(self, measure: Tensor, progress: float) -> bool:
        """Takes in M (0-d) of the step at `progress` (0 to 1); True when the learning rate should be halved now."""
        state, stalled = self._state, False
        window = int(progress * _WINDOWS)
        if state["steps"] and window != state["window"]:
            mean = float(state["sum"]) / state["steps"]
            fallen = state["best"] is None or mean <= (1 - _LEAST_FALL) * state["best"]
            stalled = not fallen and state["window"] - state["best_in"] >= self.patience * _WINDOWS
            if fallen or stalled:
                state.update(best=mean, best_in=state["window"])
            state.update(sum=torch.zeros(()), steps=0)
        state.update(window=window, sum=state["sum"].to(measure.device) + measure, steps=state["steps"] + 1)
        return stalled

    def state_dict(self) -> dict[str, Any]:
        return dict(self._state)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._state = dict(state_dict)


class Began(Generator):
    """A decoder that generates and an autoencoder that discriminates, one update each a batch."""

    settings_class = BeganSettings
    averaged = ("generator",)

    def __init__(self, settings: BeganSettings, spec: ImageSpec, seed: int) -> None:
        super().__init__(settings, spec, seed)
        self.settings = settings
        with torch.device("meta"):  # no weights are drawn twice, and none from the global stream
            self.generator = Decoder(spec, settings)
            self.discriminator = Autoencoder(spec, settings)
        for name, network in (("generator", self.generator), ("discriminator", self.discriminator)):
            network.to_empty(device=self.device)
            _initialise(network, seed, f"began/{name}")
        betas = (settings.beta1, settings.beta2)
        self.generator_optimiser = fused_adam(self.generator, settings.learning_rate, betas)
        self.discriminator_optimiser = fused_adam(self.discriminator, settings.learning_rate, betas)
        self.balance = Balance()
        self.plateau = Plateau(settings.patience)

    def prepare(self, photos: Tensor) -> None:
        """Nothing: BEGAN sees the photos only in batches."""

    def step(self, batch: Tensor, clock: Clock, augment: Augment) -> dict[str, Tensor]:
        """One simultaneous update of both networks.

        Returns:
            loss_real L(x) and loss_fake L(G(z)) of this batch, before the update; k after it; convergence M.
        """
        settings = self.settings
        carry = max(0.0, 1 - clock.step / settings.residual_steps) if settings.residual_steps else 0.0
        self.balance.carry.fill_(carry)
        latents = draw_noise((len(batch), settings.code), settings.noise, clock.random)
        real = augment(batch, clock.random)
        fake = augment(self.generator(latents.to(self.device), carry), clock.random)
        loss_real, loss_fake = self._backward(real, fake, carry)
        self.discriminator_optimiser.step()
        self.generator_optimiser.step()

        measure = self.balance.update(loss_real, loss_fake, settings.gamma, settings.lambda_k)
        if self.plateau.stalls(measure, clock.progress):
            self._halve_learning_rate()
        k = self.balance.k.clone()
        return {"loss_real": loss_real, "loss_fake": loss_fake, "k": k, "convergence": measure}

    def _backward(self, real: Tensor, fake: Tensor, carry: float) -> tuple[Tensor, Tensor]:
        """Sets the gradients of L(x) - k L(G(z)) in the discriminator and of L(G(z)) in the generator.

        Both are taken at the same weights, so one pass of the fakes serves both: it gives the gradient of L(G(z))
        for the discriminator's weights, to be weighted by -k, and for the fakes, to be handed on to the generator.

        Returns:
            L(x) and L(G(z)), detached.
        """
        self.discriminator_optimiser.zero_grad()
        self.generator_optimiser.zero_grad()
        seen = fake.detach().requires_grad_()
        loss_fake = (self.discriminator(seen, carry) - seen).abs().mean()
        loss_fake.backward()
        fake.backward(seen.grad)  # type: ignore[no-untyped-call]
        for weight in self.discriminator.parameters():
            assert weight.grad is not None
            weight.grad.mul_(-self.balance.k)

        loss_real = (self.discriminator(real, carry) - real).abs().mean()
        loss_real.backward()
        return loss_real.detach(), loss_fake.detach()

    def _halve_learning_rate(self) -> None:
        floor = min(_LEARNING_RATE_FLOOR, self.settings.learning_rate)
        for optimiser in (self.generator_optimiser, self.discriminator_optimiser):
            for group in optimiser.param_groups:
                group["lr"] = max(group["lr"] / 2, floor)

    @torch.no_grad()
    def sample(self, seeds: Sequence[int]) -> Tensor:
        carry = float(self.balance.carry) if self.settings.residual_steps else 0.0
        latents = noise_by_seed(seeds, (self.settings.code,), self.settings.noise, "began/latent")
        with torch.autocast(self.device.type, enabled=False):
            images: Tensor = self.generator(latents.to(self.device), carry)
        return images.clamp_(-1, 1)

    def modules(self) -> dict[str, Stateful]:
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "generator_optimiser": self.generator_optimiser,
            "discriminator_optimiser": self.discriminator_optimiser,
            "balance": self.balance,
            "plateau": self.plateau,
        }


def map_sizes(spec: ImageSpec) -> list[tuple[int, int]]:
    """(height, width) of the maps from the base, about 8 on its short side, to the canvas; each doubles the last."""
    doublings = max(1, round(math.log2(min(spec.width, spec.height) / _BASE_SIDE_PX)))
    scales = [2**level for level in range(doublings, -1, -1)]
    return [(math.ceil(spec.height / scale), math.ceil(spec.width / scale)) for scale in scales]


def double(maps: Tensor, height: int, width: int) -> Tensor:
    """Nearest-neighbour upsampling by 2, without the last row or column where `height` or `width` is odd."""
    return F.interpolate(maps, scale_factor=2.0)[:, :, :height, :width]


@torch.no_grad()
def _initialise(network: nn.Module, seed: int, purpose: str) -> None:
    """Glorot's uniform weights, from a stream of `seed`; biases 0."""
    random = torch_stream(seed, purpose)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            parameter.zero_()
        else:
            nn.init.xavier_uniform_(parameter, generator=random)
