"""Each augmentation does what its paper says, to each image on its own, and lets gradients through."""

from __future__ import annotations

import pytest
import torch

from handful.core.errors import UserError
from handful.core.seeds import torch_stream
from handful.train.augment import Operation, build_augment, color, cutout, flip, translation

OPERATIONS: tuple[Operation, ...] = ("classic", "flip", "color", "translation", "cutout", "relight")


def images(n: int = 200, channels: int = 3, height: int = 24, width: int = 32) -> torch.Tensor:
    return torch.rand(n, channels, height, width, generator=torch_stream(0, "test images")) * 2 - 1


def lit_photos(channels: int = 1, height: int = 24, width: int = 32) -> torch.Tensor:
    """Seven photos of one part; photo i has exp(0.2 (i - 3)) times the light and a tilt to the right of 0.1 (i - 3)."""
    steps = torch.arange(7.0) - 3
    x = (2 * torch.arange(width) + 1) / width - 1
    field = (0.2 * steps[:, None] + 0.1 * steps[:, None] * x).exp()[:, None, None, :]
    part = 0.1 + 0.2 * torch.rand(1, channels, height // 4, width // 4, generator=torch_stream(0, "test part"))
    return part.repeat_interleave(4, 2).repeat_interleave(4, 3) * field * 2 - 1


def test_relight_moves_light_as_the_photos_differ_and_no_edge() -> None:
    photos = lit_photos()
    relight = build_augment(("relight",), photos)
    middle = photos[3:4].expand(300, -1, -1, -1)
    fields = (relight(middle, torch_stream(1, "augment")) + 1) / (middle + 1)  # (300, 1, h, w)
    assert torch.allclose(fields, fields[:, :, :1].expand_as(fields), rtol=1e-3)  # light came from the right alone
    gains, tilts = fields.log().mean(dim=(1, 2, 3)), (fields[:, 0, 0, -1] / fields[:, 0, 0, 0]).log()
    assert -0.61 < gains.min() < -0.5 and 0.5 < gains.max() < 0.61
    assert torch.allclose(tilts, gains * 0.5 * 2 * 31 / 32, atol=0.02)
    assert 0.25 < gains.std() < 0.4  # of the photos 0.43; of places between two of them sqrt(2 / 3) times that


def test_relight_needs_two_photos() -> None:
    with pytest.raises(UserError) as error:
        build_augment(("relight",), lit_photos()[:1])
    assert "1 training photo" in error.value.what and "at least 2" in error.value.allowed


def test_none_leaves_images_alone() -> None:
    before = images(2)
    assert torch.equal(build_augment(())(before, torch_stream(1, "augment")), before)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_operation_is_repeatable_differs_between_images_and_has_gradients(
    operation: Operation, channels: int
) -> None:
    augment = build_augment((operation,), lit_photos(channels))
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
