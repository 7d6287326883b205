"""Cluster diversity: pairs within clusters, as written out; reshaded photos are found out where diversity is not."""

from __future__ import annotations

import numpy as np
import pytest

from handful.core.errors import UserError
from handful.core.images import pixels_sha256
from handful.features.image_set import ImageSet
from handful.scores import cluster_diversity, diversity
from handful.scores.base import ImageSets


def images(seed: int, count: int) -> np.ndarray:
    """Pictures that differ in all their pixels, (n, h, w)."""
    return np.random.default_rng(seed).integers(20, 236, (count, 8, 8)).astype(np.uint8)


def image_set(pixels: np.ndarray, photos: tuple[str, ...] | None = None) -> ImageSet:
    names = tuple(f"{row}" for row in range(len(pixels)))
    return ImageSet(names, tuple(map(pixels_sha256, pixels)), 8, pixels.__getitem__, photos, 1)


def flat_network(batch: np.ndarray) -> dict[str, np.ndarray]:
    """A network of one layer of one place, so that a picture's vector is itself, brought to unit length."""
    return {"pixels": batch.reshape(len(batch), -1, 1, 1)}


def sets(
    samples: np.ndarray, training: np.ndarray, heldout: np.ndarray, tiles: tuple[str, ...] | None = None
) -> ImageSets:
    unseen = image_set(heldout, tiles)
    known = image_set(training)
    sources = (None,) * len(samples)
    return ImageSets(image_set(samples), unseen, known, unseen, sources, lambda _: flat_network, lambda *_: None)


def unit(pixels: np.ndarray) -> np.ndarray:
    rows = pixels.reshape(len(pixels), -1) / 127.5 - 1
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def pair_mean(pixels: np.ndarray, training: np.ndarray, photos: tuple[str, ...] | None = None) -> float:
    rows, centres = unit(pixels), unit(training)
    nearest = ((rows[:, None] - centres) ** 2).sum(2).argmin(1)
    found = [
        float(((rows[i] - rows[j]) ** 2).sum())
        for i in range(len(rows))
        for j in range(i)
        if nearest[i] == nearest[j] and (photos is None or photos[i] != photos[j])
    ]
    return float(np.mean(found))


def test_it_is_the_ratio_of_mean_distances_over_pairs_that_share_a_nearest_photo() -> None:
    samples, training, heldout = images(0, 30), images(1, 4), images(2, 12)
    found = cluster_diversity.score(sets(samples, training, heldout))
    expected = pair_mean(samples, training) / pair_mean(heldout, training)
    assert found.value == pytest.approx(expected, rel=1e-5) and found.details["clusters"] == 4
    tiles = tuple("abcdef" * 2)
    tiled = cluster_diversity.score(sets(samples, training, heldout, tiles))
    assert tiled.details["between_photos"] == pytest.approx(pair_mean(heldout, training, tiles), rel=1e-5)


def test_reshaded_photos_are_found_out_here_and_not_by_diversity() -> None:
    training, heldout = images(1, 6), images(2, 20)
    shades = np.random.default_rng(3).normal(size=(60, 1, 1)) * 2
    reshaded = np.clip(training[np.arange(60) % 6] + shades, 0, 255).astype(np.uint8)
    honest = cluster_diversity.score(sets(images(4, 60), training, heldout))
    found = sets(reshaded, training, heldout)
    assert cluster_diversity.score(found).value < 0.05
    assert honest.low is not None and honest.high is not None and honest.low < 1 < honest.high
    assert diversity.score(found).value == pytest.approx(1, abs=0.25), "as varied as its photos, seen as a whole"


def test_without_a_shared_nearest_photo_the_scale_is_that_of_any_two_photos_and_this_is_said() -> None:
    training = images(1, 3)
    heldout = np.clip(training[:2] + np.int16(5), 0, 255).astype(np.uint8)  # each nearest to a photo of its own
    found = cluster_diversity.score(sets(images(0, 12), training, heldout))
    rows = unit(heldout)
    assert found.details["between_photos"] == pytest.approx(float(((rows[0] - rows[1]) ** 2).sum()), rel=1e-5)
    assert found.low is None and "the scale is the distance between any two photos" in found.notes[0]


def test_samples_that_share_no_nearest_photo_are_refused_with_the_number_that_would_do() -> None:
    training = images(1, 5)
    with pytest.raises(UserError) as error:
        cluster_diversity.score(sets(training[:4], training, images(2, 8)))
    assert "No two of 4 samples" in error.value.what and "6 samples" in error.value.allowed
