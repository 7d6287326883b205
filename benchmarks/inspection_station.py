"""Do samples make an inspector better? On the rendered station, where the truth from many real photos is at hand,
and on crops of ball screws.

station: gap, thin, offset and bubble, 128 x 96 px brought to 64; 40 training photos, half of them defective; the photos
set aside beside them are the truth: the learning curve goes on to all of them. ballscrew: the largest pit of each late
photo, and a crop elsewhere in the same photo, so that the age of the spindle says nothing; whole places are held out.

The settings are those of the recipes inspection-station and inspection-crops; what is given here goes before them.
Everything is kept below --out and taken up again; --minutes ends it early, without a verdict.

Usage: python benchmarks/inspection_station.py station --out DIR [--minutes M] [--test 1000] [--aside 360]
           [--generators A,B] [--seeds N] [--steps S]
       python benchmarks/inspection_station.py ballscrew --data DIR --out DIR [--minutes M] [...]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from hardware import hardware
from PIL import Image

from handful.core.images import png_bytes
from handful.core.progress import Event
from handful.core.seeds import numpy_stream
from handful.core.workspace import write_atomically
from handful.pipeline import inspect
from handful.sealer.defects import DefectSettings
from handful.sealer.station import render_station
from handful.study.inspection import arrange_inspection
from handful.study.recipes import read_recipe

TRAINING = 40
CROP_PX = 96
WIDTH_PX, HEIGHT_PX = 128, 96


def station_photos(out: Path, test: int, aside: int) -> dict[str, Any]:
    """Renders photos into `out`; returns how they are split."""
    total = TRAINING + aside + test
    kinds = DefectSettings(kinds=("gap", "thin", "offset", "bubble"))
    render_station(out, total, width=WIDTH_PX, height=HEIGHT_PX, defects=kinds)
    return {"heldout": test / total, "photos": TRAINING}


def ballscrew_crops(data: Path, out: Path) -> dict[str, Any]:
    """Writes grey crops pit/place-P_N.png and good/place-P_N.png of every late photo; returns how they are split."""
    places: dict[str, int] = {}
    for number, label in enumerate(sorted((data / "label").glob("*.json"))):
        shapes = [np.array(shape["points"]) for shape in json.loads(label.read_text())["shapes"]]
        photo = np.asarray(Image.open(data / "data" / f"{label.stem}.jpg").convert("L"))
        height, width = photo.shape
        place = places.setdefault("_".join(label.stem.split("_")[2:4]), len(places))
        random = numpy_stream(0, "crops", number)
        boxes = [(*shape.min(axis=0), *shape.max(axis=0)) for shape in shapes]
        largest = max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))
        # the pit anywhere in the middle half of its crop
        middle = np.array([(largest[0] + largest[2]) / 2, (largest[1] + largest[3]) / 2])
        pit = middle + random.uniform(-CROP_PX / 4, CROP_PX / 4, 2) - CROP_PX / 2
        x, y = np.clip(pit, 0, [width - CROP_PX, height - CROP_PX]).astype(int)
        _write_crop(photo, int(x), int(y), out / "pit" / f"place-{place}_{number:03d}.png")
        for _ in range(1000):
            x, y = random.integers(0, width - CROP_PX + 1), random.integers(0, height - CROP_PX + 1)
            if all(x > box[2] or x + CROP_PX < box[0] or y > box[3] or y + CROP_PX < box[1] for box in boxes):
                _write_crop(photo, int(x), int(y), out / "good" / f"place-{place}_{number:03d}.png")
                break
    return {}


def _write_crop(photo: np.ndarray, x: int, y: int, path: Path) -> None:
    if not path.exists():
        write_atomically(path, png_bytes(photo[y : y + CROP_PX, x : x + CROP_PX], 8))


def say(event: Event) -> None:
    if event["event"] == "cell":
        print(event["words"], flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", choices=["station", "ballscrew"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="folder of the ball screw photos")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--aside", type=int, default=360)
    parser.add_argument("--generators")
    parser.add_argument("--inspectors")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--count", type=int)
    parser.add_argument("--doses")
    parser.add_argument("--arms")
    given = parser.parse_args()
    if given.photos == "station":
        values = read_recipe("inspection-station") | station_photos(given.out / "photos", given.test, given.aside)
    else:
        values = read_recipe("inspection-crops") | ballscrew_crops(given.data, given.out / "photos")
    for name in ("generators", "inspectors", "doses", "arms"):
        if getattr(given, name) is not None:
            values[name] = list(filter(None, getattr(given, name).split(",")))
    if given.seeds is not None:
        values["seeds"] = list(range(given.seeds))
    if given.count is not None:
        values["count"] = given.count
    if given.steps is not None:
        values["settings"]["classifier"]["steps"] = given.steps
    settings = arrange_inspection(values | {"threads": 1}, given.photos)
    found = inspect(
        given.out / "photos", given.out / "work", settings, say, None if given.minutes is None else 60 * given.minutes
    )
    print(
        "\n".join([hardware(), found.result.sentence, *(one.words for one in found.result.exchanges), str(found.path)])
    )


if __name__ == "__main__":
    main()
