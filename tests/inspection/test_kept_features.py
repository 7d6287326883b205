"""Features are computed once for each image, whatever set it comes in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from handful.features import extract
from handful.features.extract import FeatureExtractor, extract_features
from handful.features.image_set import ImageSet
from handful.inspection.kept_features import KeptFeatures


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each call of the network was given; its features are their means by channel."""
    calls: list[int] = []

    def network(self: FeatureExtractor, inputs: np.ndarray) -> np.ndarray:
        calls.append(len(inputs))
        return np.repeat(inputs.mean((2, 3)), 1280, axis=1)[:, :1280]

    monkeypatch.setattr(FeatureExtractor, "__call__", network)
    return calls


def draw(count: int) -> np.ndarray:
    levels = np.random.default_rng(0).integers(0, 256, (count, 1, 8, 8))
    return (levels / 127.5 - 1).astype(np.float32)


def test_an_image_is_computed_once_in_memory_and_once_for_all_processes(computed: list[int], tmp_path: Path) -> None:
    images = draw(6)
    features = KeptFeatures("efficientnet-lite0", "cpu", tmp_path)
    first = features(images[:4])
    second = features(images[[5, 3, 3, 0]])  # one of them is new
    assert computed == [4, 1]
    np.testing.assert_array_equal(second[[1, 2, 3]], first[[3, 3, 0]])
    anew = KeptFeatures("efficientnet-lite0", "cpu", tmp_path)
    np.testing.assert_array_equal(anew(images[[5, 0]]), second[[0, 3]])
    assert computed == [4, 1]
    np.testing.assert_array_equal(KeptFeatures("efficientnet-lite0", "cpu", None)(images[:4]), first)
    assert computed == [4, 1, 4]


def test_a_damaged_file_is_as_good_as_none(computed: list[int], tmp_path: Path) -> None:
    images = draw(3)
    first = KeptFeatures("efficientnet-lite0", "cpu", tmp_path)(images)
    (file,) = tmp_path.glob("*.npz")
    file.write_bytes(file.read_bytes()[:100])
    np.testing.assert_array_equal(KeptFeatures("efficientnet-lite0", "cpu", tmp_path)(images), first)
    assert computed == [3, 3]


def test_another_way_of_computing_never_reads_these_rows(
    computed: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    KeptFeatures("efficientnet-lite0", "cpu", tmp_path)(draw(2))
    monkeypatch.setattr(extract, "_WAY", -1)
    KeptFeatures("efficientnet-lite0", "cpu", tmp_path)(draw(2))
    assert computed == [2, 2]


def test_images_of_8_bit_have_the_features_that_the_judge_gives_them(computed: list[int]) -> None:
    images = draw(2)
    levels = np.rint((images[:, 0] + 1) * 127.5).astype(np.uint8)
    judged = extract_features(
        ImageSet(("a", "b"), ("a", "b"), 8, lambda row: levels[row]), FeatureExtractor("efficientnet-lite0")
    )
    found = KeptFeatures("efficientnet-lite0", "cpu", None)(images)
    np.testing.assert_allclose(found, judged, rtol=1e-5, atol=1e-6)
