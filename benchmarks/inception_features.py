"""Inception features: our float32 route against the eager route of pytorch-fid, on the same inputs.

The other route: NCHW, batch norms of their own, batches of 16, torch as it starts. Ours: batch norms folded, channels
last but for the stem, ReLU within the convolutions, the tuned runtime. Goals: at least 1.9 times as many images a
second, and features equal to 1e-6. Each lap of each route runs in a process of its own, as the allocator setting holds
for a whole process; the processes take turns, so that a busy machine slows both. Processor seconds stand beside, as
they depend less on whatever else runs.

Float32 rounds either route, so each is held against float64 too: on noise and on rendered photos. Weights are the real
ones where they are, else random. Resizing and reading are timed in neither.

Usage: python benchmarks/inception_features.py [--images N] [--rounds N] [--threads N] [--random] [--json]
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from hardware import hardware
from torch import nn

from handful.core.decode import decode_photo
from handful.core.device import start_runtime
from handful.core.errors import UserError
from handful.core.images import Floats
from handful.features.extract import BATCH_IMAGES, FeatureExtractor, load_network, preprocess
from handful.features.networks import NETWORKS, inception_2015
from handful.sealer.station import render_station

NETWORK = NETWORKS["inception-2015"]
ROUTES = {"peer": "pytorch-fid's route", "ours": "handful"}
EXACT_IMAGES = 8

Route = Callable[[Floats], Floats]


def made_network(random: bool) -> tuple[nn.Module, str]:
    try:
        if not random:
            return load_network(NETWORK), "real"
    except UserError:
        pass  # no weights here: random ones cost the same
    torch.manual_seed(0)
    return inception_2015.build().eval().requires_grad_(False), "random"


def made_route(who: str, network: nn.Module, threads: int | None) -> Route:
    if who == "ours":
        start_runtime("cpu", precision="fp32", threads=threads)  # holds for the rest of the process
        extractor = FeatureExtractor(NETWORK.name)
        extractor.module = extractor.made_ready(copy.deepcopy(network))
        return extractor
    if threads:
        torch.set_num_threads(threads)

    def peer(inputs: Floats) -> Floats:
        with torch.inference_mode():
            features: Floats = network(torch.from_numpy(inputs)).numpy()
        return features

    return peer


def noise(images: int) -> Floats:
    shape = (images, 3, NETWORK.side_px, NETWORK.side_px)
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def photos(images: int) -> Floats:
    with tempfile.TemporaryDirectory() as folder:
        render_station(Path(folder) / "photos", images, seed=0, width=400, height=300)
        decoded = [decode_photo(path) for path in sorted((Path(folder) / "photos").glob("*.png"))]
    return np.stack([preprocess(photo.pixels, photo.bit_depth, NETWORK) for photo in decoded])


def lap(who: str, images: int, threads: int | None, random: bool) -> dict[str, float]:
    """Seconds and processor seconds of one pass over the images, after a warm-up, in this process."""
    route, inputs = made_route(who, made_network(random)[0], threads), noise(images)
    route(inputs[:BATCH_IMAGES])
    began, busy = time.perf_counter(), time.process_time()
    for first in range(0, images, BATCH_IMAGES):
        route(inputs[first : first + BATCH_IMAGES])
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    bound = images * multiplications() / product_rate()
    return {"seconds": seconds, "processor_seconds": busy, "bound_processor_seconds": bound}


def multiplications() -> int:
    """Of all convolutions, for one image."""
    counts: list[int] = []
    network = inception_2015.build().eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda conv, _, out: counts.append(out[0].numel() * conv.weight[0].numel()))
    with torch.inference_mode():
        network(torch.from_numpy(noise(1)))
    return sum(counts)


def product_rate() -> float:
    """Multiplications that a large float32 matrix product does in a processor second: all that convolutions, which are
    such products too, can hope for."""
    side = 2048
    left, right = torch.randn(2, side, side, generator=torch.Generator().manual_seed(0))
    best = float("inf")
    for _ in range(3):
        busy = time.process_time()
        torch.mm(left, right)
        best = min(best, time.process_time() - busy)
    return side**3 / best


def relative(found: Floats, expected: Floats) -> float:
    return float(np.linalg.norm(found.astype(np.float64) - expected) / np.linalg.norm(expected))


def errors(network: nn.Module, threads: int | None) -> list[dict[str, str | float]]:
    """How far each route is from float64, and from the other."""
    peer, ours = (made_route(who, network, threads) for who in ROUTES)
    double = copy.deepcopy(network).double()
    rows: list[dict[str, str | float]] = []
    for name, inputs in (("noise", noise(EXACT_IMAGES)), ("rendered photos", photos(EXACT_IMAGES))):
        with torch.inference_mode():
            exact = torch.cat([double(image[None]) for image in torch.from_numpy(inputs).double()]).numpy()
        theirs, mine = peer(inputs), ours(inputs)
        rows.append(
            {
                "inputs": name,
                "n": len(inputs),
                "peer_error": relative(theirs, exact),
                "our_error": relative(mine, exact),
                "difference": relative(mine, theirs),
            }
        )
    return rows


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--images", type=int, default=32)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--threads", type=int, default=None)
    options.add_argument("--random", action="store_true", help="random weights, whose features round less")
    options.add_argument("--json", action="store_true")
    options.add_argument("--lap", choices=ROUTES, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.images % BATCH_IMAGES:
        options.error(f"--images must be a multiple of {BATCH_IMAGES}")
    if given.lap:
        print(json.dumps(lap(given.lap, given.images, given.threads, given.random)))
        return
    laps: dict[str, list[dict[str, float]]] = {who: [] for who in ROUTES}
    for _ in range(given.rounds):
        for who in ROUTES:
            words = [sys.executable, __file__, *sys.argv[1:], "--lap", who]
            laps[who].append(json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True).stdout))
    rows = []
    for who, name in ROUTES.items():
        rates = [given.images / one["seconds"] for one in laps[who]]
        rows.append(
            {
                "route": name,
                "median_images_per_s": statistics.median(rates),
                "min_images_per_s": min(rates),
                "max_images_per_s": max(rates),
                "n": len(rates),
                "processor_s_per_image": statistics.median(one["processor_seconds"] for one in laps[who])
                / given.images,
                "share_of_bound": statistics.median(
                    one["bound_processor_seconds"] / one["processor_seconds"] for one in laps[who]
                ),
            }
        )
    pairs = list(zip(laps["peer"], laps["ours"], strict=True))
    ratios = {
        clock: [theirs[clock] / mine[clock] for theirs, mine in pairs] for clock in ("seconds", "processor_seconds")
    }
    network, weights = made_network(given.random)
    rounding = errors(network, given.threads)
    where = hardware(torch.get_num_threads())
    if given.json:
        print(json.dumps({"rows": rows, "ratios": ratios, "errors": rounding, "weights": weights} | where))
        return
    print(f"{given.images} images of {NETWORK.side_px} x {NETWORK.side_px}, {weights} weights")
    for row in rows:
        print(
            "{route:20} median {median_images_per_s:6.1f} images/s ({min_images_per_s:.1f} to "
            "{max_images_per_s:.1f}, n = {n}), {processor_s_per_image:.3f} processor seconds an image, "
            "{share_of_bound:.0%} of a matrix product's rate".format(**row)
        )
    for clock, values in ratios.items():
        print(f"ratio of {clock}: median {statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})")
    for one in rounding:
        print(
            "{inputs}, n = {n}: error against float64 {peer_error:.2e} of the usual route, {our_error:.2e} of ours, "
            "difference {difference:.2e}".format(**one)
        )
    print(where)


if __name__ == "__main__":
    main()
