"""Which photos, shifted how, have the like of a layout's patches: an exact search at a coarse level.

Every patch of the layout is compared with every patch of every photo. Pairs that have the photo and the shift in common
vote together: what is found is not the nearest patch of each place, which breaks long parts, but photos whose parts
lie as those of the layout do over a large area. Of these, a few are chosen that together cover much.

Patches hold the channels and the deviation of what is too fine for the level, so that smooth metal is not taken for
cloth of the same grey.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from handful.generators.patch_diffusion_parts.aligned import LEAST_TO_EXCLUDE
from handful.generators.patch_diffusion_parts.pyramid import halve

PATCH_PX = 7
_DETAIL_WEIGHT = 3.0
"""Of the deviation of fine detail against grey values."""
_AXES = 48
"""Principal axes on which patches are compared; they hold more than 99 % of the patches' variance."""
SHIFTS = 6
"""Shifts of one photo that are looked at further, the best ones that differ by more than `_APART_PX`."""
_APART_PX = 2
_RIVALRY = 0.5
"""How much less a place counts once a chosen shift covers it."""


def with_detail(levels: Sequence[Tensor]) -> list[Tensor]:
    """Levels (n, c, h, w), coarsest first, each with one channel more: the deviation of the finest level's grey
    values within each pixel, weighted; zero at the finest."""
    grey = levels[-1].mean(1, keepdim=True)
    mean, square = grey, grey.square()
    found = [torch.zeros_like(grey)]
    for _ in levels[1:]:
        mean, square = halve(mean), halve(square)
        found.append((square - mean.square()).clamp(min=0).sqrt() * _DETAIL_WEIGHT)
    return [torch.cat([level, detail], dim=1) for level, detail in zip(levels, found[::-1], strict=True)]


def search_bytes(photos: int, channels: int, size: tuple[int, int]) -> int:
    """What a search at a level of (height, width) pixels holds at the most: photos' patches, and all pairs of two."""
    places = (size[0] - PATCH_PX + 1) * (size[1] - PATCH_PX + 1)
    return 4 * photos * places * (2 * channels * PATCH_PX**2 + _AXES) + 28 * places**2


@dataclass(frozen=True)
class Shifts:
    """Photos, each moved as a whole."""

    photos: Tensor
    """(m,)"""
    offsets: Tensor
    """(m, 2): right and down in pixels of the level, from a place of the layout to its like in the photo."""


