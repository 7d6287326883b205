"""Every inspector keeps the same promises. There is no list of exceptions."""

from __future__ import annotations

import ast
import dataclasses
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from handful.core import registry
from handful.core.errors import UserError
from handful.core.images import Floats, pixels_sha256, unit_to_integers
from handful.features.networks import owner_of
from handful.features.weights import list_weights
from handful.inspection.base import (
    Inspector,
    InspectorFacts,
    Predictions,
    build_inspector,
    inspector_class,
)
from handful.inspection.labelled_set import LabelledSet
from handful.inspection.metrics import auroc, measure

NAMES = registry.names("inspectors")
DOCS = Path(__file__).parents[2] / "docs"
KINDS = ("bright", "dark")
FEW_STEPS = {"steps": 6, "batch_images": 4, "width": 8, "side_px": 48}
ENOUGH_STEPS = FEW_STEPS | {"steps": 90, "batch_images": 8, "learning_rate": 0.005}

every_inspector = pytest.mark.parametrize("name", NAMES)


@cache
def weights_found() -> dict[str, bool]:
    return {status.network: status.state == "found" for status in list_weights()}


def facts_of(name: str) -> InspectorFacts:
    facts = registry.load("inspectors", name).FACTS
    assert isinstance(facts, InspectorFacts)
    return facts


