"""labelme: a JSON file for each image that has something on it, with shapes (labelme's own format)."""

from __future__ import annotations

import base64
import binascii
import io
import math
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from handful.core.artifacts import Size
from handful.core.errors import UserError
from handful.core.labels import GOOD, Region
from handful.core.runs import mask_to_runs
from handful.photos.layout_tree import (
    Entry,
    Found,
    Tree,
    check_stated_size,
    kind_of,
    splits,
    stem,
    warn_bare,
    warn_orphans,
)

_CIRCLE_CORNERS = 64


def claims(tree: Tree) -> bool:
    """Whether a JSON file holds shapes."""
    return bool(_documents(tree))


def read(tree: Tree) -> Found:
    """Polygons, rectangles, circles and masks. An image without a JSON file is good, as nobody marked anything on it.

    Raises:
        UserError: a shape that has no area, or an annotation of a photo of another size.
    """
    found = Found()
    images = list(tree.images)
    parts = splits(images)
    regions: dict[str, tuple[Region, ...]] = {}
    missing = []
    for file, document in _documents(tree).items():
        stated = str(document.get("imagePath") or "").replace("\\", "/")
        suffix = PurePosixPath(stated).suffix or ".png"
        name = tree.by_stem.get(stem(file)) or tree.find_image(PurePosixPath(stated).name, file)
        name = name or tree.find_image(PurePosixPath(file).stem + suffix, file)
        if name is None:
            missing.append(file)
            continue
        check_stated_size(tree, name, document.get("imageWidth"), document.get("imageHeight"), file)
        size = tree.size(name)
        shapes = [] if size is None else [_region(shape, file, size) for shape in document["shapes"]]
        regions[name] = tuple(shape for shape in shapes if shape.kind != GOOD)
    bare = [name for name in images if name not in regions]
    for name in images:
        found.entries.append(Entry(name, regions.get(name, ()), GOOD if name in bare else None, parts[name]))
    if not regions:
        found.entries.clear()
    warn_bare(found, bare, images, "JSON file")
    warn_orphans(found, missing, "JSON files", tree)
    return found


def _documents(tree: Tree) -> dict[str, Any]:
    return {
        name: document
        for name, document in tree.documents.items()
        if isinstance(document, dict) and isinstance(document.get("shapes"), list)
    }


def _region(shape: dict[str, Any], file: str, size: Size) -> Region:
    kind, form = kind_of(str(shape.get("label"))), shape.get("shape_type") or "polygon"
    try:
        points = [(float(x), float(y)) for x, y in shape["points"]]
        if form == "polygon" and len(points) >= 3:
            return Region(kind=kind, polygon=tuple(points))
        if form == "rectangle":
            (x0, y0), (x1, y1) = points
            return Region(kind=kind, box=(min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0)))
        if form == "circle":
            (x, y), edge = points
            radius, turn = math.dist((x, y), edge), 2 * math.pi / _CIRCLE_CORNERS
            angles = [turn * corner for corner in range(_CIRCLE_CORNERS)]
            return Region(
                kind=kind, polygon=tuple((x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles)
            )
        if form == "mask":
            return Region(kind=kind, runs=mask_to_runs(_placed(shape["mask"], points[0], size)))
    except (KeyError, TypeError, ValueError, OSError, binascii.Error):
        pass
    raise UserError(
        f"{file} has a shape '{shape.get('label')}' of type {form} with {len(shape.get('points') or [])} point(s).",
        "Read are polygons (3 points or more), rectangles, circles and masks: shapes with an area.",
        f"Draw it as a polygon, or remove it from {file}.",
    )


def _placed(text: str, corner: tuple[float, float], size: Size) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """A mask that covers its own box alone, on the whole photo."""
    whole = np.zeros((size.height, size.width), bool)
    with Image.open(io.BytesIO(base64.b64decode(text))) as picture:
        part = np.array(picture) != 0
    left, top = round(corner[0]), round(corner[1])
    target = whole[top : top + part.shape[0], left : left + part.shape[1]]
    target |= part[: target.shape[0], : target.shape[1]]
    return whole
