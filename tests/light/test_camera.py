"""The camera: there and back, its noise, its limits."""

from __future__ import annotations

import math

import pytest
import torch

from handful.core.errors import UserError
from handful.light.camera import Camera, clipped, expose, linearise, signal


@pytest.mark.parametrize("bit_depth", [8, 12, 16])
@pytest.mark.parametrize("gamma", [1.0, 2.2])
def test_codes_become_the_radiance_they_came_from_within_one_code(bit_depth: int, gamma: float) -> None:
    camera = Camera(gain=0.5, gamma=gamma, black_level=0.05, bit_depth=bit_depth)
    codes = torch.arange(round(0.05 * camera.top_code) + 1, camera.top_code + 1, dtype=torch.int32)
    radiance = linearise(codes, camera, torch.float64)
    assert torch.equal(expose(radiance, camera), codes)
    assert float(radiance[-1]) == pytest.approx(2.0)  # full scale at gain 0.5


def test_brightness_is_linear_in_gain_in_linear_light() -> None:
    radiance = torch.linspace(0.05, 0.4, 4000)
    means = []
    for gain in (0.5, 1.0, 2.0):
        camera = Camera(gain=gain, bit_depth=16)
        codes = expose(radiance, camera, torch.Generator().manual_seed(1))
        means.append(float(linearise(codes, Camera(bit_depth=16)).mean()))
    assert means[1] / means[0] == pytest.approx(2, rel=0.005)
    assert means[2] / means[1] == pytest.approx(2, rel=0.005)


def test_noise_has_the_variance_of_shot_and_read_noise() -> None:
    camera = Camera(gain=2.0, gamma=1.0, bit_depth=16, full_well_electrons=5000, read_noise_electrons=12)
    for level in (0.0, 0.02, 0.3):
        noisy = signal(torch.full((200_000,), level, dtype=torch.float64), camera, torch.Generator().manual_seed(2))
        electrons = noisy / camera.gain * 5000
        assert float(electrons.mean()) == pytest.approx(level * 5000, abs=0.5)
        assert float(electrons.var()) == pytest.approx(level * 5000 + 144, rel=0.02)


def test_a_camera_without_noise_sources_is_clean_and_one_seed_gives_one_noise() -> None:
    radiance = torch.rand(50, generator=torch.Generator().manual_seed(0))
    quiet = Camera(full_well_electrons=math.inf)
    assert torch.equal(expose(radiance, quiet, torch.Generator().manual_seed(1)), expose(radiance, quiet))
    first, again = (expose(radiance, Camera(), torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(first, again) and not torch.equal(first, expose(radiance, Camera()))


def test_clipped_pixels_are_marked_at_both_ends() -> None:
    camera = Camera(black_level=0.1, bit_depth=10)
    codes = expose(torch.tensor([0.0, 0.2, 0.9, 1.0, 3.0]), camera)
    assert clipped(codes, camera).tolist() == [True, False, False, True, True]


def test_the_signal_carries_gradients() -> None:
    radiance = torch.tensor([0.1, 0.5], dtype=torch.float64, requires_grad=True)

    def noisy(radiance: torch.Tensor) -> torch.Tensor:
        return signal(radiance, Camera(gain=1.7), torch.Generator().manual_seed(4))

    assert torch.autograd.gradcheck(noisy, (radiance,))


@pytest.mark.parametrize(
    ("setting", "seen"),
    [({"gain": 0}, "gain is 0"), ({"gamma": 9}, "gamma is 9"), ({"bit_depth": 4}, "bit depth is 4")],
)
def test_an_impossible_camera_is_refused(setting: dict[str, float], seen: str) -> None:
    with pytest.raises(UserError, match=seen):
        Camera(**setting)


def test_a_code_above_the_bit_depth_is_refused() -> None:
    with pytest.raises(UserError, match="the value 300") as caught:
        linearise(torch.tensor([300]), Camera())
    assert "255" in caught.value.allowed
