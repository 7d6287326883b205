"""gpdm: the written-out gradient is that of the sliced Wasserstein distance, and following it matches the patches."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from handful.core.errors import UserError
from handful.core.seeds import torch_stream
from handful.generators.base import ImageSpec
from handful.generators.controls import ImageSize
from handful.generators.gpdm import Gpdm, GpdmControls, GpdmSettings
from handful.generators.gpdm_parts.matching import draw_kernels, gradient, measure_target
from handful.generators.gpnn_parts.levels import level_sizes

QUICK = {"steps": 40, "learning_rate": 0.05}


def picture(height: int, width: int, channels: int = 3, number: int = 0) -> Tensor:
    """(1, c, h, w): smooth shapes and a little grain, as photos have them."""
    random = torch_stream(number, "test/gpdm")
    coarse = torch.rand(1, channels, 5, 6, generator=random) * 2 - 1
    smooth = F.interpolate(coarse, (height, width), mode="bicubic")
    return (0.8 * smooth + 0.05 * torch.randn(1, channels, height, width, generator=random)).clamp(-1, 1)


def gpdm(bank: Tensor, **settings: float) -> Gpdm:
    channels, height, width = bank.shape[1:]
    generator = Gpdm(GpdmSettings.model_validate(settings), ImageSpec(width, height, channels), seed=0)
    generator.prepare(bank)
    return generator


def distance_by_sorting(image: Tensor, photos: Tensor, kernels: Tensor) -> Tensor:
    """The paper's sliced Wasserstein distance, patch by patch from an unfolded image, for equal numbers of patches."""
    flat = kernels.flatten(1)
    ours, theirs = (
        flat @ torch.cat([F.unfold(one[None], kernels.shape[2])[0] for one in images], 1) for images in (image, photos)
    )
    return (ours.sort(1).values - theirs.sort(1).values).abs().mean()


def kernels_for(channels: int, count: int = 16) -> Tensor:
    return draw_kernels(count, channels, 7, torch_stream(0, "test/kernels"))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_sorted_gradient_is_that_of_the_distance(channels: int) -> None:
    image, photo, kernels = picture(20, 26, channels), picture(20, 26, channels, number=1), kernels_for(channels)
    leaf = image.clone().requires_grad_()
    distance_by_sorting(leaf, photo, kernels).backward()
    assert leaf.grad is not None
    written_out = gradient(image, measure_target(photo, kernels, bins=0))
    assert (written_out - leaf.grad).abs().max() < 1e-5 * leaf.grad.abs().max()


@pytest.mark.parametrize(("bins", "error"), [(4096, 0.06), (256, 0.4)])
def test_counting_in_bins_changes_the_gradient_little(bins: int, error: float) -> None:
    image, photo, kernels = picture(40, 40, 3), picture(40, 40, 3, number=1), kernels_for(3)
    exact = gradient(image, measure_target(photo, kernels, bins=0))
    counted = gradient(image, measure_target(photo, kernels, bins))
    assert 0 < (counted - exact).norm() < error * exact.norm()


def test_values_beyond_the_photos_are_drawn_back() -> None:
    photo, kernels = picture(40, 40), kernels_for(3)
    for shift in (-3.0, 3.0):
        image = picture(40, 40, number=1) + shift
        exact = gradient(image, measure_target(photo, kernels, bins=0))
        counted = gradient(image, measure_target(photo, kernels, bins=4096))
        assert (counted - exact).norm() < 0.05 * exact.norm()


@pytest.mark.parametrize("bins", [0, 4096])
def test_an_image_with_the_photo_s_patches_has_no_gradient(bins: int) -> None:
    photo = picture(40, 40)
    assert gradient(photo, measure_target(photo, kernels_for(3), bins)).abs().max() == 0


@pytest.mark.parametrize("bins", [0, 4096])
def test_two_copies_of_a_photo_ask_for_what_one_asks_for(bins: int) -> None:
    image, photo, kernels = picture(40, 40), picture(40, 40, number=1), kernels_for(3)
    one, two = (gradient(image, measure_target(photo.repeat(n, 1, 1, 1), kernels, bins)) for n in (1, 2))
    assert (one - two).norm() < 0.02 * one.norm()


