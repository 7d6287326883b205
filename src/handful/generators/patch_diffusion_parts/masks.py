"""Index maps ride along: each kind of defect is one more channel of the photos, blended as the image is.

A sample is linear in the photos once its weights are known: the mixture at the coarsest level, and above it one blend
a level that is brought to agree with the coarser one. The same is done to "this pixel is of kind k", and each pixel of
the sample is of the kind that gets most, so that a mark which only the coarse levels brought in is marked as well.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from handful.generators.patch_diffusion_parts.posterior import blend
from handful.generators.patch_diffusion_parts.pyramid import agree, halve, to_cells


class RidingMasks:
    """The photos' index maps in the shared view."""

    def __init__(self, masks: Tensor, cells_px: Sequence[int]) -> None:
        """Args:
        masks: (n, h, w) uint8 on the padded canvas.
        cells_px: side of the cells that share weights, at each level above the coarsest.
        """
        self.masks, self.cells_px = masks, tuple(cells_px)
        self.kinds = [int(kind) for kind in masks.flatten().bincount().nonzero() if kind > 0]

    def carry(self, shares: Tensor, weights: Sequence[Tensor]) -> Tensor:
        """The index map (h, w) uint8 of a sample; of two kinds with equal shares the lower number, good first.

        Args:
            shares: (n,): of each photo's distance from the mean in the coarsest level.
            weights: of each level above it: (rows, columns, n).
        """
        found = torch.zeros_like(self.masks[0])
        channels = [self._channel(kind, shares, weights) for kind in self.kinds]
        best = 1 - sum(channels, torch.zeros(found.shape, device=found.device))  # the weights of all sum to 1
        for kind, channel in zip(self.kinds, channels, strict=True):
            better = channel > best
            found[better], best = kind, torch.where(better, channel, best)
        return found

    def _channel(self, kind: int, shares: Tensor, weights: Sequence[Tensor]) -> Tensor:
        """(h, w): how much of each pixel is of a kind."""
        marked = self.masks == kind
        photos = marked.flatten(1).any(1).nonzero().flatten()  # the others add nothing
        levels = [marked[photos, None].float()]
        for _ in weights:
            levels.append(halve(levels[-1]))
        coarsest, *finer = levels[::-1]
        mean = coarsest.sum(0, keepdim=True) / len(self.masks)
        own = shares.to(coarsest)
        image = (1 - own.sum()) * mean + torch.einsum("n,nchw->chw", own[photos], coarsest)
        for level, known, cell_px in zip(finer, weights, self.cells_px, strict=True):
            cells = to_cells(level, cell_px)
            image = agree(blend(known[..., photos], cells, cell_px, 1), image)
        return image[0, 0]
