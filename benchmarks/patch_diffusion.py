"""What patch_diffusion costs on 40 aligned photos, and what its approximations change.

Seconds are of the processor (all threads together) and of the clock, median over rounds: preparing (registration
included), building the levels, a sample; and the most memory that this took beyond the photos handed over (Linux),
beside what was said before it started. Then, at the finest level, one posterior mean with weights on cells of 2 and
4 px and with photos in 16 bits, against the exact form with a weight for each pixel: largest and root mean square
difference in grey levels of 8 bits, and seconds.

The photos are made up: one scene of blobs and edges under 40 lights, with marks of their own. `--photos` takes yours.

Each --size, --count, --patch and --memory-mb may be given several times: every combination is measured, each in the
order given, so that one list with single values for the rest is a curve.

Usage: python benchmarks/patch_diffusion.py [--size 256x256 ...] [--count 40 ...] [--patch 13 ...] [--memory-mb N ...]
       [--rounds 5] [--threads 2] [--photos FOLDER] [--no-approximations] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import threading
import time
from collections.abc import Callable
from itertools import product
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
from handful.core.memory import return_freed
from handful.core.seeds import torch_stream
from handful.generators.base import ImageSpec
from handful.generators.patch_diffusion import PatchDiffusion, PatchDiffusionSettings
from handful.generators.patch_diffusion_parts.memory_plan import preparing_bytes
from handful.generators.patch_diffusion_parts.posterior import Level

STATM = Path("/proc/self/statm")
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


class PeakMemory:
    """The most memory of the process while it is open, beyond what it had before, in MB; None where nobody says."""

    mb: float | None = None

    def __enter__(self) -> PeakMemory:
        self._open = STATM.is_file()
        if self._open:
            return_freed()
            self._before = self._most = self._resident()
            self._watcher = threading.Thread(target=self._watch)
            self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._open:
            self._open = False
            self._watcher.join()
            self.mb = (self._most - self._before) / 1e6

    def _watch(self) -> None:
        while self._open:
            self._most = max(self._most, self._resident())
            time.sleep(0.005)

    @staticmethod
    def _resident() -> int:
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@torch.no_grad()
def measure(photos: Tensor, rounds: int, patch_px: int, memory_mb: int | None) -> dict[str, Any]:
    spec = ImageSpec(photos.shape[3], photos.shape[2], 3)
    settings = PatchDiffusionSettings(path="aligned", patch_px=patch_px, memory_mb=memory_mb)
    generator = PatchDiffusion(settings, spec, seed=0)
    found: dict[str, Any] = {
        "size": f"{spec.width}x{spec.height}", "photos": len(photos), "patch_px": patch_px, "memory_mb": memory_mb,
        "n": rounds,
    }  # fmt: skip
    with PeakMemory() as preparing:
        found["register"] = timed(lambda: generator.prepare(photos), 1)
    with PeakMemory() as drawing:
        found["levels"] = timed(generator.sampler, 1)
        generator.sample([0])  # warm-up
        seeds = iter(range(1, rounds + 1))
        found["sample"] = timed(lambda: generator.sample([next(seeds)]), rounds)
    found["preparing_mb"] = {"said": preparing_bytes(len(photos), *photos.shape[1:]) / 1e6, "peak": preparing.mb}
    kept = generator.store.pixels.nbytes / 1e6  # counted where it is said, and taken before drawing begins
    found["drawing_mb"] = {
        "said": generator.drawing_bytes() / 1e6, "peak": None if drawing.mb is None else drawing.mb + kept
    }  # fmt: skip
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
    options.add_argument("--count", type=int, nargs="*", default=[40])
    options.add_argument("--patch", type=int, nargs="*", default=[13])
    options.add_argument("--memory-mb", type=int, nargs="*", default=[None])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--photos", type=Path)
    options.add_argument("--no-approximations", action="store_true")
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    keep_freed_memory()
    rows, others = [], []
    for size, count in product(given.size, given.count):
        width, height = map(int, size.split("x"))
        photos = read_photos(given.photos, count, width, height) if given.photos else made_photos(count, width, height)
        for patch_px, memory_mb in product(given.patch, given.memory_mb):
            rows.append(measure(photos, given.rounds, patch_px, memory_mb))
        if not given.no_approximations:
            others.append({"size": size, "rows": approximations(photos, min(given.rounds, 3))})
    machine = hardware(given.threads)
    if given.json:
        print(json.dumps({"rows": rows, "approximations": others, "hardware": machine}))
        return
    for row in rows:
        limit = "" if row["memory_mb"] is None else f", memory_mb {row['memory_mb']}"
        print(f"{row['photos']} photos of {row['size']}, patch_px {row['patch_px']}{limit}, n = {row['n']}")
        for part in ("register", "levels", "sample"):
            print(f"  {part:9} {row[part]['clock_s']:.2f} s by the clock ({row[part]['least_clock_s']:.2f} at the "
                  f"least), {row[part]['cpu_s']:.2f} s of the processor")  # fmt: skip
        for part in ("preparing_mb", "drawing_mb"):
            peak = "not known" if row[part]["peak"] is None else f"{row[part]['peak']:.0f} MB"
            print(f"  {part[:-3]:9} said {row[part]['said']:.0f} MB, took {peak}")
    for other in others:
        print(f"one posterior mean at the finest level, {other['size']}")
        for row in other["rows"]:
            print("  {variant:14} rms {rms_levels:.3f}, at most {most_levels:.2f} grey levels, {cpu_s:.3f} s of the "
                  "processor".format(**row))  # fmt: skip
    print(machine)


if __name__ == "__main__":
    main()
