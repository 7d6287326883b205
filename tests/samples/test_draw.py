"""Drawing samples: seed i is image i whatever else was drawn, a set only grows, and never mixes runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from handful.core.artifacts import RunManifest, SampleManifest, SampleRow, Size
from handful.core.checkpoint import write_checkpoint
from handful.core.errors import UserError
from handful.core.images import pixels_sha256, read_png
from handful.core.progress import Event
from handful.core.seeds import torch_stream
from handful.generators.base import ImageSpec
from handful.generators.restore import build_generator, weights_sha256
from handful.samples.draw import BATCH, draw_samples


def make_run(folder: Path, name: str = "dcgan", seed: int = 0, bit_depth: int = 8, **changes: Any) -> Path:
    """A finished run as training leaves it, of a small generator that has seen three photos."""
    spec = ImageSpec(width=20, height=16, channels=1)
    settings = {"width": 8} if name == "dcgan" else {}
    generator = build_generator(name, settings, spec, seed)
    generator.prepare(torch.rand(3, 1, 16, 20, generator=torch_stream(seed, "test/photos")) * 2 - 1)
    states = {key: module.state_dict() for key, module in generator.modules().items()}
    write_checkpoint(folder / "last.safetensors", states, {})
    values = {
        "run_id": f"{name}-s{seed}",
        "generator": name,
        "generator_settings": settings,
        "train_settings": {},
        "seed": seed,
        "fold": 0,
        "dataset_folder": "unused",
        "dataset_fingerprint": "d",
        "training_fingerprint": f"photos-{seed}",
        "training_pixels": (f"pixels-{seed}",),
        "training_order": tuple(f"photo-{row}" for row in range(3)),
        "canvas": Size(width=20, height=16),
        "channels": 1,
        "bit_depth": bit_depth,
        "training_images": 3,
        "source_type": "trainedAlgorithmicMedia",
        "anchor": False,
        "status": "finished",
        "checkpoint": "last.safetensors",
        "weights_sha256": weights_sha256(generator, states),
    }
    RunManifest.model_validate(values | changes).write(folder)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run"))


def files_of(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("*.png")}


def rows_of(out: Path) -> list[SampleRow]:
    return [SampleRow.model_validate_json(line) for line in (out / "samples.jsonl").read_text().splitlines()]


def test_a_set_is_png_files_named_by_seed_with_a_row_each_and_a_manifest(run: Path, tmp_path: Path) -> None:
    manifest = draw_samples(run, tmp_path / "set", count=3, first_seed=12)
    assert sorted(files_of(tmp_path / "set")) == ["000012.png", "000013.png", "000014.png"]
    assert manifest == SampleManifest.read(tmp_path / "set")
    assert manifest.training_pixels == ("pixels-0",)
    assert (manifest.count, manifest.run_id, manifest.canvas) == (3, "dcgan-s0", Size(width=20, height=16))
    for row in rows_of(tmp_path / "set"):
        pixels = read_png(tmp_path / "set" / row.file)
        assert pixels.shape == (16, 20) and pixels_sha256(pixels) == row.pixels_sha256
        assert row.weights_sha256 == manifest.weights_sha256
        assert row.photos_fingerprint == manifest.training_fingerprint == "photos-0"


def test_a_row_names_the_photo_that_its_sample_was_made_from_where_there_is_one(run: Path, tmp_path: Path) -> None:
    copies = make_run(tmp_path / "copies", "copies")
    draw_samples(copies, tmp_path / "set", count=12)
    by_source: dict[str | None, set[str]] = {}
    for row in rows_of(tmp_path / "set"):
        by_source.setdefault(row.source, set()).add(row.pixels_sha256)
    assert set(by_source) == {"photo-0", "photo-1", "photo-2"}
    assert all(len(pixels) == 1 for pixels in by_source.values())
    earlier = make_run(tmp_path / "earlier", "copies", training_order=())
    for number, unknown in enumerate((run, earlier)):  # learned from all photos; of a version that kept no order
        draw_samples(unknown, tmp_path / str(number), count=2)
        assert [row.source for row in rows_of(tmp_path / str(number))] == [None, None]


def test_five_alone_equal_the_same_five_among_forty_byte_for_byte(run: Path, tmp_path: Path) -> None:
    draw_samples(run, tmp_path / "few", count=5, first_seed=13)  # across a border of the inner batch
    draw_samples(run, tmp_path / "many", count=40)
    few, many = files_of(tmp_path / "few"), files_of(tmp_path / "many")
    assert len(few) == 5 and few.items() <= many.items()
    assert len(set(many.values())) == 40


def test_sets_of_two_training_seeds_share_no_seed_unless_asked(run: Path, tmp_path: Path) -> None:
    third = make_run(tmp_path / "third", seed=3)
    assert draw_samples(run, tmp_path / "a", count=2).first_seed == 0
    manifest = draw_samples(third, tmp_path / "b", count=2)
    assert manifest.first_seed == 3_000_000
    assert sorted(files_of(tmp_path / "b")) == ["3000000.png", "3000001.png"]
    assert [row.seed for row in rows_of(tmp_path / "b")] == [3_000_000, 3_000_001]
    assert draw_samples(third, tmp_path / "c", count=2, first_seed=5).first_seed == 5


def test_the_first_seed_of_a_set_that_grew_is_its_lowest(run: Path, tmp_path: Path) -> None:
    draw_samples(run, tmp_path / "set", count=2, first_seed=20)
    assert draw_samples(run, tmp_path / "set", count=2, first_seed=7).first_seed == 7
    assert draw_samples(run, tmp_path / "set", count=2, first_seed=20).first_seed == 7


def test_the_device_and_the_threads_are_those_asked_for(run: Path, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    try:
        draw_samples(run, tmp_path / "set", count=1, device="cpu", threads=1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(threads)
    with pytest.raises(UserError) as caught:
        draw_samples(run, tmp_path / "set", count=2, device="abacus")
    assert "abacus" in caught.value.what and "cuda" in caught.value.allowed
    assert SampleManifest.read(tmp_path / "set").count == 1  # the finished set stays finished


def test_an_interrupted_set_goes_on_to_the_same_files(run: Path, tmp_path: Path) -> None:
    draw_samples(run, tmp_path / "straight", count=3 * BATCH)

    def stop(event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_samples(run, tmp_path / "cut", count=3 * BATCH, listener=stop)
    assert len(files_of(tmp_path / "cut")) == BATCH
    assert not (tmp_path / "cut" / "samples.json").exists()
    # and as if killed harder: a row whose file was never written, a line cut short, a temporary file left
    (tmp_path / "cut" / "000003.png").unlink()
    with (tmp_path / "cut" / "samples.jsonl").open("a") as file:
        file.write('{"file": "0000')
    (tmp_path / "cut" / ".000016.png.x.tmp").write_bytes(b"half")

    draw_samples(run, tmp_path / "cut", count=3 * BATCH)
    assert files_of(tmp_path / "cut") == files_of(tmp_path / "straight")
    assert rows_of(tmp_path / "cut") == rows_of(tmp_path / "straight")
    assert not list((tmp_path / "cut").glob("*.tmp"))


def test_intact_files_are_kept_damaged_ones_drawn_again_and_more_extends(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    draw_samples(run, out, count=4)
    drawn, kept = files_of(out), (out / "000001.png").stat().st_mtime_ns
    (out / "000002.png").write_bytes(drawn["000001.png"])  # a readable file with other pixels
    (out / "000003.png").write_bytes(b"not a picture")
    events: list[Event] = []
    assert draw_samples(run, out, count=6, listener=events.append).count == 6
    assert drawn.items() <= files_of(out).items()
    assert (out / "000001.png").stat().st_mtime_ns == kept
    assert "4 of them new" in events[-1]["words"]


def test_a_finished_set_is_returned_untouched_and_never_shrinks(run: Path, tmp_path: Path) -> None:
    first = draw_samples(run, tmp_path / "set", count=6)
    written = (tmp_path / "set" / "samples.json").stat().st_mtime_ns
    assert draw_samples(run, tmp_path / "set", count=4) == first
    assert (tmp_path / "set" / "samples.json").stat().st_mtime_ns == written


def test_the_progress_of_drawing_grows_to_one(run: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    draw_samples(run, tmp_path / "set", count=40, listener=events.append)
    shares = [event["progress"] for event in events]
    assert shares == sorted(shares) and shares[0] == BATCH / 40 and shares[-1] == 1
    assert {event["event"] for event in events} == {"drawn"}


def test_a_sample_says_in_its_file_that_it_is_generated(run: Path, tmp_path: Path) -> None:
    draw_samples(run, tmp_path / "set", count=1)
    with Image.open(tmp_path / "set" / "000000.png") as picture:
        picture.load()
        assert picture.info["Description"].startswith("generated image, not a photo: made by dcgan, run dcgan-s0")
        assert picture.info["Description"].endswith("from photos photos-0")
        assert "digitalsourcetype/trainedAlgorithmicMedia" in picture.info["XML:com.adobe.xmp"]


def test_a_repeated_photo_is_not_called_no_photo_in_its_file(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "copies", source_type="algorithmicallyEnhanced")
    draw_samples(run, tmp_path / "set", count=1)
    with Image.open(tmp_path / "set" / "000000.png") as picture:
        assert picture.info["Description"].startswith("generated image: a photo repeated or altered by copies")


def test_a_sample_of_a_generator_of_ones_own_names_it_without_its_path(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", str(Path(__file__).parents[2] / "examples" / "my_generator.py"))
    draw_samples(run, tmp_path / "set", count=1)
    with Image.open(tmp_path / "set" / "000000.png") as picture:
        assert "made by my_generator, run" in picture.info["Description"]


def test_samples_have_the_bit_depth_of_the_photos(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "classic", bit_depth=12)
    draw_samples(run, tmp_path / "set", count=8)
    pixels = np.stack([read_png(path) for path in sorted((tmp_path / "set").glob("*.png"))])
    assert pixels.dtype == np.uint16
    assert 255 < pixels.max() <= 4095
    assert len(np.unique(pixels)) > 256


def test_samples_of_other_weights_are_refused_and_left_alone(run: Path, tmp_path: Path) -> None:
    draw_samples(run, tmp_path / "set", count=2)
    before = files_of(tmp_path / "set")
    other = make_run(tmp_path / "other", seed=5)
    with pytest.raises(UserError) as caught:
        draw_samples(other, tmp_path / "set", count=4)
    assert "dcgan-s0" in caught.value.what
    assert "dcgan-s5" in caught.value.allowed
    assert "--out" in caught.value.do
    assert files_of(tmp_path / "set") == before


def test_a_folder_of_photos_is_refused_and_left_alone(run: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(photos / "000000.png")  # named as a sample would be
    with pytest.raises(UserError) as caught:
        draw_samples(run, photos, count=2)
    assert "000000.png" in caught.value.what
    assert "folder of their own" in caught.value.allowed
    assert [path.name for path in photos.iterdir()] == ["000000.png"]


def test_a_damaged_list_of_samples_is_refused(run: Path, tmp_path: Path) -> None:
    draw_samples(run, tmp_path / "set", count=2)
    (tmp_path / "set" / "samples.jsonl").write_text(json.dumps({"file": "000000.png"}) + "\n")
    with pytest.raises(UserError) as caught:
        draw_samples(run, tmp_path / "set", count=2)
    assert "samples.jsonl is damaged" in caught.value.what


@pytest.mark.parametrize(("count", "first_seed", "seen"), [(0, 0, "0 samples"), (-3, 0, "-3"), (1, -1, "-1")])
def test_a_request_for_nothing_is_refused(run: Path, tmp_path: Path, count: int, first_seed: int, seen: str) -> None:
    with pytest.raises(UserError) as caught:
        draw_samples(run, tmp_path / "set", count, first_seed)
    assert seen in caught.value.what
    assert not (tmp_path / "set").exists()


def test_an_unfinished_run_is_refused_with_the_command_that_finishes_it(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", status="running", checkpoint=None, weights_sha256=None)
    with pytest.raises(UserError) as caught:
        draw_samples(run, tmp_path / "set", count=2)
    assert "running" in caught.value.what
    assert "handful train" in caught.value.do


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        draw_samples(tmp_path / "nowhere", tmp_path / "set", count=2)
    assert "nowhere" in caught.value.what
    assert "handful train" in caught.value.do


def test_values_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "broken.py"
    example = Path(__file__).parents[2] / "examples" / "my_generator.py"
    source.write_text(example.read_text().replace(".clamp(-1, 1)", " * float('nan')"))
    run = make_run(tmp_path / "run", str(source))
    with pytest.raises(UserError) as caught:
        draw_samples(run, tmp_path / "set", count=2)
    assert "not finite" in caught.value.what


def test_a_set_moves_with_its_folder(run: Path, tmp_path: Path) -> None:
    draw_samples(run, tmp_path / "set", count=2)
    shutil.move(tmp_path / "set", tmp_path / "elsewhere")
    assert draw_samples(run, tmp_path / "elsewhere", count=2).count == 2
