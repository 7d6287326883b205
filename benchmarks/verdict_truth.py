"""The verdict from 40 photos against the truth from all: how often is it right, wrong, undecided?

On the rendered station as many photos can be drawn as one likes. Generators that need no training and whose faults are
known draw from pools of images: more photos of the same station (no fault), stations with one parameter shifted,
blurred photos; `classic` at two strengths changes the training photos of each fold. The population is a set of rendered
photos, of which each repetition draws 40; the distance of every generator to the whole population is computed without
error, so every verdict can be checked. 64 x 48 px, features of efficientnet-lite0, 40 photos in 4 folds (30 to learn
from, 10 held out), 3 seeds: 12 paired runs of 100 samples.

Features are kept in a folder and made in parts: --make goes on where it was and stops after --seconds; more --photos
are added to those that are there.

Usage: python benchmarks/verdict_truth.py --photos N --make [--seconds S]
       python benchmarks/verdict_truth.py --photos N [--repeats R] [--figure SVG] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from hardware import hardware

from handful.core.artifacts import ScoreCard
from handful.report.verdict import judge
from handful.scores import kid
from handful.scores.base import FeatureSets
from handful.statistics.binomial import share_limits

Array = np.ndarray
WIDTH_PX, HEIGHT_PX = 64, 48
PHOTOS, FOLDS, SEEDS, SAMPLES = 40, 4, 3, 100
BATCH = 50


@dataclass(frozen=True)
class Pool:
    """Images whose features are kept; `image` gives one by number, float (h, w) in [-1, 1]."""

    images: int
    image: Callable[[int], Array]


def station(changes: dict[str, object], first: int, seed: int = 0) -> Callable[[int], Array]:
    """Photos of the station from number `first` on, with some of its parameters changed; the part is the same."""
    from handful.sealer.part import Part
    from handful.sealer.presets import preset
    from handful.sealer.scene import build, plan
    from handful.sealer.station import render_photo

    part = Part(preset("seam").model_copy(update=changes), seed, WIDTH_PX, HEIGHT_PX)

    def image(number: int) -> Array:
        planned = plan(part, seed, first + number, None)
        photo = render_photo(part, planned, build(part, planned, seed, first + number), seed, first + number, False)
        return photo.astype(np.float32) / 127.5 - 1

    return image


def blurred(photo: Callable[[int], Array], sigma_px: float) -> Callable[[int], Array]:
    from scipy.ndimage import gaussian_filter

    return lambda number: gaussian_filter(photo(number), sigma_px)


def classic(photo: Callable[[int], Array], strength: float) -> Callable[[int], Array]:
    """Image k is photo k changed once, with all of classic's ranges times `strength`."""
    import torch

    from handful.core.seeds import torch_stream
    from handful.generators.classic import DRAWS, ClassicSettings, vary

    usual = ClassicSettings()
    ranges = {name: strength * getattr(usual, name) for name in ("shift", "turn_degrees", "gain", "contrast", "noise")}
    settings = ClassicSettings(**ranges)

    def image(number: int) -> Array:
        random = torch_stream(number, "verdict truth, classic")
        draws, noise = torch.rand(1, DRAWS, generator=random), torch.randn(1, 1, HEIGHT_PX, WIDTH_PX, generator=random)
        whole = torch.from_numpy(photo(number))[None, None]
        return vary(whole, draws, noise, settings)[0, 0].numpy()

    return image


def pools(photos: int) -> dict[str, Pool]:
    """The population first, then the generators."""
    judged, count = station({}, 0), 100
    return {
        "photos": Pool(photos, judged),
        "no fault": Pool(count, station({}, 20_000)),
        "no fault, again": Pool(count, station({}, 30_000)),
        "bead 4 % wider": Pool(count, station({"bead_width_mm": 2.8 * 1.04}, 40_000)),
        "bead 12 % wider": Pool(count, station({"bead_width_mm": 2.8 * 1.12}, 40_000)),
        "lamp 10 % brighter": Pool(count, station({"lamp": 0.46 * 1.1}, 50_000)),
        "part shifts 3 x as far": Pool(count, station({"shift_mm": 0.18 * 3}, 60_000)),
        "blurred by 0.5 px": Pool(count, blurred(station({}, 70_000), 0.5)),
        "blurred by 1 px": Pool(count, blurred(station({}, 70_000), 1.0)),
        "classic": Pool(photos, classic(judged, 1.0)),
        "classic x 3": Pool(photos, classic(judged, 3.0)),
    }


