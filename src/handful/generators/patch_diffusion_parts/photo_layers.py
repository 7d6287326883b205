"""Photos laid onto a layout: shifted as a whole, then bent a little by a smooth field, and seen through it.

The field is refined below a pixel by Gauss-Newton steps on the difference between what the photo shows and the layout
(Lucas and Kanade 1981; with the layout's slopes, which serve all photos: Baker and Matthews 2004). It is smoothed after
each, so that it follows edges and leaves surfaces as they are. Places are rounded to 1/8 px: a passport holds them as
they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

STEPS_A_PX = 8
"""Places are multiples of 1/8 px of the finest level."""
_REACH_PX = 3
"""Slopes are compared over windows of 7x7 px."""
_DAMPING = 0.25
"""Of the mean slope energy: where the layout has less, a field hardly moves."""
_SMOOTHINGS = 2
_PREFILTER, _PREFILTER_ENLARGED = 0.2, 1.3
"""High pass added before bicubic resampling, which takes as much, and more of it for each unit of enlargement. Mean
|Laplacian| of photos turned by 5 degrees, over that before: 0.998 (glue bead) and 1.026 (ball screw), 0.88 and 0.91
without; turned and enlarged by 1/0.95: 0.96 and 0.99, 0.81 and 0.85 without."""
_MOST_PREFILTER = 0.8


@dataclass(frozen=True)
class Layers:
    """Photos seen through fields."""

    photos: Tensor
    """(m,): which photo each is."""
    offsets: Tensor
    """(m, rows, columns, 2): right and down in pixels of the finest level, from each cell's middle to its place."""

    def __len__(self) -> int:
        return len(self.photos)

    def joined(self, other: Layers) -> Layers:
        return Layers(torch.cat([self.photos, other.photos]), torch.cat([self.offsets, other.offsets]))


def to_places(offsets: Tensor, cell_px: int, height: int, width: int) -> Tensor:
    """Offsets to places within a photo of height x width px, in 1/8 px: integers (m, rows, columns, 2)."""
    places = offsets + middles(offsets.shape[1], offsets.shape[2], cell_px).to(offsets)
    places = torch.minimum(places.clamp(min=0), places.new_tensor([width - 1, height - 1]))
    return (places * STEPS_A_PX).round().long()


def from_places(places: Tensor, cell_px: int) -> Tensor:
    """The inverse, but for the rounding."""
    return places.float() / STEPS_A_PX - middles(places.shape[1], places.shape[2], cell_px).to(places.device)


def middles(rows: int, columns: int, cell_px: int) -> Tensor:
    """(rows, columns, 2): x and y of the middles of cells in pixels of the finest level, whose first pixel is at 0."""
    y, x = ((torch.arange(count) + 0.5) * cell_px - 0.5 for count in (rows, columns))
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)


def resized(offsets: Tensor, rows: int, columns: int) -> Tensor:
    """Offsets (m, ..., ..., 2) on a finer grid, bilinear."""
    if offsets.shape[1:3] == (rows, columns):
        return offsets
    fine = F.interpolate(offsets.permute(0, 3, 1, 2), size=(rows, columns), mode="bilinear", align_corners=False)
    return fine.permute(0, 2, 3, 1)


def look(images: Tensor, offsets: Tensor, level_px: int) -> Tensor:
    """What images (m, c, h, w) show at offsets (m, rows, columns, 2): bilinear, to be compared.

    Args:
        level_px: pixels of the finest level in one of the images'.
    """
    return F.grid_sample(images, _grid(images, offsets, level_px), "bilinear", "border", align_corners=False)


