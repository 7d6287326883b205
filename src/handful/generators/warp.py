"""Warp: a photo turned, enlarged and gently bent, so that its parts lie elsewhere.

Paper: none; elastic deformation of training images is from Simard, Steinkraus and Platt 2003 (ICDAR).
Good for: views that differ from photo to photo: whole, sharp parts in places and turns that no photo shows, in
    milliseconds. What a costlier generator must beat there.
Weak at: anything new: every sample is one photo. A fixed camera never turns. Enlarging makes samples softer.
Differs: nothing to differ from. No border of a photo ever enters the frame.
Origin: written for Handful.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from torch import Tensor
from torch.nn import functional as F

from handful.core.config import Settings
from handful.core.seeds import torch_stream
from handful.generators.base import Facts, Generator, ImageSpec, Stateful
from handful.generators.layers import PhotoBank

FACTS = Facts(least_photos=1, least_side_px=4, trains=False, source_type="algorithmicallyEnhanced")

_BEND_CELLS = 4
"""Random displacements a side: few, for a bend is to look like another part and not like rubber."""


class WarpSettings(Settings):
    """Ranges of the changes; every one but the bend is uniform within its range. All defaults are ours."""

    turn_degrees: float = Field(8.0, ge=0, le=180)
    """Largest turn, either way, in degrees."""
    least_view: float = Field(0.72, gt=0, le=1)
    """Smallest share of the photo's sides that a sample shows."""
    most_view: float = Field(0.86, gt=0, le=1)
    """Largest share of the photo's sides that a sample shows; less where the turned frame would not fit the photo."""
    stretch: float = Field(0.05, ge=0, lt=0.5)
    """Largest relative change of width against height."""
    shear: float = Field(0.05, ge=0, lt=0.5)
    """Largest shift of a row against the next, in pixels a pixel."""
    bend: float = Field(0.012, ge=0, le=0.1)
    """Standard deviation of the smooth displacement, as a share of half the photo's short side."""
    mirror: bool = False
    """Mirror half of the samples left to right: only where a mirrored part is a good part."""

    @model_validator(mode="after")
    def _views_are_ordered(self) -> WarpSettings:
        if self.least_view > self.most_view:
            words = "The smallest view, least_view ({least}) must be at most most_view ({most})"
            raise PydanticCustomError("views", words, {"least": self.least_view, "most": self.most_view})
        return self


class Warp(Generator):
    """A bank of photos; a seed picks one and decides its warp."""

    settings_class = WarpSettings
    alone = True

    def __init__(self, settings: WarpSettings, spec: ImageSpec, seed: int) -> None:
        super().__init__(settings, spec, seed)
        self.settings = settings
        self.bank = PhotoBank()
        self._masks: dict[int, Tensor] = {}

    def prepare(self, photos: Tensor) -> None:
        """Keeps the photos."""
        self.bank.fill(photos)

    def prepare_masks(self, masks: Tensor) -> None:
        self.bank.fill_masks(masks)

    @torch.no_grad()
    def sample(self, seeds: Sequence[int]) -> Tensor:
        images = []
        self._masks = {}
        for seed in seeds:
            random = torch_stream(seed, "warp")
            chosen = self._pick(random)
            photo = self.bank.photos[chosen]
            grid = self.draw_grid(random).to(photo.device)
            if len(self.bank.masks):
                mask = self.bank.masks[chosen].float()[None, None]
                moved = F.grid_sample(mask, grid[None], "nearest", padding_mode="border", align_corners=True)
                self._masks[seed] = moved[0, 0].to(torch.uint8)
            # the taps of a bicubic kernel at the outermost pixels reach beyond the photo: they take its edge
            warped = F.grid_sample(photo[None], grid[None], "bicubic", padding_mode="border", align_corners=True)
            images.append(warped.clamp(-1, 1))
        return torch.cat(images)

    def masks(self) -> Mapping[int, Tensor]:
        return self._masks

    def draw_grid(self, random: torch.Generator) -> Tensor:
        """Where each pixel of a sample is taken from: (h, w, 2) as x and y, -1 and 1 the photo's outermost pixels."""
        set_to, height, width = self.settings, self.spec.height, self.spec.width
        turn, stretch, shear = (torch.rand(3, generator=random) * 2 - 1).tolist()
        view, mirrored, *place = torch.rand(4, generator=random).tolist()
        bend = torch.randn(1, 2, _BEND_CELLS, _BEND_CELLS, generator=random)

        half = torch.tensor([(width - 1) / 2, (height - 1) / 2])  # pixels from the centre to the outermost
        rows = torch.linspace(-1, 1, height)[:, None].expand(height, width)
        columns = torch.linspace(-1, 1, width).expand(height, width)
        grid: Tensor = torch.stack([columns, rows], dim=-1) * half  # (h, w, 2) in pixels
        angle = math.radians(turn * set_to.turn_degrees)
        widen = math.exp(stretch * math.log1p(set_to.stretch) / 2)
        turned = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        sheared = torch.tensor([[widen, shear * set_to.shear], [0.0, 1 / widen]])
        zoom = set_to.least_view + view * (set_to.most_view - set_to.least_view)
        grid = grid @ (zoom * turned @ sheared).T
        smooth = F.interpolate(bend, size=(height, width), mode="bicubic", align_corners=True)[0]
        grid = (grid + smooth.permute(1, 2, 0) * set_to.bend * half.min()) / half

        low, high = grid.amin((0, 1)), grid.amax((0, 1))
        grid = grid - (low + high) / 2
        reach = (high - low) / 2
        fit = reach.max().reciprocal().clamp(max=1.0)  # zooms in where the frame would look beyond the photo
        grid, room = grid * fit, 1 - reach * fit
        grid = (grid + (torch.tensor(place) * 2 - 1) * room).clamp(-1, 1)  # the clamp undoes rounding alone
        if set_to.mirror and mirrored < 0.5:
            grid = grid.flip(1)
        return grid

    def sources(self, seeds: Sequence[int], controls: Settings | None = None) -> list[int]:
        return [self._pick(torch_stream(seed, "warp")) for seed in seeds]

    def _pick(self, random: torch.Generator) -> int:
        """The photo of a seed: the first number of its stream."""
        return int(torch.randint(len(self.bank.photos), (), generator=random))

    def modules(self) -> dict[str, Stateful]:
        return {"bank": self.bank}
