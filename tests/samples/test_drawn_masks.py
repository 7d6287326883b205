"""Masks go the whole way: labelled photos, data set, training, samples with masks, labels and kinds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handful.core.artifacts import DatasetManifest, RunManifest, SampleManifest, read_sample_rows
from handful.core.errors import UserError
from handful.core.images import png_bytes, read_png
from handful.core.labels import LabelledPhoto, LabelSheet, Region
from handful.dataset.build import build_dataset
from handful.dataset.settings import DatasetSettings
from handful.photos.audit import audit_photos
from handful.samples.draw import draw_samples
from handful.train.loop import train_generator
from handful.train.settings import TrainSettings
from handful.train.training_set import read_training_set

KINDS = ("dent", "scratch")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve photos of 40x32 px, every third one with a scratch."""
    folder = tmp_path_factory.mktemp("labelled")
    (folder / "photos").mkdir()
    random, labelled = np.random.default_rng(0), []
    for number in range(12):
        picture = 120 + random.integers(0, 12, (32, 40))
        box = (8 + number, 10, 12, 6)
        if number % 3 == 0:
            picture[10:16, 8 + number : 20 + number] = 20
        Image.fromarray(picture.astype(np.uint8)).save(folder / f"photos/{number:02d}.png")
        regions = (Region(kind="scratch", box=box),) if number % 3 == 0 else ()
        label = "scratch" if regions else "good"
        labelled.append(LabelledPhoto(name=f"{number:02d}.png", label=label, regions=regions))
    audit = audit_photos(folder / "photos")
    sheet = LabelSheet(layout="coco", folder=audit.folder, kinds=KINDS, photos=tuple(labelled))
    build_dataset(audit, folder / "2_dataset", DatasetSettings(canvas="40x32", heldout=0.0), labels=sheet)
    return folder / "2_dataset"


@pytest.mark.parametrize("name", ["copies", "patch_diffusion"])
def test_samples_have_masks_labels_and_kinds_and_lost_masks_come_back(name: str, dataset: Path, tmp_path: Path) -> None:
    run = train_generator(name, dataset, tmp_path / "3_train", TrainSettings(budget="1steps", threads=1))
    assert run.kinds == KINDS and run.label == ""
    out = tmp_path / "4_samples"
    manifest = draw_samples(tmp_path / "3_train" / run.run_id, out, count=12, threads=1)
    assert manifest.kinds == KINDS
    rows = read_sample_rows(out)
    for row in rows.values():
        assert row.mask == f"masks/{row.seed:06d}.png"
        mask = read_png(out / row.mask)
        assert mask.shape == (32, 40) and mask.dtype == np.uint8 and set(np.unique(mask)) <= {0, 2}
        assert row.label == ("scratch" if mask.any() else "good")
    assert {row.label for row in rows.values()} == {"good", "scratch"}
    if name == "copies":
        for row in rows.values():
            assert np.array_equal(read_png(out / str(row.mask)) == 2, read_png(out / row.file) < 60)
    lost = out / str(rows[3].mask)
    before = lost.read_bytes()
    lost.unlink()
    draw_samples(tmp_path / "3_train" / run.run_id, out, count=12, threads=1)
    assert lost.read_bytes() == before


def test_masks_are_handed_on_only_where_every_photo_says_what_is_wrong_where(dataset: Path, tmp_path: Path) -> None:
    manifest = DatasetManifest.read(dataset)
    source = read_training_set(dataset, 0)
    assert source.masks is not None and source.masks.shape == (12, 32, 40) and int(source.masks.max()) == 2
    assert not source.masks[1].any() and int((source.masks[0] == 2).sum()) == 72
    for place, changes in enumerate([{"mask": None}, {"label": "", "mask": None}]):
        other = tmp_path / str(place)
        other.mkdir()
        for part in ("images", "masks"):
            (other / part).symlink_to(dataset / part)
        images = (manifest.images[0].model_copy(update=changes), *manifest.images[1:])
        manifest.model_copy(update={"images": images}).write(other)
        assert read_training_set(other, 0).masks is None


def test_a_mask_that_does_not_fit_is_refused(dataset: Path, tmp_path: Path) -> None:
    manifest = DatasetManifest.read(dataset)
    (tmp_path / "images").symlink_to(dataset / "images")
    (tmp_path / "masks").mkdir()
    for number, image in enumerate(image for image in manifest.images if image.mask):
        (tmp_path / str(image.mask)).write_bytes(png_bytes(np.full((32, 40), number + 1, np.uint8), 8))
    manifest.write(tmp_path)
    with pytest.raises(UserError) as caught:
        read_training_set(tmp_path, 0)
    assert "40x32 px with values up to 3" in caught.value.what and "from 0 to 2" in caught.value.allowed


def test_photos_of_one_label_give_samples_of_that_label(dataset: Path, tmp_path: Path) -> None:
    manifest = DatasetManifest.read(dataset)
    (tmp_path / "images").symlink_to(dataset / "images")
    good = tuple(image for image in manifest.images if image.label == "good")
    manifest.model_copy(update={"images": good}).write(tmp_path)
    run = train_generator("copies", tmp_path, tmp_path / "3_train", TrainSettings(budget="1steps", threads=1))
    assert RunManifest.read(tmp_path / "3_train" / run.run_id).label == "good"
    out = tmp_path / "4_samples"
    draw_samples(tmp_path / "3_train" / run.run_id, out, count=2, threads=1)
    assert [(row.label, row.mask) for row in read_sample_rows(out).values()] == [("good", None)] * 2
    assert SampleManifest.read(out).kinds == KINDS
