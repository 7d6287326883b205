"""The main job, end to end, on a small rendered station."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import handful
from handful.core.artifacts import RunManifest, SampleManifest, ScoreCard
from handful.core.errors import UserError
from handful.core.progress import Event
from handful.core.workspace import Workspace
from handful.study.plan import arrange_settings

VALUES = {
    "generators": ["dcgan", "classic", "copies"],
    "canvas": "24",
    "budget": "6steps",
    "batch": 4,
    "samples": 12,
    "features": "efficientnet-lite0",
    "heldout": 0.4,
    "precision": "fp32",
    "threads": 1,
    "settings": {"dcgan": {"width": 8}},
}


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder with the hash of its content."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def weights_of(work: Path) -> dict[str, str | None]:
    runs = [RunManifest.read(path.parent) for path in (work / "3_train").glob("*/run.json")]
    return {run.run_id: run.weights_sha256 for run in runs}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("Fotos der Station ä")
    handful.render_station(folder / "p", 10, seed=3, width=96, height=72)
    return folder / "p"


@pytest.fixture(scope="module")
def work(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished comparison."""
    out = tmp_path_factory.mktemp("finished")
    before = tree(photos)
    handful.compare(photos, out, arrange_settings(VALUES, "the test"))
    assert tree(photos) == before, "the photo folder was written to"
    return out


def test_the_job_leaves_a_report_and_every_stage_its_manifest(work: Path) -> None:
    place = Workspace(work)
    page = (place.report / "index.html").read_text(encoding="utf-8")
    document = json.loads((place.report / "report.json").read_text(encoding="utf-8"))
    assert document["verdict"]["sentence"] in page
    for run_id in weights_of(work):
        assert SampleManifest.read(place.samples / run_id).count == 12
        for protocol in ("heldout-v1", "training-v1"):
            card = ScoreCard.read(place.scores / run_id, f"{protocol}+efficientnet-lite0.json")
            assert {score.name for score in card.scores} >= {"fid", "kid", "nearest_photo"}


def test_copies_score_best_where_they_were_copied_from_but_are_named_and_not_ranked(work: Path) -> None:
    cards = {
        card.generator: {score.name: score for score in card.scores}
        for card in (ScoreCard.read(path.parent, path.name) for path in (work / "5_scores").glob("*/training-v1*.json"))
    }
    assert min(cards, key=lambda name: cards[name]["fid"].value) == "copies"
    assert cards["copies"]["nearest_photo"].value == 0
    document = json.loads((work / "6_report/report.json").read_text(encoding="utf-8"))
    assert "copies" not in document["verdict"]["ranked"]
    assert "copies" in (work / "6_report/index.html").read_text(encoding="utf-8")
    for table in document["tables"]:
        assert {"real photos", "blurred photos", "noisy photos"} < {row["name"] for row in table["rows"]}


def test_running_it_again_trains_and_draws_nothing_anew(photos: Path, work: Path) -> None:
    before = {name: value for name, value in tree(work).items() if name.startswith(("2_", "3_", "4_"))}
    handful.compare(photos, work, arrange_settings(VALUES, "the test"))
    after = {name: value for name, value in tree(work).items() if name.startswith(("2_", "3_", "4_"))}
    assert after == before


def test_fewer_samples_are_judged_when_fewer_are_asked_for(photos: Path, tmp_path: Path) -> None:
    """The folder keeps the six of the first time; the second is judged as if it had been the only one."""
    values = VALUES | {"generators": ["copies"], "settings": {}, "protocol": ["training-v1"]}
    for samples, work in ((6, "twice"), (4, "twice"), (4, "once")):
        handful.compare(photos, tmp_path / work, arrange_settings(values | {"samples": samples}, "the test"))
    twice, once = (
        ScoreCard.read(path.parent, path.name)
        for work in ("twice", "once")
        for path in (tmp_path / work / "5_scores").glob("copies*/training-v1*.json")
    )
    assert {score.m_samples for score in twice.scores} == {4}
    assert twice.scores == once.scores
    assert len(list((tmp_path / "twice/4_samples").glob("*/*.png"))) == 6


def test_two_processes_give_the_same_weights_as_one_and_tell_as_much(photos: Path, work: Path, tmp_path: Path) -> None:
    heard: list[Event] = []
    handful.compare(photos, tmp_path, arrange_settings(VALUES | {"jobs": 2}, "the test"), heard.append)
    assert weights_of(tmp_path) == weights_of(work)
    cells = {f"{generator}, seed 0, fold 0" for generator in ("dcgan", "classic", "copies")}
    for kind in ("start", "drawn", "end", "cell"):
        assert {event["cell"] for event in heard if event["event"] == kind} == cells
    assert {event["cell"] for event in heard if event["event"] == "features"} == cells | {"anchors, fold 0"}
    trained = [event for event in heard if event.get("cell") == "dcgan, seed 0, fold 0"]
    assert {"forecast", "step"} < {event["event"] for event in trained}
    assert all("seconds_left" in event for event in trained if event["event"] == "step")
    assert [event["words"] for event in heard if event["event"] == "cells"] == [f"{n} of 3 cells" for n in range(4)]


