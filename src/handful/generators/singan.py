"""SinGAN: a pyramid of small adversarial networks for each photo, which learns that photo's own patches.

Paper: Rott Shaham, Dekel, Michaeli: SinGAN: Learning a Generative Model from a Single Natural Image, 2019,
    arXiv 1905.01164.
Good for: a single photo; texture and small parts that may stand elsewhere; samples of any size; with start_scale 1
    or 2, samples that keep the photo's layout and vary in detail.
Weak at: knowing what a part is: from the coarsest scale (start_scale 0) a bead may break or double. It mixes nothing
    between photos. Time: each photo is trained by itself, and the finest scales cost most.
Differs: A folder trains a fleet: one SinGAN a photo, each exactly as if it were alone: side by side on a CPU's cores,
    else one after the other, so that a run that is stopped half-way has finished members. The budget is shared out
    evenly: the authors' 2000 iterations a
    scale are a budget of 2000 x scales x photos steps (one step is one iteration, whatever the batch), and the
    learning rate falls after 80 % of a scale's share. A budget of time is shared out between scales by the square
    root of their cost. The three steps of the generator redraw the fake each time; the authors' code used one stale
    fake for all three, which current autograd rejects. The noise of the coarsest reconstruction is fixed, as in the
    paper; the code drew it anew each iteration and kept the last. Images are resized to the exact size of a scale,
    in float32; the code rounds sizes up, crops, and cuts to 8 bits before. Biases that cancel (before a batch norm,
    in the critic's tail) are left out. Batch norm takes the statistics of each image by itself, in training and in
    sampling, which is what the authors' batch of one does; a sample therefore depends on its seed alone. A canvas no
    larger than min_size has one scale. Photos and fakes may be augmented on their way to the critic.
    The settings marked as ours, and `fast` above all, change the maths or the plan for less time.
Origin: written for Handful from the paper.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from pydantic import Field, TypeAdapter, model_validator
from torch import Tensor, nn

from handful.core.config import Settings
from handful.core.errors import UserError
from handful.core.seeds import torch_stream
from handful.generators.base import Augment, Clock, Facts, Growth, ImageSpec, Stateful
from handful.generators.controls import Canvas, Numbers
from handful.generators.layers import fused_adam
from handful.generators.singan_parts.compiled import compiled_engine
from handful.generators.singan_parts.early_stop import has_levelled_out, note_losses, share_used
from handful.generators.singan_parts.fleet import mean_cost, stage_due
from handful.generators.singan_parts.fleet_generator import FleetGenerator
from handful.generators.singan_parts.iteration import Scene, iterate
from handful.generators.singan_parts.photo_scales import Scales
from handful.generators.singan_parts.pyramid import pyramid_sizes, resize
from handful.generators.singan_parts.scale import (
    EAGER,
    LATE,
    LATE_RATE,
    MAPS_KEPT,
    RECEPTIVE_FIELD_PX,
    Draw,
    ScaleCritic,
    ScaleGenerator,
    draw_up,
    fresh_network,
    scale_widths,
    with_weights,
)

FACTS = Facts(
    least_photos=1, least_side_px=25, trains=True, source_type="trainedAlgorithmicMedia", one_photo_at_a_time=True
)

_FAST = {"redraw": False, "most_width": 32, "stop_early": True}


class SinganSettings(Settings):
    """Settings of SinGAN; the defaults are the authors' code's unless marked as ours."""

    scale_factor: float = Field(0.75, gt=0.3, lt=0.95)
    """Wanted ratio of a scale's side to that of the next finer scale."""
    min_size: int = Field(25, ge=RECEPTIVE_FIELD_PX)
    """Short side of the coarsest scale, in pixels."""
    max_size: int = Field(250, ge=RECEPTIVE_FIELD_PX)
    """Long side of the finest scale, in pixels; a larger canvas is filled by upsampling."""
    width: int = Field(32, ge=1, le=512)
    """Channels at the four coarsest scales; they double every four scales."""
    most_width: int = Field(128, ge=1, le=512)
    """Where the doubling ends."""
    noise_weight: float = Field(0.1, ge=0, le=10)
    """Noise at a scale: this times the error of the reconstruction that comes from below."""
    penalty_weight: float = Field(0.1, ge=0)
    """Weight of the gradient penalty."""
    reconstruction_weight: float = Field(10.0, ge=0)
    """Weight of the squared error of the reconstruction."""
    critic_steps: int = Field(3, ge=1, le=100)
    """Updates of the critic in one iteration."""
    generator_steps: int = Field(3, ge=1, le=100)
    """Updates of the generator in one iteration."""
    learning_rate: float = Field(5e-4, gt=0, le=1)
    """Adam's step size, for both networks; a tenth of it in the last fifth of each scale."""
    beta1: float = Field(0.5, ge=0, lt=1)
    """Adam's decay of the mean gradient."""
    beta2: float = Field(0.999, ge=0, lt=1)
    """Adam's decay of the mean squared gradient."""
    start_scale: int = Field(0, ge=0)
    """Where samples start to vary: 0 at the coarsest scale (the paper's N), 1 for N-1, and so on; below it they are
    the photo's reconstruction."""
    compiled: bool = False
    """Ours: compile the networks before training; equal maths, worth it for long runs on CPUs with matrix units."""
    fast: bool = False
    """Ours: other maths for less time. Where they are not given, redraw is false, most_width 32 and stop_early true."""
    penalty_every: int = Field(1, ge=1, le=100)
    """Ours: the critic's steps from one with a gradient penalty, taken so many times, to the next."""
    redraw: bool = True
    """False is ours: one fake for all steps of the critic in an iteration, instead of one for each."""
    stop_early: bool = False
    """Ours: a scale ends when neither its reconstruction error nor the critic's difference gets smaller."""
    stop_window: int = Field(100, ge=1)
    """Ours: iterations over which stop_early takes means."""

    @model_validator(mode="before")
    @classmethod
    def _fast_means(cls, values: Any) -> Any:
        fast = isinstance(values, dict) and TypeAdapter(bool).validate_python(values.get("fast", False))
        return {**_FAST, **values} if fast else values


