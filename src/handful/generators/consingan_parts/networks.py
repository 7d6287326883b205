"""ConSinGAN's two networks, the sizes of its stages, and the learning rate of each of its parts."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from handful.generators.layers import initialise
from handful.generators.singan_parts.pyramid import pyramid_sizes

LEAK = 0.05
BLOCKS = 3
"""Convolutions of a stage."""
PADDING_PX = BLOCKS
"""What a stage's unpadded convolutions take off each side."""
RECEPTIVE_FIELD_PX = 2 * (BLOCKS + 2) + 1
"""Of the critic."""


def stage_sizes(height: int, width: int, stages: int, min_size: int, max_size: int) -> tuple[tuple[int, int], ...]:
    """(height, width) of every stage, coarsest first.

    The authors' spacing: with r = (min_size / short side)^(1 / S) and S = stages - 1, stage i < S has r^e of the
    finest side, e = (S - 1) log(S - i) / log(S) + 1, which runs from S down to 1: stages stand closer at small sizes,
    where the layout is learned, than equal ratios would put them. Stages that would be of equal size are one; so a
    canvas no larger than `min_size` has one.

    Args:
        height, width: the canvas, in pixels.
        stages: at least 3, the finest counted.
        min_size: short side of the coarsest stage.
        max_size: longest side of the finest stage.
    """
    rows, columns = pyramid_sizes(height, width, min_size, max_size, 0.5)[-1]
    if min(rows, columns) <= min_size:
        return ((rows, columns),)
    steps = stages - 1
    factor = (min_size / min(rows, columns)) ** (1 / steps)
    exponents = [(steps - 1) * math.log(steps - stage) / math.log(steps) + 1 for stage in range(steps)]
    shrunk = [factor**exponent for exponent in exponents]
    return tuple(dict.fromkeys((round(rows * share), round(columns * share)) for share in (*shrunk, 1.0)))


def part_rates(stage: int, stages: int, together: int, older_rate: float) -> list[float]:
    """Each part's share of the learning rate while this stage is the newest: head, every stage, tail.

    0 for parts that do not learn: stages older than `together`, stages still to come, and the head once the first
    stage is frozen.
    """
    ages = [stage - other for other in range(stages)]
    blocks = [older_rate**age if 0 <= age < together else 0.0 for age in ages]
    return [blocks[0], *blocks, 1.0]


def _layers(before: int, width: int) -> nn.ModuleList:
    return nn.ModuleList(nn.Conv2d(before if not index else width, width, 3) for index in range(BLOCKS))


def _convolve(layers: nn.ModuleList | Sequence[nn.Module], maps: Tensor) -> Tensor:
    # One memory format, so that weights learn alike, bit for bit, whatever format they are kept in
    maps = maps.contiguous(memory_format=torch.contiguous_format if maps.device.type == "mps" else torch.channels_last)
    for layer in layers:
        maps = F.leaky_relu(layer(maps), LEAK, inplace=True)
    return maps


