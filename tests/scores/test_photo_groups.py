"""Near-copies are no independent photos: they count as one, on the card and in every comparison made from cards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from score_folders import made_images, write_dataset, write_samples

from handful.core.artifacts import Score, ScoreCard
from handful.features.image_set import ImageSet
from handful.report.comparison import Comparison, compare_pairs
from handful.scores import kid, swd
from handful.scores.base import FeatureSets, ImageSets
from handful.scores.evaluate import score_samples
from handful.scores.image_sets import read_photos, read_samples

PHOTOS = made_images(0, 5)
TRAINING = made_images(5, 6)
DRAWN = made_images(1, 12)


def scored(folder: Path, heldout: list[np.ndarray], alike: int) -> ScoreCard:
    write_dataset(folder, [*heldout, *TRAINING], [0] * len(heldout) + [None] * len(TRAINING), alike=alike)
    write_samples(folder / "drawn", DRAWN, TRAINING)
    return score_samples(folder / "drawn", folder, network="efficientnet-lite0")


def named(card: ScoreCard, name: str) -> Score:
    (found,) = [score for score in card.scores if score.name == name]
    return found


def test_ten_photos_that_are_five_pairs_give_the_interval_of_five(lite0: str, tmp_path: Path) -> None:
    five = scored(tmp_path / "five", PHOTOS, 1)
    pairs = scored(tmp_path / "pairs", [photo for photo in PHOTOS for _ in range(2)], 2)
    ten = scored(tmp_path / "ten", [photo for photo in PHOTOS for _ in range(2)], 1)
    one, other = named(five, "kid"), named(pairs, "kid")
    assert (other.value, other.low, other.high) == pytest.approx((one.value, one.low, one.high), rel=1e-9)
    assert sorted(other.per_photo) == pytest.approx(sorted(one.per_photo), rel=1e-9) and other.n_reference == 5
    assert "10 held-out photos form 5 groups of near-duplicates" in pairs.notes[0] and not five.notes
    blind = named(ten, "kid")
    assert blind.low is not None and blind.high is not None and one.low is not None and one.high is not None
    assert blind.high - blind.low < 0.8 * (one.high - one.low), "taken for independent, copies would narrow it"


def test_the_photo_that_stands_out_stands_at_the_same_place_in_every_space(lite0: str, tmp_path: Path) -> None:
    """In features and in pixels, wherever the file of that photo lies among the others."""
    photos = [*PHOTOS[:1], np.full_like(PHOTOS[0], 255), *PHOTOS[1:]]
    write_dataset(tmp_path, [*photos, *TRAINING], [0] * 6 + [None] * 6)
    write_samples(tmp_path / "drawn", DRAWN, TRAINING)
    card = score_samples(tmp_path / "drawn", tmp_path, network=lite0)
    known = read_photos(tmp_path, 0, "heldout")
    drawn = read_samples(tmp_path / "drawn", known).images
    sources = (None,) * len(drawn)
    sets = ImageSets(drawn, known.heldout, known.training, known.heldout, sources, lambda _: {}, lambda *_: None)
    found = [named(card, "kid"), named(card, "mind"), swd.score(sets)]
    assert [int(np.argmax(one.per_photo)) for one in found] == [1, 1, 1]


def test_photos_that_are_all_alike_give_a_number_and_no_interval(lite0: str, tmp_path: Path) -> None:
    card = scored(tmp_path, PHOTOS, 5)
    assert {(score.low, score.per_photo) for score in card.scores} == {(None, ())}
    assert named(card, "kid").n_reference == 5
    assert "5 held-out photos are all near-duplicates of one another: no interval" in card.notes[0]


def test_groups_make_the_photos_of_an_image_set() -> None:
    names = ("a", "b", "c", "d")
    images = ImageSet(names, names, 8, lambda row: np.zeros((8, 8), np.uint8), groups=(3, 1, 3, 7))
    assert images.photo_numbers().tolist() == [1, 0, 1, 2] and not images.all_alike
    alike = replace(images, groups=(2, 2, 2, 2))
    assert alike.photo_numbers().tolist() == [0, 1, 2, 3] and alike.all_alike
    assert not replace(alike, photos=("a",) * 4).all_alike, "tiles of one photo"


@pytest.mark.parametrize("sizes", [(2, 2, 2, 2, 2), (1, 1, 2, 3, 5)])
def test_a_comparison_of_cards_counts_each_group_once(sizes: tuple[int, ...]) -> None:
    """Repeating every photo of a group leaves the interval of a difference as wide as the groups make it."""
    random = np.random.default_rng(0)
    photos, numbers = random.normal(size=(5, 6)), np.repeat(np.arange(5), sizes)

    def cards(rows: np.ndarray, of_photo: np.ndarray, shift: float) -> dict[tuple[int, int], Score]:
        draws = [np.random.default_rng(seed).normal(size=(30, 6)) + shift for seed in range(10)]
        return {
            (seed, 0): kid.score(FeatureSets(drawn, rows, rows, rows, of_photo, of_photo, of_photo))
            for seed, drawn in enumerate(draws)
        }

    def compared(rows: np.ndarray, of_photo: np.ndarray) -> Comparison:
        sides = {"a": cards(rows, of_photo, 0.0), "b": cards(rows, of_photo, 0.6)}
        return compare_pairs([("a", "b")], sides)[0]

    found, apart = compared(photos[numbers], numbers), compared(photos[numbers], np.arange(len(numbers)))
    assert found.photos == 5 and apart.photos == len(numbers)
    assert found.low is not None and found.high is not None and found.mean_difference is not None
    assert (found.low + found.high) / 2 == pytest.approx(found.mean_difference), "it lies around what is told"
    if len(set(sizes)) == 1:
        alone = compared(photos, np.arange(5))
        assert (found.low, found.high, found.p) == pytest.approx((alone.low, alone.high, alone.p))
