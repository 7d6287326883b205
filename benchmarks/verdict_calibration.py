"""Does the judge hold what it states? Levels of its tests, coverage of its intervals, power against its power page.

Two worlds with a known truth: Gaussian features, and 400 photos of the rendered station seen by efficientnet-lite0
(drawn with replacement, so that these 400 are the whole population). Nothing here is trained.

- `same`: both generators draw from the population itself, real against real.
- `other faults`: each has a fault of its own, and both are equally far from the population: no difference on
  average, but one on any few photos.

Usage: python benchmarks/verdict_calibration.py [--rounds R] [--features FILE] [--photos FOLDER] [--figure SVG] [--json]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
from hardware import hardware

from handful.scores import kid
from handful.scores.base import FeatureSets
from handful.statistics.binomial import share_limits
from handful.statistics.bootstrap import hierarchical_means, percentile_interval
from handful.statistics.crossed import Effect, crossed_effect
from handful.statistics.paired import corrected_t_p, holm, sign_flip_p
from handful.statistics.power import LEVEL, paired_power, simulated_power, t_power

Array = np.ndarray
DESIGNS = {"10 seeds, 1 fold": (10, 1), "2 seeds, 5 folds": (2, 5), "4 seeds, 5 folds": (4, 5)}
SAMPLES = 100
PHOTOS = 40
HELDOUT = 10
"""With one fold; with five, every photo is held out once."""


class GaussianWorld:
    """16 features with a falling spectrum; a generator's fault shifts one of the first two axes, which are alike."""

    name = "random features"
    dimensions = 16

    def __init__(self) -> None:
        self.scale = 1 / np.arange(1, self.dimensions + 1) ** 0.5
        self.scale[1] = self.scale[0]

    def draw(self, random: np.random.Generator, images: int, axis: int | None = None, fault: float = 0.0) -> Array:
        rows = 0.5 + random.normal(size=(images, self.dimensions)) * self.scale
        if axis is not None:
            rows[:, axis] += fault * self.scale[axis]
        return rows

    def kernel(self, first: Array, second: Array) -> Array:
        return (first @ second.T / self.dimensions + 1) ** 3

    def features(self, images: Array) -> Array:
        return images


class StationWorld:
    """Photos of the rendered station; a generator's fault is to draw one kind of photo more often than it should.

    Kinds are the two sides of the first and of the second principal component; the faults are made equally large.
    """

    name = "rendered station"

    def __init__(self, features: Array) -> None:
        # the same inner products by image, in as many dimensions as there are images: sooner
        left, lengths, _ = np.linalg.svd(features, full_matrices=False)
        self.rows = left * lengths * (len(lengths) / features.shape[1]) ** 0.5
        self.gram = (features @ features.T / features.shape[1] + 1) ** 3
        axes = np.linalg.svd(features - features.mean(0), full_matrices=False)[0][:, :2]
        self.sides = [np.sign(axis - np.median(axis)) / len(features) for axis in axes.T]
        lengths = [float(side @ self.gram @ side) ** 0.5 for side in self.sides]
        self.sides = [side * min(lengths) / length for side, length in zip(self.sides, lengths, strict=True)]

    def draw(self, random: np.random.Generator, images: int, axis: int | None = None, fault: float = 0.0) -> Array:
        share = np.full(len(self.rows), 1 / len(self.rows))
        if axis is not None:
            share = share + fault * self.sides[axis]
        return random.choice(len(share), images, p=share / share.sum())

    def distance(self, fault: float) -> float:
        """The true squared distance of samples with this fault."""
        return fault**2 * float(self.sides[0] @ self.gram @ self.sides[0])

    def kernel(self, first: Array, second: Array) -> Array:
        return self.gram[np.ix_(first, second)]

    def features(self, images: Array) -> Array:
        return self.rows[images]


World = GaussianWorld | StationWorld


def station_features(photos: Path, kept: Path) -> Array:
    """Features (400, 1280) of the rendered station at 128 x 96 px, made once and kept in a file."""
    if kept.exists():
        return np.load(kept)
    import torch
    from PIL import Image

    from handful.core.images import pixels_sha256
    from handful.features.extract import FeatureExtractor, extract_features
    from handful.scores.base import ImageSet
    from handful.sealer.station import render_station

    torch.set_num_threads(1)
    paths = render_station(photos, 400, 0, 128, 96)
    pixels = [np.asarray(Image.open(path)) for path in paths]
    hashes = tuple(pixels_sha256(one) for one in pixels)
    images = ImageSet(tuple(path.name for path in paths), hashes, 8, lambda row: pixels[row])
    features = extract_features(images, FeatureExtractor("efficientnet-lite0"))
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.save(kept, features)
    return features


