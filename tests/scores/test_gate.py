"""The gate catches planted copies of every kind and lets new photos pass."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from score_folders import write_dataset, write_images, write_samples

from handful.core.artifacts import Score, ScoreCard
from handful.core.errors import UserError
from handful.core.images import pixels_sha256, unit_to_grey
from handful.features.image_set import ImageSet
from handful.report.verdict import judge
from handful.scores import gate
from handful.scores.alike import Photos, keep_detail
from handful.scores.base import ImageSets
from handful.scores.judge_copies import GateReport, gate_samples
from handful.scores.planted import KINDS, SHIFT_SHARE, plant
from handful.scores.recompressed import QUALITIES, compress, recompressed

SIDE_PX = 48


def station(seed: int, count: int) -> np.ndarray:
    """A fixed view: one plate for all photos, a strip that moves a little, grain of its own; (n, h, w), 0 to 255."""
    plate = ndimage.gaussian_filter(np.random.default_rng(99).normal(size=(SIDE_PX, SIDE_PX)), 2) * 150
    random = np.random.default_rng(seed)
    photos = []
    for _ in range(count):
        strip = np.abs(np.arange(SIDE_PX) - random.uniform(18, 30)) < random.uniform(4, 7)
        bumps = ndimage.gaussian_filter(random.normal(size=(SIDE_PX, SIDE_PX)), 3) * 60
        grain = random.normal(size=(SIDE_PX, SIDE_PX)) * 3
        photos.append(np.clip(110 + plate + 40 * strip + bumps * strip + bumps * 0.5 + grain, 0, 255).round())
    return np.stack(photos).astype(np.float32)


TRAINING, HELDOUT = station(0, 12), station(1, 8)


def _pixels(images: np.ndarray) -> list[np.ndarray]:
    return [image.round().astype(np.uint8) for image in images]


def image_set(images: np.ndarray, name: str) -> ImageSet:
    pixels = _pixels(images)
    names = tuple(f"{name}{row}.png" for row in range(len(pixels)))
    return ImageSet(names, tuple(map(pixels_sha256, pixels)), 8, pixels.__getitem__, None, 1)


def sets(samples: np.ndarray) -> ImageSets:
    heldout = image_set(HELDOUT, "held")
    sources = (None,) * len(samples)
    training = image_set(TRAINING, "train")
    return ImageSets(image_set(samples, "s"), heldout, training, heldout, sources, lambda _: {}, lambda *_: None)


@pytest.fixture(scope="module")
def looked_for() -> Photos:
    return Photos(TRAINING, SHIFT_SHARE)


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_of_each_kind_is_found_with_its_photo_and_no_new_photo_is_as_alike(
    kind: str, looked_for: Photos
) -> None:
    matches = looked_for.match(plant(TRAINING[:6], kind, seed=5))
    assert [match.photo for match in matches] == list(range(6))
    new = max(match.likeness for match in looked_for.match(station(2, 6)))
    assert min(match.likeness for match in matches) > new + 0.1


@pytest.mark.parametrize("masked", [False, True])
def test_detail_is_what_two_gaussians_leave(masked: bool) -> None:
    usable = station(1, 1)[0] > 60 if masked else np.ones((SIDE_PX, SIDE_PX), np.bool_)
    assert masked == (not usable.all())
    weight = usable.astype(np.float64)

    def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
        return np.asarray(ndimage.gaussian_filter(image, sigma, mode="nearest", truncate=3))

    photo = TRAINING[0].astype(np.float64)
    fine, slow = (blurred(photo * weight, sigma) / np.maximum(blurred(weight, sigma), 1e-3) for sigma in (2, 8))
    wanted = fine - slow - (fine - slow).mean()
    assert np.allclose(keep_detail(TRAINING[:1], usable)[0], wanted, atol=1e-2)


@pytest.mark.parametrize("quality", QUALITIES)
def test_a_photo_is_compressed_as_its_copy_was(quality: int) -> None:
    """Moved, mirrored, darker, on blocks that do not fit the width, and cut: only the gain has to be found."""
    photo = TRAINING[0][:, :45]
    copy = compress(np.rint(0.83 * photo[5:, ::-1]), quality)
    frame = np.concatenate([copy, np.full((5, 45), 90, np.float32)])
    place = (slice(0, 40), slice(0, 45))
    found = recompressed(frame[:, ::-1], True, photo[5:45], place, np.ones((40, 45), np.bool_))
    assert np.abs(found - frame[:, ::-1][place]).mean() < 0.15 < np.abs(0.83 * photo[5:45] - frame[:40, ::-1]).mean()


@pytest.mark.parametrize("quality", [50, 75])
def test_a_recompressed_copy_in_colour_is_known(quality: int, looked_for: Photos) -> None:
    buffer = io.BytesIO()
    Image.fromarray(TRAINING[2].astype(np.uint8)).convert("RGB").save(buffer, "JPEG", quality=quality)
    colour = np.moveaxis(np.asarray(Image.open(buffer), np.float32), -1, 0)
    (match,) = looked_for.match(unit_to_grey(colour / 127.5 - 1) * 127.5 + 127.5)
    assert match.photo == 2 and match.likeness > 0.99


def test_shift_and_mirror_are_named(looked_for: Photos) -> None:
    moved = np.roll(TRAINING[3], (4, -3), axis=(0, 1))
    (match,) = looked_for.match(moved[None])
    assert (match.photo, match.down_px, match.right_px, match.mirrored) == (3, 4, -3, False)
    assert looked_for.match(TRAINING[5:6, :, ::-1])[0].mirrored


def test_a_photo_that_is_skipped_is_not_found(looked_for: Photos) -> None:
    skipped = np.zeros((1, 12), np.bool_)
    skipped[0, 4] = True
    (match,) = looked_for.match(TRAINING[4:5], skipped)
    assert match.photo != 4 and match.likeness < 0.9


def two_ways(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Photos that differ in two ways and their own faint grain; and new ones that are like them in both ways."""
    random = np.random.default_rng(4)
    ways = ndimage.gaussian_filter(random.normal(size=(2, SIDE_PX, SIDE_PX)), (0, 3, 3))
    much = random.normal(size=(count, 2)) * 30 / ways.std()

    def photos() -> np.ndarray:
        grain = ndimage.gaussian_filter(random.normal(size=(count, SIDE_PX, SIDE_PX)), (0, 2.5, 2.5))
        return np.clip(120 + np.tensordot(much, ways, 1) + 5 * grain / grain.std(), 0, 255).round().astype(np.float32)

    return photos(), photos()


