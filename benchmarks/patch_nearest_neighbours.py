"""gpnn and gpdm against plain loops of their papers' procedures, at equal results; what warp costs.

The plain loops follow the public programs' procedures, written here anew: for GPNN, squared distances by products in
blocks of 128, once for the completeness term and once more for the choice, in float32; for GPDM, projections by one
convolution, two sorts, autograd and Adam. Both sides start every pass from the same state (the plain loop's), so that
choices and gradients can be compared one by one. Photos of the rendered station in colour, shrunk, as the public
programs know no grey; one thread; seconds are CPU time of the process, which other work on the machine changes little.

Prints a JSON line for each part of each photo.

Usage: python benchmarks/patch_nearest_neighbours.py [--canvas 112] [--photos 2] [--steps 6]
    [--parts gpnn,gpdm,match,warp]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from hardware import hardware
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from handful.core.device import start_runtime
from handful.core.seeds import torch_stream
from handful.generators.base import ImageSpec
from handful.generators.gpdm import Gpdm, GpdmSettings
from handful.generators.gpdm_parts.matching import draw_kernels, gradient, measure_target
from handful.generators.gpnn import Gpnn, GpnnSettings
from handful.generators.gpnn_parts.patches import fold_patches, to_patches
from handful.generators.gpnn_parts.search import Basis, nearest
from handful.generators.singan_parts.pyramid import resize
from handful.generators.warp import Warp, WarpSettings
from handful.sealer.station import render_station

BATCH = 8
PLAIN_BLOCK = 128
Result = TypeVar("Result")


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    start = time.process_time()
    return work(), time.process_time() - start


def station_photos(count: int, width: int, height: int) -> Tensor:
    """(count, 3, height, width) in [-1, 1]."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "photos"
        render_station(folder, count, seed=0, width=4 * width, height=4 * height, colour=True)
        shots = [np.asarray(Image.open(file).convert("RGB"), dtype=np.float32) for file in sorted(folder.glob("*.png"))]
    images = torch.from_numpy(np.stack(shots)).permute(0, 3, 1, 2) / 127.5 - 1
    return resize(images, height, width)


def plain_distances(ours: Tensor, theirs: Tensor) -> Tensor:
    squares = (ours * ours).sum(1)[:, None] + (theirs * theirs).sum(1)[None]
    return (squares - 2 * ours @ theirs.T) / ours.shape[1]


def plain_choice(queries: Tensor, keys: Tensor, alpha: float) -> Tensor:
    """The key of each query, as GPNN's equations 1 and 2 say, without holding all pairs at once."""
    least = torch.cat([plain_distances(queries, some).amin(0) for some in keys.split(PLAIN_BLOCK)])
    return torch.cat([(plain_distances(some, keys) / (alpha + least)).argmin(1) for some in queries.split(PLAIN_BLOCK)])


def excess(queries: Tensor, keys: Tensor, alpha: float, ours: Tensor, plain: Tensor) -> float:
    """The largest amount by which the plain choice's score, in float64, lies below ours, as a share of ours."""
    least = torch.full((len(keys),), torch.inf, dtype=torch.float64)
    wide, narrow = queries.double(), keys.double()
    for some in wide.split(PLAIN_BLOCK):
        least = torch.minimum(least, plain_distances(some, narrow).amin(0))
    ours_score, plain_score = (
        (wide - narrow[chosen]).square().mean(1) / (alpha + least[chosen].clamp(min=0)) for chosen in (ours, plain)
    )
    return float(((ours_score - plain_score) / ours_score.clamp(min=1e-12)).max())


