"""A pyramid by factor 2 on a canvas padded so that every level halves exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from torch import Tensor
from torch.nn import functional as F

COARSEST_SIDE_PX = 16
"""Short side of the coarsest level, about: below it lies what a photo's light is, above it what its parts are."""
_EXACT_SIDE_PX = 64


@dataclass(frozen=True)
class Pyramid:
    """Sizes of the levels, coarsest first."""

    height: int
    width: int
    halvings: int

    @classmethod
    def of(cls, height: int, width: int) -> Pyramid:
        """The pyramid whose coarsest short side lies nearest to `COARSEST_SIDE_PX`, in steps of a factor 2."""
        return cls(height, width, max(1, round(math.log2(min(height, width) / COARSEST_SIDE_PX))))

    @property
    def levels(self) -> int:
        return self.halvings + 1

    @property
    def multiple_px(self) -> int:
        """Padded sides are multiples of this, so that every level halves exactly and splits into 4x4 cells where
        it is fine enough to have such."""
        return int(2 ** max(self.halvings, 2))

    def size(self, level: int) -> tuple[int, int]:
        """(height, width) of a level of the padded canvas; level 0 is the coarsest."""
        unit, shrink = self.multiple_px, 2 ** (self.halvings - level)
        return (math.ceil(self.height / unit) * unit // shrink, math.ceil(self.width / unit) * unit // shrink)

    def pad(self, images: Tensor) -> Tensor:
        """(n, c, height, width) -> the padded canvas; the last row and column are repeated."""
        height, width = self.size(self.halvings)
        return F.pad(images, (0, width - self.width, 0, height - self.height), mode="replicate")

    def crop(self, images: Tensor) -> Tensor:
        """The canvas itself, out of the padded one."""
        return images[..., : self.height, : self.width]

    def build(self, images: Tensor) -> list[Tensor]:
        """Images (n, c, height, width) at every level, coarsest first."""
        levels = [self.pad(images)]
        while len(levels) < self.levels:
            levels.append(halve(levels[-1]))
        return levels[::-1]

    def coarsest(self, images: Tensor) -> Tensor:
        """The first of `build` alone."""
        return F.avg_pool2d(self.pad(images), 2**self.halvings)


def cell_side_px(size: Sequence[int]) -> int:
    """Side of the cells that share weights at a level (h, w): exact where it is small, coarser where that is not
    seen."""
    return 1 if min(size) <= _EXACT_SIDE_PX else 2


def halve(images: Tensor) -> Tensor:
    """Means of 2x2 pixels: (n, c, h, w) -> (n, c, h / 2, w / 2). Sums of slices: several times faster than pooling."""
    rows = images[:, :, ::2] + images[:, :, 1::2]
    return (rows[..., ::2] + rows[..., 1::2]).mul_(0.25)


def double(images: Tensor) -> Tensor:
    """Bilinear: (n, c, h, w) -> (n, c, 2 h, 2 w)."""
    return F.interpolate(images, scale_factor=2.0, mode="bilinear", align_corners=False)


def agree(images: Tensor, coarser: Tensor) -> Tensor:
    """Images changed in their low band alone, so that halved they are (nearly) the finished coarser level."""
    return images + double(coarser - halve(images))


def to_cells(images: Tensor, cell_px: int) -> Tensor:
    """(n, c, h, w) -> (h / q, w / q, n, c q q): what lies in each cell of q x q pixels, for all images side by side.

    One copy for each place in a cell: several times faster than a permutation of six axes.
    """
    n, c, h, w = images.shape
    q = cell_px
    cells = images.new_empty(h // q, w // q, n, c * q * q)
    for place, (channel, down, right) in enumerate(product(range(c), range(q), range(q))):
        cells[..., place] = images[:, channel, down::q, right::q].permute(1, 2, 0)
    return cells


def from_cells(cells: Tensor, cell_px: int, channels: int) -> Tensor:
    """The inverse for one image: (h / q, w / q, c q q) -> (1, c, h, w)."""
    rows, columns, q = cells.shape[0], cells.shape[1], cell_px
    blocks = cells.reshape(rows, columns, channels, q, q).permute(2, 0, 3, 1, 4)
    return blocks.reshape(1, channels, rows * q, columns * q)


def box_sum(values: Tensor, cells: int) -> Tensor:
    """Sums over windows of cells x cells (odd), cut at the border: (h, w, n) -> (h, w, n)."""
    for axis in (0, 1):
        values = _running_sum(values, cells // 2, axis)
    return values


def _running_sum(values: Tensor, reach: int, axis: int) -> Tensor:
    total = values.clone()
    length = values.shape[axis]
    for shift in range(1, min(reach, length - 1) + 1):
        total.narrow(axis, shift, length - shift).add_(values.narrow(axis, 0, length - shift))
        total.narrow(axis, 0, length - shift).add_(values.narrow(axis, shift, length - shift))
    return total