TRAINED = ("classic", "classic x 3")


def make(folder: Path, photos: int, seconds: float) -> bool:
    """Adds to the kept features until the time is over; whether all are there."""
    import torch

    from handful.core.images import pixels_sha256, unit_to_integers
    from handful.features.extract import FeatureExtractor, extract_features
    from handful.scores.base import ImageSet

    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    extractor, start = FeatureExtractor("efficientnet-lite0"), time.perf_counter()
    for name, pool in pools(photos).items():
        path = folder / f"{name}.npy"
        rows = np.load(path) if path.exists() else np.empty((0, 1280))
        while len(rows) < pool.images:
            if time.perf_counter() - start > seconds:
                print(f"{name}: {len(rows)} of {pool.images}")
                return False
            numbers = range(len(rows), min(len(rows) + BATCH, pool.images))
            pixels = [unit_to_integers(pool.image(number)[None], 8) for number in numbers]
            names = tuple(map(str, numbers))
            images = ImageSet(names, tuple(map(pixels_sha256, pixels)), 8, pixels.__getitem__)
            rows = np.concatenate([rows, extract_features(images, extractor)])
            np.save(path, rows)
    return True


def distance(made: Array, photos: Array, within_photos: float) -> float:
    """Squared distance between all that a generator makes and the population; both are known as a whole."""
    return float(kernel(made, made).mean() + within_photos - 2 * kernel(made, photos).mean())


def kernel(x: Array, y: Array) -> Array:
    return (x @ y.T / x.shape[1] + 1) ** 3


def card(name: str, samples: Array, heldout: Array, training: Array, seed: int, fold: int) -> ScoreCard:
    score = kid.score(FeatureSets(samples, heldout, training, heldout))
    return ScoreCard(
        protocol="heldout-v1", protocol_fingerprint="simulated", protocol_plan={}, run_id=f"{name}-s{seed}-f{fold}-0",
        generator=name, anchor=False, seed=seed, fold=fold, dataset_fingerprint="simulated", scores=(score,), worst=(),
        nearest=(), seconds=0.0,
    )  # fmt: skip


def verdicts(features: dict[str, Array], repeats: int) -> Iterator[dict[str, object]]:
    """Every two generators in every repetition: the word, and what is true."""
    photos = features["photos"]
    within = float(kernel(photos, photos).mean())
    names = [name for name in features if name != "photos"]
    fixed = {name: distance(features[name], photos, within) for name in names if name not in TRAINED}
    for repeat in range(repeats):
        random = np.random.default_rng(repeat)
        own = random.permutation(len(photos))[:PHOTOS]
        cards: dict[str, list[ScoreCard]] = {name: [] for name in names}
        true: dict[str, list[float]] = {name: [] for name in names}
        for fold in range(FOLDS):
            held = own[fold::FOLDS]
            learned = np.setdiff1d(own, held)
            heldout, training = photos[held], photos[learned]
            for name in names:
                made = features[name][learned] if name in TRAINED else features[name]
                true[name].append(distance(made, photos, within) if name in TRAINED else fixed[name])
                for seed in range(SEEDS):
                    samples = made[random.integers(len(made), size=SAMPLES)]
                    cards[name].append(card(name, samples, heldout, training, seed, fold))
        for one, other in combinations(names, 2):
            verdict = judge([*cards[one], *cards[other]])
            (compared,) = verdict.comparisons
            turned = compared if compared.generator == one else compared.turned()
            yield {
                "repeat": repeat, "one": one, "other": other, "word": turned.word, "margin": turned.margin,
                "true": float(np.mean(true[one]) - np.mean(true[other])), "measured": turned.mean_difference,
            }  # fmt: skip


def outcome(row: dict[str, object]) -> str:
    """right, wrong or undecided; `equivalent` is right where the true difference is below the margin."""
    word, true, margin = str(row["word"]), float(row["true"]), row["margin"]  # type: ignore[arg-type]
    if word in ("better", "worse"):
        return "right" if (word == "better") == (true < 0) else "wrong"
    if word == "equivalent":
        return "right" if margin is not None and abs(true) < float(margin) else "wrong"  # type: ignore[arg-type]
    return "undecided"


