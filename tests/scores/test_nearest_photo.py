"""nearest_photo tells copies from new images, on distances with known medians."""

from __future__ import annotations

import numpy as np
import pytest

from handful.core.errors import UserError
from handful.scores import nearest_photo
from handful.scores.base import FeatureSets

TRAINING = np.array([[0.0, 100.0], [0.0, 500.0], [0.0, 900.0]])


def near(distances: list[float]) -> np.ndarray:
    """Features at these distances from a training photo."""
    return np.array([[d, TRAINING[row % 3, 1]] for row, d in enumerate(distances)])


def score(samples: np.ndarray, heldout: np.ndarray, training: np.ndarray = TRAINING) -> nearest_photo.Score:
    return nearest_photo.score(FeatureSets(samples, heldout, training, heldout))


def test_the_value_is_the_ratio_of_medians() -> None:
    found = score(near([1, 2, 30]), near([4, 5, 6, 7, 8]))
    assert found.value == pytest.approx(2 / 6)
    assert found.details["closer_share"] == pytest.approx(2 / 3)
    assert found.details["identical_share"] == 0
    assert found.details["scale_photos"] == 5


def test_copies_score_zero_and_are_counted() -> None:
    found = score(near([0, 0, 0, 3]), near([5, 6, 7]))
    assert found.value == 0
    assert found.details["identical_share"] == pytest.approx(0.75)


def test_the_nearer_to_a_copy_the_lower() -> None:
    random = np.random.default_rng(0)
    training, heldout, fresh = (random.normal(size=(40, 16)) for _ in range(3))
    values = [score((1 - t) * fresh + t * training, heldout, training).value for t in (0, 0.5, 0.8, 0.95, 1)]
    assert values == sorted(values, reverse=True) and len(set(values)) == 5
    assert values[0] == pytest.approx(1, abs=0.2) and values[-1] == 0


def test_without_held_out_photos_the_training_photos_are_the_scale() -> None:
    found = score(near([100, 200, 300]), TRAINING[:0])
    assert found.value == pytest.approx(200 / 400)
    assert any("No held-out photos" in note for note in found.notes)


def test_a_small_scale_is_noted_with_its_number() -> None:
    assert any("3 held-out photo(s)" in note for note in score(near([1, 2]), near([4, 5, 6])).notes)
    many = near([float(d) for d in range(4, 14)])
    assert score(near([1, 2]), many).notes == ()


def test_one_held_out_photo_gives_no_interval() -> None:
    assert score(near([1, 2, 3]), near([4])).low is None


def test_the_interval_is_that_of_the_medians() -> None:
    random = np.random.default_rng(1)
    found = score(near(list(random.uniform(1, 3, 400))), near(list(random.uniform(4, 6, 400))))
    assert found.low < found.value < found.high
    # a median of 400 uniform values of width 2 has a standard deviation of 2 / (2 sqrt 400) = 0.05
    deviation = 0.4 * ((0.05 / 2) ** 2 + (0.05 / 5) ** 2) ** 0.5
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * deviation, rel=0.35)


def test_tiles_of_one_photo_are_one_draw_of_the_scale() -> None:
    random = np.random.default_rng(2)
    samples, photos = near(list(random.uniform(1, 3, 400))), np.repeat(np.arange(12), 20)
    tiles = near(list(np.repeat(np.linspace(4, 9, 12), 20) + random.uniform(0, 0.01, 240)))
    alone = score(samples, tiles)
    found = nearest_photo.score(FeatureSets(samples, tiles, TRAINING, tiles, heldout_photos=photos))
    assert found.value == alone.value and found.details["scale_photos"] == 12
    assert found.high - found.low > 3 * (alone.high - alone.low), "240 tiles of 12 photos tell as much as 12 photos"
    pair = nearest_photo.score(FeatureSets(samples, tiles, TRAINING, tiles, heldout_photos=photos // 6))
    assert any("from 2 held-out photo(s)" in note for note in pair.notes)
    one = nearest_photo.score(FeatureSets(samples, tiles, TRAINING, tiles, heldout_photos=photos * 0))
    assert one.low is None


def test_a_tile_is_not_measured_against_its_own_photo() -> None:
    tiles = np.array([[0.0, 0.0], [0.0, 1.0], [0.0, 100.0], [0.0, 101.0]])
    photos = np.array([0, 0, 1, 1])
    found = nearest_photo.score(FeatureSets(near([10, 20]), tiles, tiles, tiles[:0], training_photos=photos))
    assert found.details["median_photo_distance"] == pytest.approx((99 + 100) / 2)
    assert found.n_reference == 2 and found.details["reference_images"] == 4


def test_held_out_copies_of_training_photos_are_refused() -> None:
    with pytest.raises(UserError) as error:
        score(near([1, 2]), near([0, 0, 0]))
    assert "3 held-out images" in error.value.what and "handful dataset" in error.value.do