@pytest.mark.parametrize("count", [5, 12])
def test_likeness_is_the_mean_of_two_partial_correlations_with_the_photo_as_it_is_or_recompressed(count: int) -> None:
    photos, alike = two_ways(count)
    (match,) = Photos(photos, SHIFT_SHARE).match(alike[3:4])
    assert (match.photo, match.down_px, match.right_px, match.mirrored) == (3, 0, 0, False)
    others = np.delete(photos, 3, axis=0)
    usable = (alike[3] > 255 * 0.004) & (alike[3] < 255 * 0.996)
    image, photo, mean = (
        keep_detail(one[None], usable)[0][usable].astype(np.float64) for one in (alike[3], photos[3], others.mean(0))
    )
    (again,) = keep_detail(recompressed(alike[3], False, photos[3], np.s_[:, :], usable)[None], usable)
    detail = keep_detail(others)[:, usable].astype(np.float64)
    axes = np.linalg.svd(detail - detail.mean(0), full_matrices=False)[2][:2]

    def partial(photo: np.ndarray, *held: np.ndarray) -> float:
        design = np.stack([np.ones_like(image), *held], axis=1)
        left = [one - design @ np.linalg.lstsq(design, one, rcond=None)[0] for one in (image, photo)]
        return float(np.arctanh(np.corrcoef(*left)[0, 1]))

    ways = [(mean,), (mean, *axes)] if count == 12 else [(mean,)]  # 4 others do not show how they differ
    answers = [np.mean([partial(one, *held) for held in ways]) for one in (photo, again[usable].astype(np.float64))]
    assert match.likeness == pytest.approx(np.tanh(max(answers)), abs=1e-5)


def test_the_share_and_the_verdicts_are_those_of_what_was_planted() -> None:
    samples = np.concatenate([station(7, 16), plant(TRAINING[:4], "shifted", seed=9)])
    found = gate.score(sets(samples))
    assert found.value == pytest.approx(0.2) and found.details["passes"] == 0
    assert found.details["copies"] + found.details["near_copies"] == 4
    assert found.low is not None and found.low > gate.ALLOWED_SHARE
    calibration, judged = gate.judge_copies(sets(samples).samples, sets(samples).training, sets(samples).heldout)
    assert [one.verdict for one in judged[:16]] == ["new"] * 16
    assert [one.photo for one in judged[16:]] == ["train0.png", "train1.png", "train2.png", "train3.png"]
    assert calibration.false_alarms == 0 and min(calibration.caught.values()) >= 0.99