def test_killed_at_random_moments_it_goes_on_to_the_same_end(photos: Path, work: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    lines = [f"{name} = {json.dumps(value)}" for name, value in VALUES.items() if name != "settings"]
    recipe.write_text("\n".join([*lines, "[settings.dcgan]", "width = 8"]), encoding="utf-8")
    command = [sys.executable, "-m", "handful", "compare", str(photos), "--out", str(tmp_path / "w"), "--json"]
    command += ["--recipe", str(recipe)]
    moments = random.Random(0)
    for _ in range(3):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(moments.uniform(1.0, 6.0))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Path(json.loads(done.stdout)["report"]).is_file()
    assert weights_of(tmp_path / "w") == weights_of(work)


def test_a_failing_cell_does_not_stop_the_others(photos: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(
        "from handful.core.errors import UserError\n"
        "from handful.generators.copies import *\n"
        "FACTS = Facts(\n"
        "    least_photos=1, least_side_px=1, trains=False, source_type='algorithmicallyEnhanced', anchor=True\n"
        ")\n"
        "class Broken(Copies):\n"
        "    def prepare(self, photos):\n"
        "        raise UserError('It broke.', 'Nothing.', 'Mend it.')\n"
    )
    values = VALUES | {"generators": [str(broken), "classic"], "settings": {}}
    said: list[str] = []
    with pytest.raises(UserError, match="It broke"):
        settings = arrange_settings(values, "the test")
        handful.compare(photos, tmp_path / "w", settings, lambda event: said.append(str(event.get("words"))))
    assert "[1 of 2] broken, seed 0, fold 0: failed: It broke." in said
    document = json.loads((tmp_path / "w/6_report/report.json").read_text(encoding="utf-8"))
    assert {card["generator"] for card in document["cards"] if not card["of_photos"]} == {"classic"}
    assert "broken, seed 0, fold 0 failed: It broke." in document["missing"]


def test_a_run_that_cannot_be_scored_does_not_stop_the_others(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(samples: Path, *others: Any) -> ScoreCard:
        if samples.name.startswith("copies"):
            raise UserError("No judge for these.", "Nothing.", "Mend it.")
        return handful.score_samples(samples, *others)

    values = VALUES | {"generators": ["copies", "classic"], "settings": {}, "protocol": ["training-v1"]}
    settings = arrange_settings(values, "the test")
    handful.compare(photos, tmp_path / "w", settings)
    monkeypatch.setattr("handful.pipeline.score_samples", judge)
    heard: list[Event] = []
    with pytest.raises(UserError, match="No judge for these"):
        handful.compare(photos, tmp_path / "w", settings, heard.append)
    what = "copies, seed 0, fold 0, training-v1+efficientnet-lite0"
    document = json.loads((tmp_path / "w/6_report/report.json").read_text(encoding="utf-8"))
    assert f"{what} failed: No judge for these." in document["missing"]
    drawn = {card["generator"] for card in document["cards"] if not card["of_photos"]}
    assert drawn == {"classic"}, "a card of before stands in for the new"
    assert f"{what}: failed: No judge for these." in [event.get("words") for event in heard]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"generators": ["dcgna"]}, "Did you mean 'dcgan'?"),
        ({"features": "inception"}, "inception-2015"),
        ({"protocol": ["heldout"]}, "heldout-v1"),
        ({"budget": "3 bananas"}, "3min"),
        ({"budgte": "3min"}, "Did you mean 'budget'?"),
        ({"samples": 1}, "greater than or equal to 2"),
        ({"settings": {"dcgan": {"wdith": 8}}}, "Did you mean 'width'?"),
        ({"settings": {"dcgna": {}}}, "dcgan"),
        ({"heldout": 0.0}, "--heldout"),
        ({"canvas": "4"}, "--canvas"),
        ({"device": "cudo"}, "Did you mean 'cuda'?"),
        ({"precision": "bf-16"}, "Did you mean 'bf16'?"),
        ({"threads": 0}, "at least 1"),
        ({"generators": ["dcgan", "classic"], "settings": {"classic": {"shfit": 1}}}, "classic"),
        ({"generators": ["dcgan", "singan"]}, "singan"),  # which needs 25 px, and the canvas is 24x18
    ],
)
def test_a_mistake_is_refused_before_anything_is_trained(
    change: dict[str, object], told: str, photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        handful.compare(photos, tmp_path / "w", arrange_settings(VALUES | change, "the recipe"))
    assert told in str(caught.value)
    assert not (tmp_path / "w").exists(), "a refused comparison left something behind"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_device_that_is_not_here_is_refused_before_anything_is_written(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        handful.compare(photos, tmp_path / "w", arrange_settings(VALUES | {"device": "cuda"}, "the recipe"))
    assert "The device cuda was asked for" in caught.value.what
    assert "Present here:" in caught.value.allowed and "--device auto" in caught.value.do
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("change", [{"device": "cudo"}, {"precision": "bf-16"}, {"threads": 0}])
def test_training_and_drawing_refuse_it_before_anything_is_written(
    change: dict[str, Any], work: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError):
        handful.train_generator("copies", work / "2_dataset", tmp_path / "runs", handful.TrainSettings(**change))
    if "precision" not in change:
        run = next(iter(weights_of(work)))
        with pytest.raises(UserError):
            handful.draw_samples(work / "3_train" / run, tmp_path / "drawn", 4, **change)
    assert not list(tmp_path.iterdir())


def test_a_workspace_that_another_run_holds_is_refused(photos: Path, tmp_path: Path) -> None:
    with Workspace(tmp_path).hold(), pytest.raises(UserError) as caught:
        handful.compare(photos, tmp_path, arrange_settings(VALUES, "the test"))
    assert str(tmp_path) in caught.value.what
    assert "--out" in caught.value.do


def test_a_workspace_inside_the_photo_folder_is_refused(photos: Path) -> None:
    before = tree(photos)
    with pytest.raises(UserError):
        handful.compare(photos, photos / "work", arrange_settings(VALUES, "the test"))
    assert tree(photos) == before
