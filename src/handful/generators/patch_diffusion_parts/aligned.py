"""Draws samples from photos that share a view: global state first, then coarse to fine, each level from noise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from handful.core.seeds import torch_stream
from handful.generators.patch_diffusion_parts.global_state import GlobalState, GlobalStates
from handful.generators.patch_diffusion_parts.posterior import Level
from handful.generators.patch_diffusion_parts.pyramid import Pyramid, agree, double
from handful.generators.patch_diffusion_parts.registration import LEAST_MOVE_PX, undo

LEAST_TO_EXCLUDE = 10
"""With fewer photos than this, too few would be left if those of the mixture were kept out."""
_EXACT_SIDE_PX = 64
_NOISE_START, _NOISE_END = 0.8, 0.01


@dataclass(frozen=True)
class Variant:
    """How samples are drawn from aligned photos; the settings of the generator, resolved."""

    patch_px: int
    mixture_photos: int
    steps: int
    fairness: float
    exclude_mixed: bool


@dataclass(frozen=True)
class Drawing:
    """A sample and where it came from."""

    image: Tensor
    """(1, c, h, w) in [-1, 1]."""
    state: GlobalState
    weights: tuple[Tensor, ...]
    """For each level above the coarsest: (rows, columns, n), the photos' weights in the last step."""


class AlignedSampler:
    """Photos in one view, prepared at every level of the pyramid."""

    def __init__(self, photos: Tensor, poses: Tensor, variant: Variant) -> None:
        """Args:
        photos: (n, c, h, w) in [-1, 1] as the camera gave them.
        poses: (n, 3): how each lies against the shared view.
        """
        self.variant, self.count, self.poses = variant, len(photos), poses
        moved = poses.abs().sum(1) > 0
        if bool(moved.any()):
            photos = photos.clone()
            photos[moved] = undo(photos[moved], poses[moved])
        self.pyramid = Pyramid.of(*photos.shape[2:])
        levels = self.pyramid.build(photos)
        self.states = GlobalStates(levels[0], variant.mixture_photos)
        self.levels = [Level(level, _cell_px(level), variant.patch_px) for level in levels[1:]]

    def draw(self, seed: int) -> Drawing:
        """The sample of a seed."""
        state = self.states.draw(torch_stream(seed, "patch_diffusion/state"))
        forbidden = torch.zeros(self.count)
        if self.variant.exclude_mixed and self.count >= LEAST_TO_EXCLUDE:
            forbidden[state.mixed] = -torch.inf
        image, weights = self.states.image(state.shares), []
        for number, level in enumerate(self.levels, start=1):
            noise = torch.randn(level.mean.shape, generator=torch_stream(seed, "patch_diffusion/noise", number))
            image, last = self._refine(level, image, noise.to(image), forbidden.to(image))
            weights.append(last)
        image = self.pyramid.crop(image).clamp(-1, 1)
        return Drawing(self._move(image, state), state, tuple(weights))

    def _refine(self, level: Level, coarser: Tensor, noise: Tensor, forbidden: Tensor) -> tuple[Tensor, Tensor]:
        """One level from noise: (finished coarser level, noise) -> (this level, weights of the last step)."""
        taus = geometric(_NOISE_START, _NOISE_END, self.variant.steps)
        z = double(coarser) + taus[0] * noise
        for step, tau in enumerate(taus):
            last = step == len(taus) - 1
            logits = level.logits(z, tau, 0.0 if last else self.variant.fairness)
            weights = torch.softmax(logits + forbidden, dim=2)
            x0 = agree(level.blend(weights), coarser)
            if not last:
                z = x0 + taus[step + 1] / tau * (z - x0)  # DDIM, eta 0: the same noise, less of it
        return x0, weights

    def _move(self, image: Tensor, state: GlobalState) -> Tensor:
        """The sample as the camera would have seen it: where its mixed photos lie, not in the shared view."""
        pose = state.mix_weights.to(self.poses) @ self.poses[state.mixed]
        if float(pose.abs().max()) < LEAST_MOVE_PX:
            return image
        return undo(image, -pose[None]).clamp(-1, 1)


def geometric(first: float, last: float, count: int) -> list[float]:
    """`count` numbers from first to last in equal ratios; the last alone where count is 1."""
    return [last * (first / last) ** (1 - step / (count - 1)) for step in range(count)] if count > 1 else [last]


def _cell_px(level: Tensor) -> int:
    """Side of the cells that share weights: exact where the level is small, coarser where that is not seen."""
    short = min(level.shape[2:])
    return 1 if short <= _EXACT_SIDE_PX else 2
