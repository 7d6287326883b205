"""Finds how the labels of a folder of photos lie on disk, and reads them. docs/layouts.md shows each layout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from handful.core.errors import UserError, nearest_name
from handful.core.labels import LabelSheet, Layout
from handful.photos import layout_coco, layout_labelme, layout_mvtec, layout_voc, layout_yolo
from handful.photos.layout_folders import claims_classes, claims_masks, mask_photos, read_classes, read_masks
from handful.photos.layout_tree import Found, Tree, sheet_of

NONE = "none"
"""Instead of a layout: all images are photos, and none has a label."""


@dataclass(frozen=True)
class _Reader:
    claims: Callable[[Tree], bool]
    read: Callable[[Tree], Found]
    photos: Callable[[Tree], list[str]] = lambda tree: list(tree.images)
    covers: tuple[Layout, ...] = ()
    """Layouts that this one looks like too, and of which it says more."""


_READERS: dict[Layout, _Reader] = {
    "classes": _Reader(claims_classes, read_classes),
    "masks": _Reader(claims_masks, read_masks, mask_photos, covers=("classes",)),
    "mvtec": _Reader(layout_mvtec.claims, layout_mvtec.read, layout_mvtec.photos, covers=("classes", "masks")),
    "coco": _Reader(layout_coco.claims, layout_coco.read),
    "yolo": _Reader(layout_yolo.claims, layout_yolo.read),
    "voc": _Reader(layout_voc.claims, layout_voc.read, layout_voc.photos),
    "labelme": _Reader(layout_labelme.claims, layout_labelme.read),
}


def find_layout(folder: Path) -> Layout | None:
    """The layout of the labels in a folder; None where there are none.

    Raises:
        UserError: no such folder, or labels in two layouts.
    """
    return _find(Tree.of(folder))


def list_photos(folder: Path, layout: str | None = None) -> list[Path]:
    """The photos of a folder in natural order: image files that are no masks.

    Args:
        folder: of photos, and perhaps labels.
        layout: 'classes', ...; 'none' takes every image; None finds it.

    Raises:
        UserError: as `find_layout`, or an unknown layout.
    """
    tree = Tree.of(folder)
    chosen = _settle(tree, layout)
    return [folder / name for name in (tree.images if chosen is None else _READERS[chosen].photos(tree))]


def read_labels(folder: Path, layout: str | None = None) -> LabelSheet | None:
    """What is wrong on each photo of a folder, and where; None where there are no labels.

    Args:
        folder: of photos and labels; only read.
        layout: 'classes', ...; 'none' looks for no labels; None finds it.

    Raises:
        UserError: as `find_layout`, or labels that mean nothing (see `sheet_of` and the layout's reader).
    """
    tree = Tree.of(folder)
    chosen = _settle(tree, layout)
    if chosen is None:
        return None
    reader = _READERS[chosen]
    return sheet_of(tree, chosen, reader.read(tree), reader.photos(tree))


def write_labels(labels: LabelSheet | None, out: Path) -> None:
    """Writes out/labels.json, or removes the one of a folder that had labels."""
    if labels is None:
        (out / LabelSheet.file_name).unlink(missing_ok=True)
    else:
        labels.write(out)


def label_lines(labels: LabelSheet | None) -> list[str]:
    """The labels in a few lines of plain text."""
    if labels is None:
        return ["no labels found"]
    counts = ", ".join(f"{count} {label}" for label, count in labels.counts().items())
    outlined = sum(bool(photo.regions) for photo in labels.photos)
    return [
        f"labels: layout {labels.layout}: {counts}; {outlined} with outlines",
        *(f"note: {warning}" for warning in labels.warnings),
    ]


def _settle(tree: Tree, layout: str | None) -> Layout | None:
    if layout is None:
        return _find(tree)
    if layout == NONE:
        return None
    if layout not in _READERS:
        near = nearest_name(layout, [*_READERS, NONE])
        raise UserError(
            f"There is no layout called '{layout}'.",
            f"These can be read: {', '.join(_READERS)}; or {NONE}, for photos without labels.",
            f"Did you mean --layout {near}?" if near else "Leave --layout out to have it found.",
        )
    return layout


def _find(tree: Tree) -> Layout | None:
    claimed = [name for name, reader in _READERS.items() if reader.claims(tree)]
    covered = {other for name in claimed for other in _READERS[name].covers}
    left = [name for name in claimed if name not in covered]
    if len(left) > 1:
        raise UserError(
            f"{tree.folder} holds labels in {len(left)} layouts: {', '.join(left)}.",
            "The labels of a folder are read in 1 layout, for two may contradict each other.",
            f"Give --layout {left[0]} (or {', '.join(left[1:])}), or --layout {NONE} to use no labels.",
        )
    return left[0] if left else None
