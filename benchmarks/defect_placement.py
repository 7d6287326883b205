"""How well placed defects join their photos: on pits of a real ball screw and on the rendered station.

For each sample: the jump of the gradient along the joint over the usual one, which is the larger of the jump along the
same line around the defect in its own photo and of the jump in the photo before (1: no joint to be seen, below 1: the
joint is smoother than its surroundings); the tries that came to nothing; seconds of computing. Beside it the same
defects at the same places with the other ways of joining, and pasted without any. And what placing leaves behind where
no defect is: for flawless pieces put in in the same way, the texture (mean absolute second difference) inside the
changed region over that of the photo before, as they are and resized and turned as defects are.

Usage: python benchmarks/defect_placement.py [--ball-screw ../shared/data/bsdata_ballscrew] [--samples 40]
       [--sheets docs/img] [--json]
       --sheets renders the pictures of docs/defects.md again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
from hardware import hardware
from PIL import Image
from scipy.ndimage import binary_erosion

from handful.core.artifacts import Placement
from handful.core.images import Integers
from handful.core.labels import LabelSheet, Mask
from handful.defects.blend import Blend, join_piece
from handful.defects.cutting import Cutting, shape_piece
from handful.defects.donors import LibraryMaker
from handful.defects.drawn import DRAWN_KINDS, DrawnMaker
from handful.defects.library import cut_library
from handful.defects.place import PlacedSample, place_defects
from handful.defects.seam import joint_jump
from handful.defects.settings import PlacementSettings
from handful.defects.sources import Sources, sources_of_photos
from handful.photos.layouts import read_labels
from handful.sealer.defects import DefectSettings
from handful.sealer.station import render_station

PLACES = ("585000_090", "277500_315", "462500_045")
"""Of the ball screw: three of its ten."""
TILE = 160


@dataclass
class Measured:
    """What one set of photos gave."""

    samples: list[PlacedSample] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    jumps: dict[str, list[float]] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)

    def summary(self) -> dict[str, Any]:
        tries = len(self.samples) + sum(self.refused.values())
        spread = {name: _quantiles(values) for name, values in self.jumps.items()}
        return {
            "samples": len(self.samples),
            "tries": tries,
            "refused_share": round(sum(self.refused.values()) / tries, 3),
            "refused": dict(self.refused),
            "jump_over_usual_10_50_90": spread,
            "computing_s_an_image_10_50_90": _quantiles(self.seconds),
        }


def measure(sources: Sources, cuttings: list[Cutting], count: int) -> Measured:
    """Draws samples, then joins the same pieces at the same places in the other ways."""
    settings = PlacementSettings()
    maker = LibraryMaker(sources, cuttings, settings)
    by_name = {cutting.name: cutting for cutting in cuttings}
    found = Measured(jumps={blend: [] for blend in (*get_args(Blend), "pasted")})
    for seed in range(count):
        started = time.process_time()
        sample = place_defects(sources, maker, settings, None, seed)
        found.seconds.append(time.process_time() - started)
        found.samples.append(sample)
        found.refused += sample.refused
        (placed,) = sample.placements
        cutting = by_name[placed.defect]
        piece = shape_piece(cutting, settings.margin_px, settings.ring_px, placed.size, placed.turn_deg, placed.flipped)
        assert piece is not None  # it was placed
        rows, columns = np.nonzero(piece.mask)
        top, left = placed.y - int(rows.min()), placed.x - int(columns.min())
        photo = sources.read(sample.photo).reshape(sources.size.height, sources.size.width, -1).astype(np.float64)
        before = photo[top : top + piece.mask.shape[0], left : left + piece.mask.shape[1]]
        for blend in get_args(Blend):
            found.jumps[blend].append(joint_jump(join_piece(before, piece, blend), before, piece))
        pasted = np.where(piece.region[..., None], piece.pixels, before)
        found.jumps["pasted"].append(joint_jump(pasted, before, piece))
    return found


def texture_kept(sources: Sources, cuttings: list[Cutting], count: int, **values: Any) -> list[float]:
    """For flawless pieces: texture inside the changed pixels over that of the photo before."""
    settings = PlacementSettings(good_share=0.999, **values)
    maker = LibraryMaker(sources, cuttings, settings)
    kept = []
    for seed in range(1, count + 1):  # of a thousand seeds the first alone gets a defect
        sample = place_defects(sources, maker, settings, None, seed)
        before = sources.read(sample.photo)
        changed = (sample.pixels != before).reshape(*sample.mask.shape, -1).any(axis=2)
        kept.append(_texture(sample.pixels, changed) / _texture(before, changed))
    return _quantiles(kept)


def _texture(pixels: Integers, region: Mask) -> float:
    planes = pixels.reshape(*region.shape, -1).astype(np.float64)
    bends = [np.abs(np.diff(planes, n=2, axis=axis)).mean(axis=2) for axis in (0, 1)]
    return float(bends[0][region[1:-1]].mean() + bends[1][region[:, 1:-1]].mean())


def _quantiles(values: list[float]) -> list[float]:
    return [round(float(value), 3) for value in np.quantile(values, (0.1, 0.5, 0.9))]


def ball_screw(folder: Path) -> Sources:
    """The photos of three places, with the labels of its maker."""
    sheet = read_labels(folder)
    assert isinstance(sheet, LabelSheet)
    chosen = tuple(photo for photo in sheet.photos if any(place in photo.name for place in PLACES))
    return sources_of_photos(sheet.model_copy(update={"photos": chosen}))


def station(folder: Path) -> Sources:
    """40 rendered photos, half of them with gaps, bubbles, smears and lumps."""
    render_station(folder / "station", 40, seed=3, defects=DefectSettings(kinds=("gap", "bubble", "smear", "lump")))
    sheet = read_labels(folder / "station")
    assert sheet is not None
    return sources_of_photos(sheet)


def sheet(samples: list[PlacedSample], columns: int) -> Image.Image:
    """Each sample around its defect, and beside it the mask's outline in red."""
    page = Image.new("RGB", (columns * (2 * TILE + 6) - 6, -(-len(samples) // columns) * (TILE + 6) - 6), "white")
    for index, sample in enumerate(samples):
        at = (index % columns * (2 * TILE + 6), index // columns * (TILE + 6))
        plain, outlined = _tiles(sample, sample.placements[0])
        page.paste(plain, at)
        page.paste(outlined, (at[0] + TILE, at[1]))
    return page


def _tiles(sample: PlacedSample, placed: Placement) -> tuple[Image.Image, Image.Image]:
    height, width = sample.mask.shape
    left = min(max(placed.x + placed.width // 2 - TILE // 2, 0), width - TILE)
    top = min(max(placed.y + placed.height // 2 - TILE // 2, 0), height - TILE)
    window = (slice(top, top + TILE), slice(left, left + TILE))
    plain = np.array(Image.fromarray(sample.pixels[window]).convert("RGB"))
    mask = sample.mask[window] > 0
    outlined = plain.copy()
    outlined[mask & ~binary_erosion(mask)] = (230, 40, 40)
    return Image.fromarray(plain), Image.fromarray(outlined)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ball-screw", type=Path, help="folder of the ball screw set: measure on it, not the station")
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--sheets", type=Path)
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    document: dict[str, Any] = {"hardware": hardware(1)}
    with tempfile.TemporaryDirectory() as name:
        title = "station" if told.ball_screw is None else "ballscrew"
        sources = station(Path(name)) if told.ball_screw is None else ball_screw(told.ball_screw)
        cuttings, _ = cut_library(sources, PlacementSettings())
        found = measure(sources, cuttings, told.samples)
        half = told.samples // 2
        document[title] = {
            "good_photos": len(sources.good),
            "canvas": str(sources.size),
            "defects": len(cuttings),
            **found.summary(),
            "texture_of_flawless_pieces_10_50_90": {
                "as they are": texture_kept(sources, cuttings, half, smallest=1.0, largest=1.0, turn_deg=0.0),
                "resized and turned": texture_kept(sources, cuttings, half),
            },
        }
        if told.sheets is not None:
            sheet(found.samples[:12], 3).save(told.sheets / f"defects_{title}.jpg", quality=88)
        if told.sheets is not None and title == "station":
            maker = DrawnMaker(DRAWN_KINDS, PlacementSettings())
            drawn = [place_defects(sources, maker, PlacementSettings(), None, seed) for seed in range(10)]
            sheet(drawn, 3).save(told.sheets / "defects_drawn.jpg", quality=88)
    if told.json:
        print(json.dumps(document))
        return
    for title, values in document.items():
        print(title)
        for key, value in values.items():
            print(f"  {key}: {value}")


if __name__ == "__main__":
    main()
