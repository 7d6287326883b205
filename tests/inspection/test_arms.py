"""What an inspector learns from in each arm, and what the controls do to photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from planted import INSPECTOR, draw, new_draws, plant_photos, plant_samples, rough, unit

from handful.core.artifacts import DatasetManifest, Size
from handful.core.errors import UserError
from handful.inspection.arms import Arm, fits, plan_arms
from handful.inspection.cells import Job, run_cell
from handful.inspection.controls import by_the_path, ring_gains, ring_powers, with_the_trace
from handful.inspection.labelled_set import LabelledSet
from handful.inspection.mix import training_sets
from handful.inspection.read import Fold, read_folds, stratified_order
from handful.inspection.sample_sets import Source, read_sample_set, sources_of_fold
from handful.inspection.settings import KINDS, InspectSettings


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Fold, Source]:
    work = plant_photos(tmp_path_factory.mktemp("arms"), training=(40, 20), test=(10, 10))
    (fold,) = read_folds(work.dataset, 30)
    name = plant_samples(work, "oracle", new_draws(100), seen=fold.base.hashes)
    found = read_sample_set(name, DatasetManifest.read(work.dataset), work.samples, work.inspection)
    return fold, sources_of_fold([found], fold)["oracle"]


def test_every_kind_of_arm_holds_what_its_name_says(planted: tuple[Fold, Source]) -> None:
    fold, source = planted
    arms, _ = plan_arms(InspectSettings(arms=KINDS, doses=(1.0, 5.0)), [fold], {0: {"oracle": source}})
    assert {arm.kind for arm in arms} == set(KINDS)
    sizes = {
        arm.name: [len(one) for one in training_sets(arm, fold, source if arm.source else None, 0)] for arm in arms
    }
    assert sizes == {
        "real": [30], "classical": [30], "real 25%": [8], "real 50%": [15], "real 75%": [22], "real x2": [60],
        "oracle 1x": [60], "path control oracle 1x": [60], "oracle 5x": [180], "path control oracle 5x": [180],
        "oracle 5x + classical": [180], "oracle only": [150], "oracle first": [150, 30], "trace control oracle": [60],
        "one-class control oracle": [60],
    }  # fmt: skip


def test_no_arm_holds_a_held_out_photo_and_only_more_holds_those_set_aside(planted: tuple[Fold, Source]) -> None:
    fold, source = planted
    assert fold.aside is not None
    arms, _ = plan_arms(InspectSettings(doses=(1.0, 5.0)), [fold], {0: {"oracle": source}})
    for arm in arms:
        for one in training_sets(arm, fold, source if arm.source else None, 3):
            assert not set(one.hashes) & set(fold.test.hashes)
            assert bool(set(one.hashes) & set(fold.aside.hashes)) == (arm.kind == "more")


def test_smaller_shares_and_doses_are_parts_of_larger_ones(planted: tuple[Fold, Source]) -> None:
    fold, source = planted

    def names(arm: Arm) -> set[str]:
        return {name for one in training_sets(arm, fold, source if arm.source else None, 5) for name in one.names}

    shares = [names(Arm("", "curve", share=share)) for share in (0.25, 0.5, 0.75)]
    doses = [names(Arm("", "samples", "oracle", dose)) for dose in (1.0, 3.0, 5.0)]
    for sets in (shares, doses):
        assert sets[0] < sets[1] < sets[2]
    assert names(Arm("", "curve", share=0.5)) != {
        name for one in training_sets(Arm("", "curve", share=0.5), fold, None, 6) for name in one.names
    }


def test_every_beginning_of_the_order_has_the_labels_in_proportion() -> None:
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    order = stratified_order(labels, 4, "test")
    assert sorted(order) == list(range(100))
    for count in (10, 20, 50):
        assert np.bincount(labels[order[:count]], minlength=3) == pytest.approx(
            count * np.array([0.6, 0.3, 0.1]), abs=1
        )


def test_a_dose_that_the_samples_cannot_fill_is_left_out_and_said(planted: tuple[Fold, Source]) -> None:
    fold, source = planted
    arms, notes = plan_arms(InspectSettings(), [fold], {0: {"oracle": source}})
    assert [arm.dose for arm in arms if arm.kind == "samples"] == [1.0, 5.0]
    assert any("oracle: 20x left out: 200 accepted samples are here." in note for note in notes)


def test_the_path_control_repeats_photos_with_the_labels_of_the_samples(planted: tuple[Fold, Source]) -> None:
    fold, source = planted
    (samples,) = training_sets(Arm("", "samples", "oracle", 5.0), fold, source, 0)
    (path,) = training_sets(Arm("", "path", "oracle", 5.0), fold, source, 0)
    assert np.bincount(path.labels).tolist() == np.bincount(samples.labels).tolist()
    assert set(path.names) == set(fold.base.names)
    assert (
        np.abs(path.images[30:] - fold.base.images[[fold.base.names.index(name) for name in path.names[30:]]]).max()
        < 1e-6
    )


def test_the_one_class_control_keeps_the_defective_samples_and_no_good_one(planted: tuple[Fold, Source]) -> None:
    fold, source = planted
    (samples,) = training_sets(Arm("", "samples", "oracle", 1.0), fold, source, 0)
    (alone,) = training_sets(Arm("", "alone", "oracle", 1.0), fold, source, 0)
    assert np.bincount(alone.labels).tolist() == np.bincount(samples.labels).tolist()
    added = [(name, label) for name, label in zip(alone.names[30:], alone.labels[30:], strict=True)]
    assert {name for name, label in added if label == 0} <= set(fold.base.names)
    defective = {name for name, label in zip(samples.names[30:], samples.labels[30:], strict=True) if label}
    assert {name for name, label in added if label} == defective and defective
    one_class = Source("d", source.samples.take(np.flatnonzero(source.samples.labels > 0)), source.canvas, 8, ())
    assert fits(Arm("", "alone", "oracle"), INSPECTOR, source) and not fits(Arm("", "alone", "d"), INSPECTOR, one_class)


def labelled(images: np.ndarray, labels: list[int]) -> LabelledSet:
    names = tuple(map(str, range(len(images))))
    return LabelledSet(images, np.array(labels), ("pit",), None, names, np.arange(len(images)), names)


def test_the_path_rounds_and_resizes_as_samples_were() -> None:
    photos = labelled(unit(draw(0, 3, 1)), [0, 0, 0])
    coarse = by_the_path(photos, Size(width=10, height=10), 3)
    assert len(np.unique(coarse.images)) <= 8
    small = by_the_path(photos, Size(width=5, height=5), 8)
    assert ring_powers(small.images)[:, 12].mean() < ring_powers(photos.images)[:, 12].mean() - 1


def test_the_trace_goes_to_the_class_that_has_it_and_to_no_other() -> None:
    real = labelled(unit([*draw(0, 20, 1), *draw(1, 20, 1)]), [0] * 20 + [1] * 20)
    samples = labelled(unit([*draw(0, 60, 2), *rough(draw(1, 60, 2))]), [0] * 60 + [1] * 60)
    changed = with_the_trace(real, real, samples)
    assert np.array_equal(changed.images[:20], real.images[:20])
    gained = ring_powers(changed.images[20:]).mean(axis=0) - ring_powers(real.images[20:]).mean(axis=0)
    wanted = ring_powers(samples.images[60:]).mean(axis=0) - ring_powers(real.images[20:]).mean(axis=0)
    assert gained[-1] > 1 and gained[-1] == pytest.approx(wanted[-1], abs=0.5)


def test_samples_of_the_same_process_have_no_trace() -> None:
    gains = [
        ring_gains(ring_powers(unit(draw(0, 20, 2 * k))), ring_powers(unit(draw(0, 100, 2 * k + 1)))) for k in range(40)
    ]
    assert np.mean(np.array(gains) != 1) < 0.01


def test_an_inspector_leaves_out_arms_in_which_it_would_learn_nothing(planted: tuple[Fold, Source]) -> None:
    _, source = planted
    defects = Source("d", source.samples.take(np.flatnonzero(source.samples.labels > 0)), source.canvas, 8, ())
    assert fits(Arm("", "only", "d"), INSPECTOR, source) and not fits(Arm("", "only", "d"), INSPECTOR, defects)
    assert not fits(Arm("", "samples", "d"), "patch_memory", defects)
    assert not fits(Arm("", "pretrain", "d"), "patch_memory", source)
    assert not fits(Arm("", "alone", "d"), "patch_memory", source) and fits(Arm("", "alone", "d"), "linear", source)


def test_a_cell_whose_scores_are_not_finite_is_refused(planted: tuple[Fold, Source], tmp_path: Path) -> None:
    fold, _ = planted
    broken = tmp_path / "broken.py"
    source = (
        Path(INSPECTOR).read_text().replace("features(images) @ self.weights", "features(images) @ self.weights / 0")
    )
    broken.write_text(source)
    with np.errstate(all="ignore"), pytest.raises(UserError) as refused:
        run_cell(Job(Arm("real", "real"), str(broken), {}, fold, None, 0), tmp_path / "cells")
    assert "not finite" in refused.value.what and not list(tmp_path.glob("cells/*"))
