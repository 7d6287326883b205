"""The training loop: what it writes, how it resumes, when it stops."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from handful.core.artifacts import DatasetManifest, RunManifest
from handful.core.checkpoint import read_checkpoint, write_checkpoint
from handful.core.config import fingerprint
from handful.core.errors import UserError
from handful.core.images import read_png, unit_to_integers
from handful.core.progress import Event, read_events
from handful.core.workspace import write_atomically
from handful.generators.restore import build_generator, restore_run
from handful.train.loop import TrainSettings, train_generator
from handful.train.previews import contact_sheet
from handful.train.run_folder import RunFolder

HERE = Path(__file__).parent
TrainTiny = Callable[..., RunManifest]
MakeDataset = Callable[..., Path]


def interrupt_at_preview(number: int) -> Callable[[Event], None]:
    """A listener that interrupts training at the given preview, counted from 1."""
    seen = 0

    def listen(event: Event) -> None:
        nonlocal seen
        seen += event["event"] == "preview"
        if seen == number:
            raise KeyboardInterrupt

    return listen


def interrupt_at_step_event() -> Callable[[Event], None]:
    """A listener that interrupts training after the first step that it hears of."""

    def listen(event: Event) -> None:
        if event["event"] == "step":
            raise KeyboardInterrupt

    return listen


def run_folder(tmp_path: Path) -> Path:
    [path] = (tmp_path / "3_train").glob("*/run.json")
    return path.parent


def test_a_finished_run_describes_itself(make_dataset: MakeDataset, train_tiny: TrainTiny, tmp_path: Path) -> None:
    dataset = make_dataset(photos=6, heldout=2)
    run = train_tiny(dataset, {"rate": "0.001"}, budget="10steps", batch=3, seed=5)
    folder = tmp_path / "3_train" / run.run_id
    assert RunManifest.read(folder) == run
    assert run.run_id.startswith("tiny_generator-s5-f0-") and len(run.run_id.rsplit("-", 1)[1]) == 8
    assert (run.status, run.steps, run.images_seen, run.training_images) == ("finished", 10, 30, 4)
    assert run.generator_settings["rate"] == 0.001
    assert run.train_settings["budget"] == "10steps" and run.train_settings["memory_format"] == "channels_last"
    images = DatasetManifest.read(dataset).training(0)
    assert run.training_fingerprint == fingerprint(sorted(image.pixels_sha256 for image in images))
    assert run.training_pixels == tuple(sorted(image.pixels_sha256 for image in images)) and len(images) == 4
    assert run.training_order == tuple(image.pixels_sha256 for image in images)
    assert not {image.pixels_sha256 for image in DatasetManifest.read(dataset).heldout(0)} & set(run.training_pixels)
    assert run.checkpoint == "checkpoints/step-0000010.safetensors" and (folder / run.checkpoint).is_file()


def test_events_tell_the_story_in_order_with_words(
    make_dataset: MakeDataset, train_tiny: TrainTiny, tmp_path: Path
) -> None:
    heard: list[Event] = []
    run = train_tiny(make_dataset(), forecast=True, listener=heard.append)
    kinds = [event["event"] for event in heard]
    assert kinds[:4] == ["start", "forecast", "checkpoint", "step"] and kinds[-1] == "end"
    assert heard == list(read_events(tmp_path / "3_train" / run.run_id / "events.jsonl"))
    steps = [event for event in heard if event["event"] == "step"]
    assert (steps[0]["step"], steps[-1]["step"]) == (1, 8)
    assert set(steps[0]["losses"]) == {"d", "g"} and steps[-1]["progress"] == 1.0 and steps[-1]["seconds_left"] == 0
    assert "step 8, d " in steps[-1]["words"] and run.run_id in steps[-1]["words"]
    assert all(event["name"] == run.run_id for event in heard)


def test_previews_are_contact_sheets_at_eleven_moments(
    make_dataset: MakeDataset, train_tiny: TrainTiny, tmp_path: Path
) -> None:
    run = train_tiny(make_dataset(), budget="64steps", preview_images=5)
    files = sorted((tmp_path / "3_train" / run.run_id / "previews").iterdir())
    assert [int(file.stem.removeprefix("step-")) for file in files] == [1, 2, 4, 8, 16, 24, 32, 40, 48, 56, 64]
    sheet = read_png(files[-1])
    assert sheet.shape == (2 * 12 + 2, 3 * 16 + 2 * 2)  # five 16x12 images in two rows of three, 2 px apart
    assert (sheet[14:, 36:] == 255).all()  # the sixth place is empty


def test_the_last_preview_shows_what_the_restored_run_samples(
    make_dataset: MakeDataset, train_tiny: TrainTiny, tmp_path: Path
) -> None:
    run = train_tiny(make_dataset(channels=3), {"rate": 0.02}, ema_half_life_images=10.0, ema_ramp_up=10.0)
    generator, _ = restore_run(tmp_path / "3_train" / run.run_id)
    sheet = unit_to_integers(contact_sheet(generator.sample(range(4))).numpy(), bit_depth=8)
    shown = read_png(tmp_path / "3_train" / run.run_id / "previews" / "step-0000008.png").astype(int)
    assert abs(shown - sheet).max() <= 1  # strides of a restored network differ, and rounding with them


def test_the_last_two_checkpoints_and_the_last_healthy_one_are_kept(
    make_dataset: MakeDataset, train_tiny: TrainTiny, tmp_path: Path
) -> None:
    # alike from 1/2 on, and only two checks follow (at 3 steps of 4 and 4 of 4), so no alarm ends the run
    run = train_tiny(make_dataset(), {"alike_from": 0.5}, budget="4steps", batch=500)
    names = [path.name for path in RunFolder(tmp_path / "3_train" / run.run_id).checkpoints()]
    assert run.alarms == ()
    assert names == ["step-0000002.safetensors", "step-0000003.safetensors", "step-0000004.safetensors"]


def test_a_finished_run_is_returned_without_training_again(make_dataset: MakeDataset, train_tiny: TrainTiny) -> None:
    dataset = make_dataset()
    first = train_tiny(dataset)
    heard: list[Event] = []
    assert train_tiny(dataset, listener=heard.append) == first
    assert heard == []


def test_how_the_work_is_done_does_not_name_the_run(make_dataset: MakeDataset, train_tiny: TrainTiny) -> None:
    dataset = make_dataset()
    first = train_tiny(dataset, threads=1)
    assert train_tiny(dataset, threads=None, checkpoint_every_s=1e-6, forecast=True) == first


def test_every_setting_the_data_set_and_the_generator_file_name_the_run(
    make_dataset: MakeDataset, train_tiny: TrainTiny, tmp_path: Path
) -> None:
    dataset = make_dataset()
    edited = tmp_path / "tiny_generator.py"
    edited.write_text((HERE / "tiny_generator.py").read_text() + "# edited\n")
    runs = [
        train_tiny(dataset, budget="1steps"),
        train_tiny(dataset, budget="2steps"),
        train_tiny(dataset, {"rate": 0.1}, budget="1steps"),
        train_tiny(dataset, budget="1steps", generator=str(edited)),
        train_tiny(make_dataset(photos=5), budget="1steps"),
    ]
    assert len({run.run_id for run in runs}) == 5


def test_an_interrupted_run_resumes_to_the_same_weights(
    make_dataset: MakeDataset, train_tiny: TrainTiny, tmp_path: Path
) -> None:
    dataset = make_dataset()
    whole = train_tiny(dataset, budget="16steps", out="whole")
    with pytest.raises(KeyboardInterrupt):
        train_tiny(dataset, budget="16steps", listener=interrupt_at_preview(6))
    assert RunManifest.read(run_folder(tmp_path)).status == "running"
    undone = run_folder(tmp_path) / "previews" / "step-0000009.png"
    write_atomically(undone, b"of a step that the kill undid")
    heard: list[Event] = []
    again = train_tiny(dataset, budget="16steps", listener=heard.append)
    assert not undone.exists()
    assert heard[0]["resumed"] is True and heard[0]["step"] == 8
    assert again.weights_sha256 == whole.weights_sha256
    steps = [event["step"] for event in read_events(run_folder(tmp_path) / "events.jsonl")]
    assert steps == sorted(steps)  # what came after the checkpoint was dropped from the log


def test_a_resumed_run_has_only_the_rest_of_its_time_budget(
    make_dataset: MakeDataset, train_tiny: TrainTiny, tmp_path: Path
) -> None:
    dataset = make_dataset()
    with pytest.raises(KeyboardInterrupt):
        train_tiny(dataset, budget="1h", checkpoint_every_s=1e-6, listener=interrupt_at_step_event())
    newest = RunFolder(run_folder(tmp_path)).checkpoints()[-1]
    states, header = read_checkpoint(newest)
    write_checkpoint(newest, states, header | {"seconds": 3599.5})  # as if it had trained for so long
    heard: list[Event] = []
    run = train_tiny(dataset, budget="1h", checkpoint_every_s=1e-6, listener=heard.append)
    first = next(event for event in heard if event["event"] == "step")
    assert 0 <= first["seconds_left"] < 0.5 and first["progress"] > 3599.5 / 3600
    assert run.status == "finished" and run.seconds >= 3600 and run.steps > header["step"]


def test_precision_stays_what_it_was_at_the_first_start(
    make_dataset: MakeDataset, train_tiny: TrainTiny, tmp_path: Path
) -> None:
    dataset = make_dataset()
    with pytest.raises(KeyboardInterrupt):
        train_tiny(dataset, precision="auto", listener=interrupt_at_preview(3))
    path = run_folder(tmp_path) / "run.json"
    started = json.loads(path.read_text())
    other = {"fp32": "bf16", "bf16": "fp32"}[started["train_settings"]["precision"]]
    started["train_settings"]["precision"] = other
    path.write_text(json.dumps(started))
    heard: list[Event] = []
    run = train_tiny(dataset, precision="auto", listener=heard.append)
    assert run.train_settings["precision"] == other
    assert f"{other} on cpu" in heard[0]["words"]


@pytest.mark.parametrize(("photos", "batch"), [(1, 16), (100, 7), (3, 1)])
def test_any_number_of_photos_goes_with_any_batch(
    make_dataset: MakeDataset, train_tiny: TrainTiny, photos: int, batch: int
) -> None:
    run = train_tiny(make_dataset(photos=photos), batch=batch, budget="4steps")
    assert (run.status, run.training_images, run.images_seen) == ("finished", photos, 4 * batch)


@pytest.mark.parametrize("augment", [("flip", "color", "translation", "cutout"), ()])
def test_colour_photos_train_with_and_without_augmentation(
    make_dataset: MakeDataset, train_tiny: TrainTiny, augment: tuple[str, ...]
) -> None:
    assert train_tiny(make_dataset(channels=3), augment=augment, budget="2steps").channels == 3


def test_neither_previews_nor_checkpoints_nor_the_forecast_touch_the_weights(
    make_dataset: MakeDataset, train_tiny: TrainTiny
) -> None:
    dataset = make_dataset()
    bare = train_tiny(dataset, preview_images=0)
    rich = train_tiny(dataset, preview_images=9, checkpoint_every_s=1e-6, forecast=True)
    other_seed = train_tiny(dataset, preview_images=0, seed=1)
    assert bare.weights_sha256 == rich.weights_sha256 != other_seed.weights_sha256


def test_a_loss_that_is_not_a_number_ends_the_run_with_the_last_good_checkpoint(
    make_dataset: MakeDataset, train_tiny: TrainTiny, tmp_path: Path
) -> None:
    # previews, and with them checkpoints, come at steps 1, 2, 4, 6, ... of 16
    heard: list[Event] = []
    run = train_tiny(make_dataset(), {"nan_loss_step": 4}, budget="16steps", listener=heard.append)
    assert (run.status, run.steps, run.checkpoint) == ("stopped", 4, "checkpoints/step-0000004.safetensors")
    [alarm] = run.alarms
    assert (alarm.kind, alarm.step) == ("divergence", 5)
    assert "the loss d is nan" in alarm.words and "step 4" in alarm.words
    assert [event["event"] for event in heard[-2:]] == ["alarm", "end"]
    generator, _ = restore_run(tmp_path / "3_train" / run.run_id)
    assert generator.sample([0]).isfinite().all()


def test_a_weight_that_is_not_a_number_is_never_written(
    make_dataset: MakeDataset, train_tiny: TrainTiny, tmp_path: Path
) -> None:
    run = train_tiny(make_dataset(), {"nan_weight_step": 5}, budget="16steps")
    assert (run.status, run.steps, run.alarms[0].step) == ("stopped", 4, 6)
    assert "a weight is not a finite number" in run.alarms[0].words
    for path in RunFolder(tmp_path / "3_train" / run.run_id).checkpoints():
        states, _ = read_checkpoint(path)
        assert all(tensor.isfinite().all() for tensor in states["generator"].values())


def test_a_loss_that_explodes_ends_the_run(make_dataset: MakeDataset, train_tiny: TrainTiny) -> None:
    run = train_tiny(make_dataset(), {"huge_loss_step": 4}, budget="16steps")
    assert run.status == "stopped" and "the loss d is 1e+06, over 1000 times its usual" in run.alarms[0].words


def test_a_collapse_ends_the_run_with_the_last_healthy_checkpoint(
    make_dataset: MakeDataset, train_tiny: TrainTiny
) -> None:
    # judged at steps 4, 6, 8, 10, 12, ... of 16; alike from step 8 on
    run = train_tiny(make_dataset(), {"alike_from": 0.4}, budget="16steps", batch=250)
    assert (run.status, run.steps) == ("stopped", 6)
    [alarm] = run.alarms
    assert (alarm.kind, alarm.step) == ("collapse", 12)
    assert "look alike: they differ by 0 on average" in alarm.words and "of step 6" in alarm.words


def test_a_collapse_is_noticed_at_the_same_step_after_a_resume(
    make_dataset: MakeDataset, train_tiny: TrainTiny, tmp_path: Path
) -> None:
    own = {"alike_from": 0.4}
    dataset = make_dataset()
    with pytest.raises(KeyboardInterrupt):  # at step 10, after one check that found samples alike
        train_tiny(dataset, own, budget="16steps", batch=250, listener=interrupt_at_preview(6))
    run = train_tiny(dataset, own, budget="16steps", batch=250)
    assert (run.status, run.steps, run.alarms[0].step) == ("stopped", 6, 12)


def test_a_run_that_never_was_healthy_goes_on_to_the_end_with_one_alarm(
    make_dataset: MakeDataset, train_tiny: TrainTiny
) -> None:
    run = train_tiny(make_dataset(), {"alike_from": 0.0}, budget="16steps", batch=250)
    assert (run.status, run.steps) == ("finished", 16)
    assert [(alarm.kind, alarm.step) for alarm in run.alarms] == [("collapse", 8)]
    assert "training goes on" in run.alarms[0].words


@pytest.mark.parametrize(("photos", "settings"), [(1, {}), (6, {"collapse_threshold": 0})])
def test_no_collapse_is_looked_for_with_one_photo_or_when_switched_off(
    make_dataset: MakeDataset, train_tiny: TrainTiny, photos: int, settings: dict[str, Any]
) -> None:
    run = train_tiny(make_dataset(photos=photos), {"alike_from": 0.0}, batch=500, **settings)
    assert run.alarms == ()


def test_a_checkpoint_cut_in_half_is_named_with_what_to_go_on_from(
    make_dataset: MakeDataset, train_tiny: TrainTiny, tmp_path: Path
) -> None:
    dataset = make_dataset()
    whole = train_tiny(dataset, out="whole")
    with pytest.raises(KeyboardInterrupt):
        train_tiny(dataset, listener=interrupt_at_preview(6))
    older, newest = RunFolder(run_folder(tmp_path)).checkpoints()[-2:]
    newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])
    with pytest.raises(UserError) as caught:
        train_tiny(dataset)
    assert str(newest) in caught.value.what and "damaged" in caught.value.what
    assert f"goes on from step 4 ({older.name})" in caught.value.do
    newest.unlink()
    assert train_tiny(dataset).weights_sha256 == whole.weights_sha256


def _cut(final: Path, older: Path) -> None:
    final.write_bytes(final.read_bytes()[: final.stat().st_size // 2])


def _delete(final: Path, older: Path) -> None:
    final.unlink()


def _swap(final: Path, older: Path) -> None:
    final.write_bytes(older.read_bytes())


@pytest.mark.parametrize("spoil", [_cut, _delete, _swap])
def test_a_finished_run_whose_last_checkpoint_is_lost_trains_what_is_missing(
    make_dataset: MakeDataset, train_tiny: TrainTiny, tmp_path: Path, spoil: Callable[[Path, Path], None]
) -> None:
    dataset = make_dataset()
    whole = train_tiny(dataset)
    folder = tmp_path / "3_train" / whole.run_id
    older, final = RunFolder(folder).checkpoints()[-2:]
    spoil(final, older)
    with pytest.raises(UserError):
        restore_run(folder)
    heard: list[Event] = []
    again = train_tiny(dataset, listener=heard.append)
    assert heard[0]["resumed"] is True and f"{heard[0]['step']:07d}" in older.name
    assert (again.status, again.steps, again.weights_sha256) == ("finished", 8, whole.weights_sha256)
    assert restore_run(folder)[1] == again == RunManifest.read(folder)


def test_what_the_error_about_a_cut_final_checkpoint_advises_works(
    make_dataset: MakeDataset, train_tiny: TrainTiny, tmp_path: Path
) -> None:
    dataset = make_dataset()
    whole = train_tiny(dataset)
    folder = tmp_path / "3_train" / whole.run_id
    older, final = RunFolder(folder).checkpoints()[-2:]
    _cut(final, older)
    with pytest.raises(UserError) as caught:
        restore_run(folder)
    assert str(final) in caught.value.what
    step = int(older.stem.removeprefix("step-"))
    assert f"Delete it; training then goes on from step {step}" in caught.value.do
    final.unlink()
    heard: list[Event] = []
    again = train_tiny(dataset, listener=heard.append)
    assert heard[0]["step"] == step and again.weights_sha256 == whole.weights_sha256


def test_lost_time_is_trained_again_under_a_time_budget(
    make_dataset: MakeDataset, train_tiny: TrainTiny, tmp_path: Path
) -> None:
    dataset = make_dataset()
    first = train_tiny(dataset, budget="0.3s")
    folder = tmp_path / "3_train" / first.run_id
    older, final = RunFolder(folder).checkpoints()[-2:]
    before = read_checkpoint(older)[1]
    final.unlink()
    heard: list[Event] = []
    again = train_tiny(dataset, budget="0.3s", listener=heard.append)
    assert heard[0]["step"] == before["step"]
    assert again.seconds >= 0.3 and again.steps > before["step"] and again.status == "finished"


def test_a_stopped_run_that_lost_its_healthy_checkpoint_does_not_go_on_from_a_collapsed_one(
    make_dataset: MakeDataset, train_tiny: TrainTiny, tmp_path: Path
) -> None:
    dataset = make_dataset()
    own = {"alike_from": 0.4}
    stopped = train_tiny(dataset, own, budget="16steps", batch=250)
    folder = tmp_path / "3_train" / stopped.run_id
    (folder / str(stopped.checkpoint)).unlink()
    assert RunFolder(folder).checkpoints()  # later ones, collapsed
    heard: list[Event] = []
    again = train_tiny(dataset, own, budget="16steps", batch=250, listener=heard.append)
    assert heard[0]["resumed"] is False
    assert (again.status, again.steps, again.alarms) == ("stopped", 6, stopped.alarms)
    assert again.weights_sha256 == stopped.weights_sha256


def test_a_generator_that_does_not_train_is_prepared_again_when_its_checkpoint_is_lost(
    make_dataset: MakeDataset, train_tiny: TrainTiny, tmp_path: Path
) -> None:
    dataset = make_dataset()
    first = train_tiny(dataset, generator=str(HERE / "tiny_memory.py"))
    path = tmp_path / "3_train" / first.run_id / str(first.checkpoint)
    _cut(path, path)
    assert train_tiny(dataset, generator=str(HERE / "tiny_memory.py")).weights_sha256 == first.weights_sha256


def test_a_checkpoint_of_another_version_is_refused(
    make_dataset: MakeDataset, train_tiny: TrainTiny, tmp_path: Path
) -> None:
    dataset = make_dataset()
    with pytest.raises(KeyboardInterrupt):
        train_tiny(dataset, listener=interrupt_at_preview(3))
    newest = RunFolder(run_folder(tmp_path)).checkpoints()[-1]
    states, header = read_checkpoint(newest)
    write_checkpoint(newest, states, header | {"mood": "good"})
    with pytest.raises(UserError, match="another version of Handful") as caught:
        train_tiny(dataset)
    assert "mood" in caught.value.what and str(run_folder(tmp_path)) in caught.value.what
    write_checkpoint(newest, {"generator": states["generator"]}, header)
    with pytest.raises(UserError, match="do not fit this generator: 'discriminator'"):
        train_tiny(dataset)


def test_a_generator_that_does_not_train_is_prepared_and_done(
    make_dataset: MakeDataset, train_tiny: TrainTiny, tmp_path: Path
) -> None:
    heard: list[Event] = []
    run = train_tiny(make_dataset(), generator=str(HERE / "tiny_memory.py"), listener=heard.append, forecast=True)
    assert (run.status, run.steps, run.checkpoint) == ("finished", 0, "checkpoints/step-0000000.safetensors")
    assert run.anchor and run.source_type == "algorithmicMedia"
    assert [event["event"] for event in heard] == ["start", "checkpoint", "end"]
    generator, _ = restore_run(tmp_path / "3_train" / run.run_id)
    assert generator.sample([0]).std() > 0.1  # the mean of what it saw, not the zeros it was built with


def test_a_restored_run_samples_from_the_averaged_weights(
    make_dataset: MakeDataset, train_tiny: TrainTiny, tmp_path: Path
) -> None:
    run = train_tiny(make_dataset(), ema_half_life_images=10.0, ema_ramp_up=10.0)
    folder = tmp_path / "3_train" / run.run_id
    generator, manifest = restore_run(folder)
    assert manifest == run
    states, _ = read_checkpoint(folder / str(run.checkpoint))
    by_hand = build_generator(run.generator, {}, generator.spec, 0)
    for name, module in by_hand.modules().items():
        module.load_state_dict(states[name])
    last = by_hand.sample([1, 2])
    by_hand.modules()["generator"].load_state_dict(states["ema/generator"])
    assert torch.equal(generator.sample([1, 2]), by_hand.sample([1, 2]))
    assert not torch.equal(generator.sample([1, 2]), last)
    without = train_tiny(make_dataset(), ema=False)
    assert "ema/generator" not in read_checkpoint(tmp_path / "3_train" / without.run_id / str(without.checkpoint))[0]


def test_an_unfinished_run_and_a_swapped_checkpoint_are_not_restored(
    make_dataset: MakeDataset, train_tiny: TrainTiny, tmp_path: Path
) -> None:
    dataset = make_dataset()
    with pytest.raises(KeyboardInterrupt):
        train_tiny(dataset, listener=interrupt_at_preview(3))
    with pytest.raises(UserError) as caught:
        restore_run(run_folder(tmp_path))
    assert "not finished" in caught.value.what and "handful train" in caught.value.do
    run = train_tiny(dataset)
    folder = tmp_path / "3_train" / run.run_id
    older, newest = RunFolder(folder).checkpoints()[-2:]
    newest.write_bytes(older.read_bytes())
    with pytest.raises(UserError) as caught:
        restore_run(folder)
    assert "is not the checkpoint that run.json describes" in caught.value.what
    assert str(run.weights_sha256) in caught.value.allowed


def test_a_run_is_trained_by_one_process_at_a_time(
    make_dataset: MakeDataset, train_tiny: TrainTiny, tmp_path: Path
) -> None:
    dataset = make_dataset()
    run = train_tiny(dataset)
    with RunFolder(tmp_path / "3_train" / run.run_id).hold(), pytest.raises(UserError) as caught:
        train_tiny(dataset)
    assert f"Another process is training the run {tmp_path / '3_train' / run.run_id}" in caught.value.what
    assert "--seed" in caught.value.do


def test_an_image_that_changed_since_the_data_set_was_built_is_refused(
    make_dataset: MakeDataset, train_tiny: TrainTiny
) -> None:
    dataset = make_dataset()
    path = dataset / "images" / "photo001.png"
    write_atomically(path, (dataset / "images" / "photo002.png").read_bytes())
    with pytest.raises(UserError) as caught:
        train_tiny(dataset)
    assert f"{path} has changed" in caught.value.what and "handful dataset" in caught.value.do


def test_what_a_generator_cannot_learn_from_is_refused(make_dataset: MakeDataset, train_tiny: TrainTiny) -> None:
    with pytest.raises(UserError, match="needs at least 2"):
        train_tiny(make_dataset(photos=1), generator=str(HERE / "tiny_memory.py"))
    with pytest.raises(UserError, match="no training image in fold 0"):
        train_tiny(make_dataset(photos=2, heldout=2))
    with pytest.raises(UserError, match="has no setting 'rat'") as caught:
        train_tiny(make_dataset(), {"rat": 1})
    assert "Did you mean 'rate'" in caught.value.do


def test_settings_read_a_command_line_and_refuse_nonsense() -> None:
    assert TrainSettings.model_validate({"augment": "flip,color", "batch": "4"}).augment == ("flip", "color")
    with pytest.raises(UserError, match="The budget is '3 weeks'"):
        TrainSettings(budget="3 weeks")
    with pytest.raises(ValueError, match="augment"):
        TrainSettings.model_validate({"augment": "flip,mirror"})


def test_photos_augmented_alone_change_what_is_learned_and_repeat(make_dataset: MakeDataset, tmp_path: Path) -> None:
    dataset = make_dataset()

    def weights(folder: str, **changes: Any) -> str | None:
        settings = TrainSettings(budget="3steps", batch=4, forecast=False, preview_images=0, **changes)
        return train_generator(str(HERE / "tiny_generator.py"), dataset, tmp_path / folder, settings).weights_sha256

    plain, changed = weights("a"), weights("b", augment_photos=("cutout",))
    assert plain != changed
    assert changed == weights("c", augment_photos=("cutout",))
    assert plain == weights("d", augment_photos=())
