"""Limits of counted shares, against published values."""

from __future__ import annotations

import pytest
from scipy import stats

from handful.core.errors import UserError
from handful.statistics.binomial import (
    share_at_most,
    share_limits,
    trials_until_share_below,
    trials_without_a_hit,
)


def test_known_limits() -> None:
    assert [round(share_at_most(0, trials), 3) for trials in (20, 40, 100)] == [0.139, 0.072, 0.030]
    assert trials_without_a_hit(0.01) == 299
    assert share_at_most(0, 299) < 0.01 <= share_at_most(0, 298)
    assert share_limits(0, 10)[0] == 0 and share_limits(10, 10)[1] == 1 == share_at_most(10, 10)
    exact = stats.binomtest(3, 20).proportion_ci(method="exact")
    assert share_limits(3, 20) == pytest.approx((exact.low, exact.high))


def test_each_hit_asks_for_more_trials_as_sampling_tables_say() -> None:
    assert [trials_until_share_below(hits, 0.01) for hits in (0, 1, 2)] == [299, 473, 628]
    assert [trials_until_share_below(hits, 0.05) for hits in (0, 1, 2)] == [59, 93, 124]
    assert all(trials_until_share_below(0, share) == trials_without_a_hit(share) for share in (0.001, 0.3, 0.9))


@pytest.mark.parametrize(("hits", "trials"), [(0, 0), (3, 2), (-1, 5)])
def test_what_cannot_be_counted_is_refused(hits: int, trials: int) -> None:
    with pytest.raises(UserError) as caught:
        share_limits(hits, trials)
    assert f"{hits} of {trials}" in caught.value.what and "at least 1 trial" in caught.value.allowed
