"""How good samples of patch_diffusion are at every place of the ball screw set, without a feature network.

For each place: the good photos in order of time, at most 40, every other group of near-duplicates to draw from and the
rest held out (`--split photos`: every other photo, so that what is held out has near-duplicates among the others); the
460x460 px from x = 340 on, at 256x256 px (or `--full`: 565x230 px, the whole frame at half size). Figures:

- sharpness: mean absolute Laplacian of samples over that of photos; goal 0.95 to 1.05
- region: largest connected region from one photo, mean over samples; goal at most 0.35
- to_photos: distance of samples to their nearest training photo over that of training photos to the nearest one that is
  no near-duplicate; goal at least 0.95
- to_heldout: distance of samples to their nearest held-out photo over that of training photos; goal at most 1.15
- spread: standard deviation of pixels over samples over that over photos, mean over pixels; goal at least 0.8
- as_heldout: distance of samples to their nearest training photo over that of held-out photos; no goal

Distances are medians of root mean squares at 32 px on the short side. Settings are chosen on `CHOSEN_ON` alone.

Usage: python benchmarks/patch_diffusion_quality.py PHOTOS [--samples N] [--places chosen|judged|all]
       [--split groups|photos] [--full]       [--set NAME=VALUE ...] [--sheet PNG] [--json]
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hardware import hardware
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from handful.core.config import parse_settings
from handful.core.images import integers_to_unit, unit_to_grey
from handful.core.likeness import groups as near_duplicates
from handful.core.likeness import residuals, thumbnail
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


def nearest(images: Tensor, others: Tensor, left_out: Tensor | None = None) -> float:
    """Median distance to the nearest other."""
    apart = torch.cdist(images, others) / images.shape[1] ** 0.5
    if left_out is not None:
        apart = apart.masked_fill(left_out, torch.inf)
    return float(apart.min(1).values.median())


def laplacian(images: Tensor) -> float:
    kernel = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])[None, None]
    return float(F.conv2d(images.mean(1, keepdim=True), kernel).abs().mean())


def halves(photos: Tensor, split: str) -> tuple[Tensor, Tensor, Tensor]:
    """Training and held-out photos, about as many of each, and the groups of the training photos."""
    thumbnails = [thumbnail(unit_to_grey(photo.numpy())) for photo in photos]
    groups = torch.tensor(near_duplicates(residuals(thumbnails)))
    if split == "photos":
        first = torch.arange(len(photos)) % 2 == 0
    else:
        first = torch.zeros(len(photos), dtype=torch.bool)
        for group in groups.unique(sorted=True):  # in order of time, each to the side that has fewer
            seen = groups < group
            first[groups == group] = int((first & seen).sum()) <= int((~first & seen).sum())
    return photos[first], photos[~first], groups[first]


def judge(photos: Tensor, settings: PatchDiffusionSettings, count: int, split: str) -> tuple[dict[str, float], Tensor]:
    training, heldout, groups = halves(photos, split)
    generator = PatchDiffusion(settings, ImageSpec(photos.shape[3], photos.shape[2], 3), seed=0)
    generator.prepare(training)
    training, groups = training[generator.store.kept], groups[generator.store.kept]
    samples = generator.sample(range(count))
    passports = generator.passports().values()
    t, h, s = small(training), small(heldout), small(samples)
    return {
        "n": len(training),
        "groups": len(groups.unique()),
        "sharpness": laplacian(samples) / laplacian(training),
        "region": statistics.mean(passport.largest_region for passport in passports),
        "to_photos": nearest(s, t) / nearest(t, t, groups[:, None] == groups),
        "to_heldout": nearest(s, h) / nearest(t, h),
        "spread": float(samples.std(0).mean() / training.std(0).mean()),
        "as_heldout": nearest(s, t) / nearest(h, t),
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
    options.add_argument("--split", choices=("groups", "photos"), default="groups")
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
    rows: list[dict[str, Any]] = []
    sheets = []
    for place in wanted:
        found, pictures = judge(good_photos(given.photos, place, given.full), settings, given.samples, given.split)
        rows.append({"place": place, "chosen_on": place in CHOSEN_ON, **found})
        sheets.append(pictures)
        if not given.json:
            print(place, "* " if place in CHOSEN_ON else "  ", *(f"{k} {v:.3g} " for k, v in found.items()), flush=True)
    if given.sheet:
        save_sheet(torch.cat(sheets), given.sheet)
    judged = [row for row in rows if not row["chosen_on"]] or rows
    means = {name: statistics.mean(row[name] for row in judged) for name in GOALS}
    met = {name: sum(low <= row[name] <= high for row in judged) for name, (low, high) in GOALS.items()}
    if given.json:
        document = {"rows": rows, "means": means, "met": met, "n_samples": given.samples, "hardware": hardware()}
        print(json.dumps(document))
        return
    for name in GOALS:
        print(f"{name:10} mean {means[name]:.3f}, goal met at {met[name]} of {len(judged)} places")


if __name__ == "__main__":
    main()
