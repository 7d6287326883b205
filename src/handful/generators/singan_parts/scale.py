"""The two networks of one scale, their updates, and drawing through the scales."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from handful.generators.layers import initialise
from handful.generators.singan_parts.penalty import gradient_penalty
from handful.generators.singan_parts.pyramid import resize

BLOCKS = 5
RECEPTIVE_FIELD_PX = 2 * BLOCKS + 1

Draw = Callable[[Tensor, Tensor], Tensor]
"""What a scale's generator does: (image plus noise, image) -> image, each (n, c, h, w)."""
Augmented = Callable[[Tensor], Tensor]
"""An augmentation with its stream of random numbers bound."""


def scale_widths(scales: int, width: int, most_width: int) -> tuple[int, ...]:
    """Channels at each scale, coarsest first: `width`, doubled every four scales up to `most_width`."""
    return tuple(min(width * 2 ** (scale // 4), most_width) for scale in range(scales))


def _blocks(before: int, width: int, after: int, tail_bias: bool) -> nn.Sequential:
    """Head, three body blocks and tail, 3x3 without padding: (n, before, h, w) -> (n, after, h - 10, w - 10).

    A GroupNorm with one channel a group is what batch norm does to a batch of one image in training, and does it to
    each image of a larger batch by itself. It subtracts any bias before it.
    """
    layers: list[nn.Module] = []
    for channels in (before, *[width] * (BLOCKS - 2)):
        layers += [nn.Conv2d(channels, width, 3, bias=False), nn.GroupNorm(width, width), nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Conv2d(width, after, 3, bias=tail_bias))


def _laid_out(images: Tensor) -> Tensor:
    """The images in one memory format, so that weights learn alike, bit for bit, whatever format they are kept in."""
    faster = torch.contiguous_format if images.device.type == "mps" else torch.channels_last
    return images.contiguous(memory_format=faster)


class ScaleGenerator(nn.Module):
    """Adds to an image (n, c, h, w), float32, what this scale has learned to add where it sees noise."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.layers = _blocks(channels, width, channels, tail_bias=True)

    def forward(self, noisy: Tensor, image: Tensor) -> Tensor:
        return image + torch.tanh(self.layers(_laid_out(F.pad(noisy, (BLOCKS,) * 4))).float())


class ScaleCritic(nn.Module):
    """Images (n, c, h, w) -> maps (n, 1, h - 10, w - 10), float32: higher where an 11x11 patch looks like the photo."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.layers = _blocks(channels, width, 1, tail_bias=False)  # it would cancel between photo and fake

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.layers(_laid_out(images))
        return maps.float()


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


def update_critic(
    critic: nn.Module, optimiser: torch.optim.Optimizer, real: Tensor, fake: Tensor, mix: Tensor, penalty_weight: float
) -> tuple[Tensor, Tensor]:
    """One step down mean D(fake) - mean D(real) + weight * penalty.

    Returns:
        mean D(fake) - mean D(real), and the penalty without its weight: 0-d, detached.
    """
    difference = critic(fake).mean() - critic(real).mean()
    penalty = gradient_penalty(critic, real, fake, mix)
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
) -> tuple[Tensor, Tensor]:
    """One step down -mean D(G(noise)) + weight * MSE(G(fixed noise), real).

    Args:
        image, noise: what the generator starts from; the noise has its weight.
        reconstruction, reconstruction_noise: the same for the drawing that must become the photo.

    Returns:
        -mean D(G(noise)), and the mean squared error without its weight: 0-d, detached.
    """
    critic.requires_grad_(False)
    adversarial = -critic(augment(generator(image + noise, image))).mean()
    error = F.mse_loss(generator(reconstruction + reconstruction_noise, reconstruction), real)
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
