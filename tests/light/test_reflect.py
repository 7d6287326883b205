"""Reflection: the laws that every surface obeys."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from handful.light.reflect import ggx, ggx_brdf, lambert, schlick

UP = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).view(1, 3, 1, 1)


def at_angle(cosine: float) -> Tensor:
    return torch.tensor([math.sqrt(1 - cosine**2), 0.0, cosine], dtype=torch.float64).view(1, 3, 1, 1)


def hemisphere(steps: int) -> Tensor:
    """Directions (1, 3, steps, 2 steps) whose density is proportional to the cosine: a mean is an integral."""
    cosine = ((torch.arange(steps, dtype=torch.float64) + 0.5) / steps).sqrt()[:, None]
    turn = (torch.arange(2 * steps, dtype=torch.float64) + 0.5)[None, :] * math.pi / steps
    sine = (1 - cosine**2).sqrt()
    return torch.stack([sine * turn.cos(), sine * turn.sin(), cosine.expand(steps, 2 * steps)])[None]


def random_directions(count: int, seed: int) -> Tensor:
    raw = torch.randn(count, 3, 1, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    raw[:, 2].abs_()
    return raw / raw.square().sum(dim=1, keepdim=True).sqrt()


@pytest.mark.parametrize("across", [None, 0.55])
def test_the_brdf_is_reciprocal_and_never_negative(across: float | None) -> None:
    light, view = random_directions(500, 1), random_directions(500, 2)
    normals = UP.expand(500, 3, 1, 1)
    there = ggx_brdf(normals, light, view, 0.2, 0.56, across, 30)
    back = ggx_brdf(normals, view, light, 0.2, 0.56, across, 30)
    assert torch.allclose(there, back, rtol=1e-9)
    assert there.min() > 0
    assert there.std() > 0.1 * there.mean()  # it does depend on the angles


@pytest.mark.parametrize("roughness", [0.1, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("cosine", [1.0, 0.6, 0.2])
def test_a_white_furnace_is_white_within_two_percent(roughness: float, cosine: float) -> None:
    reflected = (math.pi * ggx_brdf(UP, hemisphere(500), at_angle(cosine), roughness, 1.0)).mean()
    assert float(reflected) == pytest.approx(1, abs=0.02)


def test_brushed_metal_neither_gains_energy_nor_loses_much() -> None:
    for cosine in (1.0, 0.5):
        reflected = (math.pi * ggx_brdf(UP, hemisphere(400), at_angle(cosine), 0.2, 1.0, 0.6)).mean()
        assert 0.9 < float(reflected) < 1.02


def test_a_matt_white_furnace_is_white() -> None:
    directions = hemisphere(200)
    flat = torch.rand(1, 1, 200, 400, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert float(lambert(UP.expand(1, 3, 200, 400), directions).max()) <= 1
    # cosine-weighted directions: the mean of (albedo / pi) * pi is the albedo itself
    weights = lambert(UP.expand(1, 3, 200, 400), directions) / directions[:, 2:]
    assert float((flat * weights).mean()) == pytest.approx(float(flat.mean()), rel=1e-9)


def test_a_dielectric_reflects_less_than_a_metal_and_all_at_grazing_incidence() -> None:
    cosine = torch.tensor([1.0, 0.5, 0.0], dtype=torch.float64)
    assert schlick(0.04, cosine).tolist() == pytest.approx([0.04, 0.04 + 0.96 * 0.5**5, 1.0])


def test_brushed_metal_stretches_the_highlight_across_the_grooves() -> None:
    def tilted(x: float, y: float) -> Tensor:
        raw = torch.tensor([x, y, 1.0], dtype=torch.float64).view(1, 3, 1, 1)
        return raw / raw.square().sum().sqrt()

    def shine(light: Tensor, brushing_deg: float) -> float:
        return float(ggx(UP, light, UP, 0.1, 0.6, 0.5, brushing_deg))

    right, top = tilted(0.8, 0), tilted(0, -0.8)
    assert shine(top, 0) > 5 * shine(right, 0)
    assert shine(right, 90) == pytest.approx(shine(top, 0), rel=1e-9)


def test_light_from_below_the_surface_reflects_nothing() -> None:
    below = torch.tensor([0.6, 0.0, -0.8], dtype=torch.float64).view(1, 3, 1, 1)
    assert float(lambert(UP, below)) == 0
    assert float(ggx(UP, below, UP, 0.3, 0.6)) == 0


def test_gradients_of_the_gloss_are_right() -> None:
    light, view = random_directions(3, 5), random_directions(3, 6)
    roughness = torch.tensor([0.23], dtype=torch.float64, requires_grad=True)
    f0 = torch.tensor([0.3], dtype=torch.float64, requires_grad=True)
    across = torch.tensor([0.41], dtype=torch.float64, requires_grad=True)
    normals = UP.expand(3, 3, 1, 1)
    assert torch.autograd.gradcheck(lambda a, b, c: ggx(normals, light, view, a, b, c), (roughness, f0, across))
