"""Averages of weights against the closed form."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from handful.core.config import Settings
from handful.generators.base import Generator, ImageSpec, Stateful
from handful.train.ema import Averages


class OneNorm(Generator):
    settings_class = Settings
    averaged = ("norm",)

    def __init__(self) -> None:
        super().__init__(Settings(), ImageSpec(8, 8, 1), 0)
        self.norm = nn.BatchNorm2d(2)
        self.set(0.0)

    def set(self, value: float) -> None:
        with torch.no_grad():
            for tensor in self.norm.state_dict().values():
                tensor.fill_(value)

    def prepare(self, photos: Tensor) -> None: ...

    def sample(self, seeds: Sequence[int]) -> Tensor:
        raise NotImplementedError

    def modules(self) -> dict[str, Stateful]:
        return {"norm": self.norm}


def average(averages: Averages, key: str) -> float:
    return float(averages.states()["ema/norm"][key].flatten()[0])


@pytest.mark.parametrize("key", ["weight", "running_var"])
def test_weights_and_buffers_lose_half_of_their_share_in_a_half_life(key: str) -> None:
    generator = OneNorm()
    averages = Averages(generator, generator.averaged, half_life_images=10, ramp_up=1e9)
    generator.set(1.0)
    averages.update(batch=10, images=10)
    assert average(averages, key) == pytest.approx(1 / 2)
    averages.update(batch=5, images=15)
    assert average(averages, key) == pytest.approx(1 - 0.5**1.5)
    averages.update(batch=20, images=35)
    assert average(averages, key) == pytest.approx(1 - 0.5**3.5)


def test_early_on_the_half_life_is_a_share_of_the_images_seen() -> None:
    generator = OneNorm()
    averages = Averages(generator, generator.averaged, half_life_images=1000, ramp_up=0.5)
    generator.set(1.0)
    averages.update(batch=10, images=10)  # half-life 5: two of them
    assert average(averages, "weight") == pytest.approx(3 / 4)


def test_counters_are_copied_not_averaged() -> None:
    generator = OneNorm()
    averages = Averages(generator, generator.averaged, half_life_images=10, ramp_up=1e9)
    generator.set(7)
    averages.update(batch=10, images=10)
    assert average(averages, "num_batches_tracked") == 7


def test_applying_averages_gives_exactly_the_weights_back_even_after_an_error() -> None:
    generator = OneNorm()
    averages = Averages(generator, generator.averaged, half_life_images=10, ramp_up=1e9)
    generator.set(1.0)
    generator.norm.weight.data.normal_()
    before = generator.norm.weight.detach().clone()
    with pytest.raises(RuntimeError), averages.applied():
        assert (generator.norm.weight == 0).all()
        raise RuntimeError
    assert torch.equal(generator.norm.weight, before)


def test_averages_come_back_from_a_checkpoints_states() -> None:
    generator = OneNorm()
    averages = Averages(generator, generator.averaged, half_life_images=10, ramp_up=1e9)
    generator.set(1.0)
    averages.update(batch=10, images=10)
    again = Averages(generator, generator.averaged, half_life_images=10, ramp_up=1e9)
    again.load(averages.states())
    averages.update(batch=10, images=20)
    again.update(batch=10, images=20)
    assert average(again, "weight") == average(averages, "weight") == pytest.approx(3 / 4)
