"""Labels of photos: what is wrong on each, and where. One form for all layouts on disk."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from handful.core.artifacts import Artifact, Size
from handful.core.config import Settings
from handful.core.errors import UserError

GOOD = "good"
"""Label of an image without a defect."""

Mask = npt.NDArray[np.bool_]


class Region(Settings):
    """Where a defect is: by exactly one of outline, box and mask."""

    kind: str
    """Kind of defect."""
    polygon: tuple[tuple[float, float], ...] = ()
    """Corners (x, y) in pixels of the upright photo; x to the right, y down, (0, 0) the outer corner of the first
    pixel."""
    box: tuple[float, float, float, float] | None = None
    """x, y, width, height, as the polygon counts them."""
    mask: str = ""
    """File of the photo's size below the labels' folder; every value but 0 is inside."""

    def rasterise(self, folder: Path, size: Size) -> Mask:
        """(height, width): which pixels are inside.

        Args:
            folder: that `mask` is below.
            size: of the upright photo.

        Raises:
            UserError: the mask cannot be read or is of another size.
        """
        if self.mask:
            return _read_mask(folder / self.mask, size)
        if self.box is not None:
            x, y, width, height = self.box
            corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
        else:
            corners = self.polygon  # type: ignore[assignment]
        canvas = Image.new("1", (size.width, size.height))
        # Pillow counts from pixel centres and includes the outline
        ImageDraw.Draw(canvas).polygon([(x - 0.5, y - 0.5) for x, y in corners], fill=1, outline=0)
        return np.array(canvas, dtype=bool)


class LabelledPhoto(Settings):
    """What is known about one photo."""

    name: str
    """Path relative to the folder, forward slashes: as `Photo.name`."""
    label: str
    """'good' or a kind of defect; of several kinds the one of the largest region."""
    regions: tuple[Region, ...] = ()
    """Empty where it is good, or where its defects were not outlined."""
    split: Literal["train", "test"] | None = None
    """As the layout says; None where it says nothing."""


class LabelSheet(Artifact):
    """The labels of a folder of photos."""

    file_name: ClassVar[str] = "labels.json"
    stage: ClassVar[str] = "photos"

    layout: str
    """How the labels lay on disk: 'class folders', 'mvtec', 'coco', 'yolo', 'voc', 'masks', 'labelme'."""
    folder: str
    """The folder that names and masks are below, absolute."""
    kinds: tuple[str, ...]
    """Kinds of defect, sorted; 'good' is none of them."""
    photos: tuple[LabelledPhoto, ...]
    warnings: tuple[str, ...] = ()
    """Images without labels, labels without images, and the like; each one sentence."""


def _read_mask(path: Path, size: Size) -> Mask:
    try:
        with Image.open(path) as opened:
            mask = np.array(opened)
    except OSError as error:
        raise UserError(
            f"The mask {path} cannot be read: {error}.",
            "A mask is an image of its photo's size.",
            "Mend the file, or move it and its photo away.",
        ) from None
    inside: Mask = (mask != 0) if mask.ndim == 2 else (mask[..., :3] != 0).any(axis=2)
    if inside.shape != (size.height, size.width):
        raise UserError(
            f"The mask {path} is {inside.shape[1]}x{inside.shape[0]} px, its photo {size} px.",
            "A mask has the size of its photo.",
            "Draw the mask at the photo's size, or move both away.",
        )
    return inside
