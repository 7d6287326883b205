"""A feature depends on its image alone, and a cached feature on everything that made it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from score_folders import made_images

from handful.core.errors import UserError
from handful.core.images import Integers, pixels_sha256
from handful.features.extract import FeatureExtractor, extract_features, preprocess
from handful.features.image_set import ImageSet
from handful.features.networks import NETWORKS

LITE0 = NETWORKS["efficientnet-lite0"]


def image_set(images: list[Integers], bit_depth: int = 8) -> ImageSet:
    names = tuple(str(row) for row in range(len(images)))
    return ImageSet(names, tuple(map(pixels_sha256, images)), bit_depth, lambda row: images[row])


def test_pixels_reach_the_network_centred_and_unrounded() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    found = preprocess(pixels, 8, LITE0)
    assert found.shape == (3, 224, 224) and found.dtype == np.float32
    plane = Image.fromarray(pixels[..., 1].astype(np.float32)).resize((224, 224), Image.Resampling.BICUBIC)
    np.testing.assert_allclose(found[1] * 128 + 127, np.asarray(plane), atol=1e-4)
    assert (found * 128 + 127).max() > 255, "the filter overshoots, and nothing clips it"


def test_an_image_of_the_networks_size_is_not_touched() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (224, 224), dtype=np.uint8)
    np.testing.assert_array_equal(preprocess(pixels, 8, LITE0)[0] * 128 + 127, pixels)


def test_grey_is_the_same_in_all_three_channels_and_at_every_depth() -> None:
    eight = np.random.default_rng(2).integers(0, 256, (20, 20), dtype=np.uint8)
    twelve = np.rint(eight * (4095 / 255)).astype(np.uint16)
    grey = preprocess(eight, 8, LITE0)
    np.testing.assert_array_equal(grey[0], grey[2])
    np.testing.assert_allclose(preprocess(np.stack([eight] * 3, -1), 8, LITE0), grey)
    np.testing.assert_allclose(preprocess(twelve, 12, LITE0), grey, atol=0.1 / 128)


def test_a_large_image_is_resized_without_aliasing() -> None:
    stripes = np.zeros((2016, 2016), np.uint8)
    stripes[:, ::2] = 255  # finer than the network's grid: only an antialiased filter sees even grey
    grey = preprocess(stripes, 8, LITE0)[0] * 128 + 127
    assert np.abs(grey[:, 3:-3] - 127.5).max() < 1


def test_a_feature_does_not_depend_on_its_neighbours_or_its_place(lite0: str) -> None:
    extractor, images = FeatureExtractor(lite0), made_images(0, 11)
    together = extract_features(image_set(images), extractor)
    assert together.shape == (11, 1280) and together.dtype == np.float64
    np.testing.assert_array_equal(extract_features(image_set(images[::-1]), extractor)[::-1], together)
    np.testing.assert_array_equal(extract_features(image_set(images[4:5]), extractor)[0], together[4])
    assert np.abs(together[0] - together[1]).max() > 0.1


def test_bf16_is_another_network_by_name(lite0: str) -> None:
    images = image_set(made_images(0, 3))
    full, half = (extract_features(images, FeatureExtractor(name)) for name in (lite0, f"{lite0}+bf16"))
    error = np.linalg.norm(full - half) / np.linalg.norm(full)
    assert 1e-4 < error < 0.1


def test_an_unknown_network_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UserError) as error:
        FeatureExtractor("inception-2016")
    assert "inception-2016" in error.value.what and "inception-2015" in error.value.do
    with pytest.raises(UserError):
        FeatureExtractor("inception-2015+fp8")


class Counting(FeatureExtractor):
    """Counts the batches it computes."""

    batches = 0

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        self.batches += 1
        return super().__call__(inputs)


def test_features_come_from_the_cache_and_a_damaged_cache_is_mended(lite0: str, tmp_path: Path) -> None:
    extractor, images = Counting(lite0), image_set(made_images(0, 3))
    first = extract_features(images, extractor, tmp_path)
    assert extractor.batches == 1
    np.testing.assert_array_equal(extract_features(images, extractor, tmp_path), first)
    assert extractor.batches == 1
    (kept,) = tmp_path.iterdir()
    whole = kept.read_bytes()
    for damage in (b"", whole[: len(whole) // 2], whole[:600] + b"\xff" * 40 + whole[640:], b"no zip file at all"):
        before = extractor.batches
        kept.write_bytes(damage)
        np.testing.assert_array_equal(extract_features(images, extractor, tmp_path), first)
        assert extractor.batches == before + 1
        assert kept.read_bytes() == whole


def test_the_cache_tells_apart_whatever_changes_a_feature(
    lite0: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = image_set(made_images(0, 2))
    other_pixels = image_set(made_images(1, 2))
    turned = ImageSet(images.names, images.hashes[::-1], 8, lambda row: images.read(1 - row))
    for number, (extractor, chosen) in enumerate(
        [
            (Counting(lite0), images),
            (Counting(lite0), other_pixels),
            (Counting(lite0), turned),
            (Counting(lite0), replace(images, bit_depth=10)),
            (Counting(f"{lite0}+bf16"), images),
        ]
    ):
        extract_features(chosen, extractor, tmp_path)
        assert extractor.batches == 1 and len(list(tmp_path.iterdir())) == number + 1
    monkeypatch.setattr("handful.features.extract.metadata.version", lambda name: "another")
    extractor = Counting(lite0)
    extract_features(images, extractor, tmp_path)
    assert extractor.batches == 1


def test_a_listener_hears_how_far_it_is(lite0: str) -> None:
    heard: list[float] = []
    extract_features(
        image_set(made_images(0, 20)), FeatureExtractor(lite0), None, lambda event: heard.append(event["progress"])
    )
    assert heard == [0.4, 0.8, 1.0]  # batches of 8