def compare_gpnn(photo: Tensor, seed: int) -> dict[str, Any]:
    """One sample by both ways, pass by pass from the same states."""
    settings = GpnnSettings()
    height, width = photo.shape[2:]
    sizes = Gpnn(settings, ImageSpec(width, height, 3), 0).sizes
    noise = torch.randn(1, 1, *sizes[0], generator=torch_stream(seed, "benchmark/gpnn"))
    image, coarser = resize(photo, *sizes[0]) + settings.noise * noise, resize(photo, *sizes[0])
    plain_s = ours_s = 0.0
    equal, worst, plain_passes, our_passes = [], 0.0, [], []
    for level, size in enumerate(sizes):
        values_image = resize(photo, *size)
        image = resize(image, *size) if level else image
        values = to_patches(values_image, settings.patch_px)
        basis, basis_s = timed(lambda values=values: Basis(values))
        ours_s += basis_s
        places: Tensor | None = None
        queried: Tensor | None = None
        for number in range(settings.passes):
            keys = to_patches(resize(coarser, *size), settings.patch_px) if level and not number else values
            queries = to_patches(image, settings.patch_px)

            def choose(
                queries: Tensor = queries,
                keys: Tensor = keys,
                basis: Basis = basis,
                before: tuple[Tensor | None, Tensor | None] = (places, queried),
            ) -> tuple[Tensor, Tensor]:
                described, known = basis.describe(queries), basis.describe(keys)
                nearest_query, distances = nearest(known, described, guess=before[1])
                weights = 1 / (settings.alpha * keys.shape[1] + distances)
                return nearest(described, known, weights, before[0])[0], nearest_query

            (places, queried), our_pass = timed(choose)
            plain, plain_pass = timed(lambda q=queries, k=keys: plain_choice(q, k, settings.alpha))
            ours_s, plain_s = ours_s + our_pass, plain_s + plain_pass
            equal.append(float((places == plain).double().mean()))
            if level == len(sizes) - 1:
                plain_passes.append(plain_pass)
                our_passes.append(our_pass)
                worst = max(worst, excess(queries, keys, settings.alpha, places, plain))
            image = fold_patches(values, plain, *size, settings.patch_px)
            if level and not number:
                places = queried = None
        coarser = values_image
    generator = Gpnn(settings, ImageSpec(width, height, 3), 0)
    generator.prepare(photo)
    whole_s = timed(lambda: generator.sample([seed]))[1]  # passes end where nothing changes any more
    return {
        "plain_s": plain_s,
        "ours_s": ours_s,
        "ratio": plain_s / ours_s,
        "ours_whole_sample_s": whole_s,
        "ratio_whole_sample": plain_s / whole_s,
        "finest_ratio_by_pass": [plain / our for plain, our in zip(plain_passes, our_passes, strict=True)],
        "equal_choices_least": min(equal),
        "equal_choices_mean": statistics.fmean(equal),
        "ours_above_plain_score_at_most": worst,
    }


def plain_distance(image: Tensor, photo: Tensor, kernels: Tensor) -> Tensor:
    ours, theirs = (F.conv2d(one, kernels)[0].flatten(1) for one in (image, photo))
    return (ours.sort(1).values - theirs.sort(1).values).abs().mean()


