"""Labels and masks come onto the canvas exactly as their photos do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from handful import pipeline
from handful.cli import app
from handful.core.artifacts import DatasetManifest, Size
from handful.core.config import parse_settings
from handful.core.errors import UserError
from handful.core.images import read_png
from handful.core.labels import LabelledPhoto, LabelSheet, Region, index_map, label_of
from handful.dataset.build import DatasetSettings, build_dataset
from handful.dataset.canvas import fit_index_map, resize_index_map
from handful.photos.audit import audit_photos
from handful.photos.layouts import read_labels

SIZE = Size(width=8, height=6)


def put(folder: Path, name: str, pixels: np.ndarray) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(folder / name)


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (12, 16)).repeat(4, 0).repeat(4, 1)


def build(folder: Path, out: Path, **asked: Any) -> DatasetManifest:
    settings = parse_settings(DatasetSettings, asked, "handful dataset")
    return build_dataset(audit_photos(folder), out, settings, labels=read_labels(folder))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four good photos and two with a gap of 6 x 10 px at (40, 4), 64x48, with masks."""
    photos = tmp_path / "photos"
    for index in range(4):
        put(photos, f"good/img{index}.png", noise(index))
    for index in (4, 5):
        gap = np.zeros((48, 64))
        gap[4:14, 40:46] = 255
        put(photos, f"gap/img{index}.png", noise(index))
        put(photos, f"gap/img{index}_mask.png", gap)
    return photos


def test_class_folders_and_masks_become_a_labelled_data_set(folder: Path, tmp_path: Path) -> None:
    manifest = build(folder, tmp_path / "out", canvas="32")
    assert manifest.kinds == ("gap",)
    assert [(image.photo, image.label, image.mask) for image in manifest.images] == [
        ("gap/img4.png", "gap", "masks/gap_img4.png"),
        ("gap/img5.png", "gap", "masks/gap_img5.png"),
        *((f"good/img{index}.png", "good", None) for index in range(4)),
    ]
    expected = np.zeros((24, 32), int)
    expected[2:7, 20:23] = 1
    assert np.array_equal(read_png(tmp_path / "out/masks/gap_img4.png"), expected)
    assert DatasetManifest.read(tmp_path / "out") == manifest


def test_a_tile_is_labelled_by_what_lies_in_it(folder: Path, tmp_path: Path) -> None:
    manifest = build(folder, tmp_path / "out", canvas="16", fit="tile")
    tiles = [image for image in manifest.images if image.photo == "gap/img4.png"]
    assert [image.file for image in tiles if image.label == "gap"] == ["images/gap_img4-r0c2.png"]
    assert all((image.label, image.mask) == ("good", None) for image in tiles if "r0c2" not in image.file)
    mask = read_png(tmp_path / "out/masks/gap_img4-r0c2.png")
    assert mask.sum() == 60 and (mask[4:14, 8:14] == 1).all()


