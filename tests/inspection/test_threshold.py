"""Where to start rejecting, and what it costs: known answers."""

from __future__ import annotations

import numpy as np
import pytest

from handful.core.config import Settings
from handful.core.errors import UserError
from handful.core.images import Floats
from handful.inspection.base import Inspector, Predictions, Weights
from handful.inspection.labelled_set import LabelledSet
from handful.inspection.threshold import (
    decide,
    fold_scores,
    threshold_for_best_f1,
    threshold_for_false_rejects,
)

GOOD = np.arange(20.0)


def test_the_target_of_false_rejects_is_met_exactly() -> None:
    scores, defective = np.append(GOOD, [100.0]), np.append(np.zeros(20, bool), True)
    for target, rejected in ((0.0, 0), (0.05, 1), (0.09, 1), (0.1, 2), (0.5, 10)):
        threshold = threshold_for_false_rejects(scores, defective, target)
        assert np.sum(threshold <= GOOD) == rejected, target


def test_equal_scores_are_never_rejected_beyond_the_target() -> None:
    scores = np.array([0.0, 1.0, 1.0, 1.0])
    assert np.sum(scores >= threshold_for_false_rejects(scores, np.zeros(4, bool), 0.25)) == 0


def test_best_f1_lies_in_the_gap() -> None:
    scores = np.array([0.0, 1.0, 2.0, 6.0, 8.0])
    assert threshold_for_best_f1(scores, np.array([0, 0, 0, 1, 1], bool)) == 4.0
    # rejecting both: F1 = 2/3; also one good: 2 * 2/3 / (5/3) = 4/5
    assert threshold_for_best_f1(np.array([0.0, 3.0, 5.0, 7.0]), np.array([0, 1, 0, 1], bool)) == 1.5
    assert threshold_for_best_f1(np.array([2.0, 2.0]), np.array([False, True])) == 2.0


def test_decisions_are_counted_with_exact_limits() -> None:
    scores = np.array([0.0] * 38 + [1.0] * 2 + [1.0] * 19 + [0.5])
    decisions = decide(1.0, scores, np.arange(60) >= 40, target_slip_through=0.05)
    assert (decisions.false_rejects.hits, decisions.false_rejects.trials) == (2, 40)
    assert (decisions.slip_through.hits, decisions.slip_through.trials) == (1, 20)
    # Clopper and Pearson for 2 of 40 and 1 of 20, as tables give them
    assert (decisions.false_rejects.low, decisions.false_rejects.high) == pytest.approx((0.0061, 0.1692), abs=1e-4)
    assert (decisions.slip_through.low, decisions.slip_through.high) == pytest.approx((0.0013, 0.2487), abs=1e-4)
    assert decisions.slip_through.share == 0.05
    assert decisions.further_defects == 93 - 20  # 93 trials with one hit show less than 5 %


def test_59_defects_all_rejected_prove_less_than_5_percent() -> None:
    for count, more in ((58, 1), (59, 0), (10, 49)):
        scores = np.append(np.zeros(3), np.ones(count))
        assert decide(0.5, scores, scores > 0, 0.05).further_defects == more


class Remembers(Inspector):
    """Scores 1 what it has seen, so that a leak shows."""

    settings_class = Settings

    def __init__(self) -> None:
        super().__init__(Settings(), 0)

    def fit(self, train: LabelledSet, weights: Weights | None = None) -> None:
        self.seen = set(train.images.ravel().tolist())

    def predict(self, images: Floats) -> Predictions:
        return Predictions(np.array([float(x in self.seen) for x in images.ravel().tolist()]), None, None)


def set_of(labels: list[int], groups: list[int]) -> LabelledSet:
    """Images of one pixel, whose value is their group."""
    names = tuple(map(str, range(len(labels))))
    images = np.array(groups, np.float32).reshape(-1, 1, 1, 1) / 100
    return LabelledSet(images, np.array(labels), ("a",), None, names, np.array(groups), names)


def fitted_to(train: LabelledSet, rows: np.ndarray) -> Remembers:
    assert set(train.labels[rows]) == {0, 1}
    inspector = Remembers()
    inspector.fit(train.take(rows))
    return inspector


def test_fold_scores_come_from_inspectors_that_saw_nothing_of_the_group() -> None:
    train = set_of([0, 0, 0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 2, 3, 4, 4, 5, 6])
    scores = fold_scores(train, lambda rows: fitted_to(train, rows), seed=3)
    assert scores.tolist() == [0.0] * 10


def test_folds_of_one_group_are_refused() -> None:
    train = set_of([0, 0, 1, 1], [0, 1, 2, 2])
    with pytest.raises(UserError) as caught:
        fold_scores(train, lambda rows: fitted_to(train, rows))
    assert "defective training images are of 1 group" in caught.value.what
    assert "2 groups" in caught.value.allowed and "AUROC" in caught.value.do


def test_what_allows_no_threshold_is_refused() -> None:
    scores, bad = np.ones(3), np.ones(3, bool)
    for call in (
        lambda: threshold_for_false_rejects(scores, bad, 0.1),
        lambda: threshold_for_best_f1(scores, bad),
        lambda: decide(0.5, scores, bad),
    ):
        with pytest.raises(UserError) as caught:
            call()
        assert "Of 3" in caught.value.what and "0 are good" in caught.value.what
        assert "at least 1 good" in caught.value.allowed
    with pytest.raises(UserError, match="0 are defective"):
        decide(0.5, scores, ~bad)
    with pytest.raises(UserError, match=r"is 1\.5") as caught:
        threshold_for_false_rejects(scores, ~bad, 1.5)
    assert "0 to below 1" in caught.value.allowed
    with pytest.raises(UserError, match="slip-through is 0"):
        decide(0.5, np.arange(2), np.array([False, True]), target_slip_through=0)
