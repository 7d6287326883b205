"""Labelled images in memory: what every inspector learns from and is tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from handful.core.images import Floats

Labels = npt.NDArray[np.intp]
Masks = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class LabelledSet:
    """n images of one size with their labels; photos or samples."""

    images: Floats
    """(n, c, h, w) float32 in [-1, 1]."""
    labels: Labels
    """(n,): 0 is good, k is `kinds[k - 1]`."""
    kinds: tuple[str, ...]
    """Kinds of defect, in the order of their numbers."""
    masks: Masks | None
    """(n, h, w): 0 where good, k where a defect of kind k is; None where defects were not outlined."""
    hashes: tuple[str, ...]
    """`core.images.pixels_sha256` of each image's pixels on the canvas."""
    groups: Labels
    """(n,): images of one group are no independent pictures (near-duplicates, crops of one photo, one place)."""
    names: tuple[str, ...]
    """Where each came from, for words and lists."""

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: Sequence[int] | Labels) -> LabelledSet:
        """Some of the images, in the order given; a row may occur more than once."""
        rows = np.asarray(rows, dtype=np.intp)
        return LabelledSet(
            self.images[rows],
            self.labels[rows],
            self.kinds,
            None if self.masks is None else self.masks[rows],
            tuple(self.hashes[row] for row in rows),
            self.groups[rows],
            tuple(self.names[row] for row in rows),
        )