@pytest.fixture(scope="module", autouse=True)
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Features that many tests ask for are computed once."""
    global _cache
    _cache = tmp_path_factory.mktemp("cache")


_cache: Path | None = None


def build(name: str, settings: dict[str, Any] = FEW_STEPS, cache: Path | None = None) -> Inspector:
    """With small settings, where it has them; skipped where its network has no weights here."""
    network = facts_of(name).network
    if network and not weights_found()[owner_of(network).name]:
        pytest.skip(f"the weights of {network} are not here")
    fields = inspector_class(registry.load("inspectors", name)).settings_class.model_fields
    return build_inspector(
        name, {key: value for key, value in settings.items() if key in fields}, 0, cache=cache or _cache
    )


def planted(seed: int, count: int, height: int = 20, width: int = 24, channels: int = 1) -> LabelledSet:
    """Grain on grey: a third is good, the others have a bright or a dark square at a random place."""
    random = np.random.default_rng(seed)
    images = random.normal(0, 0.08, (count, channels, height, width)).astype(np.float32)
    labels, masks = np.arange(count) % 3, np.zeros((count, height, width), np.uint8)
    for row, label in enumerate(labels):
        if label:
            top, left = random.integers(1, height - 7), random.integers(1, width - 7)
            images[row, :, top : top + 6, left : left + 6] += 0.6 if label == 1 else -0.6
            masks[row, top : top + 6, left : left + 6] = label
    return labelled(np.clip(images, -1, 1), labels, masks)


def labelled(images: Floats, labels: np.ndarray, masks: np.ndarray) -> LabelledSet:
    hashes = tuple(pixels_sha256(unit_to_integers(image, 8)) for image in images)
    names = tuple(f"{row}.png" for row in range(len(images)))
    for array in (images, labels, masks):  # no inspector changes what it is given
        array.setflags(write=False)
    return LabelledSet(images, labels.astype(np.intp), KINDS, masks, hashes, np.arange(len(images)), names)


def assert_same(one: Predictions, other: Predictions, rows: Any = ..., exactly: bool = True) -> None:
    for field in dataclasses.fields(Predictions):
        a, b = getattr(one, field.name), getattr(other, field.name)
        assert (a is None) == (b is None), field.name
        if a is not None and exactly:
            np.testing.assert_array_equal(a[rows], b, err_msg=field.name)
        elif a is not None:
            np.testing.assert_allclose(a[rows], b, rtol=1e-4, atol=1e-4, err_msg=field.name)


def chosen_fit(name: str, train: LabelledSet, weights: np.ndarray | None = None, **settings: Any) -> Inspector:
    inspector = build(name, FEW_STEPS | settings)
    inspector.fit(train, weights)
    return inspector


@every_inspector
def test_it_says_what_a_user_must_know(name: str) -> None:
    entry = registry.describe("inspectors", name)
    assert entry.title.endswith(".")
    assert {"Paper", "Differs", "Good for", "Weak at", "Origin"} <= entry.sections.keys()
    page = (DOCS / "inspectors" / f"{name}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {name}: ") and "arXiv" in page
    assert f"(inspectors/{name}.md)" in (DOCS / "inspectors.md").read_text(encoding="utf-8")


@every_inspector
def test_a_listing_tells_what_an_import_would(name: str) -> None:
    entry = registry.describe("inspectors", name)
    stated = dataclasses.asdict(facts_of(name))
    assert entry.facts == {word: stated[word] for word in entry.facts}
    imported = inspector_class(registry.load("inspectors", name)).settings_class.model_fields
    assert [row.name for row in entry.settings] == list(imported)
    for row in entry.settings:
        assert row.help, f"{name}: setting {row.name} has no docstring"
        assert ast.literal_eval(row.default) == imported[row.name].default
    assert ("steps" in imported and "batch_images" in imported) == facts_of(name).goes_on


@every_inspector
def test_it_learns_a_planted_difference(name: str) -> None:
    test = planted(1, 36)
    inspector = build(name, ENOUGH_STEPS)
    inspector.fit(planted(0, 24))
    predictions = inspector.predict(test.images)
    found = measure(test, predictions)
    assert predictions.defect.shape == (36,) and predictions.defect.dtype == np.float64
    assert found["auroc"] > 0.85, found
    tasks = facts_of(name).tasks
    assert ("kinds" in tasks) == (predictions.kinds is not None) and ("masks" in tasks) == (
        predictions.maps is not None
    )
    if predictions.kinds is not None:
        assert predictions.kinds.shape == (36, 3)
        np.testing.assert_allclose(predictions.kinds.sum(axis=1), 1, atol=1e-6)
        assert found["balanced_accuracy"] > 0.6, found  # guessing: 0.33
    if predictions.maps is not None:
        assert predictions.maps.shape == (36, 20, 24) and predictions.maps.dtype == np.float32
        assert found["pixel_auroc"] > 0.85 and found["pro"] > 0.4, found  # guessing: 0.5 and 0.15


@every_inspector
def test_it_finds_nothing_in_noise(name: str) -> None:
    random = np.random.default_rng(5)
    images = random.normal(0, 0.2, (66, 1, 20, 24)).astype(np.float32).clip(-1, 1)
    labels = np.arange(66) % 3
    masks = np.broadcast_to(labels[:, None, None], (66, 20, 24)).astype(np.uint8)
    noise = labelled(images, labels, masks)
    inspector = chosen_fit(name, noise.take(range(24)), steps=20)
    # of 14 good and 28 others the AUROC of guessing has a standard deviation of 0.095
    assert 0.2 < auroc(inspector.predict(images[24:]).defect, labels[24:] > 0) < 0.8


@every_inspector
def test_the_same_seed_gives_the_same_predictions(name: str) -> None:
    train, test = planted(0, 12), planted(1, 5)
    first, second = (chosen_fit(name, train).predict(test.images) for _ in range(2))
    assert_same(first, second)


@every_inspector
def test_neither_order_nor_number_of_test_images_matters(name: str) -> None:
    test = planted(1, 19)
    inspector = chosen_fit(name, planted(0, 12))
    whole = inspector.predict(test.images)
    order = np.random.default_rng(0).permutation(19)
    assert_same(whole, inspector.predict(test.images[order]), order, exactly=False)
    assert_same(whole, inspector.predict(test.images[18:]), [18], exactly=False)


@every_inspector
def test_colour_and_other_shapes_work(name: str) -> None:
    inspector = chosen_fit(name, planted(0, 6, 16, 33, channels=3))
    predictions = inspector.predict(planted(1, 2, 16, 33, channels=3).images)
    assert np.isfinite(predictions.defect).all()
    assert predictions.maps is None or predictions.maps.shape == (2, 16, 33)


@every_inspector
def test_an_image_of_weight_0_is_as_good_as_absent(name: str) -> None:
    train, test = planted(0, 15), planted(1, 5)
    weights = np.ones(15)
    weights[[0, 4, 8]] = 0
    without = chosen_fit(name, train.take(np.flatnonzero(weights)))
    assert_same(chosen_fit(name, train, weights).predict(test.images), without.predict(test.images))
    assert_same(chosen_fit(name, train, weights * 3).predict(test.images), without.predict(test.images), exactly=False)


@every_inspector
def test_a_second_fit_goes_on_or_starts_anew_as_its_facts_say(name: str) -> None:
    first, second, test = planted(0, 12), planted(2, 12), planted(1, 5)
    inspector = chosen_fit(name, first)
    inspector.fit(second)
    both, alone = inspector.predict(test.images).defect, chosen_fit(name, second).predict(test.images).defect
    assert np.array_equal(both, alone) != facts_of(name).goes_on


@every_inspector
def test_one_photo_of_each_class_is_enough_and_a_class_without_a_photo_is_never_named(name: str) -> None:
    train, test = planted(0, 12), planted(1, 6)
    predictions = chosen_fit(name, train.take([0, 1, 2])).predict(test.images)
    assert np.isfinite(predictions.defect).all()
    predictions = chosen_fit(name, train.take([0, 1, 3, 4])).predict(test.images)  # no kind 2
    assert predictions.kinds is None or (predictions.kinds.shape == (6, 3) and not predictions.kinds[:, 2].any())


@every_inspector
def test_too_few_images_are_refused_with_the_number(name: str) -> None:
    train, facts = planted(0, 12), facts_of(name)
    for rows, least, word in (
        (train.labels == 0, facts.least_defective, "defective"),
        (train.labels > 0, facts.least_good, "good"),
    ):
        inspector = build(name)
        if least == 0:
            inspector.fit(train.take(np.flatnonzero(rows)))
            continue
        with pytest.raises(UserError) as caught:
            inspector.fit(train.take(np.flatnonzero(rows)))
        assert caught.value.what.startswith("There are 0 ") and word in caught.value.what
        assert f"{name} needs at least {least}" in caught.value.allowed and word in caught.value.allowed
        assert "handful inspectors" in caught.value.do


@every_inspector
def test_masks_are_asked_for_where_they_are_needed_and_nowhere_else(name: str) -> None:
    train = dataclasses.replace(planted(0, 12), masks=None)
    inspector = build(name)
    if not facts_of(name).needs_masks:
        inspector.fit(train)
        return
    with pytest.raises(UserError) as caught:
        inspector.fit(train)
    assert "Of 12 training images, 0" in caught.value.what and "masks" in caught.value.allowed


@every_inspector
@pytest.mark.parametrize("weights", [np.ones(3), np.full(12, -1.0), np.full(12, np.nan)])
def test_weights_that_fit_no_image_are_refused(name: str, weights: np.ndarray) -> None:
    with pytest.raises(UserError) as caught:
        build(name).fit(planted(0, 12), weights)
    assert f"shape {weights.shape}" in caught.value.what and "12 images" in caught.value.allowed


@every_inspector
def test_a_setting_out_of_range_is_refused(name: str) -> None:
    chosen = inspector_class(registry.load("inspectors", name)).settings_class
    for setting in chosen.model_fields:
        with pytest.raises(ValidationError):
            chosen.model_validate({setting: -1})
    with pytest.raises(UserError) as caught:
        build_inspector(name, {"stesp": 3}, 0)
    assert f"inspector {name} has no setting 'stesp'" in caught.value.what


@every_inspector
def test_a_cache_moves_no_prediction(name: str, tmp_path: Path) -> None:
    train, test = planted(0, 12), planted(1, 5)
    found = []
    for _ in range(2):  # the second reads what the first left
        inspector = build(name, cache=tmp_path)
        inspector.fit(train)
        found.append(inspector.predict(test.images))
    assert_same(*found)
