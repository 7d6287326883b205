"""Inception features an image: our float32 route against the eager route of pytorch-fid, on the same inputs.

The other route: NCHW, batch norms of their own, batches of 16, torch as it starts. Ours: batch norms folded,
channels last, the tuned runtime. Weights are the real ones where they are, else random. Goal: at least 1.9 times as
many images a second. Float32 rounds either route by about 1e-6, so each is held against float64 as well. Resizing and
reading are timed in neither.

Usage: python benchmarks/inception_features.py [--images N] [--rounds N] [--threads N] [--random] [--json]
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from hardware import hardware
from torch import nn

from handful.core.device import start_runtime
from handful.core.errors import UserError
from handful.scores.features import BATCH_IMAGES, FeatureExtractor, load_network
from handful.scores.networks import NETWORKS, inception_2015

NETWORK = NETWORKS["inception-2015"]
PEER_BATCH_IMAGES = 16
EXACT_IMAGES = 4


def made_network(random: bool) -> tuple[nn.Module, str]:
    try:
        if not random:
            return load_network(NETWORK), "real"
    except UserError:
        pass  # no weights here: random ones cost the same
    torch.manual_seed(0)
    return inception_2015.build().eval().requires_grad_(False), "random"


def images_a_second(task: Callable[[], np.ndarray], images: int, rounds: int) -> list[float]:
    task()  # warm-up
    rates = []
    for _ in range(rounds):
        start = time.perf_counter()
        task()
        rates.append(images / (time.perf_counter() - start))
    return rates


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found.astype(np.float64) - expected) / np.linalg.norm(expected))


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--images", type=int, default=32)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--threads", type=int, default=None)
    options.add_argument("--random", action="store_true", help="random weights, whose features round less")
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    network, weights = made_network(given.random)
    shape = (given.images, 3, NETWORK.side_px, NETWORK.side_px)
    inputs = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)

    def peer() -> np.ndarray:
        with torch.inference_mode():
            batches = torch.from_numpy(inputs).split(PEER_BATCH_IMAGES)
            return torch.cat([network(batch) for batch in batches]).numpy()

    peer_rates, expected = images_a_second(peer, given.images, given.rounds), peer()

    start_runtime("cpu", precision="fp32", threads=given.threads)  # from here on: this setting stays in the process
    extractor = FeatureExtractor(NETWORK.name)
    extractor.module = extractor.made_ready(copy.deepcopy(network))

    def ours() -> np.ndarray:
        starts = range(0, given.images, BATCH_IMAGES)
        return np.concatenate([extractor(inputs[start : start + BATCH_IMAGES]) for start in starts])

    our_rates, found = images_a_second(ours, given.images, given.rounds), ours()
    with torch.inference_mode():
        exact = copy.deepcopy(network).double()(torch.from_numpy(inputs[:EXACT_IMAGES]).double()).numpy()
    rows = [
        {
            "route": name,
            "median_images_per_s": statistics.median(rates),
            "min_images_per_s": min(rates),
            "max_images_per_s": max(rates),
            "n": len(rates),
            "error": relative(features[:EXACT_IMAGES], exact),
        }
        for name, rates, features in (
            ("pytorch-fid's route", peer_rates, expected),
            ("handful", our_rates, found),
        )
    ]
    difference = relative(found, expected)
    ratio = statistics.median(our_rates) / statistics.median(peer_rates)
    where = hardware(torch.get_num_threads())
    if given.json:
        print(json.dumps({"rows": rows, "ratio": ratio, "difference": difference, "weights": weights} | where))
        return
    print(f"{given.images} images of {NETWORK.side_px} x {NETWORK.side_px}, {weights} weights")
    for row in rows:
        print(
            "{route:20} median {median_images_per_s:6.1f} images/s "
            "({min_images_per_s:.1f} to {max_images_per_s:.1f}, n = {n}), error against float64 {error:.1e}".format(
                **row
            )
        )
    print(f"ratio {ratio:.2f}, relative difference between the two {difference:.1e}   {where}")


if __name__ == "__main__":
    main()
