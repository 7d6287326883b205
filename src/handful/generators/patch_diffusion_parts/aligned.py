"""Draws samples from photos that share a view: global state first, then coarse to fine, each level from noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from handful.core.seeds import torch_stream
from handful.generators.patch_diffusion_parts.global_state import GlobalState, GlobalStates
from handful.generators.patch_diffusion_parts.photo_light import gain, relight
from handful.generators.patch_diffusion_parts.posterior import Level
from handful.generators.patch_diffusion_parts.pyramid import Pyramid, agree, double
from handful.generators.patch_diffusion_parts.registration import inside, redo, undo

LEAST_TO_EXCLUDE = 10
"""With fewer photos than this, too few would be left if those of the mixture were kept out."""
_EXACT_SIDE_PX = 64
_NOISE_START, _NOISE_END = 0.8, 0.01


@dataclass(frozen=True)
class Variant:
    """How samples are drawn from aligned photos; the settings of the generator, resolved."""

    patch_px: int
    mixture_photos: int
    mixture_nearest: int
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
    """Photos in one view and under one light, prepared at every level of the pyramid."""

    def __init__(self, photos: Tensor, poses: Tensor, lights: Tensor, variant: Variant) -> None:
        """Args:
        photos: (n, c, h, w) in [-1, 1] as the camera gave them.
        poses: (n, 3): how each lies against the shared view.
        lights: (n, c, 6): log gain of each over the light that they share.
        """
        self.variant, self.count, self.poses, self.lights = variant, len(photos), poses, lights
        self.pyramid = Pyramid.of(*photos.shape[2:])
        self._small = _at_32_px(photos).flatten(1)
        between = torch.cdist(self._small, self._small)
        between.fill_diagonal_(torch.inf)
        self._usual_distance = between.min(1).values.median() if self.count > 1 else torch.tensor(1.0)
        moved = poses.abs().sum(1) > 0
        photos = photos.clone()
        outside: list[Tensor | None] = [None] * self.pyramid.levels
        if bool(moved.any()):
            photos[moved] = undo(photos[moved], poses[moved])
            outside = list(self.pyramid.build((~inside(poses, *photos.shape[2:])).float()))
        self.states = GlobalStates(self.pyramid.build(photos)[0], variant.mixture_photos, variant.mixture_nearest)
        for photo, light in zip(photos, lights, strict=True):
            photo.copy_(relight(photo, gain(-light, *photo.shape[1:])))
        coarsest, *finer = self.pyramid.build(photos)
        self.coarse_mean = coarsest.mean(0, keepdim=True)
        self.coarse_centred = coarsest - self.coarse_mean
        self.levels = [Level(level, _cell_px(level), variant.patch_px) for level in finer]
        self.outside = [
            None if mask is None else _cells_outside(mask, level.cell_px)
            for mask, level in zip(outside[1:], self.levels, strict=True)
        ]

    def draw(self, seed: int) -> Drawing:
        """The sample of a seed."""
        state = self.states.draw(torch_stream(seed, "patch_diffusion/state"))
        image, weights = self._coarsest(state), []
        for number, level in enumerate(self.levels, start=1):
            noise = torch.randn(level.mean.shape, generator=torch_stream(seed, "patch_diffusion/noise", number))
            image, last = self._refine(level, image, noise.to(image), self._forbidden(number - 1, state))
            weights.append(last)
        return Drawing(self._finish(image, state), state, tuple(weights))

    def assemble(self, state: GlobalState, weights: Sequence[Tensor]) -> Tensor:
        """The sample (1, c, h, w) of a global state and the weights of each level above the coarsest."""
        image = self._coarsest(state)
        for level, known in zip(self.levels, weights, strict=True):
            image = agree(level.blend(known.to(image)), image)
        return self._finish(image, state)

    def novelty(self, image: Tensor) -> float:
        """Distance of (1, c, h, w) to its nearest photo over that of a photo to its nearest other, at 32 px."""
        nearest = torch.cdist(_at_32_px(image).flatten(1), self._small).min()
        return float(nearest / self._usual_distance.clamp(min=1e-6))

    def _coarsest(self, state: GlobalState) -> Tensor:
        shares = state.shares.to(self.coarse_mean)
        return self.coarse_mean + torch.einsum("n,nchw->chw", shares, self.coarse_centred)

    def _finish(self, image: Tensor, state: GlobalState) -> Tensor:
        """The sample as the camera would have seen it: lit, and where its mixed photos lie, not in the shared view."""
        image = self.pyramid.crop(image)
        light = torch.einsum("n,nci->ci", state.shares.to(self.lights), self.lights)
        image = relight(image, gain(light, *image.shape[2:])).clamp(-1, 1)
        return redo(image, state.mix_weights.to(self.poses) @ self.poses[state.mixed]).clamp(-1, 1)

    def _forbidden(self, level: int, state: GlobalState) -> Tensor:
        """0 where a photo may be used and -inf where not, (n,) or (rows, columns, n): those that were mixed, and places
        that lie outside a photo, unless they lie outside every other."""
        banned = torch.zeros(self.count, dtype=torch.bool, device=self.coarse_mean.device)
        if self.variant.exclude_mixed and self.count >= LEAST_TO_EXCLUDE:
            banned[state.mixed] = True
        outside = self.outside[level]
        if outside is not None:
            wide = banned | outside
            banned = torch.where(wide.all(2, keepdim=True), banned, wide)
        return torch.zeros(banned.shape, device=banned.device).masked_fill_(banned, -torch.inf)

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


def geometric(first: float, last: float, count: int) -> list[float]:
    """`count` numbers from first to last in equal ratios; the last alone where count is 1."""
    return [last * (first / last) ** (1 - step / (count - 1)) for step in range(count)] if count > 1 else [last]


def _at_32_px(images: Tensor) -> Tensor:
    height, width = images.shape[2:]
    shrink = min(1.0, 32 / min(height, width))
    return F.interpolate(images, size=(round(height * shrink), round(width * shrink)), mode="area")


def _cells_outside(mask: Tensor, cell_px: int) -> Tensor:
    """Share of each pixel that lies outside (n, 1, h, w) -> whether a cell has any such, (rows, columns, n)."""
    return F.max_pool2d(mask, cell_px)[:, 0].permute(1, 2, 0) > 0


def _cell_px(level: Tensor) -> int:
    """Side of the cells that share weights: exact where the level is small, coarser where that is not seen."""
    short = min(level.shape[2:])
    return 1 if short <= _EXACT_SIDE_PX else 2
