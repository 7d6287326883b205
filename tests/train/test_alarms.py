"""Alarms against series and images whose verdict is known."""

from __future__ import annotations

import math

import pytest
import torch

from handful.core.seeds import torch_stream
from handful.train.alarms import CollapseWatch, DivergenceWatch, mean_distance


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_is_a_divergence_at_once(value: float) -> None:
    assert DivergenceWatch().check({"g": 0.5, "d": value}) == f"the loss d is {value}"


def test_a_loss_a_thousand_times_its_usual_is_a_divergence() -> None:
    watch = DivergenceWatch()
    assert all(watch.check({"d": -40.0}) is None for _ in range(200))
    assert watch.check({"d": 39_000.0}) is None
    watch = DivergenceWatch()
    assert all(watch.check({"d": -40.0}) is None for _ in range(200))
    assert watch.check({"d": 41_000.0}) == "the loss d is 4.1e+04, over 1000 times its usual 40"


def test_a_loss_that_was_tiny_for_long_may_come_back() -> None:
    watch = DivergenceWatch()
    assert all(watch.check({"d": 1e-7}) is None for _ in range(500))
    assert watch.check({"d": 20.0}) is None


def test_a_first_loss_may_be_of_any_size() -> None:
    assert DivergenceWatch().check({"d": 1e6}) is None


def test_mean_distance_has_its_known_values() -> None:
    levels = torch.tensor([-1.0, 0.0, 1.0]).reshape(3, 1, 1, 1)
    assert mean_distance(levels.expand(3, 3, 50, 70)) == pytest.approx((1 + 1 + 2) / 3)
    fine_noise = torch.randn(8, 1, 512, 512, generator=torch_stream(0, "noise"))
    assert mean_distance(fine_noise) == pytest.approx(math.sqrt(2) / 16, rel=0.02)  # 16x16 pixels averaged into one


def test_collapse_needs_three_looks_in_a_row_after_a_quarter_of_the_budget_and_1000_images() -> None:
    watch = CollapseWatch(least_distance=0.1)
    alike, different = torch.zeros(4, 1, 8, 8), torch.rand(4, 1, 8, 8, generator=torch_stream(0, "different"))
    assert watch.judge(alike, images=9000, progress=0.24) == "not judged"
    assert watch.judge(alike, images=999, progress=0.9) == "not judged"
    verdicts = [
        watch.judge(samples, 1000, 0.25) for samples in (alike, alike, different, alike, alike, alike, different)
    ]
    assert verdicts == ["alike", "alike", "healthy", "alike", "alike", "collapsed", "healthy"]
    assert watch.judge(alike[:1], 1000, 0.5) == "not judged"
    assert CollapseWatch(least_distance=0.0).judge(alike, 1000, 0.5) == "not judged"
