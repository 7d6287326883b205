"""ConSinGAN: one generator for each photo that grows stage by stage, its newest stages trained together.

Paper: Hinz, Fisher, Wang, Wermter: Improved Techniques for Training Single-Image GANs, 2020, arXiv 2003.11512.
Good for: what singan is for, a single photo and samples of any size, with six stages instead of about nine and fewer
    passes through the networks in each iteration.
Weak at: knowing what a part is, as singan: it knows patches. It mixes nothing between photos. Trained as briefly as
    singan, its samples are much farther from the photo (docs/findings/singan-fast.md).
Differs: A folder trains a fleet: one ConSinGAN a photo, each exactly as if it were alone. The budget is shared out as
    singan's: evenly by steps (the authors' 2000 iterations a stage are a budget of 2000 x stages x photos steps), or a
    time by the square root of a stage's cost. Photos are resized in float32 to the exact size of a stage, rounded;
    stages that would be of equal size are one, so a canvas no larger than min_size has a single stage. Biases start at
    0, and the critic's tail has none, since it cancels. One fake serves all critic steps of an iteration and the
    generator's: the authors' code draws it for each, from the same noise and weights, which gives the same image. The
    authors' optional batch norm is left out. start_scale, and photos and fakes augmented on their way to the critic,
    are ours.
Origin: written for Handful from the paper.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call

from handful.core.config import Settings
from handful.core.seeds import torch_stream
from handful.generators.base import Augment, Clock, Facts, Growth, ImageSpec, Stateful
from handful.generators.consingan_parts.networks import (
    RECEPTIVE_FIELD_PX,
    GrowingGenerator,
    PatchCritic,
    fresh,
    noise_shape,
    part_rates,
    stage_sizes,
    update_generator,
)
from handful.generators.controls import Canvas
from handful.generators.layers import fused_adam
from handful.generators.singan_parts.fleet import mean_cost, stage_due
from handful.generators.singan_parts.fleet_generator import FleetGenerator
from handful.generators.singan_parts.pyramid import resize
from handful.generators.singan_parts.scale import LATE, LATE_RATE, MAPS_KEPT, update_critic

FACTS = Facts(
    least_photos=1, least_side_px=25, trains=True, source_type="trainedAlgorithmicMedia", one_photo_at_a_time=True
)


Draw = Callable[[Sequence[Tensor], Sequence[tuple[int, int]]], Tensor]
"""What a growing generator does: noises and sizes of its stages -> images."""


class ConsinganSettings(Settings):
    """Settings of ConSinGAN; the defaults are the authors' code's unless marked as ours."""

    stages: int = Field(6, ge=3, le=20)
    """Stages from the coarsest to the finest size; fewer where the canvas is too small for so many sizes."""
    trained_together: int = Field(3, ge=1, le=20)
    """Newest stages that learn; older ones are frozen."""
    older_rate: float = Field(0.1, ge=0, le=1)
    """A stage learns at this share of the rate of the next newer one."""
    width: int = Field(64, ge=1, le=512)
    """Channels, at every stage."""
    min_size: int = Field(25, ge=RECEPTIVE_FIELD_PX)
    """Short side of the coarsest stage, in pixels."""
    max_size: int = Field(250, ge=RECEPTIVE_FIELD_PX)
    """Long side of the finest stage, in pixels; a larger canvas is filled by upsampling."""
    noise_weight: float = Field(0.1, ge=0, le=10)
    """Noise at a stage: this times the error of the reconstruction when the stage begins."""
    penalty_weight: float = Field(0.1, ge=0)
    """Weight of the gradient penalty."""
    reconstruction_weight: float = Field(10.0, ge=0)
    """Weight of the squared error of the reconstruction."""
    critic_steps: int = Field(3, ge=1, le=100)
    """Updates of the critic in one iteration."""
    generator_steps: int = Field(3, ge=1, le=100)
    """Updates of the generator in one iteration, all down one gradient."""
    learning_rate: float = Field(5e-4, gt=0, le=1)
    """Adam's step size, for the critic and the newest stage; a tenth of it in the last fifth of each stage."""
    beta1: float = Field(0.5, ge=0, lt=1)
    """Adam's decay of the mean gradient."""
    beta2: float = Field(0.999, ge=0, lt=1)
    """Adam's decay of the mean squared gradient."""
    start_scale: int = Field(0, ge=0)
    """Ours: where samples start to vary, 0 at the coarsest stage; below it they take the photo's own reconstruction."""


class ConsinganControls(Settings):
    """What drawing can be told."""

    start_scale: int | None = Field(None, ge=0)
    """The coarsest stage with noise of its own, from 0; by default as the run's settings say."""
    size: Canvas | None = None
    """Of the samples in pixels, for example 500x300; by default the canvas. Patches keep their size: a larger sample
    shows more of them."""


