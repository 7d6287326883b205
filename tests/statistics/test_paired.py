"""The paired tests are exact, or hold the level that they state."""

from __future__ import annotations

import numpy as np
import pytest

from handful.core.errors import UserError
from handful.statistics.paired import corrected_t_p, holm, sign_flip_p


def test_sign_flip_equals_plain_counting_and_has_its_known_least_value() -> None:
    for pairs, least in ((5, 0.0625), (6, 0.03125), (8, 0.0078125), (10, 0.001953125)):
        assert sign_flip_p([0.1 + 0.01 * index for index in range(pairs)]) == least
    values = np.random.default_rng(3).normal(0.3, 1, 11)
    assert sign_flip_p(list(values)) == pytest.approx(_exact(values))
    assert sign_flip_p([0.0] * 10) == 1
    many = np.random.default_rng(3).normal(0.4, 1, 19)
    assert sign_flip_p(list(many)) == pytest.approx(_exact(many))


def test_more_pairs_than_can_be_counted_are_drawn_always_alike() -> None:
    values = list(np.random.default_rng(4).normal(0.3, 1, 36))
    drawn = sign_flip_p([*values, 0.0])  # a difference of 0 changes no sum
    assert drawn == sign_flip_p([*values, 0.0]) != sign_flip_p(values) == pytest.approx(drawn, abs=0.004)


def _exact(values: np.ndarray) -> float:
    """Counts sign patterns as bits of an integer: slow, plain, and written otherwise than the code under test."""
    count = len(values)
    far = 0
    for low in range(0, 2**count, 2**16):
        patterns = np.arange(low, min(low + 2**16, 2**count))
        signs = 1 - 2 * ((patterns[:, None] >> np.arange(count)) & 1)
        far += int((np.abs(signs @ values) >= abs(values.sum()) - 1e-12).sum())
    return far / 2**count


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.02, None]) == [0.04, None]
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_the_corrected_t_test_by_hand() -> None:
    differences = [0.3, 0.1, 0.4, 0.2, 0.5]
    # mean 0.3, variance 0.025; (1/5 + 0.25) * 0.025 = 0.01125: t = 2.828 with 4 degrees of freedom
    assert corrected_t_p(differences, 0.2) == pytest.approx(0.04742, abs=1e-4)
    assert corrected_t_p([-one for one in differences], 0.2) == corrected_t_p(differences, 0.2)


@pytest.mark.parametrize(("splits", "share", "told"), [(1, 0.2, "1 split"), (5, 0.0, "share of 0"), (5, 1, "of 1.")])
def test_the_corrected_t_test_refuses_what_it_cannot_tell(splits: int, share: float, told: str) -> None:
    with pytest.raises(UserError) as caught:
        corrected_t_p([0.1] * splits, share)
    assert told in caught.value.what and "at least 2" in caught.value.allowed and "--folds" in caught.value.do
