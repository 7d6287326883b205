"""A small labelled station: brushed sheet with a bright bar, dark pits on the bar; every number known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from handful.core.images import Integers, png_bytes
from handful.core.labels import LabelledPhoto, LabelSheet, Mask, Region

WIDTH, HEIGHT = 160, 120
PIT_ROWS = {0: (50, 45), 1: (54, 80), 2: (52, 112)}
"""Defective photo -> row and column of the middle of its pit."""


def surface(number: int, bit_depth: int = 8, colour: bool = False) -> Integers:
    """A flawless photo: a bar across, brighter than the sheet, and fine noise."""
    random = np.random.default_rng(number)
    level = np.full((HEIGHT, WIDTH), 90.0)
    level[40:65] = 150.0
    level += random.normal(0, 1.5, level.shape)
    level = np.rint(level * (2 ** (bit_depth - 8)))
    pixels = level.astype(np.uint8 if bit_depth == 8 else np.uint16)
    return np.stack([pixels, pixels, pixels // 2], axis=2) if colour else pixels


def pit(row: int, column: int, radius: float = 6.0) -> Mask:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    inside: Mask = np.hypot(y - row, x - column) <= radius
    return inside


def write_station(folder: Path, goods: int = 4, bit_depth: int = 8, colour: bool = False, pits: int = 3) -> LabelSheet:
    """good_0.png, ... and pit_0.png, ... with masks/pit_0.png; the sheet that says so."""
    folder.mkdir(parents=True, exist_ok=True)
    photos = []
    for number in range(goods):
        name = f"good_{number}.png"
        (folder / name).write_bytes(png_bytes(surface(number, bit_depth, colour), bit_depth))
        photos.append(LabelledPhoto(name=name, label="good"))
    for number in range(pits):
        pixels = surface(100 + number, bit_depth, colour)
        mask = pit(*PIT_ROWS[number])
        pixels[mask] = pixels[mask] // 3
        name = f"pit_{number}.png"
        (folder / name).write_bytes(png_bytes(pixels, bit_depth))
        (folder / "masks").mkdir(exist_ok=True)
        (folder / "masks" / name).write_bytes(png_bytes((255 * mask).astype(np.uint8), 8))
        photos.append(LabelledPhoto(name=name, label="pit", regions=(Region(kind="pit", mask=f"masks/{name}"),)))
    return LabelSheet(layout="masks", folder=str(folder), kinds=("pit",), photos=tuple(photos))
