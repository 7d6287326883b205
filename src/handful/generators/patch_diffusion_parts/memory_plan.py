"""How much memory patch_diffusion takes, and how to take less: the finest levels are read again, band by band, at
every step. All figures are beyond the photos as they were handed over."""

from __future__ import annotations

from dataclasses import dataclass

from handful.generators.patch_diffusion_parts.pyramid import Pyramid, cell_side_px
from handful.generators.patch_diffusion_parts.registration import LARGEST_SIDE_PX, PIXELS_AT_ONCE

_FLOAT_BYTES = 4
_BAND_BYTES = (24 * 2**20, 6 * 2**20, 2**20)
"""Photos' cells in one band, from the fastest on: around it come the rows that patches reach."""
_WORK_IMAGES = 16
"""Float32 images of the canvas that one photo's preparation and one sample's drawing hold at once."""
_WORK_WEIGHTS = 12
"""Arrays of a number for each photo and cell that one step on a kept level takes: it holds six at once (products, their
sums, weights), and as much again may be lost between what is freed and taken anew (measured: up to five)."""
_WORK_STRUCTURES = 6
"""Float32 pictures of each photo's structure that registration takes, the same loss included."""
_WORK_MAPS = 20
"""Float32 maps of a few photos that registration works with at once."""
_WORK_BANDS = 5
"""Copies of a band that one step on a banded level holds at once."""
_MOST_BANDED = 2
"""Levels that are read in bands at most: those below them are small, and making them anew is dear."""
_BASE_BYTES = 50 * 10**6
"""What the libraries take beyond that at their first use."""


@dataclass(frozen=True)
class MemoryPlan:
    """Which levels are kept in memory."""

    kept_levels: int
    """Of those above the coarsest, from the coarser ones on."""
    band_bytes: int = _BAND_BYTES[0]

    def band_rows(self, row_values: int) -> int:
        """Rows of cells in a band.

        Args:
            row_values: numbers in one row of cells of all photos.
        """
        return max(1, self.band_bytes // (row_values * _FLOAT_BYTES))


def preparing_bytes(photos: int, channels: int, height: int, width: int) -> int:
    """The most that registering the photos and turning them into integers holds at once."""
    small = min(1.0, LARGEST_SIDE_PX / max(height, width)) ** 2
    grey = 1 if channels > 1 else 0
    pixels = photos * height * width
    registering = (grey + _WORK_STRUCTURES * small) * _FLOAT_BYTES
    at_once = _WORK_MAPS * min(PIXELS_AT_ONCE, int(pixels * small)) * _FLOAT_BYTES
    return int(pixels * max(registering, 3 * channels)) + at_once + _BASE_BYTES


def drawing_bytes(plan: MemoryPlan, pyramid: Pyramid, photos: int, channels: int, patch_px: int) -> int:
    """The most that drawing under a plan holds at once, beyond the photos as they are stored."""
    total = weights = 0
    most_work = 0
    for number in range(1, pyramid.levels):
        height, width = pyramid.size(number)
        cell_px = cell_side_px((height, width))
        per_photo = height * width * channels
        a_weight = photos * height * width // cell_px**2
        weights += a_weight
        if number <= plan.kept_levels:
            total += photos * per_photo + a_weight
            most_work = max(most_work, _WORK_WEIGHTS * a_weight)
        else:
            row_values = photos * width * channels * cell_px
            rows = min(plan.band_rows(row_values) + patch_px // cell_px + 3, height // cell_px)
            made_of = 4 ** (pyramid.levels - 1 - number)  # a coarser level is made of finer pixels, a photo at a time
            most_work = max(most_work, _WORK_BANDS * rows * row_values + made_of * rows * row_values // photos)
    finest = pyramid.size(pyramid.levels - 1)
    images = _WORK_IMAGES * finest[0] * finest[1] * channels
    return (total + weights + most_work + images) * _FLOAT_BYTES + _BASE_BYTES


def choose_plan(limit_bytes: int, pyramid: Pyramid, photos: int, channels: int, patch_px: int) -> MemoryPlan:
    """The fastest plan within the limit; the smallest where none is."""
    banded = range(1, min(_MOST_BANDED, pyramid.halvings) + 1)
    plans = [MemoryPlan(pyramid.halvings)]
    plans += [MemoryPlan(pyramid.halvings - levels, size) for levels in banded for size in _BAND_BYTES]
    fitting = (plan for plan in plans if drawing_bytes(plan, pyramid, photos, channels, patch_px) <= limit_bytes)
    smallest = min(plans, key=lambda plan: drawing_bytes(plan, pyramid, photos, channels, patch_px))
    return next(fitting, smallest)
