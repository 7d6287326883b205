"""Pascal VOC: Annotations/*.xml, JPEGImages, and perhaps SegmentationObject or SegmentationClass (VOC devkit)."""

from __future__ import annotations

import math
from pathlib import PurePosixPath
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from handful.core.errors import UserError
from handful.core.labels import GOOD, Region
from handful.photos.layout_tree import (
    Entry,
    Found,
    Tree,
    check_stated_size,
    kind_of,
    settle_parts,
    split_part,
    stem,
    warn_orphans,
)

OBJECTS, CLASSES = "SegmentationObject", "SegmentationClass"
LABEL_MAP = "labelmap.txt"
"""One class a line, 'name:...' (the numbers of SegmentationClass count the lines); 'background' first."""
_VOID = 255
"""Value of the border drawn around objects."""


def claims(tree: Tree) -> bool:
    """Whether an XML file is such an annotation."""
    return any(name.endswith(".xml") and _parse(tree, name) is not None for name in tree.others)


def photos(tree: Tree) -> list[str]:
    """The images that are no segmentations."""
    return [name for name in tree.images if not {OBJECTS, CLASSES} & set(PurePosixPath(name).parts)]


def read(tree: Tree) -> Found:
    """Objects by their segmentation where there is one, else by their boxes (pixels counted from 1, both ends within).
    An annotation without an object is of a good image; an image without one is not labelled.

    Raises:
        UserError: a damaged annotation, one of a photo of another size, or a segmentation that does not say what is
            what.
    """
    found = Found()
    listed = _image_sets(tree)
    parts: dict[str, str | None] = {}
    regions: dict[str, tuple[Region, ...]] = {}
    missing = []
    images = {PurePosixPath(stem(name)).name: name for name in photos(tree)}
    for file in tree.others:
        root = _parse(tree, file) if file.endswith(".xml") else None
        if root is None:
            continue
        key = PurePosixPath(stem(file)).name
        name = images.get(key) or tree.find_image(root.findtext("filename") or key, file)
        if name is None:
            missing.append(file)
            continue
        check_stated_size(tree, name, _number(root, "size/width", file), _number(root, "size/height", file), file)
        regions[name] = _regions(tree, root, key, file)
        parts[name] = listed.get(key) or split_part(name)
    settled = settle_parts(parts)
    found.entries = [Entry(name, marked, None, settled[name]) for name, marked in regions.items()]
    warn_orphans(found, missing, "annotations", tree)
    return found


def _parse(tree: Tree, file: str) -> ElementTree.Element | None:
    try:
        root = ElementTree.parse(tree.folder / file).getroot()
    except (OSError, ElementTree.ParseError) as error:
        if "Annotations" not in PurePosixPath(file).parts:
            return None
        raise UserError(
            f"The annotation {file} cannot be read: {error}.",
            "It is an XML file with an <annotation>.",
            "Mend the file, or move it and its photo away.",
        ) from None
    return root if root.tag == "annotation" else None


def _image_sets(tree: Tree) -> dict[str, str]:
    """Image -> train, val or test, as the lists in ImageSets say."""
    found: dict[str, str] = {}
    for file in tree.others:
        path = PurePosixPath(file)
        if "ImageSets" in path.parts and path.stem in ("train", "val", "test"):
            for line in tree.text(file).splitlines():
                if line.strip():
                    found[line.strip()] = path.stem
    return found


def _regions(tree: Tree, root: ElementTree.Element, key: str, file: str) -> tuple[Region, ...]:
    kinds = [kind_of((item.findtext("name") or "").strip()) for item in root.iter("object")]
    if "" in kinds:
        raise _damaged(file, "an object without a name")
    objects = _segmentation(tree, OBJECTS, key)
    if objects is not None:
        found = tuple(Region(kind=kind, mask=objects, value=place) for place, kind in enumerate(kinds, start=1))
    elif kinds and (classes := _segmentation(tree, CLASSES, key)) is not None:
        numbers = _class_numbers(tree, classes, kinds)
        found = tuple(Region(kind=kind, mask=classes, value=number) for number, kind in numbers.items())
    else:
        found = tuple(
            Region(kind=kind, box=_box(item, file)) for kind, item in zip(kinds, root.iter("object"), strict=True)
        )
    return tuple(region for region in found if region.kind != GOOD)


def _segmentation(tree: Tree, folder: str, key: str) -> str | None:
    return tree.by_stem.get(f"{folder}/{key}") or next(
        (name for name in tree.images if stem(name).endswith(f"/{folder}/{key}")), None
    )


def _class_numbers(tree: Tree, mask: str, kinds: list[str]) -> dict[int, str]:
    """Value of a class segmentation -> kind."""
    listed = next((name for name in tree.others if PurePosixPath(name).name == LABEL_MAP), None)
    if listed is not None:
        lines = tree.text(listed).splitlines()
        names = [line.split(":")[0].strip() for line in lines if line.strip() and not line.startswith("#")]
        return {number: kind_of(name) for number, name in enumerate(names) if name != "background"}
    with Image.open(tree.folder / mask) as picture:
        values = [int(value) for value in np.unique(np.array(picture)) if value not in (0, _VOID)]
    if len(set(kinds)) == 1:
        return dict.fromkeys(values, kinds[0])
    raise UserError(
        f"{mask} has the values {', '.join(map(str, values))}, and its photo {len(set(kinds))} kinds of object.",
        f"{LABEL_MAP} says which value is which class, a line each, background first.",
        f"Write {LABEL_MAP} into {tree.folder}, or add {OBJECTS}.",
    )


def _box(item: ElementTree.Element, file: str) -> tuple[float, float, float, float]:
    left, top, right, bottom = (_number(item, f"bndbox/{end}", file) for end in ("xmin", "ymin", "xmax", "ymax"))
    if left is None or top is None or right is None or bottom is None or right < left or bottom < top:
        raise _damaged(file, f"the box ({left}, {top}) to ({right}, {bottom})")
    return left - 1, top - 1, right - left + 1, bottom - top + 1


def _number(root: ElementTree.Element, path: str, file: str) -> float | None:
    text = root.findtext(path)
    try:
        number = None if text is None else float(text)
    except ValueError:
        number = math.nan
    if number is not None and not math.isfinite(number):
        raise _damaged(file, f"the {path} '{text}'")
    return number


def _damaged(file: str, what: str) -> UserError:
    return UserError(
        f"The annotation {file} has {what}.",
        "An object has a name and a bndbox of 4 numbers: xmin <= xmax, ymin <= ymax.",
        "Correct that annotation, or move it and its photo away.",
    )
