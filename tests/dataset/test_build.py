"""A data set: right pixels on one canvas, frozen, never overwritten, the photos untouched."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from handful.core.artifacts import DatasetManifest
from handful.core.config import parse_settings
from handful.core.decode import decode_photo
from handful.core.errors import UserError
from handful.core.images import pixels_sha256, png_bytes, read_png, read_unit_images
from handful.dataset.build import DatasetSettings, build_dataset
from handful.dataset.names import image_stems
from handful.photos.audit import audit_photos

Array = npt.NDArray[Any]


def noise(seed: int, *shape: int, top: int = 255) -> Array:
    """A picture that is like no other: noise in blocks of 4 px."""
    random = np.random.default_rng(seed)
    blocks = random.integers(0, top + 1, (shape[0] // 4, shape[1] // 4, *shape[2:])).repeat(4, 0).repeat(4, 1)
    return blocks.astype(np.uint8 if top < 256 else np.uint16)


def put(folder: Path, name: str, pixels: Array) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(folder / name)


def tree(folder: Path) -> dict[str, tuple[int, str]]:
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    photos = tmp_path / "photos"
    for index in range(8):
        put(photos, f"img{index}.png", noise(index, 48, 64))
    return photos


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "2_dataset"


def build(folder: Path, out: Path, bit_depth: int | None = None, **asked: Any) -> DatasetManifest:
    settings = parse_settings(DatasetSettings, asked, "handful dataset")
    return build_dataset(audit_photos(folder, bit_depth=bit_depth), out, settings)


def test_a_data_set_is_what_its_manifest_says_and_the_photos_stay_untouched(folder: Path, out: Path) -> None:
    put(folder, "copy of img3.png", noise(3, 48, 64))
    (folder / "broken.jpg").write_bytes(b"")
    before = tree(folder)
    manifest = build(folder, out, canvas="32")
    assert tree(folder) == before
    assert (str(manifest.canvas), manifest.channels, manifest.bit_depth, manifest.fit) == ("32x24", 1, 8, "keep")
    assert manifest.photo_folder == str(folder.resolve()) and str(manifest.photo_size) == "64x48"
    assert {entry.name: entry.reason for entry in manifest.left_out} == {
        "broken.jpg": "the file is empty (0 bytes)",
        "img3.png": "exact copy of copy of img3.png",
    }
    assert [image.photo for image in manifest.images] == [
        "copy of img3.png",
        *(f"img{i}.png" for i in (0, 1, 2, 4, 5, 6, 7)),
    ]
    assert manifest.images[0].file == "images/copy_of_img3.png"
    assert len(manifest.heldout(0)) == 2 and len(manifest.training(0)) == 6
    assert DatasetManifest.read(out) == manifest
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()) == sorted(
        ["dataset.json", *(image.file for image in manifest.images)]
    )
    for image in manifest.images:
        pixels = read_png(out / image.file)
        assert pixels.shape == (24, 32) and pixels_sha256(pixels) == image.pixels_sha256
    batch = read_unit_images(out, [image.file for image in manifest.images], manifest.bit_depth)
    assert batch.shape == (8, 1, 24, 32) and batch.min() >= -1 and batch.max() <= 1


@pytest.mark.parametrize("depth", [8, 10, 12, 16])
def test_at_its_own_size_a_photo_keeps_every_value_and_its_depth(tmp_path: Path, out: Path, depth: int) -> None:
    originals = [noise(seed, 16, 32, top=2**depth - 1) for seed in range(3)]
    (tmp_path / "photos").mkdir()
    for index, pixels in enumerate(originals):
        (tmp_path / "photos" / f"{index}.png").write_bytes(png_bytes(pixels, depth))
    manifest = build(tmp_path / "photos", out, canvas="32")
    assert manifest.bit_depth == depth
    for image, pixels in zip(manifest.images, originals, strict=True):
        stored = decode_photo(out / image.file)
        assert stored.bit_depth == depth and np.array_equal(stored.pixels, pixels)


def test_a_depth_that_the_user_states_reaches_the_data_set(tmp_path: Path, out: Path) -> None:
    for index in range(3):
        put(tmp_path / "photos", f"{index}.tif", noise(index, 16, 16, top=4095))
    manifest = build(tmp_path / "photos", out, bit_depth=12, canvas="16")
    assert manifest.bit_depth == 12
    assert np.array_equal(decode_photo(out / manifest.images[0].file).pixels, noise(0, 16, 16, top=4095))


def test_a_fine_checkerboard_becomes_grey(tmp_path: Path, out: Path) -> None:
    board = (np.indices((128, 128)).sum(axis=0) % 2 * 255).astype(np.uint8)
    put(tmp_path / "photos", "board.png", board)
    for kind in ("box", "bilinear", "bicubic", "lanczos"):
        manifest = build(tmp_path / "photos", out / kind, canvas="16", filter=kind, heldout=0)
        inner = read_png(out / kind / manifest.images[0].file)[2:-2, 2:-2].astype(int)
        assert np.abs(inner - 127.5).max() <= 2, kind


def test_crop_takes_the_centre_in_the_canvas_aspect(tmp_path: Path, out: Path) -> None:
    wide = np.zeros((32, 96), np.uint8)
    wide[:, 32:64] = 200  # the centre square
    put(tmp_path / "photos", "wide.png", wide)
    put(tmp_path / "photos", "tall.png", wide.T + np.uint8(10))
    manifest = build(tmp_path / "photos", out, canvas="16x16", fit="crop")
    assert manifest.fit == "crop" and str(manifest.canvas) == "16x16"
    images = {image.photo: read_png(out / image.file) for image in manifest.images}
    assert (images["wide.png"] == 200).all() and (images["tall.png"] == 210).all()


def test_a_canvas_of_two_numbers_means_crop_and_one_number_keeps_the_aspect(folder: Path, out: Path) -> None:
    assert build(folder, out / "a", canvas="16x24").fit == "crop"
    assert build(folder, out / "b", canvas=20).canvas == build(folder, out / "b", canvas="20").canvas
    kept = build(folder, out / "b", canvas="20")
    assert (kept.fit, str(kept.canvas)) == ("keep", "20x15")
    assert str(build(folder, out / "c", canvas="16", fit="crop").canvas) == "16x16"


def test_tiles_cover_the_whole_photo_at_full_resolution_and_share_its_fold(folder: Path, out: Path) -> None:
    manifest = build(folder, out, canvas="24x20", fit="tile", folds=3)
    assert len(manifest.images) == 8 * 9  # 64 = 24 + 20 + 20 wide, 48 in three rows
    for index in range(8):
        tiles = [image for image in manifest.images if image.photo == f"img{index}.png"]
        assert len({(image.group, image.fold) for image in tiles}) == 1
        assert [Path(image.file).name for image in tiles[:4]] == [
            f"img{index}-r0c0.png", f"img{index}-r0c1.png", f"img{index}-r0c2.png", f"img{index}-r1c0.png",
        ]  # fmt: skip
        photo = noise(index, 48, 64)
        seen = np.zeros(photo.shape, bool)
        for place, image in enumerate(tiles):
            top, left = (0, 14, 28)[place // 3], (0, 20, 40)[place % 3]
            seen[top : top + 20, left : left + 24] = True
            assert np.array_equal(read_png(out / image.file), photo[top : top + 20, left : left + 24])
        assert seen.all()


def test_colour_is_kept_turned_grey_or_made_of_grey_as_asked(tmp_path: Path, out: Path) -> None:
    photos = tmp_path / "photos"
    for index in range(3):
        put(photos, f"{index}.png", noise(index, 16, 16, 3))
    rgb = build(photos, out / "auto", canvas="16")
    assert rgb.channels == 3 and np.array_equal(read_png(out / "auto" / rgb.images[0].file), noise(0, 16, 16, 3))
    grey = build(photos, out / "grey", canvas="16", channels="grey")
    luma = noise(0, 16, 16, 3) @ [0.299, 0.587, 0.114]
    assert grey.channels == 1
    assert np.abs(read_png(out / "grey" / grey.images[0].file) - luma).max() <= 0.51
    put(photos, "3.png", noise(3, 16, 16))
    mixed = build(photos, out / "rgb", canvas="16", channels="rgb")
    assert np.array_equal(read_png(out / "rgb" / mixed.images[3].file), np.dstack([noise(3, 16, 16)] * 3))


def test_exact_copies_stay_in_where_asked_and_never_straddle(folder: Path, out: Path) -> None:
    for index in range(3):
        put(folder, f"copy{index}.png", noise(index, 48, 64))
    manifest = build(folder, out, canvas="16", keep_duplicates=True, folds=4)
    assert len(manifest.images) == 11 and manifest.left_out == ()
    fold = {image.photo: image.fold for image in manifest.images}
    assert all(fold[f"copy{index}.png"] == fold[f"img{index}.png"] for index in range(3))


def test_photos_that_coincide_on_the_canvas_are_on_one_side(tmp_path: Path, out: Path) -> None:
    """Two photos that differ in full and not at all when small."""
    folder = tmp_path / "photos"
    for index in range(6):
        put(folder, f"part{index}.png", noise(index, 64, 64))
    twin = noise(0, 64, 64)
    twin[0, 0] ^= 1
    put(folder, "part6.png", twin)
    for seed in range(6):
        manifest = build(folder, out / str(seed), canvas="8", group_by=r"(\d)", seed=seed)
        kept = {image.pixels_sha256 for image in manifest.training(0)}
        assert not kept & {image.pixels_sha256 for image in manifest.heldout(0)}
        assert manifest.images[0].pixels_sha256 == manifest.images[6].pixels_sha256
        assert "2 of 7 groups" in manifest.warnings[0]


def test_the_fingerprint_is_stable_and_follows_everything_that_matters(folder: Path, tmp_path: Path) -> None:
    def print_of(name: str, photos: Path = folder, **asked: Any) -> str:
        return build(photos, tmp_path / name, **({"canvas": "16"} | asked)).fingerprint

    first = print_of("a")
    moved = tmp_path / "elsewhere"
    folder.rename(moved)
    assert print_of("b", moved) == first and print_of("c", moved, split="groups") == first
    # at its own size the filter changes no pixel, and still is part of what the data set is
    assert print_of("own size", moved, canvas="64") != print_of("own size, box", moved, canvas="64", filter="box")
    changes: dict[str, dict[str, Any]] = {
        "canvas": {"canvas": "20"},
        "fit": {"fit": "crop", "canvas": "16x12"},  # the same canvas and the same pixels as keep
        "filter": {"filter": "box"},
        "channels": {"channels": "rgb"},
        "heldout": {"heldout": 0.5},
        "none": {"heldout": 0},
        "folds": {"folds": 2},
        "split": {"split": "blocks"},
        "group_by": {"group_by": r"\d"},
        "seed": {"seed": 1},
    }
    prints = {name: print_of(name, moved, **asked) for name, asked in changes.items()}
    changed = noise(0, 48, 64)
    changed[:4, :4] ^= 255
    put(moved, "img0.png", changed)
    prints["pixels"] = print_of("pixels", moved)
    assert len({first, *prints.values()}) == len(prints) + 1


def test_the_same_data_set_is_kept_and_a_lost_image_is_made_again(folder: Path, out: Path) -> None:
    manifest = build(folder, out, canvas="16")
    before = tree(out)
    assert build(folder, out, canvas="16") == manifest
    assert tree(out) == before  # not even rewritten
    lost = out / manifest.images[3].file
    lost.unlink()
    assert build(folder, out, canvas="16") == manifest
    assert {name: content for name, (_, content) in tree(out).items()} == {
        name: content for name, (_, content) in before.items()
    }


@pytest.mark.parametrize("change", ["another picture", "cut short", "no image"])
def test_a_changed_image_is_made_again_and_the_others_stay(folder: Path, out: Path, change: str) -> None:
    manifest = build(folder, out, canvas="16")
    before = tree(out)
    image = out / manifest.images[3].file
    if change == "another picture":
        put(out, manifest.images[3].file, noise(77, 12, 16))
    else:
        image.write_bytes(image.read_bytes()[:60] if change == "cut short" else b"words")
    assert build(folder, out, canvas="16") == manifest
    after = tree(out)
    assert pixels_sha256(read_png(image)) == manifest.images[3].pixels_sha256
    del before[manifest.images[3].file], after[manifest.images[3].file]
    assert after == before


def test_another_data_set_is_refused_and_nothing_is_overwritten(folder: Path, out: Path) -> None:
    build(folder, out, canvas="16")
    before = tree(out)
    with pytest.raises(UserError) as caught:
        build(folder, out, canvas="20")
    assert "Another data set lies in" in caught.value.what and "8 images of 16x12" in caught.value.what
    assert "never overwritten" in caught.value.allowed and "8 images of 20x15" in caught.value.allowed
    assert "--out" in caught.value.do and "move" in caught.value.do
    assert tree(out) == before


def test_an_interrupted_build_is_simply_done_again(folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (out / ".building-killed" / "images").mkdir(parents=True)  # as a killed process leaves it
    (out / ".building-killed" / "images" / "img0.png").write_bytes(b"half")

    def fail(manifest: DatasetManifest, folder: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(DatasetManifest, "write", fail)  # the moment between the images and dataset.json
        with pytest.raises(KeyboardInterrupt):
            build(folder, out, canvas="16")
    assert not (out / "dataset.json").exists()
    manifest = build(folder, out, canvas="16")
    assert sorted(path.name for path in out.iterdir()) == ["dataset.json", "images"]
    assert all(pixels_sha256(read_png(out / image.file)) == image.pixels_sha256 for image in manifest.images)


def test_images_of_others_in_the_output_folder_are_never_overwritten(folder: Path, out: Path) -> None:
    put(out / "images", "img0.png", noise(99, 16, 16))
    before = tree(out)
    with pytest.raises(UserError, match=r"images holds 1 file\(s\) that are not of this.*\n.*nothing.*overwritten"):
        build(folder, out, canvas="16")
    assert tree(out) == before


@pytest.mark.parametrize("place", [".", "deep/down"])
def test_the_photo_folder_is_never_written_to(folder: Path, place: str) -> None:
    before = tree(folder)
    with pytest.raises(UserError, match=r"lies in the photo folder.*\nNothing is ever written"):
        build(folder, folder / place, canvas="16")
    assert tree(folder) == before and not (folder / "deep").exists()


def test_an_output_path_that_is_a_file_is_refused(folder: Path, out: Path) -> None:
    out.write_text("a file")
    with pytest.raises(UserError, match=r"2_dataset cannot be written: File exists\.\n.*\n.*--out"):
        build(folder, out, canvas="16")


@pytest.mark.parametrize("change", ["another picture", "damaged", "gone"])
def test_a_photo_that_changed_since_the_audit_is_refused(folder: Path, out: Path, change: str) -> None:
    audit = audit_photos(folder)
    if change == "another picture":
        put(folder, "img5.png", noise(55, 48, 64))
    elif change == "damaged":
        (folder / "img5.png").write_bytes(b"")
    else:
        (folder / "img5.png").unlink()
    with pytest.raises(UserError, match=r"img5\.png has changed since.*\n.*photos\.json.*\nRun `handful dataset`"):
        build_dataset(audit, out, DatasetSettings(canvas="16"))
    assert not out.exists()


def test_a_check_that_refuses_freezes_nothing(folder: Path, out: Path) -> None:
    seen: list[DatasetManifest] = []

    def refuse(manifest: DatasetManifest) -> None:
        assert not (out / "images").exists() and not (out / "dataset.json").exists()
        seen.append(manifest)
        raise UserError("Too few.", "More.", "Add some.")

    audit = audit_photos(folder)
    with pytest.raises(UserError, match=r"Too few\."):
        build_dataset(audit, out, DatasetSettings(canvas="16"), refuse)
    assert not out.exists()
    out.mkdir()  # a folder that was there stays
    with pytest.raises(UserError, match=r"Too few\."):
        build_dataset(audit, out, DatasetSettings(canvas="16"), refuse)
    assert list(out.iterdir()) == []
    passed: list[DatasetManifest] = []
    manifest = build_dataset(audit, out, DatasetSettings(canvas="16"), passed.append)
    assert passed == [manifest] and seen == [manifest] * 2


def test_mixtures_are_refused_with_counts(folder: Path, out: Path) -> None:
    put(folder, "small.png", noise(20, 24, 32))
    every_fit: list[dict[str, Any]] = [{"canvas": "16"}, {"canvas": "16x16"}, {"canvas": "16", "fit": "tile"}]
    for asked in every_fit:
        with pytest.raises(UserError, match=r"2 sizes: 64x48 \(8 photos\), 32x24 \(1 photo\)\.\n.*\n.*--fit crop"):
            build(folder, out, **asked)
    (folder / "small.png").unlink()
    put(folder, "rgb.png", noise(21, 48, 64, 3))
    with pytest.raises(UserError, match=r"8 of the photos are grey and 1 are in colour\.\n.*\n.*--channels grey"):
        build(folder, out)
    (folder / "rgb.png").write_bytes(png_bytes(noise(22, 48, 64, top=4095), 12))
    with pytest.raises(UserError, match=r"2 bit depths: 8 bit \(8 of 9 photos\), 12 bit \(1 of 9 photos\)\."):
        build(folder, out)
    with pytest.raises(UserError, match=r"rgb\.png is grey with 12 bits\.\n.*8 bits a channel\.\n.*--channels grey"):
        build(folder, out, channels="rgb")
    assert not out.exists()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"canvas": "abc"}, ["The canvas is 'abc'.", "(128) or WIDTHxHEIGHT (160x120)", "--canvas 128"]),
        ({"canvas": "12x"}, ["'12x'"]),
        ({"canvas": "-5"}, ["'-5'"]),
        ({"canvas": "7"}, ["7x5 px", "at least 8 px", "For photos of 64x48 give --canvas 11 or more"]),
        ({"canvas": "100x7"}, ["100x7 px", "at least 8 px"]),
        ({"canvas": "257"}, ["257x193 px is 4.0 times", "4 times at most", "smaller --canvas"]),
        ({"canvas": "16x200"}, ["16x200 px is 4.2 times as large as a photo of 64x48"]),
        ({"canvas": "16x12", "fit": "keep"}, ["16x12 with fit keep", "one number", "--canvas 16, or --fit crop"]),
        ({"canvas": "65x10", "fit": "tile"}, ["tiles are 65x10 px, and the photos 64x48", "--canvas 48 or less"]),
        ({"heldout": 0.95}, ["heldout is 0.95", "less than or equal to 0.9", "0.25"]),
        ({"folds": 21}, ["folds is 21", "20"]),
        ({"folds": 9}, ["The 8 photos form 8 group(s)", "9 folds need at least 9", "--folds 8"]),
        ({"filter": "nearest"}, ["filter is 'nearest'", "lanczos"]),
        ({"group_by": "("}, ["--group-by '(' is no regular expression", r"'part(\d+)'"]),
        ({"croping": True}, ["no setting 'croping'"]),
    ],
)
def test_bad_settings_are_refused_in_three_lines(
    folder: Path, out: Path, asked: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(UserError) as caught:
        build(folder, out, **asked)
    for word in words:
        assert word in str(caught.value)
    assert not out.exists()


def test_a_canvas_at_the_limits_is_built_and_enlarging_is_told(folder: Path, out: Path) -> None:
    assert build(folder, out / "least", canvas="11").warnings == ()
    most = build(folder, out / "most", canvas="256")
    assert str(most.canvas) == "256x192"
    assert most.warnings == (
        "The canvas of 256x192 px is larger than 8 of 8 photos (such as img0.png, 64x48), which are enlarged.",
    )


def test_one_photo_is_refused_unless_nothing_is_held_out(tmp_path: Path, out: Path) -> None:
    put(tmp_path / "photos", "only.png", noise(0, 16, 16))
    with pytest.raises(UserError, match=r"There is 1 photo.*\n.*at least 2.*\n.*--heldout 0"):
        build(tmp_path / "photos", out, canvas="16")
    manifest = build(tmp_path / "photos", out, canvas="16", heldout=0)
    assert len(manifest.training(0)) == 1 and manifest.heldout(0) == ()


def test_file_names_are_safe_and_unique_on_every_file_system() -> None:
    photos = [
        "Bild 1 (Kopie).JPG", "Bild_1_Kopie.png", "a/img.png", "a_img.png", "A_IMG.bmp", "Größe.tif", "CON.png",
        "...png", "a b.png", "a-b.png", "x" * 200 + ".png", "illegal:*?.png", "v1.2.png",
    ]  # fmt: skip
    stems = image_stems(photos)
    assert stems == [
        "Bild_1_Kopie", "Bild_1_Kopie-2", "a_img", "a_img-2", "A_IMG-3", "Gro_e", "photo_CON",
        "photo", "a_b", "a-b", "x" * 100, "illegal", "v1.2",
    ]  # fmt: skip


def test_a_real_set_becomes_a_data_set(shared_data: Path, out: Path) -> None:
    folder = shared_data / "glue_bead_hdd_cover" / "NG"
    manifest = build(folder, out, canvas="32", fit="crop", heldout=0.4)
    assert len(manifest.images) == 5 and len(manifest.heldout(0)) == 2 and manifest.channels == 3
    assert str(manifest.photo_size) == "992x992"
