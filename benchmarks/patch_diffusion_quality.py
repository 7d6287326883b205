"""How good samples of patch_diffusion are at every place of the ball screw set, without a feature network.

For each place: the good photos in order of time, at most 40, every other one to draw from and the rest held out;
the 460x460 px from x = 340 on, at 256x256 px (or `--full`: 565x230 px, the whole frame at half size). Figures:

- sharpness: mean absolute Laplacian of samples over that of photos; goal 0.95 to 1.05
- region: largest connected region from one photo, mean over samples; goal at most 0.35
- to_photos: distance of samples to their nearest training photo over that of held-out photos; goal at least 0.95
- to_heldout: distance of samples to their nearest held-out photo over that of training photos; goal at most 1.15
- spread: standard deviation of pixels over samples over that over photos, mean over pixels; goal at least 0.8

Distances are medians of root mean squares at 32 px on the short side. Settings are chosen on `CHOSEN_ON` alone.

Usage: python benchmarks/patch_diffusion_quality.py PHOTOS [--samples N] [--places chosen|judged|all] [--full]
       [--set NAME=VALUE ...] [--sheet PNG] [--json]
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
from pathlib import Path

import numpy as np
import torch
from hardware import hardware
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from handful.core.config import parse_settings
from handful.core.images import integers_to_unit
from handful.generators.base import ImageSpec
from handful.generators.patch_diffusion import PatchDiffusion, PatchDiffusionSettings

CHOSEN_ON = ("277500_315", "395000_270", "490000_180")
CROP, CROPPED, FULL = (340, 0, 800, 460), (256, 256), (565, 230)
MOST_PHOTOS = 40
GOALS = {
    "sharpness": (0.95, 1.05),
    "region": (0.0, 0.35),
    "to_photos": (0.95, 9.0),
    "to_heldout": (0.0, 1.15),
    "spread": (0.8, 9.0),
}


def places(folder: Path) -> list[str]:
    names = [re.search(r"_(\d+_\d+)_crop", path.name) for path in (folder / "data").glob("*.jpg")]
    return sorted({name[1] for name in names if name is not None})


def good_photos(folder: Path, place: str, full: bool) -> Tensor:
    labelled = {path.stem for path in (folder / "label").glob("*.json")}
    files = [path for path in sorted((folder / "data").glob(f"*_{place}_crop_2.jpg")) if path.stem not in labelled]
    photos = []
    for path in files[:MOST_PHOTOS]:
        with Image.open(path) as picture:
            upright = picture.convert("RGB") if full else picture.convert("RGB").crop(CROP)
            photos.append(integers_to_unit(np.asarray(upright.resize(FULL if full else CROPPED)), 8))
    return torch.from_numpy(np.stack(photos))


def small(images: Tensor) -> Tensor:
    height, width = images.shape[2:]
    return F.interpolate(images, size=(32, round(32 * width / height)), mode="area").flatten(1)


def nearest(images: Tensor, others: Tensor) -> float:
    apart = torch.cdist(images, others) / images.shape[1] ** 0.5
    return float(apart.min(1).values.median())


def laplacian(images: Tensor) -> float:
    kernel = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])[None, None]
    return float(F.conv2d(images.mean(1, keepdim=True), kernel).abs().mean())


def judge(photos: Tensor, settings: PatchDiffusionSettings, count: int) -> tuple[dict[str, float], Tensor]:
    training, heldout = photos[::2], photos[1::2]
    generator = PatchDiffusion(settings, ImageSpec(photos.shape[3], photos.shape[2], 3), seed=0)
    generator.prepare(training)
    training = training[generator.store.kept]
    samples = generator.sample(range(count))
    passports = generator.passports().values()
    t, h, s = small(training), small(heldout), small(samples)
    return {
        "sharpness": laplacian(samples) / laplacian(training),
        "region": statistics.mean(passport.largest_region for passport in passports),
        "to_photos": nearest(s, t) / nearest(h, t),
        "to_heldout": nearest(s, h) / nearest(t, h),
        "spread": float(samples.std(0).mean() / training.std(0).mean()),
    }, torch.cat([training[:6], samples[:12]])


def save_sheet(images: Tensor, path: Path) -> None:
    rows = [torch.cat(list(images[first : first + 6]), 2) for first in range(0, len(images), 6)]
    grey = ((torch.cat(rows, 1).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    Image.fromarray(grey.permute(1, 2, 0).numpy()).save(path)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("photos", type=Path, help="folder of the ball screw set, with data/ and label/")
    options.add_argument("--samples", type=int, default=24)
    options.add_argument("--places", choices=("chosen", "judged", "all"), default="all")
    options.add_argument("--full", action="store_true")
    options.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options.add_argument("--sheet", type=Path)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    values = dict(word.split("=", 1) for word in given.set)
    settings = parse_settings(PatchDiffusionSettings, values, "patch_diffusion")
    wanted = [
        place
        for place in places(given.photos)
        if given.places == "all" or (place in CHOSEN_ON) == (given.places == "chosen")
    ]
    rows, sheets = [], []
    for place in wanted:
        found, pictures = judge(good_photos(given.photos, place, given.full), settings, given.samples)
        rows.append({"place": place, "chosen_on": place in CHOSEN_ON, **found})
        sheets.append(pictures)
        if not given.json:
            print(place, "* " if place in CHOSEN_ON else "  ", *(f"{k} {v:.3f} " for k, v in found.items()), flush=True)
    if given.sheet:
        save_sheet(torch.cat(sheets), given.sheet)
    judged = [row for row in rows if not row["chosen_on"]] or rows
    means = {name: statistics.mean(float(row[name]) for row in judged) for name in GOALS}
    met = {name: sum(low <= float(row[name]) <= high for row in judged) for name, (low, high) in GOALS.items()}
    if given.json:
        document = {"rows": rows, "means": means, "met": met, "n_samples": given.samples, "hardware": hardware()}
        print(json.dumps(document))
        return
    for name in GOALS:
        print(f"{name:10} mean {means[name]:.3f}, goal met at {met[name]} of {len(judged)} places")


if __name__ == "__main__":
    main()
