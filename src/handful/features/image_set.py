"""A set of images that are read one at a time, and what features of it are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from handful.core.images import Floats, Integers, integers_to_unit

Features = npt.NDArray[np.floating[Any]]
"""(n, dimensions), a row an image."""
PhotoNumbers = npt.NDArray[np.intp]


@dataclass(frozen=True)
class ImageSet:
    """Images of one size that are read one at a time."""

    names: tuple[str, ...]
    hashes: tuple[str, ...]
    """`core.images.pixels_sha256` of each."""
    bit_depth: int
    read: Callable[[int], Integers]
    """Index -> integers (h, w) or (h, w, 3)."""
    photos: tuple[str, ...] | None = None
    """Name of the photo that each was made from: tiles of one photo share it. None: each is its own."""
    channels: Literal[1, 3] = 3
    """Of what `batches` gives: with 3, a grey image is repeated. 1 only where every image is grey."""
    groups: tuple[int, ...] | None = None
    """Group of near-duplicates of each image. None: not known."""

    def __len__(self) -> int:
        return len(self.names)

    def photo_numbers(self) -> PhotoNumbers:
        """The photo of each image, by number. Near-duplicates count as one photo, unless all are of one group."""
        if self.groups is not None and len(set(self.groups)) > 1:
            return np.unique(self.groups, return_inverse=True)[1]
        return np.unique(self.names if self.photos is None else self.photos, return_inverse=True)[1]

    @property
    def all_alike(self) -> bool:
        """Whether these are several photos of one group: nothing about them is independent."""
        return self.groups is not None and len(set(self.groups)) == 1 and len(np.unique(self.photo_numbers())) > 1

    def unit(self, row: int) -> Floats:
        """One image, float32 (channels, h, w) in [-1, 1]."""
        image = integers_to_unit(self.read(row), self.bit_depth)
        return np.repeat(image, 3, axis=0) if len(image) < self.channels else image

    def batches(self, size: int) -> Iterator[Floats]:
        """All images in order, float32 (n, channels, h, w) in [-1, 1], n <= size, at their own size."""
        for start in range(0, len(self), size):
            yield np.stack([self.unit(row) for row in range(start, min(start + size, len(self)))])

    def all(self) -> Floats:
        """All images at once, float32 (n, channels, h, w) in [-1, 1]; at least one."""
        return next(self.batches(len(self)))
