"""Photos that are learned by themselves are trained side by side, and the outcome is that of training them in turn."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import write_dataset
from handful.core.artifacts import RunManifest
from handful.core.checkpoint import read_checkpoint
from handful.core.cores import cores_for
from handful.core.progress import read_events
from handful.train import fleet
from handful.train.loop import TrainSettings, train_generator
from handful.train.training_set import read_training_set

SMALL = {"min_size": 25, "width": 2}
SETTINGS = TrainSettings(budget="12steps", precision="fp32", preview_images=3, forecast=False)
"""For SinGAN 2 photos, 3 scales: 2 steps a scale."""
TINY_FLEET = str(Path(__file__).parent / "tiny_fleet.py")


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "cores_here", lambda: [0, 1])


def only_checkpoint(run: Path) -> dict[str, dict[str, Any]]:
    (path,) = (run / "checkpoints").glob("*.safetensors")
    return read_checkpoint(path)[0]


def test_singans_side_by_side_are_those_trained_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, runs, heard = write_dataset(tmp_path / "data", photos=2, width=34, height=26), [], []
    for cores in ([0], [0, 1]):
        monkeypatch.setattr(fleet, "cores_here", lambda cores=cores: cores)
        settings = SETTINGS.model_copy(update={"forecast": len(cores) > 1})
        out = tmp_path / str(len(cores))
        run = train_generator("singan", dataset, out, settings, SMALL, seed=1, listener=heard.append)
        runs.append(out / run.run_id)
    turn, side = runs
    assert not (turn / "members").exists() and (side / "members" / "photo-001" / "run.json").exists()
    expected, found = read_checkpoint(turn / "checkpoints" / "step-0000012.safetensors")[0], only_checkpoint(side)
    assert found["position"] == expected["position"] | {"began": found["position"]["began"]}
    for name in ("fleet", "generators", "critics"):
        for key, tensor in expected[name].items():
            assert torch.equal(tensor, found[name][key]), f"{name}/{key}"
    assert len(found["fleet"]["trained"]) == 1

    heard = [event for event in heard if event["name"] == side.name][-20:]
    (forecast,) = [event for event in heard if event["event"] == "forecast"]
    assert "2 photo(s) x 3 scale(s)" in forecast["words"] and "in 2 processes" in forecast["words"]
    assert "--budget" in forecast["words"] and "fast=true" in forecast["words"]
    assert [event["losses"].keys() for event in heard if event["event"] == "step"][-1] == {
        "critic", "penalty", "adversarial", "reconstruction",
    }  # fmt: skip


def test_it_says_how_far_all_photos_are_and_keeps_what_it_said(tmp_path: Path, two_cores: None) -> None:
    dataset, heard = write_dataset(tmp_path / "data", photos=3), []
    run = train_generator(TINY_FLEET, dataset, tmp_path / "out", SETTINGS, listener=heard.append)
    assert "3 photo(s), 12steps, fp32, 2 processes" in heard[0]["words"]
    last = [event for event in heard if event["event"] == "step"][-1]
    assert last["progress"] == 1.0 and last["step"] == 12 and "3 of 3 photos" in last["words"] and last["losses"]
    assert heard[-1]["status"] == run.status == "finished" and run.steps == 12
    folder = tmp_path / "out" / run.run_id
    assert [event["words"] for event in read_events(folder / "events.jsonl")] == [event["words"] for event in heard]
    assert (folder / "previews" / "step-0000012.png").exists()
    assert train_generator(TINY_FLEET, dataset, tmp_path / "out", SETTINGS, listener=pytest.fail) == run  # at once


# with no guard around what it does: its processes must not run it again
KILLED = """
import sys
from pathlib import Path
from handful.train import fleet
from handful.train.loop import TrainSettings, train_generator
fleet.cores_here = lambda: [0, 1]
settings = TrainSettings(
    budget="600steps", precision="fp32", preview_images=3, forecast=False, checkpoint_every_s=0.1)
