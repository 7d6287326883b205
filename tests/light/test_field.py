"""The station field finds the light that was put into rendered photos, and says where it does not hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from handful.core.decode import decode_photo, list_photo_files
from handful.core.errors import UserError
from handful.light.field import StationField, fit_station_field
from handful.light.slow import fit_falloff, polynomial_terms
from handful.light.space import fit_space
from handful.light.view import compare_views

HEIGHT, WIDTH = 48, 64


def part(seed: int = 0) -> Tensor:
    """Albedo (1, h, w): random patches of 0.2, 0.3, 0.4 and 0.5 with edges between them."""
    smooth = gaussian_filter(np.random.default_rng(seed).standard_normal((HEIGHT, WIDTH)), 4)
    levels = np.digitize(smooth, np.quantile(smooth, [0.25, 0.5, 0.75]))
    return torch.from_numpy(0.2 + 0.1 * levels)[None]


def tilt(gain: float, right: float) -> Tensor:
    """A light (1, h, w): gain times exp(right * x), x from -1 to 1."""
    x = (2 * torch.arange(WIDTH) + 1) / WIDTH - 1
    return (gain * torch.exp(right * x.double())).expand(1, HEIGHT, WIDTH)


def photos(count: int = 12, noise: float = 0.002) -> tuple[list[Tensor], list[float], list[float]]:
    """One part under lights of known gain and tilt."""
    random = np.random.default_rng(1)
    gains = np.exp(random.normal(0, 0.2, count)).tolist()
    tilts = random.normal(0, 0.15, count).tolist()
    made = [
        part() * tilt(gain, right) + torch.from_numpy(random.normal(0, noise, (1, HEIGHT, WIDTH)))
        for gain, right in zip(gains, tilts, strict=True)
    ]
    return made, gains, tilts


def fit(pictures: list[Tensor], **more: bool) -> StationField:
    return fit_station_field(pictures, [picture >= 1 for picture in pictures], **more)


def test_gains_and_tilts_are_found_within_a_hundredth() -> None:
    made, gains, tilts = photos()
    slow = fit(made).slow.coefficients
    for found, true in ((slow[:, 0], torch.tensor(gains).double().log()), (slow[:, 2], torch.tensor(tilts).double())):
        assert torch.allclose(found - found.mean(), true - true.mean(), atol=0.01)


def test_flat_field_is_the_falloff_of_the_lens() -> None:
    y, x = torch.meshgrid(torch.linspace(-1, 1, HEIGHT), torch.linspace(-1, 1, WIDTH), indexing="ij")
    lens = (1 - 0.3 * (x**2 + y**2) / 2)[None].double()
    random = np.random.default_rng(2)
    field = fit([0.4 * lens * gain + 0.002 * torch.randn(1, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(i))
                 for i, gain in enumerate(random.uniform(0.8, 1.2, 6))])  # fmt: skip
    assert torch.allclose(field.flat, lens / lens.mean(), atol=0.01)
    assert field.falloff == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("dimensions", [1, 3])
def test_light_space_has_as_many_images_as_the_light_has_dimensions(dimensions: int) -> None:
    random = torch.Generator().manual_seed(3)
    basis = torch.rand(dimensions, HEIGHT * WIDTH, generator=random, dtype=torch.float64)
    weights = torch.rand(20, dimensions, generator=random, dtype=torch.float64) + 0.2
    pictures = (weights @ basis + 0.005 * torch.randn(20, HEIGHT * WIDTH, generator=random)).reshape(20, HEIGHT, WIDTH)
    pictures[4, 10:20, 10:20] = 5.0  # a foreign body in one photo
    known = torch.ones_like(pictures, dtype=torch.bool)
    known[7, :5] = False
    pictures[7, :5] = 1e3  # unknown: whatever stands there must not count
    space = fit_space(pictures, known)
    assert len(space.basis) == dimensions
    clean = (weights @ basis).reshape(20, HEIGHT, WIDTH)
    assert (space.pictures - clean)[:, 20:].abs().mean() < 0.005
    assert (space.pictures - clean)[4, 10:20, 10:20].abs().mean() < 0.02  # not drawn towards the foreign body


def test_residual_map_marks_what_moves_and_only_that() -> None:
    made, _, _ = photos()
    for place, photo in enumerate(made):
        photo[:, 20:26, 2 * place : 2 * place + 30] = 0.9
    field = fit(made)
    moving = field.residual[0, 20:26, 6:46]
    assert moving.median() > 0.15
    assert (field.residual[0, 30:] < 0.15).all()
    assert 0.6 < field.holds_share < 1


def test_clipped_pixels_are_unknown_and_mapped() -> None:
    made, gains, _ = photos()
    for photo in made[:6]:
        photo[:, :8, :8] = 1.0
    field = fit(made)
    assert torch.allclose(field.clipped[0, :8, :8], torch.tensor(0.5, dtype=torch.float64))
    assert field.clipped[0, 8:].max() == 0
    found = field.slow.coefficients[:, 0]
    assert torch.allclose(
        found - found.mean(), torch.tensor(gains).double().log() - torch.tensor(gains).double().log().mean(), atol=0.02
    )


def test_draws_lie_within_the_lights_found_and_are_repeatable() -> None:
    made, gains, tilts = photos()
    field = fit(made)
    terms = polynomial_terms(HEIGHT, WIDTH, 2)
    draws = torch.cat([field.draw(seed) for seed in range(60)])
    assert torch.equal(field.draw(7), field.draw(7)) and not torch.equal(field.draw(7), field.draw(8))
    assert field.draw(7, (10, 20)).shape == (1, 10, 20)
    coefficients = fit_falloff(draws.log(), torch.ones_like(draws, dtype=torch.bool), terms)
    for column, found in ((0, torch.tensor(gains).double().log()), (2, torch.tensor(tilts).double())):
        span = float(found.max() - found.min())
        assert 0.3 * span < float(coefficients[:, column].max() - coefficients[:, column].min()) < 1.02 * span


def test_one_photo_is_its_own_station() -> None:
    field = fit([part()])
    assert field.view.shared and field.space is not None and len(field.space.basis) == 1
    assert torch.allclose(field.draw(0), torch.ones(1, HEIGHT, WIDTH, dtype=torch.float64))


def test_photos_of_other_parts_share_no_view_and_say_so() -> None:
    others = [part(seed) for seed in range(8)]
    field = fit(others)
    assert not field.view.shared and field.space is None
    assert "No basis images" in " ".join(field.words())
    with pytest.raises(UserError) as error:
        fit(others, require_view=True)
    assert "0 of 8" in error.value.what and "75%" in error.value.allowed and "0.5" in error.value.what


def test_a_foreign_photo_among_many_is_named_and_left_out_of_the_light_space() -> None:
    made, _, _ = photos(8)
    field = fit([*made, part(99)])
    assert field.view.shared and field.view.shown_by == tuple(range(8))
    assert field.space is not None and len(field.space.coefficients) == 8


def test_a_shifted_part_still_shows_the_view() -> None:
    shifted = [torch.roll(part(), (0, shift), (1, 2)) for shift in (0, 0, 0, 2)]
    view = compare_views(shifted)
    assert min(view.agreement) > 0.9 and abs(view.shift_px[3][0]) == 2


def test_photos_of_other_shapes_do_not_show_the_view() -> None:
    view = compare_views([part(), part(), part()[..., :32]])
    assert view.shown_by == (0, 1) and not view.shared


def test_saturated_photos_are_refused_with_their_share() -> None:
    bright = part()
    bright[:, :36] = 1.0
    with pytest.raises(UserError) as error:
        fit([bright])
    assert "75%" in error.value.what and "50%" in error.value.allowed


def real(files: list[Path]) -> list[Tensor]:
    decoded = [decode_photo(file) for file in files]
    return [torch.from_numpy((photo.pixels / 255.0) ** 2.2).permute(2, 0, 1) for photo in decoded]


def test_one_place_of_the_ball_screw_shares_a_view_and_the_glue_bead_does_not(shared_data: Path) -> None:
    place = sorted((shared_data / "bsdata_ballscrew/data").glob("*_277500_315_*"))[::12]
    glue = list_photo_files(shared_data / "glue_bead_hdd_cover/Good")[::16]
    assert min(compare_views(real(place)).agreement) > 0.8
    along = compare_views(real(glue))
    assert np.median(along.agreement) < 0.3 and not along.shared