def show(images: Tensor, offsets: Tensor, level_px: int) -> Tensor:
    """As `look`, bicubic and as sharp as the images are."""
    channels = images.shape[1]
    line = torch.tensor([1.0, 2.0, 1.0], device=images.device) / 4
    blurred = F.pad(images, (1, 1, 1, 1), mode="replicate")
    blurred = F.conv2d(blurred, line.view(1, 1, 1, 3).expand(channels, 1, 1, 3), groups=channels)
    blurred = F.conv2d(blurred, line.view(1, 1, 3, 1).expand(channels, 1, 3, 1), groups=channels)
    taken = 1 - _scale(offsets, images.shape[2] * level_px // offsets.shape[1])
    share = (_PREFILTER + _PREFILTER_ENLARGED * taken).clamp(0, _MOST_PREFILTER).view(-1, 1, 1, 1)
    filtered = images + share * (images - blurred)
    return F.grid_sample(filtered, _grid(images, offsets, level_px), "bicubic", "border", align_corners=False)


def _scale(offsets: Tensor, cell_px: int) -> Tensor:
    """(m,): how long, in the photo, what fields (m, rows, columns, 2) show as 1 px is; under 1 they enlarge."""
    if min(offsets.shape[1:3]) < 2:
        return torch.ones(len(offsets), device=offsets.device)
    across = (offsets[:, :-1, 1:] - offsets[:, :-1, :-1]) / cell_px + offsets.new_tensor([1, 0])
    along = (offsets[:, 1:, :-1] - offsets[:, :-1, :-1]) / cell_px + offsets.new_tensor([0, 1])
    area = across[..., 0] * along[..., 1] - across[..., 1] * along[..., 0]
    return area.abs().mean((1, 2)).sqrt()


def show_masks(masks: Tensor, offsets: Tensor) -> Tensor:
    """What index maps (m, h, w) uint8 of the finest level show: each pixel that of the nearest place."""
    maps = masks[:, None].float()
    found = F.grid_sample(maps, _grid(maps, offsets, 1), "nearest", "border", align_corners=False)
    return found[:, 0].to(torch.uint8)


def fit(offsets: Tensor, images: Tensor, layout: Tensor, level_px: int) -> Tensor:
    """One Gauss-Newton step: the field bent towards what brings the images onto the layout, then smoothed.

    Args:
        offsets: (m, rows, columns, 2) in pixels of the finest level.
        images: (m, c, h, w), h a multiple of rows.
        layout: (1, c, h, w).
        level_px: pixels of the finest level in one of this.
    """
    rows, columns = offsets.shape[1:3]
    right, down = _slopes(layout)
    energy = torch.stack([(right * right).sum(1), (right * down).sum(1), (down * down).sum(1)], dim=1)
    xx, xy, yy = _windowed(energy, rows, columns).unbind(1)
    error = look(images, offsets, level_px) - layout
    x, y = _windowed(torch.stack([(right * error).sum(1), (down * error).sum(1)], 1), rows, columns).unbind(1)
    floor = _DAMPING * (xx + yy).mean() + 1e-12
    xx, yy = xx + floor, yy + floor
    step = torch.stack([yy * x - xy * y, xx * y - xy * x], dim=1) / (xx * yy - xy * xy)[:, None]
    field = offsets.permute(0, 3, 1, 2) - step.clamp(-1, 1) * level_px
    for _ in range(_SMOOTHINGS):
        field = box_mean(field, 1)
    return field.permute(0, 2, 3, 1)


def box_mean(images: Tensor, reach_px: int) -> Tensor:
    """Means over windows of 2 reach + 1 px, cut at the border: (n, c, h, w) -> the same."""
    side = 2 * reach_px + 1
    down = F.avg_pool2d(images, (side, 1), 1, (reach_px, 0), count_include_pad=False)
    return F.avg_pool2d(down, (1, side), 1, (0, reach_px), count_include_pad=False)


def _grid(images: Tensor, offsets: Tensor, level_px: int) -> Tensor:
    h, w = images.shape[2:]
    places = resized(offsets, h, w) + middles(h, w, level_px).to(offsets)
    return (2 * places + 1) / offsets.new_tensor([w * level_px, h * level_px]) - 1


def _windowed(products: Tensor, rows: int, columns: int) -> Tensor:
    """Means over the windows around the pixels of each cell."""
    return F.adaptive_avg_pool2d(box_mean(products, _REACH_PX), (rows, columns))


def _slopes(images: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences to the right and down."""
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    return (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2, (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