class SinganControls(Settings):
    """What drawing can be told."""

    start_scale: int | None = Field(None, ge=0)
    """The coarsest scale with noise of its own (0: the paper's N, 1: N-1); by default as the run's settings say."""
    size: Canvas | None = None
    """Of the samples in pixels, for example 500x300; by default the canvas. Patches keep their size: a larger sample
    shows more of them."""
    noise: Numbers = ()
    """How strong the noise is at each scale, coarsest first, for example 1,1,0; scales that are left out take 1."""
    photo: int | None = Field(None, ge=0)
    """Draw from this photo's networks alone: its index among the training images, from 0."""


class Singan(FleetGenerator[Scene]):
    """The networks of the member in training, and the fleet of those done."""

    name, level = "singan", "scale"
    settings_class = SinganSettings
    controls_class = SinganControls

    def __init__(self, settings: SinganSettings, spec: ImageSpec, seed: int) -> None:
        """Raises:
        UserError: the canvas is too narrow once it is shrunk to max_size, or start_scale is no scale of it.
        """
        super().__init__(settings, spec, seed)
        self.settings = settings
        self.sizes = pyramid_sizes(spec.height, spec.width, settings.min_size, settings.max_size, settings.scale_factor)
        self.widths = scale_widths(len(self.sizes), settings.width, settings.most_width)
        self.costs = [rows * columns * width**2 for (rows, columns), width in zip(self.sizes, self.widths, strict=True)]
        self.check_levels(RECEPTIVE_FIELD_PX)
        channels, widths = spec.channels, self.widths
        self.generators = nn.ModuleList(fresh_network(ScaleGenerator, channels, width, seed) for width in widths)
        self.critics = nn.ModuleList(fresh_network(ScaleCritic, channels, width, seed) for width in widths)
        betas = (settings.beta1, settings.beta2)
        self.generator_optimiser = fused_adam(self.generators, settings.learning_rate, betas)
        self.critic_optimiser = fused_adam(self.critics, settings.learning_rate, betas)
        self.networks, self.drawn_width = self.generators, widths[-1]
        self.begin_fleet(seed)
        self.engine = compiled_engine() if settings.compiled else EAGER

    def step(self, batch: Tensor, clock: Clock, augment: Augment) -> dict[str, Tensor]:
        """One iteration at one scale of one member. A member sees its own photo alone, so the batch is not looked at.

        Returns:
            Losses, as `iterate` does.
        """
        if self._is_due(clock):  # one at most, so that no scale is left out
            self.advance(clock.progress)
        scene, settings, position = self.look(), self.settings, self.position
        for optimiser in (self.generator_optimiser, self.critic_optimiser):
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * (LATE_RATE if self._in_tail(clock) else 1.0)
        losses = iterate(
            scene,
            self.generators[scene.scales.last],
            self.critics[scene.scales.last],
            self.generator_optimiser,
            self.critic_optimiser,
            settings,
            torch_stream(position.seed, scene.purpose, position.iteration),
            augment,
            self.engine,
        )
        position.iteration += 1
        if settings.stop_early:
            note_losses(position, losses["reconstruction"], losses["critic"], settings.stop_window)
        return losses

    def growth(self, timed: bool) -> Growth:
        members, scales = len(self.fleet.photos), len(self.sizes)
        most_px = max(rows * columns * width for (rows, columns), width in zip(self.sizes, self.widths, strict=True))
        return Growth(
            cost=mean_cost(self.costs, timed) / self.costs[0],
            most_step_bytes=4 * MAPS_KEPT * most_px,
            words=f"it trains {members} photo(s) x {scales} scale(s), each by itself; shorter: a budget of time "
            "(--budget 10min), fewer photos, or --set fast=true",
        )

    @property
    def finished(self) -> bool:
        """Whether the last scale of the last photo has ended early."""
        position = self.position
        is_last = position.stage == len(self.fleet.photos) * len(self.sizes) - 1
        return self.settings.stop_early and is_last and has_levelled_out(position)

    def _is_due(self, clock: Clock) -> bool:
        """Whether the next stage is."""
        members, position = len(self.fleet.photos), self.position
        if not self.settings.stop_early:
            return stage_due(clock, members, self.costs)[0] > position.stage
        is_last = position.stage == members * len(self.sizes) - 1
        return not is_last and (has_levelled_out(position) or share_used(position, clock, members, self.costs) >= 1)

    def _in_tail(self, clock: Clock) -> bool:
        """Whether the present stage learns at the reduced rate."""
        members, position = len(self.fleet.photos), self.position
        if not self.settings.stop_early:
            return stage_due(clock, members, self.costs)[1] >= LATE
        return position.levelled_at > 0 or share_used(position, clock, members, self.costs) >= LATE

    def begin(self, member: int, level: int) -> None:
        """Copies from the scale below where widths match, else fresh networks."""
        for kind, networks in ((ScaleGenerator, self.generators), (ScaleCritic, self.critics)):
            if level and self.widths[level] == self.widths[level - 1]:
                first = networks[level - 1]
            else:
                purpose = f"{self.purpose(member)}/{level}"
                first = fresh_network(kind, self.spec.channels, self.widths[level], self.position.seed, purpose)
            networks[level].load_state_dict(first.state_dict())
        for optimiser in (self.generator_optimiser, self.critic_optimiser):
            optimiser.state.clear()

    def scene(self, member: int, level: int) -> Scene:
        """Of this scale; it also sets the scale's noise weight."""
        scales = self._scales(member)
        reconstruction = resize(scales.reconstruct(level), *self.sizes[level])
        if level:
            error = (reconstruction - scales.photo).square().mean().sqrt()
            self.fleet.noise_weights[member, level] = self.settings.noise_weight * error
        return Scene(scales, reconstruction, f"{self.purpose(member)}/{level}")

    def _scales(self, member: int) -> Scales:
        """A member's scales, those reached so far."""
        generators: Sequence[Draw]
        if member == len(self.fleet.trained):
            generators = list(self.generators)[: self.position.stage % len(self.sizes) + 1]
        else:
            weights = self.fleet.weights_of(member, self.generators)
            generators = [with_weights(network, own) for network, own in zip(self.generators, weights, strict=True)]
        count, random = len(generators), torch_stream(self.position.seed, f"{self.purpose(member)}/reconstruction")
        home = torch.randn(1, 1, *self.sizes[0], generator=random).to(self.device)
        still = torch.zeros((), device=self.device)
        return Scales(
            generators,
            self.widths[:count],
            self.sizes[:count],
            self.fleet.noise_weights[member],
            [home, *[still] * (count - 1)],
            self.photo(member, count - 1),
        )

    def check_controls(self, controls: Settings) -> None:
        """Raises:
        UserError: no such scale or photo, noise for more scales than there are, or a size beyond memory.
        """
        assert isinstance(controls, SinganControls)
        if controls.photo is not None:
            self.check_member(controls.photo)
        if len(controls.noise) > len(self.sizes):
            raise UserError(
                f"noise has {len(controls.noise)} numbers.",
                f"This run has {len(self.sizes)} scale(s), so noise has at most {len(self.sizes)}.",
                "Leave the others out.",
            )
        super().check_controls(controls)

    def draw_member(
        self, member: int, seeds: Sequence[int], start_scale: int, size: tuple[int, int], controls: Settings
    ) -> Tensor:
        assert isinstance(controls, SinganControls)
        scales = self._scales(member)
        start = min(start_scale, scales.last)
        image = scales.reconstruct(start).expand(len(seeds), -1, -1, -1)
        sizes = self.sizes_for(*size)[start : scales.last + 1]
        noises = scales.fresh_noises(start, sizes, seeds, controls.noise)
        with torch.autocast(self.device.type, enabled=False):
            return resize(draw_up(scales.generators[start:], noises, sizes, image), *size)

    def scales_of(self, member: int) -> Scales:
        """A member's scales, those reached so far, as networks of their own, for the tasks that start from a picture.

        Raises:
            UserError: a member whose turn has not come.
        """
        self.check_member(member)
        scales = self._scales(member)
        generators = [copy.deepcopy(network) for network in self.generators[: len(scales.generators)]]
        if member < len(self.fleet.trained):
            weights = self.fleet.weights_of(member, self.generators)
            for generator, own in zip(generators, weights, strict=True):
                generator.load_state_dict(own)
        return replace(scales, generators=generators)

    def modules(self) -> dict[str, Stateful]:
        return {
            "fleet": self.fleet,
            "generators": self.generators,
            "critics": self.critics,
            "generator_optimiser": self.generator_optimiser,
            "critic_optimiser": self.critic_optimiser,
            "position": self.position,
        }
