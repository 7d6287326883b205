"""Labels are found and read in every layout; masks are no photos; what means nothing is refused."""

from __future__ import annotations

import base64
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from label_folders import (
    BUBBLE,
    GAP,
    VOC_HEAD,
    WRITERS,
    classes,
    coco,
    coco_document,
    labelme,
    masks,
    mvtec,
    put,
    voc,
    voc_object,
    write,
    yolo,
)
from PIL import Image

from handful.cli import app
from handful.core.artifacts import Size
from handful.core.errors import UserError
from handful.core.labels import LabelSheet, index_map
from handful.photos.audit import audit_photos
from handful.photos.layout_yolo import yaml_names
from handful.photos.layouts import find_layout, read_labels

SIZE = Size(width=8, height=6)


def marked(sheet: LabelSheet, stem: str) -> np.ndarray:
    """The index map of the photo of that name."""
    (photo,) = (photo for photo in sheet.photos if Path(photo.name).stem == stem)
    return index_map(photo.regions, sheet.kinds, Path(sheet.folder), SIZE)


def read(folder: Path, layout: str | None = None) -> LabelSheet:
    sheet = read_labels(folder, layout)
    assert sheet is not None
    return sheet


def refusal(folder: Path, layout: str | None = None) -> UserError:
    with pytest.raises(UserError) as caught:
        read_labels(folder, layout)
    return caught.value


@pytest.mark.parametrize("layout", WRITERS)
def test_every_layout_is_found_and_tells_the_same_truth(layout: str, tmp_path: Path) -> None:
    WRITERS[layout](tmp_path)
    assert find_layout(tmp_path) == layout
    sheet = read(tmp_path)
    assert sheet.layout == layout and sheet.kinds == ("bubble", "gap") and sheet.folder == str(tmp_path)
    assert {Path(photo.name).stem: photo.label for photo in sheet.photos} == {"a": "good", "b": "gap", "c 1": "bubble"}
    assert sheet.counts() == {"good": 1, "bubble": 1, "gap": 1}
    assert not marked(sheet, "a").any()
    if layout != "classes":
        assert np.array_equal(marked(sheet, "b"), GAP * 2)
        assert np.array_equal(marked(sheet, "c 1"), BUBBLE * 1)
    expected = ["1 of 3 images have no JSON file and count as good: data/a.png."] if layout == "labelme" else []
    assert list(sheet.warnings) == expected


@pytest.mark.parametrize("layout", WRITERS)
def test_the_audit_takes_no_mask_for_a_photo(layout: str, tmp_path: Path) -> None:
    WRITERS[layout](tmp_path)
    audit = audit_photos(tmp_path)
    assert {photo.name for photo in audit.photos} == {photo.name for photo in read(tmp_path).photos}
    assert len(audit_photos(tmp_path, layout="none").photos) == len(list(tmp_path.rglob("*.png")))


def test_plain_photos_have_no_labels(tmp_path: Path) -> None:
    for name in ("monday/a.png", "monday/b_mask.png", "tuesday/c.png"):
        put(tmp_path, name)
    write(tmp_path, "notes.txt", "1 good day")
    write(tmp_path, "settings.json", '{"images": 3}')
    write(tmp_path, "camera.xml", "<camera/>")
    assert find_layout(tmp_path) is None and read_labels(tmp_path) is None
    assert len(audit_photos(tmp_path).photos) == 3
    assert read(tmp_path, "classes").kinds == ("monday", "tuesday")
    yolo(tmp_path / "yolo")
    assert read_labels(tmp_path / "yolo", "none") is None


def test_two_layouts_are_refused_until_one_is_chosen(tmp_path: Path) -> None:
    voc(tmp_path)
    labelme(tmp_path)
    error = refusal(tmp_path)
    assert "holds labels in 2 layouts: voc, labelme" in error.what and "1 layout" in error.allowed
    assert "--layout voc" in error.do and "--layout none" in error.do
    shutil.rmtree(tmp_path / "data")
    assert read(tmp_path, "voc").layout == "voc"
    error = refusal(tmp_path, "yoyo")
    assert "no layout called 'yoyo'" in error.what and "classes, masks, mvtec" in error.allowed
    assert "--layout yolo" in error.do


