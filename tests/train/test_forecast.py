"""Forecasts: what they count, and what they refuse."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from handful.core.device import start_runtime
from handful.core.errors import UserError
from handful.generators.base import Augment, Clock, Generator, Growth, ImageSpec
from handful.generators.restore import build_generator
from handful.train.augment import build_augment
from handful.train.budget import Budget
from handful.train.forecast import Forecast, forecast_training, free_memory_bytes, refuse_more_than_free

TINY = str(Path(__file__).parent / "tiny_generator.py")


def forecast(budget: Budget, batch: int = 4, side_px: int = 16) -> Forecast:
    build = partial(build_generator, TINY, {}, ImageSpec(side_px, side_px, 1), 0)
    photos = torch.zeros(3, 1, side_px, side_px)
    runtime = start_runtime("cpu", "fp32")
    return forecast_training(build, photos, batch, budget, runtime, build_augment(()), seed=0)


def test_a_step_budget_gives_seconds_and_a_time_budget_gives_steps() -> None:
    by_steps = forecast(Budget(steps=1000))
    assert by_steps.steps == 1000
    assert by_steps.seconds == pytest.approx(1000 * by_steps.step_seconds)
    by_time = forecast(Budget(seconds=60.0))
    assert by_time.seconds == 60.0
    assert by_time.steps == pytest.approx(60 / by_time.step_seconds, abs=1)


def test_a_generators_word_on_its_later_steps_enters_the_forecast() -> None:
    def build() -> Generator:
        generator = build_generator(TINY, {}, ImageSpec(16, 16, 1), 0)

        def growth(timed: bool) -> Growth:
            return Growth(cost=1000.0 if timed else 2000.0, most_step_bytes=2**29, words="plan shorter")

        generator.growth = growth  # type: ignore[method-assign]
        return generator

    def of(budget: Budget) -> Forecast:
        runtime = start_runtime("cpu", "fp32")
        return forecast_training(build, torch.zeros(3, 1, 16, 16), 4, budget, runtime, build_augment(()), seed=0)

    plain, grown = forecast(Budget(steps=10)), of(Budget(steps=10))
    assert grown.seconds > 50 * plain.seconds  # 2000 times, on a machine that may be busy
    assert grown.memory_bytes >= 2**29 and grown.words().endswith("plan shorter")
    assert of(Budget(seconds=60.0)).steps < forecast(Budget(seconds=60.0)).steps / 50
    halved = grown.shared_out(2, Budget(steps=10))
    assert halved.seconds == grown.seconds / 2 and halved.steps == 10 and "in 2 processes" in halved.words()
    assert grown.shared_out(2, Budget(seconds=60.0)).steps == 20


def test_the_memory_of_a_step_grows_with_the_images() -> None:
    if free_memory_bytes(torch.device("cpu")) is None:
        pytest.skip("memory is measured on Linux only")
    # the tiny generator keeps at least 8 float32 maps of 512x512 for each of 16 images: 128 MiB
    assert forecast(Budget(steps=1), batch=16, side_px=512).memory_bytes > 128 * 2**20
    assert forecast(Budget(steps=1), batch=2, side_px=16).memory_bytes < 64 * 2**20


def test_a_batch_that_cannot_fit_is_refused_before_it_is_tried() -> None:
    if free_memory_bytes(torch.device("cpu")) is None:
        pytest.skip("memory is measured on Linux only")
    tried: list[int] = []

    def build() -> Generator:
        generator = build_generator(TINY, {}, ImageSpec(256, 256, 1), 0)
        learn = generator.step

        def step(batch: Tensor, clock: Clock, augment: Augment) -> dict[str, Tensor]:
            tried.append(len(batch))
            return learn(batch, clock, augment)

        generator.step = step  # type: ignore[method-assign]
        return generator

    photos = torch.zeros(3, 1, 256, 256)
    with pytest.raises(UserError) as caught:
        forecast_training(
            build, photos, 10**6, Budget(steps=1), start_runtime("cpu", "fp32"), build_augment(()), seed=0
        )
    assert "batch of 1,000,000" in caught.value.what and "GiB" in caught.value.what
    assert "GiB are free" in caught.value.allowed
    assert "--batch" in caught.value.do
    assert tried == [2]


def test_memory_is_refused_by_the_number() -> None:
    refuse_more_than_free(2**30, 2**30, 4)
    refuse_more_than_free(2**40, None, 4)
    with pytest.raises(UserError) as caught:
        refuse_more_than_free(3 * 2**29, 2**30, 4)
    assert "1.5 GiB" in caught.value.what and caught.value.allowed == "1.0 GiB are free."
