"""gpnn: the search is exact, and samples are made of one photo's patches."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from handful.core.errors import UserError
from handful.core.seeds import torch_stream
from handful.generators.base import ImageSpec
from handful.generators.controls import ImageSize
from handful.generators.gpnn import Gpnn, GpnnControls, GpnnSettings
from handful.generators.gpnn_parts.levels import level_sizes
from handful.generators.gpnn_parts.patches import fold_patches, to_patches
from handful.generators.gpnn_parts.search import Basis, nearest


def picture(height: int, width: int, channels: int = 3, number: int = 0) -> Tensor:
    """(1, c, h, w): smooth shapes and a little grain, as photos have them."""
    random = torch_stream(number, "test/gpnn")
    coarse = torch.rand(1, channels, 5, 6, generator=random) * 2 - 1
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    return (0.8 * smooth + 0.05 * torch.randn(1, channels, height, width, generator=random)).clamp(-1, 1)


def gpnn(photos: Tensor, **settings: float) -> Gpnn:
    channels, height, width = photos.shape[1:]
    generator = Gpnn(GpnnSettings.model_validate(settings), ImageSpec(width, height, channels), seed=0)
    generator.prepare(photos)
    return generator


def patches_by_loop(image: Tensor, patch_px: int) -> Tensor:
    """(patches, c p p), in float64."""
    _, _, height, width = image.shape
    return torch.stack(
        [
            image[0, :, row : row + patch_px, column : column + patch_px].flatten().double()
            for row in range(height - patch_px + 1)
            for column in range(width - patch_px + 1)
        ]
    )


def pass_by_loop(image: Tensor, keys_image: Tensor, values_image: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """One pass of the paper's equations 1 and 2, query by query in float64: the chosen patches and the image."""
    queries, keys, values = (patches_by_loop(one, 7) for one in (image, keys_image, values_image))
    distances = torch.stack([(keys - query).square().mean(1) for query in queries])  # (queries, keys)
    chosen = (distances / (alpha + distances.amin(0))).argmin(1)
    total, count = torch.zeros(image.shape[1:]).double(), torch.zeros(image.shape[2:])
    columns = image.shape[3] - 6
    for place, key in enumerate(chosen.tolist()):
        row, column = divmod(place, columns)
        total[:, row : row + 7, column : column + 7] += values[key].view(-1, 7, 7)
        count[row : row + 7, column : column + 7] += 1
    return chosen, (total / count)[None].float()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("guessed", [False, True])
def test_the_search_finds_the_neighbours_that_brute_force_in_float64_finds(channels: int, guessed: bool) -> None:
    photo, image = picture(26, 31, channels), picture(24, 29, channels, number=1)
    weights = torch.rand(20 * 25, generator=torch_stream(2, "test/gpnn")) + 0.01
    basis = Basis(to_patches(photo, 7))
    queries, keys = basis.describe(to_patches(image, 7)), basis.describe(to_patches(photo, 7))
    guess = torch.arange(len(queries)) % len(keys) if guessed else None
    found, least = nearest(queries, keys, weights, guess)
    distances = torch.cdist(patches_by_loop(image, 7), patches_by_loop(photo, 7)).square() * weights.double()
    assert torch.equal(found, distances.argmin(1))
    assert torch.allclose(least.double(), distances.amin(1), rtol=1e-5)


