"""Layouts in which folders and mask files say what is wrong: class folders, and masks beside photos."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from handful.core.decode import EXTENSIONS
from handful.core.errors import UserError
from handful.core.labels import GOOD, Region
from handful.photos.layout_tree import (
    Entry,
    Found,
    Tree,
    is_good,
    is_split,
    kind_of,
    some,
    splits,
    stem,
    warn_bare,
    warn_orphans,
)

MASK_FOLDERS = ("masks", "mask")
KINDS_FILE = "kinds.txt"
"""In the folder of masks: one kind a line; then the value k of a mask is kind k."""
DEFECT = "defect"
"""Kind of what a mask marks where nothing names it."""
STATION_FILE = "station.json"
"""What `handful station` leaves among its photos; its masks lie in a folder beside them."""
_SUFFIX = "_mask"


def claims_classes(tree: Tree) -> bool:
    """Whether folders of images are classes: one of them is named good, ok, normal or the like."""
    return any(is_good(label) for label in map(_class_folder, tree.images) if label is not None)


def read_classes(tree: Tree) -> Found:
    """The first folder of a path, after train or test, is the class; images outside of any are not labelled."""
    found = Found()
    parts = splits(tree.images)
    for name in tree.images:
        folder = _class_folder(name)
        if folder is not None:
            found.entries.append(Entry(name, label=kind_of(folder), split=parts[name]))
    found.declared = {kind_of(path.name) for path in _class_folders(tree.folder)} - {GOOD}
    return found


def claims_masks(tree: Tree) -> bool:
    """Whether at least one photo has a mask."""
    return any(photo is not None for photo in _masks(tree).values())


def mask_photos(tree: Tree) -> list[str]:
    """The images that are no masks."""
    masks = set(_masks(tree))
    return [name for name in tree.images if name not in masks]


def read_masks(tree: Tree) -> Found:
    """Masks named x_mask.png beside x.png or in their own folder, or a folder `masks` with the photos' names.

    Class folders name the kinds. Else `masks/kinds.txt` does, by the masks' values. Else there is one kind, 'defect'.
    """
    masks = _masks(tree)
    of_photo = {photo: mask for mask, photo in masks.items() if photo is not None}
    photos = mask_photos(tree)
    parts = splits(photos)
    found = Found()
    kinds = _listed_kinds(tree)
    found.declared = set(kinds)
    by_folder = any(is_good(label) for label in map(_class_folder, photos) if label is not None)
    bare = []
    for name in photos:
        folder = _class_folder(name) if by_folder else None
        label = None if folder is None else kind_of(folder)
        if by_folder and label is None:
            continue
        mask = of_photo.get(name)
        if mask is None:
            bare.append(name)
            found.entries.append(Entry(name, label=label or GOOD, split=parts[name]))
        elif kinds:
            regions = tuple(Region(kind=kind, mask=mask, value=number + 1) for number, kind in enumerate(kinds))
            found.entries.append(Entry(name, regions, label, parts[name]))
        else:
            kind = DEFECT if label in (None, GOOD) else str(label)
            found.entries.append(Entry(name, (Region(kind=kind, mask=mask),), label, parts[name]))
    if not by_folder:
        warn_bare(found, bare, photos, "mask")
    outlined = [name for name in bare if by_folder and not is_good(_class_folder(name) or "")]
    if outlined:
        found.warnings.append(f"{len(outlined)} images with a defect have no mask: {some(outlined)}.")
    if not of_photo and not by_folder:
        found.entries.clear()
    warn_orphans(found, [mask for mask, photo in masks.items() if photo is None], "masks", tree)
    return found


def _class_folder(name: str) -> str | None:
    """The folder of a path that names its class; None where the image lies in none."""
    parts = PurePosixPath(name).parts[:-1]
    if parts and is_split(parts[0]):
        parts = parts[1:]
    return parts[0] if parts else None


def _class_folders(folder: Path) -> list[Path]:
    below = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    inner = [path for part in below if is_split(part.name) for path in part.iterdir() if path.is_dir()]
    return [path for path in below if not is_split(path.name)] + inner


def _masks(tree: Tree) -> dict[str, str | None]:
    """Mask, relative to the folder -> its photo, or None where it has none."""
    in_folder = {name for name in tree.images if PurePosixPath(name).parts[0].lower() in MASK_FOLDERS}
    photos = {stem(name): name for name in tree.images if name not in in_folder}
    found: dict[str, str | None] = {}
    for key, name in photos.items():
        partner = photos.get(key.removesuffix(_SUFFIX)) if key.endswith(_SUFFIX) else None
        if partner is not None:
            found[name] = partner
    without_first = {PurePosixPath(*PurePosixPath(key).parts[1:]).as_posix(): name for key, name in photos.items()}
    for name in in_folder:
        key = PurePosixPath(*PurePosixPath(stem(name)).parts[1:]).as_posix()
        plain = key.removesuffix(_SUFFIX)
        found[name] = photos.get(key) or photos.get(plain) or without_first.get(key) or without_first.get(plain)
    if found:  # x_mask.png whose x.png is gone is no photo either
        found |= {name: None for key, name in photos.items() if key.endswith(_SUFFIX) and name not in found}
    if STATION_FILE in tree.others:
        beside = tree.folder.resolve().with_name(f"{tree.folder.resolve().name}_truth")
        for key, name in photos.items():
            for extension in EXTENSIONS:
                if (beside / "defect" / f"{key}{_SUFFIX}{extension}").is_file():
                    found[f"../{beside.name}/defect/{key}{_SUFFIX}{extension}"] = name
    return found


def _listed_kinds(tree: Tree) -> list[str]:
    for folder in MASK_FOLDERS:
        path = f"{folder}/{KINDS_FILE}"
        if path in tree.others:
            kinds = [line.strip() for line in tree.text(path).splitlines() if line.strip()]
            if len(set(kinds)) != len(kinds) or any(is_good(kind) for kind in kinds):
                raise UserError(
                    f"{path} lists {', '.join(kinds)}.",
                    "It has one line for each kind of defect, each kind once, and good is none.",
                    "Correct the list; line k names the value k of the masks.",
                )
            return kinds
    return []
