"""Labelled images as other tools lay them out on disk. docs/layouts.md shows each layout."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from handful.core.artifacts import Size
from handful.core.errors import UserError
from handful.core.images import png_bytes, read_png
from handful.core.labels import GOOD, IndexMap, Mask
from handful.core.runs import mask_to_runs, runs_to_text
from handful.samples.outlines import outline, parts

Format = Literal["mvtec", "coco", "yolo", "voc", "classes", "masks"]
DEFECTS_FOLDER = "_defects"
"""Ending of the folder beside an MVTec export that holds the training side's defects."""
_PARTS = ("train", "test")
_MOST_OBJECTS = 254
"""That an object map of 8 bits can number; 255 is void."""


@dataclass(frozen=True)
class Picture:
    """One image to export."""

    name: str
    """Without extension, unique in the set."""
    file: Path
    """PNG, copied as it is."""
    split: Literal["train", "test"]
    label: str
    mask: IndexMap | None
    """None: nothing is outlined."""
    size: Size
    generated: bool

    def index_map(self) -> IndexMap:
        """Zeros where nothing is outlined."""
        return np.zeros((self.size.height, self.size.width), np.uint8) if self.mask is None else self.mask


def check_pictures(pictures: Sequence[Picture], kinds: Sequence[str], format: Format) -> None:
    """Refuses what the format cannot hold.

    Raises:
        UserError: defects without a mask, kinds that cannot name folders or be told apart by them, or two images of one
            name.
    """
    bare = [one for one in pictures if one.label != GOOD and one.mask is None]
    if bare and format != "classes":
        raise UserError(
            f"{len(bare)} of {len(pictures)} images show a defect and have no mask, for example {bare[0].name} "
            f"({bare[0].label}).",
            f"The format {format} holds outlines: every defect needs a mask.",
            "Export with --format classes, which holds labels alone, or outline the defects.",
        )
    wrong = [kind for kind in kinds if re.search(r'[/\\:*?"<>|\n]|^[. ]|[. ]$', kind) or kind.lower() in _PARTS]
    folded = Counter(kind.casefold() for kind in (*kinds, GOOD))
    wrong += [kind for kind in kinds if folded[kind.casefold()] > 1]
    if wrong:
        raise UserError(
            f"The kind '{wrong[0]}' cannot name a folder or a class beside {', '.join((GOOD, *kinds))}.",
            r"A kind has none of / \ : * ? < > | and quotes, no dot or blank at an end, and differs by more than case.",
            "Rename the kind in the labels of the photos, and build the data set again.",
        )
    names = Counter(one.name.casefold() for one in pictures)
    twice = [one.name for one in pictures if names[one.name.casefold()] > 1]
    if twice:
        raise UserError(
            f"Two of the images are called {twice[0]}.",
            "Each image of an exported set has a name of its own.",
            "Rename one of the photos.",
        )


def write_pictures(folder: Path, pictures: Sequence[Picture], kinds: Sequence[str], format: Format) -> list[str]:
    """Writes images and labels.

    Args:
        folder: new and empty.
        pictures: as `check_pictures` passed them.
        kinds: in the order of their numbers in masks.
        format: the layout.

    Returns:
        Where each image lies, relative to `folder`.
    """
    return _WRITERS[format](folder, pictures, kinds)


def _write_classes(folder: Path, pictures: Sequence[Picture], kinds: Sequence[str]) -> list[str]:
    return [_copy(one, folder, f"{one.split}/{one.label}/{one.name}.png") for one in pictures]


def _write_masks(folder: Path, pictures: Sequence[Picture], kinds: Sequence[str]) -> list[str]:
    for one in pictures:
        _write(folder / f"masks/{one.split}/{one.name}.png", png_bytes(one.index_map(), 8))
    _write(folder / "masks/kinds.txt", "".join(f"{kind}\n" for kind in kinds).encode())
    return _copy_by_part(folder, pictures)


def _write_mvtec(folder: Path, pictures: Sequence[Picture], kinds: Sequence[str]) -> list[str]:
    """Numbered names of one length, as in the original: readers pair images and masks by their order.

    Defects to train on have no place in this layout, and readers stumble over them: they lie in a folder beside it,
    with masks.
    """
    beside = folder.with_name(folder.name + DEFECTS_FOLDER)
    trained = [one for one in pictures if one.split == "train" and one.label != GOOD]
    defects = iter(_write_masks(beside, trained, kinds) if trained else [])
    counts: Counter[str] = Counter()
    written = []
    for one in pictures:
        if one.split == "train" and one.label != GOOD:
            written.append(f"../{beside.name}/{next(defects)}")
            continue
        place = f"{one.split}/{one.label}"
        number = f"{counts[place]:0{max(3, len(str(len(pictures))))}d}"
        counts[place] += 1
        written.append(_copy(one, folder, f"{place}/{number}.png"))
        if one.label != GOOD:
            mask = png_bytes((one.index_map() > 0) * np.uint8(255), 8)
            _write(folder / f"ground_truth/{one.label}/{number}_mask.png", mask)
    return written


