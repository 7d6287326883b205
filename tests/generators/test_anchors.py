"""copies and classic: the two anchors of every comparison."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from handful.core.seeds import torch_stream
from handful.generators.base import ImageSpec
from handful.generators.classic import Classic, ClassicSettings
from handful.generators.copies import Copies, CopiesSettings

SPEC = ImageSpec(24, 16, 3)
STILL = {"shift": 0, "turn_degrees": 0, "gain": 0, "contrast": 0, "noise": 0}


def photos(count: int) -> Tensor:
    return torch.rand(count, 3, 16, 24, generator=torch_stream(0, "test/photos")) * 2 - 1


def classic(bank: Tensor, **settings: float) -> Classic:
    channels, height, width = bank.shape[1:]
    spec = ImageSpec(width, height, channels)
    generator = Classic(ClassicSettings.model_validate(STILL | settings), spec, seed=0)
    generator.prepare(bank)
    return generator


def test_copies_are_the_photos_bit_for_bit_each_about_equally_often() -> None:
    bank = photos(4)
    generator = Copies(CopiesSettings(), SPEC, seed=0)
    generator.prepare(bank)
    samples = generator.sample(range(400))
    picked = [int((bank == sample).flatten(1).all(1).nonzero().item()) for sample in samples]
    counts = torch.bincount(torch.tensor(picked), minlength=4)
    assert counts.sum() == 400 and counts.min() > 60  # 100 each, 5 standard deviations
    assert picked == generator.sources(range(400))


def test_classic_with_every_change_at_zero_gives_the_photos() -> None:
    bank = photos(3)
    samples = classic(bank).sample(range(20))
    distances = (samples[:, None] - bank).abs().amax((2, 3, 4)).amin(1)
    assert distances.max() < 1e-4
    sources = classic(bank).sources(range(20))
    assert set(sources) == {0, 1, 2}
    assert (samples - bank[sources]).abs().max() < 1e-4


def test_a_shift_moves_the_picture_by_up_to_its_share_of_the_side_and_mirrors_the_border() -> None:
    bank = torch.linspace(-0.9, 0.9, 101).expand(1, 1, 20, 101).clone()  # brighter by 0.018 a pixel to the right
    samples = classic(bank, shift=0.1).sample(range(40))
    moved = (samples - bank)[:, 0, 10, 50] / -0.018  # pixels to the right, at the centre
    assert 7 < moved.abs().max() <= 10.1 + 0.05
    assert moved.min() < 0 < moved.max()
    assert samples.min() > -0.95 and samples.max() < 0.95  # no black border


def test_turns_of_up_to_180_degrees_reach_every_right_angle() -> None:
    bank = photos(1)[:, :, :, :16]
    samples = classic(bank, turn_degrees=180).sample(range(300))
    turns = [torch.rot90(bank[0], times, (1, 2)) for times in range(4)]
    nearest = torch.stack([(samples - turned).square().mean((1, 2, 3)) for turned in turns]).amin(1)
    assert nearest.max() < 0.02  # among 300 uniform angles one is near each right angle


@pytest.mark.parametrize(("setting", "axis"), [("flip_horizontal", 2), ("flip_vertical", 1)])
def test_a_flip_happens_to_half_of_the_images_and_only_where_allowed(setting: str, axis: int) -> None:
    bank = photos(1)
    flipped = (classic(bank, **{setting: True}).sample(range(100)) - bank[0].flip(axis)).abs().amax((1, 2, 3)) < 1e-4
    assert 25 < flipped.sum() < 75
    assert not ((classic(bank).sample(range(100)) - bank[0].flip(axis)).abs().amax((1, 2, 3)) < 1e-4).any()


def test_gain_scales_grey_values_from_black() -> None:
    bank = torch.full((1, 1, 8, 8), -0.5)  # grey 0.25 of the range
    grey = (classic(bank, gain=0.2).sample(range(200)) + 1) / 2
    assert (grey.amax((1, 2, 3)) - grey.amin((1, 2, 3))).max() < 1e-5
    assert grey.min().item() == pytest.approx(0.2, abs=0.004) and grey.max().item() == pytest.approx(0.3, abs=0.004)


def test_contrast_scales_the_distance_to_the_mean() -> None:
    bank = torch.full((1, 1, 8, 8), -0.2)
    bank[..., 4:] = 0.2
    samples = classic(bank, contrast=0.5).sample(range(200))
    assert samples.mean((1, 2, 3)).abs().max() < 1e-5
    assert samples.max().item() == pytest.approx(0.3, abs=0.004)
    assert samples.amax((1, 2, 3)).min().item() == pytest.approx(0.1, abs=0.004)


def test_noise_has_the_stated_standard_deviation() -> None:
    bank = torch.zeros(1, 1, 32, 32)
    samples = classic(bank, noise=0.05).sample(range(50))
    assert (samples.std() / 2).item() == pytest.approx(0.05, rel=0.02)  # the range is 2 wide inside
    assert abs(torch.corrcoef(samples[:2].flatten(1))[0, 1]) < 0.2