def test_the_same_labelled_data_set_is_kept_and_a_lost_mask_made_again(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    manifest = build(folder, out, canvas="32")
    mask = out / "masks/gap_img5.png"
    before = mask.read_bytes()
    mask.unlink()
    (out / "masks/gap_img4.png").write_bytes(b"words")
    assert build(folder, out, canvas="32") == manifest
    assert mask.read_bytes() == before == (out / "masks/gap_img4.png").read_bytes()
    put(folder, "gap/img4_mask.png", np.eye(48, 64) * 255)
    with pytest.raises(UserError, match="Another data set lies in"):
        build(folder, out, canvas="32")


def test_without_labels_the_fingerprint_is_as_it_ever_was(tmp_path: Path) -> None:
    for index in range(4):
        put(tmp_path / "photos", f"{index}.png", np.full((16, 16), 60 * index))
    manifest = build(tmp_path / "photos", tmp_path / "out", canvas="16", heldout=0)
    assert manifest.fingerprint == "1e6501714448378cee4f55b6cc15607bd75f64886567967d2d9501e5aa481f26"
    assert manifest.kinds == () and {(image.label, image.mask) for image in manifest.images} == {("", None)}


def test_a_comparison_keeps_the_labelled_data_set_that_was_built_before(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = str(tmp_path / "work")
    assert app.main(["dataset", str(folder), "--out", work, "--canvas", "16"]) == 0
    before = (tmp_path / "work/2_dataset/dataset.json").read_bytes()

    def enough(*_: object) -> None:
        raise UserError("so far", "so", "good")

    monkeypatch.setattr(pipeline, "freeze_plan", enough)  # what comes after the data set
    flags = ["--generators", "copies", "--samples", "4", "--features", "pixels", "--threads", "1", "--canvas", "16"]
    assert app.main(["compare", str(folder), "--out", work, *flags]) == 2
    assert (tmp_path / "work/2_dataset/dataset.json").read_bytes() == before
    assert LabelSheet.read(tmp_path / "work/1_photos").kinds == ("gap",)
    assert app.main(["compare", str(folder), "--out", f"{work} plain", *flags, "--layout", "none"]) == 2
    plain = DatasetManifest.read(tmp_path / "work plain/2_dataset")
    assert len(plain.images) == 7 and not any(
        image.label for image in plain.images
    )  # a mask too; the other is its copy


def test_the_split_that_a_layout_states_is_kept(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for index, place in enumerate(("train/good", "train/good", "train/good", "test/good", "test/gap")):
        put(photos, f"{place}/{index}.png", noise(index))
    gap = np.zeros((48, 64))
    gap[3:20, 5:30] = 255
    put(photos, "ground_truth/gap/4_mask.png", gap)
    manifest = build(photos, tmp_path / "out", canvas="32", split="layout")
    assert [image.photo for image in manifest.heldout(0)] == ["test/gap/4.png", "test/good/3.png"]
    assert [image.label for image in manifest.heldout(0)] == ["gap", "good"] and manifest.warnings == ()
    assert manifest.split == "2 of 5 photos held out, as their layout states"
    (unheeded,) = build(photos, tmp_path / "anew", canvas="32").warnings
    assert unheeded.startswith("The layout calls 2 of 5 photos test photos") and "--split layout" in unheeded
    near = noise(0)
    near[0, 0] ^= 8
    put(photos, "test/good/5.png", near)
    warned = build(photos, tmp_path / "near", canvas="32", split="layout")
    assert any("1 groups of near-duplicates have photos on both sides" in words for words in warned.warnings)
    assert not {image.group for image in warned.heldout(0)} & {image.group for image in warned.training(0)}
    with pytest.raises(UserError, match=r"1 image\(s\) on the canvas are the same.*\n.*\n.*training photos"):
        build(photos, tmp_path / "same", canvas="11", split="layout")
    with pytest.raises(UserError, match="--split layout is given together with"):
        build(photos, tmp_path / "folds", canvas="32", split="layout", folds=2)


def test_a_layout_without_a_test_part_splits_nothing(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"calls 0 of 6 photos test photos.*\n.*at least 1.*\n.*train and test"):
        build(folder, tmp_path / "out", split="layout")
    assert not (tmp_path / "out").exists()


def test_cuts_of_a_defective_photo_without_outlines_have_no_label(folder: Path, tmp_path: Path) -> None:
    for index in (4, 5):
        (folder / f"gap/img{index}_mask.png").unlink()
    whole = build(folder, tmp_path / "keep", canvas="32")
    assert [image.label for image in whole.images] == ["gap", "gap", "good", "good", "good", "good"]
    tiles = build(folder, tmp_path / "tile", canvas="32", fit="tile")
    assert {image.label for image in tiles.images if image.photo.startswith("gap")} == {""}
    assert {image.label for image in tiles.images if image.photo.startswith("good")} == {"good"}
    assert any("2 defective photos have no outlines (such as gap/img4.png)" in words for words in tiles.warnings)


def test_a_defect_outside_the_crop_leaves_a_good_image_and_is_told(folder: Path, tmp_path: Path) -> None:
    manifest = build(folder, tmp_path / "out", canvas="16x48", fit="crop")  # columns 24 to 39 of 64
    assert {image.label for image in manifest.images} == {"good"}
    assert any(
        "The defects of 2 photos (such as gap/img4.png) lie outside the crop" in one for one in manifest.warnings
    )


def test_labels_of_another_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    sheet = LabelSheet(layout="classes", folder="/elsewhere", kinds=(), photos=(LabelledPhoto(name="a", label="good"),))
    with pytest.raises(UserError, match=r"labels are of the photos in /elsewhere.*\n.*one folder\.\n.*handful dataset"):
        build_dataset(audit_photos(folder), tmp_path / "out", labels=sheet)


def test_a_region_holds_the_pixels_whose_centres_are_inside() -> None:
    box = Region(kind="a", box=(2, 1, 3, 4)).rasterise(Path(), SIZE)
    assert box.sum() == 12 and box[1:5, 2:5].all()
    assert Region(kind="a", box=(-3, -2, 100, 100)).rasterise(Path(), SIZE).all()
    triangle = Region(kind="a", polygon=((0, 0), (4, 0), (0, 4))).rasterise(Path(), SIZE)
    rows, columns = np.indices((6, 8)) + 0.5
    assert np.array_equal(triangle, rows + columns < 4)
    tiny = Region(kind="a", box=(3.6, 2.6, 0.2, 0.2)).rasterise(Path(), SIZE)
    assert np.argwhere(tiny).tolist() == [[2, 3]]
    ring = ((0, 0), (6, 0), (6, 6), (0, 6), (0, 0), (2, 2), (4, 2), (4, 4), (2, 4), (2, 2))
    assert Region(kind="a", polygon=ring).rasterise(Path(), SIZE).sum() == 32
    runs = Region(kind="a", runs=(7, 2, 39)).rasterise(Path(), SIZE)
    assert np.argwhere(runs).tolist() == [[1, 1], [2, 1]]
    with pytest.raises(UserError, match=r"add up to 9 pixels, and its photo is 8x6 px\.\n.*48"):
        Region(kind="a", runs=(7, 2)).rasterise(Path(), SIZE)


def test_where_regions_overlap_the_smaller_one_is_seen() -> None:
    regions = [Region(kind="b", box=(1, 1, 2, 2)), Region(kind="a", box=(0, 0, 6, 6))]
    found = index_map(regions, ("a", "b"), Path(), SIZE)
    assert (found == 2).sum() == 4 and (found == 1).sum() == 32 and label_of(found, ("a", "b")) == "a"


def test_masks_are_resized_by_area_and_no_kind_vanishes() -> None:
    found = np.zeros((8, 8), np.uint8)
    found[:4, :4], found[0, 4:], found[4:6, 4:8] = 1, 2, 3
    small = resize_index_map(found, 2, 2)
    assert small.tolist() == [[1, 2], [0, 3]]  # kind 2 covers a quarter of its pixel, kind 3 half
    assert np.array_equal(resize_index_map(small, 8, 8)[::4, ::4], small)
    ((_, cut),) = fit_index_map(found, Size(width=2, height=4), "crop")  # columns 2 to 5 of 8
    assert np.array_equal(cut, resize_index_map(found[:, 2:6], 2, 4))
