"""A photo that a drawing starts from: what of it is kept, and what is drawn anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from handful.generators.patch_diffusion_parts.pyramid import Pyramid
from handful.generators.patch_diffusion_parts.registration import undo


@dataclass(frozen=True)
class Start:
    """A photo, the noise put on it, and where."""

    index: int
    """Among the photos that samples are drawn from."""
    noise: float
    """0 leaves the photo as it is; 1 keeps its light alone, the coarsest level. Between the two, the levels that the
    noise does not reach are kept, and it reaches into the next one as far as the rest says."""
    region: Tensor | None = None
    """(height, width) bool in the frame of the photo: what may change. None: everything."""

    def keep(self, drawn: Tensor, photo: Tensor) -> Tensor:
        """What was drawn (..., height, width), and the photo's own where nothing may change."""
        if self.noise == 0:
            return photo
        return drawn if self.region is None else torch.where(self.region, drawn, photo)

    def reach(self, levels: int, most: float, least: float) -> tuple[int, float]:
        """How many of the levels above the coarsest are kept, and the noise that the next one starts with.

        Args:
            levels: number of levels above the coarsest.
            most, least: noise that a level drawn from nothing starts and ends with.
        """
        place = (1 - self.noise) * levels
        kept = int(place)
        return kept, most * (least / most) ** (place - kept)

    def cells(self, pyramid: Pyramid, pose: Tensor, cells_px: Sequence[int]) -> list[Tensor | None]:
        """At every level above the coarsest the cells (rows, columns) bool that may change; None where all may.

        At the finest level these are all cells that touch the region. At the coarser ones they lie within it, a cell
        away from its edge, so that no coarse change reaches beyond it.
        """
        if self.region is None:
            return [None] * len(cells_px)
        inside = undo(self.region[None, None].float(), pose[None]).clamp(0, 1)
        _, *levels = pyramid.build(inside)
        *coarse, finest = (F.avg_pool2d(level, cell)[0, 0] for level, cell in zip(levels, cells_px, strict=True))
        within = [-F.max_pool2d(-(share > 1 - 1e-4).float()[None], 3, 1, 1)[0] > 0 for share in coarse]
        return [*within, finest > 0]


def only(index: int, rows: int, columns: int, count: int, device: torch.device) -> Tensor:
    """Weights (rows, columns, count) of a level that is one photo."""
    weights = torch.zeros(rows, columns, count, device=device)
    weights[:, :, index] = 1
    return weights