def test_class_folders_know_many_names_for_good_and_the_parts(tmp_path: Path) -> None:
    for name in ("train/Non-Defective/a.png", "train/NG/deep/b.png", "val/gap/c.png", "train/i.o./d.png", "e.png"):
        put(tmp_path, name)
    (tmp_path / "train/dent").mkdir()
    sheet = read(tmp_path)
    assert {photo.name: (photo.label, photo.split) for photo in sheet.photos} == {
        "train/Non-Defective/a.png": ("good", "train"),
        "train/NG/deep/b.png": ("NG", "train"),
        "train/i.o./d.png": ("good", "train"),
        "val/gap/c.png": ("gap", "test"),
    }
    assert sheet.warnings == (
        "1 of 5 images have no label: e.png.",
        "The kind 'dent' is listed, and no image shows it.",
    )
    put(tmp_path, "test/gap/z.png")
    assert {photo.split for photo in read(tmp_path).photos if photo.name.startswith("val")} == {"train"}


def test_masks_without_class_folders_mark_a_defect_or_numbered_kinds(tmp_path: Path) -> None:
    for name in ("images/a.png", "images/b.png", "images/c.png"):
        put(tmp_path, name)
    put(tmp_path, "masks/a.png", GAP * 255)
    put(tmp_path, "masks/b_mask.png", GAP * 0)
    put(tmp_path, "masks/lost.png", GAP)
    sheet = read(tmp_path)
    assert [photo.label for photo in sheet.photos] == ["defect", "good", "good"]
    assert sheet.warnings == (
        "1 of 3 images have no mask and count as good: images/c.png.",
        "1 masks have no image: masks/lost.png.",
    )
    write(tmp_path, "masks/kinds.txt", "bubble\ngap\nthin\n")
    put(tmp_path, "masks/a.png", np.where(BUBBLE, 1, GAP * 2))
    sheet = read(tmp_path)
    assert sheet.kinds == ("bubble", "gap") and sheet.photos[0].label == "gap"  # 11 px of 17
    assert np.array_equal(marked(sheet, "a"), np.where(BUBBLE, 1, GAP * 2))
    assert "The kind 'thin' is listed, and no image shows it." in sheet.warnings
    write(tmp_path, "masks/kinds.txt", "gap\ngap\n")
    assert "lists gap, gap" in refusal(tmp_path).what


def test_the_rendered_station_brings_its_masks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = tmp_path / "photos"
    flags = ["-n", "2", "--width", "64", "--height", "64", "--defects", "gap"]
    assert app.main(["station", str(photos), *flags]) == 0
    sheet = read(photos)
    assert sheet.layout == "masks" and sheet.counts() == {"good": 1, "gap": 1} and sheet.warnings == ()
    (region,) = next(photo for photo in sheet.photos if photo.label == "gap").regions
    truth = np.array(Image.open(next((tmp_path / "photos_truth").rglob("*_mask.png")))) > 0
    assert truth.any() and np.array_equal(region.rasterise(photos, Size(width=64, height=64)), truth)
    capsys.readouterr()
    work = tmp_path / "work"
    assert app.main(["photos", str(photos), "--out", str(work)]) == 0
    assert "labels: layout masks: 1 good, 1 gap; 1 with outlines" in capsys.readouterr().out
    assert LabelSheet.read(work / "1_photos") == sheet
    assert app.main(["photos", str(photos), "--out", str(work), "--layout", "none"]) == 0
    assert "no labels found" in capsys.readouterr().out and not (work / "1_photos/labels.json").exists()


