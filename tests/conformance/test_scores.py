"""Every score, with no exclusion list: what a score must do to be one."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from handful.core import registry
from handful.core.artifacts import Score
from handful.core.errors import UserError
from handful.scores.base import FeatureSets, ScoreFacts

DIMENSIONS = 64
NAMES = registry.names("scores")
PAIRS = np.repeat(np.arange(15), 2)
"""The photos of 30 tiles, two of each."""


def draw(seed: int, images: int) -> np.ndarray:
    """Features with correlated dimensions and a decaying spectrum, as networks give them."""
    directions = np.random.default_rng(7).normal(size=(DIMENSIONS, DIMENSIONS)) / np.arange(1, DIMENSIONS + 1)[:, None]
    features = 1 + np.random.default_rng(seed).normal(size=(images, DIMENSIONS)) @ directions
    features.setflags(write=False)
    return features


def sets(samples: np.ndarray, photos: int = 30) -> FeatureSets:
    heldout = draw(1, photos)
    numbers = np.arange(photos)
    return FeatureSets(samples, heldout, draw(2, photos), heldout, numbers, numbers, numbers)


def badness(score: Score, facts: ScoreFacts) -> float:
    distance = score.value - facts.best
    return {"lower": distance, "higher": -distance, "neither": abs(distance)}[facts.better]


@pytest.fixture(params=NAMES)
def module(request: pytest.FixtureRequest) -> ModuleType:
    return registry.load("scores", request.param)


def test_there_are_scores() -> None:
    assert {"fid", "kid", "nearest_photo"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_score_says_how_to_read_it(name: str) -> None:
    entry = registry.describe("scores", name)
    assert entry.title.endswith((".", "?"))
    for section in ("Paper", "Read", "Few images", "Oracle"):
        assert len(entry.sections[section]) > 40, f"{name} says too little under {section}"
    assert ScoreFacts(**entry.facts) == registry.load("scores", name).FACTS
    page = Path(__file__).parents[2] / "docs" / "scores" / f"{name}.md"
    assert page.is_file(), f"{name} has no page docs/scores/{name}.md"


def test_samples_equal_to_new_photos_score_best(module: ModuleType) -> None:
    equal = badness(module.score(sets(draw(1, 30))), module.FACTS)
    assert equal <= 1e-9
    assert equal < badness(module.score(sets(draw(1, 30) + 0.5)), module.FACTS)


def test_growing_corruption_scores_ever_worse(module: ModuleType) -> None:
    # non-negative, as features are: corrupted images switch on what clean ones leave off
    clean, noise = draw(3, 60), np.abs(np.random.default_rng(4).normal(size=(60, DIMENSIONS)))
    values = [badness(module.score(sets(clean + level * noise)), module.FACTS) for level in (0, 0.5, 1, 2, 4)]
    assert all(worse > better for better, worse in itertools.pairwise(values)), values


def test_the_order_of_images_does_not_matter(module: ModuleType) -> None:
    before = sets(draw(3, 60))
    before = replace(before, reference_photos=PAIRS, training_photos=PAIRS, heldout_photos=PAIRS)
    mixed, orders = {}, {30: np.random.default_rng(5).permutation(30), 60: np.random.default_rng(6).permutation(60)}
    for side in before.__dataclass_fields__:
        rows = getattr(before, side)
        mixed[side] = rows[orders[len(rows)]]
    after = FeatureSets(**mixed)
    first, second = module.score(before), module.score(after)
    for field in ("value", "low", "high"):
        assert getattr(first, field) == pytest.approx(getattr(second, field), rel=1e-9)
    assert first.details == pytest.approx(second.details, rel=1e-9)


def test_the_fewest_images_give_a_finite_number(module: ModuleType) -> None:
    facts = module.FACTS
    score = module.score(sets(draw(3, facts.least_samples), photos=facts.least_reference))
    assert np.isfinite(score.value)
    assert score.m_samples == facts.least_samples and score.n_reference == facts.least_reference
    assert score.low is None or np.isfinite([score.low, score.high]).all()


def test_one_photo_fewer_is_refused_with_its_number(module: ModuleType) -> None:
    facts, name = module.FACTS, module.__name__.rpartition(".")[2]
    few = sets(draw(3, 60), photos=facts.least_reference - 1)
    with pytest.raises(UserError) as error:
        module.score(few)
    assert f"{facts.least_reference - 1} {facts.compares_with} photo" in error.value.what
    assert f"{name} needs at least {facts.least_reference}" in error.value.allowed


def test_one_sample_fewer_is_refused_with_its_number(module: ModuleType) -> None:
    least = module.FACTS.least_samples
    with pytest.raises(UserError) as error:
        module.score(sets(draw(3, least - 1)))
    assert f"{least - 1} sample" in error.value.what and str(least) in error.value.allowed


def test_the_interval_holds_the_value_and_narrows_with_more_images(module: ModuleType) -> None:
    few, many = (module.score(sets(draw(3, count), photos=count)) for count in (12, 120))
    for score in (few, many):
        assert score.low <= score.value <= score.high and score.low < score.high
    assert many.high - many.low < few.high - few.low


def test_only_the_scores_own_photos_are_read(module: ModuleType) -> None:
    full = sets(draw(3, 60))
    unread = "training" if module.FACTS.compares_with == "reference" else "reference"
    changed = replace(full, **{unread: draw(9, 30) + 5})
    assert module.score(full) == module.score(changed)
