"""Precision, recall, density and coverage: against their definitions in loops, and on sets with known answers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from handful.core.artifacts import Score
from handful.scores import coverage, density, precision, recall
from handful.scores.base import FeatureSets
from handful.scores.jackknife import Spread
from handful.scores.neighbours import (
    NEIGHBOURS,
    covered_when_drawing,
    expected_coverage,
    share_interval,
)  # fmt: skip

ALL = {module.__name__.rpartition(".")[2]: module for module in (precision, recall, density, coverage)}


def rows(seed: int, count: int, dimensions: int = 5, spread: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dimensions)) * spread


def scores(samples: np.ndarray, photos: np.ndarray) -> dict[str, Score]:
    sets = FeatureSets(samples, photos, photos[:0], photos)
    return {name: module.score(sets) for name, module in ALL.items()}


def kth_nearest(point: np.ndarray, others: np.ndarray) -> float:
    return sorted(float(np.linalg.norm(point - other)) for other in others)[NEIGHBOURS - 1]


def by_definition(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Balls around photos y and samples x, one pair at a time."""
    photo_radii = [kth_nearest(one, np.delete(y, row, 0)) for row, one in enumerate(y)]
    sample_radii = [kth_nearest(one, np.delete(x, row, 0)) for row, one in enumerate(x)]
    inside = np.array([[np.linalg.norm(a - b) < r for b, r in zip(y, photo_radii, strict=True)] for a in x])
    around = np.array([[np.linalg.norm(a - b) < r for b in y] for a, r in zip(x, sample_radii, strict=True)])
    draws = list(itertools.combinations(range(len(x)), min(len(x), len(y))))
    return {
        "precision": float(inside.any(1).mean()),
        "recall": float(around.any(0).mean()),
        "density": float(inside.sum() / NEIGHBOURS / len(x)),
        "coverage": float(np.mean([inside[list(draw)].any(0).mean() for draw in draws])),
    }


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_they_are_what_the_papers_define(shift: float) -> None:
    x, y = rows(0, 11) + shift, rows(1, 8)
    found, expected = scores(x, y), by_definition(x, y)
    for name in ("precision", "density", "coverage"):
        assert found[name].value == pytest.approx(expected[name], rel=1e-9), name
    assert found["recall"].details["recall_uncapped"] == pytest.approx(expected["recall"], rel=1e-9)


def test_one_good_picture_over_and_over_has_high_precision_and_low_recall() -> None:
    photos = rows(0, 30)
    middle = photos[np.argmin(np.linalg.norm(photos, axis=1))]
    found = scores(np.repeat(middle[None], 60, 0) + rows(1, 60, spread=1e-3), photos)
    assert found["precision"].value == 1 and found["density"].value > 1
    assert found["recall"].value < 0.1 and found["coverage"].value < 0.5


def test_scattered_samples_have_low_precision_and_no_recall_by_size_alone() -> None:
    found = scores(rows(1, 60, spread=20), rows(0, 30))
    assert found["precision"].value < 0.1 and found["recall"].value < 0.2
    assert found["recall"].details["recall_uncapped"] > 0.9


def test_equal_distributions_have_density_1_and_the_expected_coverage() -> None:
    found = [scores(rows(100 + draw, 60), rows(300 + draw, 20)) for draw in range(60)]
    assert np.mean([one["density"].value for one in found]) == pytest.approx(1, abs=0.05)
    expected = found[0]["coverage"].details["expected"]
    assert np.mean([one["coverage"].value for one in found]) == pytest.approx(expected, abs=0.02)
    assert expected == pytest.approx(expected_coverage(20, 20)) and 0.85 < expected < 0.93


def test_expected_coverage_saturates_with_many_samples() -> None:
    assert expected_coverage(40, 1000) == pytest.approx(0.99995, abs=1e-5)


def test_the_chance_of_a_hit_when_drawing_is_counted_over_every_draw() -> None:
    for inside in range(6):
        draws = list(itertools.combinations(range(5), 2))
        hit = np.mean([any(one < inside for one in draw) for draw in draws])
        assert covered_when_drawing(np.array([inside]), 5, 2)[0] == pytest.approx(hit)


def test_tiles_of_one_photo_are_no_neighbours_and_count_once() -> None:
    photos = np.repeat(rows(0, 10), 3, 0) + rows(1, 30, spread=1e-3)
    numbers = np.repeat(np.arange(10), 3)
    sets = FeatureSets(rows(2, 40), photos, photos[:0], photos, reference_photos=numbers)
    for name, module in ALL.items():
        found = module.score(sets)
        assert found.n_reference == 10, name
        alone = module.score(FeatureSets(rows(2, 40), photos[::3], photos[:0], photos[::3]))
        assert found.value == pytest.approx(alone.value, abs=0.35), (
            name
        )  # balls of tiles would be a thousandth as large


def test_the_limits_of_a_share_join_both_sets() -> None:
    low, high = share_interval(0.0, 20, Spread(0.0, 20))
    assert low == 0 and high == pytest.approx(0.168, abs=1e-3)  # Clopper and Pearson of 0 in 20
    wider = share_interval(0.5, 20, Spread(0.01, 20))
    assert wider[0] < share_interval(0.5, 20, Spread(0.0, 20))[0] and 0 <= wider[0] < wider[1] <= 1


def test_too_few_samples_for_coverage_are_said() -> None:
    assert "4 samples for 9 photos" in scores(rows(0, 4), rows(1, 9))["coverage"].notes[0]
