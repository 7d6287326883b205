"""Patch diffusion: the closed form is exact, registration finds known poses, passports tell the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from handful.core.errors import UserError
from handful.core.images import integers_to_unit, pixels_sha256, unit_to_integers
from handful.core.seeds import torch_stream
from handful.generators.base import ImageSpec, Passport
from handful.generators.patch_diffusion import PatchDiffusion, PatchDiffusionSettings
from handful.generators.patch_diffusion_parts.aligned_photos import AlignedPhotos
from handful.generators.patch_diffusion_parts.global_state import GlobalStates
from handful.generators.patch_diffusion_parts.passport import largest_region
from handful.generators.patch_diffusion_parts.photo_light import gain, measure_light, relight
from handful.generators.patch_diffusion_parts.posterior import Level, odd_cells
from handful.generators.patch_diffusion_parts.pyramid import Pyramid
from handful.generators.patch_diffusion_parts.registration import redo, register, undo


def scene(height: int, width: int, channels: int = 1) -> Tensor:
    """(1, c, h, w): a fixed part of random blobs, hard edges included."""
    random = torch_stream(0, "test/scene")
    rough = torch.randn(1, channels, height // 4, width // 4, generator=random)
    smooth = F.interpolate(rough, size=(height, width), mode="bicubic")
    return torch.where(smooth > 0.4, 0.5, smooth.clamp(-1, 1) * 0.4)


def station_photos(count: int, height: int = 32, width: int = 40, channels: int = 1, light: float = 0.15) -> Tensor:
    """Photos of one scene under changing light, each with marks of its own; 8-bit grey values."""
    random = torch_stream(0, "test/photos")
    own = F.interpolate(
        torch.randn(count, channels, height // 2, width // 2, generator=random), size=(height, width), mode="bilinear"
    )
    gains = 1 + light * torch.randn(count, 1, 1, 1, generator=random)
    photos = ((scene(height, width, channels) + 1) * gains - 1 + 0.08 * own).clamp(-0.95, 0.95)
    return torch.from_numpy(np.stack([integers_to_unit(unit_to_integers(photo, 8), 8) for photo in photos.numpy()]))


def ready(photos: Tensor, **settings: Any) -> PatchDiffusion:
    spec = ImageSpec(photos.shape[3], photos.shape[2], photos.shape[1])
    generator = PatchDiffusion(PatchDiffusionSettings(**settings), spec, seed=0)
    generator.prepare(photos)
    return generator


# The closed form


def brute_force(photos: Tensor, z: Tensor, tau: float, patch_cells: int, cell_px: int) -> Tensor:
    """The posterior mean by its definition in float64: every patch taken out and compared. Borders cut patches."""
    y, z = photos.double(), z.double()
    apart = (y - z).square().sum(1)  # (n, h, w)
    n, height, width = apart.shape
    rows, columns, reach = height // cell_px, width // cell_px, patch_cells // 2
    distances = torch.zeros(n, rows, columns, dtype=torch.float64)
    for row in range(rows):
        for column in range(columns):
            top, left = max(0, row - reach) * cell_px, max(0, column - reach) * cell_px
            patch = apart[:, top : (row + reach + 1) * cell_px, left : (column + reach + 1) * cell_px]
            distances[:, row, column] = patch.sum((1, 2))
    weights = torch.softmax(-distances / (2 * tau * tau), dim=0)
    weights = F.interpolate(weights[None], size=(height, width), mode="bilinear", align_corners=False)[0]
    return (weights[:, None] * y).sum(0, keepdim=True)


@pytest.mark.parametrize("tau", [0.8, 0.1, 0.01])
@pytest.mark.parametrize("cell_px", [1, 2, 4])
def test_the_posterior_mean_equals_brute_force_in_float64_at_every_level(cell_px: int, tau: float) -> None:
    photos = station_photos(6, 32, 40, channels=3)
    for number, level_photos in enumerate(Pyramid.of(32, 40).build(photos)):
        level = Level(level_photos, cell_px, patch_px=9)
        assert level.patch_cells == odd_cells(9, cell_px)
        noise = torch.randn(level_photos[:1].shape, generator=torch_stream(number, "test/noise"))
        z = level_photos[:1] + tau * noise
        found = level.blend(torch.softmax(level.logits(z, tau), dim=2))
        exact = brute_force(level_photos, z, tau, level.patch_cells, cell_px)
        assert (found.double() - exact).abs().max() < 1e-6


def test_without_noise_the_posterior_mean_is_the_photo_itself() -> None:
    photos = station_photos(5)
    level = Level(photos, 1, 9)
    found = level.blend(torch.softmax(level.logits(photos[3:4], 0.005), dim=2))
    assert torch.allclose(found, photos[3:4], atol=1e-5)


def test_fairness_draws_from_a_photo_far_from_the_mean_more_often() -> None:
    photos = station_photos(8)
    photos[0] += 0.35 * torch.sign(torch.randn(photos[0].shape, generator=torch_stream(1, "test/far")))
    level = Level(photos, 1, 9)
    noise = torch.randn(24, *photos.shape[1:], generator=torch_stream(2, "test/noise"))
    plain, fair = (
        sum(torch.softmax(level.logits(level.mean + 0.8 * one[None], 0.8, share), 2)[..., 0].mean() for one in noise)
        for share in (0.0, 0.5)
    )
    assert plain < 0.6 * 24 / 8
    assert fair > 1.5 * plain


# Global state


def test_global_states_have_the_spread_of_the_photos() -> None:
    coarsest = Pyramid.of(32, 40).build(station_photos(24))[0]
    states = GlobalStates(coarsest, torch.arange(24), mixture_photos=2, nearest=8, most=0.75)
    mean, centred = coarsest.mean(0), (coarsest - coarsest.mean(0)).flatten(1)
    shares = torch.stack([states.draw(torch_stream(seed, "test/state")).shares for seed in range(400)])
    ratio = ((shares @ centred).std(0) / centred.std(0)).mean()
    assert mean.shape == (1, 16, 20) and 0.9 < ratio < 1.1
    plain = torch.stack([states._mix(torch_stream(seed, "test/state"))[0].float() for seed in range(400)])
    assert ((plain @ centred).std(0) / centred.std(0)).mean() < 0.85  # which is what had to be mended


def test_a_global_state_mixes_as_many_photos_as_it_is_told() -> None:
    coarsest = Pyramid.of(32, 40).build(station_photos(9))[0]
    states = GlobalStates(coarsest, torch.arange(9), mixture_photos=3, nearest=None, most=1.0)
    state = states.draw(torch_stream(0, "test/state"))
    assert len(set(state.mixed.tolist())) == 3
    assert float(state.mix_weights.sum()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("mixture_photos", "most", "bound"), [(2, 1.0, 1.0), (2, 0.75, 0.75), (4, 0.5, 0.5), (3, 0.1, 1 / 3)]
)
def test_no_photo_has_more_than_its_share_of_a_mixture(mixture_photos: int, most: float, bound: float) -> None:
    coarsest = Pyramid.of(32, 40).build(station_photos(9))[0]
    states = GlobalStates(coarsest, torch.arange(9), mixture_photos, nearest=4, most=most)
    weights = torch.stack([states.draw(torch_stream(seed, "test/state")).mix_weights for seed in range(300)])
    assert torch.allclose(weights.sum(1), torch.ones(300))
    assert 0.9 * bound < weights.max() < bound + 1e-6


@pytest.mark.parametrize(("nearest", "mixed"), [(None, 3), (2, 3), (1, 2)])
def test_a_mixture_takes_one_photo_of_a_group_and_of_the_nearest_groups(nearest: int | None, mixed: int) -> None:
    groups = torch.tensor([0, 0, 0, 1, 1, 2, 3, 4, 5])
    coarsest = Pyramid.of(32, 40).build(station_photos(9))[0]
    states = GlobalStates(coarsest, groups, mixture_photos=3, nearest=nearest, most=0.5)
    distances = torch.cdist(coarsest.flatten(1).double(), coarsest.flatten(1).double())
    seen: set[int] = set()
    for seed in range(200):
        photos = states.draw(torch_stream(seed, "test/state")).mixed
        own = int(photos[0])
        apart = {int(group): float(distances[own][groups == group].min()) for group in groups.unique()}
        reachable = sorted(set(apart) - {int(groups[own])}, key=apart.__getitem__)[:nearest]
        assert len(photos) == mixed == len(set(groups[photos].tolist()))
        for other in photos[1:].tolist():
            assert int(groups[other]) in reachable
            assert float(distances[own, other]) == apart[int(groups[other])]
        seen |= set(photos.tolist())
    assert seen == set(range(9))


def test_main_ways_come_from_one_mixture_and_the_rest_from_other_photos() -> None:
    coarsest = Pyramid.of(32, 40).build(station_photos(24))[0]
    centred = (coarsest - coarsest.mean(0)).flatten(1).double()
    _, _, ways = torch.linalg.svd(centred, full_matrices=False)
    main, rest = centred @ ways[:2].T, centred - centred @ ways[:2].T @ ways[:2]
    states = GlobalStates(coarsest, torch.arange(24), mixture_photos=2, nearest=None, most=0.6)
    stretches, alike = [], []
    for seed in range(60):
        state = states.draw(torch_stream(seed, "test/state"))
        assert len(set(state.mixed.tolist())) == 4 and (state.mix_weights > 0).tolist() == [True, True, False, False]
        image = state.shares.double() @ centred
        mixture = state.mix_weights.double() @ main[state.mixed]
        stretches.append((image @ ways[:2].T) / mixture)
        own = image - image @ ways[:2].T @ ways[:2]
        alike.append(torch.cosine_similarity(own[None], rest[state.mixed]))
    assert torch.stack(stretches).std(0).max() < 1e-4  # of the first mixture, and of nothing else
    likeness = torch.stack(alike).mean(0)
    assert likeness[:2].abs().max() < 0.1 and likeness[2:].min() > 0.5


def test_without_main_ways_or_with_few_photos_a_state_is_one_mixture() -> None:
    noise = torch.randn(24, 1, 16, 20, generator=torch_stream(0, "test/noise"))
    few = Pyramid.of(32, 40).build(station_photos(11))[0]
    for photos in (noise, few):
        states = GlobalStates(photos, torch.arange(len(photos)), mixture_photos=2, nearest=None, most=0.6)
        state = states.draw(torch_stream(0, "test/state"))
        assert len(state.mixed) == 2 and float(state.mix_weights.sum()) == pytest.approx(1)


# Light and registration


def test_light_of_a_photo_is_found_and_taken_out() -> None:
    base = scene(48, 64, 3)
    coefficients = 0.15 * torch.randn(6, 3, 6, generator=torch_stream(0, "test/light"))
    coefficients -= coefficients.mean(0)
    photos = torch.cat([relight(base, gain(one, 48, 64)) for one in coefficients])
    found = measure_light(photos, torch.ones(6))
    assert (found - coefficients).abs().max() < 0.02
    flat = torch.cat([relight(photo[None], gain(-one, 48, 64)) for photo, one in zip(photos, found, strict=True)])
    assert flat.std(0).mean() < 0.05 * photos.std(0).mean()


def test_registration_finds_known_shifts_and_turns() -> None:
    wide = scene(160, 200)
    random = torch_stream(3, "test/poses")
    poses = torch.rand(8, 3, generator=random) * 2 - 1
    poses = poses * torch.tensor([5.0, 5.0, 0.03])
    poses[:4] = 0  # most photos stand still: they are the shared view
    moved = torch.cat([redo(wide, pose) if pose.any() else wide for pose in poses])[:, :, 20:-20, 20:-20]
    moved = moved * torch.linspace(0.8, 1.1, 8)[:, None, None, None]  # light must not decide
    found = register(moved)
    assert found.aligned
    assert (found.poses[:4] == 0).all()
    assert (found.poses[4:, :2] - poses[4:, :2]).abs().max() < 0.5  # whole pixels where hardly turned
    assert (found.poses[4:, 2] - poses[4:, 2]).abs().max() < 0.01


def test_photos_of_different_things_are_not_taken_for_one_view() -> None:
    photos = torch.cat([F.interpolate(torch.randn(1, 1, 12, 16, generator=torch_stream(seed, "test/other")),
                                      size=(48, 64), mode="bicubic") for seed in range(6)]).clamp(-1, 1)  # fmt: skip
    assert not register(photos).aligned


def test_a_shift_by_whole_pixels_keeps_every_grey_value() -> None:
    photo = station_photos(1)
    shifted = undo(photo, torch.tensor([[3.0, -2.0, 0.0]]))
    assert torch.equal(shifted[:, :, 2:, :-3], photo[:, :, :-2, 3:])
    assert torch.equal(redo(shifted, torch.tensor([3.0, -2.0, 0.0]))[:, :, 2:-2, 3:-3], photo[:, :, 2:-2, 3:-3])


def test_a_photo_in_other_light_is_left_out_and_never_drawn_on() -> None:
    photos = station_photos(16, channels=3, light=0.02)
    photos[5, 1] = 0.9  # green
    generator = ready(photos)
    assert generator.store.kept.tolist() == [number != 5 for number in range(16)]
    generator.sample([0, 1])
    assert all(5 not in passport.drew_on for passport in generator.passports().values())
    assert bool(ready(photos, drop_outliers=False).store.kept.all())


def test_it_says_whether_the_photos_share_a_view_and_what_was_left_out() -> None:
    photos = station_photos(16, channels=3, light=0.02)
    photos[5, 1] = 0.9
    notes = ready(photos).notes()
    assert "share a view" in notes[0] and "0 of 16 were moved" in notes[0] and "1 photo(s)" in notes[1]
    apart = torch.cat([scene(16 + 16 * number, 128)[:, :, :16, 8 * number : 8 * number + 40] for number in range(6)])
    notes = ready(apart).notes()
    assert "do not share a view" in notes[0] and "path candidates" in notes[0]
    assert "fewer than 10" in ready(photos[:4], drop_outliers=False).notes()[1]


def test_what_does_not_fit_into_memory_is_refused_before_it_starts() -> None:
    photos = station_photos(4)
    with pytest.raises(UserError) as caught:
        ready(photos, memory_mb=1)
    assert "4 photos of 40x32 px" in caught.value.what and "1 MB" in caught.value.allowed
    assert "memory_mb" in caught.value.do
    ready(photos, memory_mb=100)


# Samples


def test_a_sample_alone_equals_itself_among_others_bit_for_bit() -> None:
    generator = ready(station_photos(12, channels=3))
    together = generator.sample([4, 0, 9])
    assert torch.equal(generator.sample([9])[0], together[2])
    assert not torch.equal(together[0], together[1])


def test_photos_keep_their_own_bits_in_a_checkpoint() -> None:
    photos = station_photos(4)
    store = ready(photos).store
    assert torch.equal(torch.cat([store.photo(number) for number in range(4)]), photos)
    assert ready(photos).store.pixels.dtype == torch.uint8
    fine = torch.rand(4, 1, 16, 16, generator=torch_stream(0, "test/fine"))  # 12 bits of a camera
    fine = (fine * 4095).round() / 4095 * 2 - 1
    stored = ready(fine).store.photo(0)[0]
    assert np.array_equal(unit_to_integers(stored.numpy(), 12), unit_to_integers(fine[0].numpy(), 12))


def test_samples_spread_as_photos_do_and_none_is_a_photo() -> None:
    photos = station_photos(24)
    samples = ready(photos).sample(range(24))
    assert 0.75 < samples.std(0).mean() / photos.std(0).mean() < 1.2
    nearest = torch.cdist(samples.flatten(1), photos.flatten(1)).min(1).values
    between = torch.cdist(photos.flatten(1), photos.flatten(1)).fill_diagonal_(torch.inf).min(1).values
    assert nearest.median() > 0.5 * between.median()


# Passports


def passport_of(generator: PatchDiffusion, seed: int) -> tuple[Tensor, Passport]:
    image = generator.sample([seed])
    return image, generator.passports()[seed]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_sample_rebuilt_from_its_passport_is_the_sample_to_below_a_grey_level(channels: int) -> None:
    generator = ready(station_photos(14, 48, 64, channels))
    image, passport = passport_of(generator, 7)
    apart = (generator.rebuild(passport) - image).abs() * 127.5  # grey levels
    assert apart.mean() < 0.1 and apart.flatten().quantile(0.999) < 1
    other, _ = passport_of(generator, 8)
    assert (other - image).abs().mean() * 127.5 > 1


def test_a_planted_copy_is_found() -> None:
    photos = station_photos(12)
    _, mixed = passport_of(ready(photos, patch_px=5), 0)
    assert mixed.largest_region < 0.8 and mixed.novelty > 0.3
    image, copied = passport_of(ready(photos, patch_px=999, mixture_photos=1, exclude_mixed=False), 0)
    assert copied.largest_region > 0.95 and copied.most_used_share > 0.95 and copied.novelty < 0.2
    assert int((photos - image).abs().mean((1, 2, 3)).argmin()) == copied.most_used_photo


def test_photos_of_the_mixture_give_nothing_to_finer_levels() -> None:
    generator = ready(station_photos(12))
    _, passport = passport_of(generator, 3)
    rows, columns = passport.facts["levels"][0]
    first = passport.picture[:rows, :columns]
    assert not set(passport.facts["mixed"]) & set(np.unique(first).tolist())
    assert set(passport.facts["mixed"]) <= set(passport.drew_on)


def with_near_duplicates(count: int, copied: int) -> Tensor:
    """Different photos, then two near-duplicates of each of the first few, a little darker and brighter."""
    photos = station_photos(count)
    first = photos[:copied]
    near = torch.cat([(first * factor).mul(127.5).round().div(127.5) for factor in (0.99, 1.01)])
    return torch.cat([photos, near.clamp(-1, 1)])


def test_near_duplicates_of_the_mixture_give_nothing_to_finer_levels() -> None:
    generator = ready(with_near_duplicates(12, copied=3), drop_outliers=False)
    groups = np.array([*range(12), 0, 1, 2, 0, 1, 2])
    assert generator.sampler().groups.tolist() == groups.tolist()
    drew_on_near_ones = 0
    for seed in range(12):
        _, passport = passport_of(generator, seed)
        rows, columns = passport.facts["levels"][0]
        mixed = groups[passport.facts["mixed"]].tolist()
        assert len(set(mixed)) == len(mixed) == 4
        assert not set(mixed) & set(groups[passport.picture[:rows, :columns]].ravel().tolist())
        drew_on_near_ones += bool(set(mixed) & {0, 1, 2})
    assert drew_on_near_ones > 3  # else nothing was put to the test


def test_where_most_photos_are_near_duplicates_each_counts() -> None:
    photos = with_near_duplicates(5, copied=1)[[0, 5, 6, 1, 2]]
    assert AlignedPhotos(ready(photos, drop_outliers=False).store).groups().unique().shape == (5,)


def test_the_largest_region_is_counted_by_sides_not_corners() -> None:
    assert largest_region(np.array([[1, 1, 2], [2, 1, 2], [1, 2, 2]])) == pytest.approx(4 / 9)
    assert largest_region(np.zeros((3, 4), int)) == 1
    assert largest_region(np.arange(12).reshape(3, 4)) == pytest.approx(1 / 12)


def test_passports_count_the_photos_that_were_given(tmp_path: Path) -> None:
    photos = station_photos(10)
    generator = ready(photos)
    given = {pixels_sha256(unit_to_integers(photo, 8)) for photo in photos.numpy()}
    named = [
        pixels_sha256(unit_to_integers(photo, 8)) for photo in torch.stack(list(generator.passport_photos())).numpy()
    ]
    assert set(named) == given and named[3] == pixels_sha256(unit_to_integers(photos[3].numpy(), 8))
