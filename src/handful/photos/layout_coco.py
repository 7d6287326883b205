"""COCO instances: JSON files with images, annotations and categories (cocodataset.org, "Data format")."""

from __future__ import annotations

from typing import Any

from handful.core.errors import UserError
from handful.core.labels import GOOD, Region
from handful.core.runs import text_to_runs
from handful.photos.layout_tree import (
    Entry,
    Found,
    Tree,
    check_stated_size,
    kind_of,
    settle_parts,
    split_part,
    split_word,
    warn_orphans,
)


def claims(tree: Tree) -> bool:
    """Whether a JSON file holds COCO's three lists."""
    return bool(_documents(tree))


def read(tree: Tree) -> Found:
    """Polygons, both kinds of run lengths, and boxes where there is no segmentation. An image without an annotation is
    good; one that no file lists is not labelled.

    Raises:
        UserError: an unknown category, an annotation that cannot be read, or one of a photo of another size.
    """
    found = Found()
    regions: dict[str, list[Region]] = {}
    parts: dict[str, str | None] = {}
    missing = []
    for file, document in _documents(tree).items():
        _check_lists(document, file)
        names = {category["id"]: kind_of(str(category["name"])) for category in document["categories"]}
        found.declared |= set(names.values())
        image_of: dict[Any, str] = {}
        listed = set()
        for image in document["images"]:
            listed.add(image["id"])
            name = tree.find_image(str(image["file_name"]), file)
            if name is None:
                missing.append(str(image["file_name"]))
                continue
            check_stated_size(tree, name, image.get("width"), image.get("height"), file)
            image_of[image["id"]] = name
            regions.setdefault(name, [])
            parts[name] = split_part(name) or split_word(file)
        strays = sum(annotation["image_id"] not in listed for annotation in document["annotations"])
        if strays:
            found.warnings.append(f"{strays} annotations in {file} are of images that it does not list.")
        for annotation in document["annotations"]:
            name = image_of.get(annotation["image_id"], "")
            if name:
                regions[name] += _regions(annotation, names, tree, name, file)
    settled = settle_parts(parts)
    for name, marked in regions.items():
        found.entries.append(Entry(name, tuple(one for one in marked if one.kind != GOOD), None, settled[name]))
    warn_orphans(found, missing, "images named in annotations", tree)
    return found


def _documents(tree: Tree) -> dict[str, Any]:
    keys = ("images", "annotations", "categories")
    return {
        name: document
        for name, document in tree.documents.items()
        if isinstance(document, dict) and all(isinstance(document.get(key), list) for key in keys)
    }


def _check_lists(document: dict[str, Any], file: str) -> None:
    needed = {"images": {"id", "file_name"}, "categories": {"id", "name"}, "annotations": {"image_id", "category_id"}}
    for key, fields in needed.items():
        for place, entry in enumerate(document[key]):
            if not isinstance(entry, dict) or not fields <= entry.keys():
                raise UserError(
                    f"Entry {place + 1} of '{key}' in {file} lacks {' or '.join(sorted(fields))}.",
                    "Images have id and file_name, categories id and name, annotations image_id and category_id.",
                    f"Correct {file}, or export the labels again as COCO instances.",
                )


def _regions(annotation: dict[str, Any], names: dict[Any, str], tree: Tree, image: str, file: str) -> list[Region]:
    where = f"Annotation {annotation.get('id')} of {image} in {file}"
    if annotation["category_id"] not in names:
        raise UserError(
            f"{where} has the category {annotation['category_id']}.",
            f"Its categories are {', '.join(f'{number} ({name})' for number, name in names.items())}.",
            "Correct the category, or add it to the list.",
        )
    kind = names[annotation["category_id"]]
    marked = annotation.get("segmentation")
    try:
        if isinstance(marked, dict):
            counts = marked["counts"]
            height, width = marked["size"]
            check_stated_size(tree, image, width, height, file)
            return [Region(kind=kind, runs=tuple(counts) if isinstance(counts, list) else text_to_runs(counts))]
        if marked:
            return [Region(kind=kind, polygon=_corners(flat)) for flat in marked]
        x, y, width, height = annotation["bbox"]
        return [Region(kind=kind, box=(x, y, width, height))]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{where} cannot be read: {type(error).__name__} {error}.",
            "It has a segmentation (polygons of 3 corners or more, or run lengths) or a bbox (x, y, width, height).",
            "Correct or remove that annotation.",
        ) from None


def _corners(flat: list[float]) -> tuple[tuple[float, float], ...]:
    if len(flat) < 6 or len(flat) % 2:
        raise ValueError(f"a polygon of {len(flat)} numbers")
    return tuple(zip(flat[::2], flat[1::2], strict=True))
