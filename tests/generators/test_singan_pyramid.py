"""SinGAN's scales are as many and as large as the authors' code makes them, and are resized as MATLAB does."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from handful.generators.singan_parts.pyramid import pyramid_sizes, resize
from handful.generators.singan_parts.scale import scale_widths


def test_a_658x490_photo_has_the_nine_scales_of_the_authors_code() -> None:
    sizes = pyramid_sizes(height=490, width=658, min_size=25, max_size=250, scale_factor=0.75)
    assert sizes == (
        *((25, 34), (33, 43), (42, 56), (54, 72), (69, 92)),
        *((88, 118), (114, 152), (146, 195), (187, 250)),
    )


@pytest.mark.parametrize(("max_size", "scales"), [(250, 9), (490, 11), (658, 13)])
def test_a_larger_finest_scale_adds_scales_below_it(max_size: int, scales: int) -> None:
    sizes = pyramid_sizes(490, 658, 25, max_size, 0.75)
    assert len(sizes) == scales
    assert max(sizes[-1]) == max_size and min(sizes[0]) == 25


@pytest.mark.parametrize("turned", [False, True])
def test_the_number_of_scales_follows_the_published_formulas(turned: bool) -> None:
    for height, width, min_size, max_size, factor in [(72, 96, 25, 250, 0.75), (300, 900, 20, 200, 0.7)]:
        if turned:
            height, width = width, height
        number = math.ceil(math.log(min_size / min(height, width), factor)) + 1
        skipped = math.ceil(math.log(min(max_size, max(height, width)) / max(height, width), factor))
        sizes = pyramid_sizes(height, width, min_size, max_size, factor)
        assert len(sizes) == number - skipped + 1  # scales 0 to stop_scale
        ratios = [min(fine) / min(coarse) for coarse, fine in pairwise(sizes)]
        assert max(ratios) / min(ratios) < 1.1  # one factor, but for rounding


def test_a_canvas_no_larger_than_the_coarsest_scale_has_one() -> None:
    assert pyramid_sizes(25, 40, 25, 250, 0.75) == ((25, 40),)
    assert pyramid_sizes(19, 19, 25, 250, 0.75) == ((19, 19),)


def test_widths_double_every_four_scales_up_to_a_cap() -> None:
    assert scale_widths(14, 32, 128) == (32,) * 4 + (64,) * 4 + (128,) * 6


def picture(height: int, width: int) -> Tensor:
    return torch.rand(1, 2, height, width, generator=torch.Generator().manual_seed(1)) * 1.6 - 0.8


@pytest.mark.parametrize("size", [(15, 20), (40, 53), (66, 31)])
def test_resizing_equals_pillows_bicubic_away_from_the_border(size: tuple[int, int]) -> None:
    image = picture(41, 57)
    expected = np.asarray(Image.fromarray(image[0, 0].numpy()).resize(size[::-1], Image.Resampling.BICUBIC))
    ours = resize(image, *size)[0, 0].numpy()
    far = 5  # pixels: Pillow drops what lies outside, MATLAB mirrors
    assert np.abs(ours - expected.clip(-1, 1))[far:-far, far:-far].max() < 1e-5


def plain_resize(line: np.ndarray, after: int) -> np.ndarray:
    """Each pixel by itself: every input pixel near it, beyond the ends mirrored, weighted by Keys' cubic."""
    scale, result = after / len(line), []
    mirrored = np.concatenate([line[::-1], line, line[::-1]])
    for place in range(after):
        centre, total, weight = (place + 0.5) / scale - 0.5, 0.0, 0.0
        for pixel in range(-len(line), 2 * len(line)):
            x = abs(centre - pixel) * min(1.0, scale)
            share = 0.0
            if x < 1:
                share = 1 - 2.5 * x**2 + 1.5 * x**3
            elif x < 2:
                share = 2 - 4 * x + 2.5 * x**2 - 0.5 * x**3
            total, weight = total + share * mirrored[pixel + len(line)], weight + share
        result.append(total / weight)
    return np.array(result)


@pytest.mark.parametrize(("before", "after"), [(20, 9), (13, 17), (12, 12), (31, 30)])
def test_resizing_mirrors_the_border(before: int, after: int) -> None:
    image = picture(before, 3)
    ours = resize(image, after, 3)[0, 1, :, 2].numpy()
    assert np.allclose(ours, plain_resize(image[0, 1, :, 2].double().numpy(), after).clip(-1, 1), atol=1e-5)


def test_resizing_keeps_a_plain_image_and_the_range() -> None:
    assert torch.allclose(resize(torch.full((1, 1, 9, 9), 0.3), 23, 5), torch.tensor(0.3))
    step = torch.ones(1, 1, 8, 8)
    step[..., :4] = -1
    grown = resize(3 * step, 32, 32)  # cubics overshoot at an edge
    assert grown.min() == -1 and grown.max() == 1
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(resize(3 * step, 32, 32), grown)
