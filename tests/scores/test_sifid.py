"""SIFID: the published formula on the stated network, pairs by manifest, and none of the traps of other programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from scipy import linalg, ndimage
from score_folders import write_dataset, write_images, write_samples

from handful.core.artifacts import Score, ScoreCard
from handful.core.errors import UserError
from handful.core.images import Integers, pixels_sha256, png_bytes
from handful.features.extract import load_network
from handful.features.image_set import ImageSet
from handful.features.maps import MapExtractor
from handful.features.networks import MAP_NETWORKS
from handful.scores import sifid
from handful.scores.base import ImageSets
from handful.scores.evaluate import score_samples
from handful.scores.sifid import frechet, moments, nearest

SIDE_PX = 24
extractor = cache(MapExtractor)


def textures(seed: int, count: int, side_px: int = SIDE_PX) -> list[Integers]:
    """Grey noise of a grain that differs from image to image."""
    random = np.random.default_rng(seed)
    grains = [
        ndimage.gaussian_filter(random.normal(size=(side_px, side_px)), random.uniform(0.5, 2), mode="wrap")
        for _ in range(count)
    ]
    return [(128 + 40 * grain / grain.std()).clip(0, 255).astype(np.uint8) for grain in grains]


def image_set(images: Sequence[Integers], photos: tuple[str, ...] | None = None) -> ImageSet:
    names = tuple(f"{row}.png" for row in range(len(images)))
    return ImageSet(names, tuple(map(pixels_sha256, images)), 8, lambda row: images[row], photos, 1)


def scored(
    samples: Sequence[Integers], photos: Sequence[Integers], sources: Sequence[int | None] | None = None
) -> Score:
    training = image_set(photos)
    made_from = tuple(sources) if sources is not None else (None,) * len(samples)
    return sifid.score(ImageSets(image_set(samples), training, training, training, made_from, extractor, _no_logits))


def _no_logits(name: str, images: ImageSet) -> np.ndarray:
    raise AssertionError("no classifier is needed")


def distance(one: Integers, other: Integers, layer: str = "64") -> float:
    first, second = extractor("inception-2015-stem")(image_set([one, other]).all())[layer]
    return frechet(moments(first), moments(second))


def distances(samples: Sequence[Integers], photos: Sequence[Integers]) -> np.ndarray:
    maps = extractor("inception-2015-stem")(image_set([*samples, *photos]).all())["64"]
    found = [moments(map) for map in maps]
    return np.array([[frechet(one, other) for other in found[len(samples) :]] for one in found[: len(samples)]])


def test_the_distance_is_that_of_the_matrix_square_root() -> None:
    random = np.random.default_rng(0)
    first, second = (random.normal(size=(6, 5, 9)).astype(np.float32) * scale for scale in (1, 1.5))
    a, b = (map.reshape(6, -1).astype(np.float64) for map in (first, second))
    cross = linalg.sqrtm(np.cov(a) @ np.cov(b)).real
    expected = np.sum((a.mean(1) - b.mean(1)) ** 2) + np.trace(np.cov(a) + np.cov(b) - 2 * cross)
    assert frechet(moments(first), moments(second)) == pytest.approx(expected, rel=1e-9)
    assert frechet(moments(first), moments(first)) == pytest.approx(0, abs=1e-12)


def test_a_channel_that_never_lights_up_does_no_harm() -> None:
    dark = np.random.default_rng(0).normal(size=(4, 6, 6)).astype(np.float32)
    dark[2] = 0
    shifted = dark.copy()
    shifted[2] = 3
    assert frechet(moments(dark), moments(shifted)) == pytest.approx(9)


@pytest.mark.usefixtures("inception")
def test_the_stem_is_a_plain_forward_pass_of_the_stated_tensors() -> None:
    tensors = {
        name: tensor.double() for name, tensor in load_network(MAP_NETWORKS["inception-2015-stem"]).state_dict().items()
    }

    def layer(x: torch.Tensor, name: str, stride: int = 1, padding: int = 0) -> torch.Tensor:
        x = F.conv2d(x, tensors[f"{name}.conv.weight"], stride=stride, padding=padding)
        norm = [
            tensors[f"{name}.bn.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        ]
        return torch.relu((x - norm[0]) / torch.sqrt(norm[1] + 0.001) * norm[2] + norm[3])

    image = np.random.default_rng(0).integers(0, 256, (45, 52, 3), dtype=np.uint8)
    x = (torch.from_numpy(image.transpose(2, 0, 1).copy())[None].double() - 128) / 128
    x = layer(x, "Conv2d_1a_3x3", stride=2)
    early = layer(layer(x, "Conv2d_2a_3x3"), "Conv2d_2b_3x3", padding=1)
    late = layer(layer(F.max_pool2d(early, 3, stride=2), "Conv2d_3b_1x1"), "Conv2d_4a_3x3")
    colour = ImageSet(("image",), (pixels_sha256(image),), 8, lambda row: image)
    found = extractor("inception-2015-stem")(colour.all())
    assert early.shape[1] == 64 and late.shape[1] == 192
    for name, expected in (("64", early), ("192", late)):
        np.testing.assert_allclose(found[name], expected.numpy(), atol=2e-5 * float(expected.max()))


@pytest.mark.usefixtures("inception")
def test_the_score_is_the_mean_over_pairs() -> None:
    photos, samples = textures(0, 3), textures(1, 4)
    score = scored(samples, photos, [2, 0, 0, 1])
    expected = distances(samples, photos)[range(4), [2, 0, 0, 1]]
    assert score.value == pytest.approx(np.mean(expected), rel=1e-6) == score.details["sifid_64"]
    assert score.details["paired_share"] == 1 and (score.n_reference, score.m_samples) == (3, 4)
    assert scored(photos, photos, [0, 1, 2]).value == pytest.approx(0, abs=1e-9)


@pytest.mark.usefixtures("inception")
def test_it_moves_when_samples_move_and_hardly_when_parts_change_places() -> None:
    photos = textures(0, 2, 48)
    first, second = (scored(textures(seed, 6, 48), photos, [0, 1] * 3).value for seed in (1, 2))
    assert abs(first - second) > 0.01 * first
    turned = [np.roll(photo, (16, 16), (0, 1)) for photo in photos]
    assert scored(turned, photos, [0, 1]).value < 0.2 * scored(photos, photos, [1, 0]).value


@pytest.mark.usefixtures("inception")
def test_samples_of_no_single_photo_are_compared_with_the_nearest_and_said_to_be() -> None:
    photos, samples = textures(0, 5), textures(1, 6)
    score = scored(samples, photos)
    expected = distances(samples, photos).min(1)
    assert score.value == pytest.approx(np.mean(expected), rel=1e-6)
    assert score.details["paired_share"] == 0
    assert any("6 of 6 samples were made from no single photo" in note for note in score.notes)
    mixed = scored(samples, photos, [None, 1, 1, 1, 1, 1])
    assert mixed.details["paired_share"] == pytest.approx(5 / 6)


def test_the_nearest_photo_is_the_one_that_comparing_with_all_finds() -> None:
    random = np.random.default_rng(0)
    photos = [moments(random.normal(size=(6, 5, 9)).astype(np.float32) * random.uniform(0.5, 2)) for _ in range(30)]
    for _ in range(20):
        sample = moments(random.normal(size=(6, 5, 9)).astype(np.float32) * random.uniform(0.5, 2))
        assert nearest(sample, photos) == int(np.argmin([frechet(sample, photo) for photo in photos]))


@pytest.mark.usefixtures("inception")
def test_both_variants_are_given_where_the_images_are_large_enough() -> None:
    photos = textures(0, 2, 71)
    score = scored(photos, photos, [1, 0])
    assert score.value == score.details["sifid_64"] == score.details["photo_to_photo_64"]
    assert score.details["sifid_192"] == pytest.approx(distance(photos[0], photos[1], "192"), rel=1e-6)
    small = textures(0, 2, 70)
    assert "sifid_192" not in scored(small, small, [1, 0]).details
    assert any("fewer than 192 places" in note for note in scored(small, small, [1, 0]).notes)


@pytest.mark.usefixtures("inception")
def test_the_anchors_are_a_photo_in_the_mirror_and_another_photo() -> None:
    photo, other = textures(0, 2)
    symmetric = np.concatenate([photo[:, :12], photo[:, 11::-1]], axis=1)
    details = scored([photo], [photo, other], [0]).details
    assert details["photo_to_photo_64"] == pytest.approx(distance(photo, other), rel=1e-6)
    mirrored = (distance(photo, photo[:, ::-1]) + distance(other, other[:, ::-1])) / 2
    assert details["photo_to_mirrored_64"] == pytest.approx(mirrored, rel=1e-6) and mirrored > 0
    alone = scored([photo], [symmetric], [0]).details
    assert alone["photo_to_mirrored_64"] == pytest.approx(0, abs=1e-9)
    assert "photo_to_photo_64" not in alone


@pytest.mark.usefixtures("inception")
def test_the_interval_is_over_photos_with_their_samples() -> None:
    photos = textures(0, 4)
    twice = scored(textures(1, 4) * 2, photos, [0, 1, 2, 3] * 2)
    once = scored(textures(1, 4), photos, [0, 1, 2, 3])
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))  # the same samples again tell nothing new
    single = scored(textures(1, 4), photos[:1], [0] * 4)
    assert single.low is not None and any("one photo" in note for note in single.notes)
    assert scored(textures(1, 1), photos, [0]).low is None


@pytest.mark.usefixtures("inception")
def test_images_with_fewer_places_than_channels_are_refused() -> None:
    scored(textures(1, 1, 21), textures(0, 1, 21), [0])
    for side_px, places in ((20, 49), (5, 0)):
        with pytest.raises(UserError) as error:
            scored(textures(1, 1, side_px), textures(0, 1, side_px), [0])
        assert f"{side_px}x{side_px} px have {places} places" in error.value.what
        assert "64 places or more" in error.value.allowed and "--canvas" in error.value.do


def card_of(samples: Path, photos: Path) -> ScoreCard:
    return score_samples(samples, photos, protocol="training-v1", network="pixels")


def sifid_of(card: ScoreCard) -> Score:
    return next(score for score in card.scores if score.name == "sifid")


@pytest.mark.usefixtures("inception")
def test_pairs_come_from_the_manifest_whatever_the_files_are_called(tmp_path: Path) -> None:
    photos, samples = textures(0, 4), textures(1, 3)
    write_dataset(tmp_path / "photos", photos, [None] * 4)
    write_samples(tmp_path / "drawn", samples, photos, [photos[3], photos[1], photos[3]])
    found = sifid_of(card_of(tmp_path / "drawn", tmp_path / "photos"))
    assert found.value == pytest.approx(scored(samples, photos, [3, 1, 3]).value, rel=1e-9)
    assert found.details["paired_share"] == 1
    write_samples(tmp_path / "stranger", samples, photos, [textures(9, 1)[0], photos[1], photos[3]])
    found = sifid_of(card_of(tmp_path / "stranger", tmp_path / "photos"))
    assert found.details["paired_share"] == pytest.approx(2 / 3)


@pytest.mark.usefixtures("inception")
def test_png_and_jpeg_files_of_the_same_pixels_score_the_same(tmp_path: Path) -> None:
    """Released programs read PNG as 0 to 1 and JPEG as 0 to 255, and published values of nearly 0."""
    photos, samples = textures(0, 3), textures(1, 3)
    write_images(tmp_path / "photos", photos)
    for kind in ("jpeg", "png"):
        (tmp_path / kind).mkdir()
    for row, sample in enumerate(samples):
        Image.fromarray(sample).save(tmp_path / "jpeg" / f"{row}.jpg", quality=90)
        with Image.open(tmp_path / "jpeg" / f"{row}.jpg") as picture:
            (tmp_path / "png" / f"{row}.png").write_bytes(png_bytes(np.asarray(picture), 8))
    jpeg, png = (sifid_of(card_of(tmp_path / kind, tmp_path / "photos")) for kind in ("jpeg", "png"))
    assert jpeg == png and jpeg.value > 0.01


@pytest.mark.usefixtures("inception")
def test_a_canvas_too_small_for_it_is_told_on_the_card(tmp_path: Path) -> None:
    photos = textures(0, 3, 16)
    write_dataset(tmp_path / "photos", photos, [None] * 3)
    write_samples(tmp_path / "drawn", textures(1, 3, 16), photos)
    card = card_of(tmp_path / "drawn", tmp_path / "photos")
    assert "sifid" not in [score.name for score in card.scores]
    assert "16x16 px have 25 places" in card.left_out["sifid"] and "64 places" in card.left_out["sifid"]
    assert json.loads(card.model_dump_json())["left_out"].keys() >= {"sifid"}
