"""A plan within the memory that is allowed draws the same samples."""

from __future__ import annotations

import pytest
import torch
from test_patch_diffusion import ready, station_photos
from torch import Tensor

from handful.core.errors import UserError
from handful.core.seeds import torch_stream
from handful.generators.patch_diffusion import PatchDiffusion, PatchDiffusionSettings
from handful.generators.patch_diffusion_parts.aligned import AlignedSampler, Variant
from handful.generators.patch_diffusion_parts.aligned_photos import AlignedPhotos
from handful.generators.patch_diffusion_parts.memory_plan import MemoryPlan, choose_plan, drawing_bytes
from handful.generators.patch_diffusion_parts.photo_store import PhotoStore
from handful.generators.patch_diffusion_parts.posterior import BandedLevel, Level
from handful.generators.patch_diffusion_parts.pyramid import Pyramid, to_cells

VARIANT = Variant(13, 2, 4, 0.75, 4, 0.4, 1.0, True)


@pytest.fixture(scope="module")
def store() -> PhotoStore:
    """Photos of 102x86 px, a size that is padded, some of which are shifted or turned."""
    store = ready(station_photos(11, 86, 102, 3)).store
    store.poses[3] = torch.tensor([4.0, -7.0, 0.0])
    store.poses[5] = torch.tensor([1.5, 2.5, 0.03])
    return store


@pytest.mark.parametrize(("cell_px", "patch_px", "band_rows"), [(1, 9, 5), (2, 13, 3), (2, 13, 1), (2, 13, 100)])
def test_bands_give_the_posterior_mean_of_the_whole(cell_px: int, patch_px: int, band_rows: int) -> None:
    photos = station_photos(6, 32, 40, channels=3)
    whole = Level(photos, cell_px, patch_px)
    cells = torch.cat([to_cells(photo[None], cell_px) for photo in photos], dim=2)
    banded = BandedLevel(lambda first, last: cells[first:last].clone(), whole.mean, cell_px, patch_px, band_rows)
    z = photos[:1] + 0.05 * torch.randn(photos[:1].shape, generator=torch_stream(0, "test/noise"))

    def choose(logits: Tensor, rows: slice) -> Tensor:
        return torch.softmax(logits, dim=2)

    for tau in (0.8, 0.05, 0.01):
        (image, weights), (same, same_weights) = (level.denoise(z, tau, 0.4, choose) for level in (whole, banded))
        assert (image - same).abs().max() < 1e-6 and (weights - same_weights).abs().max() < 1e-5
        assert (whole.blend(weights) - banded.blend(weights)).abs().max() < 1e-6


def test_cells_read_again_are_those_of_the_photos(store: PhotoStore) -> None:
    photos = AlignedPhotos(store)
    for number in range(1, photos.pyramid.levels):
        for cell_px in (1, 2):
            rows = photos.pyramid.size(number)[0] // cell_px
            whole = torch.cat(
                [to_cells(photos.levels(photos.lit(index), index)[number], cell_px) for index in range(11)], dim=2
            )
            for first, last in ((0, 3), (rows // 2, rows // 2 + 1), (rows - 4, rows)):
                assert (photos.cells(number, first, last, cell_px) - whole[first:last]).abs().max() < 1e-6


@pytest.mark.parametrize("kept", [0, 1])
def test_samples_of_a_small_plan_are_those_of_the_large_one(store: PhotoStore, kept: int) -> None:
    photos = AlignedPhotos(store)
    whole = AlignedSampler(photos, VARIANT)
    small = AlignedSampler(photos, VARIANT, MemoryPlan(kept, band_bytes=60_000))
    assert [isinstance(level, BandedLevel) for level in small.levels] == [False] * kept + [True] * (2 - kept)
    drawn = [sampler.draw(4) for sampler in (whole, small)]
    assert (drawn[0].image - drawn[1].image).abs().max() < 1e-6
    assert (drawn[0].weights[-1] - drawn[1].weights[-1]).abs().max() < 1e-5


def test_plans_take_less_the_fewer_levels_they_keep_and_the_fastest_that_fits_is_taken() -> None:
    pyramid, measures = Pyramid.of(1500, 2000), (40, 3, 13)
    plans = [MemoryPlan(pyramid.halvings - banded) for banded in range(3)]
    needed = [drawing_bytes(plan, pyramid, *measures) for plan in plans]
    assert needed[0] > 1.3 * 40 * 3 * 1500 * 2000 * 4 > needed[1] > needed[2]
    assert choose_plan(needed[0], pyramid, *measures) == plans[0]
    assert choose_plan(needed[0] - 1, pyramid, *measures) == plans[1]
    least = choose_plan(1, pyramid, *measures)
    assert least.kept_levels == plans[2].kept_levels and least.band_bytes < plans[2].band_bytes


def test_memory_mb_makes_a_smaller_plan_with_the_same_samples_and_says_so() -> None:
    tight = ready(station_photos(4, 360, 480, 3), memory_mb=99)
    free = PatchDiffusion(PatchDiffusionSettings(), tight.spec, seed=0)
    free.store = tight.store
    assert "read anew" not in free.notes()[-1] and "read anew at every step" in tight.notes()[-1]
    assert "MB of memory" in free.notes()[-1]
    assert any(isinstance(level, BandedLevel) for level in tight.sampler().levels)
    assert (free.sample([0]) - tight.sample([0])).abs().max() < 1e-6


def test_what_no_plan_can_do_is_refused_with_the_least_that_is_needed() -> None:
    with pytest.raises(UserError) as caught:
        ready(station_photos(24, 120, 160, 3), memory_mb=60)
    assert "24 photos of 160x120 px" in caught.value.what and "at the least" in caught.value.what
    assert "60 MB" in caught.value.allowed
    needed = int(caught.value.do.rsplit(" ", 1)[1].rstrip("."))
    ready(station_photos(24, 120, 160, 3), memory_mb=needed + 60)
