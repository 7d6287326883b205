"""Every score, with no exclusion list: what a score must do to be one."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from handful.core import registry
from handful.core.artifacts import Score
from handful.core.errors import UserError
from handful.core.images import pixels_sha256
from handful.features.extract import FeatureExtractor, apply_classifier, extract_features
from handful.features.image_set import Features, ImageSet
from handful.features.maps import MapExtractor
from handful.features.networks import owner_of
from handful.features.weights import list_weights
from handful.scores.base import FeatureSets, ImageSets, ScoreFacts

NAMES = registry.names("scores")
COMPARING = tuple(n for n in NAMES if registry.describe("scores", n).facts.get("compares_with") != "nothing")
"""The others describe samples alone: no photo is near or far."""


class KnownMaps:
    """A map network; an image that was met before is not computed again."""

    def __init__(self, name: str) -> None:
        self.extract = MapExtractor(name)
        self.known: dict[bytes, dict[str, np.ndarray]] = {}

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        keys = [image.tobytes() for image in images]
        new = {key: image for key, image in zip(keys, images, strict=True) if key not in self.known}
        if new:
            maps = self.extract(np.stack(list(new.values())))
            for row, key in enumerate(new):
                self.known[key] = {layer: values[row] for layer, values in maps.items()}
        return {layer: np.stack([self.known[key][layer] for key in keys]) for layer in self.known[keys[0]]}


extractor = cache(KnownMaps)
feature_extractor = cache(FeatureExtractor)
_known_features: dict[tuple[str, str], np.ndarray] = {}


def logits(name: str, images: ImageSet) -> Features:
    """As the protocol gives them; an image that was met before is not computed again."""
    new = [row for row, pixels in enumerate(images.hashes) if (name, pixels) not in _known_features]
    chosen = ImageSet(
        tuple(images.names[row] for row in new),
        tuple(images.hashes[row] for row in new),
        images.bit_depth,
        lambda row: images.read(new[row]),
    )
    for pixels, row in zip(chosen.hashes, extract_features(chosen, feature_extractor(name)), strict=True):
        _known_features[name, pixels] = row
    rows = [_known_features[name, pixels] for pixels in images.hashes]
    return apply_classifier(np.stack(rows), name)


class FeatureWorld:
    """Rows with correlated dimensions and a decaying spectrum, as networks give them."""

    dimensions, photos, samples = 64, 30, 60
    few, many = 12, 120

    def draw(self, seed: int, count: int) -> np.ndarray:
        d = self.dimensions
        directions = np.random.default_rng(7).normal(size=(d, d)) / np.arange(1, d + 1)[:, None]
        rows = 1 + np.random.default_rng(seed).normal(size=(count, d)) @ directions
        rows.setflags(write=False)
        return rows

    def corrupt(self, rows: np.ndarray, level: float) -> np.ndarray:
        # non-negative, as features are: corrupted images switch on what clean ones leave off
        return rows + level * np.abs(np.random.default_rng(4).normal(size=rows.shape))

    def sets(self, samples: np.ndarray, photos: int | None = None, made_from: Sequence[int] = ()) -> FeatureSets:
        count = self.photos if photos is None else photos
        heldout, numbers = self.draw(1, count), np.arange(count)
        return FeatureSets(samples, heldout, self.draw(2, count), heldout, numbers, numbers, numbers)

    def shuffled(self, sets: FeatureSets, orders: dict[int, np.ndarray]) -> FeatureSets:
        sides = {field.name: getattr(sets, field.name) for field in fields(sets)}
        return FeatureSets(**{side: rows[orders[len(rows)]] for side, rows in sides.items()})

    def with_tiles(self, sets: FeatureSets, photos: np.ndarray) -> FeatureSets:
        return replace(sets, reference_photos=photos, training_photos=photos, heldout_photos=photos)

    def other(self, sets: FeatureSets, sides: Sequence[str]) -> FeatureSets:
        return replace(sets, **{side: self.draw(9, self.photos) + 5 for side in sides})


class ImageWorld:
    """Grey pictures of a textured strip on a plate: its place, width and light vary, the grain is never the same."""

    side_px, photos, samples = 40, 12, 24
    few, many = 8, 48

    def draw(self, seed: int, count: int) -> list[np.ndarray]:
        random = np.random.default_rng(seed)
        images = []
        for _ in range(count):
            grain = ndimage.gaussian_filter(random.normal(size=(self.side_px, self.side_px)), 1.0) * 60
            across = np.abs(np.arange(self.side_px) - random.uniform(12, 28)) < random.uniform(5, 8)
            images.append(np.clip(90 + 70 * across + grain + random.normal() * 8, 0, 255).astype(np.uint8))
        return images

    def corrupt(self, images: list[np.ndarray], level: float) -> list[np.ndarray]:
        random = np.random.default_rng(4)
        noisy = [image + random.normal(size=image.shape) * 20 * level for image in images]
        return [np.clip(image, 0, 255).astype(np.uint8) for image in noisy]

    def image_set(self, images: list[np.ndarray], name: str) -> ImageSet:
        names = tuple(f"{name}{row:03}.png" for row in range(len(images)))
        return ImageSet(names, tuple(map(pixels_sha256, images)), 8, images.__getitem__, None, 1)

    def sets(self, samples: list[np.ndarray], photos: int | None = None, made_from: Sequence[int] = ()) -> ImageSets:
        count = self.photos if photos is None else photos
        heldout, training = self.image_set(self.draw(1, count), "held"), self.image_set(self.draw(2, count), "train")
        sources = tuple(made_from) or (None,) * len(samples)
        return ImageSets(self.image_set(samples, "sample"), heldout, training, heldout, sources, extractor, logits)

    def shuffled(self, sets: ImageSets, orders: dict[int, np.ndarray]) -> ImageSets:
        def turned(images: ImageSet) -> ImageSet:
            order = orders[len(images)]

            def pick(values: Sequence[Any]) -> tuple[Any, ...]:
                return tuple(values[row] for row in order)

            photos = None if images.photos is None else pick(images.photos)
            return replace(
                images,
                names=pick(images.names),
                hashes=pick(images.hashes),
                photos=photos,
                read=lambda row: images.read(int(order[row])),
            )

        places = np.argsort(orders[len(sets.training)])
        moved = [None if source is None else int(places[source]) for source in sets.sources]
        return replace(
            sets,
            samples=turned(sets.samples),
            reference=turned(sets.reference),
            training=turned(sets.training),
            heldout=turned(sets.heldout),
            sources=tuple(moved[row] for row in orders[len(sets.samples)]),
        )

    def with_tiles(self, sets: ImageSets, photos: np.ndarray) -> ImageSets:
        names = tuple(map(str, photos))
        sides = {side: replace(getattr(sets, side), photos=names) for side in ("reference", "training", "heldout")}
        return replace(sets, **sides)

    def other(self, sets: ImageSets, sides: Sequence[str]) -> ImageSets:
        return replace(sets, **{side: self.image_set(self.draw(9, self.photos), "other") for side in sides})


World = FeatureWorld | ImageWorld


def badness(score: Score, facts: ScoreFacts) -> float:
    distance = score.value - facts.best
    return {"lower": distance, "higher": -distance, "neither": abs(distance)}[facts.better]


@pytest.fixture(params=NAMES)
def module(request: pytest.FixtureRequest) -> ModuleType:
    return usable(request.param)


@pytest.fixture(params=COMPARING)
def comparing(request: pytest.FixtureRequest) -> ModuleType:
    return usable(request.param)


def usable(name: str) -> ModuleType:
    """The score; skips where the weights of its network are not here."""
    module = registry.load("scores", name)
    if module.FACTS.network:
        owner = owner_of(module.FACTS.network).name
        if {status.network: status.state for status in list_weights()}[owner] != "found":
            pytest.skip(f"the weights of {owner} are not here")
    return module


def world_of(module: ModuleType) -> World:
    return ImageWorld() if module.FACTS.needs == "images" else FeatureWorld()


def good_samples(module: ModuleType, world: World, count: int) -> tuple[Any, list[int]]:
    """As good as a generator can draw: new pictures, or, where each is judged by its own photo, that photo."""
    if module.FACTS.compares_with != "sources":
        return world.draw(3, count), []
    rows = [row % world.photos for row in range(count)]
    photos = world.draw(2, world.photos)
    return [photos[row] for row in rows], rows


def worsen(module: ModuleType, world: World, samples: Any, level: float) -> Any:
    """Samples as this score must not like them: noisier; where it sees variety, more of them one picture; where it sees
    novelty, more of them copies of training photos."""
    if module.FACTS.sees == "closeness":
        return world.corrupt(samples, level)
    alike = round(len(samples) * level / 5)
    if module.FACTS.sees == "novelty":
        photos = world.draw(2, world.photos)
        mixed = [photos[row % world.photos] if row < alike else samples[row] for row in range(len(samples))]
        return np.stack(mixed) if isinstance(samples, np.ndarray) else mixed
    rows = [0 if row < alike else row for row in range(len(samples))]
    return samples[rows] if isinstance(samples, np.ndarray) else [samples[row] for row in rows]


def test_there_are_scores() -> None:
    assert {"fid", "kid", "inception_score", "nearest_photo", "sifid"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_score_says_how_to_read_it(name: str) -> None:
    entry = registry.describe("scores", name)
    assert entry.title.endswith((".", "?"))
    for section in ("Paper", "Read", "Few images", "Oracle"):
        assert len(entry.sections[section]) > 40, f"{name} says too little under {section}"
    facts = ScoreFacts(**entry.facts)
    assert facts == registry.load("scores", name).FACTS
    assert (facts.compares_with == "nothing") == (facts.least_reference == 0)
    assert not facts.network or facts.needs == "images", "only image scores are given a network"
    page = Path(__file__).parents[2] / "docs" / "scores" / f"{name}.md"
    assert page.is_file(), f"{name} has no page docs/scores/{name}.md"


def test_samples_equal_to_what_is_compared_with_score_best(comparing: ModuleType) -> None:
    world = world_of(comparing)
    if comparing.FACTS.compares_with == "sources":
        perfect, made_from = good_samples(comparing, world, world.photos)
    else:  # new photos, the held-out ones: copies of training photos are not what is wanted
        perfect, made_from = world.draw(1, world.photos), []
    equal = badness(comparing.score(world.sets(perfect, made_from=made_from)), comparing.FACTS)
    assert equal <= 1e-9
    worse = worsen(comparing, world, perfect, 1)
    assert equal < badness(comparing.score(world.sets(worse, made_from=made_from)), comparing.FACTS)


def test_growing_corruption_scores_ever_worse(comparing: ModuleType) -> None:
    world = world_of(comparing)
    clean, made_from = good_samples(comparing, world, world.samples)
    grown = [worsen(comparing, world, clean, level) for level in (0, 0.5, 1, 2, 4)]
    scores = [comparing.score(world.sets(one, made_from=made_from)) for one in grown]
    values = [badness(score, comparing.FACTS) for score in scores]
    assert values[-1] > values[0]
    worst = comparing.FACTS.worst
    end = np.inf if worst is None else abs(worst - comparing.FACTS.best)  # what has reached its end can only stay there

    def ever_worse(values: list[float]) -> bool:
        return all(worse > better or worse == better == end for better, worse in itertools.pairwise(values))

    side = np.sign(
        scores[-1].value - scores[0].value
    )  # where both sides are bad, clean samples may lie on the other one
    passing = comparing.FACTS.better == "neither" and ever_worse([side * score.value for score in scores])
    assert ever_worse(values) or passing, values


def test_the_order_of_images_does_not_matter(module: ModuleType) -> None:
    world = world_of(module)
    pairs = np.repeat(np.arange(world.photos // 2), 2)  # two tiles a photo
    orders = {n: np.random.default_rng(n).permutation(n) for n in (world.photos, world.samples)}
    sourced = [row % world.photos for row in range(world.samples)]
    for made_from in ([], sourced) if isinstance(world, ImageWorld) else ([],):
        before = world.with_tiles(world.sets(world.draw(3, world.samples), made_from=made_from), pairs)
        first, second = module.score(before), module.score(world.shuffled(before, orders))
        for field in ("value", "low", "high"):
            assert getattr(first, field) == pytest.approx(getattr(second, field), rel=1e-9)
        assert first.details == pytest.approx(second.details, rel=1e-9)
        assert first.per_photo == pytest.approx(second.per_photo, rel=1e-9)


def test_what_each_photo_adds_stands_in_order_of_its_number_and_of_nothing_else(module: ModuleType) -> None:
    """Two spaces are held against each other photo by photo, so no space may have an order of its own."""
    world = world_of(module)
    numbers = np.random.default_rng(3).permutation(np.repeat(np.arange(world.photos // 2), 2))
    sets = world.sets(world.draw(3, world.samples))
    first = module.score(world.with_tiles(sets, numbers)).per_photo
    if first:  # a score that is no mean over photos says nothing of single ones
        turned = module.score(world.with_tiles(sets, numbers.max() - numbers)).per_photo
        assert len(set(first)) == world.photos // 2 and turned[::-1] == pytest.approx(first, rel=1e-9)


def test_the_fewest_images_give_a_finite_number(module: ModuleType) -> None:
    facts, world = module.FACTS, world_of(module)
    score = module.score(world.sets(world.draw(3, facts.least_samples), photos=facts.least_reference))
    assert np.isfinite(score.value)
    assert score.m_samples == facts.least_samples and score.n_reference == facts.least_reference
    assert score.low is None or np.isfinite([score.low, score.high]).all()


def test_one_photo_fewer_is_refused_with_its_number(comparing: ModuleType) -> None:
    facts, name, world = comparing.FACTS, comparing.__name__.rpartition(".")[2], world_of(comparing)
    few = world.sets(world.draw(3, world.samples), photos=facts.least_reference - 1)
    with pytest.raises(UserError) as error:
        comparing.score(few)
    kind = "reference" if facts.compares_with == "reference" else "training"
    assert f"{facts.least_reference - 1} {kind} photo" in error.value.what
    assert f"{name} needs at least {facts.least_reference}" in error.value.allowed


def test_one_sample_fewer_is_refused_with_its_number(module: ModuleType) -> None:
    least, world = module.FACTS.least_samples, world_of(module)
    with pytest.raises(UserError) as error:
        module.score(world.sets(world.draw(3, least - 1)))
    assert f"{least - 1} sample" in error.value.what and str(least) in error.value.allowed


def test_the_interval_holds_the_value_and_narrows_with_more_images(module: ModuleType) -> None:
    world = world_of(module)
    few, many = (
        module.score(world.sets(world.draw(3, count), photos=count, made_from=range(count)))
        for count in (world.few, world.many)
    )
    for score in (few, many):
        assert score.low <= score.value <= score.high and score.low < score.high
    assert many.high - many.low < few.high - few.low


def test_only_the_scores_own_photos_are_read(module: ModuleType) -> None:
    world = world_of(module)
    full = world.sets(world.draw(3, world.samples))
    unread = {
        "reference": ["training"],
        "training": ["reference"],
        "both": [],
        "sources": ["reference", "heldout"],
        "nothing": ["reference", "training", "heldout"],
    }[module.FACTS.compares_with]
    assert module.score(full) == module.score(world.other(full, unread))
