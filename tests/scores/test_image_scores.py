"""What a score on images is given: images on the one scale, networks, and a card of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from score_folders import made_images, write_dataset, write_images, write_samples

from handful.core.artifacts import ScoreCard, Size
from handful.core.config import fingerprint
from handful.core.errors import UserError
from handful.core.images import Integers, pixels_sha256
from handful.core.progress import Event
from handful.features.extract import apply_classifier, load_network, preprocess
from handful.features.image_set import ImageSet
from handful.features.maps import MapExtractor
from handful.features.networks import MAP_NETWORKS, NETWORKS, find_map_network
from handful.features.weights import find_weights, list_weights
from handful.scores.evaluate import choose_spaces, score_samples
from handful.scores.protocol import PIXELS, card_name, find_protocol, plan, score_names

CANVAS = Size(width=64, height=48)


def image_set(images: list[Integers], bit_depth: int = 8) -> ImageSet:
    names = tuple(str(row) for row in range(len(images)))
    return ImageSet(names, tuple(map(pixels_sha256, images)), bit_depth, lambda row: images[row])


def test_batches_hold_all_images_in_order_on_the_unit_scale() -> None:
    images = [np.full((3, 4), level, np.uint16) for level in (0, 4095, 1000, 2000, 3000)]
    grey = replace(image_set(images, 12), channels=1)
    batches = list(grey.batches(2))
    assert [batch.shape for batch in batches] == [(2, 1, 3, 4), (2, 1, 3, 4), (1, 1, 3, 4)]
    assert batches[0].dtype == np.float32
    np.testing.assert_allclose(
        grey.all()[:, 0, 0, 0], np.array([0, 4095, 1000, 2000, 3000]) * (2 / 4095) - 1, atol=1e-6
    )
    assert list(image_set([]).batches(2)) == []


def test_batches_read_no_more_than_they_hold() -> None:
    read: list[int] = []
    images = made_images(0, 5)

    def look(row: int) -> Integers:
        read.append(row)
        return images[row]

    next(replace(image_set(images), read=look).batches(2))
    assert read == [0, 1]


def test_grey_beside_colour_is_repeated() -> None:
    grey, colour = np.full((3, 4), 60, np.uint8), np.zeros((3, 4, 3), np.uint8)
    both = image_set([grey, colour]).all()
    assert both.shape == (2, 3, 3, 4) and (both[0] == both[0, :1]).all()


@pytest.mark.parametrize("name", MAP_NETWORKS)
def test_a_map_network_holds_the_stated_tensors_and_gives_the_stated_layers(name: str) -> None:
    network = find_map_network(name)
    _needs(network.tensors_of)
    extractor = MapExtractor(name)
    images = replace(image_set(made_images(0, 19)), channels=1).all()
    together = extractor(images)
    assert tuple(together) == network.layers
    alone = extractor(images[-1:])  # of the 19, it was in a second batch
    for layer, maps in together.items():
        np.testing.assert_array_equal(alone[layer][0], maps[-1])
        assert np.abs(maps[0] - maps[1]).max() > 1e-3
    with pytest.raises(UserError, match=network.tensors_sha256):
        load_network(replace(network, tensors_sha256="0" * 64))


def _needs(network: str) -> None:
    if {status.network: status.state for status in list_weights()}[network] != "found":
        pytest.skip(f"the weights of {network} are not here")


def test_stages_end_where_the_whole_network_does_and_its_classifier_makes_logits(lite0: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (224, 224), dtype=np.uint8)
    unit = replace(image_set([image]), channels=1).all()
    inputs = torch.from_numpy(preprocess(image, 8, NETWORKS[lite0]))[None]
    whole = load_network(NETWORKS[lite0])
    with torch.inference_mode():
        maps = whole.blocks(torch.relu(whole.stem(inputs)).clamp(max=6))  # type: ignore[operator]
        features = whole(inputs).double().numpy()
    stages = MapExtractor("efficientnet-lite0-stages")(unit)
    assert [maps.shape[1:] for maps in stages.values()] == [
        (16, 112, 112), (24, 56, 56), (40, 28, 28), (112, 14, 14), (320, 7, 7)
    ]  # fmt: skip
    np.testing.assert_allclose(stages["stride-32"], maps.numpy(), atol=1e-3)
    path, _ = find_weights(NETWORKS[lite0])
    stored = torch.load(path, weights_only=True)
    expected = features @ stored["_fc.weight"].double().numpy().T + stored["_fc.bias"].double().numpy()
    np.testing.assert_allclose(apply_classifier(features, lite0), expected)


def test_an_unknown_map_network_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match="inception-2015-stem"):
        find_map_network("inception-2015-steam")


def test_scores_on_images_stand_on_a_card_of_their_own() -> None:
    protocol = find_protocol("training-v1")
    assert card_name(protocol, PIXELS) == "training-v1+pixels"
    assert set(score_names()) == set(score_names(PIXELS)) | set(score_names("inception-2015"))
    assert "sifid" in score_names(PIXELS) and "fid" not in score_names(PIXELS)
    stated = plan(protocol, PIXELS, CANVAS, 8, 10)
    assert stated["network"] == "pixels" and set(stated["estimators"]) == set(score_names(PIXELS))
    stem = MAP_NETWORKS["inception-2015-stem"]
    assert stated["networks"][stem.name] == stem.tensors_sha256
    lite0 = NETWORKS["efficientnet-lite0"]
    assert stated["networks"][lite0.name] == lite0.tensors_sha256
    assert stated["classifiers"] == {lite0.name: lite0.classifier_sha256}
    fewer = plan(protocol, PIXELS, CANVAS, 8, 10, names=["sifid"])
    assert list(fewer["networks"]) == [stem.name] and fingerprint(fewer) != fingerprint(
        plan(protocol, PIXELS, CANVAS, 8, 10, names=[])
    )
    assert set(plan(protocol, "inception-2015", CANVAS, 8, 10)["estimators"]) == set(score_names("inception-2015"))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    photos = made_images(0, 6)
    write_dataset(tmp_path / "2_dataset", photos, [0, 0, *[None] * 4])
    write_samples(tmp_path / "drawn", made_images(1, 5), photos[2:], [photos[2]] * 5)
    return tmp_path / "drawn", tmp_path / "2_dataset"


@pytest.mark.usefixtures("inception")
def test_a_card_on_pixels_is_written_beside_the_others(folders: tuple[Path, Path], tmp_path: Path) -> None:
    card = score_samples(*folders, tmp_path / "5_scores" / "run", network=PIXELS)
    assert ScoreCard.read(tmp_path / "5_scores" / "run", "heldout-v1+pixels.json") == card
    assert card.protocol_fingerprint == fingerprint(card.protocol_plan)
    assert {score.name.partition(" ")[0] for score in card.scores} <= set(score_names(PIXELS))
    assert (card.worst, card.nearest) == ((), ())  # they are distances between features


@pytest.mark.usefixtures("inception")
def test_a_score_on_images_is_kept_until_something_that_it_depends_on_changes(tmp_path: Path) -> None:
    photos, samples = made_images(0, 6), made_images(1, 4)

    def asked(folds: list[int | None], sources: list[Integers | None], protocol: str = "training-v1") -> bool:
        """Whether sifid is computed, and not read from the cache."""
        write_dataset(tmp_path / "photos", photos, folds)
        write_samples(tmp_path / "drawn", samples, photos[2:], sources)
        before = set((tmp_path / "out" / "cache").glob("sifid-*"))
        score_samples(tmp_path / "drawn", tmp_path / "photos", tmp_path / "out", protocol, PIXELS)
        return set((tmp_path / "out" / "cache").glob("sifid-*")) != before

    folds: list[int | None] = [0, 0, None, None, None, None]
    assert asked(folds, [None] * 4)
    assert not asked(folds, [None] * 4)
    assert not asked(folds, [None] * 4, "heldout-v1")  # it reads samples and training photos alone
    assert asked(folds, [photos[2], None, None, None])
    samples[3] = made_images(5, 1)[0]
    assert asked(folds, [None] * 4)
    whole = {path: path.read_text() for path in (tmp_path / "out" / "cache").glob("sifid-*")}
    for path in whole:
        path.write_text(whole[path][:40])
    assert not asked(folds, [None] * 4)  # no new file, but
    assert sum(path.read_text() == whole[path] for path in whole) == 1  # the damaged one is mended


def test_a_score_whose_network_is_missing_is_left_out_with_the_reason(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANDFUL_WEIGHTS", str(tmp_path / "none"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    card = score_samples(*folders, network=PIXELS)
    assert "inception-2015 has no weights here" in card.left_out["sifid"]
    assert "sifid" not in card.protocol_plan["estimators"]


@pytest.mark.usefixtures("inception")
def test_two_plain_folders_are_scored_in_every_space(lite0: str, tmp_path: Path) -> None:
    write_images(tmp_path / "B", made_images(0, 6))
    write_images(tmp_path / "A", made_images(1, 5))
    for space in (lite0, PIXELS):
        for protocol in ("heldout-v1", "training-v1"):
            card = score_samples(tmp_path / "A", tmp_path / "B", tmp_path / "out", protocol, space)
            there = {score.name.partition(" ")[0] for score in card.scores}
            assert there | set(card.left_out) == set(score_names(space))  # none goes without a word
            assert all(np.isfinite(score.value) and score.m_samples == 5 for score in card.scores)
            if protocol == "training-v1":
                assert card.scores
            else:
                unknown = {"sifid", "nearest_photo"} & set(score_names(space))
                assert all("training photos are unknown" in card.left_out[name] for name in unknown)
    assert len(list((tmp_path / "out").glob("*.json"))) == 4


def test_a_comparison_takes_every_space_that_is_here_and_says_which_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, inception: str, lite0: str
) -> None:
    heard: list[Event] = []
    assert choose_spaces(None, heard.append) == (inception, lite0, PIXELS) and not heard
    assert choose_spaces([lite0], heard.append) == (lite0,)
    found = [status for status in list_weights() if status.network == inception]
    absent = next(status for status in list_weights() if status.network == lite0).model_copy(
        update={"state": "missing"}
    )
    monkeypatch.setattr("handful.scores.evaluate.list_weights", lambda: [*found, absent])
    assert choose_spaces(None, heard.append) == (inception, PIXELS)
    (event,) = heard
    assert lite0 in event["words"] and "handful weights" in event["words"]
    monkeypatch.undo()
    monkeypatch.setenv("HANDFUL_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install"):
        choose_spaces(None)
