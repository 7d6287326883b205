"""Sliced Wasserstein distances: against scipy, closed forms, and leaving out each row."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from handful.core.errors import UserError
from handful.features.image_set import ImageSet
from handful.scores import mind, swd
from handful.scores.base import FeatureSets, ImageSets
from handful.scores.transport import directions, distance, image_spread, transport


def rows(seed: int, count: int, dimensions: int = 6, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dimensions)) + shift


def test_equal_numbers_are_paired_in_order() -> None:
    x, y = rows(0, 9, 4).T, rows(1, 9, 4, 0.3).T
    squared = np.mean((np.sort(x, 1) - np.sort(y, 1)) ** 2)
    absolute = np.mean([stats.wasserstein_distance(a, b) for a, b in zip(x, y, strict=True)])
    assert distance(x, y, 2) == pytest.approx(squared, rel=1e-12)
    assert distance(x, y, 1) == pytest.approx(absolute, rel=1e-12)


@pytest.mark.parametrize("power", [1, 2])
def test_unequal_numbers_come_near_the_exact_distance(power: int) -> None:
    x, y = rows(0, 400, 3).T, rows(1, 40, 3, 1.5).T
    exact = np.mean([stats.wasserstein_distance(a, b) for a, b in zip(x, y, strict=True)])
    if power == 2:  # 400 = 10 x 40: each of the 40 stands for ten
        exact = np.mean((np.sort(x, 1) - np.repeat(np.sort(y, 1), 10, 1)) ** 2)
    assert distance(x, y, power) == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize("power", [1, 2])
def test_what_a_row_adds_is_how_the_distance_moves_with_its_weight(power: int) -> None:
    x, y = rows(0, 60, 5, 1.0).T, rows(1, 45, 5).T
    found = transport(x, y, power)
    for added, side in ((found.of_x, 0), (found.of_y, 1)):
        sets = (x, y)
        count = sets[side].shape[1]
        without = [
            distance(*(np.delete(s, row, 1) if place == side else s for place, s in enumerate(sets)), power)
            for row in range(count)
        ]
        jackknife = (count - 1) * (np.mean(without) - np.array(without))
        assert np.corrcoef(added, jackknife)[0, 1] > 0.99
        assert added.var() == pytest.approx(jackknife.var(), rel=0.1)


def test_rows_of_one_image_count_together() -> None:
    spread, each = image_spread(np.array([1.0, 3.0, -2.0, -2.0]), np.array([0, 0, 1, 1]))
    assert list(each) == [2.0, -2.0] and spread.variance == pytest.approx(8 / 2) and spread.groups == 2


def test_directions_are_unit_vectors_without_a_preferred_axis() -> None:
    drawn = directions(4000, 5, np.random.default_rng(0))
    assert np.linalg.norm(drawn, axis=1) == pytest.approx(1)
    assert drawn.mean(0) == pytest.approx(0, abs=0.03) and (drawn**2).mean(0) == pytest.approx(0.2, abs=0.02)


def mind_of(samples: np.ndarray, photos: np.ndarray) -> mind.Score:
    return mind.score(FeatureSets(samples, photos, photos[:0], photos))


def test_mind_of_a_shifted_set_is_three_times_the_squared_shift() -> None:
    photos, shift = rows(0, 20), np.array([2.0, 0, 0, 1.0, 0, 0])
    assert mind_of(photos + shift, photos).details["plug_in"] == pytest.approx(3 * 5, rel=0.06)  # 3 |s|^2


def test_mind_of_equal_distributions_scatters_around_zero_at_unequal_numbers() -> None:
    found = [mind_of(rows(1000 + draw, 60), rows(3000 + draw, 16)) for draw in range(40)]
    values, floors = np.array([one.value for one in found]), np.array([one.details["floor"] for one in found])
    assert abs(values.mean()) < 0.2 * floors.mean()
    assert (values < 0).mean() > 0.25


def test_the_interval_of_mind_holds_the_truth_about_as_often_as_it_says() -> None:
    truth = 3 * 6 * 0.25  # a shift of 0.5 in each of 6 dimensions
    found = [mind_of(rows(1000 + draw, 60, 6, 0.5), rows(3000 + draw, 40)) for draw in range(40)]
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.85


def test_photos_add_up_to_mind() -> None:
    found = mind_of(rows(0, 30, 6, 1.0), rows(1, 12))
    assert len(found.per_photo) == 12 and np.mean(found.per_photo) == pytest.approx(found.value, rel=1e-9)


def image_set(seed: int, count: int, add: int = 0, side_px: int = 32) -> ImageSet:
    random = np.random.default_rng(seed)
    images = [(random.integers(60, 120, (side_px, side_px)) + add).astype(np.uint8) for _ in range(count)]
    names = tuple(f"{seed}-{row}" for row in range(count))
    return ImageSet(names, names, 8, images.__getitem__, None, 1)


def swd_of(samples: ImageSet, photos: ImageSet) -> swd.Score:
    sources = (None,) * len(samples)
    return swd.score(ImageSets(samples, photos, photos, photos, sources, lambda _: None, lambda *_: None))


def test_the_pyramid_adds_up_to_the_image() -> None:
    image = np.random.default_rng(0).normal(size=(2, 3, 70, 97)).astype(np.float32)
    levels = swd.laplacian_pyramid(image)
    assert [min(level.shape[2:]) for level in levels] == [70, 35, 18]
    total = levels[-1]
    for level in levels[-2::-1]:
        total = level + swd.expand(total, *level.shape[2:])
    assert total == pytest.approx(image, abs=1e-5)


def test_a_change_of_light_is_seen_at_the_coarsest_level_alone() -> None:
    found = swd_of(image_set(0, 12, add=20), image_set(0, 12))
    assert found.details["swd_16"] > 0.2 and found.details["swd_32"] == pytest.approx(0, abs=1e-5)


def test_swd_sees_blur_at_the_finest_level() -> None:
    photos = image_set(0, 12)
    flat = [np.full((32, 32), photos.read(row).mean(), np.uint8) for row in range(12)]
    found = swd_of(ImageSet(photos.names, photos.names, 8, flat.__getitem__, None, 1), photos)
    assert found.details["swd_32"] > 0.5 > swd_of(image_set(1, 12), photos).details["swd_32"]


def test_photos_add_up_to_swd_and_halves_of_photos_tell_what_real_photos_have() -> None:
    found = swd_of(image_set(0, 24), image_set(1, 12))
    assert len(found.per_photo) == 12 and np.mean(found.per_photo) == pytest.approx(found.value, rel=1e-9)
    fresh = swd_of(image_set(2, 6), image_set(3, 6)).value
    assert found.details["halves_of_photos"] == pytest.approx(fresh, rel=0.4)


def test_images_smaller_than_a_patch_are_refused() -> None:
    with pytest.raises(UserError) as error:
        swd_of(image_set(0, 4, side_px=6), image_set(1, 4, side_px=6))
    assert "6x6 px" in error.value.what and "7x7 px" in error.value.allowed