@dataclass(frozen=True)
class Scene:
    """What all iterations of a stage share. It follows from the checkpoint and is therefore not part of it."""

    real: Tensor
    """The photo at this stage, (1, c, h, w)."""
    fixed: list[Tensor]
    """What the reconstruction takes at each stage so far, with its weight."""
    purpose: str
    """Name of the stage's random streams."""


class Consingan(FleetGenerator[Scene]):
    """The networks of the member in training, and the fleet of those done."""

    name, level = "consingan", "stage"
    settings_class = ConsinganSettings
    controls_class = ConsinganControls

    def __init__(self, settings: ConsinganSettings, spec: ImageSpec, seed: int) -> None:
        """Raises:
        UserError: the canvas is too narrow once it is shrunk to max_size, or start_scale is no stage of it.
        """
        super().__init__(settings, spec, seed)
        self.settings = settings
        self.sizes = stage_sizes(spec.height, spec.width, settings.stages, settings.min_size, settings.max_size)
        self.check_levels(RECEPTIVE_FIELD_PX)
        self.costs = self._costs()
        self.network, self.critic = self._fresh(seed, "consingan")
        betas = (settings.beta1, settings.beta2)
        first, *others = self.network.parts()
        self.generator_optimiser = fused_adam(first, settings.learning_rate, betas)
        for part in others:
            self.generator_optimiser.add_param_group({"params": list(part.parameters())})
        self.critic_optimiser = fused_adam(self.critic, settings.learning_rate, betas)
        self.networks, self.drawn_width = self.network, settings.width
        self.begin_fleet(seed)

    def _costs(self) -> list[int]:
        """Of an iteration at each stage: pixels that pass a layer, a gradient counted as two passes."""
        together, critic_steps = self.settings.trained_together, self.settings.critic_steps
        pixels = [rows * columns for rows, columns in self.sizes]
        return [
            # photo and fake 6, the penalty with its second gradient 6; the critic once more for the generator;
            # fake and reconstruction through every stage, with gradients through those that learn
            (12 * critic_steps + 3) * pixels[stage]
            + 2 * sum(pixels[: stage + 1])
            + 4 * sum(pixels[max(0, stage + 1 - together) : stage + 1])
            for stage in range(len(pixels))
        ]

    def _fresh(self, seed: int, purpose: str) -> tuple[GrowingGenerator, PatchCritic]:
        channels, width = self.spec.channels, self.settings.width
        network = fresh(partial(GrowingGenerator, channels, width, len(self.sizes)), seed, f"{purpose}/generator")
        critic = fresh(partial(PatchCritic, channels, width), seed, f"{purpose}/critic")
        assert isinstance(network, GrowingGenerator) and isinstance(critic, PatchCritic)
        return network, critic

    def step(self, batch: Tensor, clock: Clock, augment: Augment) -> dict[str, Tensor]:
        """One iteration at one stage of one member. A member sees its own photo alone, so the batch is not looked at.

        Returns:
            critic (mean D(fake) - mean D(real)) and penalty, of the critic's last update; adversarial (-mean D) and
            reconstruction (mean squared error), of the generator's one gradient.
        """
        if stage_due(clock, len(self.fleet.photos), self.costs)[0] > self.position.stage:
            self.advance(clock.progress)  # one at most, so that no stage is left out
        scene, settings = self.look(), self.settings
        member, stage = divmod(self.position.stage, len(self.sizes))
        self._set_rates(stage, clock)
        random = torch_stream(self.position.seed, scene.purpose, self.position.iteration)

        def augmented(images: Tensor) -> Tensor:
            return augment(images, random)

        weights = self.fleet.noise_weights[member]
        noises = [weights[below] * self._noise(below, self.sizes[below], random) for below in range(stage + 1)]
        fake = self.network(noises, self.sizes[: stage + 1])
        for _ in range(settings.critic_steps):
            difference, penalty = update_critic(
                self.critic,
                self.critic_optimiser,
                augmented(scene.real),
                augmented(fake.detach()),
                torch.rand((), generator=random).to(self.device),
                settings.penalty_weight,
            )
        adversarial, error = update_generator(
            self.critic,
            self.generator_optimiser,
            augmented(fake),
            self.network(scene.fixed, self.sizes[: stage + 1]),
            scene.real,
            settings.reconstruction_weight,
            settings.generator_steps,
        )
        self.position.iteration += 1
        return {"critic": difference, "penalty": penalty, "adversarial": adversarial, "reconstruction": error}

    def _set_rates(self, stage: int, clock: Clock) -> None:
        """Each part's learning rate; those that do not learn are spared their gradients."""
        settings, share = self.settings, stage_due(clock, len(self.fleet.photos), self.costs)[1]
        rate = settings.learning_rate * (LATE_RATE if share >= LATE else 1.0)
        shares = part_rates(stage, len(self.sizes), settings.trained_together, settings.older_rate)
        for group, part_share in zip(self.generator_optimiser.param_groups, shares, strict=True):
            group["lr"] = rate * part_share
            for parameter in group["params"]:
                parameter.requires_grad_(part_share > 0)
        for group in self.critic_optimiser.param_groups:
            group["lr"] = rate

    def growth(self, timed: bool) -> Growth:
        members, stages = len(self.fleet.photos), len(self.sizes)
        return Growth(
            cost=mean_cost(self.costs, timed) / self.costs[0],
            most_step_bytes=4 * MAPS_KEPT * math.prod(self.sizes[-1]) * self.settings.width,
            words=f"it trains {members} photo(s) x {stages} stage(s), each photo by itself; shorter: a budget of time "
            "(--budget 10min), fewer photos, or --set max_size=",
        )

    @torch.no_grad()
    def begin(self, member: int, level: int) -> None:
        """A stage's weights are copies of the stage before; its noise weight is set."""
        if level:
            self.network.stages[level].load_state_dict(self.network.stages[level - 1].state_dict())
            # its own weight is still 0: the error is that of the stages as they are without noise here
            error = (self._reconstruct(member, level) - self.photo(member, level)).square().mean().sqrt()
            self.fleet.noise_weights[member, level] = self.settings.noise_weight * error
        else:
            network, critic = self._fresh(self.position.seed, self.purpose(member))
            self.network.load_state_dict(network.state_dict())
            self.critic.load_state_dict(critic.state_dict())
        for optimiser in (self.generator_optimiser, self.critic_optimiser):
            optimiser.state.clear()

    def scene(self, member: int, level: int) -> Scene:
        fixed = self._fixed(member, self.sizes[: level + 1])
        return Scene(self.photo(member, level), fixed, f"{self.purpose(member)}/{level}")

    def _reconstruct(self, member: int, stage: int) -> Tensor:
        """The reconstruction of the member in training, through this stage, (1, c, h, w)."""
        sizes = self.sizes[: stage + 1]
        with torch.autocast(self.device.type, enabled=False):
            images: Tensor = self.network(self._fixed(member, sizes), sizes)
        return images

    def _fixed(self, member: int, sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
        """What a member's reconstruction takes at each stage, with its weight: the photo itself at the coarsest, above
        it noise that never changes."""
        weights, noises = self.fleet.noise_weights[member], [resize(self.photo(member, 0), *sizes[0])]
        for stage, size in enumerate(sizes[1:], 1):
            random = torch_stream(self.position.seed, f"{self.purpose(member)}/reconstruction", stage)
            noises.append(weights[stage] * self._noise(stage, size, random))
        return noises

    def _noise(self, stage: int, size: tuple[int, int], random: torch.Generator) -> Tensor:
        """N(0, 1), (1, ...): of an image at the coarsest stage, of padded features above."""
        shape = noise_shape(stage, size, self.spec.channels, self.settings.width)
        return torch.randn(1, *shape, generator=random).to(self.device)

    def draw_member(
        self, member: int, seeds: Sequence[int], start_scale: int, size: tuple[int, int], controls: Settings
    ) -> Tensor:
        """Images (len(seeds), c, *size) of one member, through all its stages or those reached so far."""
        draw, reached = self._drawing_of(member)
        sizes, weights = self.sizes_for(*size)[:reached], self.fleet.noise_weights[member]
        start = min(start_scale, reached - 1)
        noises = [fixed.expand(len(seeds), -1, -1, -1) for fixed in self._fixed(member, sizes)[:start]]
        for stage, stage_size in enumerate(sizes[start:], start):
            random = [torch_stream(seed, "consingan/noise", stage) for seed in seeds]
            noises.append(weights[stage] * torch.cat([self._noise(stage, stage_size, one) for one in random]))
        with torch.autocast(self.device.type, enabled=False):
            return resize(draw(noises, sizes), *size)

    def _drawing_of(self, member: int) -> tuple[Draw, int]:
        """What draws for a member, and the stages it has reached."""
        if member == len(self.fleet.trained):
            return self.network, self.position.stage % len(self.sizes) + 1
        (weights,) = self.fleet.weights_of(member, nn.ModuleList([self.network]))
        return lambda noises, sizes: functional_call(self.network, weights, (noises, sizes)), len(self.sizes)

    def modules(self) -> dict[str, Stateful]:
        return {
            "fleet": self.fleet,
            "generator": self.network,
            "critic": self.critic,
            "generator_optimiser": self.generator_optimiser,
            "critic_optimiser": self.critic_optimiser,
            "position": self.position,
        }
