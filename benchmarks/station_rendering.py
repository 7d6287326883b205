"""How long the rendered station takes: photos of 658x490 with all of their truth, and small ones without.

Each set is rendered into a temporary folder, written to disk included; the small set is what tests ask for. Aim: 100
photos with truth in under 60 s on 2 cores.

Usage: python benchmarks/station_rendering.py [--photos 100] [--sheet docs/img/station.jpg] [--json]
       --sheet renders docs/img/station.jpg again: photos of both stations, and each defect with its mask's outline.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from hardware import hardware
from PIL import Image
from scipy.ndimage import binary_erosion

from handful.sealer.defects import KINDS, DefectSettings
from handful.sealer.station import render_station

ALL = DefectSettings(kinds=KINDS, share=1.0)


def seconds(folder: Path, count: int, **settings: Any) -> dict[str, float]:
    """On the clock, and of computing: the sum over cores, which a busy machine changes little."""
    clock, computing = time.perf_counter(), time.process_time()
    render_station(folder, count, **settings)
    return {"clock_s": time.perf_counter() - clock, "computing_s": time.process_time() - computing}


def sheet(folder: Path) -> Image.Image:
    """Four photos of each station, and below each defect, its outline in red, on either station by turns."""
    tiles = [Image.open(path) for path in render_station(folder / "seam", 4, seed=1)]
    glue = {"width": 496, "height": 370, "colour": True, "preset": "glue"}
    tiles += [Image.open(path) for path in render_station(folder / "glue", 4, seed=6, **glue)]
    seam = render_station(folder / "seam-bad", 8, seed=3, defects=ALL)
    close = render_station(folder / "glue-bad", 8, seed=3, defects=ALL, **glue)
    tiles += [_outlined((seam, close)[index % 2][index]) for index in range(8)]
    wide, high = 300, 224
    page = Image.new("RGB", (4 * wide, 4 * high))
    for index, tile in enumerate(tiles):
        small = tile.convert("RGB").resize((wide, high), Image.Resampling.LANCZOS)
        page.paste(small, (index % 4 * wide, index // 4 * high))
    return page


def _outlined(photo: Path) -> Image.Image:
    root = photo.parent.parent
    mask_file = root.with_name(f"{root.name}_truth") / "defect" / photo.parent.name / f"{photo.stem}_mask.png"
    mask = np.asarray(Image.open(mask_file)) > 0
    pixels = np.array(Image.open(photo).convert("RGB"))
    pixels[mask & ~binary_erosion(mask, iterations=2)] = (230, 40, 40)
    return Image.fromarray(pixels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if options.sheet:
            sheet(folder).save(options.sheet, quality=82)
            return
        found: dict[str, Any] = {"hardware": hardware(), "photos": options.photos}
        seconds(folder / "warm", 12, width=48, height=36)  # builds the table of albedos
        found["small"] = seconds(folder / "small", 12, width=48, height=36)
        defects = DefectSettings(kinds=KINDS)
        found["with_truth"] = seconds(folder / "truth", options.photos, truth=True, defects=defects)
        found["colour_close_up"] = seconds(folder / "glue", 20, colour=True, preset="glue")
    if options.json:
        print(json.dumps(found, indent=1))
        return
    print(found["hardware"])
    for words, key in (
        ("12 photos of 48x36", "small"),
        (f"{options.photos} photos of 658x490, half of them with defects, with truth", "with_truth"),
        ("20 colour photos of 658x490, glue", "colour_close_up"),
    ):
        print(f"{words}: {found[key]['clock_s']:.2f} s, {found[key]['computing_s']:.2f} s of computing")


if __name__ == "__main__":
    main()
