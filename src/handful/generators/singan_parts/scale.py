"""The two networks of one scale, their updates, and drawing through the scales."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from handful.generators.layers import initialise
from handful.generators.singan_parts.penalty import LEAK, gradient_penalty
from handful.generators.singan_parts.pyramid import resize

BLOCKS = 5
RECEPTIVE_FIELD_PX = 2 * BLOCKS + 1
LATE, LATE_RATE = 0.8, 0.1
"""Share of a scale's training from which the learning rate is so many times itself, as in the authors' code."""
MAPS_KEPT = 60
"""Float32 maps, of a scale's size and width, that one update of the critic holds at its peak."""

Draw = Callable[[Tensor, Tensor], Tensor]
"""What a scale's generator does: (image plus noise, image) -> image, each (n, c, h, w)."""
Augmented = Callable[[Tensor], Tensor]
"""An augmentation with its stream of random numbers bound."""


def scale_widths(scales: int, width: int, most_width: int) -> tuple[int, ...]:
    """Channels at each scale, coarsest first: `width`, doubled every four scales up to `most_width`."""
    return tuple(min(width * 2 ** (scale // 4), most_width) for scale in range(scales))


class ImageNorm(nn.Module):
    """Batch norm of each image by itself: what it does in training to the authors' batch of one image."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Tensor, twice: bool) -> Tensor:
        # Two ways to the same numbers: batch norm's gradient is up to 40 times cheaper in channels_last, and group
        # norm's is cheaper to differentiate again
        if len(maps) == 1 and not twice:
            return F.batch_norm(maps, None, None, self.weight, self.bias, training=True)
        return F.group_norm(maps, maps.shape[1], self.weight, self.bias)


class PatchNetwork(nn.Module):
    """Head, three body blocks and tail, 3x3 without padding: (n, before, h, w) -> (n, after, h - 10, w - 10).

    Only the tail may have a bias: any before a norm would be subtracted by it.
    """

    def __init__(self, before: int, width: int, after: int, tail_bias: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (before, *[width] * (BLOCKS - 2)):
            layers += [nn.Conv2d(channels, width, 3, bias=False), ImageNorm(width), nn.LeakyReLU(LEAK, inplace=True)]
        self.layers = nn.ModuleList([*layers, nn.Conv2d(width, after, 3, bias=tail_bias)])

    def patch_maps(self, images: Tensor, twice: bool = False) -> Tensor:
        """float32 maps.

        Args:
            twice: whether their gradient will be differentiated again.
        """
        # One memory format, so that weights learn alike, bit for bit, whatever format they are kept in
        faster = torch.contiguous_format if images.device.type == "mps" else torch.channels_last
        maps = images.contiguous(memory_format=faster)
        for layer in self.layers:
            maps = layer(maps, twice) if isinstance(layer, ImageNorm) else layer(maps)
        return maps.float()


class ScaleGenerator(PatchNetwork):
    """Adds to an image (n, c, h, w), float32, what this scale has learned to add where it sees noise."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(channels, width, channels, tail_bias=True)

    def forward(self, noisy: Tensor, image: Tensor) -> Tensor:
        return image + torch.tanh(self.patch_maps(F.pad(noisy, (BLOCKS,) * 4)))


class ScaleCritic(PatchNetwork):
    """Images (n, c, h, w) -> maps (n, 1, h - 10, w - 10), float32: higher where an 11x11 patch looks like the photo."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(channels, width, 1, tail_bias=False)  # it would cancel between photo and fake

    def forward(self, images: Tensor, twice: bool = False) -> Tensor:
        return self.patch_maps(images, twice)


def fresh_network(
    kind: type[ScaleGenerator | ScaleCritic], channels: int, width: int, seed: int, purpose: str = "singan"
) -> nn.Module:
    """A network with initial weights, always made contiguous on the CPU: every device gets the same weights."""
    with torch.device("meta"):  # no weights are drawn from the global stream
        network = kind(channels, width)
    network.to_empty(device="cpu")
    initialise(network, seed, f"{purpose}/{kind.__name__}")
    return network


def with_weights(generator: nn.Module, weights: dict[str, Tensor]) -> Draw:
    """What the generator would draw with these weights."""
    return lambda noisy, image: functional_call(generator, weights, (noisy, image))


@dataclass(frozen=True)
class Engine:
    """What the updates of a scale are computed with."""

    run: Callable[..., Tensor]
    """(network, its inputs) -> its output."""
    critic_terms: Callable[[nn.Module, Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]
    """(critic, real, fake, mix) -> mean D(fake) - mean D(real), and the gradient penalty; without a mix, no penalty
    is computed and the second is 0."""


def run(network: nn.Module, *inputs: Tensor) -> Tensor:
    """The network's output."""
    output: Tensor = network(*inputs)
    return output


def critic_terms(critic: nn.Module, real: Tensor, fake: Tensor, mix: Tensor | None) -> tuple[Tensor, Tensor]:
    """Photo and fake pass one after the other: the gradient of batch norm is cheaper than that of group norm."""
    difference = critic(fake).mean() - critic(real).mean()
    if mix is None:
        return difference, torch.zeros_like(difference)
    return difference, gradient_penalty(partial(critic, twice=True), real, fake, mix)


EAGER = Engine(run, critic_terms)
"""The networks as they stand."""


def update_critic(
    critic: nn.Module,
    optimiser: torch.optim.Optimizer,
    real: Tensor,
    fake: Tensor,
    mix: Tensor | None,
    penalty_weight: float,
    engine: Engine = EAGER,
) -> tuple[Tensor, Tensor]:
    """One step down mean D(fake) - mean D(real) + weight * penalty; without a mix, there is no penalty.

    Returns:
        mean D(fake) - mean D(real), and the penalty without its weight: 0-d, detached.
    """
    difference, penalty = engine.critic_terms(critic, real, fake, mix)
    _descend(optimiser, difference + penalty_weight * penalty)
    return difference.detach(), penalty.detach()


def update_generator(
    generator: nn.Module,
    critic: nn.Module,
    optimiser: torch.optim.Optimizer,
    image: Tensor,
    noise: Tensor,
    reconstruction: Tensor,
    reconstruction_noise: Tensor,
    real: Tensor,
    reconstruction_weight: float,
    augment: Augmented,
    engine: Engine = EAGER,
) -> tuple[Tensor, Tensor]:
    """One step down -mean D(G(noise)) + weight * MSE(G(fixed noise), real).

    Args:
        image, noise: what the generator starts from; the noise has its weight.
        reconstruction, reconstruction_noise: the same for the drawing that must become the photo.

    Returns:
        -mean D(G(noise)), and the mean squared error without its weight: 0-d, detached.
    """
    critic.requires_grad_(False)
    adversarial = -engine.run(critic, augment(engine.run(generator, image + noise, image))).mean()
    error = F.mse_loss(engine.run(generator, reconstruction + reconstruction_noise, reconstruction), real)
    _descend(optimiser, adversarial + reconstruction_weight * error)
    critic.requires_grad_(True)
    return adversarial.detach(), error.detach()


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    torch.clear_autocast_cache()  # it holds casts of the weights as they were before this step


@torch.no_grad()
def draw_up(
    generators: Sequence[Draw],
    noises: Sequence[Tensor],
    sizes: Sequence[tuple[int, int]],
    image: Tensor,
) -> Tensor:
    """Draws through some scales, each from the upsampled image of the one below: (n, c, h, w).

    Args:
        generators: of these scales, coarser first.
        noises: one a scale, with its weight, that broadcasts to (n, c, h, w).
        sizes: (height, width) of each of these scales.
        image: what the first of them starts from, (n, c, any height, any width).
    """
    for generator, noise, size in zip(generators, noises, sizes, strict=True):
        image = resize(image, *size)
        image = generator(image + noise, image)
    return image
