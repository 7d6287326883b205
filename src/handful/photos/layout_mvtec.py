"""The layout of MVTec AD: train/good, test/KIND, ground_truth/KIND/000_mask.png."""

from __future__ import annotations

from pathlib import PurePosixPath

from handful.core.labels import GOOD, Region
from handful.photos.layout_tree import Entry, Found, Tree, is_good, kind_of, some, splits, stem, warn_orphans

TRUTH_FOLDER = "ground_truth"
_SUFFIX = "_mask"


def claims(tree: Tree) -> bool:
    """Whether all training images are good and there are test images."""
    folders = {PurePosixPath(name).parts[:-1] for name in tree.images}
    train = {parts[1] for parts in folders if len(parts) > 1 and parts[0] == "train"}
    test = any(len(parts) > 1 and parts[0] == "test" for parts in folders)
    return bool(train) and all(map(is_good, train)) and test


def photos(tree: Tree) -> list[str]:
    """The images that are no masks."""
    return [name for name in tree.images if PurePosixPath(name).parts[0] != TRUTH_FOLDER]


def read(tree: Tree) -> Found:
    """The folder below train or test is the class; its defects are outlined in ground_truth."""
    found = Found()
    names = photos(tree)
    parts = splits(names)
    used, bare = set(), []
    for name in names:
        path = PurePosixPath(name)
        if len(path.parts) < 3 or path.parts[0] not in ("train", "test"):
            continue
        label = kind_of(path.parts[1])
        place = f"{TRUTH_FOLDER}/{stem(PurePosixPath(*path.parts[1:]).as_posix())}"
        mask = tree.by_stem.get(place + _SUFFIX) or tree.by_stem.get(place)
        if mask is not None:
            used.add(mask)
        elif label != GOOD:
            bare.append(name)
        regions = () if mask is None else (Region(kind="defect" if label == GOOD else label, mask=mask),)
        found.entries.append(Entry(name, regions, label, parts[name]))
    if bare:
        found.warnings.append(f"{len(bare)} images with a defect have no mask: {some(bare)}.")
    masks = set(tree.images) - set(names)
    warn_orphans(found, sorted(masks - used), "masks", tree)
    return found
