"""The crossed effect spans photos and runs, and holds the level and the coverage that it states."""

from __future__ import annotations

import numpy as np
import pytest

from handful.statistics.crossed import Effect, crossed_effect, sample_size
from handful.statistics.paired import corrected_t_p, sign_flip_p


def draw(
    random: np.random.Generator, runs: int, photos: int, folds: int = 1, photo: float = 1.0, run: float = 1.0,
    rest: float = 1.0, mean: float = 0.0,
) -> list[np.ndarray]:  # fmt: skip
    """Tables with luck of photos, of runs and of both together, in these standard deviations."""
    return [
        mean
        + photo * random.normal(size=photos)
        + run * random.normal(size=(runs, 1))
        + rest * random.normal(size=(runs, photos))
        for _ in range(folds)
    ]


def effect_of(tables: list[np.ndarray]) -> Effect:
    effect = crossed_effect(tables)
    assert effect is not None
    return effect


def test_its_parts_by_hand() -> None:
    # rows 1 2 3 and 5 6 10: column means 3 4 6.5, row means 2 and 7, residuals +-(0.5 0.5 -1)
    effect = effect_of([np.array([[1.0, 2.0, 3.0], [5.0, 6.0, 10.0]])])
    assert effect.mean == pytest.approx(4.5)
    assert effect.photo_variance == pytest.approx(3.25 / 3)
    assert effect.run_variance == pytest.approx(12.5 / 2)
    assert effect.shared_variance == pytest.approx((2 * 1.5) / (1 * 2) / 6)
    assert effect.variance == pytest.approx(3.25 / 3 + 12.5 / 2 - 0.25)
    assert (effect.photo_freedom, effect.run_freedom) == (2, 1)


def test_its_variance_is_that_of_the_mean() -> None:
    random = np.random.default_rng(0)
    found = [effect_of(draw(random, 4, 12, 2)) for _ in range(1500)]
    # (1/24 of photos + 1/8 of runs + 1/96 of both)
    expected = 1 / 24 + 1 / 8 + 1 / 96
    assert np.var([one.mean for one in found]) == pytest.approx(expected, rel=0.12)
    assert np.mean([one.variance for one in found]) == pytest.approx(expected, rel=0.06)


def test_single_runs_a_fold_show_their_luck_between_the_folds() -> None:
    effect = effect_of(draw(np.random.default_rng(1), 1, 8, 5))
    assert effect.run_variance > 0 and effect.run_freedom == 4
    assert crossed_effect(draw(np.random.default_rng(1), 1, 8)) is None, "one run of one fold"
    assert crossed_effect(draw(np.random.default_rng(1), 5, 1)) is None, "one photo"
    assert crossed_effect([]) is None


@pytest.mark.parametrize(("photo", "run"), [(1.0, 0.0), (0.3, 1.0), (1.0, 0.5)])
def test_it_finds_nothing_where_there_is_nothing(photo: float, run: float) -> None:
    """1000 comparisons of equals: 5 % is 50; a test of 10 % would find 100."""
    random = np.random.default_rng(3)
    tables = [draw(random, 10, 10, 1, photo, run, 0.3) for _ in range(1000)]
    assert 20 <= sum(effect_of(one).p < 0.05 for one in tables) <= 75


def test_flipping_runs_alone_takes_the_luck_of_the_photos_for_a_difference() -> None:
    random = np.random.default_rng(4)
    tables = [draw(random, 10, 10, 1, 1.0, 0.0, 0.3) for _ in range(200)]
    flips = [sign_flip_p(list(table.mean(axis=1))) < 0.05 for (table,) in tables]
    crossed = [effect_of(one).p < 0.05 for one in tables]
    assert np.mean(flips) > 0.5 and np.mean(crossed) < 0.1


def test_flips_of_runs_hold_their_level_where_only_runs_vary() -> None:
    random = np.random.default_rng(5)
    found = sum(sign_flip_p(list(random.normal(size=10))) < 0.05 for _ in range(1000))
    assert 25 <= found <= 75


def test_the_corrected_t_test_never_finds_more_than_it_states() -> None:
    random = np.random.default_rng(6)
    found = sum(corrected_t_p(list(random.normal(size=5)), 0.2) < 0.05 for _ in range(1000))
    assert found <= 35, "it is cautious"


def test_the_interval_holds_the_truth() -> None:
    """1000 intervals: 95 % is 950; a coverage of 85 % would be 850."""
    random = np.random.default_rng(7)
    held = 0
    for _ in range(1000):
        low, high = effect_of(draw(random, 4, 8, 3, mean=0.7)).interval()
        held += low <= 0.7 <= high
    assert 925 <= held <= 985


def test_equivalence_is_found_where_it_is_sure_and_not_at_the_margin() -> None:
    random = np.random.default_rng(8)
    inside = [effect_of(draw(random, 10, 20)).equivalence_p(2.0) < 0.05 for _ in range(200)]
    at_margin = sum(effect_of(draw(random, 10, 20, mean=2.0)).equivalence_p(2.0) < 0.05 for _ in range(1000))
    assert np.mean(inside) > 0.95 and 20 <= at_margin <= 75
    flat = Effect(0.1, 0.0, 0.0, 0.0, 5, 5)
    assert flat.equivalence_p(0.2) == 0 and flat.equivalence_p(0.1) == 1 and flat.p == 0


def test_the_sample_size_that_it_asks_for_finds_the_difference() -> None:
    random = np.random.default_rng(9)
    needed = [sample_size(effect_of(draw(random, 10, 10, run=0.2, rest=0.2)), 10, 10, 0.5) for _ in range(200)]
    runs, photos = (int(one) for one in np.median(needed, axis=0))
    assert runs == 10 and 25 < photos < 60
    found = [effect_of(draw(random, runs, photos, run=0.2, rest=0.2, mean=0.5)).p < 0.05 for _ in range(400)]
    assert 0.7 < np.mean(found) < 0.92
    both = sample_size(effect_of(draw(random, 10, 10)), 10, 10, 0.3)
    assert both[0] > 10 and both[1] > 10
    enough = sample_size(effect_of(draw(random, 10, 10)), 10, 10, 50.0)
    assert enough == (10, 10)
