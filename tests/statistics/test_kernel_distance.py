"""KID's interval: its parts by definition, and its coverage with ten photos, for equal sets and for different ones."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from handful.scores import kid
from handful.scores.base import FeatureSets
from handful.statistics.kernel_distance import cross_variance, distance_interval, equal_sets_variance, pair_variance


def test_the_kernels_own_spread_is_found_without_bias() -> None:
    """k(a, b) = f(a) + f(b) + noise of variance 4: only the noise counts."""
    random, found = np.random.default_rng(0), []
    for _ in range(300):
        own, noise = 5 * random.normal(size=8), 2 * random.normal(size=(8, 8))
        kernel = own[:, None] + own + np.triu(noise, 1) + np.triu(noise, 1).T
        np.fill_diagonal(kernel, 0)
        found.append(pair_variance(8, kernel.sum(1), float((kernel**2).sum())))
    assert np.mean(found) == pytest.approx(4, rel=0.1)
    across = [
        3 * random.normal(size=(6, 1)) + random.normal(size=9) + 2 * random.normal(size=(6, 9)) for _ in range(300)
    ]
    assert np.mean([cross_variance(one) for one in across]) == pytest.approx(4, rel=0.1)


def test_the_variance_for_equal_sets_is_the_spread_of_kid() -> None:
    random = np.random.default_rng(1)
    values, told = [], []
    for _ in range(400):
        x, y = random.normal(size=(30, 6)), random.normal(size=(10, 6))
        kernels = [(a @ b.T / 6 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y))]
        for one in kernels[:2]:
            np.fill_diagonal(one, 0)
        parts = [pair_variance(len(one), one.sum(1), float((one**2).sum())) for one in kernels[:2]]
        told.append(equal_sets_variance(30, 10, *parts, cross_variance(kernels[2])))
        values.append(kernels[0].sum() / 870 + kernels[1].sum() / 90 - 2 * kernels[2].mean())
    assert np.mean(told) == pytest.approx(np.var(values), rel=0.2)


def test_limits_hold_the_value_move_with_it_and_know_nothing_without_spread() -> None:
    spans = [distance_interval(value, 0.5, 0.1, 10) for value in (-0.5, -0.1, 0.0, 0.3, 1.0, 3.0)]
    for (low, high), value in zip(spans, (-0.5, -0.1, 0.0, 0.3, 1.0, 3.0), strict=True):
        assert low <= value <= high
    assert all(before[0] < after[0] and before[1] < after[1] for before, after in itertools.pairwise(spans))
    assert distance_interval(0.0, 0.0, 0.0, 10) == (0, 0)
    low, high = distance_interval(1.0, 0.01, 0.01, 10)  # nothing but the spread of equal sets
    assert high - 1 == pytest.approx(1 - low) == pytest.approx(2.262 * 0.1, rel=1e-3)


@pytest.mark.parametrize(("shift", "least", "most"), [(0.0, 0.92, 0.98), (0.6, 0.91, 0.985)])
def test_ten_photos_hold_the_truth_about_as_often_as_stated(shift: float, least: float, most: float) -> None:
    """400 intervals; a coverage of 85 %, or of 99.5 %, would fail."""
    random, dimensions = np.random.default_rng(2), 12

    def draw(images: int, moved: float = 0.0) -> np.ndarray:
        return moved + random.normal(size=(images, dimensions))

    # E (x.y / d + 1)^3 of two normal vectors with means a, b: (s + 1)^3 + 3 (s + 1) v with s = a.b / d, and
    # v = (d + |a|^2 + |b|^2) / d^2; the third moment of x.y adds 6 a.b / d^3
    def mean_kernel(a: float, b: float) -> float:
        s, v = a * b, (1 + a**2 + b**2) / dimensions
        return (s + 1) ** 3 + 3 * (s + 1) * v + 6 * a * b / dimensions**2

    truth = mean_kernel(shift, shift) + mean_kernel(0, 0) - 2 * mean_kernel(shift, 0)
    held = 0
    for _ in range(400):
        y = draw(10)
        score = kid.score(FeatureSets(draw(60, shift), y, y, y[:0]))
        assert score.low is not None and score.high is not None
        held += score.low <= truth <= score.high
    assert least <= held / 400 <= most
