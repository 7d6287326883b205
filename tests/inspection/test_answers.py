"""Numbers of the verdict against known answers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from handful.inspection.contributions import auroc_contributions
from handful.inspection.exchange import photos_for


def test_contributions_average_to_the_auroc_with_ties() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        labels = np.r_[0, 1, random.integers(0, 3, 30)]
        scores = random.integers(0, 6, 32).astype(float)
        rows = auroc_contributions(scores, labels, np.arange(32))
        assert rows.mean() == pytest.approx(roc_auc_score(labels > 0, scores), abs=1e-12)


def test_their_spread_is_that_of_the_auroc_over_other_photos() -> None:
    random = np.random.default_rng(1)
    labels = np.repeat([0, 1], [60, 30])
    found, spreads = [], []
    for _ in range(400):
        rows = auroc_contributions(random.normal(size=90) + labels, labels, np.arange(90))
        found.append(rows.mean())
        spreads.append(rows.var(ddof=1) / 90)
    assert np.mean(spreads) == pytest.approx(np.var(found), rel=0.15)
    assert np.mean(found) == pytest.approx(stats.norm.cdf(1 / 2**0.5), abs=0.01)


def test_near_duplicates_count_as_one_and_leave_the_auroc_as_it_is() -> None:
    random = np.random.default_rng(2)
    labels, groups = np.repeat([0, 1], [20, 10]), np.repeat(np.arange(15), 2)
    scores = np.repeat(random.normal(size=15), 2) + labels
    apart, merged = (auroc_contributions(scores, labels, own) for own in (np.arange(30), groups))
    assert len(merged) == 15 and merged.mean() == pytest.approx(apart.mean(), abs=1e-12)
    assert merged.var(ddof=1) / 15 > 1.8 * apart.var(ddof=1) / 30


@pytest.mark.parametrize(
    ("level", "photos"),
    [(0.7, 20.0), (0.75, 20 * 2**0.5), (0.8, 40.0), (0.9, float("inf")), (0.5, float("-inf")), (0.6, 10.0)],
)
def test_the_learning_curve_is_read_backwards(level: float, photos: float) -> None:
    assert photos_for(level, [10, 20, 40], np.array([0.6, 0.7, 0.8])) == pytest.approx(photos)


def test_a_curve_that_falls_is_made_to_rise_before_it_is_read() -> None:
    assert photos_for(0.75, [10, 20, 40], np.array([0.6, 0.8, 0.7])) == pytest.approx(20)
