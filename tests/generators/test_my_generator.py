"""The generator that examples/ shows learns: known means and known directions."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from handful.core.seeds import torch_stream
from handful.generators.base import Clock, ImageSpec
from handful.generators.restore import build_generator

EXAMPLE = Path(__file__).parents[2] / "examples" / "my_generator.py"


def test_it_learns_the_mean_and_the_spread_of_its_photos() -> None:
    random = torch_stream(0, "test/photos")
    lights = 0.1 * torch.randn(2, 64, generator=random)  # two lights of random strength on a plain scene
    photos = 0.3 + torch.randn(48, 2, generator=random) @ lights
    generator = build_generator(str(EXAMPLE), {"latent": 4}, ImageSpec(8, 8, 1), seed=0)
    generator.prepare(photos.view(48, 1, 8, 8))
    before = torch.cov(generator.sample(range(500)).flatten(1).T)
    for step in range(300):
        clock = Clock(step, step * 48, step / 300, torch_stream(0, "test/step", step))
        generator.step(photos.view(48, 1, 8, 8), clock, lambda images, random: images)
    samples = generator.sample(range(500)).flatten(1)
    wanted, learned = torch.cov(photos.T), torch.cov(samples.T)
    assert samples.mean().item() == pytest.approx(photos.mean().item(), abs=0.03)
    assert (learned - wanted).norm() / wanted.norm() < 0.35 < (before - wanted).norm() / wanted.norm()
    assert torch.linalg.eigvalsh(learned)[:-2].sum() < 0.1 * torch.trace(learned)  # two directions, not four
