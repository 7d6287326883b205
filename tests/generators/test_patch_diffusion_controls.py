"""Controls of patch_diffusion: the dials, starting from a photo, changing a region alone, following a light."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from test_patch_diffusion import ready, scene, station_photos
from torch import Tensor

from handful.core.errors import UserError
from handful.core.images import integers_to_unit, png_bytes, unit_to_integers
from handful.core.seeds import torch_stream
from handful.generators.base import parse_controls
from handful.generators.patch_diffusion import PatchDiffusion
from handful.generators.patch_diffusion_parts.controls import PatchDiffusionControls
from handful.generators.patch_diffusion_parts.photo_light import gain, measure_field, measure_light


@pytest.fixture(scope="module")
def photos() -> Tensor:
    return station_photos(14, 48, 64)


@pytest.fixture(scope="module")
def generator(photos: Tensor) -> PatchDiffusion:
    return ready(photos)


def draw(generator: PatchDiffusion, seed: int = 0, **values: Any) -> Tensor:
    controls = parse_controls(generator, "patch_diffusion", values)
    assert isinstance(controls, PatchDiffusionControls)
    generator.check_controls(controls)
    return generator.sample_controlled([seed], controls)


def write_mask(path: Path, height: int, width: int) -> np.ndarray[Any, Any]:
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : height // 2, width // 3 : width // 3 * 2] = 255
    Image.fromarray(mask).save(path)
    return mask > 0


def test_the_dials_of_a_drawing_go_before_those_of_the_run(generator: PatchDiffusion, photos: Tensor) -> None:
    dialled = draw(generator, patch_px=5, temperature=3)
    assert torch.equal(dialled, ready(photos, patch_px=5, temperature=3).sample([0]))
    assert not torch.equal(dialled, generator.sample([0]))


def test_small_patches_vary_more_than_large_ones(generator: PatchDiffusion) -> None:
    regions = []
    for patch_px in (5, 25):
        draw(generator, patch_px=patch_px)
        regions.append(generator.passports()[0].largest_region)
    assert regions[0] < 0.7 * regions[1]


def test_noise_leads_from_the_photo_to_one_that_has_its_light_alone(generator: PatchDiffusion, photos: Tensor) -> None:
    drawn = [draw(generator, start=3, noise=noise) for noise in (0, 0.3, 0.6, 1.0)]
    assert torch.equal(drawn[0][0], photos[3])
    apart = [float((image[0] - photos[3]).abs().mean()) for image in drawn]
    assert apart[0] < 0.5 * apart[1] < apart[2] < apart[3]
    assert apart[3] > 0.04  # the photos' own marks have a mean of 0.06
    coarse = [torch.nn.functional.adaptive_avg_pool2d(image, (4, 4)) for image in (drawn[3][0], photos[3], photos[4])]
    assert (coarse[0] - coarse[1]).abs().mean() < 0.3 * (coarse[2] - coarse[1]).abs().mean()


def test_the_start_gives_nothing_to_what_is_drawn_anew_and_is_named(generator: PatchDiffusion) -> None:
    draw(generator, start=3, noise=1)
    passport = generator.passports()[0]
    rows, columns = passport.facts["levels"][0]
    assert 3 not in passport.picture[:rows, :columns] and 3 in passport.drew_on


@pytest.mark.parametrize("depth", [8, 16])
def test_outside_a_region_the_written_pixels_are_the_photos_own(tmp_path: Path, depth: int) -> None:
    random, top = torch_stream(5, "test/fine"), 2**depth - 1
    photos = scene(48, 64) * 0.8 + 0.1 * torch.randn(12, 1, 48, 64, generator=random)
    grey = [unit_to_integers(photo, depth) for photo in photos.numpy()]
    photos = torch.from_numpy(np.stack([integers_to_unit(picture, depth) for picture in grey]))
    inside = write_mask(tmp_path / "mask.png", 48, 64)
    generator = ready(photos)
    generator.store.poses[2] = torch.tensor([2.0, -1.0, 0.02])  # the region lies where the photo shows it
    for noise in (0.4, 1.0):
        drawn = draw(generator, start=2, noise=noise, region=tmp_path / "mask.png")
        written = unit_to_integers(drawn[0].numpy(), depth)
        assert np.array_equal(written[~inside], grey[2][~inside])
        changed = np.abs(written[inside].astype(int) - grey[2][inside]) > top / 200
        assert changed.mean() > 0.3
        rebuilt = unit_to_integers(generator.rebuild(generator.passports()[0])[0].numpy(), depth)
        assert np.array_equal(rebuilt[~inside], grey[2][~inside])
        assert np.abs(rebuilt.astype(int) - written).mean() < top / 1000


def test_a_region_has_no_seam(generator: PatchDiffusion, photos: Tensor, tmp_path: Path) -> None:
    inside = write_mask(tmp_path / "mask.png", 48, 64)
    across = inside[1:] != inside[:-1]
    step = [abs(np.diff(image.numpy()[0], axis=0)[across]).mean() for image in (
        draw(generator, start=3, noise=1, region=tmp_path / "mask.png")[0], photos[3])]  # fmt: skip
    assert step[0] < 1.5 * step[1]


def test_a_file_of_the_data_set_is_the_photo_and_any_other_is_refused(
    generator: PatchDiffusion, photos: Tensor, tmp_path: Path
) -> None:
    (tmp_path / "own.png").write_bytes(png_bytes(unit_to_integers(photos[6].numpy(), 8), 8))
    assert torch.equal(draw(generator, start=str(tmp_path / "own.png")), draw(generator, start="6"))
    (tmp_path / "other.png").write_bytes(png_bytes(unit_to_integers(-photos[6].numpy(), 8), 8))
    with pytest.raises(UserError) as caught:
        draw(generator, start=tmp_path / "other.png")
    assert "other.png (64x48 px)" in caught.value.what and "14 training images" in caught.value.allowed
    assert "2_dataset/images" in caught.value.do


def test_light_of_a_photo_and_of_a_picture_is_followed(
    generator: PatchDiffusion, photos: Tensor, tmp_path: Path
) -> None:
    everyone = torch.cat([photos, draw(generator, seed=1, light=5)])
    found = measure_light(everyone, torch.ones(15))
    assert (found[14] - found[5]).abs().max() < 0.05
    assert (found[:14, 0, 0] - found[5, 0, 0]).abs().max() > 0.2  # which chance would not bring about
    falling = np.tile(np.linspace(230, 60, 64), (48, 1)).astype(np.uint8)
    Image.fromarray(falling).save(tmp_path / "light.png")
    lit, plain = draw(generator, seed=1, light=tmp_path / "light.png"), draw(generator, seed=1, light=5)
    fields = [
        gain(found, 48, 64)
        for found in (generator.store.lights[5], measure_field(torch.from_numpy(integers_to_unit(falling, 8))))
    ]
    flat = [(image + 1) / field for image, field in zip((plain, lit), fields, strict=True)]
    seen = (lit < 0.99) & (plain < 0.99)
    assert seen.float().mean() > 0.5 and torch.allclose(flat[0][seen], flat[1][seen], atol=1e-4)
    wanted = torch.from_numpy(falling[0] / 255.0).log()
    assert (fields[1][0].log() - (wanted - wanted.mean())).abs().max() < 0.03
    again = generator.rebuild(generator.passports()[1])
    assert (again - plain).abs().mean() * 127.5 < 0.2


@pytest.mark.parametrize(
    ("values", "what", "allowed", "do"),
    [
        ({"start": 14}, "start is photo 14", "0 to 13", "Choose one"),
        ({"light": 99}, "light is photo 99", "0 to 13", "Choose one"),
        ({"region": "mask.png"}, "no photo that it is a region of", "1 photo", "--set start="),
        ({"start": 1, "region": "small.png"}, "9x8 px", "64x48 px", "size"),
        ({"start": 1, "region": "empty.png"}, "marks 0 pixels", "at least 1", "Mark the region"),
        ({"start": 1, "region": "mask.png", "light": 2}, "both given", "1 of the two", "Leave one"),
        ({"light": "empty.png"}, "is black", "2 %", "--set light="),
        ({"light": "none.png"}, "cannot be read", "PNG, JPEG", "Save it again"),
    ],
)
def test_controls_that_cannot_be_followed_are_refused(
    generator: PatchDiffusion, tmp_path: Path, values: dict[str, Any], what: str, allowed: str, do: str
) -> None:
    write_mask(tmp_path / "mask.png", 48, 64)
    write_mask(tmp_path / "small.png", 8, 9)
    Image.new("L", (64, 48)).save(tmp_path / "empty.png")
    placed = {name: tmp_path / value if isinstance(value, str) else value for name, value in values.items()}
    with pytest.raises(UserError) as caught:
        draw(generator, **placed)
    assert what in caught.value.what and allowed in caught.value.allowed and do in caught.value.do


def test_a_photo_that_was_left_out_is_no_start() -> None:
    photos = station_photos(16, channels=3, light=0.02)
    photos[5, 1] = 0.9
    with pytest.raises(UserError) as caught:
        draw(ready(photos), start=5)
    assert "photo 5" in caught.value.what and "15 photos" in caught.value.allowed
    assert "drop_outliers=false" in caught.value.do


def test_of_two_photos_the_start_is_drawn_anew_from_the_other() -> None:
    photos = station_photos(2)
    drawn = draw(ready(photos), start=0, noise=1)
    assert torch.isfinite(drawn).all() and (drawn[0] - photos[0]).abs().mean() > 0.02