train_generator(sys.argv[3], Path(sys.argv[1]), Path(sys.argv[2]), settings, {"pause_s": 0.005})
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills the Unix way")
def test_a_killed_fleet_goes_on_and_its_processes_end_with_it(tmp_path: Path, two_cores: None) -> None:
    dataset, script = write_dataset(tmp_path / "data", photos=3), tmp_path / "killed.py"
    script.write_text(KILLED)
    first = subprocess.Popen([sys.executable, str(script), str(dataset), str(tmp_path / "out"), TINY_FLEET])
    end, done = time.monotonic() + 100, []
    while not done and time.monotonic() < end and first.poll() is None:
        time.sleep(0.02)
        done = [path for path in tmp_path.glob("out/*/members/*/run.json") if '"finished"' in path.read_text()]
    first.kill()
    first.wait()
    assert len(done) in (1, 2), "the test must kill between the first photo's end and the last one's"
    kept, heard = {path: path.read_bytes() for path in done}, []
    settings = SETTINGS.model_copy(update={"budget": "600steps"})
    how = (TINY_FLEET, dataset, tmp_path / "out", settings, {"pause_s": 0.005})
    run = train_generator(*how, listener=heard.append)
    assert heard[0]["resumed"] and run.status == "finished" and run.steps == 600
    assert all(path.read_bytes() == content for path, content in kept.items())
    straight = train_generator(*how[:2], tmp_path / "straight", *how[3:])
    assert straight.weights_sha256 == run.weights_sha256


def test_an_alarm_of_one_photo_ends_the_run_with_the_photos_up_to_it(tmp_path: Path, two_cores: None) -> None:
    dataset = write_dataset(tmp_path / "data", photos=3)
    means = read_training_set(dataset, 0).photos.mean((1, 2, 3))
    bright = int(means.argmax())
    values = {"spoilt_above": float(means.sort().values[1:].mean())}
    run = train_generator(TINY_FLEET, dataset, tmp_path / "out", SETTINGS, values)
    (alarm,) = run.alarms
    assert run.status == "stopped" and alarm.kind == "divergence"
    assert f"Photo {bright}: At step 3: the loss error is nan" in alarm.words
    assert run.checkpoint is not None
    states, header = read_checkpoint(tmp_path / "out" / run.run_id / run.checkpoint)
    assert len(states["bank"]["levels"]) == bright + 1 and header["alarms"]


def test_samples_that_look_alike_raise_the_alarm(tmp_path: Path, two_cores: None) -> None:
    dataset = write_dataset(tmp_path / "data", photos=3)  # noise: photos differ, their means do not
    settings = SETTINGS.model_copy(update={"batch": 100, "collapse_threshold": 0.9})
    run = train_generator(TINY_FLEET, dataset, tmp_path / "out", settings)
    assert run.status == "finished" and [alarm.kind for alarm in run.alarms] == ["collapse"]


def test_one_core_one_photo_or_too_few_steps_are_trained_in_turn(tmp_path: Path, two_cores: None) -> None:
    for photos, settings in ((1, {}), (3, {"budget": "2steps"}), (3, {"threads": 2})):
        dataset = write_dataset(tmp_path / f"data{photos}", photos=photos)
        run = train_generator(TINY_FLEET, dataset, tmp_path / str(settings), SETTINGS.model_copy(update=settings))
        assert not (tmp_path / str(settings) / run.run_id / "members").exists() and run.status == "finished"


def test_a_generator_that_has_finished_ends_before_its_budget(tmp_path: Path, two_cores: None) -> None:
    for photos, steps in ((1, 3), (2, 6)):
        dataset, heard = write_dataset(tmp_path / f"data{photos}", photos=photos), []
        run = train_generator(TINY_FLEET, dataset, tmp_path / "out", SETTINGS, {"enough_steps": 3}, 0, 0, heard.append)
        assert run.status == "finished" and run.steps == steps  # of 12
        assert [event["progress"] for event in heard if event["event"] == "step"][-1] == 1.0


def test_a_budget_of_time_gives_each_photo_its_share_of_every_process(tmp_path: Path, two_cores: None) -> None:
    dataset = write_dataset(tmp_path / "data", photos=3)
    run = train_generator(TINY_FLEET, dataset, tmp_path / "out", SETTINGS.model_copy(update={"budget": "0.9s"}))
    folders = [tmp_path / "out" / run.run_id / "members" / f"photo-00{index}" for index in range(3)]
    assert [RunManifest.read(folder).train_settings["budget"] for folder in folders] == ["0.600s"] * 3
    assert all(0.6 <= RunManifest.read(folder).seconds < 5 for folder in folders)


def test_cores_are_shared_out_without_overlap() -> None:
    assert [cores_for(place, 3, range(8)) for place in range(3)] == [[0, 1], [2, 3, 4], [5, 6, 7]]
    assert [cores_for(place, 3, [4, 6]) for place in range(3)] == [[4], [6], [4]]
