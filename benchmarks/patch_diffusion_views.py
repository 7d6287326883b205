"""How good samples are where photos show different views, or where there is one photo: patch_diffusion and its rivals.

Several views: the good photos of the glue bead set, scaled to a square canvas, in blocks of eight by their numbers:
every other block to draw from, the rest held out (neighbouring numbers are neighbouring crops of one part). Rendered
views: 40 photos of `handful station --preset glue` to draw from, 40 held out; their sheet may be shown. One photo:
the first photo of a place of the ball screw set, one glue bead, and one photo of the rendered station. Figures:

- sharpness: mean absolute Laplacian of samples over that of photos; goal 0.95 to 1.05
- region: largest connected region of detail from one photo at places that go on smoothly, mean over samples (passport);
  a warp is one region, and so is each sample of it
- layout_detail: share of the detail that comes from the photo which also gave the layout (passport)
- novelty: distance of samples to their nearest photo over that between photos, median; for one photo in grey levels
- to_heldout: distance of samples to their nearest held-out photo over that of training photos
- spread: standard deviation of pixels over samples over that over photos, mean over pixels
- prepare_s, sample_s: seconds of the processor with one thread; peak_mb: of the whole process, each in its own

Distances are root mean squares at 32 px on the short side.

Usage: python benchmarks/patch_diffusion_views.py GLUE SCREW [--size PX] [--samples N] [--slow-samples N]
       [--sets views|rendered|one|all] [--methods NAME ...] [--sheets FOLDER] [--json]
       [--swap]
       GLUE and SCREW are the folders of the two sets; --sheets writes a picture of the samples of each set and method.
       --swap draws from the blocks that are else held out, on which no setting was chosen.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from hardware import hardware
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from handful.core.images import integers_to_unit
from handful.core.registry import load
from handful.generators.base import ImageSpec, generator_class
from handful.generators.patch_diffusion import PatchDiffusion
from handful.sealer.station import render_station

METHODS = ("patch_diffusion", "warp", "gpnn", "gpdm")
SLOW = ("gpnn", "gpdm")
BLOCK = 8
SCREW_PLACE, SCREW_CROP = "305000_090", (340, 0, 800, 460)
GLUE_PHOTO, STATION_SEED, RENDERED = 20, 1, 40


@dataclass(frozen=True)
class PhotoSet:
    name: str
    training: Tensor
    heldout: Tensor | None


def read(files: list[Path], size: int, crop: tuple[int, int, int, int] | None = None) -> Tensor:
    photos = []
    for path in files:
        with Image.open(path) as picture:
            upright = picture.convert("RGB") if crop is None else picture.convert("RGB").crop(crop)
            photos.append(integers_to_unit(np.asarray(upright.resize((size, size), Image.Resampling.LANCZOS)), 8))
    return torch.from_numpy(np.stack(photos))


def photo_sets(glue: Path, screw: Path, size: int, wanted: str, swap: bool) -> list[PhotoSet]:
    files = sorted(glue.rglob("Good/**/*.png"))
    sets = []
    if wanted in ("views", "all"):
        photos = read(files, size)
        in_training = torch.tensor([number // BLOCK % 2 == int(swap) for number in range(len(files))])
        name = "glue bead, views" + (" (swapped)" if swap else "")
        sets.append(PhotoSet(name, photos[in_training], photos[~in_training]))
    if wanted in ("rendered", "all"):
        with TemporaryDirectory() as folder:
            views = render_station(Path(folder), 2 * RENDERED, STATION_SEED, size, size, preset="glue")
            photos = read(list(views), size)
            sets.append(PhotoSet("rendered glue bead, views", photos[:RENDERED], photos[RENDERED:]))
    if wanted in ("one", "all"):
        of_screw = sorted((screw / "data").glob(f"*_{SCREW_PLACE}_crop_2.jpg"))[:1]
        sets.append(PhotoSet("ball screw, 1 photo", read(of_screw, size, SCREW_CROP), None))
        sets.append(PhotoSet("glue bead, 1 photo", read(files[GLUE_PHOTO : GLUE_PHOTO + 1], size), None))
        with TemporaryDirectory() as folder:
            (rendered,) = render_station(Path(folder), 1, seed=STATION_SEED)
            sets.append(PhotoSet("station, 1 photo", read([rendered], size), None))
    return sets


def small(images: Tensor) -> Tensor:
    height, width = images.shape[2:]
    short = min(height, width)
    return F.interpolate(images, size=(32 * height // short, 32 * width // short), mode="area").flatten(1)


def nearest(images: Tensor, others: Tensor, same: bool = False) -> float:
    apart = torch.cdist(images, others) / images.shape[1] ** 0.5
    if same:
        apart.fill_diagonal_(torch.inf)
    return float(apart.min(1).values.median())


def laplacian(images: Tensor) -> float:
    kernel = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])[None, None]
    return float(F.conv2d(images.mean(1, keepdim=True), kernel).abs().mean())


def judge(photos: PhotoSet, method: str, count: int) -> tuple[dict[str, float | str], Tensor]:
    torch.set_num_threads(1)
    training = photos.training
    _, channels, height, width = training.shape
    before = time.process_time()
    chosen = generator_class(load("generators", method))
    generator = chosen(chosen.settings_class(), ImageSpec(width, height, channels), seed=0)
    generator.prepare(training)
    if isinstance(generator, PatchDiffusion):
        generator.candidate_sampler()
    prepared = time.process_time()
    samples = generator.sample(range(count))
    drawn = time.process_time()
    row: dict[str, float | str] = {"set": photos.name, "method": method, "n": count}
    row["sharpness"] = laplacian(samples) / laplacian(training)
    if isinstance(generator, PatchDiffusion):
        passports = generator.passports().values()
        row["region"] = statistics.mean(passport.largest_region for passport in passports)
        if len(training) > 1:
            shares = [float((detail(one.picture, one.facts) == one.facts["layout"]).mean()) for one in passports]
            row["layout_detail"] = statistics.mean(shares)
    s, t = small(samples), small(training)
    row["novelty"] = nearest(s, t) / nearest(t, t, same=True) if len(training) > 1 else nearest(s, t) * 127.5
    if photos.heldout is not None:
        h = small(photos.heldout)
        row["to_heldout"] = nearest(s, h) / nearest(t, h)
        row["spread"] = float(samples.std(0).mean() / training.std(0).mean())
    row["prepare_s"], row["sample_s"] = prepared - before, (drawn - prepared) / count
    row["peak_mb"] = peak_mb()
    return row, samples


def peak_mb() -> float:
    """Of this process alone: what getrusage says also counts the process that it was forked from."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return float(found[1]) * 1024 / 1e6 if found else float("nan")


