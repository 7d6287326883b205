"""One iteration of SinGAN at one scale: the critic's steps, then the generator's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from handful.generators.base import Augment
from handful.generators.singan_parts.photo_scales import Scales
from handful.generators.singan_parts.pyramid import resize
from handful.generators.singan_parts.scale import Engine, draw_up, update_critic, update_generator

if TYPE_CHECKING:
    from handful.generators.singan import SinganSettings


@dataclass(frozen=True)
class Scene:
    """What all iterations at a scale share. It follows from the checkpoint and is therefore not part of it."""

    scales: Scales
    """Of the photo, up to the one that learns."""
    reconstruction: Tensor
    """The upsampled reconstruction of the scale below, (1, c, h, w); zeros at the coarsest."""
    purpose: str
    """Name of the random streams."""


def iterate(
    scene: Scene,
    generator: nn.Module,
    critic: nn.Module,
    generator_optimiser: torch.optim.Optimizer,
    critic_optimiser: torch.optim.Optimizer,
    settings: SinganSettings,
    random: torch.Generator,
    augment: Augment,
    engine: Engine,
) -> dict[str, Tensor]:
    """Updates both networks of the scene's last scale.

    Returns:
        Of the last update of each network: critic (mean D(fake) - mean D(real)) and penalty; adversarial (-mean D)
        and reconstruction (mean squared error).
    """
    scales, scale, real = scene.scales, scene.scales.last, scene.scales.photo

    def augmented(images: Tensor) -> Tensor:
        return augment(images, random)

    # One drawing of the scales below for each of the critic's steps; the same noise of this scale for all
    drawings = settings.critic_steps if settings.redraw else 1
    noises = [scales.noise(below, scales.sizes[below], random, drawings) for below in range(scale)]
    blank = torch.zeros(drawings, *real.shape[1:], device=real.device)
    images = resize(draw_up(scales.generators[:scale], noises, scales.sizes[:scale], blank), *scales.sizes[scale])
    noise = scales.noise(scale, scales.sizes[scale], random)
    with torch.no_grad():
        fakes = generator(images + noise, images)

    penalties = []
    for step in range(settings.critic_steps):
        fake, penalised = fakes[step % drawings][None], not step % settings.penalty_every
        difference, penalty = update_critic(
            critic,
            critic_optimiser,
            augmented(real),
            augmented(fake),
            torch.rand((), generator=random).to(real.device) if penalised else None,
            settings.penalty_weight * settings.penalty_every,
            engine,
        )
        penalties += [penalty] * penalised
    for _ in range(settings.generator_steps):
        adversarial, error = update_generator(
            generator,
            critic,
            generator_optimiser,
            images[-1:],
            noise,
            scene.reconstruction,
            scales.fixed_noise[scale],
            real,
            settings.reconstruction_weight,
            augmented,
            engine,
        )
    return {"critic": difference, "penalty": penalties[-1], "adversarial": adversarial, "reconstruction": error}
