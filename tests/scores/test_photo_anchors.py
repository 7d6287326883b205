"""Anchors from photos alone: real photos score as new photos do, spoilt ones worse, and they fix a scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from score_folders import made_images, write_dataset, write_samples
from typer.testing import CliRunner

from handful.cli.app import app
from handful.core.artifacts import Score, ScoreCard
from handful.features.image_set import ImageSet
from handful.report.anchored import fix_scales, place
from handful.report.tables import build_tables
from handful.report.verdict import judge
from handful.scores.evaluate import score_samples
from handful.scores.photo_anchors import BLURRED, NOISY, REAL, _changed, score_photo_anchors

PHOTOS = made_images(0, 14)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    write_dataset(folder / "2_dataset", PHOTOS, [0] * 7 + [None] * 7)
    write_samples(folder / "4_samples" / "drawn", made_images(1, 9), PHOTOS[7:])
    return folder


@pytest.fixture(scope="module")
def cards(work: Path) -> dict[str, ScoreCard]:
    found = score_photo_anchors(work / "2_dataset", work / "5_scores", network="efficientnet-lite0")
    return {card.generator: card for card in found}


@pytest.fixture(scope="module")
def own(work: Path) -> ScoreCard:
    out = work / "5_scores" / "drawn"
    return score_samples(work / "4_samples" / "drawn", work / "2_dataset", out, network="efficientnet-lite0")


def named(card: ScoreCard, name: str) -> Score:
    (found,) = [score for score in card.scores if score.name == name]
    return found


pytestmark = pytest.mark.usefixtures("lite0")


def test_real_photos_score_as_new_photos_do_and_spoilt_ones_worse(cards: dict[str, ScoreCard]) -> None:
    kid = {name: named(card, "kid") for name, card in cards.items()}
    real, blurred, noisy = kid[REAL], kid[BLURRED], kid[NOISY]
    assert real.low is not None and real.high is not None and real.low <= 0 <= real.high
    assert max(blurred.value, noisy.value) > real.high
    assert (real.n_reference, real.m_samples) == (7, 7)
    assert named(cards[REAL], "excess_fid").value == pytest.approx(0, abs=1e-9), "training photos are its floor"
    assert named(cards[REAL], "nearest_photo").value == 1, "held-out photos are its scale"
    assert {score.name for score in cards[NOISY].scores} < {score.name for score in cards[REAL].scores}


def test_cards_lie_beside_those_of_the_runs_and_stand_in_their_table(
    work: Path, own: ScoreCard, cards: dict[str, ScoreCard]
) -> None:
    read = [ScoreCard.read(work / "5_scores" / card.run_id, f"{card.protocol}.json") for card in cards.values()]
    assert read == list(cards.values())
    (table,) = build_tables([own, *read])
    assert [row.name for row in table.rows][1:] == [BLURRED, NOISY, REAL] and table.rows[0].m == 9
    assert table.protocol_fingerprint == own.protocol_fingerprint and table.scaled
    (drawn, *anchors) = table.rows
    worse = max(anchors[:2], key=lambda row: row.cells["kid"].value)
    assert worse.cells["kid"].scale == pytest.approx(0) and anchors[2].cells["kid"].scale == pytest.approx(1)
    spoilt, real = worse.cells["kid"].value, anchors[2].cells["kid"].value
    assert drawn.cells["kid"].scale == pytest.approx((spoilt - drawn.cells["kid"].value) / (spoilt - real))
    assert drawn.cells["fid"].scale is None, "9 samples are not compared with 7 by fid"
    assert drawn.cells["nearest_photo"].scale is None, "it is not read in one direction"


def test_anchors_of_photos_take_no_part_in_the_verdict(own: ScoreCard, cards: dict[str, ScoreCard]) -> None:
    assert judge([own, *cards.values()]) == judge([own])


def test_the_command_shows_the_anchors_and_the_scale_beside_each_score(work: Path, own: ScoreCard) -> None:
    samples, photos = str(work / "4_samples" / "drawn"), str(work / "2_dataset")
    words = ["score", samples, photos, "--features", "efficientnet-lite0", "--anchors"]
    shown = CliRunner().invoke(app, words, catch_exceptions=False).stdout.splitlines()
    assert shown[1].split("  ")[-4:] == ["real photos", "blurred photos", "noisy photos", "scale"]
    (kid,) = [line.split() for line in shown if line.startswith("kid ")]
    real, *spoilt, scale = map(float, kid[-4:])
    assert scale == pytest.approx((max(spoilt) - float(kid[1])) / (max(spoilt) - real), rel=0.01)
    (nearest,) = [line.split() for line in shown if line.startswith("nearest_photo")]
    assert nearest[-1] == "-" and "scale: 0 as the worse of" in "\n".join(shown)


def test_a_scale_needs_anchors_that_are_told_apart() -> None:
    def anchor(name: str, value: float, half: float) -> ScoreCard:
        score = Score(name="kid", value=value, low=value - half, high=value + half, n_reference=9, m_samples=9)
        return ScoreCard(
            protocol="heldout-v1", protocol_fingerprint="a", protocol_plan={}, run_id=name, generator=name, anchor=True,
            of_photos=True, seed=None, fold=0, dataset_fingerprint="d", scores=(score,), worst=(), nearest=(),
            seconds=0,
        )  # fmt: skip

    def scales(half: float) -> dict[tuple[str, int], tuple[Score, Score]]:
        return fix_scales([anchor(REAL, 0.0, half), anchor(BLURRED, 0.1, half), anchor(NOISY, 0.4, half)])

    kid = Score(name="kid", value=0.3, n_reference=9, m_samples=100)
    assert place(kid, 0, scales(0.19)) == pytest.approx(0.25), "a quarter of the way from noisy to real photos"
    assert place(kid, 1, scales(0.19)) is None, "no anchors of that fold"
    assert scales(0.21) == {} and place(kid, 0, {}) is None


def test_where_no_photo_is_held_out_there_are_no_anchors(tmp_path: Path) -> None:
    write_dataset(tmp_path, PHOTOS[:4], [None] * 4)
    assert score_photo_anchors(tmp_path, None, "single-v1", "pixels") == ()


def test_photos_are_spoilt_by_as_much_as_is_said() -> None:
    flat = np.full((64, 64), 128, np.uint8)
    flat[:, 32:] = 192
    images = ImageSet(("a",), ("x",), 8, lambda row: flat, None, 1)
    noisy, blurred = _changed(images, NOISY), _changed(images, BLURRED)
    assert np.std(noisy.read(0)[:, :30].astype(float)) == pytest.approx(25.5, rel=0.05)
    assert noisy.hashes != images.hashes and noisy.names == images.names
    steps = np.diff(blurred.read(0)[0].astype(float))
    assert steps.sum() == 64 and np.sqrt((steps * (np.arange(63) - 31) ** 2).sum() / 64) == pytest.approx(1, rel=0.1)
