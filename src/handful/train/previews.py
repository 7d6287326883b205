"""Previews: a contact sheet of samples of fixed seeds at a few moments of training, from the averaged weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from handful.core.images import png_bytes, unit_to_integers
from handful.core.provenance import SourceType, generated_texts, generated_xmp

MOMENTS = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 3 / 8, 1 / 2, 5 / 8, 3 / 4, 7 / 8, 1.0)
"""Shares of the budget: dense at first, when most changes; then every eighth."""

_GAP_PX = 2
_BIT_DEPTH = 8  # a preview is for the eye, whatever the camera's depth


def moments_passed(progress: float) -> int:
    """How many of the moments lie at or before `progress`."""
    return sum(moment <= progress for moment in MOMENTS)


def contact_sheet(samples: Tensor) -> Tensor:
    """Images (n, c, h, w) side by side in a near-square grid with white gaps: (c, rows, columns)."""
    n, channels, height, width = samples.shape
    columns = math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    sheet = torch.ones(channels, rows * (height + _GAP_PX) - _GAP_PX, columns * (width + _GAP_PX) - _GAP_PX)
    for index, sample in enumerate(samples):
        top = index // columns * (height + _GAP_PX)
        left = index % columns * (width + _GAP_PX)
        sheet[:, top : top + height, left : left + width] = sample
    return sheet


def preview_png(samples: Tensor, generator: str, run_id: str, source_type: SourceType) -> bytes:
    """The contact sheet as a PNG file that says it was generated."""
    pixels = unit_to_integers(contact_sheet(samples.float().cpu()).numpy(), _BIT_DEPTH)
    texts = generated_texts(generator, run_id, seed=0) | {"Comment": f"contact sheet of seeds 0 to {len(samples) - 1}"}
    return png_bytes(pixels, _BIT_DEPTH, texts, generated_xmp(source_type))