def test_coco_reads_run_lengths_of_both_spellings_and_several_files(tmp_path: Path) -> None:
    coco(tmp_path)
    document = coco_document()
    runs = [13, 4, 2, 4, 2, 4, 19]  # GAP column by column
    document["annotations"] = [
        {"id": 1, "image_id": 4, "category_id": 7, "segmentation": {"counts": runs, "size": [6, 8]}},
        # pycocotools' spelling of the same
        {"id": 2, "image_id": 9, "category_id": 5, "segmentation": {"counts": "=42000a0", "size": [6, 8]}},
    ]
    write(tmp_path, "annotations/instances_train.json", json.dumps(document))
    put(tmp_path, "images/d.png")
    other = {"images": [{"id": 1, "file_name": "d.png"}], "annotations": [], "categories": document["categories"]}
    write(tmp_path, "annotations/instances_val.json", json.dumps(other))
    sheet = read(tmp_path)
    assert np.array_equal(marked(sheet, "b"), GAP * 2) and np.array_equal(marked(sheet, "c 1"), GAP * 1)
    assert {Path(photo.name).stem: photo.split for photo in sheet.photos} == {
        "a": "train", "b": "train", "c 1": "train", "d": "test",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["annotations"][0].update(category_id=6), ["has the category 6", "5 (bubble), 7 (gap)"]),
        (lambda d: d["annotations"][0].update(bbox=[2, 1, 30, 4]), ["(2, 1) to (32, 5)", "8x6 px", "1 px"]),
        (lambda d: d["annotations"][1].update(segmentation=[[0, 0, 4, 0]]), ["a polygon of 4 numbers", "3 corners"]),
        (lambda d: d["annotations"][0].update(bbox=None), ["Annotation 1 of images/b.png", "cannot be read"]),
        (lambda d: d["images"][1].update(width=6, height=8), ["states 6x8 px", "8x6 px upright"]),
        (
            lambda d: d["annotations"][0].update(segmentation={"counts": [3, 4], "size": [6, 8]}),
            ["add up to 7 pixels", "48"],
        ),
        (lambda d: d["images"][2].pop("file_name"), ["Entry 3 of 'images'", "lacks file_name or id"]),
        (lambda d: [one.update(file_name="no.png") for one in d["images"]], ["None of the 3 images named", "no.png"]),
    ],
)
def test_coco_that_means_nothing_is_refused(
    change: Callable[[dict[str, list[dict[str, object]]]], object], words: list[str], tmp_path: Path
) -> None:
    coco(tmp_path)
    document = coco_document()
    change(document)
    write(tmp_path, "annotations/instances_train.json", json.dumps(document))
    told = str(refusal(tmp_path))
    for word in words:
        assert word in told
    assert len(told.splitlines()) == 3


def test_coco_notes_what_is_missing(tmp_path: Path) -> None:
    coco(tmp_path)
    document = coco_document()
    document["images"][0]["file_name"] = "gone.png"
    document["annotations"].append({"id": 5, "image_id": 77, "category_id": 5, "bbox": [0, 0, 1, 1]})
    document["categories"].append({"id": 1, "name": "dent"})
    write(tmp_path, "annotations/instances_train.json", json.dumps(document))
    sheet = read(tmp_path)
    assert sheet.warnings == (
        "1 annotations in annotations/instances_train.json are of images that it does not list.",
        "1 images named in annotations have no image: gone.png.",
        "1 of 3 images have no label: images/a.png.",
        "The kind 'dent' is listed, and no image shows it.",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("7 0.5 0.5 0.1 0.1", ["Line 1 of labels/b.txt has the class 7", "data.yaml lists 2: 0 (bubble), 1 (gap)"]),
        ("0 0.5 0.5", ["is '0 0.5 0.5'", "CLASS X Y WIDTH HEIGHT"]),
        ("0 0.5 0.5 x 1", ["is '0 0.5 0.5 x 1'"]),
        ("0 0.5 0.5 nan 1", ["is '0 0.5 0.5 nan 1'"]),
        ("0 0.9 0.5 0.9 0.1", ["'bubble' of images/b.png", "8x6 px"]),
    ],
)
def test_yolo_that_means_nothing_is_refused(text: str, words: list[str], tmp_path: Path) -> None:
    yolo(tmp_path)
    write(tmp_path, "labels/b.txt", text)
    for word in words:
        assert word in str(refusal(tmp_path, "yolo"))


def test_yolo_needs_names_and_images_and_counts_the_unlabelled_as_good(tmp_path: Path) -> None:
    yolo(tmp_path)
    (tmp_path / "labels/a.txt").unlink()
    write(tmp_path, "labels/gone.txt", "0 0.5 0.5 0.1 0.1")
    sheet = read(tmp_path)
    assert sheet.counts() == {"good": 1, "bubble": 1, "gap": 1}
    assert sheet.warnings == (
        "1 of 3 images have no label file and count as good: images/a.png.",
        "1 label files have no image: labels/gone.txt.",
    )
    (tmp_path / "data.yaml").unlink()
    error = refusal(tmp_path)
    assert "no file names their classes" in error.what and "classes.txt" in error.do
    write(tmp_path, "classes.txt", "ok\ngap\n")  # a box around what is good says nothing
    assert read(tmp_path).counts() == {"good": 2, "gap": 1}
    shutil.rmtree(tmp_path / "images")
    put(tmp_path, "images/other.png")
    assert "None of the 3 label files" in refusal(tmp_path).what


