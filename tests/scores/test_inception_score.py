"""The Inception score is the paper's formula, and its name says by which network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from score_folders import made_images, write_dataset, write_samples

from handful.scores.evaluate import score_samples
from handful.scores.inception_score import inception_score


def sure_of(classes: list[int], of: int = 10) -> np.ndarray:
    return np.eye(of)[classes] * 100


@pytest.mark.parametrize("classes", [1, 3, 10])
def test_classes_met_equally_often_and_surely_are_counted(classes: int) -> None:
    assert inception_score(sure_of(list(range(classes)) * 4)) == pytest.approx(classes)


def test_samples_that_say_nothing_score_one() -> None:
    assert inception_score(np.zeros((5, 10))) == pytest.approx(1)
    assert inception_score(np.tile(np.arange(10.0), (5, 1))) == pytest.approx(1)


def test_it_is_the_formula_of_the_paper() -> None:
    logits = np.random.default_rng(0).normal(size=(30, 7))
    each = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    divergences = (each * np.log(each / each.mean(0))).sum(1)
    assert inception_score(logits) == pytest.approx(np.exp(divergences.mean()))
    assert inception_score(logits + 500) == pytest.approx(inception_score(logits))


def test_its_name_on_the_card_holds_the_network(lite0: str, tmp_path: Path) -> None:
    photos = made_images(0, 4)
    write_dataset(tmp_path / "photos", photos, [0, 0, None, None])
    write_samples(tmp_path / "drawn", made_images(1, 5), photos[2:])
    card = score_samples(tmp_path / "drawn", tmp_path / "photos", tmp_path / "out", network="pixels")
    (score,) = [score for score in card.scores if score.name.startswith("inception_score")]
    assert score.name == f"inception_score ({lite0})"
    assert 1 <= score.low <= score.value <= score.high and score.m_samples == 5 and score.n_reference == 0
    assert any("ranks nothing" in note for note in score.notes)
    assert len(list((tmp_path / "out" / "cache").glob(f"{lite0}-*.npz"))) == 1  # as a card of that network needs