def table(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """One line a pair, from the smallest true difference to the largest."""
    lines = []
    for one, other in dict.fromkeys((str(row["one"]), str(row["other"])) for row in rows):
        own = [row for row in rows if (row["one"], row["other"]) == (one, other)]
        counts = Counter(outcome(row) for row in own)
        true = float(np.mean([float(row["true"]) for row in own]))  # type: ignore[arg-type]
        margin = float(np.mean([float(row["margin"]) for row in own if row["margin"] is not None]))  # type: ignore[arg-type]
        lines.append(
            {"nearer": one if true < 0 else other, "farther": other if true < 0 else one, "true": abs(true),
             "margin": margin, "repeats": len(own), "words": dict(Counter(str(row["word"]) for row in own)),
             **{name: counts[name] for name in ("right", "wrong", "undecided")}}
        )  # fmt: skip
    return sorted(lines, key=lambda line: float(line["true"]))  # type: ignore[arg-type]


def draw_figure(lines: list[dict[str, object]], path: Path) -> None:
    """A bar a pair: right, wrong, undecided, from the smallest true difference to the largest."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams["svg.fonttype"] = "none"
    figure = Figure(figsize=(8, 0.17 * len(lines) + 1), layout="constrained")
    axes = figure.add_subplot()
    left = np.zeros(len(lines))
    for name, colour in (("right", "#0f6a73"), ("undecided", "#d9dee0"), ("wrong", "#b3362b")):
        share = np.array([100 * int(line[name]) / int(line["repeats"]) for line in lines])  # type: ignore[call-overload]
        axes.barh(range(len(lines)), share, left=left, color=colour, label=name)
        left += share
    labels = [f"{line['nearer']} | {line['farther']}: {1000 * float(line['true']):.3g}" for line in lines]  # type: ignore[arg-type]
    axes.set_yticks(range(len(lines)), labels, fontsize=5.5)
    axes.set_ylim(-0.6, len(lines) - 0.4)
    axes.set_xlabel("% of verdicts from 40 photos; beside each pair its true difference of KID x 1000", fontsize=7)
    axes.tick_params(axis="x", labelsize=6)
    axes.legend(fontsize=6, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.06), frameon=False)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--make", action="store_true")
    options.add_argument("--seconds", type=float, default=240)
    options.add_argument("--folder", type=Path, default=Path.home() / ".cache/handful/verdict-truth")
    options.add_argument("--photos", type=int, default=2000, help="in the population")
    options.add_argument("--repeats", type=int, default=30)
    options.add_argument("--figure", type=Path)
    options.add_argument("--json", type=Path)
    given = options.parse_args()

    if given.make:
        print("complete" if make(given.folder, given.photos, given.seconds) else "to be continued")
        return
    wanted = {name: pool.images for name, pool in pools(given.photos).items()}
    there = {name: given.folder / f"{name}.npy" for name in wanted}
    features = {name: np.load(path)[: wanted[name]] for name, path in there.items() if path.exists()}
    features = {name: rows for name, rows in features.items() if len(rows) == wanted[name]}
    if "photos" not in features:
        raise SystemExit("the population is not complete: run with --make first")
    print("left out, as --make is not done with it:", ", ".join(set(wanted) - set(features)) or "nothing")
    rows = list(verdicts(features, given.repeats))
    lines = table(rows)
    for line in lines:
        low, high = share_limits(int(line["wrong"]), int(line["repeats"]))  # type: ignore[call-overload]
        print(
            f"{line['nearer']:24} {line['farther']:24} true {line['true']:.5f} margin {line['margin']:.5f} "
            f"right {line['right']:3} wrong {line['wrong']:3} [{low:.1%}, {high:.1%}] undecided {line['undecided']:3} "
            f"{line['words']}"
        )
    total = Counter(outcome(row) for row in rows)
    print(dict(total), {name: share_limits(total[name], len(rows)) for name in ("right", "wrong", "undecided")})
    if given.figure:
        draw_figure(lines, given.figure)
    if given.json:
        given.json.write_text(json.dumps({"lines": lines, "rows": rows, "hardware": hardware()}))


if __name__ == "__main__":
    main()
