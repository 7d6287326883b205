"""The hierarchical bootstrap spreads as the mean itself does, and runs in well under a second."""

from __future__ import annotations

import numpy as np
import pytest

from handful.statistics.bootstrap import draw_weights, hierarchical_means, percentile_interval


def test_weights_are_shares_of_one_draw_fewer() -> None:
    weights = draw_weights(5, 200, np.random.default_rng(0))
    assert weights.sum(axis=1) == pytest.approx(1) and set(np.round(weights * 4).ravel()) <= {0, 1, 2, 3, 4}
    assert draw_weights(1, 3, np.random.default_rng(0)).tolist() == [[1], [1], [1]]


@pytest.mark.parametrize("units", [2, 5, 20])
def test_the_spread_of_a_mean_is_right_even_for_two_units(units: int) -> None:
    random = np.random.default_rng(1)
    values = random.normal(size=units)
    means = draw_weights(units, 40_000, random) @ values
    assert means.var() == pytest.approx(values.var(ddof=1) / units, rel=0.05)
    assert means.mean() == pytest.approx(values.mean(), abs=0.02)


def test_means_spread_over_seeds_and_photos_and_methods_share_the_draw() -> None:
    random = np.random.default_rng(3)
    shared, own = random.normal(size=(1, 6, 30)), 0.01 * random.normal(size=(2, 6, 30))
    means = hierarchical_means([shared + own], random)
    assert means.shape == (2, 1000)
    assert np.corrcoef(means)[0, 1] > 0.99, "another draw for each method"
    assert means.mean(axis=1) == pytest.approx((shared + own).mean(axis=(1, 2)), abs=0.03)


def test_its_interval_holds_the_truth() -> None:
    """400 intervals: 95 % is 380; a coverage of 85 % would be 340."""
    random = np.random.default_rng(4)
    held = 0
    for _ in range(400):
        table = random.normal(size=20) + random.normal(size=(8, 1)) + random.normal(size=(8, 20))
        low, high = percentile_interval(hierarchical_means([table[None]], random, rounds=300)[0])
        held += low <= 0 <= high
    assert 358 <= held <= 396


def test_folds_weigh_by_their_photos() -> None:
    tables = [np.full((1, 2, 3), 1.0), np.full((1, 2, 1), 5.0)]
    assert hierarchical_means(tables, np.random.default_rng(5), rounds=4) == pytest.approx(2.0)
