"""Draws samples from photos of different views, or from one photo: a warped photo is the layout, others fill it.

The layout, a photo turned and bent a little, is kept up to a quarter of the canvas. The levels above are drawn from
noise out of layers: other photos, or other places of the same, laid onto the layout. A layer may be used only where
it agrees with the layout; where none does, the warped photo itself stays. The posterior mean, the steps and the
consistency with the coarser level are those of the aligned path, with the layers of the sample as its photos.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from handful.core.seeds import torch_stream
from handful.generators.base import ImageSpec
from handful.generators.patch_diffusion_parts.aligned import geometric
from handful.generators.patch_diffusion_parts.aligned_photos import shrink
from handful.generators.patch_diffusion_parts.candidates import SHIFTS, Search, search_bytes, with_detail
from handful.generators.patch_diffusion_parts.photo_layers import (
    Layers,
    box_mean,
    fit,
    from_places,
    look,
    resized,
    show,
    show_masks,
    to_places,
)
from handful.generators.patch_diffusion_parts.photo_store import PhotoStore
from handful.generators.patch_diffusion_parts.posterior import Level
from handful.generators.patch_diffusion_parts.pyramid import Pyramid, agree, double
from handful.generators.warp import Warp, WarpSettings

LAYERS = 12
_SEARCH_LEVEL, _LAYOUT_BELOW = 1, 2
"""The search is done at about 32 px on the short side; the layout ends two levels below the finest."""
_MOST_PLACES = 4096
"""The search takes memory with the square of the pixels at its level; a canvas wider than 4:1 is searched at 16 px."""
_LAYOUT = WarpSettings(turn_degrees=10, least_view=0.85, most_view=1, stretch=0.03, shear=0.03, mirror=False)
"""Nearly true to scale, so that the parts of other photos fit."""
_APART = 1 / 8
"""Of the short side: what lies nearer to a place of the layout's own photo is not its candidate."""
_SEARCH_TOLERANCE = 0.35
_NEGLIGIBLE, _STRICT = 0.1, 0.3
"""Root mean square differences over the photos' deviation: up to the first, layers are equally good; above the last,
a layer does not agree with the layout."""
_UNEXPLAINED = 0.2
"""Nor does it where more than this share of the layout's local contrast would be missing or misplaced: a faint line."""
_TEXTURE = 4 / 9
"""How much of the power of the layout's fine texture is allowed for on top, for no two pieces of cloth agree."""
_PREFERENCE, _PREFERENCE_CELLS = 3.0, 5
"""Random liking of each layer, which changes slowly over the frame: large regions from several photos."""
_AGREE_REACH_PX = 2
"""Agreement is judged one level above the layout's, over windows of 5x5 px."""
_FITS = 3
"""Gauss-Newton steps a level."""
_NOISE_START, _NOISE_END = 0.8, 0.01
_EXACT_SIDE_PX = 64


_WORK_COPIES, _WORK_BYTES = 4, 40 * 10**6
"""Copies of the layers at the finest level that drawing holds at once (3.2 measured), and what libraries take."""


def drawing_bytes(photos: int, channels: int, height: int, width: int) -> int:
    """The most that preparing the sampler and drawing hold at once, beyond the photos as they are stored."""
    pyramid = Pyramid.of(height, width)
    pixels = math.prod(pyramid.size(pyramid.halvings))
    kept = photos * (channels + 1) * pixels // 3
    work = _WORK_COPIES * (LAYERS + 1) * channels * pixels
    return (kept + work) * 4 + search_bytes(photos, channels + 1, pyramid.size(_search_level(pyramid))) + _WORK_BYTES


def _search_level(pyramid: Pyramid) -> int:
    level = min(max(0, pyramid.halvings - _LAYOUT_BELOW), _SEARCH_LEVEL)
    return level if math.prod(pyramid.size(level)) <= _MOST_PLACES else 0


