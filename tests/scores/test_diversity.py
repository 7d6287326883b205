"""The share of the photos' variety that samples have."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from handful.core.errors import UserError
from handful.core.images import Floats, pixels_sha256
from handful.features.image_set import ImageSet
from handful.scores import diversity
from handful.scores.base import ImageSets


def edges(images: Floats) -> dict[str, Floats]:
    """Stands in for a network: two layers of simple maps."""
    steps = np.diff(images, axis=3, append=0)
    fine = np.concatenate([images, steps, np.abs(steps)], axis=1).astype(np.float32)
    return {"fine": fine, "coarse": fine[:, :, ::2, ::2]}


def image_set(seed: int, count: int, spread: float = 60.0, photos: tuple[str, ...] | None = None) -> ImageSet:
    random = np.random.default_rng(seed)
    base = np.random.default_rng(7).uniform(60, 190, (8, 10))
    images = [np.clip(base + random.normal(size=(8, 10)) * spread, 0, 255).astype(np.uint8) for _ in range(count)]
    names = tuple(f"{seed}-{row}" for row in range(count))
    return ImageSet(names, tuple(map(pixels_sha256, images)), 8, images.__getitem__, photos, 1)


def sets(samples: ImageSet, photos: ImageSet) -> ImageSets:
    return ImageSets(samples, photos, photos, photos, (None,) * len(samples), lambda _: edges, lambda *_: None)


def mean_over_pairs(images: ImageSet) -> float:
    """Equation 1 of the paper, unweighted, over every pair of images of different photos."""
    photos = images.photo_numbers()
    maps = edges(images.all())
    values = []
    for a, b in itertools.combinations(range(len(images)), 2):
        if photos[a] != photos[b]:
            layers = [one / np.sqrt(np.sum(one.astype(float) ** 2, axis=1, keepdims=True)) for one in maps.values()]
            values.append(sum(np.mean(np.sum((layer[a] - layer[b]) ** 2, axis=0)) for layer in layers))
    return float(np.mean(values))


def test_it_is_the_ratio_of_the_mean_distances_over_all_pairs() -> None:
    samples, photos = image_set(1, 13, 30), image_set(2, 9)
    found = diversity.score(sets(samples, photos))
    assert found.value == pytest.approx(mean_over_pairs(samples) / mean_over_pairs(photos), rel=1e-6)


def test_tiles_of_one_photo_are_no_pair() -> None:
    photos = image_set(2, 12, photos=tuple(f"p{row // 3}" for row in range(12)))
    samples = image_set(1, 8)
    found = diversity.score(sets(samples, photos))
    assert found.details["between_photos"] == pytest.approx(mean_over_pairs(photos), rel=1e-6)
    assert found.n_reference == 4


def test_one_picture_over_and_over_scores_0() -> None:
    one = image_set(1, 1)
    alike = ImageSet(("a", "b", "c", "d"), one.hashes * 4, 8, lambda _: one.read(0), None, 1)
    assert diversity.score(sets(alike, image_set(2, 9))).value == pytest.approx(0, abs=1e-9)


def test_photos_that_are_all_one_picture_are_refused() -> None:
    one = image_set(1, 1)
    alike = ImageSet(("a", "b", "c"), one.hashes * 3, 8, lambda _: one.read(0), None, 1)
    with pytest.raises(UserError, match="same picture"):
        diversity.score(sets(image_set(2, 9), alike))


def test_the_interval_holds_one_for_fresh_draws_about_as_often_as_it_says() -> None:
    held = 0
    for draw in range(100):
        found = diversity.score(sets(image_set(1000 + draw, 40), image_set(3000 + draw, 12)))
        held += found.low <= 1 <= found.high
    assert 85 <= held <= 100
