"""Kendall's tau-b equals scipy's, and its interval tells a sure order from a doubtful one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from handful.statistics.agreement import kendall_tau, kendall_taus, tau_interval


def test_it_equals_scipy_with_and_without_ties() -> None:
    random = np.random.default_rng(0)
    for first, second in (
        (random.normal(size=6), random.normal(size=6)),
        (np.array([1.0, 1, 2, 3]), np.array([4.0, 2, 2, 9])),
        (np.arange(4.0), -np.arange(4.0)),
    ):
        assert kendall_tau(first, second) == pytest.approx(stats.kendalltau(first, second).statistic)
    assert kendall_tau(np.ones(3), np.arange(3.0)) == 0


def test_each_round_has_its_own_tau() -> None:
    first = np.array([[1.0, 2.0], [2.0, 1.0], [3.0, 0.0]])
    assert kendall_taus(first, np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])).tolist() == [1, -1]


def test_the_interval_is_wide_where_the_order_is_doubtful() -> None:
    random = np.random.default_rng(1)
    means = np.arange(5.0)[:, None]
    assert tau_interval(means + 0.01 * random.normal(size=(5, 300)), means + np.zeros((5, 300))) == (1, 1)
    low, high = tau_interval(means + 5 * random.normal(size=(5, 300)), means + 5 * random.normal(size=(5, 300)))
    assert low < 0 < high
