"""How well each way of joining meets a truth: the same defect rendered into the photo that it is placed on.

The rendered station draws photo A with a defect, photo B without, and B with A's defect. The defect is cut from A, put
where B fits best within 4 px of where it belongs, and joined in each way. In the margin, the part of the changed region
around the defect's mask, are measured:

- error: root mean square to the truth, grey levels
- texture: mean absolute second difference over the mean of those of photo and piece there; 1 is as it should be
- jump: of the gradient across the edge of the region over the usual one, as in defect_placement.py
- told: share of pairs (a joined picture, an untouched photo) in which the joined one has the larger texture in the
  margin, over that around it; 0.5: texture does not tell them apart
- ms: of the processor, a joint

Flawless pieces of another good photo, put in in the same way, as they are and resized to 0.9 and turned by 6 degrees,
within 40 px, have the photo itself as truth. Places that fit worse than a mean square of 60 are left out.

Usage: python benchmarks/defect_joints.py [--pairs 24] [--sheet PNG] [--json]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from hardware import hardware
from PIL import Image

from handful.core.images import Integers
from handful.core.labels import Mask
from handful.defects.blend import Blend, join_piece
from handful.defects.cutting import Piece, cut_out, shape_piece
from handful.defects.poisson import Plane
from handful.defects.seam import joint_jump
from handful.defects.spots import fit_ring
from handful.sealer.defects import DefectSettings
from handful.sealer.part import Part
from handful.sealer.presets import preset
from handful.sealer.scene import build, plan
from handful.sealer.station import render_photo

SEED, GOODS, WORST_FIT = 5, 12, 60.0
NEAR_PX, FLAWLESS_NEAR_PX = 4, 40
MARGIN_PX, RING_PX = 4, 12
DEFECTS = DefectSettings(kinds=("gap", "bubble"), share=1.0)
"""Those whose look their place, size and strength decide; smears and lumps have a shape by chance."""
SETS: dict[str, tuple[bool, float, float]] = {
    "defects": (False, 1.0, 0.0),
    "flawless, as they are": (True, 1.0, 0.0),
    "flawless, resized and turned": (True, 0.9, 6.0),
}


@dataclass(frozen=True)
class Twin:
    """A defect on its own photo, and the same defect on another."""

    donor: Integers
    mask: Mask
    """Of the defect on the donor."""
    onto: int
    truth: Integers
    place: Mask
    """Of the defect on the truth."""


def render_twins(pairs: int) -> tuple[list[Integers], list[Twin]]:
    part = Part(preset("seam"), SEED, 658, 490)
    plans = [plan(part, SEED, index, None) for index in range(GOODS)]
    goods = [
        render_photo(part, one, build(part, one, SEED, index), SEED, index, False) for index, one in enumerate(plans)
    ]
    twins = []
    for number in range(pairs):
        index, onto = 100 + number, number % GOODS
        own = plan(part, SEED, index, DEFECTS)
        scene = build(part, own, SEED, index)
        other = replace(plans[onto], defects=own.defects)
        there = build(part, other, SEED, onto)
        truth = render_photo(part, other, there, SEED, onto, False)
        donor = render_photo(part, own, scene, SEED, index, False)
        mask, place = (np.logical_or.reduce(one.defect_masks) for one in (scene, there))
        twins.append(Twin(donor, mask, onto, truth, place))
    return goods, twins


def placed(
    goods: list[Integers], twins: list[Twin], flawless: bool, size: float, turn_deg: float
) -> Iterator[tuple[Plane, Piece, Plane]]:
    """The photo under each piece, the piece, and the truth there."""
    for twin in twins:
        donor = goods[(twin.onto + 1) % GOODS] if flawless else twin.donor
        cutting = cut_out(donor, twin.mask, np.zeros_like(twin.mask), "piece", "any", ("", ""))
        piece = shape_piece(cutting, MARGIN_PX, RING_PX, size, turn_deg)
        if piece is None:
            continue
        photo = goods[twin.onto].astype(np.float64)[..., None]
        height, width = piece.mask.shape
        near = FLAWLESS_NEAR_PX if flawless else NEAR_PX
        corner = middle(twin.place) - middle(piece.mask)
        top, left = (max(int(side) - near, 0) for side in corner)
        part = photo[top : int(corner[0]) + height + near, left : int(corner[1]) + width + near]
        if part.shape[0] < height or part.shape[1] < width:
            continue
        fit = fit_ring(part, piece.pixels, piece.ring)
        if fit.mismatch.min() > WORST_FIT:
            continue
        row, column = np.unravel_index(int(fit.mismatch.argmin()), fit.mismatch.shape)
        window = (slice(top + row, top + row + height), slice(left + column, left + column + width))
        yield photo[window], piece, (photo if flawless else twin.truth.astype(np.float64)[..., None])[window]


def middle(mask: Mask) -> np.ndarray[Any, np.dtype[np.intp]]:
    rows, columns = np.nonzero(mask)
    return np.array([(rows.min() + rows.max()) // 2, (columns.min() + columns.max()) // 2])


def texture(picture: Plane, where: Mask) -> float:
    bends = [np.abs(np.diff(picture, n=2, axis=axis)).mean(axis=2) for axis in (0, 1)]
    return float(bends[0][where[1:-1]].mean() + bends[1][where[:, 1:-1]].mean())


def measure(cases: list[tuple[Plane, Piece, Plane]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for blend in get_args(Blend):
        rows, joined_told, photo_told = [], [], []
        for photo, piece, truth in cases:
            margin = piece.region & ~piece.mask
            started = time.process_time()
            joined = join_piece(photo, piece, blend)
            seconds = time.process_time() - started
            joined = np.clip(np.rint(joined), 0, 255)
            level = float(photo[piece.ring].mean() / piece.pixels[piece.ring].mean())
            usual = (texture(photo, margin) + texture(piece.pixels * level, margin)) / 2
            error = float(np.sqrt(((joined - truth)[margin] ** 2).mean()))
            rows.append((error, texture(joined, margin) / usual, joint_jump(joined, photo, piece), 1e3 * seconds))
            joined_told.append(texture(joined, margin) / texture(joined, piece.ring))
            photo_told.append(texture(photo, margin) / texture(photo, piece.ring))
        names = ("error", "texture", "jump", "ms")
        spread = np.quantile(rows, (0.1, 0.5, 0.9), axis=0).T.round(3).tolist()
        told = float((np.array(joined_told)[:, None] > np.array(photo_told)).mean())
        found[blend] = dict(zip(names, spread, strict=True)) | {"told": round(told, 2)}
    return found


def sheet(cases: list[tuple[Plane, Piece, Plane]], side: int = 96, scale: int = 2) -> Image.Image:
    """A row for each case: the photo, each way of joining, the truth."""
    rows = []
    for photo, piece, truth in cases:
        ways = [photo, *(join_piece(photo, piece, blend) for blend in get_args(Blend)), truth]
        at = middle(piece.mask) - side // 2
        tiles = [np.full((side, side), 255.0) for _ in ways]
        for tile, picture in zip(tiles, ways, strict=True):
            top, left = (max(int(value), 0) for value in at)
            part = picture[top : top + side, left : left + side, 0]
            tile[: part.shape[0], : part.shape[1]] = part
        rows.append(np.concatenate(tiles, axis=1))
    page = Image.fromarray(np.concatenate(rows).clip(0, 255).round().astype(np.uint8))
    return page.resize((page.width * scale, page.height * scale), Image.Resampling.NEAREST)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    torch.set_num_threads(1)
    goods, twins = render_twins(told.pairs)
    document: dict[str, Any] = {}
    for name, (flawless, size, turn_deg) in SETS.items():
        cases = list(placed(goods, twins, flawless, size, turn_deg))
        document[name] = {"n": len(cases), **measure(cases)}
        if told.sheet is not None and not flawless:
            sheet(cases[:10]).save(told.sheet)
    if told.json:
        print(json.dumps(document | {"hardware": hardware(1)}))
        return
    print("10 %, 50 % and 90 % quantiles")
    for name, values in document.items():
        print(f"{name}, n = {values.pop('n')}")
        for blend, row in values.items():
            print(f"  {blend:10}", *(f"{key} {value}" for key, value in row.items()))
    print(hardware(1))


if __name__ == "__main__":
    main()
