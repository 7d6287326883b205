"""The audit finds what is in a folder, and touches nothing."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from handful.core.artifacts import PhotoAudit
from handful.core.errors import UserError
from handful.core.images import png_bytes
from handful.core.provenance import generated_texts
from handful.photos.audit import audit_photos, audit_rows

Array = npt.NDArray[Any]


def scene(seed: int, height: int = 48, width: int = 64) -> Array:
    """Smooth random structure with grey levels 20 to 235: no two seeds are alike."""
    coarse = np.random.default_rng(seed).uniform(20, 235, (height // 8, width // 8)).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR)).astype(np.uint8)


def put(folder: Path, name: str, pixels: Array, **options: Any) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(folder / name, **options)


def tree_hash(folder: Path) -> str:
    """Over every name, content, size and time of change below a folder."""
    entries = [
        (path.relative_to(folder).as_posix(), path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    ]
    return hashlib.sha256(repr(entries).encode()).hexdigest()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def test_the_audit_of_a_mixed_folder_says_everything_and_leaves_it_untouched(photos: Path, tmp_path: Path) -> None:
    for index in range(5):
        put(photos, f"img{index}.png", scene(index))
    put(photos, "Ünter/Bild 1 (Kopie).PNG", scene(1))
    put(photos, "img20.png", np.dstack([scene(20), scene(21), scene(22)]))
    put(photos, "img21.bmp", scene(23, 24, 32))
    (photos / "img22.png").write_bytes(png_bytes(scene(24).astype(np.uint16) * 16, 12))
    (photos / "img23.png").write_text("not a picture")
    (photos / "empty.jpg").touch()
    (photos / "notes.txt").write_text("ignored")
    before = tree_hash(photos)
    audit = audit_photos(photos, tmp_path / "work" / "1_photos")
    assert tree_hash(photos) == before
    assert [photo.name for photo in audit.photos] == [
        *(f"img{index}.png" for index in range(5)), "img20.png", "img21.bmp", "img22.png", "Ünter/Bild 1 (Kopie).PNG",
    ]  # fmt: skip
    by_name = {photo.name: photo for photo in audit.photos}
    assert by_name["img20.png"].channels == 3 and by_name["img0.png"].channels == 1
    assert str(by_name["img21.bmp"].size) == "32x24"
    assert by_name["img22.png"].bit_depth == 12
    assert by_name["Ünter/Bild 1 (Kopie).PNG"].duplicate_of == "img1.png"
    assert by_name["Ünter/Bild 1 (Kopie).PNG"].group == by_name["img1.png"].group
    assert len({photo.group for photo in audit.photos}) == 8
    assert {entry.name: entry.reason for entry in audit.unreadable} == {
        "empty.jpg": "the file is empty (0 bytes)",
        "img23.png": "it is not a PNG, JPEG, BMP or TIFF image, whatever its name says",
    }
    for words in (
        "2 of 11 files cannot be read: empty.jpg, img23.png.",
        "2 sizes: 64x48 (8 photos), 32x24 (1 photo);",
        "mixed: grey (8 photos), colour (1 photo);",
        "2 bit depths: 8 bit (8 photos), 12 bit (1 photo);",
        "1 of 9 photos are exact copies of others: Ünter/Bild 1 (Kopie).PNG = img1.png.",
    ):
        assert sum(words in warning for warning in audit.warnings) == 1, (words, audit.warnings)
    assert len(audit.warnings) == 5
    assert PhotoAudit.read(tmp_path / "work" / "1_photos") == audit
    rows = audit_rows(audit)
    assert len(rows) == 10 and {len(row) for row in rows} == {11} and rows[0][0] == "photo"
    assert rows[8][:4] == ("img22.png", "64x48", "grey", "12")
    assert rows[9][-1] == "Copy of img1.png."


def test_a_clean_set_has_no_findings_and_one_photo_is_enough(photos: Path) -> None:
    put(photos, "one.png", scene(0))
    assert audit_photos(photos).warnings == ()
    for index in range(6):
        put(photos, f"{index}.png", scene(index + 1))
    assert audit_photos(photos).warnings == ()


def test_generated_images_among_photos_are_pointed_out(photos: Path) -> None:
    put(photos, "photo.png", scene(0))
    (photos / "drawn.png").write_bytes(png_bytes(scene(1), 8, generated_texts("dcgan", "dcgan-s0", 7)))
    (finding,) = audit_photos(photos).warnings
    assert finding.startswith("1 of 2 photos say of themselves that they were generated: drawn.png;")


def test_brightness_and_clipped_shares_are_exact(photos: Path) -> None:
    pixels = np.full((10, 10), 51, np.uint8)  # 0.2 of the range
    pixels[:3] = 0
    pixels[3, 0] = 1
    pixels[9, :7] = 255
    pixels[8, :] = 254  # bright, but not clipped
    put(photos, "a.png", pixels)
    photo = audit_photos(photos).photos[0]
    assert photo.dark_share == pytest.approx(0.31) and photo.bright_share == pytest.approx(0.07)
    assert photo.mean == pytest.approx(pixels.mean() / 255, abs=1e-6)


def test_shares_mean_the_same_at_12_bit_and_colour_is_clipped_when_one_channel_is(photos: Path) -> None:
    deep = np.full((10, 10), 2000, np.uint16)
    deep[0], deep[1] = 4095, 16
    (photos / "deep.png").write_bytes(png_bytes(deep, 12))
    colour = np.zeros((10, 10, 3), np.uint8)
    colour[0] = [255, 10, 10]
    put(photos, "rgb.png", colour)
    first, second = audit_photos(photos).photos
    assert [first.dark_share, first.bright_share] == pytest.approx([0.1, 0.1])
    assert [second.dark_share, second.bright_share] == pytest.approx([0.9, 0.1])


def test_exposure_is_reported_when_many_photos_have_it(photos: Path) -> None:
    for index in range(6):
        dark = scene(index)
        dark[:30] = 0
        bright = scene(index + 10)
        bright[:5] = 255
        put(photos, f"dark{index}.png", dark if index < 3 else scene(index))
        put(photos, f"lit{index}.png", bright if index < 2 else scene(index + 10))
    warnings = audit_photos(photos).warnings
    assert len(warnings) == 1  # 3 of 12 is a quarter; 2 of 12 is less
    assert "3 of 12 photos are underexposed (more than 50% of their pixels are dark): dark0.png" in warnings[0]


def test_a_blurred_photo_stands_out_and_sharpness_falls_with_blur(photos: Path) -> None:
    random = np.random.default_rng(0)
    for index in range(5):
        texture = random.integers(40, 216, (60, 80), dtype=np.uint8)
        put(photos, f"{index}.png", texture)
    soft = Image.fromarray(random.integers(40, 216, (15, 20), dtype=np.uint8)).resize((80, 60))
    put(photos, "soft.png", np.asarray(soft))
    audit = audit_photos(photos)
    assert audit.photos[-1].sharpness < 0.5 * audit.photos[0].sharpness
    assert any("1 of 6 photos look blurred" in warning and "soft.png" in warning for warning in audit.warnings)


def test_sharpness_of_a_known_pattern() -> None:
    from handful.photos.measure import sharpness

    board = (np.indices((32, 32)).sum(axis=0) % 2 * 2 - 1).astype(np.float32)[None] / 2
    # every neighbour is the negative of the centre: the Laplacian is -8 times the value, 63.75 levels
    assert sharpness(board) == pytest.approx(8 * 63.75, rel=1e-3)
    assert sharpness(np.zeros((1, 32, 32), np.float32)) == 0
    assert sharpness(np.zeros((1, 2, 900), np.float32)) == 0


@pytest.mark.parametrize(("largest", "depth"), [(1023, 10), (4095, 12)])
def test_16_bit_files_of_a_lesser_camera_are_pointed_out_once(photos: Path, largest: int, depth: int) -> None:
    for index in range(3):
        pixels = scene(index).astype(np.uint16)  # alone, the darker ones would suggest 10 bits
        pixels[0, 0] = largest if index == 0 else 900
        put(photos, f"{index}.png", pixels)
    audit = audit_photos(photos)
    hints = [warning for warning in audit.warnings if "--bit-depth" in warning]
    assert len(hints) == 1 and f"No value is above {largest}" in hints[0] and f"--bit-depth {depth}" in hints[0]
    stated = audit_photos(photos, bit_depth=depth)
    assert not any("--bit-depth" in warning for warning in stated.warnings)
    assert {photo.bit_depth for photo in stated.photos} == {depth} and stated.stated_bit_depth == depth


def test_one_true_16_bit_photo_silences_the_hint(photos: Path) -> None:
    put(photos, "a.png", scene(0).astype(np.uint16))
    put(photos, "b.png", scene(1).astype(np.uint16) * 200)
    assert not any("--bit-depth" in warning for warning in audit_photos(photos).warnings)


def test_the_fingerprint_follows_content_names_and_depth(photos: Path) -> None:
    put(photos, "a.png", scene(0).astype(np.uint16))
    put(photos, "b.png", scene(1).astype(np.uint16))
    first = audit_photos(photos).fingerprint
    assert audit_photos(photos).fingerprint == first
    seen = {first, audit_photos(photos, bit_depth=12).fingerprint}
    (photos / "b.png").rename(photos / "c.png")
    seen.add(audit_photos(photos).fingerprint)
    put(photos, "c.png", scene(2).astype(np.uint16))
    seen.add(audit_photos(photos).fingerprint)
    assert len(seen) == 4


def test_an_empty_folder_and_one_of_other_files_are_refused(photos: Path) -> None:
    with pytest.raises(UserError, match=r"photos is empty\.\n.*\.png, \.jpg.*\n.*Give the folder"):
        audit_photos(photos)
    (photos / "a.webp").touch()
    (photos / "b.WEBP").touch()
    (photos / "README").touch()
    with pytest.raises(UserError, match=r"holds no photos \(2 x \.webp, 1 x no extension\)\.\n.*\.png"):
        audit_photos(photos)


def test_a_folder_without_a_readable_photo_is_refused_with_the_reasons(photos: Path) -> None:
    for index in range(7):
        (photos / f"{index}.png").write_text("text")
    (photos / "0.png").write_bytes(b"")
    with pytest.raises(UserError) as caught:
        audit_photos(photos)
    assert "None of the 7 photo file(s)" in caught.value.what
    assert "0.png: the file is empty (0 bytes); 1.png: it is not a PNG" in caught.value.what
    assert "and 2 more" in caught.value.what
    assert "At least one" in caught.value.allowed


def test_wrong_folders_depths_and_outputs_are_refused(photos: Path) -> None:
    put(photos, "a.png", scene(0))
    with pytest.raises(UserError, match="There is no folder"):
        audit_photos(photos / "gone")
    with pytest.raises(UserError, match="is a file, not a folder"):
        audit_photos(photos / "a.png")
    with pytest.raises(UserError, match="bit depth is 99"):
        audit_photos(photos, bit_depth=99)
    before = tree_hash(photos)
    for out in (photos, photos / "out"):
        with pytest.raises(UserError, match="lies in the photo folder"):
            audit_photos(photos, out)
    link = photos.parent / "link"
    link.symlink_to(photos)
    with pytest.raises(UserError, match="lies in the photo folder"):
        audit_photos(photos, link / "out")
    assert tree_hash(photos) == before


@pytest.mark.skipif(os.name == "nt", reason="file names are Unicode there")
def test_a_name_that_is_no_unicode_is_listed_as_unreadable(photos: Path) -> None:
    put(photos, "a.png", scene(0))
    try:
        (photos / "a.png").with_name(os.fsdecode(b"b\xff.png")).write_bytes((photos / "a.png").read_bytes())
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    audit = audit_photos(photos)
    assert [photo.name for photo in audit.photos] == ["a.png"]
    assert audit.unreadable[0].name == "b\ufffd.png" and "rename the file" in audit.unreadable[0].reason


def test_real_photos_of_two_sizes_are_all_read(shared_data: Path) -> None:
    folder = shared_data / "glue_bead_hdd_cover" / "NG" / "Poorplot"
    audit = audit_photos(folder)
    assert len(audit.photos) == 5 and audit.unreadable == ()
    assert any("2 sizes" in warning for warning in audit.warnings)