def detail(picture: Any, facts: dict[str, Any]) -> Any:
    """The map of photo numbers on top of a passport."""
    rows, columns = facts["levels"][0]
    return picture[:rows, :columns]


def save_sheet(images: Tensor, path: Path) -> None:
    columns = min(10, len(images))
    rows = [
        torch.cat(list(F.pad(images[first : first + columns], (0, 2, 0, 2), value=1.0)), 2)
        for first in range(0, len(images) - columns + 1, columns)
    ]
    grey = ((torch.cat(rows, 1).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    Image.fromarray(grey.permute(1, 2, 0).numpy()).save(path)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("glue", type=Path)
    options.add_argument("screw", type=Path)
    options.add_argument("--size", type=int, default=256)
    options.add_argument("--samples", type=int, default=50)
    options.add_argument("--slow-samples", type=int, default=4, help="of gpnn and gpdm")
    options.add_argument("--sets", choices=("views", "rendered", "one", "all"), default="all")
    options.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    options.add_argument("--swap", action="store_true")
    options.add_argument("--sheets", type=Path)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    rows = []
    for photos in photo_sets(given.glue, given.screw, given.size, given.sets, given.swap):
        for method in given.methods:
            count = given.slow_samples if method in SLOW else given.samples
            with multiprocessing.get_context("spawn").Pool(1) as alone:  # so that its peak of memory is its own
                row, samples = alone.apply(judge, (photos, method, count))
            rows.append(row)
            if given.sheets:
                given.sheets.mkdir(parents=True, exist_ok=True)
                name = f"{photos.name}-{method}".replace(", ", "-").replace(" ", "-")
                save_sheet(samples, given.sheets / f"{name}.png")
            if not given.json:
                print(*(f"{k} {v:.3f}" if isinstance(v, float) else v for k, v in row.items()), flush=True)
    if given.json:
        print(json.dumps({"rows": rows, "size": given.size, "hardware": hardware()}))


if __name__ == "__main__":
    main()