def _write_coco(folder: Path, pictures: Sequence[Picture], kinds: Sequence[str]) -> list[str]:
    categories = [{"id": number, "name": kind} for number, kind in enumerate(kinds, start=1)]
    for part in _PARTS:
        chosen = [one for one in pictures if one.split == part]
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number, one in enumerate(chosen, start=1):
            size = {"width": one.size.width, "height": one.size.height}
            images.append({"id": number, "file_name": f"{one.name}.png", **size, "generated": one.generated})
            for kind, mask in parts(one.index_map()):
                left, top, right, bottom = _box(mask)
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number,
                        "category_id": kind,
                        "iscrowd": 0,
                        "area": int(mask.sum()),
                        "bbox": [left, top, right - left, bottom - top],
                        "segmentation": {
                            "size": [one.size.height, one.size.width],
                            "counts": runs_to_text(mask_to_runs(mask)),
                        },
                    }
                )
        if chosen:
            document = {"images": images, "annotations": annotations, "categories": categories}
            _write(folder / f"annotations/instances_{part}.json", json.dumps(document, ensure_ascii=False).encode())
    return _copy_by_part(folder, pictures)


def _write_yolo(folder: Path, pictures: Sequence[Picture], kinds: Sequence[str]) -> list[str]:
    for one in pictures:
        lines = []
        for kind, mask in parts(one.index_map()):
            corners = (f"{x / one.size.width:.10g} {y / one.size.height:.10g}" for x, y in outline(mask))
            lines.append(f"{kind - 1} {' '.join(corners)}\n")
        _write(folder / f"labels/{one.split}/{one.name}.txt", "".join(lines).encode())
    lines = ["train: images/train\n"]
    if any(one.split == "test" for one in pictures):
        lines.append("val: images/test\n")
    else:
        lines.append("# val: a path to photos of your own; generated samples validate nothing\n")
    lines.append("names:\n")
    lines += [f"  {number}: {json.dumps(kind, ensure_ascii=False)}\n" for number, kind in enumerate(kinds)]
    _write(folder / "data.yaml", "".join(lines).encode())
    return _copy_by_part(folder, pictures)


def _write_voc(folder: Path, pictures: Sequence[Picture], kinds: Sequence[str]) -> list[str]:
    for one in pictures:
        found = one.index_map()
        objects = parts(found)
        if len(objects) > _MOST_OBJECTS:  # specks: one object a kind then
            objects = [(kind, found == kind) for kind in np.unique(found[found > 0]).tolist()]
        numbered = np.zeros_like(found)
        for number, (_, mask) in enumerate(objects, start=1):
            numbered[mask] = number
        _write(folder / f"Annotations/{one.name}.xml", _voc_xml(one, objects, kinds))
        _write_palette(folder / f"SegmentationObject/{one.name}.png", numbered)
        _write_palette(folder / f"SegmentationClass/{one.name}.png", found)
    for part in _PARTS:
        names = "".join(f"{one.name}\n" for one in pictures if one.split == part)
        for use in ("Main", "Segmentation") if names else ():
            _write(folder / f"ImageSets/{use}/{part}.txt", names.encode())
    colours = [",".join(map(str, _voc_palette()[3 * number : 3 * number + 3])) for number in range(len(kinds) + 1)]
    lines = [f"{name}:{colour}::\n" for name, colour in zip(("background", *kinds), colours, strict=True)]
    _write(folder / "labelmap.txt", "".join(lines).encode())
    return [_copy(one, folder, f"JPEGImages/{one.name}.png") for one in pictures]


def _voc_xml(one: Picture, objects: Sequence[tuple[int, Mask]], kinds: Sequence[str]) -> bytes:
    root = ElementTree.Element("annotation")
    texts = {"folder": "JPEGImages", "filename": f"{one.name}.png", "segmented": "1"}
    for tag, text in texts.items():
        ElementTree.SubElement(root, tag).text = text
    source = ElementTree.SubElement(root, "source")
    ElementTree.SubElement(source, "image").text = "generated" if one.generated else "photo"
    size = ElementTree.SubElement(root, "size")
    depth = 1 if read_png(one.file).ndim == 2 else 3
    for tag, value in {"width": one.size.width, "height": one.size.height, "depth": depth}.items():
        ElementTree.SubElement(size, tag).text = str(value)
    for kind, mask in objects:
        item = ElementTree.SubElement(root, "object")
        for tag, text in {"name": kinds[kind - 1], "pose": "Unspecified", "truncated": "0", "difficult": "0"}.items():
            ElementTree.SubElement(item, tag).text = text
        left, top, right, bottom = _box(mask)
        box = ElementTree.SubElement(item, "bndbox")
        for tag, value in {"xmin": left + 1, "ymin": top + 1, "xmax": right, "ymax": bottom}.items():
            ElementTree.SubElement(box, tag).text = str(value)  # counted from 1, both ends within
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode").encode()


def _voc_palette() -> list[int]:
    """The colours of VOC's segmentations: bits 0, 1, 2 of a number go to red, green, blue, highest bit first, then
    bits 3, 4, 5, and so on."""
    colours = []
    for number in range(256):
        for channel in range(3):
            colours.append(sum(((number >> (3 * place + channel)) & 1) << (7 - place) for place in range(3)))
    return colours


def _write_palette(path: Path, found: IndexMap) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(found)
    picture.putpalette(_voc_palette())
    picture.save(path)


def _box(mask: Mask) -> tuple[int, int, int, int]:
    """Left, top, and the first column and row behind."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _copy_by_part(folder: Path, pictures: Sequence[Picture]) -> list[str]:
    return [_copy(one, folder, f"images/{one.split}/{one.name}.png") for one in pictures]


def _copy(one: Picture, folder: Path, place: str) -> str:
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(one.file, folder / place)
    return place


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)  # the whole folder is new and comes into place at once


_WRITERS: dict[Format, Callable[[Path, Sequence[Picture], Sequence[str]], list[str]]] = {
    "mvtec": _write_mvtec,
    "coco": _write_coco,
    "yolo": _write_yolo,
    "voc": _write_voc,
    "classes": _write_classes,
    "masks": _write_masks,
}
