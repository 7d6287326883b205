"""score_samples: from two folders to one card, and every way in which the folders can lie."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from score_folders import made_images, write_dataset, write_images, write_samples

from handful.core.artifacts import DatasetManifest, Score, ScoreCard, read_sample_rows, training_fingerprint
from handful.core.config import fingerprint
from handful.core.errors import UserError
from handful.core.images import png_bytes
from handful.scores.evaluate import check_comparison, check_split, score_samples
from handful.scores.protocol import score_names

PHOTOS = made_images(0, 10)
FOLDS = [0, 0, 0, 1, 1, 1, None, None, None, None]
TRAINED_ON = PHOTOS[3:]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    write_dataset(tmp_path / "2_dataset", PHOTOS, FOLDS)
    return tmp_path / "2_dataset"


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    write_samples(tmp_path / "4_samples" / "run", made_images(1, 12), TRAINED_ON)
    return tmp_path / "4_samples" / "run"


SHOWN = ("fid", "kid", "nearest_photo")


def shown(card: ScoreCard) -> list[Score]:
    """The scores that these tests speak of, in the card's order."""
    return [score for score in card.scores if score.name in SHOWN]


def refusal(*arguments: object, **words: object) -> UserError:
    with pytest.raises(UserError) as error:
        score_samples(*arguments, **words)  # type: ignore[arg-type]
    return error.value


def test_a_card_says_what_was_scored_and_how(dataset: Path, drawn: Path, lite0: str, tmp_path: Path) -> None:
    out = tmp_path / "5_scores" / "run"
    card = score_samples(drawn, dataset, out, network=lite0)
    assert [score.name for score in shown(card)] == list(SHOWN)
    assert {score.name for score in card.scores} | set(card.left_out) == set(score_names(lite0))
    assert [(score.n_reference, score.m_samples) for score in shown(card)] == [(3, 12), (3, 12), (7, 12)]
    assert (card.run_id, card.generator, card.seed, card.fold) == ("dcgan-s3-f0-12345678", "dcgan", 3, 0)
    assert card.protocol_fingerprint == fingerprint(card.protocol_plan)
    assert card.protocol_plan["samples"] == 12 and card.protocol_plan["reference"] == "heldout"
    assert card.dataset_fingerprint == DatasetManifest.read(dataset).fingerprint
    assert len(card.worst) == 8 and len(set(card.worst)) == 8
    assert ScoreCard.read(out, f"heldout-v1+{lite0}.json") == card
    assert sorted(path.name for path in out.parent.iterdir()) == ["cache", "run"]


def test_copies_are_seen_and_named(dataset: Path, lite0: str, tmp_path: Path) -> None:
    write_samples(tmp_path / "copies", [*made_images(1, 2), PHOTOS[5], PHOTOS[8], PHOTOS[8]], TRAINED_ON)
    card = score_samples(tmp_path / "copies", dataset, network=lite0)
    (nearest,) = [score for score in card.scores if score.name == "nearest_photo"]
    assert nearest.value == 0 and nearest.details["identical_share"] == pytest.approx(0.6)
    assert [entry[:2] for entry in card.nearest[:3]] == [
        ("002.png", "images/005.png"),
        ("003.png", "images/008.png"),
        ("004.png", "images/008.png"),
    ]
    assert card.worst[0] in ("000.png", "001.png")


def test_better_samples_score_better(dataset: Path, lite0: str, tmp_path: Path) -> None:
    good, bad = made_images(1, 12), np.random.default_rng(0).integers(0, 255, (12, 24, 24)).astype(np.uint8)
    write_samples(tmp_path / "good", good, TRAINED_ON)
    write_samples(tmp_path / "bad", list(bad), TRAINED_ON)
    cards = [score_samples(tmp_path / name, dataset, network=lite0) for name in ("good", "bad")]
    good_kid, bad_kid = (next(score for score in card.scores if score.name == "kid") for card in cards)
    assert good_kid.value < bad_kid.value


