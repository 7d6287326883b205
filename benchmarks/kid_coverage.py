"""How often KID's 95 % interval holds the truth with few photos.

Each round draws new samples and new photos from two known distributions of features; the truth comes from sets
so large that their own error does not count.

Usage: python benchmarks/kid_coverage.py [--photos N ...] [--samples M] [--rounds R] [--json]
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from hardware import hardware

from handful.scores import kid
from handful.scores.base import FeatureSets

TRUTH_IMAGES = 8_000
CASES = {"equal": (8, 0.0), "apart": (8, 0.5), "many dimensions, apart": (64, 0.3)}
"""Dimensions, and how far the samples are shifted in each."""


def kid_of(samples: np.ndarray, photos: np.ndarray) -> kid.Score:
    return kid.score(FeatureSets(samples, photos, photos, photos[:0]))


def coverage(dimensions: int, shift: float, photos: int, samples: int, rounds: int) -> float:
    """The share of rounds in which the interval holds the truth."""
    random = np.random.default_rng(0)
    spectrum = 1 / np.arange(1, dimensions + 1) ** 0.5

    def draw(images: int) -> np.ndarray:
        return 0.5 + random.normal(size=(images, dimensions)) * spectrum

    truth = kid_of(draw(TRUTH_IMAGES) + shift * spectrum, draw(TRUTH_IMAGES)).value if shift else 0.0
    held = 0
    for _ in range(rounds):
        score = kid_of(draw(samples) + shift * spectrum, draw(photos))
        assert score.low is not None and score.high is not None
        held += score.low <= truth <= score.high
    return held / rounds


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--photos", type=int, nargs="+", default=[10])
    options.add_argument("--samples", type=int, default=100)
    options.add_argument("--rounds", type=int, default=400)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()

    rows = [
        {"case": case, "photos": photos, "coverage": coverage(*made, photos, given.samples, given.rounds)}
        for case, made in CASES.items()
        for photos in given.photos
    ]
    if given.json:
        print(json.dumps({"rows": rows, "samples": given.samples, "rounds": given.rounds, "hardware": hardware()}))
        return
    for row in rows:
        print("{case:24} n = {photos:3}: {coverage:.1%}".format(**row), f"of {given.rounds} rounds")


if __name__ == "__main__":
    main()
