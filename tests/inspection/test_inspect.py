"""What is planted is found: samples that help, samples that do not, samples that harm. And what must be refused is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planted import INSPECTOR, Pixels, draw, new_draws, plant_photos, plant_samples, rough

import handful
from handful.core.artifacts import DatasetManifest
from handful.core.errors import UserError
from handful.core.images import png_bytes, read_png
from handful.core.provenance import generated_texts
from handful.core.workspace import Workspace
from handful.inspection.inspect import Inspected, inspect_samples
from handful.inspection.read import read_folds
from handful.inspection.result import InspectionResult
from handful.inspection.settings import InspectSettings
from handful.study.inspection import arrange_inspection

FEW = {"arms": ("samples",), "doses": (1.0,), "seeds": (0, 1)}


def inspect(work: Workspace, *references: str, limit_s: float | None = None, **settings: Any) -> Inspected:
    values = {"inspectors": (INSPECTOR,), "doses": (1.0, 8.0), "arms": ("samples", "path", "trace"), **settings}
    return inspect_samples(work, references, InspectSettings(**values), limit_s=limit_s)


def training_photos(work: Workspace, label: str) -> list[Pixels]:
    images = DatasetManifest.read(work.dataset).training(0)
    return [read_png(work.dataset / image.file).astype(np.uint8) for image in images if image.label == label]


@pytest.fixture(scope="module")
def useful(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Inspected]:
    """All arms over new draws of the process itself, with photos set aside for the learning curve."""
    work = plant_photos(tmp_path_factory.mktemp("useful"), training=(120, 60))
    base = read_folds(work.dataset, 36)[0].base.hashes
    oracle = plant_samples(work, "oracle", new_draws(150), seen=base)
    return work, inspect(work, oracle, photos=36, arms=("real", "classical", "curve", "more", "samples", "both", "only",
                                                        "pretrain", "path", "trace"))  # fmt: skip


def test_new_draws_of_the_same_process_are_found_useful(useful: tuple[Workspace, Inspected]) -> None:
    (answer,) = useful[1].result.answers
    assert answer.decision == "use", (answer.sentence, answer.why)
    assert answer.sentence.startswith("Use the samples of oracle: oracle 8x makes tiny_inspector better, +0.")
    rows = {row.arm: row for row in useful[1].result.rows}
    assert rows["oracle 8x"].auroc > rows["oracle 1x"].auroc > rows["real"].auroc
    assert rows["oracle 8x"].samples == 288 and rows["oracle 8x"].photos == 36 and rows["oracle only"].photos == 0


def test_samples_as_good_as_photos_are_worth_as_many_photos(useful: tuple[Workspace, Inspected]) -> None:
    worth = {one.arm: one for one in useful[1].result.exchanges}["oracle 1x"]
    assert worth.low is not None and worth.worth is not None
    assert worth.low <= 36 and (worth.high is None or worth.high >= 36), worth  # 36 new draws are 36 photos
    assert 10 < worth.worth < 110
    assert worth.words.startswith("36 accepted samples (oracle 1x) are worth ")


def test_the_page_opens_offline_and_says_what_the_file_says(useful: tuple[Workspace, Inspected]) -> None:
    work, found = useful
    page = found.path.read_text(encoding="utf-8")
    assert InspectionResult.read(work.inspection) == found.result
    assert found.result.sentence in page and "http" not in page.replace("http://www.w3.org", "")
    assert page.count("<svg") == 2  # dose curve and learning curve
    for row in found.result.rows:
        assert f">{row.arm}" in page


def test_slip_through_has_exact_limits_of_the_held_out_defects(useful: tuple[Workspace, Inspected]) -> None:
    rows = {row.arm: row for row in useful[1].result.rows}
    slip = rows["real"].slip_through
    assert slip is not None and slip.trials == 80 and slip.low < slip.share < slip.high
    assert rows["oracle 8x"].slip_through.share < slip.share  # type: ignore[union-attr]
    assert rows["real"].further_defects > 0  # type: ignore[operator]
    assert rows["real 50%"].slip_through is None


@pytest.mark.parametrize("kind", ["copies", "noise"])
def test_useless_samples_are_not_found_useful(kind: str, tmp_path: Path) -> None:
    work = plant_photos(tmp_path)
    if kind == "copies":
        copies = [(number, training_photos(work, label) * 9) for number, label in enumerate(("good", "pit"))]
        found = inspect(work, plant_samples(work, kind, copies))
    else:
        found = inspect(work, plant_samples(work, kind, [(0, draw(0, 150, 5)), (1, draw(0, 150, 6))]))
    (answer,) = found.result.answers
    assert answer.decision != "use", (answer.sentence, answer.why)


def test_a_gain_that_copies_of_photos_give_too_is_vetoed_by_the_path_control(tmp_path: Path) -> None:
    work = plant_photos(tmp_path, seed=7)  # photos on which the tiny inspector gains from seeing them twice
    copies = [(number, training_photos(work, label) * 9) for number, label in enumerate(("good", "pit"))]
    found = inspect(work, plant_samples(work, "copies", copies))
    (gained,) = [one for one in found.result.contrasts if one.arm == "copies 1x"]
    assert gained.word == "better" and found.result.answers[0].decision == "do not use"
    assert "copies 1x helps tiny_inspector no more than copies of the real photos do" in found.result.sentence


def test_a_trace_in_one_class_only_is_caught_by_the_control(tmp_path: Path) -> None:
    work = plant_photos(tmp_path)
    traced = plant_samples(work, "traced", [(1, rough(draw(1, 300, 7)))])
    found = inspect(work, traced)
    (answer,) = found.result.answers
    assert answer.decision == "do not use", (answer.sentence, answer.why)
    assert "their trace alone" in answer.sentence
    rows = {row.arm: row for row in found.result.rows}
    assert rows["trace control traced"].auroc < rows["path control traced 1x"].auroc - 0.02
    assert found.result.lights[0].low > 0.5
    assert any("no good samples" in note for note in found.result.notes)


def test_the_same_trace_in_every_class_is_no_reason_against_them(tmp_path: Path) -> None:
    work = plant_photos(tmp_path)
    even = plant_samples(work, "even", [(label, rough(draw(label, 150, 7))) for label in (0, 1)])
    found = inspect(work, even, arms=("samples", "path", "trace", "alone"))
    (answer,) = found.result.answers
    assert "their trace alone" not in answer.sentence
    rows = {row.arm: row for row in found.result.rows}
    alone = rows["one-class control even"]  # the same defective samples: their trace is no longer in every class
    assert alone.auroc < rows["even 1x"].auroc - 0.05 and alone.auroc < rows["path control even 1x"].auroc - 0.02
    assert any(
        line.startswith("Samples in one class alone: one-class control even against even 1x") for line in answer.why
    )
    assert found.result.lights[0].low > 0.9 and "carry a trace" in found.result.lights[0].words  # it warns all the same


def test_with_one_seed_nothing_is_decided(tmp_path: Path) -> None:
    work = plant_photos(tmp_path)
    found = inspect(work, plant_samples(work, "oracle", new_draws(150)), seeds=(0,))
    (answer,) = found.result.answers
    assert answer.decision == "cannot be decided with this n"
    assert "1 paired run from 1 seed; a claim needs 10 from at least 2 seeds" in answer.sentence


def test_a_held_out_photo_among_the_samples_is_refused_by_its_pixels(tmp_path: Path) -> None:
    work = plant_photos(tmp_path)
    held = DatasetManifest.read(work.dataset).heldout(0)[3]
    stolen = read_png(work.dataset / held.file).astype(np.uint8)
    with pytest.raises(UserError) as refused:
        inspect(work, plant_samples(work, "thief", [(0, [*draw(0, 40, 7), stolen])]), **FEW)
    assert "thief/000040.png" in refused.value.what and held.photo in refused.value.what
    assert refused.value.allowed.startswith("0 held-out photos")


def test_a_generator_that_saw_held_out_photos_is_refused_by_their_fingerprint(tmp_path: Path) -> None:
    work = plant_photos(tmp_path)
    everything = [image.pixels_sha256 for image in DatasetManifest.read(work.dataset).images]
    with pytest.raises(UserError) as refused:
        inspect(work, plant_samples(work, "spy", new_draws(40), seen=everything), **FEW)
    assert "trained on 160 photo(s) that fold 0 holds out" in refused.value.what and "--fold 0" in refused.value.do


def test_photos_set_aside_may_not_have_been_seen_either(tmp_path: Path) -> None:
    work = plant_photos(tmp_path)
    with pytest.raises(UserError) as refused:
        inspect(work, plant_samples(work, "all", new_draws(40)), photos=20, **FEW)
    assert "trained on 16 photo(s) that fold 0 holds out or sets aside" in refused.value.what


def test_a_set_is_used_in_the_folds_that_its_generator_did_not_see(tmp_path: Path) -> None:
    work = plant_photos(tmp_path, folds=2)
    found = inspect(
        work, plant_samples(work, "first", new_draws(60)), **{**FEW, "doses": (0.5,)}
    )  # trained on fold 0's training photos
    runs = {row.arm: row.runs for row in found.result.rows}
    assert runs == {"real": 4, "first 0.5x": 2}
    assert any("left out of 1 fold (1)" in note for note in found.result.notes)
    (one,) = [one for one in found.result.contrasts if one.arm == "first 0.5x"]
    assert one.runs == 2 and one.photos == 160


@pytest.mark.parametrize(
    ("training", "test", "what", "allowed"),
    [
        ((24, 12), (80, 3), "Fold 0 holds out 3 defective and 80 good photos, which still allows 63%", "5 defective"),
        ((24, 1), (80, 80), "Fold 0 has 1 training photo(s) labelled pit.", "at least 2"),
    ],
)
def test_too_few_photos_are_refused_with_the_number(
    training: tuple[int, int], test: tuple[int, int], what: str, allowed: str, tmp_path: Path
) -> None:
    work = plant_photos(tmp_path, training, test)
    with pytest.raises(UserError) as refused:
        inspect(work, **FEW)
    assert what in refused.value.what and allowed in refused.value.allowed


def test_samples_without_labels_are_refused_unless_one_is_given(tmp_path: Path) -> None:
    work = plant_photos(tmp_path)
    bare = plant_samples(work, "bare", [(1, draw(1, 40, 7))], labelled=False)
    with pytest.raises(UserError) as refused:
        inspect(work, bare, **FEW)
    assert "40 of 40 samples" in refused.value.what and "--samples bare=LABEL" in refused.value.do
    with pytest.raises(UserError) as refused:
        inspect(work, f"{bare}=scratch", **FEW)
    assert "'scratch'" in refused.value.what and "good, pit" in refused.value.allowed
    found = inspect(work, f"{bare}=pit", **FEW)
    assert "bare 1x" in {row.arm for row in found.result.rows}


def test_a_set_of_unknown_origin_is_refused(tmp_path: Path) -> None:
    work = plant_photos(tmp_path)
    with pytest.raises(UserError) as refused:
        inspect(work, plant_samples(work, "found", new_draws(40), seen=()), **FEW)
    assert "does not say which photos its generator learned from" in refused.value.what


def test_stopped_and_taken_up_again_it_ends_as_if_never_stopped(tmp_path: Path) -> None:
    works = [plant_photos(tmp_path / name) for name in ("whole", "parts")]
    sets = [plant_samples(work, "oracle", new_draws(60)) for work in works]
    stopped = inspect(works[1], sets[1], limit_s=0.0, **FEW)
    assert stopped.result.cells < stopped.result.planned_cells == 4 and not stopped.result.answers
    assert "No verdict is given before the plan is done" in stopped.result.sentence
    whole = inspect(works[0], sets[0], **FEW)
    cells = works[1].inspection / "cells"
    times = []
    for _ in range(2):
        inspect(works[1], sets[1], **FEW)
        times.append({path.name: path.stat().st_mtime_ns for path in cells.glob("*.json")})
    assert times[0] == times[1], "a finished cell was computed again"
    again = InspectionResult.read(works[1].inspection)

    def outcome(result: InspectionResult) -> list[Any]:
        return [(row.arm, row.auroc, row.low, row.high) for row in result.rows] + [one.gain for one in result.contrasts]

    assert outcome(again) == outcome(whole.result) and again.answers == whole.result.answers


def test_a_plan_that_can_decide_may_not_change_once_it_began(tmp_path: Path) -> None:
    work = plant_photos(tmp_path)
    oracle = plant_samples(work, "oracle", new_draws(60))
    pilot = {"arms": ("samples",), "doses": (1.0,), "seeds": (0,)}
    inspect(work, oracle, **pilot)
    inspect(work, oracle, **{**pilot, "seeds": tuple(range(10))})  # a pilot may be replaced
    assert len(list(work.inspection.glob("plan-*.json"))) == 1
    with pytest.raises(UserError) as refused:
        inspect(work, oracle, **{**pilot, "seeds": tuple(range(20))})
    assert "settings.seeds changed" in refused.value.what and "10 seeds" in refused.value.allowed


def test_without_its_controls_a_gain_stays_undecided(tmp_path: Path) -> None:
    work = plant_photos(tmp_path)
    found = inspect(work, plant_samples(work, "oracle", new_draws(150)), arms=("samples",))
    (answer,) = found.result.answers
    assert answer.decision == "undecided" and "its controls were left out" in answer.sentence


def test_a_cell_that_fails_is_named_and_withholds_the_verdict(tmp_path: Path) -> None:
    work = plant_photos(tmp_path)
    fragile = tmp_path / "fragile.py"
    fragile.write_text(
        Path(INSPECTOR).read_text().replace('"tiny", FACTS', '"tiny", _facts(train)')
        + "\n\ndef _facts(train):\n    least = 1 if len(train) < 60 else 999\n"
        + "    return InspectorFacts(('binary',), False, least_good=least)\n"
    )
    found = inspect(work, plant_samples(work, "oracle", new_draws(60)), **{**FEW, "inspectors": (str(fragile),)})
    assert (
        len(found.result.failed) == 2 and "oracle 1x" in found.result.failed[0] and "999" not in found.result.failed[0]
    )
    assert found.result.sentence.startswith("No verdict: 2 cells of 4 failed") and not found.result.answers
    assert found.result.failed[0] in found.path.read_text()


def test_photos_all_of_one_group_are_judged_without_a_threshold(tmp_path: Path) -> None:
    work = plant_photos(tmp_path)
    dataset = DatasetManifest.read(work.dataset)
    images = tuple(one.model_copy(update={"group": 0}) if one.fold is None else one for one in dataset.images)
    dataset.model_copy(update={"images": images}).write(work.dataset)
    found = inspect(work, arms=("classical",), seeds=(0,))
    rows = {row.arm: row for row in found.result.rows}
    assert rows["real"].slip_through is None and rows["classical"].strength == 1.0
    assert 0.5 < rows["real"].auroc < 1


def test_from_good_photos_alone_the_threshold_is_set_on_these(tmp_path: Path) -> None:
    work = plant_photos(tmp_path, training=(40, 0))
    odd = str(Path(__file__).with_name("odd_inspector.py"))
    found = inspect(work, arms=("classical",), seeds=(0,), inspectors=(odd,))
    rows = {row.arm: row for row in found.result.rows}
    rejects, slips = rows["real"].false_rejects, rows["real"].slip_through
    assert rejects is not None and slips is not None and rejects.trials == slips.trials == 80
    assert rejects.low < 0.05 < rejects.high  # what was asked for
    assert rows["classical"].strength == 1.0  # nothing to tune it on


def test_samples_among_the_photos_are_refused(tmp_path: Path) -> None:
    work = plant_photos(tmp_path)
    held = DatasetManifest.read(work.dataset).heldout(0)[3]
    pixels = read_png(work.dataset / held.file)
    rendered = {"Description": "rendered by Handful, not a photo: sealant station, seed 3, number 53"}
    (tmp_path / held.photo).write_bytes(png_bytes(pixels, 8, rendered))
    read_folds(work.dataset, None)
    (tmp_path / held.photo).write_bytes(png_bytes(pixels, 8, generated_texts("dcgan", "dcgan-s0", 7)))
    with pytest.raises(UserError) as refused:
        inspect(work, **FEW)
    assert f"1 of the 196 photos say of themselves that they were generated, for example {held.photo}" in str(
        refused.value
    )
    assert refused.value.allowed.startswith("0 samples") and "--samples" in refused.value.do


def test_what_the_data_set_warns_of_stands_on_the_page(tmp_path: Path) -> None:
    work = plant_photos(tmp_path)
    warning = "The layout calls 24 of 60 photos test photos."
    DatasetManifest.read(work.dataset).model_copy(update={"warnings": (warning,)}).write(work.dataset)
    assert warning in inspect(work, arms=("classical",), seeds=(0,)).path.read_text(encoding="utf-8")


def test_a_generator_that_needs_more_photos_than_a_label_has_is_refused_before_it_is_trained(tmp_path: Path) -> None:
    work = plant_photos(tmp_path / "work", training=(24, 6))
    (tmp_path / "photos").mkdir()
    dataset = DatasetManifest.read(work.dataset)
    dataset.model_copy(update={"photo_folder": str(tmp_path / "photos")}).write(work.dataset)
    own = Path(__file__).parents[2] / "examples/my_generator.py"
    greedy = tmp_path / "greedy.py"
    greedy.write_text(re.sub(r"least_photos=\d+", "least_photos=7", own.read_text(encoding="utf-8")), encoding="utf-8")
    settings = arrange_inspection({"generators": [str(greedy)], "inspectors": [INSPECTOR]}, "the test")
    with pytest.raises(UserError) as refused:
        handful.inspect(tmp_path / "photos", work.root, settings)
    assert "Fold 0 has 6 training photo(s) labelled pit." in refused.value.what
    assert "greedy needs at least 7 of each label" in refused.value.allowed and not list(work.train.glob("*"))


@pytest.mark.parametrize(
    ("name", "training", "what"),
    [
        ("segmenter", (24, 6), "Of 30 training images, 0 have their defects outlined."),
        ("classifier", (24, 0), "There are 0 defective training images."),
    ],
)
def test_an_inspector_that_cannot_learn_from_the_photos_is_refused_before_a_generator_is_trained(
    name: str, training: tuple[int, int], what: str, tmp_path: Path
) -> None:
    work = plant_photos(tmp_path / "work", training=training)
    (tmp_path / "photos").mkdir()
    dataset = DatasetManifest.read(work.dataset)
    dataset.model_copy(update={"photo_folder": str(tmp_path / "photos")}).write(work.dataset)
    settings = arrange_inspection({"generators": ["classic"], "inspectors": [name]}, "the test")
    with pytest.raises(UserError) as refused:
        handful.inspect(tmp_path / "photos", work.root, settings)
    assert refused.value.what == what and name in refused.value.allowed and not list(work.train.glob("*"))


def test_a_set_that_is_not_there_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    settings = arrange_inspection({"samples": ["nobody=good"], "inspectors": [INSPECTOR]}, "the test")
    with pytest.raises(UserError, match="nobody holds no"):
        handful.inspect(tmp_path / "photos", tmp_path / "new", settings)
    assert not (tmp_path / "new").exists()


def test_settings_of_nobody_are_refused() -> None:
    with pytest.raises(UserError) as refused:
        arrange_inspection({"inspectors": ["classifier"], "settings": {"clasifier": {"steps": 3}}}, "the test")
    assert "clasifier" in refused.value.what and "classifier" in refused.value.do
    with pytest.raises(UserError) as refused:
        arrange_inspection({"dosis": [1.0]}, "the test")
    assert "'dosis'" in refused.value.what and "doses" in refused.value.do


def test_a_recipes_settings_of_an_inspector_that_is_not_asked_rest() -> None:
    recipe = {"inspectors": ["linear"], "settings": {"classifier": {"steps": 3}}}
    assert arrange_inspection(recipe, "the test").settings == {}
    with pytest.raises(UserError, match="classifier"):
        arrange_inspection({"inspectors": ["linear"]}, "the test", {"classifier": {"steps": 3}})