def test_nothing_is_written_to_the_photo_folder(drawn: Path, lite0: str, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    write_images(photos, PHOTOS[:3])
    before = sorted(photos.rglob("*"))
    for out in (photos, photos / "scores"):
        error = refusal(drawn, photos, out, network=lite0)
        assert "lies in the photo folder" in error.what and "--out" in error.do
    write_images(tmp_path / "5_scores" / "cache", PHOTOS[:3])
    error = refusal(drawn, tmp_path / "5_scores" / "cache", tmp_path / "5_scores" / "run", network=lite0)
    assert "lies in the photo folder" in error.what
    assert sorted(photos.rglob("*")) == before


def test_outside_a_workspace_the_cache_lies_within_out(dataset: Path, drawn: Path, lite0: str, tmp_path: Path) -> None:
    score_samples(drawn, dataset, tmp_path / "mine" / "card", network=lite0)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["card"]
    assert (tmp_path / "mine" / "card" / "cache").is_dir()


def test_nothing_is_written_without_out(dataset: Path, drawn: Path, lite0: str, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    score_samples(drawn, dataset, network=lite0)
    assert sorted(tmp_path.rglob("*")) == before


def test_scoring_again_reads_the_cache_and_gives_the_same_card(
    dataset: Path, drawn: Path, lite0: str, tmp_path: Path
) -> None:
    events: list[str] = []
    first = score_samples(drawn, dataset, tmp_path / "s" / "run", network=lite0)
    again = score_samples(
        drawn, dataset, tmp_path / "s" / "run", network=lite0, listener=lambda event: events.append(event["event"])
    )
    assert events == ["score"] * len(first.scores)
    assert again.model_copy(update={"seconds": 0.0}) == first.model_copy(update={"seconds": 0.0})


def test_training_v1_compares_with_the_training_photos(dataset: Path, drawn: Path, lite0: str) -> None:
    card = score_samples(drawn, dataset, protocol="training-v1", network=lite0)
    assert {score.name: score.n_reference for score in shown(card)} == {"fid": 7, "kid": 7, "nearest_photo": 7}


def test_plain_folders_are_scored_as_held_out_or_training_photos(lite0: str, tmp_path: Path) -> None:
    write_images(tmp_path / "photos", PHOTOS)
    write_images(tmp_path / "mine", made_images(1, 4))
    heldout, training = (
        score_samples(tmp_path / "mine", tmp_path / "photos", protocol=protocol, network=lite0)
        for protocol in ("heldout-v1", "training-v1")
    )
    assert [score.name for score in shown(heldout)] == ["fid", "kid"] and heldout.nearest == ()
    assert [score.name for score in shown(training)] == list(SHOWN)
    assert (heldout.run_id, heldout.seed) == ("mine", None)
    assert shown(heldout)[0].value == pytest.approx(shown(training)[0].value)


def test_tiles_count_as_the_photos_they_were_made_from(drawn: Path, lite0: str, tmp_path: Path) -> None:
    write_dataset(tmp_path / "two", PHOTOS, [0, 0, 0, 0, *[None] * 6], tiles=2)
    write_samples(tmp_path / "drawn", made_images(1, 12), PHOTOS[4:])
    card = score_samples(tmp_path / "drawn", tmp_path / "two", network=lite0)
    assert [score.n_reference for score in shown(card)] == [2, 2, 3]
    assert [score.details["reference_images"] for score in shown(card)] == [4, 4, 6]
    assert [score.low for score in shown(card)[:2]] == [None, None]
    write_dataset(tmp_path / "one", PHOTOS, [0, 0, *[None] * 8], tiles=2)
    assert "1 held-out photo" in refusal(drawn, tmp_path / "one", network=lite0).what
    with pytest.raises(UserError, match="1 held-out photo"):
        check_split(DatasetManifest.read(tmp_path / "one"), ["heldout-v1"])


def test_too_few_held_out_photos_are_refused_with_both_numbers(drawn: Path, tmp_path: Path, lite0: str) -> None:
    for heldout in (0, 1):
        write_dataset(tmp_path / str(heldout), PHOTOS, [0] * heldout + [None] * (10 - heldout))
        error = refusal(drawn, tmp_path / str(heldout), network=lite0)
        assert f"{heldout} held-out photo" in error.what and "at least 2" in error.allowed
        assert "handful dataset" in error.do


def test_a_run_that_saw_the_held_out_photos_is_refused(dataset: Path, drawn: Path, lite0: str, tmp_path: Path) -> None:
    error = refusal(drawn, dataset, network=lite0, fold=1)
    assert "dcgan-s3-f0-12345678 was not trained on the training photos of fold 1" in error.what
    assert "--fold 0" in error.do
    write_samples(tmp_path / "leaked", made_images(1, 4), PHOTOS)
    for protocol in ("heldout-v1", "training-v1"):
        error = refusal(tmp_path / "leaked", dataset, protocol=protocol, network=lite0)
        assert "fold 0" in error.what and "data set that it was trained on" in error.do


@pytest.mark.parametrize(("shown", "seen"), [(TRAINED_ON, 7), (TRAINED_ON[:4], 4), (PHOTOS[1:5], 2)])
def test_a_plain_folder_with_any_training_photo_is_no_held_out_set(
    drawn: Path, lite0: str, tmp_path: Path, shown: list[np.ndarray], seen: int
) -> None:
    write_images(tmp_path / "photos", shown)
    error = refusal(drawn, tmp_path / "photos", network=lite0)
    first = len(shown) - seen
    assert f"trained on {seen} of these {len(shown)} photos, for example {first:03}.png" in error.what
    assert "never saw" in error.allowed and "training-v1" in error.do
    assert score_samples(drawn, tmp_path / "photos", protocol="training-v1", network=lite0).scores


def test_a_held_out_photo_with_the_pixels_of_a_training_photo_is_refused(lite0: str, tmp_path: Path) -> None:
    write_dataset(tmp_path / "twins", [PHOTOS[4], *PHOTOS[1:]], FOLDS)
    write_samples(tmp_path / "drawn", made_images(1, 4), TRAINED_ON)
    assert (
        "1 of these 3 photos, for example images/000.png"
        in refusal(tmp_path / "drawn", tmp_path / "twins", network=lite0).what
    )


def test_the_training_fingerprint_is_over_the_sorted_pixel_hashes(dataset: Path) -> None:
    images = DatasetManifest.read(dataset).training(0)
    hashes = sorted(image.pixels_sha256 for image in images)
    assert training_fingerprint(images[::-1]) == fingerprint(hashes)


def test_a_photo_among_drawn_samples_is_refused(dataset: Path, drawn: Path, lite0: str) -> None:
    (drawn / "extra.png").write_bytes(png_bytes(PHOTOS[0], 8))
    error = refusal(drawn, dataset, network=lite0)
    assert "extra.png is not among the 12 samples" in error.what and "generated images only" in error.allowed


def test_a_photo_in_place_of_a_sample_is_refused(dataset: Path, drawn: Path, lite0: str) -> None:
    (drawn / "004.png").write_bytes(png_bytes(PHOTOS[0], 8))
    error = refusal(drawn, dataset, network=lite0)
    assert "004.png is not the image that was drawn" in error.what and "sha256" in error.allowed


def test_a_photo_among_samples_of_your_own_is_refused(dataset: Path, lite0: str, tmp_path: Path) -> None:
    write_images(tmp_path / "mine", [*made_images(1, 3), PHOTOS[6]])
    error = refusal(tmp_path / "mine", dataset, network=lite0)
    assert "003.png has exactly the pixels of the photo images/006.png" in error.what


def test_exactly_the_first_samples_by_seed_are_judged(dataset: Path, drawn: Path, lite0: str, tmp_path: Path) -> None:
    write_samples(tmp_path / "four", made_images(1, 12)[:4], TRAINED_ON)
    rows = (drawn / "samples.jsonl").read_text().splitlines(keepends=True)
    (drawn / "samples.jsonl").write_text("".join(rows[::-1]))  # the order of lines means nothing
    four = score_samples(tmp_path / "four", dataset, network=lite0)
    first = score_samples(drawn, dataset, network=lite0, count=4)
    assert first.model_copy(update={"seconds": four.seconds}) == four
    assert first.protocol_plan["samples"] == 4
    write_images(tmp_path / "mine", made_images(1, 12))
    mine = score_samples(tmp_path / "mine", dataset, network=lite0, count=4)
    assert mine.scores == four.scores


@pytest.mark.parametrize("count", [0, 13])
def test_more_samples_than_there_are_cannot_be_judged(
    dataset: Path, drawn: Path, lite0: str, tmp_path: Path, count: int
) -> None:
    write_images(tmp_path / "mine", made_images(1, 12))
    for folder in (drawn, tmp_path / "mine"):
        error = refusal(folder, dataset, network=lite0, count=count)
        assert f"{count} samples are to be judged" in error.what and "holds 12" in error.what
        assert "1 to 12" in error.allowed and "handful sample --count" in error.do


def test_rows_are_read_by_seed_and_the_last_of_a_seed_counts(drawn: Path) -> None:
    lines = (drawn / "samples.jsonl").read_text().splitlines(keepends=True)
    stale = lines[5].replace('"weights_sha256": "0', '"weights_sha256": "1')
    (drawn / "samples.jsonl").write_text("".join([stale, *lines[::-1]]))
    rows = read_sample_rows(drawn)
    assert list(rows) == list(range(12)) and rows[5].weights_sha256 == "0" * 64
    (drawn / "samples.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="missing or damaged"):
        read_sample_rows(drawn)


def test_a_missing_or_cut_list_of_samples_is_refused(dataset: Path, drawn: Path, lite0: str) -> None:
    rows = (drawn / "samples.jsonl").read_text().splitlines(keepends=True)
    (drawn / "samples.jsonl").write_text("".join(rows[:-1]))
    error = refusal(drawn, dataset, network=lite0)
    assert "lists 11 samples" in error.what and "states 12" in error.allowed
    (drawn / "samples.jsonl").write_text("".join(rows[:-1]) + rows[-1][:20])
    assert "missing or damaged" in refusal(drawn, dataset, network=lite0).what
    (drawn / "samples.jsonl").unlink()
    assert "missing or damaged" in refusal(drawn, dataset, network=lite0).what


def test_an_unfinished_set_is_no_folder_of_your_own(dataset: Path, drawn: Path, lite0: str) -> None:
    (drawn / "samples.json").unlink()
    error = refusal(drawn, dataset, network=lite0)
    assert "holds no samples.json" in error.what and "handful sample" in error.do


def test_samples_of_another_size_or_depth_are_refused(dataset: Path, lite0: str, tmp_path: Path) -> None:
    write_images(tmp_path / "mine", made_images(1, 3, side_px=32))
    error = refusal(tmp_path / "mine", dataset, network=lite0)
    assert "32x32 at 8 bit" in error.what and "24x24 at 8 bit" in error.allowed
    assert "nothing is resized silently" in error.allowed
    write_samples(tmp_path / "drawn", made_images(1, 3), TRAINED_ON)
    manifest = json.loads((tmp_path / "drawn" / "samples.json").read_text())
    (tmp_path / "drawn" / "samples.json").write_text(json.dumps(manifest | {"bit_depth": 7}))
    assert "24x24 at 7 bit" in refusal(tmp_path / "drawn", dataset, network=lite0).what


def test_a_plain_folder_of_mixed_sizes_or_broken_files_is_refused(lite0: str, tmp_path: Path) -> None:
    write_images(tmp_path / "photos", PHOTOS[:2])
    (tmp_path / "photos" / "other.png").write_bytes(png_bytes(made_images(1, 1, side_px=30)[0], 8))
    error = refusal(tmp_path / "photos", tmp_path / "photos", network=lite0)
    assert "other.png is 30x30 at 8 bit, and 000.png is 24x24" in error.what
    (tmp_path / "photos" / "other.png").write_bytes(b"")
    assert "other.png cannot be read" in refusal(tmp_path / "photos", tmp_path / "photos", network=lite0).what
    (tmp_path / "empty").mkdir()
    assert "holds no image" in refusal(tmp_path / "photos", tmp_path / "empty", network=lite0).what


def test_a_changed_data_set_is_refused(dataset: Path, drawn: Path, lite0: str) -> None:
    (dataset / "images" / "001.png").write_bytes(png_bytes(made_images(5, 1)[0], 8))
    error = refusal(drawn, dataset, network=lite0)
    assert "001.png has changed" in error.what and "handful dataset" in error.do


def test_a_fold_that_does_not_exist_is_refused(dataset: Path, drawn: Path, lite0: str, tmp_path: Path) -> None:
    assert "Fold 2" in refusal(drawn, dataset, network=lite0, fold=2).what
    write_images(tmp_path / "photos", PHOTOS)
    assert "plain folder" in refusal(drawn, tmp_path / "photos", network=lite0, fold=1).allowed


def test_a_comparison_is_checked_before_it_starts(lite0: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_comparison(["heldout-v1", "training-v1"], [lite0, "pixels"])
    with pytest.raises(UserError, match="heldout-v9"):
        check_comparison(["heldout-v1", "heldout-v9"], [lite0])
    with pytest.raises(UserError, match="inception-2014"):
        check_comparison(["heldout-v1"], [lite0, "inception-2014"])
    monkeypatch.setenv("HANDFUL_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install"):
        check_comparison(["heldout-v1"], [lite0])
