"""Labels of photos: what is wrong on each, and where. One form for all layouts on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from handful.core.artifacts import Artifact, Size
from handful.core.config import Settings
from handful.core.errors import UserError

GOOD = "good"
"""Label of an image without a defect."""
MOST_KINDS = 255
"""Kinds that an index map of 8 bits can tell apart."""

Layout = Literal["classes", "masks", "mvtec", "coco", "yolo", "voc", "labelme"]
"""How labels lie on disk."""
Mask = npt.NDArray[np.bool_]
IndexMap = npt.NDArray[np.uint8]
"""(height, width): 0 where good, k where a defect of the k-th kind is."""


class Region(Settings):
    """Where a defect is: by exactly one of outline, box, runs and mask."""

    kind: str
    """Kind of defect."""
    polygon: tuple[tuple[float, float], ...] = ()
    """Corners (x, y) in pixels of the upright photo; x to the right, y down, (0, 0) the outer corner of the first
    pixel."""
    box: tuple[float, float, float, float] | None = None
    """x, y, width, height, as the polygon counts them."""
    runs: tuple[int, ...] = ()
    """Lengths of runs of pixels outside, inside, outside, ..., column after column: COCO's uncompressed RLE."""
    mask: str = ""
    """File of the photo's size, relative to the labels' folder."""
    value: int | None = None
    """The one value of the mask file that is inside; None: every value but 0 (of a JPEG file: above 127)."""

    def rasterise(self, folder: Path, size: Size) -> Mask:
        """(height, width): which pixels are inside, by their centres.

        An outline or box too small to hold any centre keeps the one pixel that its middle lies in: no defect is lost.

        Args:
            folder: that `mask` is relative to.
            size: of the upright photo.

        Raises:
            UserError: the mask cannot be read or is of another size, or the runs are of another size.
        """
        if self.mask:
            return _read_mask(folder / self.mask, size, self.value)
        if self.runs:
            return _runs_to_mask(self.runs, size)
        return _polygon_to_mask(self.corners(), size)

    def corners(self) -> tuple[tuple[float, float], ...]:
        """Of the outline or the box; empty where a mask or runs say where it is."""
        if self.box is None:
            return self.polygon
        x, y, width, height = self.box
        return ((x, y), (x + width, y), (x + width, y + height), (x, y + height))


class LabelledPhoto(Settings):
    """What is known about one photo."""

    name: str
    """Path relative to the folder, forward slashes: as `Photo.name`."""
    label: str
    """'good' or a kind of defect; of several kinds the one that covers most pixels."""
    regions: tuple[Region, ...] = ()
    """Empty where it is good, or where its defects were not outlined."""
    split: Literal["train", "test"] | None = None
    """As the layout says; None where it says nothing."""


class LabelSheet(Artifact):
    """The labels of a folder of photos."""

    file_name: ClassVar[str] = "labels.json"
    stage: ClassVar[str] = "photos"

    layout: Layout
    """How the labels lay on disk."""
    folder: str
    """The folder that names and masks are relative to, absolute."""
    kinds: tuple[str, ...]
    """Kinds of defect, sorted; 'good' is none of them."""
    photos: tuple[LabelledPhoto, ...]
    """Those that are labelled, in natural order of their names."""
    warnings: tuple[str, ...] = ()
    """Images without labels, labels without images, and the like; each one sentence."""

    def counts(self) -> dict[str, int]:
        """Photos of each label: good first, then the kinds in order."""
        labels = [photo.label for photo in self.photos]
        return {label: labels.count(label) for label in (GOOD, *self.kinds)}


def index_map(regions: Sequence[Region], kinds: Sequence[str], folder: Path, size: Size) -> IndexMap:
    """All regions of a photo in one map; where two overlap, the smaller one counts, so that none is hidden.

    Args:
        regions: of one photo; their kinds are in `kinds`.
        kinds: in the order of their numbers.
        folder: that masks are relative to.
        size: of the upright photo.

    Raises:
        UserError: as `Region.rasterise`.
    """
    return merge_masks([(kinds.index(one.kind) + 1, one.rasterise(folder, size)) for one in regions], size)


def merge_masks(masks: Sequence[tuple[int, Mask]], size: Size) -> IndexMap:
    """Masks with their numbers -> one map, as `index_map`."""
    found: IndexMap = np.zeros((size.height, size.width), np.uint8)
    for number, mask in sorted(masks, key=lambda one: -int(one[1].sum())):
        found[mask] = number
    return found


def label_of(found: IndexMap, kinds: Sequence[str]) -> str:
    """'good' for an empty map, else the kind that covers most pixels (of equal ones the first)."""
    areas = np.bincount(found.ravel(), minlength=len(kinds) + 1)[1:]
    return kinds[int(areas.argmax())] if areas.any() else GOOD


def _polygon_to_mask(corners: Sequence[tuple[float, float]], size: Size) -> Mask:
    """Pixels whose centre is inside by the even-odd rule; a centre on a left or upper edge is inside."""
    toggles = np.zeros((size.height, size.width + 1), np.int64)
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        low, high = min(y0, y1), max(y0, y1)
        rows = np.arange(max(0, int(np.ceil(low - 0.5))), min(size.height, int(np.ceil(high - 0.5))))
        if len(rows):
            crossings = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
            np.add.at(toggles, (rows, np.clip(np.ceil(crossings - 0.5), 0, size.width).astype(np.intp)), 1)
    inside: Mask = (toggles.cumsum(axis=1) % 2 == 1)[:, :-1]
    if not inside.any():
        x, y = np.mean(corners, axis=0)
        inside[min(max(int(y), 0), size.height - 1), min(max(int(x), 0), size.width - 1)] = True
    return inside


def _runs_to_mask(runs: Sequence[int], size: Size) -> Mask:
    if sum(runs) != size.width * size.height:
        raise UserError(
            f"Run lengths of a region add up to {sum(runs)} pixels, and its photo is {size} px.",
            f"They must add up to {size.width * size.height}.",
            "Correct the annotation, or its photo.",
        )
    values = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return np.ascontiguousarray(values.reshape(size.width, size.height).T)


def _read_mask(path: Path, size: Size, value: int | None) -> Mask:
    try:
        with Image.open(path) as opened:
            mask, lossy = np.array(opened), opened.format == "JPEG"
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(
            f"The mask {path} cannot be read: {error}.",
            "A mask is an image of its photo's size.",
            "Mend the file, or move it and its photo away.",
        ) from None
    if mask.shape[:2] != (size.height, size.width):
        raise UserError(
            f"The mask {path} is {mask.shape[1]}x{mask.shape[0]} px, its photo {size} px.",
            "A mask has the size of its photo.",
            "Draw the mask at the photo's size, or move both away.",
        )
    if value is not None and mask.ndim == 2:
        return np.asarray(mask == value)
    inside = mask > 127 if lossy else mask != 0  # JPEG leaves no background at 0
    return np.asarray(inside if inside.ndim == 2 else inside[..., :3].any(axis=2))
