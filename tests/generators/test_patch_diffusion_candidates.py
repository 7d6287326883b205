"""Patch diffusion of several views or one photo: the path that alignment chooses, what is searched, what is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from handful.core.errors import UserError
from handful.core.images import integers_to_unit, unit_to_integers
from handful.core.seeds import torch_stream
from handful.generators.base import ImageSpec, Passport
from handful.generators.patch_diffusion import PatchDiffusion, PatchDiffusionSettings
from handful.generators.patch_diffusion_parts.candidate_passport import largest_region, write_passport
from handful.generators.patch_diffusion_parts.candidates import SHIFTS, Search, with_detail
from handful.generators.patch_diffusion_parts.controls import PatchDiffusionControls
from handful.generators.patch_diffusion_parts.photo_layers import fit, look, middles, resized
from handful.generators.patch_diffusion_parts.pyramid import Pyramid
from handful.generators.warp import Warp, WarpSettings

SIDE = 64


def part(number: int = 0, side: int = 192, channels: int = 1) -> Tensor:
    """(1, c, side, side): smooth blobs, hard edges and a fine grain."""
    random = torch_stream(number, "test/part")
    rough = torch.randn(1, channels, side // 12, side // 12, generator=random)
    smooth = F.interpolate(rough, size=(side, side), mode="bicubic")
    grain = torch.randn(1, channels, side, side, generator=random) * 0.03
    return (torch.where(smooth > 0.5, 0.6, smooth.clamp(-1, 1) * 0.3) + grain).clamp(-0.9, 0.9)


def in_8_bits(photos: Tensor) -> Tensor:
    return torch.from_numpy(np.stack([integers_to_unit(unit_to_integers(photo, 8), 8) for photo in photos.numpy()]))


def views(count: int, channels: int = 1) -> Tensor:
    """Photos of different places of one large part, overlapping a little."""
    whole = part(channels=channels)
    corners = torch.randint(192 - SIDE, (count, 2), generator=torch_stream(0, "test/corners")).tolist()
    return in_8_bits(torch.cat([whole[:, :, y : y + SIDE, x : x + SIDE] for y, x in corners]))


def beads(count: int) -> Tensor:
    """Photos of one bead of a steady section, each at another height, with a grain of its own."""
    height = torch.arange(SIDE)[:, None] - torch.linspace(24, 40, count)[:, None, None, None]
    section = 0.7 * torch.sigmoid(8 - height.abs()) - 0.3
    grain = torch.randn(count, 1, SIDE, SIDE, generator=torch_stream(0, "test/grain"))
    return in_8_bits(section.expand(-1, -1, -1, SIDE) + 0.04 * grain)


def ready(photos: Tensor, **settings: Any) -> PatchDiffusion:
    spec = ImageSpec(photos.shape[3], photos.shape[2], photos.shape[1])
    generator = PatchDiffusion(PatchDiffusionSettings(**settings), spec, seed=0)
    generator.prepare(photos)
    return generator


def drawn(generator: PatchDiffusion, seed: int) -> tuple[Tensor, Passport]:
    image = generator.sample([seed])
    return image, generator.passports()[seed]


# The path


def test_the_path_is_chosen_by_measured_alignment_and_told() -> None:
    random = torch_stream(0, "test/noise")
    one_view = in_8_bits(part()[:, :, :SIDE, :SIDE] + 0.05 * torch.randn(6, 1, SIDE, SIDE, generator=random))
    aligned, several, one = ready(one_view), ready(views(6)), ready(views(1))
    assert (aligned.path, several.path, one.path) == ("aligned", "candidates", "candidates")
    assert "path aligned: the photos share a view" in aligned.notes()[0]
    assert "path candidates: the photos do not share a view" in several.notes()[0]
    assert "0.5 is the least" in several.notes()[0]
    assert "path candidates: there is one photo" in one.notes()[0]
    forced = ready(one_view, path="candidates")
    assert forced.path == "candidates" and "(as set): the photos share a view" in forced.notes()[0]
    broken = ready(views(6), path="aligned")
    assert broken.path == "aligned" and "broken and doubled edges" in broken.notes()[1]


def test_one_photo_cannot_be_aligned() -> None:
    with pytest.raises(UserError) as caught:
        ready(views(1), path="aligned")
    assert "1 training photo" in caught.value.what and "from 2 on" in caught.value.allowed


def test_controls_of_the_other_path_are_refused_by_name() -> None:
    generator = ready(views(2))
    generator.check_controls(PatchDiffusionControls(patch_px=7))
    with pytest.raises(UserError) as caught:
        generator.check_controls(PatchDiffusionControls(start=0, temperature=2.0))
    assert "start, temperature" in caught.value.what and "1 control: patch_px" in caught.value.allowed


# The search and the layers


def test_the_search_finds_a_planted_part_at_its_place() -> None:
    photos = torch.cat([part(number)[:, :, :32, :40] for number in range(4)])
    layout = part(9)[:, :, :32, :40].clone()
    layout[:, :, 4:28, 6:26] = photos[2:3, :, 7:31, 1:21]  # 3 down, 5 left
    levels = with_detail([photos]), with_detail([layout])
    search = Search(levels[0][0])
    luck = torch.zeros(4, SHIFTS)
    found = search.choose(levels[1][0], 0, torch.zeros(32, 40, 2), 4, 0.02, 1, luck)
    assert found.photos.tolist() == [2] and found.offsets.tolist() == [[-5.0, 3.0]]


def test_the_search_never_finds_the_layouts_own_place() -> None:
    photo = with_detail([part()[:, :, :32, :32]])[0]
    own = torch.zeros(32, 32, 2)
    found = Search(photo).choose(
        photo, 0, own, 4, 10.0, 12, torch.rand(1, SHIFTS, generator=torch_stream(0, "test/luck"))
    )
    assert len(found.photos) > 3
    assert (found.offsets.abs().amax(1) >= 4).all()
    free = Search(photo).choose(photo, 1, own, 4, 10.0, 12, torch.zeros(1, SHIFTS))
    assert free.offsets[0].tolist() == [0.0, 0.0]  # of another photo it would be the best


def test_smooth_metal_is_not_taken_for_cloth_of_the_same_grey() -> None:
    weave = torch.where((torch.arange(64)[:, None] + torch.arange(64)) % 2 == 0, 0.2, -0.2)
    photos = torch.stack([torch.zeros(64, 64), weave])[:, None]
    levels = with_detail(Pyramid(64, 64, 2).build(photos))
    assert torch.allclose(levels[0][0, 0], levels[0][1, 0])  # equal grey values where it is coarse
    assert (levels[0][1, 1] - levels[0][0, 1]).min() > 0.3
    assert levels[-1][:, 1].abs().max() == 0


def test_a_layer_is_fitted_below_a_pixel() -> None:
    photo = F.avg_pool2d(part(side=192), 3)  # 64 px, smooth enough
    true = torch.tensor([0.7, -0.4])
    layout = look(photo, true.expand(1, 16, 16, 2), 1)
    offsets = torch.zeros(1, 16, 16, 2)
    for _ in range(12):
        offsets = fit(offsets, photo, layout, 1)
    assert (offsets[:, 3:-3, 3:-3] - true).abs().median() < 0.05
    still = fit(torch.zeros(1, 16, 16, 2), photo, photo, 1)
    assert still.abs().max() < 1e-5


def test_from_ten_photos_on_the_layouts_own_photo_is_no_candidate() -> None:
    photos = with_detail([torch.cat([part(number)[:, :, :32, :32] for number in range(10)])])[0]
    own, luck = torch.zeros(32, 32, 2), torch.rand(10, SHIFTS, generator=torch_stream(0, "test/luck"))
    chosen = Search(photos).choose(photos[4:5], 4, own, 4, 10.0, 12, luck).photos
    assert len(chosen) == 12 and 4 not in chosen
    assert 4 in Search(photos[:9]).choose(photos[4:5], 4, own, 4, 10.0, 30, luck[:9]).photos


# Samples and passports


def test_a_photo_with_no_like_anywhere_is_drawn_as_its_warp() -> None:
    blocks = torch.randn(1, 1, 32, 32, generator=torch_stream(3, "test/blocks"))  # no two parts are alike
    photo = in_8_bits(F.interpolate(blocks * 0.3, size=(256, 256), mode="nearest").clamp(-0.9, 0.9))
    generator = ready(photo)
    image, passport = drawn(generator, 0)
    assert passport.largest_region == 1 and passport.facts["layers"] == [0]
    assert (generator.rebuild(passport) - image).abs().mean() * 127.5 < 0.1
    assert (image - photo).abs().mean() * 127.5 > 2


@pytest.mark.parametrize(("count", "channels"), [(1, 3), (6, 1)])
def test_a_sample_is_its_seeds_alone_and_is_rebuilt_from_its_passport(count: int, channels: int) -> None:
    generator = ready(views(count, channels))
    image, passport = drawn(generator, 7)
    assert torch.equal(ready(views(count, channels)).sample([3, 7])[1:], image)
    apart = (generator.rebuild(passport) - image).abs() * 127.5  # grey levels
    assert apart.mean() < 0.1 and apart.flatten().quantile(0.999) < 1
    other, _ = drawn(generator, 8)
    assert (other - image).abs().mean() * 127.5 > 1


def test_only_photos_that_the_passport_names_are_in_the_sample() -> None:
    photos = views(8)
    generator = ready(photos, drop_outliers=False)
    image, passport = drawn(generator, 2)
    assert passport.most_used_photo in passport.drew_on and passport.facts["layout"] in passport.drew_on
    others = sorted(set(range(8)) - set(passport.drew_on))
    assert others
    changed = generator.store.pixels.clone()
    changed[others] = 255 - changed[others]
    generator.store.pixels = changed
    apart = (generator.rebuild(passport) - image).abs() * 127.5
    assert apart.mean() < 0.1
    changed = changed.clone()
    changed[passport.facts["layout"]] = 255 - changed[passport.facts["layout"]]
    generator.store.pixels = changed
    assert (generator.rebuild(passport) - image).abs().mean() * 127.5 > 10


def test_a_held_out_photo_never_appears() -> None:
    photos = views(6, channels=3)
    marked = photos[:1].clone()
    marked[:, 0, 20:40, 20:40], marked[:, 1:, 20:40, 20:40] = 0.9, -0.9  # red, which is nowhere else
    with_it, without = ready(torch.cat([photos, marked])), ready(photos)

    def red(generator: PatchDiffusion) -> int:
        images = generator.sample(range(12))
        return int(((images[:, 0] > 0.8) & (images[:, 1] < -0.8)).sum())

    assert red(with_it) > 50  # it would be seen
    assert red(without) == 0
    assert all(set(passport.drew_on) <= set(range(6)) for passport in without.passports().values())


def test_a_planted_copy_is_found_in_a_drawing() -> None:
    generator = ready(views(8), drop_outliers=False)
    sampler = generator.candidate_sampler()
    drawing = sampler.draw(1)
    rows, columns, count = drawing.weights[-1].shape
    random = torch.randint(count, (rows, columns), generator=torch_stream(0, "test/scattered"))
    random[: rows * 5 // 8] = 0  # five eighths are one layer, the rest is scattered
    planted = (*drawing.weights[:-1], F.one_hot(random, count).float())
    image = sampler.assemble(drawing.layers, planted)
    passport = write_passport(replace(drawing, image=image, weights=planted), sampler)
    assert passport.largest_region == pytest.approx(5 / 8, abs=0.02)
    assert passport.most_used_photo == int(sampler.numbers[drawing.layers.photos[0]])
    assert passport.most_used_share >= 5 / 8
    assert (generator.rebuild(passport) - image).abs().mean() * 127.5 < 0.1


def test_a_region_is_one_photo_at_places_that_go_on_smoothly() -> None:
    photos, still = torch.zeros(8, 10, dtype=torch.long), torch.zeros(8, 10, 2)
    assert largest_region(photos, still) == 1
    turned = middles(8, 10, 2) @ torch.tensor([[0.0, 0.2], [-0.2, 0.0]])  # a copy that is turned is a copy
    assert largest_region(photos, turned) == 1
    jumped = still.clone()
    jumped[:, 5:, 0] = 7  # the same photo from elsewhere is another region
    assert largest_region(photos, jumped) == 0.5
    photos[:, 3:] = 1
    assert largest_region(photos, still) == pytest.approx(0.7)


def test_detail_comes_from_several_photos_and_not_from_the_layouts_own() -> None:
    generator = ready(beads(12), path="candidates", drop_outliers=False)
    generator.sample(range(8))
    passports = generator.passports().values()
    assert np.median([len(passport.drew_on) for passport in passports]) >= 4
    assert np.median([passport.most_used_share for passport in passports]) < 0.7
    own = []
    for passport in passports:
        rows, columns = passport.facts["levels"][0]
        own.append((passport.picture[:rows, :columns] == passport.facts["layout"]).mean())
    assert np.median(own) < 0.35


def test_samples_are_as_far_from_photos_as_warped_photos_are() -> None:
    photos = views(8)
    generator = ready(photos)
    generator.sample(range(12))
    ours = np.median([passport.novelty for passport in generator.passports().values()])
    like_ours = {"turn_degrees": 10, "least_view": 0.85, "most_view": 1.0}
    warp = Warp(WarpSettings(**like_ours), ImageSpec(SIDE, SIDE, 1), seed=0)
    warp.prepare(photos)
    sampler = generator.candidate_sampler()
    theirs = np.median([sampler.novelty(image[None]) for image in warp.sample(range(12))])
    assert ours > 0.7 * theirs > 0.1


def test_masks_are_those_of_the_layout_and_other_kinds_stay_out() -> None:
    photos = in_8_bits(part()[:, :, :SIDE, :SIDE].repeat(6, 1, 1, 1) * 0.4 - 0.3)
    masks = torch.zeros(6, SIDE, SIDE, dtype=torch.uint8)
    for number in range(6):
        top = 6 * number + 8
        photos[number, :, top : top + 16, 20:44] = 0.8
        masks[number, top : top + 16, 20:44] = 1
    generator = ready(photos, path="candidates")
    generator.prepare_masks(masks)
    images = generator.sample(range(8))
    for seed, image in enumerate(images):
        mask = generator.masks()[seed] > 0
        assert mask.any() and not mask.all()
        assert ((image[0] > 0.3) == mask).float().mean() > 0.98


def test_offsets_on_a_finer_grid_keep_a_turn() -> None:
    turn = torch.tensor([[0.0, 0.1], [-0.1, 0.0]])
    coarse, fine = middles(8, 8, 4) @ turn, middles(32, 32, 1) @ turn
    inner = slice(2, -2)
    assert torch.allclose(resized(coarse[None], 32, 32)[0, inner, inner], fine[inner, inner], atol=1e-5)
