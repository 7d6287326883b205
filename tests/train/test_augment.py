"""Each augmentation does what its paper says, to each image on its own, and lets gradients through."""

from __future__ import annotations

import pytest
import torch

from handful.core.seeds import torch_stream
from handful.train.augment import Operation, build_augment, color, cutout, flip, translation

OPERATIONS: tuple[Operation, ...] = ("classic", "flip", "color", "translation", "cutout")


def images(n: int = 200, channels: int = 3, height: int = 24, width: int = 32) -> torch.Tensor:
    return torch.rand(n, channels, height, width, generator=torch_stream(0, "test images")) * 2 - 1


def test_none_leaves_images_alone() -> None:
    before = images(2)
    assert torch.equal(build_augment(())(before, torch_stream(1, "augment")), before)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_operation_is_repeatable_differs_between_images_and_has_gradients(
    operation: Operation, channels: int
) -> None:
    augment = build_augment((operation,))
    same = images(1, channels).expand(40, -1, -1, -1).clone().requires_grad_()
    after = augment(same, torch_stream(1, "augment"))
    assert after.shape == same.shape
    assert torch.equal(after, augment(same, torch_stream(1, "augment")))
    assert len({tuple(image.flatten().tolist()) for image in after.detach()}) > 1
    after.sum().backward()
    assert same.grad is not None and same.grad.isfinite().all() and same.grad.abs().sum() > 0


def test_operations_follow_one_another() -> None:
    batch = images(8)
    random = torch_stream(1, "augment")
    by_hand = cutout(flip(batch, random), random)
    assert torch.equal(build_augment(("flip", "cutout"))(batch, torch_stream(1, "augment")), by_hand)


def test_flip_mirrors_half_of_the_images() -> None:
    batch = images()
    after = flip(batch, torch_stream(1, "augment"))
    mirrored = (after == batch.flip(-1)).all(dim=(1, 2, 3))
    kept = (after == batch).all(dim=(1, 2, 3))
    assert (mirrored ^ kept).all()
    assert 70 <= int(mirrored.sum()) <= 130  # 200 fair draws; outside this 1 time in 40,000


def test_color_of_a_flat_grey_image_is_its_brightness_shift() -> None:
    shift = color(torch.zeros(400, 1, 8, 8), torch_stream(1, "augment"))
    assert torch.allclose(shift, shift[:, :, :1, :1].expand_as(shift))
    assert -0.5 <= shift.min() < -0.45 and 0.45 < shift.max() <= 0.5


def test_color_scales_contrast_by_a_half_to_three_halves_and_saturation_up_to_two() -> None:
    grey = images(400, channels=1)
    ratio = color(grey, torch_stream(1, "augment")).std(dim=(1, 2, 3)) / grey.std(dim=(1, 2, 3))
    assert 0.5 <= ratio.min() < 0.55 and 1.45 < ratio.max() <= 1.5

    batch = images(400)
    after = color(batch, torch_stream(1, "augment"))
    spread = (after - after.mean(1, keepdim=True)).std(dim=(1, 2, 3))
    grey_spread = after.mean(1).std(dim=(1, 2)) / batch.mean(1).std(dim=(1, 2))  # contrast alone
    saturation = spread / grey_spread / (batch - batch.mean(1, keepdim=True)).std(dim=(1, 2, 3))
    assert 0 <= saturation.min() < 0.1 and 1.9 < saturation.max() <= 2.0001


def test_translation_shifts_by_at_most_an_eighth_and_fills_with_zero() -> None:
    height, width = 24, 32
    batch = torch.arange(1.0, height * width + 1).reshape(1, 1, height, width).expand(300, -1, -1, -1)
    after = translation(batch, torch_stream(1, "augment"))
    shifts = set()
    for image in after[:, 0]:
        rows, columns = torch.nonzero(image, as_tuple=True)
        source = image[rows, columns].long() - 1
        dy, dx = int(rows[0] - source[0] // width), int(columns[0] - source[0] % width)
        expected = torch.zeros(height, width)
        moved = batch[0, 0, max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)]
        expected[max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)] = moved
        assert torch.equal(image, expected)
        shifts.add((dy, dx))
    assert {dy for dy, _ in shifts} == set(range(-3, 4))  # 24 / 8
    assert {dx for _, dx in shifts} == set(range(-4, 5))  # 32 / 8


def test_cutout_clears_a_rectangle_of_half_the_sides_clipped_at_the_border() -> None:
    after = cutout(torch.ones(300, 1, 24, 32), torch_stream(1, "augment"))[:, 0]
    heights = (after == 0).any(2).sum(1)
    widths = (after == 0).any(1).sum(1)
    assert torch.equal((after == 0).sum((1, 2)), heights * widths)  # one filled rectangle each
    assert int(heights.max()) == 12 and int(widths.max()) == 16
    assert int(heights.min()) >= 6 and int(widths.min()) >= 8  # its centre never leaves the image
    assert (after[:, 0, 0] == 0).any() and (after[:, -1, -1] == 0).any()
