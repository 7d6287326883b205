"""Draws samples from photos that share a view: global state first, then coarse to fine, each level from noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from handful.core.seeds import torch_stream
from handful.generators.patch_diffusion_parts.aligned_photos import AlignedPhotos, shrink
from handful.generators.patch_diffusion_parts.global_state import GlobalState, GlobalStates
from handful.generators.patch_diffusion_parts.masks import RidingMasks
from handful.generators.patch_diffusion_parts.memory_plan import MemoryPlan
from handful.generators.patch_diffusion_parts.photo_light import gain, relight
from handful.generators.patch_diffusion_parts.posterior import BandedLevel, Level
from handful.generators.patch_diffusion_parts.pyramid import agree, cell_side_px, double, to_cells
from handful.generators.patch_diffusion_parts.registration import redo
from handful.generators.patch_diffusion_parts.start import Start, only

LEAST_TO_EXCLUDE = 10
"""With fewer photos than this, too few would be left if those of the mixture were kept out."""
_LEAST_LEFT = 8
"""Photos that keeping near-duplicates of mixed ones out must leave."""
_NOISE_START, _NOISE_END = 0.8, 0.01


@dataclass(frozen=True)
class Variant:
    """How samples are drawn from aligned photos; the settings of the generator, resolved."""

    patch_px: int
    mixture_photos: int
    mixture_nearest: int | None
    mixture_most: float
    steps: int
    fairness: float
    temperature: float
    exclude_mixed: bool


@dataclass(frozen=True)
class Drawing:
    """A sample and where it came from."""

    image: Tensor
    """(1, c, h, w) in [-1, 1]."""
    state: GlobalState
    weights: tuple[Tensor, ...]
    """For each level above the coarsest: (rows, columns, n), the photos' weights in the last step."""
    field: Tensor | None = None
    """(c, terms): log gain of the light that was followed; None: that of the mixture."""
    start: Start | None = None
    mask: Tensor | None = None
    """(h, w) uint8: index map; None where the photos have none."""


