"""Budgets: every form, what it comes to, and what is refused."""

from __future__ import annotations

import math

import pytest

from handful.core.errors import UserError
from handful.train.budget import Budget, parse_budget, resolve_budget


@pytest.mark.parametrize(
    ("text", "seconds", "steps"),
    [
        ("90s", 90, None),
        ("3min", 180, None),
        ("1.5 h", 5400, None),
        ("500steps", None, 500),
        ("1step", None, 1),
        ("2000images", None, 125),
        ("2001images", None, 126),
        ("300epochs", None, 750),
        ("1 epoch", None, 3),
    ],
)
def test_each_form_comes_to_seconds_or_steps(text: str, seconds: float | None, steps: int | None) -> None:
    assert resolve_budget(text, batch=16, photos=40) == Budget(seconds=seconds, steps=steps)


@pytest.mark.parametrize("text", ["", "3", "min", "3 weeks", "0s", "-1s", "1.5steps", "1e3steps", "3min 20s"])
def test_anything_else_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_budget(text)
    assert caught.value.what == f"The budget is '{text}'."
    for form in ("90s", "3min", "1.5h", "500steps", "2000images", "300epochs"):
        assert form in caught.value.allowed
    assert "--budget 3min" in caught.value.do


def test_progress_and_seconds_left_follow_the_budgets_own_measure() -> None:
    by_steps, by_time = Budget(steps=10), Budget(seconds=20.0)
    assert by_steps.progress(step=4, seconds=99) == 0.4
    assert by_time.progress(step=99, seconds=5) == 0.25
    assert by_time.progress(step=1, seconds=30) == 1.0
    assert by_steps.seconds_left(step=4, seconds=8.0) == pytest.approx(12.0)
    assert by_time.seconds_left(step=4, seconds=8.0) == 12.0
    assert by_steps.seconds_left(step=0, seconds=0.0) == math.inf
