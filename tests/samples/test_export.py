"""Exported sets hold what the samples and photos hold, and samples never test anything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from labelled_folders import make_dataset, make_samples, pixels
from PIL import Image

from handful.cli import app
from handful.core.artifacts import Size
from handful.core.errors import UserError
from handful.core.labels import LabelSheet, Region, index_map, label_of
from handful.core.runs import mask_to_runs, runs_to_text, text_to_runs
from handful.photos.layouts import find_layout, read_labels
from handful.samples.export import ExportManifest, export_set
from handful.samples.export_formats import Format
from handful.samples.outlines import outline, parts

FORMATS: tuple[Format, ...] = get_args(Format)
SIZE = Size(width=7, height=5)
KINDS = ("gap", "thin bead #2", "Über, 'x'")
MAPS = arrays(np.uint8, (5, 7), elements=st.sampled_from([0, 0, 1, 2, 3]))


def some_maps() -> list[np.ndarray]:
    ring, spots, good = (np.zeros((5, 7), np.uint8) for _ in range(3))
    ring[1:4, 1:5] = 1
    ring[2, 2:4] = 0
    ring[3, 4] = 2
    spots[::2, ::3] = 3
    return [good, ring, good, spots]


def read(folder: Path) -> LabelSheet:
    sheet = read_labels(folder)
    assert sheet is not None
    return sheet


def maps_of(sheet: LabelSheet) -> dict[str, np.ndarray]:
    """Image -> index map in the numbers of KINDS."""
    return {one.name: index_map(one.regions, KINDS, Path(sheet.folder), SIZE) for one in sheet.photos}


def check(folder: Path, manifest: ExportManifest, truths: Sequence[np.ndarray], format: Format) -> None:
    """What our own reader finds in an exported folder against the truths, in the manifest's order."""
    here = [(file, truth) for file, truth in zip(manifest.files, truths, strict=True) if file.file[0] != "."]
    if not here:
        return
    sheet = read(folder)
    assert find_layout(folder) in (format, "mvtec" if format == "classes" else format)
    if format == "mvtec":  # one kind a photo: that of its folder
        here = [
            (file, (truth > 0) * np.uint8(0 if file.label == "good" else KINDS.index(file.label) + 1))
            for file, truth in here
        ]
    found = maps_of(sheet)
    assert set(found) == {file.file for file, _ in here}
    for photo in sheet.photos:
        file, truth = next(one for one in here if one[0].file == photo.name)
        assert photo.split == file.split
        assert photo.label == label_of(truth, KINDS) == file.label
        if format != "classes":
            assert np.array_equal(found[photo.name], truth)
    beside = [(file, truth) for file, truth in zip(manifest.files, truths, strict=True) if file.file[0] == "."]
    if beside:
        defects = folder.with_name(f"{folder.name}_defects")
        outlined = maps_of(read(defects))
        for file, truth in beside:
            assert np.array_equal(outlined[file.file.removeprefix(f"../{defects.name}/")], truth)


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(maps=st.lists(MAPS, min_size=2, max_size=4), samples=st.lists(MAPS, min_size=1, max_size=3), data=st.data())
def test_what_is_exported_is_read_again(
    format: Format, maps: list[np.ndarray], samples: list[np.ndarray], data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    work = tmp_path_factory.mktemp("work")
    maps = [np.zeros((5, 7), np.uint8), *maps]  # every layout of folders needs one good photo to be found
    heldout = data.draw(st.integers(1, len(maps) - 1))
    make_dataset(work / "2_dataset", maps, KINDS, heldout)
    make_samples(work / "4_samples/cutter-1", samples, KINDS)
    manifest = export_set(work / "4_samples/cutter-1", work / "out", format, with_photos=True)
    if not maps[-1].any() or format not in ("mvtec", "classes"):
        check(work / "out", manifest, [*maps, *samples], format)
    assert [file.split for file in manifest.files] == [
        *(["train"] * (len(maps) - heldout)), *(["test"] * heldout), *(["train"] * len(samples)),
    ]  # fmt: skip


@given(mask=arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
@settings(max_examples=60, deadline=None)
def test_outlines_and_run_lengths_fill_to_the_same_pixels(mask: np.ndarray) -> None:
    size = Size(width=mask.shape[1], height=mask.shape[0])
    runs = mask_to_runs(mask)
    assert text_to_runs(runs_to_text(runs)) == runs
    assert np.array_equal(Region(kind="a", runs=runs).rasterise(Path(), size), mask)
    if mask.any():
        corners = tuple((float(x), float(y)) for x, y in outline(mask))
        assert np.array_equal(Region(kind="a", polygon=corners).rasterise(Path(), size), mask)
    pieces = parts(mask.astype(np.uint8))
    assert np.array_equal(sum((piece.astype(int) for _, piece in pieces), np.zeros(mask.shape, int)), mask)


@given(runs=st.lists(st.integers(0, 10**6), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_run_lengths_of_any_size_survive_their_spelling(runs: list[int]) -> None:
    assert text_to_runs(runs_to_text(runs)) == tuple(runs)


@pytest.mark.parametrize("text", ["=42000a", "é", " ", "O"])
def test_damaged_run_lengths_are_refused(text: str) -> None:
    if text == "=42000a":
        text = text[:-1] + "P"  # more should follow
    with pytest.raises(ValueError, match="run lengths"):
        text_to_runs(text)


@pytest.mark.parametrize("format", FORMATS)
def test_samples_keep_their_marks_and_their_origin(format: Format, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "2_dataset", some_maps(), KINDS, 2)
    drawn = make_samples(tmp_path / "4_samples/cutter-1", some_maps(), KINDS, [dataset.images[0].pixels_sha256])
    manifest = export_set(tmp_path / "4_samples/cutter-1", tmp_path / "out", format, with_photos=True)
    assert ExportManifest.read(tmp_path / "out") == manifest
    assert (manifest.run_id, manifest.source_type, manifest.fold) == (drawn.run_id, drawn.source_type, 0)
    samples = [file for file in manifest.files if file.generated]
    assert [file.seed for file in samples] == [500, 501, 502, 503] and {file.split for file in samples} == {"train"}
    for file in samples:
        original = tmp_path / f"4_samples/cutter-1/{file.seed:06d}.png"
        assert (tmp_path / "out" / file.file).read_bytes() == original.read_bytes()
        with Image.open(tmp_path / "out" / file.file) as picture:
            assert "generated image" in picture.text["Description"]  # type: ignore[attr-defined]
        assert file.run_id == "cutter-1" and file.photos_fingerprint == "p" * 64
    photos = [file for file in manifest.files if not file.generated]
    assert [(file.photo, file.split) for file in photos] == [
        ("p0.jpg", "train"), ("p1.jpg", "train"), ("p2.jpg", "test"), ("p3.jpg", "test"),
    ]  # fmt: skip
    check(tmp_path / "out", manifest, some_maps() * 2, format)


@pytest.mark.parametrize("format", FORMATS)
def test_samples_alone_have_no_test_part(format: Format, tmp_path: Path) -> None:
    make_samples(tmp_path / "set", some_maps(), KINDS)
    manifest = export_set(tmp_path / "set", tmp_path / "out", format)
    assert {file.split for file in manifest.files} == {"train"} and manifest.fold is None
    assert not list((tmp_path / "out").rglob("*test*"))
    if format == "yolo":
        text = (tmp_path / "out/data.yaml").read_text(encoding="utf-8")
        assert "\nval:" not in text and "# val:" in text


def test_an_mvtec_export_keeps_to_what_readers_of_mvtec_assume(tmp_path: Path) -> None:
    """Every defect below the folder is a test image, and sorted masks and sorted defects are pairs."""
    maps = [np.zeros((5, 7), np.uint8), *(np.full((5, 7), 1 + number % 3, np.uint8) for number in range(11))]
    make_dataset(tmp_path / "2_dataset", maps, KINDS, 10)
    make_samples(tmp_path / "4_samples/cutter-1", some_maps(), KINDS)
    export_set(tmp_path / "4_samples/cutter-1", tmp_path / "out", "mvtec", with_photos=True)
    images = sorted(path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.png"))
    defects = [path for path in images if path.parts[0] != "ground_truth" and path.parts[-2] != "good"]
    masks = [path for path in images if path.parts[0] == "ground_truth"]
    assert len(defects) == len(masks) == 10 and {path.parts[0] for path in defects} == {"test"}
    for defect, mask in zip(defects, masks, strict=True):
        assert defect.parts[1] == mask.parts[1] and mask.stem == f"{defect.stem}_mask"
    assert len(list((tmp_path / "out_defects/images/train").iterdir())) == 1 + 2


def test_a_data_set_is_exported_by_its_fold(tmp_path: Path) -> None:
    make_dataset(tmp_path / "2_dataset", some_maps(), KINDS, 1)
    manifest = export_set(tmp_path / "2_dataset", tmp_path / "out", "coco")
    assert [file.split for file in manifest.files] == ["train", "train", "train", "test"]
    assert not any(file.generated for file in manifest.files)
    document = json.loads((tmp_path / "out/annotations/instances_test.json").read_text(encoding="utf-8"))
    assert [one["area"] for one in document["annotations"]] == [1] * 9
    with pytest.raises(UserError, match="Fold 3 does not exist"):
        export_set(tmp_path / "2_dataset", tmp_path / "other", "coco", fold=3)
    assert not (tmp_path / "other").exists()


def test_a_sample_that_equals_a_test_photo_is_refused(tmp_path: Path) -> None:
    make_dataset(tmp_path / "2_dataset", some_maps(), KINDS, 2)
    make_samples(tmp_path / "4_samples/cutter-1", some_maps()[:2], KINDS, first=3)  # the pixels of p3
    with pytest.raises(UserError) as caught:
        export_set(tmp_path / "4_samples/cutter-1", tmp_path / "out", "coco", with_photos=True)
    assert "1 of the samples equal a test photo, for example 000003.png and p3.jpg" in caught.value.what
    assert "gate" in caught.value.do and not (tmp_path / "out").exists()
    assert len(export_set(tmp_path / "4_samples/cutter-1", tmp_path / "out", "coco").files) == 2


def test_samples_of_a_run_that_saw_test_photos_are_refused(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "2_dataset", some_maps(), KINDS, 2)
    trained = [image.pixels_sha256 for image in dataset.images[:3]]
    make_samples(tmp_path / "4_samples/cutter-1", some_maps(), KINDS, trained)
    with pytest.raises(UserError) as caught:
        export_set(tmp_path / "4_samples/cutter-1", tmp_path / "out", "yolo", with_photos=True)
    assert "learned from 1 of the 2 test photos of fold 0, for example p2.jpg" in caught.value.what
    assert "handful train --fold" in caught.value.do


def test_samples_without_a_label_take_that_of_their_photos_or_are_refused(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "2_dataset", some_maps(), KINDS, 0)
    good = [image.pixels_sha256 for image in dataset.images if image.label == "good"]
    samples = tmp_path / "4_samples/cutter-1"
    make_samples(samples, some_maps(), KINDS, good, labelled=False)
    assert {file.label for file in export_set(samples, tmp_path / "a", "coco").files} == {"good"}
    make_samples(samples, some_maps(), KINDS, [image.pixels_sha256 for image in dataset.images], labelled=False)
    with pytest.raises(UserError, match=r"000500.png.*has no label(.*\n){2}.*--label good"):
        export_set(samples, tmp_path / "b", "classes")
    assert {file.label for file in export_set(samples, tmp_path / "b", "classes", label="dent").files} == {"dent"}
    with pytest.raises(UserError, match=r"4 of 4 images show a defect and have no mask.*\n.*coco.*\n.*classes"):
        export_set(samples, tmp_path / "c", "coco", label="dent")


def test_nothing_is_overwritten_and_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_samples(tmp_path / "set", some_maps(), KINDS)
    (tmp_path / "empty").mkdir()
    export_set(tmp_path / "set", tmp_path / "empty", "mvtec")
    before = sorted(tmp_path.rglob("*"))
    for out in ("empty", "set", "set/000500.png"):
        with pytest.raises(UserError, match=r"(holds \d+ thing|is a file).*\n.*nothing is ever overwritten.*\n.*--out"):
            export_set(tmp_path / "set", tmp_path / out, "mvtec")
    with pytest.raises(UserError, match="empty_defects holds 2 thing"):
        (tmp_path / "empty").rename(tmp_path / "moved")
        export_set(tmp_path / "set", tmp_path / "empty", "mvtec")
    (tmp_path / "moved").rename(tmp_path / "empty")

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ExportManifest, "write", fail)
    with pytest.raises(KeyboardInterrupt):
        export_set(tmp_path / "set", tmp_path / "out", "coco")
    assert sorted(tmp_path.rglob("*")) == before


def test_what_cannot_be_exported_is_told(tmp_path: Path) -> None:
    make_samples(tmp_path / "set", some_maps()[:2], KINDS)
    with pytest.raises(UserError, match=r"no format called 'cocoa'.*\n.*mvtec.*\n.*'coco'"):
        export_set(tmp_path / "set", tmp_path / "out", "cocoa")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="neither a set of samples nor a data set"):
        export_set(tmp_path, tmp_path / "out", "coco")
    with pytest.raises(UserError, match=r"data set of the samples .* is gone.*\n.*\n.*without --with-photos"):
        export_set(tmp_path / "set", tmp_path / "out", "coco", with_photos=True)
    for kind in ("a/b", "Good", "test", ".x", "GAP"):
        with pytest.raises(UserError, match=r"kind '.*' cannot name a folder"):
            make_samples(tmp_path / "odd", some_maps()[:2], ("gap", kind, "x"))
            export_set(tmp_path / "odd", tmp_path / "out", "classes")
    Image.fromarray(pixels(7, (5, 7))).save(tmp_path / "set/000500.png")
    with pytest.raises(UserError, match=r"000500\.png has changed since it was made"):
        export_set(tmp_path / "set", tmp_path / "out", "coco")


def test_the_command_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_dataset(tmp_path / "2_dataset", some_maps(), KINDS, 2)
    make_samples(tmp_path / "4_samples/cutter-1", some_maps(), KINDS)
    words = ["export", str(tmp_path / "4_samples/cutter-1"), "--with-photos", "--format"]
    assert app.main([*words, "mvtec", "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("8 images in") and shown[0].endswith("as mvtec")
    assert shown[1] == "train: 3 good, 2 gap, 1 Über, 'x'; 4 of them generated"
    assert shown[2] == "test: 1 good, 1 Über, 'x'; 0 of them generated" and "out_defects" in shown[3]
    assert app.main([*words, "coko", "--out", str(tmp_path / "b")]) == 2
    assert "Did you mean 'coco'?" in capsys.readouterr().err
