"""Scores on copying, variety and excess distance, with known answers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import cdist

from handful.core.errors import UserError
from handful.scores import authenticity, ct, excess_fid, vendi
from handful.scores.base import FeatureSets
from handful.scores.fid import frechet_distance


def rows(seed: int, count: int, dimensions: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dimensions))


def sets(samples: np.ndarray, training: np.ndarray, heldout: np.ndarray) -> FeatureSets:
    return FeatureSets(samples, heldout, training, heldout)


TRAINING, HELDOUT = rows(0, 25), rows(1, 12)


def planted(copies: int, count: int = 40, seed: int = 2) -> np.ndarray:
    return np.concatenate([TRAINING[np.arange(copies) % 25], rows(seed, count - copies)])


def test_ct_is_the_mann_whitney_test() -> None:
    found = ct.score(sets(planted(8), TRAINING, HELDOUT))
    of_samples, of_photos = (cdist(side, TRAINING).min(1) for side in (planted(8), HELDOUT))
    oracle = stats.mannwhitneyu(of_samples, of_photos, alternative="less", method="asymptotic", use_continuity=False)
    assert found.value == pytest.approx(oracle.statistic / (40 * 12))
    assert found.details["p_copying"] == pytest.approx(oracle.pvalue, rel=0.05)  # the oracle corrects for ties
    assert found.details["z"] < 0


def test_all_copies_have_ct_0_and_no_copies_a_half() -> None:
    assert ct.score(sets(planted(40), TRAINING, HELDOUT)).value == 0
    values = [
        ct.score(sets(rows(10 + draw, 40), rows(100 + draw, 25), rows(200 + draw, 12))).value for draw in range(60)
    ]
    assert np.mean(values) == pytest.approx(0.5, abs=0.06)


def test_ct_finds_the_share_of_copies_that_it_says_in_four_of_five() -> None:
    share = ct.copies_found_share(12, 40)
    copies, found = round(share * 40), []
    for draw in range(150):
        training, heldout = rows(1000 + draw, 25), rows(2000 + draw, 12)
        samples = np.concatenate([training[np.arange(copies) % 25], rows(3000 + draw, 40 - copies)])
        found.append(ct.score(sets(samples, training, heldout)).details["p_copying"] < 0.05)
    assert 0.7 < np.mean(found) <= 0.95
    assert ct.copies_found_share(10, 1000) == pytest.approx(0.456, abs=0.001)


def test_authenticity_is_the_share_by_definition_less_that_of_new_photos() -> None:
    def share(images: np.ndarray) -> float:
        hits = 0
        for image in images:
            distances = [np.linalg.norm(image - one) for one in TRAINING]
            nearest = int(np.argmin(distances))
            others = [np.linalg.norm(TRAINING[nearest] - one) for row, one in enumerate(TRAINING) if row != nearest]
            hits += distances[nearest] > min(others)
        return hits / len(images)

    found = authenticity.score(sets(planted(8), TRAINING, HELDOUT))
    assert found.details["authentic_samples"] == pytest.approx(share(planted(8)))
    assert found.value == pytest.approx(share(planted(8)) - share(HELDOUT))
    assert authenticity.score(sets(planted(40), TRAINING, HELDOUT)).details["authentic_samples"] == 0


@pytest.mark.parametrize("module", [ct, authenticity, excess_fid])
def test_without_held_out_photos_they_say_what_to_do(module: object) -> None:
    with pytest.raises(UserError) as error:
        module.score(sets(planted(4), TRAINING, HELDOUT[:0]))  # type: ignore[attr-defined]
    assert "0 held-out photos" in error.value.what and "--heldout" in error.value.do


def test_vendi_of_pictures_at_right_angles_is_their_number() -> None:
    assert vendi.vendi(np.eye(7)) == pytest.approx(7)
    assert vendi.vendi(np.ones((7, 7))) == pytest.approx(1)
    assert vendi.vendi(np.kron(np.eye(3), np.ones((4, 4)))) == pytest.approx(3)


def test_one_picture_over_and_over_has_no_vendi_and_photos_that_are_alike_are_refused() -> None:
    one = np.repeat(rows(5, 1), 30, 0)
    assert vendi.score(sets(one, TRAINING, HELDOUT)).value == pytest.approx(0, abs=1e-9)
    with pytest.raises(UserError, match="same features"):
        vendi.score(sets(rows(3, 30), TRAINING, one))


def test_vendi_does_not_grow_with_the_number_of_samples() -> None:
    few, many = (np.mean([vendi.score(sets(rows(s, n), TRAINING, HELDOUT)).value for s in range(8)]) for n in (12, 120))
    assert few == pytest.approx(many, rel=0.06)


def test_excess_fid_is_the_difference_of_two_distances() -> None:
    samples = rows(4, 25) + 0.4
    found = excess_fid.score(sets(samples, TRAINING, HELDOUT))
    floor = frechet_distance(TRAINING, HELDOUT)
    assert found.details["floor"] == pytest.approx(floor, rel=1e-9)
    assert found.value == pytest.approx(frechet_distance(samples, HELDOUT) - floor, rel=1e-9)


def test_excess_fid_of_equally_good_samples_averages_to_0_and_of_copies_is_0() -> None:
    found = [
        excess_fid.score(sets(rows(10 + draw, 60), rows(100 + draw, 20), rows(200 + draw, 10))) for draw in range(15)
    ]
    values = np.array([one.value for one in found])
    assert abs(values.mean()) < 4 * values.std() / 15**0.5
    assert abs(values.mean()) < 0.2 * np.mean([one.details["floor"] for one in found])
    assert excess_fid.score(sets(TRAINING[::-1], TRAINING, HELDOUT)).value == pytest.approx(0, abs=1e-9)


def test_the_resolution_is_the_spread_of_the_floor_over_splits_of_photos() -> None:
    pool = rows(7, 32)
    told = excess_fid.score(sets(rows(8, 20), pool[:20], pool[20:])).details["resolution"]
    random = np.random.default_rng(3)
    floors = []
    for _ in range(200):
        order = random.permutation(32)
        floors.append(frechet_distance(pool[order[:20]], pool[order[20:]]))
    assert told == pytest.approx(np.std(floors), rel=0.4)
