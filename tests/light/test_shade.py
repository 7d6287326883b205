"""Shape, lamps, shadows and shading: closed forms, linearity, gradients, batches."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from handful.core.errors import UserError
from handful.light.reflect import lambert
from handful.light.shade import Material, Shading, shade
from handful.light.shadow import ambient_occlusion, attached_shadow, cast_shadow
from handful.light.shape import height_to_normals
from handful.light.sources import Light, positions_mm, ring_lights

PIXEL_MM = 0.05
STEEL = Material(albedo=0.2, roughness=0.2, f0=0.56, roughness_across=0.5)


def sphere(side: int, radius_mm: float) -> tuple[Tensor, Tensor, Tensor]:
    """Height (1, 1, side, side) of a half sphere, its analytic normals, and where both hold (not near the rim)."""
    axis = (torch.arange(side, dtype=torch.float64) - (side - 1) / 2) * PIXEL_MM
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    z = (radius_mm**2 - x**2 - y**2).clamp_min(0).sqrt()
    normals = torch.stack([x, y, z])[None] / radius_mm
    inside = (x**2 + y**2).sqrt() < 0.85 * radius_mm
    return z[None, None], normals, inside[None, None]


def bumps(count: int, side: int = 12) -> Tensor:
    random = torch.Generator().manual_seed(3)
    return 0.1 * torch.rand(count, 1, side, side, generator=random, dtype=torch.float64)


def test_normals_of_a_plane_and_of_a_sphere_are_those_of_the_closed_form() -> None:
    ramp = 0.3 * PIXEL_MM * torch.arange(8, dtype=torch.float64).view(1, 1, 1, 8).expand(1, 1, 6, 8)
    expected = torch.tensor([-0.3, 0.0, 1.0], dtype=torch.float64) / math.hypot(0.3, 1)
    assert torch.allclose(height_to_normals(ramp, PIXEL_MM), expected.view(1, 3, 1, 1).expand(1, 3, 6, 8))
    height, normals, inside = sphere(121, 3.0)
    error = (height_to_normals(height, PIXEL_MM) - normals).abs().amax(dim=1, keepdim=True)
    assert float(error[inside].max()) < 0.002


def test_a_sphere_under_one_light_follows_the_closed_form() -> None:
    height, normals, inside = sphere(121, 3.0)
    light = Light(azimuth_deg=120, elevation_deg=35, strength=0.8)
    found = shade(height, PIXEL_MM, Material(0.5, 0.3, 0.0), [light], shadows=False)
    azimuth, elevation = math.radians(120), math.radians(35)
    to_light = torch.tensor(
        [math.cos(elevation) * math.cos(azimuth), -math.cos(elevation) * math.sin(azimuth), math.sin(elevation)],
        dtype=torch.float64,
    ).view(1, 3, 1, 1)
    expected = 0.5 * 0.8 * (normals * to_light).sum(dim=1, keepdim=True).clamp_min(0)
    assert float((found.diffuse - expected)[inside].abs().max()) < 0.002
    brightest = found.diffuse[0, 0].argmax()
    y, x = divmod(int(brightest), 121)
    assert x < 60 and y < 60  # azimuth 120: the light stands at the top left


def test_both_layers_are_linear_in_strength_and_never_negative() -> None:
    height = bumps(2, 24)

    def layers(gain: float) -> Shading:
        lights = [Light(40, 50, 0.7 * gain), *ring_lights(4, 30, 0.5 * gain, distance_mm=40)]
        return shade(height, PIXEL_MM, STEEL, lights, ambient=0.2 * gain)

    one, three = layers(1.0), layers(3.0)
    for dim, bright in ((one.diffuse, three.diffuse), (one.specular, three.specular)):
        assert torch.allclose(3 * dim, bright, rtol=1e-9)
        assert float(dim.min()) >= 0 and float(dim.max()) > 0.05


def test_a_white_sheet_under_a_unit_light_straight_above_is_white() -> None:
    flat = torch.zeros(1, 1, 5, 5)
    white = Material(1.0, 0.5, 0.0)
    assert torch.allclose(shade(flat, 1.0, white, [Light(0, 90)]).diffuse, torch.ones(1, 1, 5, 5))
    ring = shade(flat, 1.0, white, ring_lights(8, 30, 1.0)).diffuse
    assert torch.allclose(ring, torch.full((1, 1, 5, 5), 0.5))  # sin 30
    assert torch.allclose(shade(flat, 1.0, white, [], ambient=0.4).diffuse, torch.full((1, 1, 5, 5), 0.4))


def test_a_near_light_falls_off_with_the_square_of_the_distance() -> None:
    flat = torch.zeros(1, 1, 1 + 2 * 20, 1 + 2 * 20, dtype=torch.float64)
    direction, strength = Light(0, 90, 2.0, distance_mm=10).incidence(flat, 0.5)
    lit = strength * lambert(height_to_normals(flat, 0.5), direction)
    assert float(lit[0, 0, 20, 20]) == pytest.approx(2.0)
    aside_mm = 10.0  # the pixel 20 columns to the right
    expected = 2.0 * 10**2 / (10**2 + aside_mm**2) * 10 / math.hypot(10, aside_mm)
    assert float(lit[0, 0, 20, 40]) == pytest.approx(expected)
    assert positions_mm(flat, 0.5)[0, :, 20, 40].tolist() == [10.0, 0.0, 0.0]
    far = Light(30, 50, 1.0, distance_mm=1e6).incidence(flat, 0.5)
    assert torch.allclose(far[0], Light(30, 50).direction(flat).expand_as(far[0]), atol=1e-4)


@pytest.mark.parametrize("distance_mm", [None, 1e5])
def test_a_wall_casts_a_shadow_of_the_length_that_its_height_gives(distance_mm: float | None) -> None:
    height = torch.zeros(1, 1, 20, 120, dtype=torch.float64)
    height[..., 100:] = 1.0  # a step of 1 mm; the light stands behind it, to the right
    light = Light(0, 35, distance_mm=distance_mm, size_deg=0.5)
    lit = cast_shadow(height, PIXEL_MM, light)[0, 0, 10, :100]
    shadow_px = float((1 - lit).sum())
    assert shadow_px == pytest.approx(1.0 / math.tan(math.radians(35)) / PIXEL_MM, abs=2)  # a step of the march
    assert float(lit[:60].min()) == 1.0 and float(lit[80:].max()) == 0.0
    assert float(cast_shadow(height, PIXEL_MM, Light(180, 35, distance_mm=distance_mm))[0, 0, 10, :99].min()) == 1.0


def test_the_sky_over_a_free_plane_a_slope_and_the_foot_of_a_wall_is_that_of_the_closed_form() -> None:
    flat = torch.zeros(1, 1, 40, 40, dtype=torch.float64)
    assert torch.allclose(ambient_occlusion(flat, PIXEL_MM), torch.ones_like(flat), atol=1e-6)
    ramp = 0.7 * PIXEL_MM * torch.arange(40, dtype=torch.float64).view(1, 1, 1, 40).expand(1, 1, 40, 40)
    expected = (1 + math.cos(math.atan(0.7))) / 2
    centre = ambient_occlusion(ramp, PIXEL_MM, reach_mm=0.4, slices=16)[0, 0, 20, 20]
    assert float(centre) == pytest.approx(expected, abs=0.01)
    wall = torch.zeros(1, 1, 161, 161, dtype=torch.float64)
    wall[..., 100:] = 2.0
    place_mm = (99.5 - 80) * PIXEL_MM
    blocked = (1 - math.cos(math.atan2(2.0, place_mm))) / 2
    sky = ambient_occlusion(wall, PIXEL_MM, reach_mm=6, slices=16)[0, 0, 80, 80]
    assert float(sky) == pytest.approx(1 - blocked, abs=0.03)


def test_the_flank_away_from_the_light_is_in_its_own_shadow() -> None:
    height, _, _ = sphere(61, 1.5)
    normals = height_to_normals(height, PIXEL_MM)
    dark = attached_shadow(normals, Light(0, 20).direction(height))[0, 0, 30]
    assert bool(dark[4:8].all()) and not bool(dark[30:55].any())


def test_gradients_of_the_shading_are_right() -> None:
    height = bumps(1, 5).requires_grad_()
    azimuth = torch.tensor([33.0], dtype=torch.float64, requires_grad=True)
    elevation = torch.tensor([41.0], dtype=torch.float64, requires_grad=True)
    strength = torch.tensor([0.8], dtype=torch.float64, requires_grad=True)

    def layers(height: Tensor, azimuth: Tensor, elevation: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
        found = shade(height, PIXEL_MM, STEEL, [Light(azimuth, elevation, strength, size_deg=40)], ambient=0.3)
        return found.diffuse, found.specular

    assert torch.autograd.gradcheck(layers, (height, azimuth, elevation, strength), eps=1e-7, atol=1e-4, fast_mode=True)


def test_a_batch_equals_its_images_one_by_one() -> None:
    height = bumps(3, 16)
    azimuth, distance = torch.tensor([10.0, 100.0, 250.0]), torch.tensor([30.0, 60.0, 90.0])

    def layers(rows: slice) -> Shading:
        lights = [Light(azimuth[rows], 30), Light(20, 40, 0.5, distance[rows])]
        return shade(height[rows], PIXEL_MM, STEEL, lights, ambient=0.1)

    together = layers(slice(0, 3))
    for row in range(3):
        alone = layers(slice(row, row + 1))
        assert torch.allclose(together.diffuse[row], alone.diffuse[0], rtol=1e-12)
        assert torch.allclose(together.specular[row], alone.specular[0], rtol=1e-12)


def test_materials_may_be_coloured_maps() -> None:
    albedo = torch.tensor([0.2, 0.4, 0.6]).view(1, 3, 1, 1)
    found = shade(torch.zeros(2, 1, 4, 5), 0.1, Material(albedo, 0.3, 0.04), [Light(0, 90)])
    assert found.diffuse.shape == found.radiance.shape == (2, 3, 4, 5)
    assert found.diffuse[1, :, 2, 2].tolist() == pytest.approx([0.2, 0.4, 0.6])


@pytest.mark.parametrize(
    ("height", "pixel_mm", "seen"),
    [
        (torch.full((1, 1, 4, 4), math.nan), 0.1, "16 values that are not numbers"),
        (torch.zeros(4, 4), 0.1, r"shape \(4, 4\)"),
        (torch.zeros(1, 1, 4, 4), 0.0, "pixel is 0.0 mm"),
    ],
)
def test_a_height_field_that_is_none_is_refused(height: Tensor, pixel_mm: float, seen: str) -> None:
    with pytest.raises(UserError, match=seen):
        shade(height, pixel_mm, STEEL, [Light(0, 45)])


@pytest.mark.parametrize(
    ("light", "seen", "allowed"),
    [
        ({"azimuth_deg": 400, "elevation_deg": 40}, "azimuth of a light is 400 degrees", "from -360 to 360"),
        ({"azimuth_deg": 0, "elevation_deg": 0}, "elevation of a light is 0 degrees", "above 0 to 90"),
        ({"azimuth_deg": 0, "elevation_deg": torch.tensor([30.0, 95.0])}, "elevation of a light is 95", "to 90"),
        ({"azimuth_deg": 0, "elevation_deg": 9, "strength": -1}, "strength of a light is -1", "from 0"),
        ({"azimuth_deg": 0, "elevation_deg": 9, "distance_mm": 0}, "distance of a light is 0 mm", "above 0"),
    ],
)
def test_angles_and_strengths_out_of_range_are_refused(light: dict[str, float], seen: str, allowed: str) -> None:
    with pytest.raises(UserError, match=seen) as caught:
        Light(**light)
    assert allowed in caught.value.allowed


def test_a_ring_of_two_lamps_is_refused() -> None:
    with pytest.raises(UserError, match="2 lamps"):
        ring_lights(2, 40, 1)


def test_coarser_shadows_are_close_to_the_fine_ones() -> None:
    x = torch.arange(64, dtype=torch.float64) - 32
    height = (0.8 * torch.exp(-((x / 6) ** 2))).view(1, 1, 1, 64).expand(1, 1, 50, 64)
    fine, coarse = (
        shade(height, PIXEL_MM, STEEL, [Light(0, 40)], ambient=0.4, coarser=factor).radiance for factor in (1, 2)
    )
    plain = shade(height, PIXEL_MM, STEEL, [Light(0, 40)], ambient=0.4, shadows=False).radiance
    assert float((fine - coarse).abs().mean()) < 0.2 * float((fine - plain).abs().mean())
