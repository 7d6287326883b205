"""Power and sample size, against published values and against simulation."""

from __future__ import annotations

import numpy as np
import pytest

from handful.statistics.power import (
    detectable_effect,
    least_pairs,
    paired_power,
    pairs_needed,
    simulated_power,
    t_detectable_effect,
)


def test_known_effects_and_pairs() -> None:
    assert [round(t_detectable_effect(pairs), 2) for pairs in (5, 10, 20)] == [1.68, 1.00, 0.66]
    assert [round(t_detectable_effect(pairs, 0.005), 2) for pairs in (5, 10, 20)] == [3.16, 1.48, 0.91]
    assert [least_pairs(0.05, comparisons) for comparisons in (1, 5, 15)] == [6, 8, 10]
    assert pairs_needed(1.0) == 10 and pairs_needed(0.66) == 21


def test_too_few_pairs_find_nothing_however_large_the_effect() -> None:
    assert detectable_effect(5) is None and paired_power(100, 5) == 0
    assert detectable_effect(6) is not None and paired_power(100, 6) == pytest.approx(1)
    assert pairs_needed(100) == 6 and pairs_needed(1e-5) is None


@pytest.mark.parametrize(("pairs", "effect"), [(10, 1.0), (10, 0.5), (16, 0.75)])
def test_flips_find_an_effect_as_often_as_stated(pairs: int, effect: float) -> None:
    found = simulated_power(effect, pairs, np.random.default_rng(0), 500)
    assert found == pytest.approx(paired_power(effect, pairs), abs=0.07)
