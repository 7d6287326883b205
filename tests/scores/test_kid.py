"""KID is the unbiased estimate, with an interval whose coverage is simulated."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from handful.scores import kid
from handful.scores.base import FeatureSets
from handful.scores.jackknife import spread
from handful.statistics.kernel_distance import (
    cross_variance,
    distance_interval,
    equal_sets_variance,
    pair_variance,
)


def kid_of(samples: np.ndarray, photos: np.ndarray) -> kid.Score:
    return kid.score(FeatureSets(samples, photos, photos, photos[:0]))


def by_definition(x: np.ndarray, y: np.ndarray) -> float:
    """The U-statistic term by term."""

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    within = [np.mean([kernel(a, b) for a, b in itertools.permutations(side, 2)]) for side in (x, y)]
    return float(sum(within) - 2 * np.mean([kernel(a, b) for a, b in itertools.product(x, y)]))


def test_it_is_the_u_statistic_of_the_cubic_kernel() -> None:
    x, y = (np.random.default_rng(seed).normal(size=(n, 3)) for seed, n in ((0, 6), (1, 9)))
    assert kid_of(x, y).value == pytest.approx(by_definition(x, y), rel=1e-12)


def test_it_is_computed_in_blocks_without_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = (np.random.default_rng(seed).normal(size=(n, 5)) for seed, n in ((0, 25), (1, 31)))
    whole = kid_of(x, y)
    monkeypatch.setattr(kid, "_BLOCK_ROWS", 7)
    blocks = kid_of(x, y)
    assert (blocks.value, blocks.low, blocks.high) == pytest.approx((whole.value, whole.low, whole.high), rel=1e-9)


def test_equally_good_sets_scatter_around_zero() -> None:
    random = np.random.default_rng(2)
    values = np.array([kid_of(random.normal(size=(12, 8)), random.normal(size=(7, 8))).value for _ in range(400)])
    assert abs(values.mean()) < 4 * values.std() / 20
    assert (values < 0).mean() > 0.3, "a negative estimate is reported as it is"


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(5)
    truth = kid_of(random.normal(size=(4000, 4)) + 0.5, random.normal(size=(4000, 4))).value
    scores = [kid_of(random.normal(size=(60, 4)) + 0.5, random.normal(size=(40, 4))) for _ in range(200)]
    held = np.mean([score.low <= truth <= score.high for score in scores])
    assert 0.88 <= held <= 0.99


def tiled(photos: int, tiles: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows in mixed order of which those of one photo resemble each other, and the photo of each."""
    random = np.random.default_rng(seed)
    rows = np.repeat(random.normal(size=(photos, 4)), tiles, 0) + 0.3 * random.normal(size=(photos * tiles, 4))
    mixed = random.permutation(photos * tiles)
    return rows[mixed], np.repeat(np.arange(photos), tiles)[mixed]


def test_tiles_of_one_photo_form_no_pair_and_are_left_out_together() -> None:
    x = np.random.default_rng(6).normal(size=(5, 4))
    y, photos = tiled(4, 3, 7)

    def by_pairs(x: np.ndarray, y: np.ndarray, photos: np.ndarray) -> float:
        kernel_x, kernel_y, across = ((a @ b.T / 4 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
        others = photos[:, None] != photos
        within_x = (kernel_x.sum() - np.trace(kernel_x)) / (len(x) * (len(x) - 1))
        return float(within_x + kernel_y[others].mean() - 2 * across.mean())

    score = kid.score(FeatureSets(x, y, y, y[:0], reference_photos=photos))
    assert score.value == pytest.approx(by_pairs(x, y, photos), rel=1e-12)
    assert score.n_reference == 4 and score.details["reference_images"] == 12
    without_x = [by_pairs(np.delete(x, row, 0), y, photos) for row in range(5)]
    without_y = [by_pairs(x, y[photos != photo], photos[photos != photo]) for photo in range(4)]
    jackknife = spread(score.value, without_x, [1] * 5).variance + spread(score.value, without_y, [3] * 4).variance
    kernel_x = (x @ x.T / 4 + 1) ** 3 * (1 - np.eye(5))
    means_y, means_xy = (
        np.array([[((a @ b.T / 4 + 1) ** 3).mean() for b in (y[photos == photo] for photo in range(4))] for a in side])
        for side in ([y[photos == photo] for photo in range(4)], [row[None] for row in x])
    )
    means_y *= 1 - np.eye(4)
    equal = equal_sets_variance(
        5,
        4,
        pair_variance(5, kernel_x.sum(1), (kernel_x**2).sum()),
        pair_variance(4, means_y.sum(1), (means_y**2).sum()),
        cross_variance(means_xy),
    )
    assert (score.low, score.high) == pytest.approx(distance_interval(score.value, jackknife, equal, 4), rel=1e-9)


def test_tiles_of_equally_good_photos_scatter_around_zero() -> None:
    x = np.random.default_rng(8).normal(size=(40, 4)) * 1.09**0.5
    values = []
    for seed in range(400):
        y, photos = tiled(5, 6, seed)
        values.append(kid.score(FeatureSets(x, y, y, y[:0], reference_photos=photos)).value)
    fresh = np.random.default_rng(9).normal(size=(4000, 4)) * 1.09**0.5
    truth = kid_of(x, fresh).value
    assert abs(np.mean(values) - truth) < 4 * np.std(values) / 20


def test_two_images_give_a_number_without_interval() -> None:
    score = kid_of(np.eye(3)[:2], np.eye(3))
    assert score.low is None and score.high is None
    assert "at least 4 photos and 4 samples" in score.notes[0]


def test_photos_add_up_to_the_value_and_two_cards_differ_photo_by_photo() -> None:
    first, second, y = (np.random.default_rng(seed).normal(size=(n, 4)) for seed, n in ((0, 9), (1, 9), (2, 7)))
    one, other = kid_of(first, y), kid_of(second + 0.3, y)
    assert np.mean(one.per_photo) == pytest.approx(one.value, rel=1e-12) and len(one.per_photo) == 7
    assert kid_of(first, y[::-1]).per_photo != one.per_photo, "photos are told by number"
    left = np.delete(y, 3, 0)
    added = np.delete(np.subtract(other.per_photo, one.per_photo), 3)
    assert kid_of(second + 0.3, left).value - kid_of(first, left).value == pytest.approx(added.mean(), rel=1e-9)


def test_the_resolution_is_the_spread_between_sets_of_real_photos() -> None:
    random = np.random.default_rng(4)
    scores = [kid_of(random.normal(size=(20, 8)), random.normal(size=(20, 8))) for _ in range(300)]
    told = np.mean([score.details["resolution"] ** 2 for score in scores]) ** 0.5
    assert told == pytest.approx(np.std([score.value for score in scores]), rel=0.15)