@dataclass(frozen=True)
class CandidateDrawing:
    """A sample and where it came from."""

    image: Tensor
    """(1, c, h, w) in [-1, 1]."""
    layers: Layers
    """The last one is the layout's own photo."""
    weights: tuple[Tensor, ...]
    """For each level above the layout's, coarsest first: (rows, columns, m), the layers' weights in the last step."""
    mask: Tensor | None = None
    """(h, w) uint8: the layout's index map where photos have masks; layers of other kinds gave nothing there."""


class CandidateSampler:
    """Photos prepared for the search, and for being looked at at every level but the finest."""

    def __init__(self, store: PhotoStore, patch_px: int, steps: int) -> None:
        """Args:
        store: filled.
        patch_px: wanted side of the patches that are compared with a noisy sample.
        steps: denoising steps a level.
        """
        self.store, self.patch_px, self.steps = store, patch_px, steps
        self.pixels = store.pixels
        """The photos that it was prepared from."""
        self.numbers = store.numbers
        _, channels, height, width = store.pixels.shape
        self.pyramid = Pyramid.of(height, width)
        self._layouts = Warp(_LAYOUT, ImageSpec(width, height, channels), seed=0)
        self.at_layout, self.at_search = max(0, self.pyramid.halvings - _LAYOUT_BELOW), _search_level(self.pyramid)
        self.cell_px = self._level_px(self.at_layout)
        photos = [self._levels(store.photo(number))[:-1] for number in self.numbers.tolist()]
        self._photos = [torch.cat(level) for level in zip(*photos, strict=True)]
        self._small = torch.cat([shrink(store.photo(number)) for number in self.numbers.tolist()]).flatten(1)
        deviation = float(self._photos[-1][:, :channels].std((2, 3)).mean()) + 1e-3
        self._search_tolerance, self._negligible, self._strict = (
            (share * deviation) ** 2 for share in (_SEARCH_TOLERANCE, _NEGLIGIBLE, _STRICT)
        )
        self._search = Search(self._photos[self.at_search])

    def draw(self, seed: int) -> CandidateDrawing:
        """The sample of a seed."""
        own, layout = self._draw_layout(torch_stream(seed, "patch_diffusion/layout"))
        layers = self._lay_out(own, layout, torch_stream(seed, "patch_diffusion/candidates"))
        preference = self._judge(layers, own, layout, torch_stream(seed, "patch_diffusion/preference"))
        layers = layers.joined(own)
        image, found = layout[self.at_layout][:, :-1], []
        for number in range(self.at_layout + 1, self.pyramid.levels):
            level = self._level(layers, number)
            noise = torch.randn(level.mean.shape, generator=torch_stream(seed, "patch_diffusion/noise", number))
            image, weights = self._refine(level, image, noise.to(image), preference)
            found.append(weights)
        mask = self._masks(own)
        mask = None if mask is None else self.pyramid.crop(mask)[0]
        return CandidateDrawing(self.pyramid.crop(image).clamp(-1, 1), layers, tuple(found), mask)

    def assemble(self, layers: Layers, weights: Sequence[Tensor]) -> Tensor:
        """The sample (1, c, h, w) of layers and their weights at each level above the layout's."""
        image = self._warped(layers)[self.at_layout][:, :-1]
        for number, known in enumerate(weights, start=self.at_layout + 1):
            image = agree(self._level(layers, number).blend(known.to(image)), image)
        return self.pyramid.crop(image).clamp(-1, 1)

    def novelty(self, image: Tensor) -> float:
        """Distance of (1, c, h, w) to its nearest photo over that of a photo to its nearest other, at 32 px. Of one
        photo alone: over that of its warps to itself."""
        nearest = torch.cdist(shrink(image).flatten(1), self._small).min()
        return float(nearest / self._usual_distance)

    @cached_property
    def _usual_distance(self) -> Tensor:
        if len(self.numbers) > 1:
            between = torch.cdist(self._small, self._small).fill_diagonal_(torch.inf)
            return between.min(1).values.median().clamp(min=1e-6)
        warps = [self._draw_layout(torch_stream(trial, "patch_diffusion/usual"))[1][-1] for trial in range(8)]
        small = shrink(self.pyramid.crop(torch.cat(warps)[:, :-1])).flatten(1)
        return torch.cdist(small, self._small).median().clamp(min=1e-6)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the canvas."""
        return self.pyramid.height, self.pyramid.width

    def _level_px(self, level: int) -> int:
        """Pixels of the finest level in one of this level's, a side."""
        return int(2 ** (self.pyramid.halvings - level))

    def _levels(self, image: Tensor) -> list[Tensor]:
        """(1, c, h, w) at every level with the detail channel, coarsest first."""
        return with_detail(self.pyramid.build(image))

    def _look_at(self, photos: Tensor, level: int) -> Tensor:
        """Photos (m, c + 1, h, w) at a level."""
        if level < self.pyramid.halvings:
            return self._photos[level][photos]
        images = torch.cat([self.store.photo(int(self.numbers[photo])) for photo in photos])
        images = self.pyramid.pad(images)
        return torch.cat([images, torch.zeros_like(images[:, :1])], dim=1)

    def _draw_layout(self, random: torch.Generator) -> tuple[Layers, list[Tensor]]:
        """A warped photo, as a layer and as an image at every level."""
        anchor = int(torch.randint(len(self.numbers), (), generator=random))
        height, width = self.pyramid.height, self.pyramid.width
        grid = (self._layouts.draw_grid(random) + 1) / 2 * torch.tensor([width - 1.0, height - 1.0])
        own = torch.stack(torch.meshgrid(torch.arange(width), torch.arange(height), indexing="xy"), dim=-1)
        offsets = self.pyramid.pad((grid - own).permute(2, 0, 1)[None])
        cells = F.avg_pool2d(offsets, self.cell_px).permute(0, 2, 3, 1).to(self._small)
        layer = Layers(torch.tensor([anchor]), self._rounded(cells))
        return layer, self._warped(layer)

    def _warped(self, layers: Layers) -> list[Tensor]:
        """The layout (1, c + 1, h, w) at every level: what the last layer shows."""
        finest = self._look_at(layers.photos[-1:], self.pyramid.halvings)[:, :-1]
        return with_detail(self._halved(show(finest, layers.offsets[-1:], 1).clamp(-1, 1)))

    def _halved(self, image: Tensor) -> list[Tensor]:
        levels = [image]
        while len(levels) < self.pyramid.levels:
            levels.append(F.avg_pool2d(levels[-1], 2))
        return levels[::-1]

    def _rounded(self, offsets: Tensor) -> Tensor:
        places = to_places(offsets, self.cell_px, *self.size)
        return from_places(places, self.cell_px)

    def _lay_out(self, own: Layers, layout: list[Tensor], random: torch.Generator) -> Layers:
        """Photos chosen for a layout and brought onto it."""
        level, step_px = self.at_search, self._level_px(self.at_search)
        came_from = F.avg_pool2d(own.offsets.permute(0, 3, 1, 2), step_px // self.cell_px)[0].permute(1, 2, 0) / step_px
        apart_px = max(2, round(min(layout[level].shape[2:]) * _APART))
        luck = torch.rand(len(self.numbers), SHIFTS, generator=random)
        found = self._search.choose(
            layout[level], int(own.photos[0]), came_from, apart_px, self._search_tolerance, LAYERS, luck
        )
        if not len(found.photos):
            return Layers(found.photos, own.offsets[:0])
        offsets = (found.offsets * step_px)[:, None, None].expand(-1, *layout[level].shape[2:], 2)
        for number in range(level, min(self.at_layout + 2, self.pyramid.levels)):
            images = self._look_at(found.photos, number)
            offsets = resized(offsets, *layout[min(number, self.at_layout)].shape[2:])
            for _ in range(_FITS):
                offsets = fit(offsets, images, layout[number], self._level_px(number))
        return Layers(found.photos, self._rounded(offsets))

    def _masks(self, layers: Layers) -> Tensor | None:
        """The index maps (m, h, w) of layers on the padded canvas; None where photos have none."""
        if not len(self.store.masks):
            return None
        masks = self.store.masks[self.numbers[layers.photos]]
        return show_masks(self.pyramid.pad(masks[:, None].float())[:, 0], layers.offsets)

    def _judge(self, layers: Layers, own: Layers, layout: list[Tensor], random: torch.Generator) -> Tensor:
        """(m + 1, rows, columns): what is added to the logits of each layer at each cell, -inf where it does not agree
        with the layout; the last is the layout's own photo, -inf wherever there is another."""
        rows, columns = layout[self.at_layout].shape[2:]
        if not len(layers):
            return layout[0].new_zeros(1, rows, columns)
        number = min(self.at_layout + 1, self.pyramid.halvings)
        there = layout[number]
        seen = look(self._look_at(layers.photos, number), layers.offsets, self._level_px(number))
        apart = box_mean((seen - there).square().mean(1, keepdim=True), _AGREE_REACH_PX)
        misplaced, structure = _local_variance(seen - there), _local_variance(there)
        texture = -F.max_pool2d(-there[:, -1:], 5, 1, 2)  # the least of 5x5 px: across an edge, one has none
        over = F.adaptive_max_pool2d(apart - _TEXTURE * texture.square(), (rows, columns))[:, 0]
        unlike = misplaced - _TEXTURE * texture.square() - self._negligible - _UNEXPLAINED * structure
        unlike = F.adaptive_max_pool2d(unlike, (rows, columns))[:, 0] > 0
        liking = torch.randn(len(layers), 1, _PREFERENCE_CELLS, _PREFERENCE_CELLS, generator=random)
        liking = F.interpolate(liking.to(there), size=(rows, columns), mode="bicubic")[:, 0]
        preference = _PREFERENCE * liking - F.relu(over - self._negligible) / (2 * self._negligible)
        places = to_places(layers.offsets, self.cell_px, *self.size)
        last = to_places(layers.offsets.new_full((1, rows, columns, 2), torch.inf), self.cell_px, *self.size)
        outside = ((places <= 0) | (places >= last)).any(-1)
        preference = preference.masked_fill((over > self._strict) | unlike | outside, -torch.inf)
        masks, mask = self._masks(layers), self._masks(own)
        if masks is not None and mask is not None:  # or a defect that the layout has would be marked and not be there
            other = F.max_pool2d((masks != mask).float()[None], self.cell_px)
            preference = preference.masked_fill(F.max_pool2d(other, 3, 1, 1)[0] > 0, -torch.inf)
        alone = preference.isinf().all(0, keepdim=True)
        return torch.cat([preference, torch.where(alone, 0.0, -torch.inf)])

    def _level(self, layers: Layers, number: int) -> Level:
        """The layers as photos of the posterior mean."""
        pairs = zip(layers.photos[:, None], layers.offsets[:, None], strict=True)  # one by one, to hold one photo
        step_px = self._level_px(number)
        shown = torch.cat([show(self._look_at(photo, number)[:, :-1], offsets, step_px) for photo, offsets in pairs])
        return Level(shown, 1 if min(shown.shape[2:]) <= _EXACT_SIDE_PX else 2, self.patch_px)

    def _refine(self, level: Level, coarser: Tensor, noise: Tensor, preference: Tensor) -> tuple[Tensor, Tensor]:
        """One level from noise: (finished coarser level, noise) -> (this level, weights of the last step)."""
        liking = F.interpolate(preference[None], size=(level.rows, level.columns), mode="nearest")[0].permute(1, 2, 0)
        taus = geometric(_NOISE_START, _NOISE_END, self.steps)
        z = double(coarser) + taus[0] * noise
        for step, tau in enumerate(taus):
            weights = torch.softmax(level.logits(z, tau) + liking, dim=2)
            x0 = agree(level.blend(weights), coarser)
            if step < len(taus) - 1:
                z = x0 + taus[step + 1] / tau * (z - x0)  # DDIM, eta 0: the same noise, less of it
        return x0, weights


def _local_variance(images: Tensor) -> Tensor:
    """Variance over the windows of the agreement, mean over channels: (n, c, h, w) -> (n, 1, h, w)."""
    return (box_mean(images.square(), _AGREE_REACH_PX) - box_mean(images, _AGREE_REACH_PX).square()).mean(
        1, keepdim=True
    )