def test_a_level_equals_a_plain_loop_with_autograd_over_its_steps() -> None:
    photo, image = picture(18, 18), picture(18, 18, number=1)
    generator = gpdm(photo, bins=0, steps=8, projections=16)
    ours = [image.clone()]
    generator._match(photo, ours, level=2)
    theirs = image.clone().requires_grad_()
    optimiser = torch.optim.Adam([theirs], lr=0.01)
    for step in range(8):
        optimiser.zero_grad()
        kernels = draw_kernels(16, 3, 7, torch_stream(2, "gpdm/projections", step))
        distance_by_sorting(theirs, photo, kernels).backward()
        optimiser.step()
    # a sign may flip where two projections are equal but for rounding; Adam moves a pixel by 0.01 a step
    assert (ours[0] - theirs).abs().mean() < 1e-4
    assert (theirs - image).abs().mean() > 0.03


def test_the_patches_of_a_sample_are_spread_as_the_photo_s() -> None:
    photo = picture(24, 28)
    generator, kernels = gpdm(photo, **QUICK), kernels_for(3)
    sample = generator.sample([3])
    noise = torch.randn(1, 3, 24, 28, generator=torch_stream(0, "test/noise"))
    before, other, after = (
        distance_by_sorting(image, photo, kernels) for image in (noise, picture(24, 28, number=1), sample)
    )
    assert after < 0.15 * before
    assert after < 0.4 * other
    assert (sample - photo).square().mean().sqrt() > 0.1


def test_several_photos_are_matched_together_and_one_is_stated() -> None:
    photos = torch.cat([torch.full((1, 1, 16, 16), value) for value in (-0.8, 0.8, 0.0)])
    photos += 0.05 * torch.randn(photos.shape, generator=torch_stream(0, "test/noise"))
    one = gpdm(photos, **QUICK, noise=0.5)
    sources = one.sources(range(8))
    assert sources is not None and set(sources) == {0, 1, 2}
    means = one.sample(range(8)).mean((1, 2, 3))
    assert (means - photos[sources].mean((1, 2, 3))).abs().max() < 0.05
    every = gpdm(photos, **QUICK, noise=0.5, photos=0)
    assert every.sources([0]) is None
    drawn = every.sample([0])
    assert abs(float(drawn.mean())) < 0.15 and drawn.std() > 0.3


def test_another_size_and_a_layout_can_be_asked_for() -> None:
    photos = torch.cat([picture(22, 22, 1), picture(22, 22, 1, number=1)])
    generator = gpdm(photos, **QUICK)
    controls = GpdmControls(size=ImageSize(width=44, height=22), photo=0, layout=1, noise=0)
    samples = generator.sample_controlled([0, 1], controls)
    assert samples.shape == (2, 1, 22, 44)
    assert torch.equal(samples[0], samples[1])  # no noise: nothing left for a seed to decide
    assert generator.sources([0], controls) is None
    layouts = [F.avg_pool2d(F.interpolate(photo[None], (22, 44)), 4).flatten() for photo in photos]
    drawn = F.avg_pool2d(samples[:1], 4).flatten()
    with_own, with_other = (float(torch.corrcoef(torch.stack([drawn, layout]))[0, 1]) for layout in layouts)
    assert with_other > with_own + 0.1


@pytest.mark.parametrize(("side", "levels"), [(16, 1), (21, 1), (25, 2), (250, 16)])
def test_levels_run_from_21_pixels_to_the_canvas(side: int, levels: int) -> None:
    sizes = level_sizes(side, 2 * side, 1 / 0.85, 21, 10_000)
    assert len(sizes) == levels and min(sizes[0]) == min(side, 21) and sizes[-1] == (side, 2 * side)


def test_what_a_run_cannot_follow_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        gpdm(picture(18, 30), patch_px=20)
    assert "30x18" in caught.value.what and "20x20" in caught.value.allowed
    generator = gpdm(picture(22, 22))
    with pytest.raises(UserError, match="photo is 1"):
        generator.check_controls(GpdmControls(photo=1))
    with pytest.raises(UserError, match="5x30 px"):
        generator.check_controls(GpdmControls(size=ImageSize(width=5, height=30)))