def compare_gpdm(photo: Tensor, seed: int, steps: int) -> dict[str, Any]:
    """A few steps at every level by both ways; time is for all of the paper's steps, gradients step by step."""
    settings = GpdmSettings()
    height, width = photo.shape[2:]
    sizes = Gpdm(settings, ImageSpec(width, height, 3), 0).sizes
    image = settings.noise * torch.randn(1, 1, *sizes[0], generator=torch_stream(seed, "benchmark/gpdm"))
    image = image.expand(1, 3, *sizes[0]).clone()
    seconds = dict.fromkeys(("plain", "target", "gradient"), 0.0)
    errors: dict[str, list[float]] = {"sorted": [], "counted": []}
    for level, size in enumerate(sizes):
        image = resize(image, *size).requires_grad_()
        target_photo = resize(photo, *size)
        optimiser = torch.optim.Adam([image], lr=settings.learning_rate)
        for step in range(steps):
            random = torch_stream(level, "benchmark/kernels", step)
            kernels = draw_kernels(settings.projections, 3, settings.patch_px, random)

            def plain_step(image: Tensor = image, photo: Tensor = target_photo, kernels: Tensor = kernels) -> None:
                plain_distance(image, photo, kernels).backward()

            _, plain_s = timed(plain_step)
            with torch.no_grad():
                target, target_s = timed(lambda p=target_photo, k=kernels: measure_target(p, k, settings.bins))
                counted, gradient_s = timed(lambda i=image.detach(), t=target: gradient(i, t))
                exact = gradient(image.detach(), measure_target(target_photo, kernels, 0))
            assert image.grad is not None
            for word, slope in (("sorted", exact), ("counted", counted)):
                errors[word].append(float((slope - image.grad).norm() / image.grad.norm()))
            _, adam_s = timed(optimiser.step)
            optimiser.zero_grad()
            if step:  # the first step of each level warms up
                for word, spent in (("plain", plain_s), ("target", target_s), ("gradient", gradient_s)):
                    seconds[word] += (spent + adam_s * (word != "target")) * settings.steps / (steps - 1)
        image = image.detach()
    return {
        "plain_s": seconds["plain"],
        "ours_s": seconds["target"] + seconds["gradient"],
        "ratio": seconds["plain"] / (seconds["target"] + seconds["gradient"]),
        f"ours_in_a_batch_of_{BATCH}_s": seconds["target"] / BATCH + seconds["gradient"],
        f"ratio_in_a_batch_of_{BATCH}": seconds["plain"] / (seconds["target"] / BATCH + seconds["gradient"]),
        "gradient_error_sorted_mean": statistics.fmean(errors["sorted"]),
        "gradient_error_counted_mean": statistics.fmean(errors["counted"]),
        "gradient_error_counted_most": max(errors["counted"]),
    }


def match_both_ways(photo: Tensor, seed: int) -> dict[str, float]:
    """The distance that a whole small run ends at, counted in bins and sorted, under projections of its own."""
    small = resize(photo, 44, 58)
    kernels = draw_kernels(256, 3, 7, torch_stream(0, "benchmark/judge"))
    found = {}
    for word, bins in (("counted", 4096), ("sorted", 0)):
        generator = Gpdm(GpdmSettings(bins=bins, steps=100, learning_rate=0.03), ImageSpec(58, 44, 3), 0)
        generator.prepare(small)
        found[f"distance_{word}"] = float(plain_distance(generator.sample([seed]), small, kernels))
    return found


def time_warp(width: int, height: int) -> dict[str, Any]:
    generator = Warp(WarpSettings(), ImageSpec(width, height, 1), 0)
    generator.prepare(torch.rand(2, 1, height, width, generator=torch_stream(0, "benchmark/warp")) * 2 - 1)
    seconds = [timed(lambda seed=seed: generator.sample([seed]))[1] for seed in range(21)][1:]
    return {"canvas": f"{width}x{height}", "n": 20, "median_s": statistics.median(seconds), "most_s": max(seconds)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--canvas", type=int, default=112, help="width in pixels; the height is 3/4 of it")
    parser.add_argument("--photos", type=int, default=2)
    parser.add_argument("--steps", type=int, default=6, help="of gpdm at each level, the first not counted")
    parser.add_argument("--parts", default="gpnn,gpdm,match,warp")
    words = parser.parse_args()
    start_runtime("cpu", "fp32", threads=1)
    width, height = words.canvas, words.canvas * 3 // 4
    photos = station_photos(words.photos, width, height)
    parts = words.parts.split(",")
    print(json.dumps({"hardware": hardware(1), "canvas": f"{width}x{height}", "photos": words.photos}), flush=True)
    for seed, photo in enumerate(photos.split(1)):
        if "gpnn" in parts:
            print(json.dumps({"gpnn": seed} | compare_gpnn(photo, seed)), flush=True)
        if "gpdm" in parts:
            print(json.dumps({"gpdm": seed} | compare_gpdm(photo, seed, words.steps)), flush=True)
        if "match" in parts:
            print(json.dumps({"match": seed} | match_both_ways(photo, seed)), flush=True)
    if "warp" in parts:
        for canvas in ((256, 192), (658, 490)):
            print(json.dumps({"warp": time_warp(*canvas)}), flush=True)


if __name__ == "__main__":
    main()
