"""The set on disk: resumed, never overwritten, taken by the judge, withdrawn by donor; and every refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from stations import HEIGHT, WIDTH, pit, surface, write_station

from handful.cli import app
from handful.core.artifacts import DatasetManifest, PhotoAudit, SampleManifest, read_sample_rows
from handful.core.errors import UserError
from handful.core.images import pixels_sha256, png_bytes, read_png
from handful.core.labels import LabelledPhoto, LabelSheet, Region
from handful.dataset.build import build_dataset
from handful.dataset.settings import DatasetSettings
from handful.defects.make import MadeSet, make_defects
from handful.defects.settings import PlacementSettings, placement_settings
from handful.defects.sources import sources_of_dataset, sources_of_photos
from handful.photos.audit import audit_photos
from handful.samples.withdraw import find_samples_of
from handful.scores.image_sets import read_photos, read_samples


def make(folder: Path, work: Path, count: int = 4, **values: Any) -> MadeSet:
    sources = sources_of_photos(write_station(folder))
    return make_defects(sources, work, placement_settings(values), count)


def test_a_set_has_images_masks_rows_and_marks(tmp_path: Path) -> None:
    made = make(tmp_path / "photos", tmp_path / "work")
    manifest, rows = SampleManifest.read(made.folder), read_sample_rows(made.folder)
    assert made.folder == tmp_path / "work/4_samples" / manifest.run_id
    assert (manifest.kinds, manifest.count, manifest.anchor) == (("pit",), 4, False)
    assert set(manifest.training_pixels) == {
        pixels_sha256(read_png(path)) for path in (tmp_path / "photos").glob("*.png")
    }  # good photos and donors alike
    goods = {pixels_sha256(surface(number)) for number in range(4)}
    for seed, row in rows.items():
        assert (row.label, row.mask, row.source in goods) == ("pit", f"masks/{seed:06d}.png", True)
        assert pixels_sha256(read_png(made.folder / row.file)) == row.pixels_sha256
        (placed,) = row.placements
        mask = read_png(made.folder / str(row.mask))
        assert mask.shape == (HEIGHT, WIDTH) and set(np.unique(mask)) == {0, 1}
        rows_of, columns = np.nonzero(mask)
        assert (placed.x, placed.y) == (columns.min(), rows_of.min())
        assert placed.photo.startswith("pit_") and placed.defect.startswith("pit-")
        with Image.open(made.folder / row.file) as image:
            assert "digitalsourcetype/compositeCapture" in str(image.info)
            assert "parts of photos put into a photo by defect_library" in image.info["Description"]


def test_a_set_goes_on_after_an_interruption_and_only_grows(tmp_path: Path) -> None:
    whole = make(tmp_path / "photos", tmp_path / "whole", 5)
    work = tmp_path / "work"
    first = make(tmp_path / "photos", work, 3)
    (first.folder / "samples.json").unlink()
    (first.folder / "masks/000001.png").unlink()
    kept = (first.folder / "000000.png").stat().st_mtime_ns
    again = make(tmp_path / "photos", work, 5)
    assert again.folder == first.folder
    assert (first.folder / "000000.png").stat().st_mtime_ns == kept
    for name in ("000001.png", "masks/000001.png", "000004.png", "masks/000004.png", "samples.jsonl"):
        assert (again.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    assert make(tmp_path / "photos", work, 2).manifest.count == 5


def test_other_settings_go_into_another_folder_and_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    first = make(tmp_path / "photos", tmp_path / "work", 1)
    other = make(tmp_path / "photos", tmp_path / "work", 1, blend="feather")
    assert first.folder != other.folder
    assert other.manifest.controls == {"blend": "feather"}
    sources = sources_of_photos(write_station(tmp_path / "photos"))
    with pytest.raises(UserError) as caught:
        make_defects(sources, tmp_path / "work", PlacementSettings(least=2, most=2), 1, out=first.folder)
    assert "holds samples of defect_library-" in caught.value.what
    (first.folder / "mine.txt").write_text("mine")
    with pytest.raises(UserError) as caught:
        make(tmp_path / "photos", tmp_path / "work", 2)
    assert "for example mine.txt" in caught.value.what
    assert (first.folder / "mine.txt").read_text() == "mine"


def test_withdrawing_finds_the_samples_of_a_donor_and_of_a_good_photo_by_name(tmp_path: Path) -> None:
    made = make(tmp_path / "photos", tmp_path / "work", 8)
    rows = read_sample_rows(made.folder).values()
    for photo in ("pit_1.png", "good_2.png"):
        (found,) = find_samples_of(photo, tmp_path / "work")
        pixels = pixels_sha256(read_png(tmp_path / "photos" / photo))
        assert set(found.files) == {
            row.file for row in rows if pixels in (row.source, row.placements[0].photo_pixels_sha256)
        }
        assert 0 < len(found.files) < 8
    with pytest.raises(UserError) as caught:
        find_samples_of("pit_9.png", tmp_path / "work")
    assert "Did you mean 'pit_" in caught.value.do


def labelled_dataset(tmp_path: Path) -> tuple[PhotoAudit, Path]:
    sheet = write_station(tmp_path / "photos", goods=6)
    audit = audit_photos(tmp_path / "photos", layout="masks")
    settings = DatasetSettings(canvas="160", heldout=0.34, group_by=r"_(\d)")
    build_dataset(audit, tmp_path / "work/2_dataset", settings, labels=sheet)
    return audit, tmp_path / "work/2_dataset"


def test_of_a_data_set_no_held_out_image_enters_and_the_judge_takes_the_set(tmp_path: Path) -> None:
    _, dataset = labelled_dataset(tmp_path)
    sources = sources_of_dataset(dataset)
    made = make_defects(sources, tmp_path / "work", PlacementSettings(single=True), 3)
    known = read_photos(dataset, 0, "heldout")
    assert known.heldout.hashes
    assert not set(made.manifest.training_pixels) & set(known.heldout.hashes)
    assert set(made.manifest.training_pixels) <= set(known.training.hashes)
    samples = read_samples(made.folder, known)  # masks beside the images are no foreign files
    assert len(samples.images) == 3
    assert set(samples.sources) <= set(known.training.hashes)


def test_photos_of_a_test_split_and_photos_not_listed_never_enter(tmp_path: Path) -> None:
    sheet = write_station(tmp_path / "photos")
    tested = sheet.model_copy(
        update={
            "photos": tuple(
                photo.model_copy(update={"split": "test"}) if photo.name in ("good_0.png", "pit_0.png") else photo
                for photo in sheet.photos
            )
        }
    )
    sources = sources_of_photos(tested)
    assert {photo.name for photo in sources.photos} == {f"good_{n}.png" for n in (1, 2, 3)} | {"pit_1.png", "pit_2.png"}
    assert sources.left_out == ("2 photo(s) of the test split do not enter.",)
    pixels = pixels_sha256(read_png(tmp_path / "photos/pit_1.png"))
    sources = sources_of_photos(tested, only=["good_1.png", pixels[:12]])
    assert [photo.name for photo in sources.photos] == ["good_1.png", "pit_1.png"]
    with pytest.raises(UserError) as caught:
        sources_of_photos(tested, only=["good_0.png"])  # of the test split
    assert "good_0.png" in caught.value.what


def test_the_command_takes_photos_a_data_set_and_drawn_defects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, dataset = labelled_dataset(tmp_path)
    photos, work = tmp_path / "photos", tmp_path / "new"
    told = ["--layout", "masks", "--count", "2", "--json"]
    assert app.main(["defects", str(photos), "--out", str(work), *told]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["count"], document["kinds"], document["source_type"]) == (2, ["defect"], "compositeCapture")
    assert (Path(document["library"]) / "library.json").is_file()
    assert LabelSheet.read(work / "1_photos").counts() == {"good": 6, "defect": 3}
    assert app.main(["defects", str(photos), "--out", str(tmp_path / "work"), "--single", *told]) == 0
    document = json.loads(capsys.readouterr().out)
    held_out = {image.photo for image in DatasetManifest.read(dataset).heldout(0)}
    pixels = {pixels_sha256(read_png(photos / name)) for name in held_out}  # the data set's photos, given as photos
    assert held_out and not pixels & set(SampleManifest.read(Path(document["samples"])).training_pixels)
    (tmp_path / "spots.png").write_bytes(png_bytes((255 * pit(60, 80, 30)).astype(np.uint8), 8))
    drawn = ["--procedural", "scratch,spot", "--spots", str(tmp_path / "spots.png")]
    code = app.main(["defects", str(dataset), "--out", str(tmp_path / "work"), *drawn, "--count", "2", "--json"])
    assert code == 0, capsys.readouterr().err
    document = json.loads(capsys.readouterr().out)
    assert (document["kinds"], document["source_type"]) == (["scratch", "spot"], "compositeSynthetic")
    for row in read_sample_rows(Path(document["samples"])).values():
        mask = read_png(Path(document["samples"]) / str(row.mask)) > 0
        assert mask.any() and not (mask & ~pit(60, 80, 30)).any()  # wholly within the spot


def refusal(tmp_path: Path, sheet: LabelSheet, **values: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        make_defects(sources_of_photos(sheet), tmp_path / "work", placement_settings(values), 2)
    assert not list((tmp_path / "work").rglob("*.png")) or "Seed" in caught.value.what
    return caught.value


def test_a_library_without_a_defect_or_of_one_is_refused(tmp_path: Path) -> None:
    sheet = write_station(tmp_path / "photos")
    bare = tuple(photo.model_copy(update={"regions": ()}) for photo in sheet.photos)
    error = refusal(tmp_path, sheet.model_copy(update={"photos": bare}))
    assert "No labelled defect" in error.what and "3 defective photo(s) without an outline" in error.what
    assert "At least 2 defects" in error.allowed and "--procedural" in error.do
    error = refusal(tmp_path, sheet.model_copy(update={"photos": sheet.photos[:5]}))
    assert "holds 1 defect of kind pit" in error.what and "at least 2" in error.allowed and "--single" in error.do
    one = sheet.model_copy(update={"photos": sheet.photos[3:]})
    assert "has 1 good photo, and --good-share is 0.5" in refusal(tmp_path, one, good_share=0.5).what
    goods = sheet.model_copy(update={"photos": sheet.photos[4:]})
    assert "0 good photos" in refusal(tmp_path, goods).what
    assert "Did you mean 'pit'?" in refusal(tmp_path, sheet, kinds=["pti"]).do


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    sheet = write_station(tmp_path / "photos")
    small = tmp_path / "photos/masks/small.png"
    small.write_bytes(png_bytes(np.full((60, 80), 255, np.uint8), 8))
    pits = [
        LabelledPhoto(name=f"pit_{n}.png", label="pit", regions=(Region(kind="pit", mask="masks/small.png"),))
        for n in range(3)
    ]
    error = refusal(tmp_path, sheet.model_copy(update={"photos": (*sheet.photos[:4], *pits)}))
    assert "80x60" in error.what and f"{WIDTH}x{HEIGHT}" in error.what
    error = refusal(tmp_path, sheet, spots=small)
    assert "80x60" in error.what
    small.write_bytes(png_bytes(np.zeros((HEIGHT, WIDTH), np.uint8), 8))
    assert "allows 0 pixels" in refusal(tmp_path, sheet, spots=small).what


def test_no_allowed_spot_large_enough_is_said_with_the_reasons(tmp_path: Path) -> None:
    sheet = write_station(tmp_path / "photos")
    spots = tmp_path / "spots.png"
    spots.write_bytes(png_bytes((255 * pit(52, 80, 3)).astype(np.uint8), 8))
    error = refusal(tmp_path, sheet, spots=spots)
    assert "Seed 0" in error.what and "0 of at least 1 defect(s) of kind pit" in error.what
    assert "no allowed spot is large enough" in error.what
    assert "--smallest" in error.do


def test_settings_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        placement_settings({"least": 3})
    assert "least is 3, and most is 1" in caught.value.what
    with pytest.raises(UserError) as caught:
        placement_settings({"blend": "poison"})
    assert "Did you mean 'poisson'?" in caught.value.do
    sources = sources_of_photos(write_station(tmp_path / "photos"))
    with pytest.raises(UserError) as caught:
        make_defects(sources, tmp_path / "work", placement_settings({"within_px": 9}), 1, drawn=["pit"])
    assert "--within-px was given together with --procedural" in caught.value.what
    with pytest.raises(UserError) as caught:
        make_defects(sources, tmp_path / "work", PlacementSettings(), 1, drawn=["pitt"])
    assert "Did you mean 'pit'?" in caught.value.do
    with pytest.raises(UserError) as caught:
        make_defects(sources, tmp_path / "work", PlacementSettings(), 0)
    assert "0 samples" in caught.value.what


def test_a_photo_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    sources = sources_of_photos(write_station(tmp_path / "photos"))
    (tmp_path / "photos/good_1.png").write_bytes(png_bytes(surface(77), 8))
    with pytest.raises(UserError) as caught:
        sources.read(sources.photos[1])
    assert "good_1.png has changed" in caught.value.what


def test_photos_of_two_sizes_are_refused(tmp_path: Path) -> None:
    sheet = write_station(tmp_path / "photos")
    (tmp_path / "photos/pit_0.png").write_bytes(png_bytes(surface(0)[:100], 8))
    with pytest.raises(UserError) as caught:
        sources_of_photos(sheet)
    assert "160x100" in caught.value.what and "160x120" in caught.value.what and "handful dataset" in caught.value.do


def test_near_a_place_where_such_a_defect_was_seen_means_that(tmp_path: Path) -> None:
    made = make(tmp_path / "photos", tmp_path / "work", 6, within_px=4, turn_deg=0, smallest=1, largest=1)
    middles = [(45, 50), (80, 54), (112, 52)]
    for row in read_sample_rows(made.folder).values():
        (placed,) = row.placements
        x, y = placed.x + (placed.width - 1) / 2, placed.y + (placed.height - 1) / 2
        assert any(abs(x - right) <= 4 and abs(y - down) <= 4 for right, down in middles)
