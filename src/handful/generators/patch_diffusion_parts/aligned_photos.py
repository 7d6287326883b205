"""The photos of a store in one view and under one light, made from their integers whenever they are read."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from handful.core.images import unit_to_grey
from handful.core.likeness import groups as near_duplicates
from handful.core.likeness import residuals, thumbnail
from handful.generators.patch_diffusion_parts.photo_light import gain, relight
from handful.generators.patch_diffusion_parts.photo_store import PhotoStore
from handful.generators.patch_diffusion_parts.pyramid import Pyramid, cell_side_px, halve, to_cells
from handful.generators.patch_diffusion_parts.registration import inside, undo


class AlignedPhotos:
    """Those photos that samples are drawn from, counted from 0. Nothing but what the store holds is kept."""

    def __init__(self, store: PhotoStore) -> None:
        self._store = store
        self.numbers = store.numbers
        """(n,): which photo of the store each is."""
        self.poses, self.lights = store.poses[self.numbers], store.lights[self.numbers]
        self.pyramid = Pyramid.of(*store.pixels.shape[2:])

    def __len__(self) -> int:
        return len(self.numbers)

    def photo(self, index: int) -> Tensor:
        """(1, c, h, w) as the camera gave it."""
        return self._store.photo(int(self.numbers[index]))

    def lit(self, index: int) -> Tensor:
        """(1, c, h, w) in the shared view, under its own light."""
        return undo(self.photo(index), self.poses[index : index + 1])

    def levels(self, lit: Tensor, index: int) -> list[Tensor]:
        """What `lit` gave of a photo, under the light that all share, at every level, coarsest first."""
        return self.pyramid.build(relight(lit, gain(-self.lights[index], *lit.shape[2:])))

    def cells(self, level: int, first: int, last: int, cell_px: int) -> Tensor:
        """Rows `first` to `last` - 1 of the cells of a level, of all photos: (rows, columns, n, c q q).

        The same values as `levels` gives, without making the rest of the photos.
        """
        halvings = self.pyramid.halvings - level
        span = cell_px * 2**halvings
        height, width = self.pyramid.height, self.pyramid.width
        padded_width = self.pyramid.size(self.pyramid.halvings)[1]
        rows = slice(min(first * span, height - 1), min(last * span, height))
        below = last * span - first * span - (rows.stop - rows.start)
        size = (last - first, padded_width // span, len(self), self._store.pixels.shape[1] * cell_px**2)
        cells = torch.empty(size, device=self.poses.device)
        for index, pose in enumerate(self.poses):
            image = self._flat_rows(index, pose, rows)
            if below or padded_width > width:
                image = F.pad(image, (0, padded_width - width, 0, below), mode="replicate")
            for _ in range(halvings):
                image = halve(image)
            cells[:, :, index] = to_cells(image, cell_px)[:, :, 0]
        return cells

    def _flat_rows(self, index: int, pose: Tensor, rows: slice) -> Tensor:
        """(1, c, rows, w): rows of a photo in the shared view, under the light that all share."""
        height, width = self.pyramid.height, self.pyramid.width
        right, down, turn = pose.tolist()
        if turn:
            image = self.lit(index)[:, :, rows].clone()
        else:
            pixels = self._store.pixels[int(self.numbers[index])][None]
            own = torch.arange(rows.start, rows.stop, device=pose.device)
            pixels = pixels[:, :, (own + round(down)).clamp(0, height - 1)] if round(down) else pixels[:, :, rows]
            if round(right):
                across = torch.arange(width, device=pose.device)
                pixels = pixels[..., (across + round(right)).clamp(0, width - 1)]
            image = self._store.to_unit(pixels)
        return image.add_(1).mul_(gain(-self.lights[index], height, width, rows)).sub_(1)  # `relight` in place

    def outside(self) -> list[Tensor | None]:
        """At every level above the coarsest, which cells (rows, columns, n) touch what lies outside each photo;
        None where nothing does."""
        sizes = [self.pyramid.size(number) for number in range(1, self.pyramid.levels)]
        if not bool((self.poses != 0).any()):
            return [None] * len(sizes)
        sides = [cell_side_px(size) for size in sizes]
        cells = [
            torch.zeros(height // side, width // side, len(self), dtype=torch.bool, device=self.poses.device)
            for (height, width), side in zip(sizes, sides, strict=True)
        ]
        for index in self.poses.any(1).nonzero().flatten().tolist():
            beyond = (~inside(self.poses[index, None], self.pyramid.height, self.pyramid.width)).float()
            for own, level, side in zip(cells, self.pyramid.build(beyond)[1:], sides, strict=True):
                own[:, :, index] = F.max_pool2d(level, side)[0, 0] > 0
        return [*cells]

    def groups(self) -> Tensor:
        """(n,): near-duplicates share a number, as in the audit of a folder. Where more than half of the photos would,
        as under a light that does not change, each of them has its own: there is nothing else to draw from."""
        thumbnails = [thumbnail(unit_to_grey(self.photo(index)[0].cpu().numpy())) for index in range(len(self))]
        numbers = torch.tensor(near_duplicates(residuals(thumbnails)))
        crowded = numbers.bincount()[numbers] * 2 > len(self)
        return torch.where(crowded, len(self) + torch.arange(len(self)), numbers)

    @property
    def masked(self) -> bool:
        """Whether the photos have index maps."""
        return len(self._store.masks) > 0

    def mask(self, index: int) -> Tensor:
        """(h, w) uint8: the index map of a photo as it was given."""
        return self._store.masks[int(self.numbers[index])]

    def masks(self) -> Tensor:
        """(n, height, width) uint8: index maps in the shared view, on the padded canvas."""
        return torch.cat(
            [
                self.pyramid.pad(undo(self.mask(index)[None, None].float(), pose[None], "nearest"))[0].to(torch.uint8)
                for index, pose in enumerate(self.poses)
            ]
        )

    def at_32_px(self) -> Tensor:
        """(n, ...): the photos as the camera gave them, shrunk to 32 px on the short side and flattened."""
        return torch.cat([shrink(self.photo(index)).flatten(1) for index in range(len(self))])


def shrink(images: Tensor) -> Tensor:
    """(n, c, h, w) with a short side of 32 px, or as they are where that is shorter."""
    height, width = images.shape[2:]
    share = min(1.0, 32 / min(height, width))
    return F.interpolate(images, size=(round(height * share), round(width * share)), mode="area")
