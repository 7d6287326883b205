"""Pieces, spots and joints: exact where exactness is promised."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from stations import HEIGHT, PIT_ROWS, WIDTH, pit, surface, write_station

from handful.defects.blend import Blend, join_piece
from handful.defects.cutting import Cutting, cut_out, grow, shape_piece, split_regions
from handful.defects.donors import LibraryMaker
from handful.defects.drawn import DRAWN_KINDS, DrawnMaker
from handful.defects.finish import finish_margin
from handful.defects.library import LibraryManifest, cut_library, write_library
from handful.defects.place import DefectMaker, place_defects
from handful.defects.poisson import Plane
from handful.defects.seam import gradient_jump
from handful.defects.settings import PlacementSettings
from handful.defects.sources import Sources, sources_of_photos
from handful.defects.spots import allowed_places, correlate, fit_ring, fitting_places, near_places

from handful.core.images import read_png  # isort: skip
from handful.core.labels import Mask  # isort: skip


def pit_cutting(number: int = 0) -> Cutting:
    photo = surface(100 + number)
    mask = pit(*PIT_ROWS[number])
    photo[mask] //= 3
    return cut_out(photo, mask, np.zeros_like(mask), "pit-000", "pit", ("pit_0.png", "0" * 64))


def test_a_piece_left_as_it_is_holds_the_photos_own_pixels_and_mask() -> None:
    cutting = pit_cutting()
    piece = shape_piece(cutting, 4, 12)
    assert piece is not None
    assert piece.mask.sum() == pit(*PIT_ROWS[0]).sum()
    np.testing.assert_array_equal(piece.pixels[piece.mask][:, 0], cutting.pixels[cutting.mask])
    y, x = np.mgrid[: piece.mask.shape[0], : piece.mask.shape[1]]
    distance = np.min(np.hypot(*(np.argwhere(piece.mask).T[:, :, None, None] - np.stack([y, x])[:, None])), axis=0)
    np.testing.assert_array_equal(piece.region, distance <= 4)
    np.testing.assert_array_equal(piece.ring, (distance > 4) & (distance <= 16))


def test_a_quarter_turn_and_a_doubling_move_the_mask_as_they_should() -> None:
    cutting = pit_cutting()
    mask = np.zeros_like(cutting.mask)
    mask[50:54, 40:60] = True  # 20 wide, 4 high
    cutting = replace(cutting, mask=mask, pixels=np.where(mask, 10, 100).astype(np.uint8))
    turned = shape_piece(cutting, 2, 4, turn_deg=90.0)
    doubled = shape_piece(cutting, 2, 4, size=2.0)
    assert turned is not None and doubled is not None
    rows, columns = np.nonzero(turned.mask)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (20, 4)
    assert turned.mask.sum() == 80
    rows, columns = np.nonzero(doubled.mask)
    assert abs(np.ptp(rows) + 1 - 8) <= 1 and abs(np.ptp(columns) + 1 - 40) <= 1
    # picture and mask turn together
    assert turned.pixels[turned.mask].mean() == pytest.approx(10, abs=4)
    assert turned.pixels[turned.ring].mean() == pytest.approx(100, abs=1)


def test_a_turn_is_counterclockwise_and_a_flip_mirrors() -> None:
    cutting = pit_cutting()
    mask = np.zeros_like(cutting.mask)
    mask[50, 40:60] = True
    mask[46:50, 58:60] = True  # a hook that points up at the right end
    cutting = replace(cutting, mask=mask)
    turned, flipped = shape_piece(cutting, 1, 2, turn_deg=90.0), shape_piece(cutting, 1, 2, flips=(True, False))
    own = shape_piece(cutting, 1, 2)
    assert turned is not None and flipped is not None and own is not None
    np.testing.assert_array_equal(turned.mask, np.rot90(own.mask))  # numpy turns counterclockwise too
    np.testing.assert_array_equal(flipped.mask, own.mask[:, ::-1])


def test_a_defect_at_the_edge_of_its_photo_or_beside_another_cannot_be_cut() -> None:
    mask = pit(6, 60)
    assert shape_piece(cut_out(surface(0), mask, np.zeros_like(mask), "a", "pit", ("", "")), 4, 12) is None
    mask, other = pit(50, 60), pit(50, 75)
    assert shape_piece(cut_out(surface(0), mask, other, "a", "pit", ("", "")), 4, 12) is None
    assert shape_piece(cut_out(surface(0), mask, pit(50, 90), "a", "pit", ("", "")), 4, 12) is not None


def test_parts_of_a_mask_are_split_where_they_lie_apart() -> None:
    mask = pit(30, 30) | pit(30, 44, 3) | pit(80, 100)
    assert [int(part.sum()) for part in split_regions(mask, 9)] == [
        int(pit(30, 30).sum() + pit(30, 44, 3).sum()),
        int(pit(80, 100).sum()),
    ]
    assert len(split_regions(mask, 3)) == 3


def test_the_fit_of_a_ring_is_that_of_plain_loops() -> None:
    random = np.random.default_rng(0)
    photo, piece = random.normal(100, 9, (18, 21, 2)), random.normal(90, 9, (6, 5, 2))
    ring = random.random((6, 5)) < 0.6
    fit = fit_ring(photo, piece, ring)
    assert fit.mismatch.shape == (13, 17)
    for row, column in ((0, 0), (12, 16), (5, 9)):
        difference = (photo[row : row + 6, column : column + 5] - piece)[ring]
        assert fit.mismatch[row, column] == pytest.approx(difference.var(axis=0).mean())
        assert fit.level[row, column] == pytest.approx(photo[row : row + 6, column : column + 5][ring].mean())
    kernel = random.normal(size=(3, 4))
    assert correlate(photo[..., 0], kernel)[7, 8] == pytest.approx((photo[7:10, 8:12, 0] * kernel).sum())


def test_a_defect_lies_wholly_on_allowed_spots_and_off_what_was_changed_before() -> None:
    piece = shape_piece(pit_cutting(), 4, 12)
    assert piece is not None
    spots, taken = np.zeros((HEIGHT, WIDTH), bool), np.zeros((HEIGHT, WIDTH), bool)
    spots[40:65, 20:100], taken[:, 60:70] = True, True
    allowed = allowed_places(piece.mask, piece.region, spots, taken)
    height, width = piece.mask.shape
    for row, column in np.ndindex(allowed.shape):
        window = (slice(row, row + height), slice(column, column + width))
        fits = spots[window][piece.mask].all() and not taken[window][piece.region].any()
        assert allowed[row, column] == fits
    assert allowed.any()
    near = near_places(np.ones_like(allowed), piece.mask, np.array([[50.0, 45.0]]), 3)
    assert near.sum() == 49
    assert not allowed_places(np.ones((200, 9), bool), np.ones((200, 9), bool), None, taken).any()


def test_a_pit_from_the_bar_fits_on_the_bar_alone() -> None:
    piece = shape_piece(pit_cutting(), 4, 12)
    assert piece is not None
    photo = surface(7).astype(np.float64)[..., None]
    everywhere = np.ones((HEIGHT - piece.mask.shape[0] + 1, WIDTH - piece.mask.shape[1] + 1), bool)
    places, _ = fitting_places(photo, piece, everywhere, 1.5)
    rows = np.unique(np.nonzero(places)[0]) + piece.mask.shape[0] // 2
    assert set(rows) <= {49, 50, 51}  # where the ring lies on the bar's edges as it did
    assert len(np.unique(np.nonzero(places)[1])) > 50  # anywhere along it


@pytest.mark.parametrize("blend", get_args(Blend))
def test_a_piece_put_back_where_it_came_from_changes_nothing_and_elsewhere_nothing_outside(blend: Blend) -> None:
    piece = shape_piece(pit_cutting(), 4, 12)
    assert piece is not None
    back = join_piece(piece.pixels, piece, blend)
    np.testing.assert_allclose(back, piece.pixels, atol=1e-6)
    other = surface(9).astype(np.float64)[: piece.mask.shape[0], : piece.mask.shape[1], None] + 30
    joined = join_piece(other, piece, blend)
    np.testing.assert_array_equal(joined[~piece.region], other[~piece.region])
    assert joined[piece.mask].mean() < other[piece.ring].mean() - 50


def test_a_seam_is_seen_by_the_gradient_jump_and_poisson_leaves_none() -> None:
    piece = shape_piece(pit_cutting(), 4, 12)
    assert piece is not None
    target = np.full_like(piece.pixels, 120.0) + np.arange(piece.mask.shape[1])[None, :, None]  # light that falls off
    assert gradient_jump(target, piece.region) == pytest.approx(0)
    pasted = np.where(piece.region[..., None], piece.pixels, target)
    joined = join_piece(target, piece, "poisson")
    assert gradient_jump(pasted, piece.region) > 6
    assert gradient_jump(joined, piece.region) < 2


def detail(picture: Plane, where: Mask) -> float:
    """Mean absolute second difference down and across."""
    down, across = (np.abs(np.diff(picture, n=2, axis=axis)).mean(axis=2) for axis in (0, 1))
    return float(down[where[1:-1]].mean() + across[where[:, 1:-1]].mean())


@pytest.mark.parametrize("blend", ["poisson", "diffusion"])
def test_the_margin_keeps_the_texture_of_what_it_joins(blend: Blend) -> None:
    """Two textures mixed evenly keep 0.71 of it; over the whole margin, as `feather` does, about 0.85 are left."""
    kept, faded = [], []
    for number in range(3):
        piece = shape_piece(pit_cutting(number), 4, 12)
        assert piece is not None
        # the same bar, other grain
        row = PIT_ROWS[number][0] - piece.mask.shape[0] // 2
        photo = surface(20 + number).astype(np.float64)[row : row + piece.mask.shape[0], : piece.mask.shape[1], None]
        margin = piece.region & ~grow(piece.mask, 1.5)  # off the pit's own edge
        usual = (detail(photo, margin) + detail(piece.pixels, margin)) / 2
        kept.append(detail(join_piece(photo, piece, blend), margin) / usual)
        faded.append(detail(join_piece(photo, piece, "feather"), margin) / usual)
    assert np.mean(kept) == pytest.approx(1, abs=0.08)
    assert np.mean(faded) < 0.92


def test_the_diffusion_finish_leaves_the_defect_and_the_tone_to_the_blend() -> None:
    piece = shape_piece(pit_cutting(), 4, 12)
    assert piece is not None
    photo = surface(9).astype(np.float64)[: piece.mask.shape[0], : piece.mask.shape[1], None] + 30
    blended, finished = join_piece(photo, piece, "poisson"), join_piece(photo, piece, "diffusion")
    np.testing.assert_array_equal(finished[piece.mask], blended[piece.mask])
    np.testing.assert_array_equal(finished[~piece.region], photo[~piece.region])
    np.testing.assert_array_equal(finished, join_piece(photo, piece, "diffusion"))
    margin = piece.region & ~piece.mask
    assert np.abs(finished - blended)[margin].mean() > 0.1  # it did something
    assert abs((finished - blended)[margin].mean()) < 0.25  # to the detail, in grey levels


def low(picture: Plane) -> Plane:
    return np.asarray(gaussian_filter(picture, (1, 1, 0)))


def test_the_diffusion_finish_is_the_posterior_mean_of_brute_force() -> None:
    """One step from the blended picture, patch by patch, against the weights that the first step gives."""
    piece = shape_piece(pit_cutting(), 4, 12)
    assert piece is not None
    photo = surface(9).astype(np.float64)[: piece.mask.shape[0], : piece.mask.shape[1], None]
    joined = join_piece(photo, piece, "poisson")
    near, other = (low(joined) + one - low(one) for one in (photo, piece.pixels))
    tau = 4 * np.sqrt(((photo - low(photo))[piece.ring] ** 2).mean())
    row, column = np.argwhere(piece.region & ~piece.mask)[40]
    patch = (slice(row - 3, row + 4), slice(column - 3, column + 4))
    far = [((joined - one)[patch] ** 2).sum() for one in (near, other)]
    weights = np.exp(-(np.array(far) - min(far)) / (2 * tau**2))
    expected = (weights / weights.sum()) @ np.array([near[row, column, 0], other[row, column, 0]])
    stepped = finish_margin(joined, photo, piece.pixels, piece, taus=(4.0,))
    assert stepped[row, column, 0] == pytest.approx(expected)


def makers(sources: Sources, settings: PlacementSettings) -> dict[str, DefectMaker]:
    cuttings, _ = cut_library(sources, settings)
    return {"library": LibraryMaker(sources, cuttings, settings), "drawn": DrawnMaker(DRAWN_KINDS[:4], settings)}


@pytest.mark.parametrize(("bit_depth", "colour"), [(8, False), (12, False), (8, True)])
@pytest.mark.parametrize("kind_of_maker", ["library", "drawn"])
def test_masks_are_exact_and_nothing_changes_outside_for_grey_colour_and_12_bit(
    tmp_path: Path, bit_depth: int, colour: bool, kind_of_maker: str
) -> None:
    sources = sources_of_photos(write_station(tmp_path, bit_depth=bit_depth, colour=colour))
    settings = PlacementSettings(least=2, most=2)
    maker = makers(sources, settings)[kind_of_maker]
    for seed in range(4):
        sample = place_defects(sources, maker, settings, None, seed)
        before = sources.read(sample.photo)
        assert sample.pixels.dtype == before.dtype and sample.pixels.shape == before.shape
        changed = (sample.pixels != before).reshape(HEIGHT, WIDTH, -1).any(axis=2)
        reach = np.zeros((HEIGHT, WIDTH), bool)
        for placed in sample.placements:  # the mask's box and the margin around it
            reach[max(placed.y - 8, 0) : placed.y + placed.height + 8,
                  max(placed.x - 8, 0) : placed.x + placed.width + 8] = True  # fmt: skip
            inside = sample.mask[placed.y : placed.y + placed.height, placed.x : placed.x + placed.width]
            assert inside.any(axis=1).all() and inside.any(axis=0).all()  # the box is tight
        assert not changed[~reach].any()
        assert not sample.mask[~reach].any()
        assert set(np.unique(sample.mask)) == {0, maker.kinds.index(sample.label) + 1}
        assert changed[sample.mask > 0].mean() > 0.6
        assert int(sample.pixels.max()) < 2**bit_depth
        if kind_of_maker == "library":
            assert before[sample.mask > 0].mean() - sample.pixels[sample.mask > 0].mean() > 30 * 2 ** (bit_depth - 8)


def test_a_sample_depends_on_its_seed_alone(tmp_path: Path) -> None:
    sources = sources_of_photos(write_station(tmp_path))
    settings = PlacementSettings(most=2)
    for maker in makers(sources, settings).values():
        alone = place_defects(sources, maker, settings, None, 3)
        others = [place_defects(sources, maker, settings, None, seed) for seed in (2, 4)]
        again = place_defects(sources, maker, settings, None, 3)
        np.testing.assert_array_equal(alone.pixels, again.pixels)
        assert alone.placements == again.placements
        assert all((alone.pixels != other.pixels).any() for other in others)


def test_the_shares_of_kinds_and_flawless_pieces_are_even(tmp_path: Path) -> None:
    sources = sources_of_photos(write_station(tmp_path))
    settings = PlacementSettings(good_share=0.4)
    maker = LibraryMaker(sources, cut_library(sources, settings)[0], settings)
    samples = [place_defects(sources, maker, settings, None, seed) for seed in range(10)]
    goods = [sample for sample in samples if sample.label == "good"]
    assert len(goods) == 4
    photos = {photo.pixels_sha256 for photo in sources.good}
    for sample in goods:
        assert not sample.mask.any()
        assert (sample.pixels != sources.read(sample.photo)).any()  # it got a piece
        (placed,) = sample.placements
        assert placed.photo_pixels_sha256 in photos - {sample.photo.pixels_sha256}  # of another good photo
    drawn = DrawnMaker(("pit", "spot", "smear"), PlacementSettings())
    labels = [place_defects(sources, drawn, PlacementSettings(), None, seed).label for seed in range(9)]
    assert {kind: labels.count(kind) for kind in drawn.kinds} == {"pit": 3, "spot": 3, "smear": 3}


def test_the_library_on_disk_is_exact(tmp_path: Path) -> None:
    sources = sources_of_photos(write_station(tmp_path / "photos", bit_depth=12))
    cuttings, left_out = cut_library(sources, PlacementSettings())
    write_library(tmp_path / "library", cuttings, left_out, sources.bit_depth)
    manifest = LibraryManifest.read(tmp_path / "library")
    assert [entry.name for entry in manifest.defects] == ["pit-000", "pit-001", "pit-002"]
    for number, entry in enumerate(manifest.defects):
        photo = sources.read(next(one for one in sources.photos if one.name == f"pit_{number}.png"))
        window = (slice(entry.y, entry.y + entry.height), slice(entry.x, entry.x + entry.width))
        np.testing.assert_array_equal(read_png(tmp_path / "library/crops" / f"{entry.name}.png"), photo[window])
        mask = read_png(tmp_path / "library/masks" / f"{entry.name}.png")
        np.testing.assert_array_equal(mask > 0, pit(*PIT_ROWS[number])[window])
        assert entry.area_px == int(pit(*PIT_ROWS[number]).sum())
        assert entry.length_px == pytest.approx(12, abs=0.7)  # a disc of radius 6
        assert entry.photo_pixels_sha256 == next(one.pixels_sha256 for one in sources.photos if one.name == entry.photo)