def test_new_photos_pass() -> None:
    found = gate.score(sets(station(7, 20)))
    assert found.value == 0 and found.details["passes"] == 1 and found.notes == ()


def scored(generator: str, kid: float, samples: np.ndarray) -> list[ScoreCard]:
    """The two cards of one run: its KID as stated, and what the gate finds among its samples."""
    near = Score(name="kid", value=kid, low=kid - 0.01, high=kid + 0.01, n_reference=8, m_samples=len(samples))
    return [
        ScoreCard(
            protocol=protocol, protocol_fingerprint=protocol, protocol_plan={}, run_id=f"{generator}-s0-f0-00",
            generator=generator, anchor=False, seed=0, fold=0, dataset_fingerprint="d", scores=(score,), worst=(),
            nearest=(), seconds=0.0,
        )
        for protocol, score in (("heldout-v1", near), ("heldout-v1+pixels", gate.score(sets(samples))))
    ]  # fmt: skip


def test_a_generator_of_planted_copies_is_not_ranked_and_honest_ones_are() -> None:
    copying = np.concatenate([station(7, 12), plant(TRAINING[:8], "all together", seed=9)])
    cards = [*scored("thief", 0.001, copying), *scored("honest", 0.02, station(8, 20))]
    verdict = judge([*cards, *scored("worse", 0.3, station(9, 20))])
    assert verdict.ranked == ("honest", "worse") and verdict.copying == ("thief",)
    assert verdict.sentence.startswith("In this one run honest is better than worse")
    assert verdict.sentence.endswith("; thief fails the copy gate: not ranked.")
    assert any(line.startswith("thief fails the copy gate") and "8 of 20 samples" in line for line in verdict.why)


def test_what_honest_photos_show_beyond_doubt_is_allowed() -> None:
    """Where a tenth of many honest photos is called copies, a tenth of the samples is no sign of copying."""
    blurred = gate.Calibration(1.0, 2.0, dict.fromkeys(KINDS, 1.0), 0.1, 0.0, 400, 10)
    assert 0.07 < blurred.allowed_share < 0.1 and gate.chance_to_fail(0.0, 100, blurred) < 0.2
    one_of_forty = gate.Calibration(1.0, 2.0, dict.fromkeys(KINDS, 1.0), 0.025, 0.0, 40, 10)
    assert one_of_forty.allowed_share == 0.01, "one photo of forty proves no false alarms"
    assert gate.chance_to_fail(0.05, 100, one_of_forty) > 0.99


def test_what_honest_photos_are_expected_to_show_is_allowed() -> None:
    """An honest sample passes the largest of 40 likenesses with a probability of 1 in 41."""
    caught = dict.fromkeys(KINDS, 1.0)
    apart, overlapping = (gate.Calibration(1.0, 2.0, caught, 1 / 40, beyond, 40, 10) for beyond in (0.0, 1 / 41))
    assert apart.allowed_share == 0.01 and overlapping.allowed_share == pytest.approx(1 / 41)
    honest, copies = gate.chance_to_fail(0.0, 1000, overlapping), gate.chance_to_fail(0.2, 100, overlapping)
    assert honest < 0.05 and copies > 0.99
    assert gate.chance_to_fail(0.0, 1000, apart) > 0.5, "at 1 % most honest sets of that size would fail"


def test_photos_too_alike_to_tell_copies_from_are_said() -> None:
    grain = 0.2 * np.random.default_rng(0).normal(size=(10, SIDE_PX, SIDE_PX))  # of few pixels, lost in a darker copy
    alike = np.repeat(TRAINING[:1], 10, 0) + grain
    alike = np.clip(alike, 0, 255).round().astype(np.float32)
    photos = Photos(alike, SHIFT_SHARE)
    calibration = gate.calibrate(photos, alike, np.arange(10), alike[:0])
    assert min(calibration.caught.values()) < 0.99
    assert "less than 99 %" in gate.warnings(calibration)[0]


