"""Masks of the photos travel with what is drawn from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_patch_diffusion import ready, station_photos
from torch import Tensor

from handful.core import registry
from handful.generators.base import Generator, ImageSpec, generator_class
from handful.generators.patch_diffusion_parts.controls import PatchDiffusionControls
from handful.generators.patch_diffusion_parts.posterior import Level
from handful.generators.patch_diffusion_parts.pyramid import agree

CARRIERS = ("copies", "classic", "warp", "patch_diffusion")


HEIGHT, WIDTH = 64, 80


def defects(count: int) -> Tensor:
    """(n, h, w): a disc of kind 1 or 2 on every photo, elsewhere on each."""
    y, x = torch.arange(HEIGHT)[:, None], torch.arange(WIDTH)
    discs = [((y - 12 - 6 * i % 40) ** 2 + (x - 16 - 10 * i % 48) ** 2 <= 80) * (1 + i % 2) for i in range(count)]
    return torch.stack(discs).to(torch.uint8)


def painted(count: int) -> tuple[Tensor, Tensor]:
    """Photos whose defects are nearly black (kind 1) or white (kind 2) on a scene of middle grey, and their masks."""
    masks = defects(count)
    photos = station_photos(count, HEIGHT, WIDTH, light=0.0) * 0.25
    shown = torch.where(masks == 1, -0.95, torch.where(masks == 2, 0.95, photos[:, 0]))[:, None]
    return shown, masks


def carrier(name: str, photos: Tensor, masks: Tensor | None) -> Generator:
    spec = ImageSpec(photos.shape[3], photos.shape[2], photos.shape[1])
    chosen = generator_class(registry.load("generators", name))
    generator = chosen(chosen.settings_class(), spec, 0)
    generator.prepare(photos)
    if masks is not None:
        generator.prepare_masks(masks)
    return generator


@pytest.mark.parametrize("name", CARRIERS)
def test_the_mask_of_a_sample_lies_where_the_sample_shows_the_defect(name: str) -> None:
    photos, masks = painted(12)
    generator = carrier(name, photos, masks)
    samples = generator.sample(range(5))
    found = generator.masks()
    assert sorted(found) == list(range(5))
    both = either = 0
    for seed, image in enumerate(samples[:, 0]):
        mask = found[seed]
        assert mask.shape == image.shape and mask.dtype == torch.uint8 and int(mask.max()) <= 2
        shown = torch.where(image < -0.5, 1, torch.where(image > 0.5, 2, 0))
        both += int(((shown > 0) & (shown == mask)).sum())
        either += int(((shown > 0) | (mask > 0)).sum())
    assert either > 400 and both / either > 0.75  # edges differ by interpolation


@pytest.mark.parametrize("name", CARRIERS)
def test_without_masks_samples_have_none_and_are_the_same(name: str) -> None:
    photos, masks = painted(12)
    plain, masked = carrier(name, photos, None), carrier(name, photos, masks)
    assert torch.equal(plain.sample([0, 3]), masked.sample([0, 3]))
    assert not plain.masks() and len(masked.masks()) == 2


@pytest.mark.parametrize("name", CARRIERS)
def test_a_checkpoint_brings_the_masks_back(name: str) -> None:
    photos, masks = painted(10)
    first, second = carrier(name, photos, masks), carrier(name, photos * 0, None)
    for key, module in second.modules().items():
        module.load_state_dict(first.modules()[key].state_dict())
    first.sample([5]), second.sample([5])
    assert torch.equal(first.masks()[5], second.masks()[5])


def test_where_one_photo_is_the_only_source_the_mask_is_its_own_to_the_pixel() -> None:
    photos, masks = painted(12)
    generator = ready(photos, patch_px=999, mixture_photos=1, exclude_mixed=False)
    generator.prepare_masks(masks)
    generator.sample([0, 1])
    for seed, passport in generator.passports().items():
        assert passport.most_used_share > 0.99
        assert torch.equal(generator.masks()[seed], masks[passport.most_used_photo])


def test_outside_a_region_the_mask_is_the_photos_own(tmp_path: Path) -> None:
    photos, masks = painted(12)
    generator = ready(photos)
    generator.prepare_masks(masks)
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[:20] = True
    Image.fromarray(inside).save(tmp_path / "region.png")
    own = int((masks[:, 20:] > 0).sum((1, 2)).argmax())
    controls = PatchDiffusionControls(start=own, noise=1, region=tmp_path / "region.png")
    generator.sample_controlled([3], controls)
    assert torch.equal(generator.masks()[3][20:], masks[own][20:])


def test_masks_take_the_way_that_pictures_of_them_would() -> None:
    """Against pictures of each kind, sent through the levels as photos are."""
    photos, masks = painted(12)
    generator = ready(photos)
    generator.prepare_masks(masks)
    sampler = generator.sampler()
    for seed in range(3):
        drawing = sampler.draw(seed)
        shares = []
        for kind in range(3):
            coarsest, *finer = sampler.pyramid.build((masks == kind)[:, None].float())
            mean = coarsest.mean(0, keepdim=True)
            image = mean + torch.einsum("n,nchw->chw", drawing.state.shares, coarsest - mean)
            for level, weights, own in zip(finer, drawing.weights, sampler.levels, strict=True):
                image = agree(Level(level, own.cell_px, 13).blend(weights), image)
            shares.append(sampler.pyramid.crop(image)[0, 0])
        first, second = torch.stack(shares).topk(2, dim=0).values
        sure = first > second + 1e-4
        assert sure.float().mean() > 0.98 and drawing.mask is not None
        assert torch.equal(drawing.mask[sure].long(), torch.stack(shares).argmax(0)[sure])


def test_the_mask_of_a_moved_photo_moves_with_it() -> None:
    photos, masks = painted(12)
    moved, followed = photos.roll(3, 3), masks.roll(3, 2)
    still, shifted = ready(photos), ready(moved)
    for generator, own, poses in ((still, masks, 0.0), (shifted, followed, 3.0)):
        generator.prepare_masks(own)
        generator.store.poses[:] = torch.tensor([poses, 0.0, 0.0])
        generator.sample([1])
    inner = slice(8, -8)
    assert np.array_equal(still.masks()[1][:, inner].roll(3, 1)[:, 3:], shifted.masks()[1][:, inner][:, 3:])
