"""The image convention: integers on disk, [-1, 1] inside, and nothing lost between."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from handful.core.errors import UserError
from handful.core.images import (
    integers_to_unit,
    pixels_sha256,
    png_bytes,
    read_png,
    read_unit_images,
    resize,
    unit_to_grey,
    unit_to_integers,
)

Depths = st.integers(1, 16)


@given(depth=Depths, data=st.data())
def test_integers_come_back_exactly_at_every_bit_depth(depth: int, data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from([(1, 1), (3, 5), (2, 4, 3)]))
    pixels = data.draw(arrays.arrays(np.uint16, shape, elements=st.integers(0, 2**depth - 1)))
    unit = integers_to_unit(pixels, depth)
    assert unit.dtype == np.float32 and unit.shape == ((1, *shape) if len(shape) == 2 else (3, *shape[:2]))
    assert unit.min() >= -1 and unit.max() <= 1
    assert np.array_equal(unit_to_integers(unit, depth), pixels)


@pytest.mark.parametrize("depth", [1, 8, 10, 12, 16])
def test_black_is_minus_one_and_white_is_one_at_every_depth(depth: int) -> None:
    unit = integers_to_unit(np.array([[0, 2**depth - 1]], np.uint16), depth)
    assert unit.tolist() == [[[-1.0, 1.0]]]


def test_values_outside_the_range_are_clipped_and_halves_round_to_even() -> None:
    levels = np.array([[[-1.5, 2.0, 0.0]]])  # 0 lies halfway: at 127.5 of 255, at 0.5 of 1
    assert unit_to_integers(levels, 8).tolist() == [[0, 255, 128]]
    assert unit_to_integers(levels, 1).tolist() == [[0, 1, 0]]


def test_a_value_above_the_depth_is_refused_with_both_numbers() -> None:
    with pytest.raises(UserError, match=r"value 4096.*\n.*12 bit.*4095.*\n.*--bit-depth"):
        integers_to_unit(np.array([[4096]], np.uint16), 12)


def test_shrinking_a_fine_checkerboard_gives_even_grey() -> None:
    board = (np.indices((128, 128)).sum(axis=0) % 2 * 2 - 1).astype(np.float32)[None]
    for kind in ("box", "bilinear", "bicubic", "lanczos"):
        small = resize(board, 16, 16, kind)
        assert small.shape == (1, 16, 16)
        # at the border the wider kernels see less than a period; inside, black and white cancel
        assert np.abs(small[0, 2:-2, 2:-2]).max() < 0.02, kind


def test_resize_keeps_constants_and_its_own_size_and_never_leaves_the_range() -> None:
    flat = np.full((3, 7, 9), 0.25, np.float32)
    assert np.allclose(resize(flat, 20, 13, "lanczos"), 0.25, atol=1e-6)
    edge = np.concatenate([np.full((1, 16, 8), -1), np.full((1, 16, 8), 1)], axis=2).astype(np.float32)
    assert resize(edge, 16, 16, "bicubic") is edge
    assert np.abs(resize(edge, 31, 31, "lanczos")).max() <= 1


def test_grey_is_the_luma_of_bt_601() -> None:
    primaries = np.eye(3, dtype=np.float32).reshape(3, 1, 3) * 2 - 1  # pixels red, green, blue
    assert np.allclose((unit_to_grey(primaries) + 1) / 2, [[[0.299, 0.587, 0.114]]], atol=1e-6)
    white = np.ones((3, 2, 2), np.float32)
    assert unit_to_grey(white).shape == (1, 2, 2) and unit_to_grey(white).max() <= 1


def test_the_pixel_hash_knows_size_and_values_but_not_the_type() -> None:
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert pixels_sha256(pixels) == pixels_sha256(pixels.astype(np.uint16))
    others = {pixels_sha256(pixels.reshape(3, 2)), pixels_sha256(pixels[::-1]), pixels_sha256(pixels + np.uint8(1))}
    assert len(others | {pixels_sha256(pixels)}) == 4


@pytest.mark.parametrize(("depth", "shape"), [(8, (5, 4)), (8, (5, 4, 3)), (12, (5, 4)), (16, (5, 4))])
def test_stored_images_are_read_back_as_a_batch(tmp_path: Path, depth: int, shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 2**depth, (3, *shape)).astype(np.uint16)
    for index, pixels in enumerate(images):
        (tmp_path / f"{index}.png").write_bytes(png_bytes(pixels, depth))
    batch = read_unit_images(tmp_path, ["0.png", "1.png", "2.png"], depth)
    assert batch.dtype == np.float32 and batch.shape == (3, 1 if len(shape) == 2 else 3, 5, 4)
    assert all(np.array_equal(unit_to_integers(row, depth), pixels) for row, pixels in zip(batch, images, strict=True))


def test_a_batch_of_two_sizes_is_refused_and_both_are_named(tmp_path: Path) -> None:
    for name, size in (("a.png", (5, 4)), ("b.png", (4, 5))):
        (tmp_path / name).write_bytes(png_bytes(np.zeros(size, np.uint8), 8))
    with pytest.raises(UserError, match=r"b\.png is 5x4 px.*a\.png is 4x5 px.*\n.*one size"):
        read_unit_images(tmp_path, ["a.png", "b.png"], 8)


@pytest.mark.parametrize(
    "content",
    [None, b"", b"no image", png_bytes(np.zeros((9, 9), np.uint8), 8)[:-27]],
    ids=["missing", "empty", "text", "cut"],
)
def test_a_missing_or_damaged_stored_image_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.png cannot be read.*\n.*grey or RGB PNG.*\n.*run the stage"):
        read_png(tmp_path / "x.png")