def test_a_folder_is_judged_sample_by_sample_and_the_report_kept(tmp_path: Path) -> None:
    write_dataset(tmp_path / "data", [*_pixels(HELDOUT), *_pixels(TRAINING)], [0] * 8 + [None] * 12)
    drawn = np.concatenate([station(7, 4), plant(TRAINING[2:5], "mirrored")])
    write_samples(tmp_path / "drawn", _pixels(drawn), _pixels(TRAINING))
    report = gate_samples(tmp_path / "drawn", tmp_path / "data", tmp_path / "out")
    assert [one.verdict for one in report.samples] == ["new"] * 4 + ["copy"] * 3
    assert [one.photo for one in report.samples[4:]] == [f"images/{row:03}.png" for row in (10, 11, 12)]
    assert not report.passes and report.copies == 3 and report.share == pytest.approx(3 / 7)
    assert GateReport.read(tmp_path / "out") == report


def test_too_few_photos_to_calibrate_with_are_refused(tmp_path: Path) -> None:
    write_images(tmp_path / "photos", _pixels(TRAINING[:2]))
    write_images(tmp_path / "drawn", _pixels(station(7, 2)))
    with pytest.raises(UserError) as error:
        gate_samples(tmp_path / "drawn", tmp_path / "photos")
    assert "2 training photos" in error.value.what and "at least 3" in error.value.allowed


def test_the_chance_to_fail_counts_copies_caught_and_false_alarms() -> None:
    sure = gate.Calibration(1.0, 2.0, dict.fromkeys(KINDS, 1.0), 0.0, 0.0, 20, 10)
    assert gate.chance_to_fail(0.2, 50, sure) == pytest.approx(1)
    assert gate.chance_to_fail(0.01, 100, sure) == pytest.approx(0)  # one copy of 100 proves no more than 1 %
    blind = gate.Calibration(1.0, 2.0, dict.fromkeys(KINDS, 0.0), 0.0, 0.0, 20, 10)
    assert gate.chance_to_fail(0.2, 50, blind) == pytest.approx(0)
    half = gate.Calibration(1.0, 2.0, dict.fromkeys(KINDS, 0.5), 0.0, 0.0, 20, 10)
    assert 0.5 < gate.chance_to_fail(0.2, 50, half) < 1


def test_how_many_honest_photos_lie_beyond_the_limit_is_foretold_by_how_their_likenesses_fall_off() -> None:
    random = np.random.default_rng(0)
    for limit, share in ((3.0, np.exp(-3.0)), (5.0, np.exp(-5.0))):
        told = [gate._beyond(random.exponential(size=40), limit) for _ in range(2000)]
        assert share / 1.5 < np.median(told) < share * 1.5
    honest = np.linspace(1, 2, 40)
    assert gate._beyond(honest, 2.0) >= 1 / 41 and gate._beyond(honest, 4.0) < 1e-4
    assert gate._beyond(np.ones(40), 1.0) == pytest.approx(1 / 41) and gate._beyond(np.ones(40), 1.1) == 0
    assert gate._beyond(np.ones(3), 2.0) == 1 / 4, "three photos foretell nothing"


def test_two_photos_of_one_group_and_one_more_are_calibrated_without_a_hole() -> None:
    photos, owners = TRAINING[:3], np.array([0, 0, 1])
    found = gate.calibrate(Photos(photos, SHIFT_SHARE), photos, owners, HELDOUT[:0])
    assert found.honest == 1, "only the third has two others to be held against"
    assert np.isfinite([found.near_limit, found.copy_limit, found.allowed_share]).all()


def test_a_copy_that_is_half_saturated_is_found_in_its_place() -> None:
    """What is saturated leads the search astray, up to a few pixels."""
    random = np.random.default_rng(0)
    slow, fine = (ndimage.gaussian_filter(random.normal(size=(12, 64, 64)), (0, px, px)) for px in (5.0, 2.2))
    photos = np.clip(215 + 20 * slow / slow.std() + 3 * fine / fine.std(), 0, 255).round().astype(np.float32)
    copies = plant(photos, "brighter")
    assert (copies == 255).mean() > 0.4
    found = Photos(photos, SHIFT_SHARE).match(copies)
    assert [(match.photo, match.down_px, match.right_px) for match in found] == [(row, 0, 0) for row in range(12)]
    assert min(match.likeness for match in found) > 0.9
