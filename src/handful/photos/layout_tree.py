"""What lies in a folder of photos and labels, and the checks that all layouts share."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from PIL import Image

from handful.core.artifacts import Size
from handful.core.decode import list_photo_files, natural_order
from handful.core.errors import UserError
from handful.core.labels import GOOD, MOST_KINDS, LabelledPhoto, LabelSheet, Layout, Region, label_of, merge_masks

Split = Literal["train", "test"] | None

GOOD_NAMES = {"good", "ok", "okay", "normal", "pass", "passed", "gut", "io", "nodefect", "nondefective", "defectfree"}
"""Names of classes that mean 'good', in any case, without blanks, hyphens and underscores."""
_SPLITS: dict[str, Literal["train", "val", "test"]] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
}  # fmt: skip
_ANNOTATIONS = {".json", ".txt", ".xml", ".yaml", ".yml"}
_ORIENTATION = 0x0112
_OUTSIDE_PX = 1.0
"""How far a region may leave its photo: tools count pixels from 0 or 1, from centres or corners."""
_SHOWN = 5


@dataclass(frozen=True)
class Tree:
    """The files of a folder: one look at the disk for all layouts."""

    folder: Path
    images: tuple[str, ...]
    """All image files, photos and masks, relative to the folder, in natural order."""
    others: tuple[str, ...]
    """Files that may hold annotations, in natural order."""

    @classmethod
    def of(cls, folder: Path) -> Tree:
        """Reads the folder's names; hidden ones are left out.

        Raises:
            UserError: as `list_photo_files`.
        """
        images = [path.relative_to(folder).as_posix() for path in list_photo_files(folder)]
        others = []
        for parent, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                if not name.startswith(".") and Path(name).suffix.lower() in _ANNOTATIONS:
                    others.append(Path(parent, name).relative_to(folder).as_posix())
        return cls(folder, tuple(images), tuple(sorted(others, key=natural_order)))

    @cached_property
    def by_stem(self) -> dict[str, str]:
        """Image name without its extension -> image name."""
        return {stem(name): name for name in self.images}

    def text(self, name: str) -> str:
        """A text file, with or without a byte order mark.

        Raises:
            UserError: it cannot be read, or is no UTF-8.
        """
        try:
            return (self.folder / name).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"{self.folder / name} cannot be read: {error}.",
                "Files of labels are UTF-8 text.",
                "Save it as UTF-8, or move it away.",
            ) from None

    @cached_property
    def documents(self) -> dict[str, Any]:
        """JSON file -> what it holds; files that hold no JSON are left out."""
        found = {}
        for name in self.others:
            if name.lower().endswith(".json"):
                try:
                    found[name] = json.loads((self.folder / name).read_bytes())
                except (OSError, ValueError):
                    continue
        return found

    @cached_property
    def _by_file_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self.images:
            found.setdefault(PurePosixPath(name).name, []).append(name)
        return found

    def find_image(self, file: str, annotation: str) -> str | None:
        """The image that an annotation file means by a path; None where there is none.

        The path may count from the annotation's folder or from the whole one; else the file name decides, and of
        several files of that name the one in the annotation's part (train, val, test).

        Raises:
            UserError: several files fit.
        """
        plain = PurePosixPath(file.replace("\\", "/"))
        known = set(self.images)
        for name in (PurePosixPath(annotation).parent / plain, plain):
            if str(name) in known:
                return str(name)
        fitting = self._by_file_name.get(plain.name, [])
        longer = [name for name in fitting if name.endswith(f"/{plain}")]
        fitting = longer or fitting
        if len(fitting) > 1:
            part = split_word(annotation)
            fitting = [name for name in fitting if split_part(name) == part] if part else fitting
        if len(fitting) > 1:
            raise UserError(
                f"{annotation} names the image {file}, and {len(fitting)} files fit: {some(fitting)}.",
                "A path in an annotation names 1 image.",
                f"Write the path as it is below {self.folder}, or rename the images.",
            )
        return fitting[0] if fitting else None

    def size(self, name: str) -> Size | None:
        """Of an image, upright; None where it cannot be read."""
        try:
            with Image.open(self.folder / name) as picture:
                width, height = picture.size
                turned = picture.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return None
        return Size(width=height, height=width) if turned else Size(width=width, height=height)


@dataclass(frozen=True)
class Entry:
    """What a layout says of one photo."""

    name: str
    regions: tuple[Region, ...] = ()
    label: str | None = None
    """None: follows from the regions."""
    split: Split = None


@dataclass
class Found:
    """What a layout's reader found."""

    entries: list[Entry] = field(default_factory=list)
    declared: set[str] = field(default_factory=set)
    """Kinds that the layout lists, whether or not a photo shows them."""
    warnings: list[str] = field(default_factory=list)