def test_yolo_beside_the_images_and_by_parts(tmp_path: Path) -> None:
    yolo(tmp_path / "flat")
    for file in [*(tmp_path / "flat/images").iterdir(), *(tmp_path / "flat/labels").iterdir()]:
        file.rename(tmp_path / "flat" / file.name)
    assert read(tmp_path / "flat").counts() == {"good": 1, "bubble": 1, "gap": 1}
    for part, stem in (("train", "b"), ("val", "c 1")):
        for kind, suffix in (("images", "png"), ("labels", "txt")):
            for place in (f"{part}/{kind}", f"{kind}/{part}"):
                target = tmp_path / place.replace("/", "") / place / f"{stem}.{suffix}"
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(tmp_path / "flat" / f"{stem}.{suffix}", target)
    for parts in ("trainimages valimages trainlabels vallabels", "imagestrain imagesval labelstrain labelsval"):
        joined = tmp_path / parts[:5]
        for place in parts.split():
            shutil.copytree(tmp_path / place, joined, dirs_exist_ok=True)
        write(joined, "data.yaml", "names: ['bubble', \"gap\"]  # two\n")
        found = {Path(photo.name).stem: (photo.label, photo.split) for photo in read(joined).photos}
        assert found == {"b": ("gap", "train"), "c 1": ("bubble", "test")}


@pytest.mark.parametrize(
    "text",
    [
        "names: [a b, 'c', d]",
        'nc: 3\nnames:\n- a b\n- "c"\n- d  # last\ntrain: x',
        "names:\n  0: a b\n  1: c\n\n  2: d\n",
        "names: {0: a b, 1: c, 2: d}",
        "path: /x\nnames: [a b,\n  c,  # more\n  d]\nval: y\n",
    ],
)
def test_the_names_of_a_data_yaml_are_read_in_every_usual_form(text: str) -> None:
    assert yaml_names(text) == {0: "a b", 1: "c", 2: "d"}
    assert yaml_names("nothing: here") == {}


def test_quotes_protect_whatever_a_name_of_a_class_holds() -> None:
    assert yaml_names("""names: ["a, 'b' #1", 'it''s', "Ü \\"c\\""]  # three""") == {
        0: "a, 'b' #1",
        1: "it's",
        2: 'Ü "c"',
    }


def test_voc_reads_lists_classes_and_refuses_what_it_cannot_tell(tmp_path: Path) -> None:
    voc(tmp_path)
    write(tmp_path, "ImageSets/Main/train.txt", "a\nb\n")
    write(tmp_path, "ImageSets/Main/val.txt", "c 1\n")
    assert {Path(photo.name).stem: photo.split for photo in read(tmp_path).photos} == {
        "a": "train", "b": "train", "c 1": "test",
    }  # fmt: skip
    both = f"{VOC_HEAD}{voc_object('gap', 3, 2, 5, 5)}{voc_object('bubble', 1, 1, 3, 3)}</annotation>"
    write(tmp_path, "Annotations/b.xml", both)
    put(tmp_path, "SegmentationClass/b.png", np.where(BUBBLE, 4, np.where(GAP, 9, 255)))
    error = refusal(tmp_path)
    assert "has the values 4, 9, and its photo 2 kinds" in error.what and "labelmap.txt" in error.do
    names = ["background:0,0,0::", "x", "y", "z", "bubble", *"uvwq", "gap:128,0,0::"]
    write(tmp_path, "labelmap.txt", "# label:color_rgb:parts:actions\n" + "\n".join(names))
    sheet = read(tmp_path)
    assert np.array_equal(marked(sheet, "b"), np.where(BUBBLE, 1, GAP * 2)) and sheet.kinds == ("bubble", "gap")
    (tmp_path / "SegmentationClass/b.png").unlink()
    for text, words in (
        (f"{VOC_HEAD}{voc_object('gap', 9, 2, 5, 5)}</annotation>", "the box (9.0, 2.0) to (5.0, 5.0)"),
        (f"{VOC_HEAD}{voc_object('', 1, 2, 5, 5)}</annotation>", "an object without a name"),
        ("<annotation><size><width>x</width></size></annotation>", "the size/width 'x'"),
        ("<annotation>", "cannot be read"),
    ):
        write(tmp_path, "Annotations/b.xml", text)
        assert words in refusal(tmp_path).what