def added_by_photos(world: World, samples: Array, photos: Array) -> Array:
    """What each photo adds to KID, but for the part that all generators share."""
    among = world.kernel(samples, samples)
    within = (among.sum() - np.trace(among)) / (len(samples) * (len(samples) - 1))
    return within - 2 * world.kernel(photos, samples).mean(1)


def tables(
    world: World,
    random: np.random.Generator,
    seeds: int,
    folds: int,
    faults: tuple[tuple[int | None, float], ...],
    held: int | None = None,
) -> list[Array]:
    """One comparison: for each fold what photos add for each generator and seed, (generators, seeds, photos)."""
    held = held or (HELDOUT if folds == 1 else PHOTOS // folds)
    made = []
    for _ in range(folds):
        photos = world.draw(random, held)
        made.append(
            np.array(
                [
                    [added_by_photos(world, world.draw(random, SAMPLES, axis, fault), photos) for _ in range(seeds)]
                    for axis, fault in faults
                ]
            )
        )
    return made


def differences(made: list[Array], first: int = 0, second: int = 1) -> list[Array]:
    return [table[first] - table[second] for table in made]


def tested(found: list[Array]) -> tuple[float, Effect]:
    """p of the sign flips, and the crossed effect."""
    effect = crossed_effect(found)
    assert effect is not None
    return sign_flip_p([float(value) for table in found for value in table.mean(1)]), effect


def row(what: str, world: str, case: str, hits: int, rounds: int, stated: float, judge: str) -> dict[str, object]:
    low, high = share_limits(hits, rounds)
    return {
        "what": what, "world": world, "case": case, "share": hits / rounds, "low": low, "high": high,
        "rounds": rounds, "stated": stated, "read": judge,
    }  # fmt: skip


def levels(world: World, rounds: int) -> Iterator[dict[str, object]]:
    """How often each test finds a difference where there is none."""
    fault = 0.7 if isinstance(world, GaussianWorld) else 0.8
    nulls = {"same": ((None, 0.0),) * 2, "other faults": ((0, fault), (1, fault))}
    for design, (seeds, folds) in DESIGNS.items():
        for case, faults in nulls.items():
            random = np.random.default_rng(1)
            names = ["sign flips of runs", "crossed t over photos and runs", "both (the verdict)"]
            hits = dict.fromkeys(names, 0)
            hits |= {"corrected t over folds": 0} if folds >= 5 else {}
            for _ in range(rounds):
                found = differences(tables(world, random, seeds, folds, faults))
                flips, effect = tested(found)
                hits["sign flips of runs"] += flips < LEVEL
                hits["crossed t over photos and runs"] += effect.p < LEVEL
                hits["both (the verdict)"] += max(flips, effect.p) < LEVEL
                if folds >= 5:
                    means = [float(table.mean()) for table in found]
                    hits["corrected t over folds"] += corrected_t_p(means, 1 / folds) < LEVEL
            for name, count in hits.items():
                yield row(name, world.name, f"{case}, {design}", count, rounds, LEVEL, "level")
    random, count = np.random.default_rng(2), 0
    for _ in range(rounds):  # three equal generators, Holm over their three pairs
        made = tables(world, random, 10, 1, ((None, 0.0),) * 3)
        found = holm([tested(differences(made, a, b))[0] for a, b in combinations(range(3), 2)])
        count += any(value is not None and value < LEVEL for value in found)
    yield row(
        "any of 3 pairs, sign flips and Holm", world.name, "same, 10 seeds, 1 fold", count, rounds, LEVEL, "level"
    )


def training_luck(world: World, rounds: int) -> Iterator[dict[str, object]]:
    """The limit of any claim: faults that come from the training photos, of which folds share most.

    Each generator repeats its training photos with noise and moves them along its own axis by three times what their
    mean is off there: over all sets of photos both are equally good, on one set one of them is better.
    """
    if not isinstance(world, GaussianWorld):
        return
    for design, (seeds, folds) in DESIGNS.items():
        random, hits = np.random.default_rng(8), {"both (the verdict)": 0, "corrected t over folds": 0}
        for _ in range(rounds):
            photos = world.draw(random, PHOTOS)
            found = []
            for fold in range(folds):
                held = np.arange(fold, PHOTOS, folds) if folds > 1 else np.arange(HELDOUT)
                training, sides = np.delete(photos, held, axis=0), []
                for axis in (0, 1):
                    move = 3 * (training[:, axis].mean() - 0.5) * np.eye(world.dimensions)[axis]
                    drawn = [training[random.integers(len(training), size=SAMPLES)] for _ in range(seeds)]
                    noise = [0.3 * (world.draw(random, SAMPLES) - 0.5) for _ in range(seeds)]
                    made = [one + other + move for one, other in zip(drawn, noise, strict=True)]
                    sides.append(np.array([added_by_photos(world, one, photos[held]) for one in made]))
                found.append(sides[0] - sides[1])
            flips, effect = tested(found)
            hits["both (the verdict)"] += max(flips, effect.p) < LEVEL
            if folds >= 5:
                means = [float(table.mean()) for table in found]
                hits["corrected t over folds"] += corrected_t_p(means, 1 / folds) < LEVEL
        for name, count in hits.items():
            if name == "both (the verdict)" or folds >= 5:
                yield row(name, world.name, f"luck of training, {design}", count, rounds, LEVEL, "limit")


def kid_coverage(world: World, rounds: int) -> Iterator[dict[str, object]]:
    """How often KID's interval holds the true distance."""
    gaussian = isinstance(world, GaussianWorld)
    for fault in (0.0, 0.5, 1.0) if gaussian else (0.0, 0.4, 0.8):
        truth = gaussian_distance(world, fault) if isinstance(world, GaussianWorld) else world.distance(fault)
        for photos in (10, 20, 40):
            for samples in (100, 1000):
                random, hits = np.random.default_rng(3), 0
                least = rounds if samples < 1000 else max(20, rounds // 5)
                for _ in range(least):
                    x = world.features(world.draw(random, samples, 0, fault))
                    y = world.features(world.draw(random, photos))
                    score = kid.score(FeatureSets(x, y, y, y[:0]))
                    assert score.low is not None and score.high is not None
                    hits += score.low <= truth <= score.high
                case = f"fault {fault:g}, n = {photos}, m = {samples}"
                yield row("KID's interval", world.name, case, hits, least, 0.95, "coverage")


def gaussian_distance(world: GaussianWorld, fault: float) -> float:
    """The true squared distance under the cubic kernel: for one image x, the other integrates out in closed form."""
    if fault == 0:
        return 0.0
    random, d = np.random.default_rng(4), world.dimensions
    shift = np.zeros(d)
    shift[0] = fault * world.scale[0]
    draws = random.normal(size=(400_000, d)) * world.scale
    draws = np.concatenate([draws, -draws])

    def mean_kernel(of: Array, other: Array) -> float:
        a = (draws + of) @ other / d + 1
        b = ((draws + of) * world.scale / d) ** 2 @ np.ones(d)
        return float((a**3 + 3 * a * b).mean())

    real = np.full(d, 0.5)
    made = real + shift
    return mean_kernel(made, made) + mean_kernel(real, real) - mean_kernel(made, real) - mean_kernel(real, made)


def effect_coverage(world: World, rounds: int) -> Iterator[dict[str, object]]:
    """How often the interval of a difference holds the truth, and the bootstrap's beside it."""
    gaussian = isinstance(world, GaussianWorld)
    fault = 0.7 if gaussian else 0.8

    def true_distance(size: float) -> float:
        return gaussian_distance(world, size) if isinstance(world, GaussianWorld) else world.distance(size)

    truth = true_distance(fault) - true_distance(fault / 2)
    for design, (seeds, folds) in DESIGNS.items():
        random, crossed, resampled = np.random.default_rng(5), 0, 0
        for _ in range(rounds):
            made = tables(world, random, seeds, folds, ((0, fault), (1, fault / 2)))
            effect = crossed_effect(differences(made))
            assert effect is not None
            low, high = effect.interval()
            crossed += low <= truth <= high
            means = hierarchical_means(made, random, rounds=400)
            low, high = percentile_interval(means[0] - means[1])
            resampled += low <= truth <= high
        yield row("interval of a difference", world.name, design, crossed, rounds, 0.95, "coverage")
        yield row("the same by bootstrap", world.name, design, resampled, rounds, 0.95, "coverage")
    large = 1.5 if gaussian else 1.0
    truth = true_distance(large)
    for design, (seeds, folds) in DESIGNS.items():  # the truth lies on the margin, so that there is no equivalence
        random, surely = np.random.default_rng(7), 0
        for _ in range(rounds):
            effect = crossed_effect(differences(tables(world, random, seeds, folds, ((0, large), (None, 0)))))
            assert effect is not None
            surely += effect.equivalence_p(truth) < LEVEL
        yield row("equivalence at its margin", world.name, design, surely, rounds, LEVEL, "level")


def power(world: World, rounds: int) -> Iterator[dict[str, object]]:
    """A generator planted as better is found as often as the power page says."""
    random = np.random.default_rng(6)
    for pairs, effect in ((10, 1.0), (10, 1.48), (20, 0.66)) if isinstance(world, GaussianWorld) else ():
        found = simulated_power(effect, pairs, random, rounds)
        stated = paired_power(effect, pairs)
        yield row("planted effect, sign flips", "normal", f"{effect:g} SD, {pairs} runs", round(found * rounds), rounds,
                  stated, "power")  # fmt: skip
    gaussian = isinstance(world, GaussianWorld)
    for fault in (0.4, 0.6, 0.9) if gaussian else (0.3, 0.5, 0.7):
        planted: tuple[tuple[int | None, float], ...] = ((0, fault), (None, 0.0))
        runs = np.array([table.mean() for table in differences(tables(world, random, 1, 2000, planted, HELDOUT))])
        effect = abs(float(runs.mean())) / float(runs.std(ddof=1))
        hits = 0
        for _ in range(rounds):
            found = differences(tables(world, random, 1, 10, planted, HELDOUT))
            hits += sign_flip_p([float(table.mean()) for table in found]) < LEVEL
        yield row("planted fault, sign flips", world.name, f"{effect:.2f} SD of a run, 10 runs", hits, rounds,
                  paired_power(effect, 10), "power")  # fmt: skip
    for fault in (0.25, 0.4, 0.6) if gaussian else (0.3, 0.45, 0.6):
        planted = ((0, fault), (None, 0.0))
        columns = differences(tables(world, random, 20, 1, planted, 4000))[0].mean(0)
        effect = abs(float(columns.mean())) / float(columns.std(ddof=1))
        hits = 0
        for _ in range(rounds):
            found = differences(tables(world, random, 20, 1, planted, PHOTOS))
            measured = crossed_effect(found)
            assert measured is not None
            hits += measured.p < LEVEL
        yield row("planted fault, crossed t", world.name, f"{effect:.2f} SD of a photo, 40 photos", hits, rounds,
                  t_power(effect, PHOTOS, LEVEL), "power")  # fmt: skip


def draw_figure(rows: list[dict[str, object]], path: Path) -> None:
    """Every share with its 95 % limits: levels on the left, coverages on the right."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams["svg.fonttype"] = "none"
    figure = Figure(figsize=(9, 7.5), layout="constrained")
    for place, (read, band, title) in enumerate(
        (
            ("level", (0.035, 0.065), "found where there is nothing"),
            ("coverage", (0.93, 0.97), "truth inside the interval"),
        )
    ):
        axes = figure.add_subplot(1, 2, place + 1)
        shown = [one for one in rows if one["read"] == read]
        axes.axvspan(*band, color="#d9dee0")
        for height, one in enumerate(reversed(shown)):
            colour = "#0f6a73" if one["world"] == "rendered station" else "#1c2326"
            axes.plot([one["low"], one["high"]], [height] * 2, color=colour, linewidth=1)
            axes.plot(one["share"], height, "o", color=colour, markersize=3)
        axes.set_yticks(range(len(shown)), [f"{one['what']}: {one['case']}" for one in reversed(shown)], fontsize=4.5)
        axes.set_title(title, fontsize=8)
        axes.set_xlabel("black: random features, green: rendered station; grey: what is asked for", fontsize=6)
        axes.tick_params(axis="x", labelsize=6)
        if read == "coverage":
            axes.set_xlim(0.85, 1.0)
    figure.savefig(path, metadata={"Date": None})


PARTS: dict[str, Callable[[World, int], Iterator[dict[str, object]]]] = {
    "levels": levels, "training": training_luck, "kid": kid_coverage, "effects": effect_coverage, "power": power,
}  # fmt: skip


WORDS = "{what:38} {world:17} {case:36} {share:6.1%} [{low:.1%}, {high:.1%}] of {rounds}, stated {stated:.1%}"


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=1000)
    options.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    options.add_argument("--features", type=Path, default=Path.home() / ".cache/handful/station-400.npy")
    options.add_argument("--photos", type=Path, default=Path.home() / ".cache/handful/station-400")
    options.add_argument("--figure", type=Path)
    options.add_argument("--read", type=Path, nargs="+", help="what --json printed before, instead of measuring")
    options.add_argument("--json", action="store_true")
    given = options.parse_args()

    if given.read:
        rows = [one for file in given.read for one in json.loads(file.read_text())["rows"]]
        for one in rows:
            print(WORDS.format(**one))
        draw_figure(rows, given.figure)
        return
    worlds: list[World] = [GaussianWorld(), StationWorld(station_features(given.photos, given.features))]
    rows = []
    for part in given.parts:
        for world in worlds:
            for one in PARTS[part](world, given.rounds):
                rows.append(one)
                if not given.json:
                    print(WORDS.format(**one), flush=True)
    if given.figure:
        draw_figure(rows, given.figure)
    if given.json:
        print(json.dumps({"rows": rows, "hardware": hardware()}))


if __name__ == "__main__":
    main()