class Search:
    """The photos' patches at one level."""

    def __init__(self, photos: Tensor) -> None:
        """Args:
        photos: (n, c, h, w) with the detail channel.
        """
        self.count, _, self.height, self.width = photos.shape
        self.patch_px = min(PATCH_PX, (min(self.height, self.width) + 1) // 2 * 2 - 1)
        self.rows, self.columns = self.height - self.patch_px + 1, self.width - self.patch_px + 1
        patches = F.unfold(photos, self.patch_px).transpose(1, 2)  # (n, places, values)
        self._values = patches.shape[2]
        self._mean = patches.mean((0, 1))
        centred = (patches - self._mean).flatten(0, 1)
        axes = torch.linalg.eigh((centred.T @ centred).double().cpu()).eigenvectors.flip(1)[:, :_AXES]
        self._axes = axes.to(photos)
        self._keys = (centred @ self._axes).view(self.count, -1, self._axes.shape[1])
        self._squares = self._keys.square().sum(2)
        place = torch.arange(self.rows * self.columns, device=photos.device)
        row, column = place // self.columns, place % self.columns
        self._high, self._wide = 2 * self.rows - 1, 2 * self.columns - 1
        down, right = row - row[:, None] + self.rows - 1, column - column[:, None] + self.columns - 1
        self._shift_of_pair = (down * self._wide + right).flatten()

    def choose(
        self, layout: Tensor, anchor: int, own: Tensor, apart_px: int, tolerance: float, most: int, luck: Tensor
    ) -> Shifts:
        """Photos and shifts that together cover a layout; none that has nothing in common with it.

        Args:
            layout: (1, c, h, w) at the level of the search, with the detail channel.
            anchor: the photo that the layout was made of; from 10 photos on it is no candidate itself.
            own: (h, w, 2): where in it each pixel of the layout came from, as offsets in pixels of this level.
            apart_px: what lies nearer to that is no candidate.
            tolerance: mean squared difference of patches from which on they have nothing in common.
            most: shifts to choose.
            luck: (n, `SHIFTS`) uniform random numbers.
        """
        unfolded = F.unfold(layout, self.patch_px)[0].T
        queries = (unfolded - self._mean) @ self._axes
        contrast = unfolded.std(1)
        importance = contrast + contrast.mean() + 1e-6  # edges are rarer than plain surface, and matter more
        photos, shifts, covers = [], [], []
        for photo in range(self.count):
            alike = self._likeness(queries, photo, tolerance)
            if photo == anchor:
                if self.count >= LEAST_TO_EXCLUDE:
                    continue
                alike.masked_fill_(self._near(own, apart_px), 0)
            votes = torch.zeros(self._high * self._wide, device=alike.device)
            votes.index_add_(0, self._shift_of_pair, (alike * importance[:, None]).flatten())
            for shift in self._peaks(votes):
                photos.append(photo)
                shifts.append(shift)
                covers.append(self._along(alike, *shift) * importance)
        cover = torch.stack(covers)  # (candidates, queries)
        chance = luck.flatten()[: len(photos)].to(cover)
        need = torch.ones_like(importance)
        chosen: list[int] = []
        for _ in range(min(most, len(photos))):
            gain = (cover @ need) * (0.5 + chance)
            gain[chosen] = 0
            best = int(gain.argmax())
            if gain[best] <= 0:
                break
            chosen.append(best)
            need = need * (1 - _RIVALRY * cover[best] / importance)
        numbers = torch.tensor([photos[index] for index in chosen], dtype=torch.long)
        offsets = torch.tensor([[shifts[index][1], shifts[index][0]] for index in chosen], dtype=torch.float32)
        return Shifts(numbers, offsets.view(-1, 2))

    def _likeness(self, queries: Tensor, photo: int, tolerance: float) -> Tensor:
        """(queries, places): 1 where patches are equal, 0 from a mean squared difference of `tolerance` on."""
        apart = torch.addmm(self._squares[photo], queries, self._keys[photo].T, alpha=-2)
        apart.add_(queries.square().sum(1, keepdim=True))
        return apart.div_(-tolerance * self._values).add_(1).clamp_(0, 1)

    def _near(self, own: Tensor, apart_px: int) -> Tensor:
        """(queries, places) bool: which patches of the anchor lie less than `apart_px` from those of the layout."""
        reach = self.patch_px // 2
        inner = own[reach : reach + self.rows, reach : reach + self.columns]
        rows, columns = torch.arange(self.rows).to(own), torch.arange(self.columns).to(own)
        row, column = (inner[..., 1] + rows[:, None]).flatten(), (inner[..., 0] + columns).flatten()
        near_rows = (row[:, None] - rows).abs() < apart_px
        near_columns = (column[:, None] - columns).abs() < apart_px
        return (near_rows[:, :, None] & near_columns[:, None, :]).flatten(1)

    def _peaks(self, votes: Tensor) -> list[tuple[int, int]]:
        """The shifts (down, right) of most votes, each the best one near it."""
        surface = votes.view(1, 1, self._high, self._wide)
        best_near = F.max_pool2d(surface, 2 * _APART_PX + 1, 1, _APART_PX)
        peaks = (surface * (surface == best_near)).flatten().topk(min(SHIFTS, votes.numel())).indices.tolist()
        return [(peak // self._wide - self.rows + 1, peak % self._wide - self.columns + 1) for peak in peaks]

    def _along(self, alike: Tensor, down: int, right: int) -> Tensor:
        """(queries,): likeness at one shift; 0 where that leaves the photo."""
        square = alike.view(self.rows, self.columns, self.rows, self.columns)
        found = alike.new_zeros(self.rows, self.columns)
        row = torch.arange(max(0, -down), min(self.rows, self.rows - down), device=alike.device)[:, None]
        column = torch.arange(max(0, -right), min(self.columns, self.columns - right), device=alike.device)
        found[row, column] = square[row, column, row + down, column + right]
        return found.flatten()