def test_keys_that_are_all_but_flat_are_found_by_queries_that_are_not() -> None:
    """What keys have beyond the axes of the bound is smaller than a difference of their squared lengths rounds."""
    random = torch.Generator().manual_seed(0)
    beyond = torch.nn.functional.normalize(torch.randn(100, 34, generator=random), dim=1)
    keys = torch.cat([3 * torch.randn(100, 15, generator=random), 1e-3 * beyond], dim=1)
    queries = torch.cat([keys[:, :15], 6 * beyond], dim=1)
    basis = Basis(keys)
    found, distances = nearest(basis.describe(queries), basis.describe(keys))
    wanted = (queries[:, None] - keys).square().sum(2)
    assert torch.equal(found, wanted.argmin(1))
    torch.testing.assert_close(distances, wanted.amin(1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("grain", [1e-4, 0.05])
def test_neighbours_far_nearer_than_patches_are_long_are_found_among_many(grain: float) -> None:
    """In float32 products of patches lose their differences where all of a photo's flat part is alike."""
    random = torch.Generator().manual_seed(0)
    flat = torch.tensor([0.9, -0.9]).repeat_interleave(400)[:, None]
    queries, keys = (flat + grain * torch.randn(800, 49, generator=random) for _ in range(2))
    weights = torch.rand(800, generator=random) + 0.5
    basis = Basis(keys)
    found, least = nearest(basis.describe(queries), basis.describe(keys), weights)
    distances = torch.cdist(queries.double(), keys.double()).square() * weights
    taken = distances.gather(1, found[:, None])[:, 0]
    assert (taken / distances.amin(1)).max() < 1 + 1e-3  # centred values are rounded to 6e-8 where they differ by 1e-4
    torch.testing.assert_close(least.double(), taken, rtol=2e-3, atol=0)


def test_a_guess_that_is_a_copy_is_kept() -> None:
    photo = torch.full((1, 1, 12, 12), 0.3)
    patches = Basis(to_patches(picture(12, 12, 1), 7)).describe(to_patches(photo, 7))
    guess = torch.arange(len(patches)).flip(0)
    found, least = nearest(patches, patches, guess=guess)
    assert torch.equal(found, guess) and (least == 0).all()


def test_a_key_that_rounding_excludes_is_still_found_where_it_was_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handful.generators.gpnn_parts.search._SHRINK", 2.0)  # bounds far above the distances
    photo = picture(20, 24, 1)
    patches = Basis(to_patches(photo, 7)).describe(to_patches(photo, 7))
    found, least = nearest(patches, patches, guess=torch.arange(len(patches)))
    assert torch.equal(found, torch.arange(len(patches))) and (least == 0).all()


def test_where_every_pair_is_equally_near_the_first_key_is_found() -> None:
    photo = torch.full((1, 1, 20, 20), 0.3)
    patches = Basis(to_patches(photo, 7)).describe(to_patches(photo, 7))
    found, least = nearest(patches, patches)
    assert (found == 0).all() and (least == 0).all()


def test_a_level_equals_a_plain_loop_over_its_passes() -> None:
    photo, image = picture(20, 24), picture(18, 26, number=1)
    blurred = torch.nn.functional.avg_pool2d(photo, 3, 1, 1, count_include_pad=False)
    generator = gpnn(photo, passes=3)
    expected = image
    for keys_image in (blurred, photo, photo):
        _, expected = pass_by_loop(expected, keys_image, photo, alpha=0.005)
    assert (generator._replace(image, blurred, photo) - expected).abs().max() < 1e-5


def test_passes_end_where_nothing_changes_any_more() -> None:
    photo = picture(20, 20)
    assert (gpnn(photo, passes=10**9)._replace(photo, photo, photo) - photo).abs().max() < 1e-6


def test_patches_folded_at_their_own_places_give_the_image_back() -> None:
    image = picture(9, 17)
    patches = to_patches(image, 7)
    assert torch.allclose(fold_patches(patches, torch.arange(len(patches)), 9, 17, 7), image, atol=1e-6)


def test_without_noise_a_sample_is_its_photo_and_with_noise_it_is_another_image() -> None:
    photos = torch.cat([picture(28, 36, number=number) for number in range(3)])
    still = gpnn(photos, noise=0)
    assert (still.sample([5]) - photos[still.sources([5])]).abs().max() < 1e-5  # type: ignore[index]
    noisy = gpnn(photos, noise=3, coarsest_px=20)
    difference = (noisy.sample([5]) - photos[noisy.sources([5])]).square().mean().sqrt()  # type: ignore[index]
    assert difference > 0.05


def test_completeness_makes_more_of_the_photo_appear() -> None:
    photo = picture(28, 28, 1)
    described = Basis(to_patches(photo, 7)).describe
    shown = []
    for alpha in (0.005, 100.0):
        generator = gpnn(photo, alpha=alpha, noise=3, coarsest_px=24)
        samples = [described(to_patches(generator.sample([seed]), 7)) for seed in range(4)]
        shown.append(sum(float(nearest(described(to_patches(photo, 7)), one)[1].mean()) for one in samples))
    assert shown[0] < 0.8 * shown[1]


def test_another_size_is_filled_with_patches_of_the_photo() -> None:
    photos = torch.cat([picture(24, 28, number=number) for number in range(2)])
    generator = gpnn(photos)
    wide = GpnnControls(size=ImageSize(width=49, height=24), photo=1, noise=0)
    samples = generator.sample_controlled([0, 1], wide)
    assert samples.shape == (2, 3, 24, 49)
    assert generator.sources([0, 1], wide) == [1, 1]
    assert torch.equal(samples[0], samples[1])  # no noise, one photo: nothing left for a seed to decide
    basis = Basis(to_patches(photos[1:], 7))
    _, distance = nearest(*(basis.describe(to_patches(image, 7)) for image in (samples[:1], photos[1:])))
    _, other = nearest(*(basis.describe(to_patches(image, 7)) for image in (samples[:1], photos[:1])))
    assert distance.mean() < 0.2 * other.mean()


def test_a_structural_analogy_has_the_layout_of_one_photo_and_the_patches_of_another() -> None:
    photos = torch.cat([picture(28, 28, 1, number=number) for number in range(2)])
    generator = gpnn(photos, noise=0, alpha=1, coarsest_px=24)
    controls = GpnnControls(photo=0, layout=1)
    sample = generator.sample_controlled([0], controls)
    coarse = torch.stack([torch.nn.functional.avg_pool2d(image, 4).flatten() for image in (sample, *photos[:, None])])
    assert torch.corrcoef(coarse)[0, 2] > torch.corrcoef(coarse)[1, 2] + 0.1  # nearer to it than that photo is
    described = Basis(to_patches(photos[:1], 7)).describe
    own, other = (
        nearest(described(to_patches(sample, 7)), described(to_patches(one, 7)))[1] for one in photos[:, None]
    )
    assert own.mean() < 0.5 * other.mean()
    assert generator.sources([0], controls) is None


@pytest.mark.parametrize(("side", "levels"), [(14, 1), (19, 2), (160, 9), (250, 11)])
def test_levels_run_from_14_pixels_to_the_canvas(side: int, levels: int) -> None:
    sizes = level_sizes(side, 2 * side, 4 / 3, 14, 10_000)
    assert len(sizes) == levels and sizes[0][0] == 14 and sizes[-1] == (side, 2 * side)
    assert all(1.2 < after[0] / before[0] < 1.5 for before, after in pairwise(sizes))


def test_a_canvas_above_the_largest_size_is_upsampled() -> None:
    generator = gpnn(picture(30, 60), max_size=40)
    assert generator.sizes[-1] == (20, 40)
    assert generator.sample([0]).shape == (1, 3, 30, 60)


def test_a_patch_larger_than_the_coarsest_level_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        gpnn(picture(30, 60), patch_px=15)
    assert "coarsest level is 28x14" in caught.value.what and "15x15" in caught.value.allowed


@pytest.mark.parametrize(
    ("controls", "words"),
    [
        (GpnnControls(photo=2), "photo is 2"),
        (GpnnControls(layout=5), "layout is 5"),
        (GpnnControls(size=ImageSize(width=100, height=8)), "4 px"),
    ],
)
def test_controls_that_a_run_cannot_follow_are_refused(controls: GpnnControls, words: str) -> None:
    generator = gpnn(torch.cat([picture(28, 28), picture(28, 28, number=1)]))
    with pytest.raises(UserError) as caught:
        generator.check_controls(controls)
    assert words in caught.value.what


def mask_file(folder: Path, height: int, width: int, rows: slice, columns: slice) -> Path:
    mask = np.zeros((height, width), np.uint8)
    mask[rows, columns] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    return folder / "mask.png"


def test_inpainting_changes_the_region_alone_and_takes_nothing_from_it(tmp_path: Path) -> None:
    photo = picture(24, 32, 1).clamp(-1, 0.5)
    photo[:, :, 8:14, 10:18] = 1  # what is to go
    generator = gpnn(photo)
    region = GpnnControls(region=mask_file(tmp_path, 24, 32, slice(7, 15), slice(9, 19)), photo=0)
    generator.check_controls(region)
    (image,) = generator.sample_controlled([3], region)
    inside = torch.zeros(24, 32, dtype=torch.bool)
    inside[7:15, 9:19] = True
    assert torch.equal(image[:, ~inside], photo[0][:, ~inside])
    assert image[:, inside].max() <= 0.5, "nothing of the bright spot is left, in the region or among the patches"
    assert image[:, inside].std() > 0.02, "it is filled with patches and not with one grey"


def test_a_collage_takes_patches_of_all_its_photos() -> None:
    dark, bright, middle = (
        picture(24, 32, 1) * 0.2 - 0.7,
        picture(24, 32, 1, 1) * 0.2 + 0.7,
        picture(24, 32, 1, 2) * 0.1,
    )
    generator = gpnn(torch.cat([dark, middle, bright]), coarsest_px=16)
    (image,) = generator.sample_controlled([0], GpnnControls(collage=(0, 2), noise=0))
    left, right = image[..., :10].mean(), image[..., -10:].mean()
    assert left < -0.5 and right > 0.5
    assert generator.sources([0], GpnnControls(collage=(0, 2))) is None


@pytest.mark.parametrize(
    ("controls", "words"),
    [
        ({"region": "mask.png", "size": ImageSize(width=40, height=30)}, "region is given together with size"),
        ({"region": "mask.png", "layout": 0}, "region is given together with layout"),
        ({"collage": (0, 1), "photo": 0}, "collage is given together with photo"),
        ({"collage": (0, 5)}, "collage is 5"),
        ({"region": "all.png"}, "no patch of 7x7 px is outside it"),
    ],
)
def test_controls_that_cannot_be_followed_are_refused(tmp_path: Path, controls: dict[str, Any], words: str) -> None:
    mask_file(tmp_path, 24, 32, slice(7, 15), slice(9, 19))
    Image.fromarray(np.full((24, 32), 255, np.uint8)).save(tmp_path / "all.png")
    if "region" in controls:
        controls = {**controls, "region": tmp_path / controls["region"]}
    generator = gpnn(torch.cat([picture(24, 32), picture(24, 32, number=1)]))
    with pytest.raises(UserError, match=words):
        generator.check_controls(GpnnControls(**controls))
