"""Do the intervals on score cards hold what they state? Every score that compares features, and swd, drawn many times.

A score has no truth apart from itself where it is biased (fid, recall, ...), so an interval is asked whether it holds
the mean of the score over all draws of photos and samples: what other photos and samples of the same kind would give.
World of features: Gaussian, 16 dimensions with a falling spectrum, half rectified as features of networks are. World of
images: smooth pictures of 32 px whose light and grain vary. Each round draws new photos, of which a quarter is held
out, and new samples; a fault shifts the samples.

Usage: python benchmarks/interval_coverage.py [--photos 40] [--samples 100] [--rounds 300] [--fault 0] [--scores A,B]
           [--json]
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
from hardware import hardware
from scipy import ndimage

from handful.core import registry
from handful.core.artifacts import Score
from handful.core.images import pixels_sha256
from handful.features.image_set import ImageSet
from handful.scores.base import FeatureSets, ImageSets
from handful.scores.protocol import score_names
from handful.statistics.binomial import share_limits

DIMENSIONS, SIDE_PX = 16, 32
IMAGE_SCORES = ("swd",)


def features(random: np.random.Generator, count: int, fault: float) -> np.ndarray:
    spectrum = 1 / np.arange(1, DIMENSIONS + 1) ** 0.5
    drawn = random.normal(size=(count, DIMENSIONS)) * spectrum
    drawn[:, 0] += fault
    return np.maximum(drawn + 0.3, 0) + 0.1 * drawn


def pictures(random: np.random.Generator, count: int, fault: float, name: str) -> ImageSet:
    grain = ndimage.gaussian_filter(random.normal(size=(count, SIDE_PX, SIDE_PX)), (0, 2, 2)) * 100
    light = 110 + 20 * random.normal(size=(count, 1, 1)) + 20 * fault
    pixels = [np.ascontiguousarray(one) for one in np.clip(grain + light, 0, 255).astype(np.uint8)]
    names = tuple(f"{name}{row:04}" for row in range(count))
    return ImageSet(names, tuple(map(pixels_sha256, pixels)), 8, pixels.__getitem__, None, 1)


def ask(name: str, photos: int, samples: int, fault: float, number: int) -> Score:
    """One draw of everything; the same for all scores of one world."""
    random = np.random.default_rng([number, photos, samples])
    held = photos // 4
    if name in IMAGE_SCORES:
        seen, heldout = pictures(random, photos - held, 0, "seen"), pictures(random, held, 0, "held")
        drawn = pictures(random, samples, fault, "drawn")
        sets: Any = ImageSets(drawn, heldout, seen, heldout, (None,) * samples, lambda _: {}, lambda *_: None)
    else:
        seen, heldout = features(random, photos - held, 0), features(random, held, 0)
        sets = FeatureSets(features(random, samples, fault), heldout, seen, heldout)
    found = registry.load("scores", name).score(sets)
    assert isinstance(found, Score)
    return found


def measure(name: str, photos: int, samples: int, fault: float, rounds: int) -> dict[str, Any]:
    start = time.perf_counter()
    found = [ask(name, photos, samples, fault, number) for number in range(rounds)]
    told = [one for one in found if one.low is not None and one.high is not None]
    truth = float(np.mean([one.value for one in found]))
    below = sum(one.high < truth for one in told if one.high is not None)
    above = sum(one.low > truth for one in told if one.low is not None)
    held = len(told) - below - above
    low, high = share_limits(held, len(told)) if told else (0.0, 1.0)
    return {
        "mean": truth,
        "deviation": float(np.std([one.value for one in found], ddof=1)),
        "half_width": float(np.mean([(one.high - one.low) / 2 for one in told])) if told else None,
        "coverage": held / len(told) if told else None,
        "coverage_limits": [low, high],
        "truth_above": below / max(1, len(told)),
        "truth_below": above / max(1, len(told)),
        "rounds": len(told),
        "seconds": time.perf_counter() - start,
    }


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--photos", type=int, default=40)
    options.add_argument("--samples", type=int, default=100)
    options.add_argument("--rounds", type=int, default=300)
    options.add_argument("--fault", type=float, default=0.0)
    options.add_argument("--scores", default="")
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args()
    names = chosen.scores.split(",") if chosen.scores else [*score_names("inception-2015"), *IMAGE_SCORES]
    results = {}
    for name in names:
        results[name] = measure(name, chosen.photos, chosen.samples, chosen.fault, chosen.rounds)
        if not chosen.json:
            print(name, json.dumps(results[name]), flush=True)
    if chosen.json:
        asked = {"photos": chosen.photos, "samples": chosen.samples, "fault": chosen.fault}
        print(json.dumps({"hardware": hardware(), **asked, "scores": results}))


if __name__ == "__main__":
    main()
