"""SinGAN's tasks: a region is redrawn and nothing else, results are checked before and marked after."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from test_draw import make_run

from handful.cli import app
from handful.core import memory
from handful.core.artifacts import RunManifest, SampleManifest, SampleRow, Size
from handful.core.checkpoint import write_checkpoint
from handful.core.errors import UserError
from handful.core.images import Integers, png_bytes, read_png
from handful.core.progress import Event
from handful.core.seeds import torch_stream
from handful.generators.base import Clock, ImageSpec
from handful.generators.restore import build_generator, restore_run, weights_sha256
from handful.generators.singan import Singan
from handful.generators.singan_parts.pyramid import resize
from handful.samples.blend import blend, region_weights
from handful.samples.draw import draw_samples
from handful.samples.tasks import apply_task

WIDTH, HEIGHT, SCALES = 64, 48, 4


def photo(index: int, channels: int = 1) -> torch.Tensor:
    """(c, h, w): a bright bar, upright in the first photo and lying in the second, with texture."""
    image = torch.randn(channels, HEIGHT, WIDTH, generator=torch_stream(index, "test/texture")) * 0.05 - 0.6
    bar = (slice(None), slice(20, 28)) if index else (slice(None), slice(None), slice(28, 36))
    image[bar] += 1.0
    return image.clamp(-1, 1)


def make_singan(folder: Path, channels: int = 1, bit_depth: int = 8) -> Path:
    """A finished run of a small SinGAN on two photos, a few iterations a scale."""
    settings = {"min_size": 12, "scale_factor": 0.5, "width": 4}
    spec = ImageSpec(WIDTH, HEIGHT, channels)
    generator = build_generator("singan", settings, spec, 0)
    photos = torch.stack([photo(0, channels), photo(1, channels)])
    generator.prepare(photos)
    steps = 2 * SCALES * 2
    for step in range(steps):
        clock = Clock(step, step, step / steps, torch_stream(0, "test/step", step))
        generator.step(photos, clock, lambda images, random: images)
    states = {key: module.state_dict() for key, module in generator.modules().items()}
    write_checkpoint(folder / "last.safetensors", states, {})
    RunManifest(
        run_id="singan-s0", generator="singan", generator_settings=settings, train_settings={}, seed=0, fold=0,
        dataset_folder="unused", dataset_fingerprint="d", training_fingerprint="photos", training_pixels=("a", "b"),
        training_order=("upright", "lying"), canvas=Size(width=WIDTH, height=HEIGHT), channels=channels,
        bit_depth=bit_depth, training_images=2, source_type="trainedAlgorithmicMedia", anchor=False,
        status="finished", checkpoint="last.safetensors", weights_sha256=weights_sha256(generator, states),
    ).write(folder)  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_singan(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def singan(run: Path) -> Singan:
    generator, _ = restore_run(run)
    assert isinstance(generator, Singan)
    return generator


def save(path: Path, pixels: npt.NDArray[Any], bit_depth: int = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png_bytes(pixels, bit_depth))
    return path


def scene(index: int = 0, bit_depth: int = 8) -> Integers:
    """The photo with a flat disc pasted onto it."""
    pixels = ((photo(index)[0].numpy() + 1) / 2 * (2**bit_depth - 1)).astype(np.uint16 if bit_depth > 8 else np.uint8)
    pixels[10:16, 10:16] = 2**bit_depth - 1
    return pixels


def region() -> npt.NDArray[np.uint8]:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[10:16, 10:16] = 255
    return mask


def rows_of(out: Path) -> list[SampleRow]:
    return [SampleRow.model_validate_json(line) for line in (out / "samples.jsonl").read_text().splitlines()]


def refused(*words: Any, **more: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        apply_task(*words, **more)
    return caught.value


SOFT: Mapping[str, Any] = {"dilation_px": 2, "smoothing_px": 1}
REACH = 2 + 4 * 1


def test_the_region_is_the_mask_grown_by_a_disc_and_softened_and_ends() -> None:
    mask = np.zeros((81, 81), bool)
    mask[40, 40] = True
    disc = region_weights(mask, 7, 0)
    down, across = np.mgrid[-40:41, -40:41]
    assert np.array_equal(disc > 0, down**2 + across**2 <= 49) and set(np.unique(disc)) == {0, 1}
    soft = region_weights(mask, 7, 5)
    assert soft[40, 40] == soft.max() == 1 and 0.2 < soft[40, 48] < 0.7
    assert soft[40, 40 + 27] > 0 and not soft[40, 40 + 28 :].any() and not soft[:12].any()


def test_blending_takes_the_share_and_leaves_zero_shares_alone() -> None:
    picture, drawn = np.array([[10, 10, 10]], np.uint16), np.array([[60000, 110, 110]], np.uint16)
    assert blend(picture, drawn, np.array([[0.0, 0.5, 1.0]])).tolist() == [[10, 60, 110]]


@pytest.mark.parametrize("task", ["harmonise", "edit"])
@pytest.mark.parametrize("bit_depth", [8, 16])
def test_outside_the_region_not_a_bit_changes_and_inside_something_does(
    run: Path, tmp_path: Path, task: str, bit_depth: int
) -> None:
    picture = scene(bit_depth=bit_depth)
    apply_task(
        task,
        run,
        tmp_path / "out",
        save(tmp_path / "a.png", picture, bit_depth),
        save(tmp_path / "m.png", region()),
        SOFT,
    )
    made = read_png(tmp_path / "out" / "a.png")
    assert made.dtype == picture.dtype and made.shape == picture.shape
    outside = region_weights(region() > 0, 2, 1) == 0
    assert np.array_equal(made[outside], picture[outside])
    assert outside[10 - REACH - 1].all() and not outside[10 - REACH, 12]
    assert (made[11:15, 11:15] != picture[11:15, 11:15]).all()


def test_edit_reaches_farther_than_harmonise_and_both_grow_with_a_larger_picture(run: Path, tmp_path: Path) -> None:
    def changed(task: str, factor: int) -> int:
        mask = np.zeros((HEIGHT * factor, WIDTH * factor), np.uint8)
        mask[: 2 * factor, : 2 * factor] = 255
        picture = np.kron(scene(), np.ones((factor, factor), np.uint8))
        out = tmp_path / f"{task}{factor}"
        files = save(out / "in" / "a.png", picture), save(out / "in" / "m.png", mask)
        apply_task(task, run, out / "out", *files, {"smoothing_px": 0})
        return int((read_png(out / "out" / "a.png") != picture).any(0).nonzero()[0].max())

    assert changed("harmonise", 1) == 1 + 7 and changed("edit", 1) == 1 + 20
    assert changed("harmonise", 2) == 3 + 14


def test_a_picture_alone_and_in_a_folder_gives_the_same_file(run: Path, tmp_path: Path) -> None:
    for index in range(3):
        save(tmp_path / "in" / f"p{index}.png", scene(index % 2))
        save(tmp_path / "masks" / f"p{index}{'_mask' if index else ''}.png", region())
    folder = apply_task("harmonise", run, tmp_path / "out", tmp_path / "in", tmp_path / "masks", seed=5)
    apply_task("harmonise", run, tmp_path / "one", tmp_path / "in" / "p2.png", tmp_path / "masks", seed=7)
    assert folder.count == 3 and folder.first_seed == 5
    assert (tmp_path / "out" / "p2.png").read_bytes() == (tmp_path / "one" / "p2.png").read_bytes()
    assert [row.source for row in rows_of(tmp_path / "out")] == [
        "upright",
        "lying",
        "upright",
    ]  # the photo most like it


def test_a_result_says_what_it_was_made_from(run: Path, tmp_path: Path) -> None:
    picture, mask = save(tmp_path / "a.png", scene()), save(tmp_path / "m.png", region())
    made = apply_task("harmonise", run, tmp_path / "out", picture, mask, {"scale": 2})
    (row,) = rows_of(tmp_path / "out")
    assert made.controls == {"task": "harmonise", "scale": 2}
    assert row.controls == made.controls | {
        "picture": "sha256:" + hashlib.sha256(picture.read_bytes()).hexdigest(),
        "mask": "sha256:" + hashlib.sha256(mask.read_bytes()).hexdigest(),
    }
    assert made == SampleManifest.read(tmp_path / "out") and made.source_type == "compositeWithTrainedAlgorithmicMedia"
    assert {"a", "b"} < set(made.training_pixels) and len(made.training_pixels) == 3  # the picture counts as seen
    with Image.open(tmp_path / "out" / "a.png") as image:
        image.load()
        assert "a region or the detail was drawn by singan, run singan-s0" in image.info["Description"]
        assert image.info["Comment"] == "task harmonise"
        assert "compositeWithTrainedAlgorithmicMedia" in image.info["XML:com.adobe.xmp"]


def test_an_interrupted_task_goes_on_and_a_finished_one_is_left_alone(run: Path, tmp_path: Path) -> None:
    for index in range(3):
        save(tmp_path / "in" / f"p{index}.png", scene(index % 2))
    words = "edit", run, tmp_path / "out", tmp_path / "in", save(tmp_path / "m.png", region())

    def stop(event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply_task(*words, listener=stop)
    kept = (tmp_path / "out" / "p0.png").stat().st_mtime_ns
    assert not (tmp_path / "out" / "samples.json").exists()
    assert "p0.png" in refused(*words, settings={"scale": 2}).what  # another request overwrites nothing
    made = apply_task(*words)
    assert made.count == 3 and (tmp_path / "out" / "p0.png").stat().st_mtime_ns == kept
    assert apply_task(*words) == made
    assert "--out" in refused(*words, seed=1).do


def test_paint_follows_the_drawing_at_any_size_and_makes_the_canvas(run: Path, tmp_path: Path) -> None:
    drawing = np.full((2 * HEIGHT, 2 * WIDTH), 40, np.uint8)
    drawing[:, 20:60] = 220
    made = apply_task("paint", run, tmp_path / "out", save(tmp_path / "a.png", drawing), settings={"scale": 2})
    painted = read_png(tmp_path / "out" / "a.png").astype(float)
    assert painted.shape == (HEIGHT, WIDTH) and made.canvas == Size(width=WIDTH, height=HEIGHT)
    assert painted[:, 12:28].mean() > painted[:, 36:].mean() + 60


def test_paint_in_few_colours_trains_that_scale_on_and_leaves_the_run_alone(run: Path, tmp_path: Path) -> None:
    picture, before = save(tmp_path / "a.png", scene()), (run / "last.safetensors").read_bytes()
    shares: list[float] = []
    for name, steps in (("few", 1), ("more", 3)):
        apply_task(
            "paint", run, tmp_path / name, picture, settings={"colours": 3, "steps": steps},
            listener=lambda event: shares.append(event["progress"]),
        )  # fmt: skip
    few, more = (read_png(tmp_path / name / "a.png") for name in ("few", "more"))
    assert not np.array_equal(few, more) and (run / "last.safetensors").read_bytes() == before
    assert pytest.approx(shares[-4:]) == [1 / 3, 2 / 3, 1, 1]


def test_enlarge_multiplies_the_size_and_keeps_the_picture(run: Path, tmp_path: Path) -> None:
    picture = scene()
    made = apply_task("enlarge", run, tmp_path / "out", save(tmp_path / "a.png", picture))
    assert made.canvas == Size(width=4 * WIDTH, height=4 * HEIGHT)
    large = torch.from_numpy(read_png(tmp_path / "out" / "a.png").astype(np.float32))[None, None] / 127.5 - 1
    assert large.shape[2:] == (4 * HEIGHT, 4 * WIDTH)
    small = (resize(large, HEIGHT, WIDTH)[0, 0].numpy() + 1) * 127.5
    likeness, by_chance = (np.corrcoef(small.ravel(), other.ravel())[0, 1] for other in (picture, picture.T))
    assert likeness > 0.7 and by_chance < 0.4


def test_an_animation_is_a_gif_whose_first_frame_is_the_reconstruction(
    run: Path, singan: Singan, tmp_path: Path
) -> None:
    apply_task("animate", run, tmp_path / "out", settings={"frames": 5, "photo": 1, "start_scale": 0})
    with Image.open(tmp_path / "out" / "animation.gif") as gif:
        assert gif.n_frames == 5 and gif.info["duration"] == 100 and gif.info["loop"] == 0
        assert b"made by singan, run singan-s0" in gif.info["comment"]
        first, then = np.asarray(gif.convert("L")).astype(float), []
        for frame in range(1, 5):
            gif.seek(frame)
            then.append(np.abs(np.asarray(gif.convert("L")) - first).max())
    exact = (singan.scales_of(1).reconstruct(SCALES)[0, 0].clamp(-1, 1).numpy() + 1) * 127.5
    assert np.abs(first - exact).max() <= 0.51
    assert min(then) > 0


def test_an_animation_of_frames_has_a_marked_file_and_a_row_for_each_and_goes_on(run: Path, tmp_path: Path) -> None:
    words = "animate", run, tmp_path / "out"
    settings = {"frames": 4, "format": "png"}
    apply_task(*words, settings=settings)
    rows = rows_of(tmp_path / "out")
    assert [(row.file, row.controls["frame"], row.source) for row in rows] == [
        (f"frame-{number:05d}.png", number, "upright") for number in range(4)
    ]
    second = (tmp_path / "out" / "frame-00002.png").read_bytes()
    (tmp_path / "out" / "frame-00002.png").unlink()
    apply_task(*words, settings=settings)
    assert (tmp_path / "out" / "frame-00002.png").read_bytes() == second


@pytest.mark.parametrize(
    ("settings", "what", "allowed"),
    [
        ({"scale": 4}, "scale is 4", "from 1 to 3"),
        ({"scale": 0}, "scale is 0", "greater than or equal to 1"),
        ({"photo": 2}, "photo is 2", "drawn: 0 to 1"),
        ({"sclae": 1}, "'sclae'", "dilation_px"),
    ],
)
def test_a_scale_or_photo_that_is_not_there_is_refused(
    run: Path, tmp_path: Path, settings: dict[str, Any], what: str, allowed: str
) -> None:
    picture, mask = save(tmp_path / "a.png", scene()), save(tmp_path / "m.png", region())
    error = refused("harmonise", run, tmp_path / "out", picture, mask, settings)
    assert what in error.what and allowed in error.allowed and not (tmp_path / "out").exists()


def test_masks_that_do_not_fit_are_refused_before_anything_is_drawn(run: Path, tmp_path: Path) -> None:
    picture, out = save(tmp_path / "in" / "a.png", scene()), tmp_path / "out"
    small = save(tmp_path / "small.png", region()[:-1])
    error = refused("edit", run, out, picture, small)
    assert "small.png is 64x47 px" in error.what and "a.png is 64x48 px" in error.allowed
    empty = save(tmp_path / "empty.png", region() * 0)
    assert "marks 0 pixels" in refused("edit", run, out, picture, empty).what
    save(tmp_path / "masks" / "b.png", region())
    error = refused("edit", run, out, tmp_path / "in", tmp_path / "masks")
    assert "1 of 1 pictures have no mask" in error.what and "a.png" in error.what and "a_mask.png" not in error.allowed
    assert "no mask" in refused("edit", run, out, picture).what
    assert "0 masks" in refused("enlarge", run, out, picture, empty).allowed
    assert not out.exists()


def test_pictures_that_do_not_fit_are_refused(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    square = save(tmp_path / "square.png", scene()[:, :HEIGHT])
    error = refused("enlarge", run, out, square)
    assert "square is 48x48 px" in error.what and "64x48" in error.allowed
    colour = save(tmp_path / "colour.png", np.stack([scene(), scene(), region()], 2))
    assert "colour.png is in colour" in refused("enlarge", run, out, colour).what
    save(tmp_path / "in" / "a.png", scene())
    save(tmp_path / "in" / "b.png", np.kron(scene(), np.ones((2, 2), np.uint8)))
    error = refused("enlarge", run, out, tmp_path / "in")
    assert "b is 128x96 px" in error.what and "a is 64x48 px" in error.what
    assert "lies in the photo folder" in refused("enlarge", run, tmp_path / "in" / "out", tmp_path / "in").what
    assert "no picture at" in refused("enlarge", run, out, tmp_path / "none.png").what
    assert "no picture" in refused("paint", run, out).what
    assert "0 pictures" in refused("animate", run, out, square).allowed
    assert not out.exists()


def test_a_result_beyond_memory_is_refused_before_it_starts(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = save(tmp_path / "a.png", scene())
    monkeypatch.setattr(memory, "free_bytes", lambda device: 10**6)
    error = refused("enlarge", run, tmp_path / "out", picture, settings={"factor": 16})
    assert "A result of 1024x768 px needs about" in error.what and "0.001 GB are free" in error.allowed
    with pytest.raises(UserError) as caught:
        draw_samples(run, tmp_path / "set", count=1, controls={"size": "9000x6000"})
    assert "A sample of 9000x6000 px needs about" in caught.value.what and "--set size=" in caught.value.do
    assert not list((tmp_path / "set").glob("*.png"))


def test_a_run_of_another_generator_is_refused(tmp_path: Path) -> None:
    error = refused("animate", make_run(tmp_path / "run"), tmp_path / "out")
    assert "dcgan-s0 is one of dcgan" in error.what and "singan" in error.allowed


def test_samples_may_have_any_size_start_anywhere_and_take_noise_by_scale(run: Path, tmp_path: Path) -> None:
    wide = draw_samples(run, tmp_path / "wide", 2, controls={"size": "100x30", "start_scale": 1})
    assert wide.canvas == Size(width=100, height=30)
    assert wide.controls == {"size": {"width": 100, "height": 30}, "start_scale": 1}
    draw_samples(run, tmp_path / "still", 2, controls={"noise": "0,0,0,0", "photo": 1})
    first, second = (read_png(tmp_path / "still" / f"{seed:06d}.png") for seed in (0, 1))
    assert np.array_equal(first, second) and [row.source for row in rows_of(tmp_path / "still")] == ["lying"] * 2
    for controls, what, allowed in (
        ({"start_scale": 4}, "start_scale is 4", "from 0 to 3"),
        ({"noise": "1,1,1,1,1"}, "noise has 5 numbers", "at most 4"),
        ({"size": "big"}, "size is 'big'", "WIDTHxHEIGHT"),
        ({"photo": 2}, "photo is 2", "drawn: 0 to 1"),
    ):
        with pytest.raises(UserError) as caught:
            draw_samples(run, tmp_path / "none", 1, controls=controls)
        assert what in caught.value.what and allowed in caught.value.allowed


def test_the_command_does_a_task_and_explains_one(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = save(tmp_path / "a.png", scene())
    words = ["apply", "enlarge", str(run), str(picture), "--out", str(tmp_path / "out"), "--set", "factor=2", "--json"]
    assert app.main(words) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["canvas"] == {"width": 2 * WIDTH, "height": 2 * HEIGHT} and document["controls"]["factor"] == 2
    assert app.main(["apply", "edit"]) == 0
    assert "dilation_px = 20.0" in capsys.readouterr().out
    assert app.main(["apply", "edti"]) == 2
    assert "Did you mean 'edit'?" in capsys.readouterr().err
    assert app.main(["apply", "edit", str(run)]) == 2
    assert "--out" in capsys.readouterr().err
