"""Pixel spread is the deviation of each pixel over samples."""

from __future__ import annotations

import numpy as np
import pytest

from handful.core.images import pixels_sha256
from handful.features.image_set import ImageSet
from handful.scores import pixel_spread
from handful.scores.base import ImageSets


def sets(images: list[np.ndarray]) -> ImageSets:
    names = tuple(map(str, range(len(images))))
    samples = ImageSet(names, tuple(map(pixels_sha256, images)), 8, images.__getitem__, None, 1)
    empty = ImageSet((), (), 8, images.__getitem__, None, 1)
    return ImageSets(
        samples, empty, empty, empty, (None,) * len(images), lambda name: dict, lambda name, _: np.empty(0)
    )  # type: ignore[arg-type, return-value]


def made(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, 6, 9), dtype=np.uint8))


def test_it_is_the_deviation_of_each_pixel_over_samples() -> None:
    images = made(7)
    found = pixel_spread.score(sets(images))
    assert found.value == pytest.approx(np.stack(images).astype(float).std(0, ddof=1).mean() / 255, rel=1e-6)
    assert pixel_spread.score(sets([images[0]] * 4)).value == pytest.approx(0, abs=1e-7), "one picture over and over"
    assert pixel_spread.score(sets(images[:2])).low is None


def test_its_interval_is_that_of_leaving_each_group_out() -> None:
    images = made(12)  # as many groups as samples: the plain jackknife
    found = pixel_spread.score(sets(images))
    without = [pixel_spread.score(sets(images[:k] + images[k + 1 :])).value for k in range(12)]
    error = (11 / 12 * np.sum((np.array(without) - np.mean(without)) ** 2)) ** 0.5
    assert found.low is not None and found.high is not None
    assert (found.high - found.low) / 2 == pytest.approx(2.201 * error, rel=0.01), "t of 11 degrees of freedom"
    assert (found.high + found.low) / 2 == pytest.approx(found.value)
