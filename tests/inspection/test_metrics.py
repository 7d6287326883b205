"""Metrics of inspectors, on answers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from handful.core.errors import UserError
from handful.inspection.base import Predictions
from handful.inspection.labelled_set import LabelledSet
from handful.inspection.metrics import (
    auroc,
    average_precision,
    measure,
    measure_kinds,
    measure_maps,
    per_region_overlap,
)

DEFECTIVE = np.array([False, False, False, True, True])


def test_auroc_is_the_share_of_pairs_in_the_right_order() -> None:
    # the pairs (good, defective): the first defective one wins 3 of 3, the second 1 of 3 and ties with 1
    assert auroc(np.array([0.1, 0.4, 0.6, 0.9, 0.4]), DEFECTIVE) == pytest.approx((3 + 1 + 0.5) / 6)
    assert auroc(np.array([3, 2, 1, 0, 0.0]), DEFECTIVE) == 0


def test_average_precision_sums_precision_at_each_recall_step() -> None:
    # sorted: defective, good, defective, good, good -> 1/2 * 1/1 + 1/2 * 2/3
    assert average_precision(np.array([0.8, 0.1, 0.2, 0.9, 0.5]), DEFECTIVE) == pytest.approx(0.5 + 1 / 3)


def test_kinds_are_averaged_over_classes_and_not_over_images() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 2])
    named = np.array([0, 0, 0, 1, 1, 0, 2])
    found = measure_kinds(np.eye(3)[named], labels)
    assert found["balanced_accuracy"] == pytest.approx((3 / 4 + 1 / 2 + 1) / 3)
    # F1: good 3 of 4 and 3 of 4, kind 1 1 of 2 and 1 of 2, kind 2 perfect
    assert found["macro_f1"] == pytest.approx((3 / 4 + 1 / 2 + 1) / 3)


def test_a_kind_that_the_test_images_lack_is_no_recall_of_0_but_naming_it_costs_f1() -> None:
    labels = np.array([0, 0, 1, 1])
    right, wrong = np.eye(3)[[0, 0, 1, 1]], np.eye(3)[[0, 0, 1, 2]]
    assert measure_kinds(right, labels) == {"balanced_accuracy": 1, "macro_f1": 1}
    assert measure_kinds(wrong, labels)["balanced_accuracy"] == pytest.approx(3 / 4)
    assert measure_kinds(wrong, labels)["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)


def regions() -> np.ndarray:
    """A region of 1 pixel and one of 4 (joined at a corner) among 100 good pixels on each of two images."""
    masks = np.zeros((2, 10, 10), np.uint8)
    masks[0, 1, 1] = 1
    masks[1, 4, 4:6] = 2
    masks[1, 5, 6:8] = 2  # touches (4, 5) at its corner
    return masks


def test_per_region_overlap_counts_regions_alike_whatever_their_size() -> None:
    masks = regions()
    assert per_region_overlap((masks > 0).astype(np.float32), masks) == 1
    large_only = (masks == 2).astype(np.float32)
    # the rest of the pixels have one value: overlap goes from 1/2 at 0 straight to 1 at 1
    assert per_region_overlap(large_only, masks) == pytest.approx(0.5 + 0.5 * 0.15)
    half = np.zeros_like(large_only)
    half[1, 4, 4:6] = 1  # half of the large region: (0 + 1/2) / 2 of the mean overlap
    assert per_region_overlap(half, masks) == pytest.approx(0.25 + 0.75 * 0.15)


def test_per_region_overlap_of_a_constant_is_half_the_limit() -> None:
    masks = regions()
    assert per_region_overlap(np.ones(masks.shape, np.float32), masks) == pytest.approx(0.15)
    assert per_region_overlap(np.ones(masks.shape, np.float32), masks, limit=1.0) == pytest.approx(0.5)


def test_per_region_overlap_stops_at_the_limit() -> None:
    masks = np.zeros((1, 10, 11), np.uint8)
    masks[0, :, 0] = 1  # 10 defective pixels, 100 good ones
    maps = np.zeros(masks.shape, np.float32)
    maps[0, :, 1:] = np.arange(100, 0, -1).reshape(10, 10)
    maps[0, :, 0] = 80.5  # after 20 good pixels all defective ones are marked
    assert per_region_overlap(maps, masks) == pytest.approx((0.3 - 0.2) / 0.3)
    maps[0, :, 0] = 60.5
    assert per_region_overlap(maps, masks) == 0


def test_pixels_are_pooled_over_images() -> None:
    masks = regions()
    maps = (masks > 0).astype(np.float32)
    assert measure_maps(maps, masks) == {"pixel_auroc": 1, "pixel_average_precision": 1, "pro": 1}
    assert measure_maps(-maps, masks)["pixel_auroc"] == 0


def test_measure_gives_what_predictions_and_labels_allow() -> None:
    masks = regions()
    test = LabelledSet(
        np.zeros((2, 1, 10, 10), np.float32), np.array([0, 1]), ("a", "b"), masks, ("x", "y"), np.arange(2), ("x", "y")
    )
    scores = np.array([0.0, 1.0])
    whole = Predictions(scores, np.array([[1, 0, 0], [0, 1, 0.0]]), (masks > 0).astype(np.float32))
    keys = ["auroc", "average_precision", "balanced_accuracy", "macro_f1"]
    keys += ["pixel_auroc", "pixel_average_precision", "pro"]
    assert list(measure(test, whole)) == keys and set(measure(test, whole).values()) == {1.0}
    assert list(measure(test, Predictions(scores, None, None))) == keys[:2]
    with pytest.raises(UserError) as caught:
        measure(test.take([0]), Predictions(scores[:1], None, None))
    assert "Of 1 test images, 0 are defective" in caught.value.what
    assert "at least 1 good and 1 defective" in caught.value.allowed and "test side" in caught.value.do
