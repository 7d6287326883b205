"""Near-duplicates: copies of a photo are linked, different photos are not."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handful.core.decode import decode_photo, list_photo_files
from handful.core.images import Floats, Integers, integers_to_unit, unit_to_grey
from handful.core.likeness import LINK_RESIDUAL, groups, residuals, thumbnail
from handful.photos.audit import audit_photos


def scene(seed: int, height: int = 256, width: int = 320) -> Integers:
    """Random structure of 16 px and its noise, grey levels 40 to 200."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(40, 200, (height // 16, width // 16)).astype(np.float32)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    pixels: Integers = np.clip(smooth, 40, 200).astype(np.uint8)
    return pixels


def small(pixels: Integers) -> Floats:
    return thumbnail(unit_to_grey(integers_to_unit(np.ascontiguousarray(pixels), 8)))


def jpeg(pixels: Integers, quality: int) -> Integers:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def copies(pixels: Integers) -> dict[str, tuple[Integers, Integers]]:
    """Pairs of pictures of the same thing."""
    levels = pixels.astype(float)
    noise = np.random.default_rng(9).normal(0, 4, pixels.shape)
    return {
        "saved again as JPEG 75": (pixels, jpeg(pixels, 75)),
        "20 % darker": (pixels, (levels * 0.8).astype(np.uint8)),
        "20 % brighter": (pixels, np.clip(levels * 1.2, 0, 255).astype(np.uint8)),
        "offset by 30": (pixels, np.clip(levels + 30, 0, 255).astype(np.uint8)),
        "shifted by 1 px": (pixels[:, 1:], pixels[:, :-1]),
        "shifted by 1 px both ways": (pixels[1:, :-1], pixels[:-1, 1:]),
        "taken again with noise": (pixels, np.clip(levels + noise, 0, 255).astype(np.uint8)),
    }


@pytest.mark.parametrize("kind", copies(scene(0)))
def test_copies_are_linked(kind: str) -> None:
    first, second = copies(scene(0))[kind]
    assert residuals([small(first), small(second)])[0, 1] < 0.8 * LINK_RESIDUAL


@pytest.mark.parametrize(("rows", "columns"), [(3, 0), (0, -3), (2, 1), (-3, 3)])
def test_shifts_of_whole_thumbnail_pixels_leave_nothing(rows: int, columns: int) -> None:
    wide = np.random.default_rng(1).uniform(0, 255, (60, 76)).astype(np.float32)
    first = wide[6:54, 6:70]
    second = wide[6 + rows : 54 + rows, 6 + columns : 70 + columns] * 0.7 + 12
    assert residuals([first, second])[0, 1] < 0.05
    beyond = wide[0:48, 6:70]  # six pixels away
    assert residuals([first, beyond])[0, 1] > 30


def test_the_residual_is_the_rms_of_what_gain_and_offset_cannot_explain() -> None:
    random = np.random.default_rng(2)
    first = random.normal(128, 20, (64, 64)).astype(np.float32)
    second = first + random.normal(0, 6, (64, 64)).astype(np.float32)
    value = residuals([first, second])[0, 1]
    # fitting the noisy one by the clean one leaves the noise; the other direction leaves a little less
    assert value == pytest.approx(6, rel=0.05)


def test_an_empty_picture_is_no_copy_of_a_full_one_nor_a_negative_of_its_positive() -> None:
    full = small(scene(3))
    empty = np.full_like(full, 100)
    table = residuals([full, empty, 255 - full, empty + 5])
    assert table[0, 1] == pytest.approx(float(full[3:-3, 3:-3].std()), rel=0.02)
    assert table[0, 2] > 10 * LINK_RESIDUAL
    assert table[1, 3] == 0 and (np.diag(table) < 0.05).all()
    assert np.array_equal(table, table.T)


def test_groups_are_chains_of_links_numbered_in_order() -> None:
    table = np.full((6, 6), 50.0)
    np.fill_diagonal(table, 0)
    for first, second in ((1, 3), (3, 5), (2, 4)):
        table[first, second] = table[second, first] = LINK_RESIDUAL
    assert groups(table) == [0, 1, 2, 1, 2, 1]
    assert groups(np.zeros((1, 1))) == [0]


def test_other_shapes_are_never_linked_and_thin_pictures_are_fine() -> None:
    line = small(scene(4, 32, 2048))
    assert line.shape == (1, 64)
    table = residuals([line, small(scene(4)), line, small(scene(5, 32, 2048))])
    assert np.isinf(table[0, 1]) and table[0, 2] < 0.05 and table[0, 3] > LINK_RESIDUAL


def write(folder: Path, pictures: list[Integers]) -> Path:
    for index, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(folder / f"{index}.png")
    return folder


def test_near_duplicate_groups_are_reported(tmp_path: Path) -> None:
    first = scene(0)
    again = (first * 0.9).astype(np.uint8)
    audit = audit_photos(write(tmp_path, [first, scene(1), again, scene(2), scene(3), scene(4)]))
    assert [photo.group for photo in audit.photos] == [0, 1, 0, 2, 3, 4]
    assert len(audit.warnings) == 1
    assert "2 of 6 photos form 1 group(s) of near-duplicates" in audit.warnings[0]
    assert "0.png, 2.png" in audit.warnings[0]


def test_a_fixed_camera_is_recognised_and_the_remedies_are_named(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    shots = [np.clip(scene(0) + random.normal(0, 3, (256, 320)), 0, 255).astype(np.uint8) for _ in range(4)]
    audit = audit_photos(write(tmp_path, [*shots, scene(1)]))
    found = [warning for warning in audit.warnings if "near-duplicates" in warning]
    assert len(found) == 1 and "4 of 5 photos are near-duplicates of one another" in found[0]
    assert "--split blocks" in found[0] and "--group-by" in found[0]


def test_crops_of_one_bead_are_different_photos_and_their_copies_are_found(shared_data: Path) -> None:
    files = list_photo_files(shared_data / "glue_bead_hdd_cover" / "Good")[:16]
    photos = [decode_photo(path).pixels for path in files]
    thumbnails = [small(pixels) for pixels in photos]
    table = residuals(thumbnails)
    assert table[np.triu_indices(len(photos), 1)].min() > 4 * LINK_RESIDUAL
    for pixels, own in list(zip(photos, thumbnails, strict=True))[::5]:
        assert residuals([own, small(jpeg(pixels, 75))])[0, 1] < LINK_RESIDUAL / 4
        assert residuals([own, small((pixels * 0.8).astype(np.uint8))])[0, 1] < LINK_RESIDUAL / 4
        assert residuals([small(pixels[:, 1:]), small(pixels[:, :-1])])[0, 1] < LINK_RESIDUAL


def test_moments_of_one_fixed_camera_are_linked_only_where_nothing_happened(shared_data: Path) -> None:
    files = [
        path for path in list_photo_files(shared_data / "bsdata_ballscrew" / "data") if "_395000_270_" in path.name
    ]
    files = files[::2]
    numbers = groups(residuals([small(decode_photo(path).pixels) for path in files]))
    assert len(files) == 29
    assert 5 < len(set(numbers)) < 27
    assert max(numbers.count(number) for number in numbers) <= len(files) / 2
