"""What patch_diffusion costs on 40 aligned photos, and what its approximations change.

Seconds are of the processor (all threads together) and of the clock, median over rounds: preparing (registration
included), building the levels, a sample. Then, at the finest level, one posterior mean with weights on cells of 2 and
4 px and with photos in 16 bits, against the exact form with a weight for each pixel: largest and root mean square
difference in grey levels of 8 bits, and seconds.

The photos are made up: one scene of blobs and edges under 40 lights, with marks of their own. `--photos` takes yours.

Usage: python benchmarks/patch_diffusion.py [--size 256x256 ...] [--count 40] [--rounds 5] [--threads 2]
       [--photos FOLDER] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hardware import hardware
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from handful.core.device import keep_freed_memory
from handful.core.images import integers_to_unit, unit_to_integers
from handful.core.seeds import torch_stream
from handful.generators.base import ImageSpec
from handful.generators.patch_diffusion import PatchDiffusion, PatchDiffusionSettings
from handful.generators.patch_diffusion_parts.posterior import Level

VARIANTS = {"2 px cells": (2, torch.float32), "4 px cells": (4, torch.float32), "16-bit photos": (1, torch.float16)}


def made_photos(count: int, width: int, height: int) -> Tensor:
    random = torch_stream(0, "benchmark/photos")
    rough = torch.randn(1, 3, height // 16 + 1, width // 16 + 1, generator=random)
    scene = F.interpolate(rough, size=(height, width), mode="bicubic").mul(0.4).clamp(-0.7, 0.7)
    own = F.interpolate(torch.randn(count, 3, height // 4, width // 4, generator=random), size=(height, width))
    photos = (scene + 1) * (1 + 0.1 * torch.randn(count, 1, 1, 1, generator=random)) - 1 + 0.04 * own
    return torch.from_numpy(np.stack([integers_to_unit(unit_to_integers(photo, 8), 8) for photo in photos.numpy()]))


def read_photos(folder: Path, count: int, width: int, height: int) -> Tensor:
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))[:count]
    pictures = [np.asarray(Image.open(path).convert("RGB").resize((width, height))) for path in files]
    return torch.from_numpy(np.stack([integers_to_unit(picture, 8) for picture in pictures]))


def timed(task: Callable[[], Any], rounds: int) -> dict[str, float]:
    laps = []
    for _ in range(rounds):
        clock, processor = time.perf_counter(), time.process_time()
        task()
        laps.append((time.perf_counter() - clock, time.process_time() - processor))
    clocks, processors = zip(*laps, strict=True)
    return {"clock_s": statistics.median(clocks), "least_clock_s": min(clocks), "cpu_s": statistics.median(processors)}


@torch.no_grad()
def measure(photos: Tensor, rounds: int) -> dict[str, Any]:
    spec = ImageSpec(photos.shape[3], photos.shape[2], 3)
    generator = PatchDiffusion(PatchDiffusionSettings(), spec, seed=0)
    found: dict[str, Any] = {"size": f"{spec.width}x{spec.height}", "photos": len(photos), "n": rounds}
    found["register"] = timed(lambda: generator.prepare(photos), 1)
    found["levels"] = timed(generator.sampler, 1)
    generator.sample([0])  # warm-up
    seeds = iter(range(1, rounds + 1))
    found["sample"] = timed(lambda: generator.sample([next(seeds)]), rounds)
    return found


@torch.no_grad()
def approximations(photos: Tensor, rounds: int) -> list[dict[str, Any]]:
    """Of one posterior mean at tau 0.05, from a photo with that noise."""
    tau = 0.05
    padded = F.pad(photos, (0, -photos.shape[3] % 4, 0, -photos.shape[2] % 4), mode="replicate")
    z = padded[:1] + tau * torch.randn(padded[:1].shape, generator=torch_stream(1, "benchmark/noise"))

    def mean_of(level: Level) -> Tensor:
        return level.blend(torch.softmax(level.logits(z, tau), 2))

    exact_level = Level(padded, 1, 13)
    exact = mean_of(exact_level)
    rows = [{"variant": "exact", "rms_levels": 0.0, "most_levels": 0.0} | timed(lambda: mean_of(exact_level), rounds)]
    for name, (cell_px, dtype) in VARIANTS.items():
        level = Level(padded, cell_px, 13, dtype)
        apart = (mean_of(level) - exact).abs() * 127.5
        laps = timed(lambda level=level: mean_of(level), rounds)
        rows.append({"variant": name, "rms_levels": float(apart.square().mean().sqrt()),
                     "most_levels": float(apart.max())} | laps)  # fmt: skip
    return rows


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--size", nargs="*", default=["256x256", "658x490"])
    options.add_argument("--count", type=int, default=40)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--photos", type=Path)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    keep_freed_memory()
    rows, others = [], []
    for size in given.size:
        width, height = map(int, size.split("x"))
        photos = (
            read_photos(given.photos, given.count, width, height)
            if given.photos
            else made_photos(given.count, width, height)
        )
        rows.append(measure(photos, given.rounds))
        others.append({"size": size, "rows": approximations(photos, min(given.rounds, 3))})
    machine = hardware(given.threads)
    if given.json:
        print(json.dumps({"rows": rows, "approximations": others, "hardware": machine}))
        return
    for row in rows:
        print(f"{row['photos']} photos of {row['size']}, n = {row['n']}")
        for part in ("register", "levels", "sample"):
            print(f"  {part:9} {row[part]['clock_s']:.2f} s by the clock ({row[part]['least_clock_s']:.2f} at the "
                  f"least), {row[part]['cpu_s']:.2f} s of the processor")  # fmt: skip
    for other in others:
        print(f"one posterior mean at the finest level, {other['size']}")
        for row in other["rows"]:
            print("  {variant:14} rms {rms_levels:.3f}, at most {most_levels:.2f} grey levels, {cpu_s:.3f} s of the "
                  "processor".format(**row))  # fmt: skip
    print(machine)


if __name__ == "__main__":
    main()