class GrowingGenerator(nn.Module):
    """Head, stages and tail. A stage adds to the upsampled features of the one before; only the tail makes an image."""

    def __init__(self, channels: int, width: int, stages: int) -> None:
        super().__init__()
        self.head = nn.Conv2d(channels, width, 3)
        self.stages = nn.ModuleList(_layers(width, width) for _ in range(stages))
        self.tail = nn.Conv2d(width, channels, 3)

    def parts(self) -> list[nn.Module]:
        """Head, every stage, tail."""
        return [self.head, *self.stages, self.tail]

    def forward(self, noises: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> Tensor:
        """Images (n, c, *sizes[-1]) in [-1, 1], float32, through as many stages as there are sizes.

        Args:
            noises: with their weights: what the head takes, (n, c, *sizes[0]); then one a stage, as `noise_shape` says.
            sizes: (height, width) of each stage, coarsest first.
        """
        maps = _convolve([self.head], F.pad(noises[0], (1,) * 4))
        rows, columns = sizes[0]
        # The authors stretch by two pixels and pad by the rest: less of the border is then told by zeros
        maps = F.pad(stretch(maps, rows + 2, columns + 2), (PADDING_PX - 1,) * 4)
        maps = _convolve(self._stage(0), maps)
        for index in range(1, len(sizes)):
            rows, columns = sizes[index]
            wide = stretch(maps, rows + 2 * PADDING_PX, columns + 2 * PADDING_PX)
            maps = stretch(maps, rows, columns) + _convolve(self._stage(index), wide + noises[index])
        images: Tensor = self.tail(F.pad(maps, (1,) * 4)).float()
        return torch.tanh(images)

    def _stage(self, index: int) -> nn.ModuleList:
        stage = self.stages[index]
        assert isinstance(stage, nn.ModuleList)
        return stage


class PatchCritic(nn.Module):
    """Images (n, c, h, w) -> maps (n, 1, h - 10, w - 10), float32: higher where an 11x11 patch looks like the photo."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.head = nn.Conv2d(channels, width, 3)
        self.body = _layers(width, width)
        self.tail = nn.Conv2d(width, 1, 3, bias=False)  # it would cancel between photo and fake

    def forward(self, images: Tensor, twice: bool = False) -> Tensor:
        """Args:
        twice: whether their gradient will be differentiated again, which changes nothing here.
        """
        maps: Tensor = self.tail(_convolve([self.head, *self.body], images))
        return maps.float()


def noise_shape(stage: int, size: tuple[int, int], channels: int, width: int) -> tuple[int, int, int]:
    """Of the noise that a stage of this size takes: an image at the coarsest, padded features above."""
    rows, columns = size
    return (width, rows + 2 * PADDING_PX, columns + 2 * PADDING_PX) if stage else (channels, rows, columns)


def stretch(maps: Tensor, height: int, width: int) -> Tensor:
    """Features (n, c, h, w) -> (n, c, height, width), float32: bicubic, corner on corner, as two matrix products.

    Their gradient is computed in a fixed order on every device, which that of torch's interpolation is not.
    """
    with torch.autocast(maps.device.type, enabled=False):
        down = torch.from_numpy(_stretch_matrix(maps.shape[2], height)).to(maps.device)
        across = torch.from_numpy(_stretch_matrix(maps.shape[3], width)).to(maps.device)
        return down @ (maps.float() @ across.T)


@functools.lru_cache(maxsize=128)
def _stretch_matrix(before: int, after: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Weights (after, before) of a line of `before` values in each of the `after`."""
    lines = torch.eye(before)[None, None]
    return F.interpolate(lines, (after, before), mode="bicubic", align_corners=True)[0, 0].numpy()


def fresh(build: Callable[[], nn.Module], seed: int, purpose: str) -> nn.Module:
    """A network with initial weights, always made contiguous on the CPU: every device gets the same weights."""
    with torch.device("meta"):  # no weights are drawn from the global stream
        network = build()
    network.to_empty(device="cpu")
    initialise(network, seed, purpose)
    return network


def update_generator(
    critic: nn.Module,
    optimiser: torch.optim.Optimizer,
    judged: Tensor,
    reconstruction: Tensor,
    real: Tensor,
    reconstruction_weight: float,
    steps: int,
) -> tuple[Tensor, Tensor]:
    """Steps, all down one gradient, of -mean D(fake) + weight * MSE(reconstruction, real): as the authors' code does.

    Args:
        judged: the fake as the critic shall see it, with the generator's graph.
        reconstruction: likewise.

    Returns:
        -mean D(fake), and the mean squared error without its weight: 0-d, detached.
    """
    critic.requires_grad_(False)
    adversarial = -critic(judged).mean()
    error = F.mse_loss(reconstruction, real)
    optimiser.zero_grad()
    (adversarial + reconstruction_weight * error).backward()
    for _ in range(steps):
        optimiser.step()
    torch.clear_autocast_cache()  # it holds casts of the weights as they were before these steps
    critic.requires_grad_(True)
    return adversarial.detach(), error.detach()
