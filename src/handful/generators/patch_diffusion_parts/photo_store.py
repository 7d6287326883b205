"""What a checkpoint of patch_diffusion holds: the photos as integers, and how they lie against each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from handful.generators.patch_diffusion_parts.photo_light import measure_light
from handful.generators.patch_diffusion_parts.registration import register, undo

_TOP_16, _TOP_8 = 65535, 255
_SAME = 1.5 / _TOP_16
"""Difference of grey values that rounding to 16 bits explains; steps of 16 bits are 2 / 65535."""
_OUTLIER = 5.0
"""A photo is an outlier when its nearest other is this many times farther than is usual."""
_LEAST_FOR_OUTLIERS = 8


class PhotoStore(nn.Module):
    """Photos in 8 bits where those hold them exactly, else in 16; registration and outliers beside them."""

    pixels: Tensor
    poses: Tensor
    lights: Tensor
    agreement: Tensor
    kept: Tensor
    """(n,) bool: False for photometric outliers, from which nothing is drawn."""
    masks: Tensor
    """(n, h, w) uint8: the photos' index maps; empty where they have none."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("pixels", "poses", "lights", "agreement", "kept"):
            self.register_buffer(name, torch.empty(0))
        self.register_buffer("masks", torch.empty(0, dtype=torch.uint8))

    def fill(self, photos: Tensor, align: bool, drop_outliers: bool) -> None:
        """Measures and keeps photos (n, c, h, w) in [-1, 1]."""
        found = register(photos)
        self.pixels = _to_integers(photos)
        self.poses = found.poses if align and found.aligned else torch.zeros_like(found.poses)
        self.agreement = found.agreement
        aligned = (undo(photo[None], pose[None])[0] for photo, pose in zip(photos, self.poses, strict=True))
        self.lights = measure_light(aligned, self.agreement)
        self.masks = torch.empty(0, dtype=torch.uint8, device=photos.device)
        self.kept = ~_outliers(photos) if drop_outliers else torch.ones(len(photos), dtype=torch.bool)

    @property
    def numbers(self) -> Tensor:
        """Which of all photos the kept ones are."""
        return self.kept.nonzero().flatten()

    def photo(self, number: int) -> Tensor:
        """A photo as it was given: float32 (1, c, h, w) in [-1, 1], to within 16 bits."""
        return self.to_unit(self.pixels[number : number + 1])

    @staticmethod
    def to_unit(pixels: Tensor) -> Tensor:
        """Pixels of the store as float32 in [-1, 1]."""
        if pixels.dtype == torch.uint8:
            return pixels.float().mul_(2 / _TOP_8).sub_(1)
        return pixels.float().add_(2**15).mul_(2 / _TOP_16).sub_(1)

    def find(self, photo: Tensor) -> int | None:
        """The number of the photo (c, h, w) that has these very pixels, None where none has."""
        if photo.shape != self.pixels.shape[1:]:
            return None
        near = (number for number in range(len(self.pixels)) if (self.photo(number)[0] - photo).abs().max() < _SAME)
        return next(near, None)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        for name, buffer in list(self.named_buffers()):
            if (stored := state_dict.get(prefix + name)) is not None:
                setattr(self, name, torch.empty_like(stored, device=buffer.device))  # takes its size and type
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _to_integers(photos: Tensor) -> Tensor:
    """One photo after another: in float64 all together would take twice the memory of the photos."""
    step = _TOP_16 // _TOP_8
    small = torch.empty(photos.shape, dtype=torch.uint8, device=photos.device)
    for stored, photo in zip(small, photos, strict=True):
        levels = (photo + 1) * (_TOP_8 / 2)
        whole = levels.round().clamp_(0, _TOP_8)
        if float(levels.clamp_(0, _TOP_8).sub_(whole).abs_().max()) * step >= 0.5:  # 16 bits hold it better
            break
        stored.copy_(whole)
    else:
        return small
    pixels = torch.empty(photos.shape, dtype=torch.int16, device=photos.device)
    for stored, photo in zip(pixels, photos, strict=True):
        fine = ((photo.double() + 1) * (_TOP_16 / 2)).round().clamp(0, _TOP_16).to(torch.int32)
        stored.copy_(fine - 2**15)
    return pixels


def _outliers(photos: Tensor) -> Tensor:
    """(n,) bool: photos whose light is unlike every other's. None where more than a tenth would be."""
    n = len(photos)
    none = torch.zeros(n, dtype=torch.bool, device=photos.device)
    if n < _LEAST_FOR_OUTLIERS:
        return none
    light = nn.functional.adaptive_avg_pool2d(photos, 8).flatten(1)
    distances = torch.cdist(light, light)
    distances.fill_diagonal_(torch.inf)
    nearest = distances.min(1).values
    far = nearest > _OUTLIER * nearest.median()
    return far if int(far.sum()) * 10 <= n else none