def stem(name: str) -> str:
    """'a/b.png' -> 'a/b'."""
    return PurePosixPath(name).with_suffix("").as_posix()


def is_good(name: str) -> bool:
    """Whether a class of this name is the good one."""
    return re.sub(r"[\s._-]", "", name).lower() in GOOD_NAMES


def kind_of(name: str) -> str:
    """'good' for every name of the good class, else the name itself."""
    return GOOD if is_good(name) else name


def split_part(name: str) -> str | None:
    """The folder in a path that names a part of the data: train, val or test."""
    return next((_SPLITS[part.lower()] for part in PurePosixPath(name).parts[:-1] if part.lower() in _SPLITS), None)


def split_word(name: str) -> str | None:
    """As `split_part`, of words in a path: 'annotations/instances_train2017.json' is of the training part."""
    words = re.split(r"[^a-z]+", name.lower())
    return next((_SPLITS[word] for word in words if word in _SPLITS), None)


def is_split(part: str) -> bool:
    """Whether a folder's name is that of a part of the data."""
    return part.lower() in _SPLITS


def splits(names: Iterable[str]) -> dict[str, Split]:
    """Name -> split by its folders."""
    return settle_parts({name: split_part(name) for name in names})


def settle_parts(parts: Mapping[str, str | None]) -> dict[str, Split]:
    """Name -> split, from train, val and test. Where there is no test part, the validation part is the test; else it is
    trained on, for whoever tunes on photos has seen them."""
    no_test = "test" not in parts.values()
    return {
        name: None if part is None else "test" if part == "test" or (part == "val" and no_test) else "train"
        for name, part in parts.items()
    }


def some(names: Sequence[str]) -> str:
    """'3: a, b, c', a few of them by name."""
    return f"{', '.join(names[:_SHOWN])}{f' and {len(names) - _SHOWN} more' if len(names) > _SHOWN else ''}"


def check_stated_size(tree: Tree, name: str, width: object, height: object, annotation: str) -> None:
    """Refuses an annotation that was made on a picture of another size; 0 and nothing state no size.

    Raises:
        UserError: the photo has another size.
    """
    size = tree.size(name)
    if width and height and size is not None and (width, height) != (size.width, size.height):
        raise UserError(
            f"{annotation} states {width}x{height} px for {name}, which is {size} px upright.",
            "Annotations are of the photo's own size.",
            "Correct the annotation, or scale its regions to the photo.",
        )


def warn_orphans(found: Found, missing: Sequence[str], what: str, tree: Tree) -> None:
    """Notes labels whose image is missing; refuses a folder in which no label has an image.

    Raises:
        UserError: nothing is left.
    """
    if missing and not found.entries:
        raise UserError(
            f"None of the {len(missing)} {what} in {tree.folder} has its image there: {some(missing)}.",
            "At least 1 label must have an image.",
            "Give the folder that holds the images and the labels, or correct the names in the labels.",
        )
    if missing:
        found.warnings.append(f"{len(missing)} {what} have no image: {some(missing)}.")


def warn_bare(found: Found, bare: Sequence[str], photos: Sequence[str], what: str) -> None:
    """Notes images that count as good because nothing is said of them."""
    if bare:
        found.warnings.append(f"{len(bare)} of {len(photos)} images have no {what} and count as good: {some(bare)}.")


