"""Do samples make an inspector better? On the rendered station, where the truth from many real photos is at hand,
and on crops of ball screws.

station: gap, thin, offset and bubble, 128 x 96 px brought to 64; 40 training photos, half of them defective; the photos
set aside beside them are the truth: the learning curve goes on to all of them. ballscrew: the largest pit of each late
photo against two good crops, one along the same groove in the same photo and one at the same spot in an earlier photo,
so that neither the age of the spindle nor the spot alone says anything; whole places are held out.

The settings are those of the recipes inspection-station and inspection-crops; what is given here goes before them.
Everything is kept below --out and taken up again; --minutes ends it early, without a verdict.

Usage: python benchmarks/inspection_station.py station --out DIR [--minutes M] [--test 1000] [--aside 960]
           [--generators A,B] [--seeds N] [--steps S] [--figures FOLDER]
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
from handful.inspection.figures import dose_curve, learning_curve
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
    """Writes grey crops of every late photo and of earlier ones of its place; returns how they are split."""
    places: dict[str, int] = {}
    early: dict[str, list[Path]] = {}
    for path in sorted((data / "data").glob("*.jpg")):
        if not (data / "label" / f"{path.stem}.json").exists():
            early.setdefault(_place(path), []).append(path)
    for number, label in enumerate(sorted((data / "label").glob("*.json"))):
        shapes = [np.array(shape["points"]) for shape in json.loads(label.read_text())["shapes"]]
        photo = _grey(data / "data" / f"{label.stem}.jpg")
        height, width = photo.shape
        place = places.setdefault(_place(label), len(places))
        random = numpy_stream(0, "crops", number)
        boxes = [(*shape.min(axis=0), *shape.max(axis=0)) for shape in shapes]
        largest = max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))
        # the pit anywhere in the middle half of its crop
        middle = np.array([(largest[0] + largest[2]) / 2, (largest[1] + largest[3]) / 2])
        pit = middle + random.uniform(-CROP_PX / 4, CROP_PX / 4, 2) - CROP_PX / 2
        x, y = np.clip(pit, 0, [width - CROP_PX, height - CROP_PX]).astype(int)
        _write_crop(photo, int(x), int(y), out / "pit" / f"place-{place}_{number:03d}.png")
        before = early[_place(label)][int(random.integers(len(early[_place(label)])))]
        _write_crop(_grey(before), int(x), int(y), out / "good" / f"place-{place}_{number:03d}_early.png")
        slope = _groove_slope(photo)
        for _ in range(1000):
            aside = random.uniform(CROP_PX, 2.5 * CROP_PX) * random.choice((-1, 1))  # farther it is out of focus
            right, down = int(x + aside), int(y + slope * aside + random.uniform(-CROP_PX / 4, CROP_PX / 4))
            inside = 0 <= right <= width - CROP_PX and 0 <= down <= height - CROP_PX
            if inside and not any(_touches(right, down, box) for box in boxes):
                _write_crop(photo, right, down, out / "good" / f"place-{place}_{number:03d}.png")
                break
    return {}


def _grey(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("L"))


def _place(path: Path) -> str:
    return "_".join(path.stem.split("_")[2:4])


def _groove_slope(photo: np.ndarray) -> float:
    """Pixels down for each to the right, along the groove: across the strongest gradients."""
    down, right = np.gradient(photo.astype(float))
    turn = 0.5 * np.arctan2(2 * (right * down).sum(), (right**2 - down**2).sum())
    return float(-np.cos(turn) / np.sin(turn))


def _touches(x: int, y: int, box: tuple[float, ...]) -> bool:
    return not (x > box[2] or x + CROP_PX < box[0] or y > box[3] or y + CROP_PX < box[1])


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
    parser.add_argument("--aside", type=int, default=960)
    parser.add_argument("--generators")
    parser.add_argument("--inspectors")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--count", type=int)
    parser.add_argument("--doses")
    parser.add_argument("--arms")
    parser.add_argument("--figures", type=Path, help="folder for the figures as SVG")
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
    for name in settings.inspectors if given.figures else ():
        for figure, draw in (("dose", dose_curve), ("learning", learning_curve)):
            svg = draw(found.result.rows, name)
            if svg is not None:
                write_atomically(given.figures / f"inspection-{given.photos}-{name}-{figure}.svg", svg.encode())
    print(json.dumps(hardware(threads=1)))
    print("\n".join([found.result.sentence, *(one.words for one in found.result.exchanges), str(found.path)]))


if __name__ == "__main__":
    main()