def test_labelme_reads_circles_and_masks_and_refuses_lines(tmp_path: Path) -> None:
    labelme(tmp_path)
    buffer = io.BytesIO()
    Image.fromarray(GAP[1:5, 2:5]).save(buffer, "PNG")
    mask = {"label": "gap", "shape_type": "mask", "points": [[2, 1], [5, 5]],
            "mask": base64.b64encode(buffer.getvalue()).decode()}  # fmt: skip
    circle = {"label": "bubble", "shape_type": "circle", "points": [[4, 3], [4, 5]]}
    for stem, shape in (("b", mask), ("c 1", circle)):
        write(tmp_path, f"label/{stem}.json", json.dumps({"shapes": [shape], "imagePath": f"{stem}.png"}))
    sheet = read(tmp_path)
    assert np.array_equal(marked(sheet, "b"), GAP * 2)
    rows, columns = np.indices((6, 8)) + 0.5
    assert np.array_equal(marked(sheet, "c 1") > 0, np.hypot(rows - 3, columns - 4) < 2)
    line = {"label": "gap", "shape_type": "linestrip", "points": [[0, 0], [1, 1]]}
    write(tmp_path, "label/b.json", json.dumps({"shapes": [line], "imagePath": "b.png"}))
    error = refusal(tmp_path)
    assert "of type linestrip with 2 point(s)" in error.what and "polygons" in error.allowed


def test_wrong_masks_are_refused_and_empty_ones_told(tmp_path: Path) -> None:
    masks(tmp_path)
    put(tmp_path, "gap/b_mask.png", GAP * 0)
    assert "The outlines of 1 images hold no pixel: gap/b.png." in read(tmp_path).warnings
    put(tmp_path, "gap/b_mask.png", GAP[:4])
    error = refusal(tmp_path)
    assert "is 8x4 px, its photo 8x6 px" in error.what
    write(tmp_path, "gap/b_mask.png", "words")
    assert "cannot be read" in refusal(tmp_path).what
    put(tmp_path, "gap/b_mask.png", GAP)
    put(tmp_path, "ok/a_mask.png", GAP)
    error = refusal(tmp_path)
    assert "ok/a.png is called good, and 12 of its pixels are marked" in error.what


def test_files_from_windows_are_read(tmp_path: Path) -> None:
    yolo(tmp_path)
    (tmp_path / "data.yaml").unlink()
    (tmp_path / "classes.txt").write_bytes("Bläschen\r\nLücke\r\n".encode("utf-8-sig"))
    assert read(tmp_path).kinds == ("Bläschen", "Lücke")
    (tmp_path / "classes.txt").write_bytes("Bläschen\nLücke\n".encode("cp1252"))
    error = refusal(tmp_path)
    assert "classes.txt cannot be read" in error.what and "UTF-8" in error.allowed


def test_a_jpeg_mask_has_no_ring_of_noise(tmp_path: Path) -> None:
    put(tmp_path, "good/a.png")
    put(tmp_path, "gap/b.png", np.random.default_rng(0).integers(0, 256, (64, 64)))
    truth = np.zeros((64, 64), bool)
    truth[10:30, 20:45] = True
    put(tmp_path, "gap/b_mask.jpg", truth * 255)
    sheet = read(tmp_path)
    (region,) = next(photo for photo in sheet.photos if photo.label == "gap").regions
    assert np.array_equal(region.rasterise(tmp_path, Size(width=64, height=64)), truth)


def test_mvtec_notes_masks_and_images_without_each_other(tmp_path: Path) -> None:
    mvtec(tmp_path)
    (tmp_path / "test/gap/b.png").rename(tmp_path / "test/gap/e.png")
    put(tmp_path, "cover.png")
    sheet = read(tmp_path)
    assert sheet.warnings == (
        "1 images with a defect have no mask: test/gap/e.png.",
        "1 masks have no image: ground_truth/gap/b_mask.png.",
        "1 of 4 images have no label: cover.png.",
    )
    assert {photo.name: photo.split for photo in sheet.photos}["train/good/a.png"] == "train"


def test_a_turned_photo_is_measured_upright(tmp_path: Path) -> None:
    classes(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((8, 6), np.uint8)).save(tmp_path / "gap/b.jpg", exif=exif)
    (tmp_path / "gap/b.png").unlink()
    put(tmp_path, "gap/b_mask.png", GAP)
    assert np.array_equal(marked(read(tmp_path), "b"), GAP * 2)


def test_a_damaged_photo_with_outlines_is_told(tmp_path: Path) -> None:
    masks(tmp_path)
    write(tmp_path, "gap/b.png", "no picture")
    assert "1 labelled images cannot be read: gap/b.png." in read(tmp_path).warnings


def test_the_ball_screw_is_read_as_its_makers_labelled_it(shared_data: Path) -> None:
    sheet = read(shared_data / "bsdata_ballscrew")
    assert sheet.layout == "labelme" and sheet.counts() == {"good": 437, "Pitting": 133}
    assert sum(len(photo.regions) for photo in sheet.photos) == 142