def sheet_of(tree: Tree, layout: Layout, found: Found, photos: Sequence[str]) -> LabelSheet:
    """Checks what a reader found, settles each photo's label, and says what is odd.

    Args:
        tree: the folder.
        layout: by which it was read.
        found: what it says.
        photos: the images that are photos.

    Raises:
        UserError: nothing is labelled, a region leaves its photo, a mask is of another size or cannot be read, a photo
            is called good and has a defect outlined, or there are more kinds than a mask can hold.
    """
    if not found.entries:
        raise UserError(
            f"None of the {len(photos)} image(s) in {tree.folder} has a label in the layout '{layout}'.",
            "At least 1 image must be labelled, good or with a defect.",
            "Check that labels and images have the same names, or give --layout none to use the photos without labels.",
        )
    kinds = sorted({region.kind for entry in found.entries for region in entry.regions}
                   | {entry.label for entry in found.entries if entry.label} - {GOOD})  # fmt: skip
    if len(kinds) > MOST_KINDS:
        raise UserError(
            f"{tree.folder} names {len(kinds)} kinds of defect.",
            f"At most {MOST_KINDS} can be told apart.",
            "Join kinds that are alike, or give the folder of one product alone.",
        )
    order = {name: place for place, name in enumerate(photos)}
    unreadable: list[str] = []
    empty: list[str] = []
    labelled = []
    for entry in sorted(found.entries, key=lambda entry: order[entry.name]):
        one = _settle(tree, entry, kinds, unreadable, empty)
        if one is not None:
            labelled.append(one)
    warnings = list(found.warnings)
    bare = sorted(set(photos) - {entry.name for entry in found.entries}, key=natural_order)
    if bare:
        warnings.append(f"{len(bare)} of {len(photos)} images have no label: {some(bare)}.")
    if unreadable:
        warnings.append(f"{len(unreadable)} labelled images cannot be read: {some(unreadable)}.")
    if empty:
        warnings.append(f"The outlines of {len(empty)} images hold no pixel: {some(empty)}.")
    shown = sorted(
        {photo.label for photo in labelled} | {region.kind for photo in labelled for region in photo.regions}
    )
    for kind in sorted(found.declared - set(shown) - {GOOD}):
        warnings.append(f"The kind '{kind}' is listed, and no image shows it.")
    return LabelSheet(
        layout=layout,
        folder=str(tree.folder.resolve()),
        kinds=tuple(kind for kind in shown if kind != GOOD),
        photos=tuple(labelled),
        warnings=tuple(warnings),
    )


def _settle(
    tree: Tree, entry: Entry, kinds: list[str], unreadable: list[str], empty: list[str]
) -> LabelledPhoto | None:
    """The entry with its label; None where the photo cannot be read."""
    if not entry.regions:
        return LabelledPhoto(name=entry.name, label=entry.label or GOOD, split=entry.split)
    size = tree.size(entry.name)
    if size is None:
        unreadable.append(entry.name)
        return None
    for region in entry.regions:
        _check_inside(tree, entry.name, region, size)
    masks = [region.rasterise(tree.folder, size) for region in entry.regions]
    regions = tuple(region for region, mask in zip(entry.regions, masks, strict=True) if mask.any())
    numbers = [kinds.index(region.kind) + 1 for region in entry.regions]
    found = merge_masks(list(zip(numbers, masks, strict=True)), size)
    label = label_of(found, kinds)
    if label == GOOD:
        if entry.label not in (None, GOOD):
            empty.append(entry.name)
        return LabelledPhoto(name=entry.name, label=entry.label or GOOD, split=entry.split)
    if entry.label == GOOD:
        raise UserError(
            f"{entry.name} is called good, and {int((found > 0).sum())} of its pixels are marked as defective.",
            "An image is good, or has a defect marked, not both.",
            "Move the image to the folder of its defect, or clear its mask.",
        )
    return LabelledPhoto(name=entry.name, label=entry.label or label, regions=regions, split=entry.split)


def _check_inside(tree: Tree, name: str, region: Region, size: Size) -> None:
    corners = region.corners()
    if not corners:
        return
    left, top = (min(corner[axis] for corner in corners) for axis in (0, 1))
    right, bottom = (max(corner[axis] for corner in corners) for axis in (0, 1))
    if min(left, top) < -_OUTSIDE_PX or right > size.width + _OUTSIDE_PX or bottom > size.height + _OUTSIDE_PX:
        raise UserError(
            f"A region '{region.kind}' of {name} reaches from ({left:g}, {top:g}) to ({right:g}, {bottom:g}), and the "
            f"photo is {size} px.",
            f"A region lies within its photo, give or take {_OUTSIDE_PX:g} px.",
            f"Correct the annotation of {name} in {tree.folder}: perhaps it was drawn on another size or turn.",
        )
