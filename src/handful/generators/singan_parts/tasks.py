"""What a trained SinGAN can do to a picture: redraw it from a scale on, enlarge it, let its photo move.

Paper: section 4 of arXiv 1905.01164 and its supplement (animation, equations 1 and 2 there).
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor, nn

from handful.core.seeds import torch_stream
from handful.generators.layers import fused_adam
from handful.generators.singan_parts.photo_scales import Scales
from handful.generators.singan_parts.pyramid import resize
from handful.generators.singan_parts.scale import (
    LATE,
    LATE_RATE,
    Draw,
    ScaleCritic,
    draw_up,
    fresh_network,
    update_critic,
    update_generator,
)

if TYPE_CHECKING:
    from handful.generators.singan import SinganSettings

_STEP_FACTOR = 2 ** (1 / 3)  # the authors enlarge four times in six steps
_BYTES = 4
_MAPS_AT_ONCE, _IMAGES_AT_ONCE = 3, 6  # measured on a CPU: 2.1 to 2.4 maps, images included


def drawing_bytes(images: int, pixels: int, channels: int, width: int) -> int:
    """About the most memory that a generator of `width` channels holds at once while it draws."""
    return _BYTES * images * pixels * (_MAPS_AT_ONCE * width + _IMAGES_AT_ONCE * channels)


def coarsen(scales: Scales, scale: int, picture: Tensor) -> Tensor:
    """A picture at the size of `scale`, without the detail that the scale below cannot hold."""
    return resize(resize(picture, *scales.sizes[scale - 1]), *scales.sizes[scale])


@torch.no_grad()
def redraw(scales: Scales, scale: int, picture: Tensor, seed: int, first: Draw | None = None) -> Tensor:
    """Draws a picture anew from `scale` on, with fresh noise.

    Args:
        scales: of the photo whose look it takes.
        scale: 1 to the last.
        picture: what stands in for the drawing of the scales below, (1, c, h, w) of any size.
        seed: decides the noise.
        first: another generator for `scale` itself.

    Returns:
        (1, c, h, w) at the finest size.
    """
    sizes = scales.sizes[scale:]
    generators = [first or scales.generators[scale], *scales.generators[scale + 1 :]]
    return draw_up(generators, scales.fresh_noises(scale, sizes, [seed]), sizes, picture)


def enlarged_sizes(height: int, width: int, factor: float) -> list[tuple[int, int]]:
    """(height, width) after each step of about 1.26 on the way to `factor` times the size."""
    steps = max(1, round(math.log(factor, _STEP_FACTOR)))
    shares = [factor ** (step / steps) for step in range(1, steps + 1)]
    return [(round(height * share), round(width * share)) for share in shares]


@torch.no_grad()
def enlarge(scales: Scales, picture: Tensor, factor: float, seed: int) -> Tensor:
    """A picture (1, c, h, w) `factor` times as large; after each step the finest generator adds its detail."""
    image = picture
    for step, size in enumerate(enlarged_sizes(picture.shape[2], picture.shape[3], factor)):
        noise = scales.noise(scales.last, size, torch_stream(seed, "singan/enlarge", step))
        image = draw_up([scales.generators[-1]], [noise], [size], image)
    return image


@torch.no_grad()
def animate(scales: Scales, start: int, frames: int, alpha: float, beta: float, seed: int) -> Iterator[Tensor]:
    """Frames (1, c, h, w) at the finest size: a random walk of the noise around the photo's own.

    z(t+1) = alpha z* + (1 - alpha) (z(t) + d(t+1)), d(t+1) = beta (z(t) - z(t-1)) + (1 - beta) u(t+1), with u fresh
    noise, from z(0) = z(-1) = z*, the noise of the reconstruction, which is therefore the first frame.

    Args:
        scales: of the photo that moves.
        start: the coarsest scale whose noise walks.
        frames: how many.
        alpha: pull towards the photo.
        beta: inertia of the walk.
        seed: decides the walk.
    """
    below, sizes = scales.reconstruct(start), scales.sizes[start:]
    at = range(start, len(scales.sizes))
    homes = list(scales.fixed_noise[start:])
    streams = [torch_stream(seed, "singan/walk", scale) for scale in at]
    now, before = homes, homes
    for _ in range(frames):
        yield draw_up(scales.generators[start:], now, sizes, below)
        after = []
        for scale, home, here, last, stream in zip(at, homes, now, before, streams, strict=True):
            drift = beta * (here - last) + (1 - beta) * scales.noise(scale, scales.sizes[scale], stream)
            after.append(alpha * home + (1 - alpha) * (here + drift))
        now, before = after, now


def main_colours(image: Tensor, count: int) -> Tensor:
    """The `count` colours (fewer where there are fewer) that k-means finds in an image (1, c, h, w): (colours, c)."""
    pixels = image[0].flatten(1).T.double().cpu().numpy()  # (h w, c)
    present = np.unique(pixels, axis=0)
    present = present[present.mean(1).argsort(kind="stable")]
    first = present[np.linspace(0, len(present) - 1, min(count, len(present))).round().astype(int)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a colour that no pixel is nearest to stays, and is then never used
        colours, _ = kmeans2(pixels, first, minit="matrix")
    return torch.from_numpy(colours).to(image)


def to_colours(images: Tensor, colours: Tensor) -> Tensor:
    """Every pixel of (n, c, h, w) replaced by the nearest of the colours (k, c)."""
    distances = torch.stack([(images - colour[:, None, None]).square().sum(1) for colour in colours])  # (k, n, h, w)
    return colours[distances.argmin(0)].permute(0, 3, 1, 2)


def learn_colours(
    scales: Scales,
    scale: int,
    colours: Tensor,
    steps: int,
    seed: int,
    settings: SinganSettings,
    progress: Callable[[float], None],
) -> Draw:
    """Trains a copy of one scale's generator on, to draw the photo from images of a few flat colours.

    Args:
        scales: of the photo, trained.
        scale: 1 to the last.
        colours: (k, c), those that its input is reduced to.
        steps: iterations.
        seed: decides the noise and the critic's first weights.
        settings: of the run.
        progress: hears the share that is done.
    """
    real, size = resize(scales.photo, *scales.sizes[scale]), scales.sizes[scale]
    reconstruction = to_colours(resize(scales.reconstruct(scale), *size), colours)
    generator = copy.deepcopy(scales.generators[scale])
    assert isinstance(generator, nn.Module)
    critic = fresh_network(ScaleCritic, real.shape[1], scales.widths[scale], seed, "singan/colours").to(real.device)
    betas = (settings.beta1, settings.beta2)
    optimisers = [fused_adam(network, settings.learning_rate, betas) for network in (critic, generator)]
    blank = torch.zeros_like(resize(real, *scales.sizes[0]))
    no_noise = torch.zeros((), device=real.device)
    for step in range(steps):
        random = torch_stream(seed, "singan/colours", step)
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * (LATE_RATE if step >= LATE * steps else 1.0)
        noise = scales.noise(scale, size, random)
        for _ in range(settings.critic_steps):
            noises = [scales.noise(below, scales.sizes[below], random) for below in range(scale)]
            image = to_colours(
                resize(draw_up(scales.generators[:scale], noises, scales.sizes[:scale], blank), *size), colours
            )
            with torch.no_grad():
                fake = generator(image + noise, image)
            mix = torch.rand((), generator=random).to(real.device)
            update_critic(critic, optimisers[0], real, fake, mix, settings.penalty_weight)
        for _ in range(settings.generator_steps):
            update_generator(
                generator, critic, optimisers[1], image, noise, reconstruction, no_noise, real,
                settings.reconstruction_weight, lambda images: images,
            )  # fmt: skip
        progress((step + 1) / steps)
    return generator