class AlignedSampler:
    """Photos in one view and under one light, prepared at every level of the pyramid."""

    def __init__(self, photos: AlignedPhotos, variant: Variant, plan: MemoryPlan | None = None) -> None:
        """Args:
        plan: which levels are kept; None: all.
        """
        plan = plan or MemoryPlan(photos.pyramid.halvings)
        self.photos, self.variant, self.count = photos, variant, len(photos)
        self.pyramid, self.poses, self.lights = photos.pyramid, photos.poses, photos.lights
        self._small = photos.at_32_px()
        between = torch.cdist(self._small, self._small)
        between.fill_diagonal_(torch.inf)
        self._usual_distance = between.min(1).values.median() if self.count > 1 else torch.tensor(1.0)
        lit, coarse, self.levels = self._read(photos, plan)
        self.groups = photos.groups()
        mixing = variant.mixture_photos, variant.mixture_nearest, variant.mixture_most
        self.states = GlobalStates(lit, self.groups, *mixing)
        self.coarse_mean = coarse.mean(0, keepdim=True)
        self.coarse_centred = coarse - self.coarse_mean
        cells_px = [level.cell_px for level in self.levels]
        self.masks = RidingMasks(photos.masks(), cells_px) if photos.masked else None
        self.outside = photos.outside()

    def _read(self, photos: AlignedPhotos, plan: MemoryPlan) -> tuple[Tensor, Tensor, list[Level | BandedLevel]]:
        """Reads the photos one by one: the coarsest level as lit and without light, and the other levels."""
        lit_ones, coarse_ones = [], []
        sizes = [self.pyramid.size(number) for number in range(1, self.pyramid.levels)]
        cells: list[Tensor | None] = [None] * len(sizes)
        channels, device = photos.photo(0).shape[1], photos.poses.device
        sums = [torch.zeros(1, channels, *size, dtype=torch.float64, device=device) for size in sizes]
        for index in range(self.count):
            lit = photos.lit(index)
            lit_ones.append(self.pyramid.coarsest(lit))
            coarsest, *finer = photos.levels(lit, index)
            coarse_ones.append(coarsest)
            for total, level in zip(sums, finer, strict=True):
                total.add_(level)
            for place, level in enumerate(finer[: plan.kept_levels]):
                side, (height, width) = cell_side_px(sizes[place]), sizes[place]
                if (all_cells := cells[place]) is None:
                    shape = height // side, width // side, self.count, channels * side**2
                    all_cells = cells[place] = level.new_empty(shape)
                all_cells[:, :, index] = to_cells(level, side)[:, :, 0]
        levels: list[Level | BandedLevel] = []
        for place, (size, total) in enumerate(zip(sizes, sums, strict=True)):
            mean, cell_px, patch_px = (total / self.count).float(), cell_side_px(size), self.variant.patch_px
            all_cells, cells[place] = cells[place], None
            if all_cells is not None:
                levels.append(Level.of_cells(all_cells, mean, cell_px, patch_px))
            else:
                read = partial(photos.cells, place + 1, cell_px=cell_px)
                band_rows = plan.band_rows(self.count * mean[..., :cell_px, :].numel())
                levels.append(BandedLevel(read, mean, cell_px, patch_px, band_rows))
        return torch.cat(lit_ones), torch.cat(coarse_ones), levels

    def draw(self, seed: int, start: Start | None = None, field: Tensor | None = None) -> Drawing:
        """The sample of a seed.

        Args:
            start: the photo that it starts from; None: a mixture of several.
            field: (c, terms): log gain of the light to follow; None: that of the mixture.
        """
        state, kept, first_noise = self.states.draw(torch_stream(seed, "patch_diffusion/state")), 0, _NOISE_START
        regions: Sequence[Tensor | None] = [None] * len(self.levels)
        if start is not None:
            state = GlobalState.of_one(start.index, self.count)
            kept, first_noise = start.reach(len(self.levels), _NOISE_START, _NOISE_END)
            cells_px = [level.cell_px for level in self.levels]
            regions = start.cells(self.pyramid, self.poses[start.index], cells_px)
        image, weights = self._coarsest(state), []
        for number, level in enumerate(self.levels):
            noise = torch.randn(level.mean.shape, generator=torch_stream(seed, "patch_diffusion/noise", number + 1))
            taus = geometric(first_noise if number == kept else _NOISE_START, _NOISE_END, self.variant.steps)
            z, region, own = double(image), regions[number], None
            if start is not None:
                own = only(start.index, level.rows, level.columns, self.count, z.device)
                if number < kept:
                    image = level.blend(own)
                    weights.append(own)
                    continue
                if number == kept:
                    z = level.blend(own)
                elif region is not None:
                    z = torch.where(_spread(region, level.cell_px), z, level.blend(own))
            z = z + taus[0] * noise.to(z)
            image, last = self._refine(level, image, z, taus, self._barred(number, state, start), region, own)
            weights.append(last)
        mask = self._carry_masks(state, weights, start) if self.masks is not None else None
        return Drawing(self._finish(image, state, field, start), state, tuple(weights), field, start, mask)

    def assemble(
        self, state: GlobalState, weights: Sequence[Tensor], field: Tensor | None = None, start: Start | None = None
    ) -> Tensor:
        """The sample (1, c, h, w) of a global state and the weights of each level above the coarsest."""
        image = self._coarsest(state)
        for level, known in zip(self.levels, weights, strict=True):
            image = agree(level.blend(known.to(image)), image)
        return self._finish(image, state, field, start)

    def novelty(self, image: Tensor) -> float:
        """Distance of (1, c, h, w) to its nearest photo over that of a photo to its nearest other, at 32 px."""
        nearest = torch.cdist(shrink(image).flatten(1), self._small).min()
        return float(nearest / self._usual_distance.clamp(min=1e-6))

    def _coarsest(self, state: GlobalState) -> Tensor:
        shares = state.shares.to(self.coarse_mean)
        return self.coarse_mean + torch.einsum("n,nchw->chw", shares, self.coarse_centred)

    def _finish(self, image: Tensor, state: GlobalState, field: Tensor | None, start: Start | None) -> Tensor:
        """The sample as the camera would have seen it: lit, and where its mixed photos lie, not in the shared view.
        Where nothing may change, the photo that it starts from."""
        image = self.pyramid.crop(image)
        light = torch.einsum("n,nci->ci", state.shares.to(self.lights), self.lights) if field is None else field
        image = relight(image, gain(light, *image.shape[2:])).clamp(-1, 1)
        image = redo(image, self._pose(state)).clamp(-1, 1)
        if start is None or field is not None:
            return image
        return start.keep(image, self.photos.photo(start.index))

    def _carry_masks(self, state: GlobalState, weights: Sequence[Tensor], start: Start | None) -> Tensor:
        """The index map (h, w) of a sample, in the camera's frame."""
        assert self.masks is not None
        mask = self.masks.carry(state.shares, weights)[None, None]
        mask = redo(self.pyramid.crop(mask).float(), self._pose(state), "nearest").to(torch.uint8)[0, 0]
        return mask if start is None else start.keep(mask, self.photos.mask(start.index))

    def _pose(self, state: GlobalState) -> Tensor:
        return state.mix_weights.to(self.poses) @ self.poses[state.mixed]

    def _barred(self, level: int, state: GlobalState, start: Start | None) -> Tensor:
        """What is added to logits, (1, 1, n) or (rows, columns, n): -inf for photos that were mixed, and for places
        that lie outside a photo, unless they lie outside every other; else 0. Near-duplicates of mixed photos are kept
        out with them where enough others are left. Of few photos the one that a drawing starts from is kept out as
        well: else nothing would change."""
        barred = torch.zeros(1, 1, self.count, device=self.coarse_mean.device)
        if self.variant.exclude_mixed and self.count >= (LEAST_TO_EXCLUDE if start is None else 2):
            barred[:, :, state.mixed] = -torch.inf
            for photo in state.mixed:
                alike = barred[0, 0].cpu() == -torch.inf
                alike |= self.groups == self.groups[photo]
                if int((~alike).sum()) >= _LEAST_LEFT:
                    barred[:, :, alike] = -torch.inf
        outside = self.outside[level]
        if outside is None:
            return barred
        wide = barred.masked_fill(outside, -torch.inf)
        wide[wide.amax(2) == -torch.inf] = barred[0, 0]
        return wide

    def _refine(
        self,
        level: Level | BandedLevel,
        coarser: Tensor,
        z: Tensor,
        taus: Sequence[float],
        barred: Tensor,
        region: Tensor | None,
        own: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """One level from noise: its image, which agrees with the finished coarser one, and weights of the last step.

        Args:
            z: (1, c, h, w) with noise of standard deviation taus[0].
            region: cells (rows, columns) that may change; None: all.
            own: (rows, columns, n): weights of the others.
        """

        def choose(logits: Tensor, rows: slice) -> Tensor:
            weights = torch.softmax(logits.add_(barred if len(barred) == 1 else barred[rows]), dim=2)
            if region is not None and own is not None:
                weights = torch.where(region[rows, :, None], weights, own[rows])
            return weights

        for tau, next_tau in zip(taus, [*taus[1:], None], strict=True):
            heat = 1.0 if next_tau is None else self.variant.temperature**0.5  # logits are divided by its square
            fairness = 0.0 if next_tau is None else self.variant.fairness
            blended, weights = level.denoise(z, tau * heat, fairness, choose)
            x0 = agree(blended, coarser)
            if next_tau is not None:
                z = x0 + next_tau / tau * (z - x0)  # DDIM, eta 0: the same noise, less of it
        return x0, weights


def geometric(first: float, last: float, count: int) -> list[float]:
    """`count` numbers from first to last in equal ratios; the last alone where count is 1."""
    return [last * (first / last) ** (1 - step / (count - 1)) for step in range(count)] if count > 1 else [last]


def _spread(cells: Tensor, cell_px: int) -> Tensor:
    """Cells (rows, columns) as pixels (h, w)."""
    return cells.repeat_interleave(cell_px, 0).repeat_interleave(cell_px, 1)
