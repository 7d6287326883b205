"""warp: whole photos, elsewhere in the frame."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from handful.core.config import parse_settings
from handful.core.errors import UserError
from handful.core.seeds import torch_stream
from handful.generators.base import ImageSpec
from handful.generators.warp import Warp, WarpSettings

STILL = {"turn_degrees": 0, "least_view": 1, "most_view": 1, "stretch": 0, "shear": 0, "bend": 0}


def warp(photos: Tensor, **settings: float) -> Warp:
    channels, height, width = photos.shape[1:]
    generator = Warp(WarpSettings.model_validate(settings), ImageSpec(width, height, channels), seed=0)
    generator.prepare(photos)
    return generator


def coordinates(height: int, width: int) -> Tensor:
    """A photo whose two channels are each pixel's own x and y in -1 to 1, so that a sample shows its grid."""
    rows = torch.linspace(-1, 1, height)[:, None].expand(height, width)
    return torch.stack([torch.linspace(-1, 1, width).expand(height, width), rows])[None]


def test_with_every_change_at_zero_a_sample_is_the_photo_that_it_states() -> None:
    photos = torch.rand(4, 3, 20, 28, generator=torch_stream(0, "test")) * 2 - 1
    generator = warp(photos, **STILL)
    sources = generator.sources(range(20))
    assert set(sources) == {0, 1, 2, 3}
    assert (generator.sample(range(20)) - photos[sources]).abs().max() < 1e-4


@pytest.mark.parametrize("settings", [{}, {"turn_degrees": 180, "most_view": 1, "bend": 0.1, "stretch": 0.4}])
@pytest.mark.parametrize(("height", "width"), [(24, 24), (20, 52)])
def test_no_pixel_comes_from_beyond_the_photo(settings: dict[str, float], height: int, width: int) -> None:
    generator = warp(coordinates(height, width), **settings)
    for seed in range(60):
        grid = generator.draw_grid(torch_stream(seed, "test"))
        assert grid.shape == (height, width, 2)
        assert grid.abs().max() <= 1


def test_a_sample_shows_the_stated_share_of_the_photo_and_every_place_of_it_can_be_shown() -> None:
    generator = warp(coordinates(25, 41), **{**STILL, "least_view": 0.5, "most_view": 0.8})
    samples = generator.sample(range(300))
    shares = (samples[:, :, 12, -1] - samples[:, :, 12, 0])[:, 0] / 2
    assert 0.495 < shares.min() < 0.52 and 0.78 < shares.max() < 0.805
    assert samples[:, 0].min() < -0.97 and samples[:, 0].max() > 0.97
    assert samples[:, 1].min() < -0.97 and samples[:, 1].max() > 0.97


def test_turns_keep_right_angles_on_a_canvas_that_is_not_square() -> None:
    height, width = 21, 61
    generator = warp(coordinates(height, width), **{**STILL, "turn_degrees": 30, "least_view": 0.3, "most_view": 0.3})
    steps_px = torch.tensor([(width - 1) / 2, (height - 1) / 2])
    angles = []
    for seed in range(60):
        grid = generator.draw_grid(torch_stream(seed, "test")) * steps_px
        right, down = grid[0, 1] - grid[0, 0], grid[1, 0] - grid[0, 0]
        assert abs(float(right @ down)) < 1e-3 * float(right @ right)
        assert float(right.norm() / down.norm()) == pytest.approx(1, rel=1e-3)
        angles.append(float(torch.atan2(right[1], right[0]).rad2deg()))
    assert -30.1 < min(angles) < -20 and 20 < max(angles) < 30.1


def test_the_bend_is_smooth_and_of_the_stated_size() -> None:
    generator = warp(coordinates(32, 32), **{**STILL, "least_view": 0.5, "most_view": 0.5, "bend": 0.02})
    straight = warp(coordinates(32, 32), **{**STILL, "least_view": 0.5, "most_view": 0.5})
    bends = [
        generator.draw_grid(torch_stream(seed, "test")) - straight.draw_grid(torch_stream(seed, "test"))
        for seed in range(40)
    ]
    changes = torch.stack([bend - bend.mean((0, 1)) for bend in bends])
    assert 0.008 < changes.std() < 0.03
    assert changes.diff(dim=1).abs().max() < 0.02


def test_half_of_the_samples_are_mirrored_only_where_that_is_allowed() -> None:
    photos = coordinates(16, 16)
    grids = [warp(photos, mirror=True).draw_grid(torch_stream(seed, "test")) for seed in range(100)]
    mirrored = sum(bool(grid[8, 0, 0] > grid[8, -1, 0]) for grid in grids)
    assert 25 < mirrored < 75
    grids = [warp(photos).draw_grid(torch_stream(seed, "test")) for seed in range(50)]
    assert all(grid[8, 0, 0] < grid[8, -1, 0] for grid in grids)


def test_a_smallest_view_above_the_largest_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        parse_settings(WarpSettings, {"least_view": 0.9}, "generator warp")
    assert "least_view (0.9) must be at most most_view (0.86)" in caught.value.allowed
