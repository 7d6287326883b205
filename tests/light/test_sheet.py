"""A sheet of metal: relit by its finish, whether stated or found from photos under several lights."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from handful.cli import app
from handful.core.errors import UserError
from handful.core.images import png_bytes
from handful.core.seeds import numpy_stream, torch_stream
from handful.light.camera import Camera, expose, linearise
from handful.light.fit import FittedLight, Scene, fit_light
from handful.light.relight import Change, Relighter
from handful.light.shade import Material, shade
from handful.light.sheet import Finish, parse_finish
from handful.light.sheet_fit import fit_finish
from handful.light.sources import Light

HEIGHT, WIDTH, PIXEL_MM = 120, 160, 0.2
METAL = Finish(albedo=0.25, f0=0.5, roughness=0.4)
BRUSHED = Finish(albedo=0.25, f0=0.5, roughness=0.2, across=0.5, grooves_deg=20)
CAMERA = Camera(gain=0.75)
LIGHTS = ((60.0, 40.0), (200.0, 27.0), (310.0, 52.0), (120.0, 66.0), (20.0, 33.0))


def bead() -> tuple[Tensor, np.ndarray]:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    middle = HEIGHT / 2 + 22 * np.sin(x / 26)
    from_centre = np.abs(y - middle) / np.hypot(1, 22 / 26 * np.cos(x / 26))
    half, angle = 15.0, math.radians(55)
    radius = half / math.sin(angle)
    cap = np.sqrt(np.maximum(radius**2 - from_centre**2, 0)) - radius * math.cos(angle)
    mask = from_centre < half
    return torch.from_numpy(gaussian_filter(np.where(mask, cap, 0), 0.9) * PIXEL_MM)[None, None], mask


def codes(azimuth_deg: float, elevation_deg: float, finish: Finish, noise: int | None = 0) -> Tensor:
    """8-bit photo, int32 (1, h, w)."""
    height, mask = bead()
    here = torch.from_numpy(mask)[None, None]
    material = Material(
        torch.where(here, 0.6, finish.albedo).double(),
        torch.where(here, 0.2, finish.roughness).double(),
        torch.where(here, 0.04, finish.f0).double(),
        None if finish.across is None else torch.where(here, 0.2, finish.across).double(),
        finish.grooves_deg,
    )
    radiance = shade(height, PIXEL_MM, material, [Light(azimuth_deg, elevation_deg)], 0.3).radiance[0]
    return expose(radiance, CAMERA, None if noise is None else torch_stream(noise, "test sheet"))


def scene(photo: Tensor, finish: Finish | None = None) -> Scene:
    height, mask = bead()
    linear = linearise(photo, Camera(), torch.float64)
    sheet = None if finish is None else finish.material()
    return Scene(linear, photo >= 255, height, torch.from_numpy(mask)[None], PIXEL_MM, sheet)


def worst_db(finish: Finish | None, true: Finish = METAL) -> float:
    """Of a photo of metal that is relit as if its sheet had a finish, over three lights."""
    photo = codes(*LIGHTS[0], true)
    shown = scene(photo, finish)
    relighter = Relighter(shown, fit_light(shown))
    assert int((expose(relighter.relight(Change()), Camera()) - photo).abs().max()) <= 1
    ratios = []
    for light in ((60, 58), (120, 50), (60, 28)):
        truth = codes(*light, true, noise=None).double()
        error = expose(relighter.relight(Change(*light)), Camera()) - truth
        ratios.append(10 * math.log10(255**2 / float(error.square().mean())))
    return min(ratios)


def seen(true: Finish, count: int, spread: float = 0.0) -> list[FittedLight]:
    """What photos of a flat sheet under known lamps would say, each brightness off by a relative error."""
    random = numpy_stream(3, "test sheet lamps")
    flat, rows = torch.zeros(1, 1, 4, 4, dtype=torch.float64), []
    for _ in range(count):
        azimuth, elevation, ambient = random.uniform(0, 360), random.uniform(25, 70), random.uniform(0.2, 0.5)
        bright = shade(flat, 1.0, true.material(), [Light(azimuth, elevation)], ambient, shadows=False).radiance.mean()
        matt = math.sin(math.radians(elevation)) + ambient
        sheet = float(bright) * (1 + spread * random.standard_normal()) / matt
        rows.append(FittedLight(azimuth, elevation, ambient, 0, 1, sheet, 0, 0, 1, (), False, 0))
    return rows


@pytest.fixture(scope="module")
def lights() -> list[FittedLight]:
    return [fit_light(scene(codes(*light, METAL, place))) for place, light in enumerate(LIGHTS)]


def test_metal_of_known_finish_meets_the_truth_at_35_db_and_as_matt_does_not() -> None:
    assert worst_db(METAL) >= 35
    assert worst_db(None) < 28


def test_a_finish_found_under_several_lights_meets_the_truth_at_35_db(lights: list[FittedLight]) -> None:
    found = fit_finish(lights)
    assert found.finish is not None and found.finish.f0 > found.finish.albedo
    assert found.error < 0.03 < found.matt_error and "roughness" in found.words()
    assert worst_db(found.finish) >= 35


def test_brushed_metal_of_known_grooves_meets_the_truth_at_35_db_and_as_even_does_not() -> None:
    assert worst_db(BRUSHED, BRUSHED) >= 35
    assert worst_db(METAL, BRUSHED) < 30


def test_grooves_are_found_under_several_lights() -> None:
    found = fit_finish(seen(BRUSHED, 12, spread=0.01)).finish
    assert found is not None and found.across is not None
    assert abs(found.grooves_deg - 20) < 3 and abs(found.roughness - 0.2) < 0.04 and abs(found.across - 0.5) < 0.1
    assert "along grooves at 20 degrees" in fit_finish(seen(BRUSHED, 12)).words()


def test_an_even_finish_is_not_taken_for_grooves() -> None:
    for count in (7, 12, 30):
        found = fit_finish(seen(METAL, count, spread=0.03)).finish
        assert found is not None and found.across is None
    brushed = fit_finish(seen(BRUSHED, 7)).finish  # too few photos to look for grooves
    assert brushed is None or brushed.across is None


def test_a_matt_sheet_is_found_to_be_matt() -> None:
    matt = Finish(albedo=0.4, f0=0, roughness=1)
    found = fit_finish([fit_light(scene(codes(*light, matt, place))) for place, light in enumerate(LIGHTS[:4])])
    assert found.finish is None and "taken as matt" in found.words()


def test_too_few_photos_or_too_like_lights_are_refused(lights: list[FittedLight]) -> None:
    with pytest.raises(UserError, match="from 3 photo"):
        fit_finish(lights[:3])
    with pytest.raises(UserError, match="differ by 0"):
        fit_finish([lights[0]] * 5)


@pytest.mark.parametrize(
    "text",
    [
        "shiny",
        "0.2,0.5",
        "0.2,0.5,0",
        "0,0,0.4",
        "0.2,0.5,0.2,0.5",
        "0.2,0.5,0.2,0.5,200",
        "0.2,1.5,0.4",
        "nan,0.5,0.4",
    ],
)
def test_what_is_no_finish_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="ALBEDO,F0,ROUGHNESS"):
        parse_finish(text)
    assert parse_finish("0.25,0.5,0.4") == METAL and parse_finish("0.25,0.5,0.2,0.5,20") == BRUSHED


def test_the_command_finds_uses_and_writes_down_the_finish(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    height, mask = bead()
    for folder in ("photos", "masks", "heights"):
        (tmp_path / folder).mkdir()
    for place, light in enumerate(LIGHTS[:4]):
        photo = codes(*light, METAL, place)[0].numpy().astype(np.uint8)
        (tmp_path / f"photos/{place}.png").write_bytes(png_bytes(photo, 8))
        (tmp_path / f"masks/{place}.png").write_bytes(png_bytes(mask.astype(np.uint8) * 255, 8))
        np.save(tmp_path / f"heights/{place}.npy", height[0, 0].numpy())
    words = ["relight", str(tmp_path / "photos"), "--pixel-mm", str(PIXEL_MM), "--elevation", "50"]
    known = [*words, "--mask", str(tmp_path / "masks"), "--height", str(tmp_path / "heights")]
    assert app.main([*known, "--sheet", "fit", "--out", str(tmp_path / "out")]) == 0
    assert "The sheet's finish" in capsys.readouterr().out
    found = json.loads((tmp_path / "out/relight.json").read_text())["sheet"]
    assert found["f0"] > found["albedo"]
    assert app.main([*words, "--photo-azimuth", "60", "--sheet", "fit", "--out", str(tmp_path / "no")]) == 2
    assert "nothing says where the sheet is" in capsys.readouterr().err and not (tmp_path / "no").exists()
