"""What SinGAN's faster ways cost and give: time, SIFID and diversity, photo by photo and seed by seed.

Photos of the rendered station, shrunk; each cell is one photo, one seed, one way: `default`, `fast` as a whole, and
parts of it or of what it once was by themselves (`lazy` penalty, `cached` fakes, `early` stop), and `consingan`, the
variant that grows one generator, with as many stages, iterations a stage and channels. Two sizes: `small` (64x48, three
scales of 16 channels, where the cap on the width changes nothing), and `wide` (92x69, the authors' widths and scale
factor: four scales of 32 channels and two of 64, which `fast` caps at 32; `fast` in bf16 there, as training does by
itself). Every cell is trained with one thread (its time is that of the core, so that a busy machine counts less), then
draws samples from the coarsest scale (N) and from the next (N-1). The score is the mean over samples of the
single-image Frechet distance to the cell's photo, at 64 channels (192 where the image has the places), as the score
`sifid` computes it. Diversity is the standard deviation over samples, averaged over pixels, as a share of the photo's
own standard deviation (as in SinGAN's paper, section 3.1), and the mean root-mean-square difference of two samples.

Ratios and differences are taken within a photo and seed, against that cell's `default`; n is the number of those
pairs, and the spread is over the photos' means, as seeds of one photo are not independent photos.

Finished cells are kept in a JSON file, one a size, so that the script goes on where it stopped.

Usage: python benchmarks/singan_fast.py [--size small] [--cells FILE] [--photos FOLDER] [--seconds 300]
    [--ways default,fast] [--report]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hardware import hardware
from PIL import Image
from torch import Tensor

from handful.core.device import Precision, start_runtime
from handful.core.seeds import torch_stream
from handful.core.workspace import write_atomically
from handful.features.maps import MapExtractor
from handful.generators.base import Clock, Generator, ImageSpec
from handful.generators.restore import build_generator
from handful.generators.singan_parts.pyramid import resize
from handful.scores.sifid import frechet, moments

PHOTOS, SEEDS, SAMPLES = 5, 3, 20


@dataclass(frozen=True)
class Size:
    """What is trained, and how long."""

    spec: ImageSpec
    iterations_a_scale: int
    ways: dict[str, tuple[str, dict[str, Any], Precision]]
    """Name -> generator, its settings, precision."""


_SMALL = {"width": 16, "stop_window": 25, "scale_factor": 0.5}
"""Three scales (25, 35 and 48 px), all of 16 channels, so that a cell takes half a minute on one core."""
SIZES = {
    "small": Size(
        ImageSpec(width=64, height=48, channels=1),
        150,
        {
            "default": ("singan", _SMALL, "fp32"),
            "fast": ("singan", {**_SMALL, "fast": True}, "fp32"),
            "lazy": ("singan", {**_SMALL, "penalty_every": 3}, "fp32"),
            "cached": ("singan", {**_SMALL, "redraw": False}, "fp32"),
            "early": ("singan", {**_SMALL, "stop_early": True}, "fp32"),
            "consingan": ("consingan", {"width": 16, "stages": 3}, "fp32"),
        },
    ),
    "wide": Size(
        ImageSpec(width=92, height=69, channels=1),
        120,
        {
            "default": ("singan", {"stop_window": 25}, "fp32"),
            "fast": ("singan", {"stop_window": 25, "fast": True}, "bf16"),
        },
    ),
}


def station_photos(folder: Path | None, spec: ImageSpec) -> Tensor:
    """(PHOTOS, 1, h, w) in [-1, 1] at the canvas: rendered now, or the first of a folder."""
    with tempfile.TemporaryDirectory() as made:
        if folder is None:
            from handful.sealer.station import render_station

            folder = Path(made) / "photos"
            render_station(folder, PHOTOS, seed=0)
        files = sorted(folder.glob("*.png"))[:PHOTOS]
        shots = [np.asarray(Image.open(file).convert("L"), dtype=np.float32) for file in files]
    return torch.cat(
        [resize(torch.from_numpy(shot)[None, None] / 127.5 - 1, spec.height, spec.width) for shot in shots]
    )


def train(size: Size, way: str, photo: Tensor, seed: int) -> tuple[Generator, float, int]:
    """The generator, the seconds of one core that training took, and its steps."""
    name, settings, precision = size.ways[way]
    runtime = start_runtime("cpu", precision, threads=1)
    learner: Any = build_generator(name, settings, size.spec, seed)
    learner.to(torch.device("cpu"), torch.channels_last)
    steps = size.iterations_a_scale * len(learner.sizes)
    start = time.process_time()
    learner.prepare(photo)
    done = 0
    while done < steps and not learner.finished:
        clock = Clock(done, done, done / steps, torch_stream(seed, "benchmark", done))
        with runtime.autocast():
            learner.step(photo, clock, lambda images, random: images)
        done += 1
    return learner, time.process_time() - start, done


def judge(learner: Any, photo: Tensor, stem: MapExtractor) -> dict[str, float]:
    """Scores of samples from N and from N-1."""
    found = {}
    real = stem(photo.numpy())
    for name, start in (("n", 0), ("n1", 1)):
        samples = learner.sample_controlled(range(SAMPLES), learner.controls_class(start_scale=start))
        maps = stem(samples.numpy())
        for layer in ("64", "192"):
            if real[layer][0, 0].size < int(layer):
                continue  # fewer places than channels
            truth = moments(real[layer][0])
            distances = [frechet(moments(one), truth) for one in maps[layer]]
            found[f"{name}_sifid_{layer}"] = statistics.fmean(distances)
        found[f"{name}_diversity"] = float(samples.std(0, correction=0).mean() / photo.std(correction=0))
        found[f"{name}_distance"] = float(torch.pdist(samples.flatten(1)).mean()) / samples[0].numel() ** 0.5
    return found


def run(size: Size, cells: dict[str, Any], path: Path, folder: Path | None, ways: list[str], seconds: float) -> None:
    """Fills in cells until the time is over."""
    photos, stem, began = station_photos(folder, size.spec), MapExtractor("inception-2015-stem"), time.perf_counter()
    for seed, index, way in product(range(SEEDS), range(PHOTOS), ways):
        key = f"{way}/{index}/{seed}"
        if key in cells:
            continue
        if time.perf_counter() - began > seconds:
            return
        learner, took, steps = train(size, way, photos[index : index + 1], seed)
        fresh = json.loads(path.read_text()) if path.exists() else {}  # another process may have added some
        cells.clear()
        cells.update(
            fresh | {key: {"seconds": took, "steps": steps, **judge(learner, photos[index : index + 1], stem)}}
        )
        write_atomically(path, json.dumps(cells, indent=1).encode())
        print(key, {name: round(value, 3) for name, value in cells[key].items()}, flush=True)


def report(size: Size, cells: dict[str, Any]) -> list[dict[str, Any]]:
    """One row a way: its medians, and against `default` the ratio of times and the differences of scores."""
    rows = []
    for way in size.ways:
        pairs = [
            (key.split("/")[1], cell, cells["default" + key[len(way) :]])
            for key, cell in sorted(cells.items())
            if key.startswith(way + "/") and "default" + key[len(way) :] in cells
        ]
        if not pairs:
            continue
        row: dict[str, Any] = {"way": way, "n": len(pairs), "photos": len({photo for photo, _, _ in pairs})}
        row["seconds"] = round(statistics.median(cell["seconds"] for _, cell, _ in pairs), 1)
        row["steps"] = statistics.median(cell["steps"] for _, cell, _ in pairs)
        row["time_ratio"] = round(statistics.median(base["seconds"] / cell["seconds"] for _, cell, base in pairs), 2)
        for name in [name for name in pairs[0][1] if name not in ("seconds", "steps")]:
            row[name] = float(f"{statistics.fmean(cell[name] for _, cell, _ in pairs):.3g}")
            by_photo = [
                statistics.fmean(cell[name] - base[name] for other, cell, base in pairs if other == photo)
                for photo in sorted({photo for photo, _, _ in pairs})
            ]
            row[f"{name}_difference"] = float(f"{statistics.fmean(by_photo):.2g}")
            if len(by_photo) > 1:
                row[f"{name}_difference_sd"] = float(f"{statistics.stdev(by_photo):.2g}")
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--cells", type=Path, help="file of finished cells (default: singan_fast_SIZE.json)")
    parser.add_argument("--photos", type=Path, help="a folder of PNG photos (default: the rendered station)")
    parser.add_argument("--seconds", type=float, default=1e9, help="start no further cell after this time")
    parser.add_argument("--ways", help="comma-separated (default: all)")
    parser.add_argument("--report", action="store_true", help="only print the table of what is there")
    words = parser.parse_args()
    size, path = SIZES[words.size], words.cells or Path(f"singan_fast_{words.size}.json")
    cells = json.loads(path.read_text()) if path.exists() else {}
    if not words.report:
        run(size, cells, path, words.photos, words.ways.split(",") if words.ways else list(size.ways), words.seconds)
    print(json.dumps({"hardware": hardware(1), "rows": report(size, cells)}, indent=2))


if __name__ == "__main__":
    main()
