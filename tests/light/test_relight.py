"""Relighting returns the photo under its own light, meets the rendered truth under another, and touches no mask."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from handful.cli import app
from handful.core.errors import UserError
from handful.core.images import png_bytes, read_png
from handful.core.seeds import torch_stream
from handful.light.camera import Camera, expose, linearise
from handful.light.envelope import Envelope, Range, azimuth_range, parse_range
from handful.light.fit import Scene, assumed_light, fit_light
from handful.light.height import bead_height, shading_height
from handful.light.relight import Change, Relighter
from handful.light.relit_photos import relight_photos
from handful.light.relit_records import RelightSettings, RelitRow
from handful.light.rig import Rig
from handful.light.shade import Material, shade
from handful.light.sources import Light

HEIGHT, WIDTH, PIXEL_MM = 72, 96, 0.4
CONTACT_ANGLE_DEG = 62.0
CAMERA = Camera(gain=0.8, full_well_electrons=40000)


def cap(contact_angle_deg: float = CONTACT_ANGLE_DEG) -> tuple[Tensor, np.ndarray]:
    """A bead that rises, bends and comes down: height (1, 1, h, w) in mm and its mask (h, w)."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    wave, slope = 14 * np.sin(x / 16), 14 / 16 * np.cos(x / 16)
    from_centre = np.abs(y - HEIGHT / 2 - wave) / np.hypot(1, slope)
    half, angle = 9.0, math.radians(contact_angle_deg)
    radius = half / math.sin(angle)
    height = np.where(
        from_centre < half, np.sqrt(np.maximum(radius**2 - from_centre**2, 0)) - radius * math.cos(angle), 0
    )
    return torch.from_numpy(gaussian_filter(height, 0.7) * PIXEL_MM)[None, None], from_centre < half


def rendered(azimuth_deg: float, elevation_deg: float, gain: float = 1.0, lamp_size_deg: float = 3.0) -> Tensor:
    """The bead on a textured matt sheet under one lamp and even sky, linear (1, h, w)."""
    height, mask = cap()
    grain = gaussian_filter(np.random.default_rng(0).standard_normal((HEIGHT, WIDTH)), (0.5, 3))
    albedo = torch.from_numpy(np.where(mask, 0.6, 0.25 * (1 + 0.06 * grain / grain.std())))[None, None]
    gloss = torch.from_numpy(np.where(mask, 0.04, 0.0))[None, None]
    lamp = Light(azimuth_deg, elevation_deg, gain, size_deg=lamp_size_deg)
    return shade(height, PIXEL_MM, Material(albedo, 0.2, gloss), [lamp], 0.3).radiance[0]


def photo(azimuth_deg: float, elevation_deg: float, noisy: bool = True) -> Tensor:
    """The same as 8-bit codes, int32 (1, h, w)."""
    random = torch_stream(0, "test noise") if noisy else None
    return expose(rendered(azimuth_deg, elevation_deg), CAMERA, random)


def scene_of(codes: Tensor, height: Tensor, mask: np.ndarray) -> Scene:
    return Scene(
        linearise(codes, Camera(), torch.float64), codes >= 255, height, torch.from_numpy(mask)[None], PIXEL_MM
    )


def peak_ratio_db(first: Tensor, second: Tensor) -> float:
    return 10 * math.log10(255**2 / float((first.double() - second.double()).square().mean()))


@pytest.fixture(scope="module")
def known() -> Relighter:
    height, mask = cap()
    scene = scene_of(photo(60, 40), height, mask)
    return Relighter(scene, fit_light(scene))


def test_the_light_of_a_rendered_photo_is_found(known: Relighter) -> None:
    assert abs(known.light.azimuth_deg - 60) < 8
    assert abs(known.light.elevation_deg - 40) < 6
    assert 0.15 < known.light.ambient < 0.6
    assert known.light.misfit < 0.05 and known.light.explained > 0.8 and not known.light.given


def test_the_fitted_light_returns_the_photo_within_one_grey_level(known: Relighter) -> None:
    codes = photo(60, 40)
    for change in (Change(), Change(known.light.azimuth_deg, known.light.elevation_deg)):
        assert int((expose(known.relight(change), Camera()) - codes).abs().max()) <= 1
    almost = Change(known.light.azimuth_deg + 1e-6, known.light.elevation_deg)
    assert int((expose(known.relight(almost), Camera()) - codes).abs().max()) <= 1


@pytest.mark.parametrize(("azimuth", "elevation"), [(90, 40), (120, 50), (60, 60), (30, 35)])
def test_a_known_height_meets_the_truth_at_35_db(known: Relighter, azimuth: float, elevation: float) -> None:
    truth = expose(rendered(azimuth, elevation), CAMERA)
    assert peak_ratio_db(expose(known.relight(Change(azimuth, elevation)), Camera()), truth) >= 35
    assert peak_ratio_db(photo(60, 40), truth) < 32  # the change is not a small one


def test_a_large_lamp_is_relit_best_with_its_soft_shadow() -> None:
    height, mask = cap()
    scene = scene_of(expose(rendered(60, 25, lamp_size_deg=40), CAMERA), height, mask)
    truth, light = expose(rendered(100, 25, lamp_size_deg=40), CAMERA), assumed_light(60, 25)
    ratios = {}
    for size in (3.0, 40.0):
        relighter = Relighter(replace(scene, rig=Rig(size_deg=size)), light)
        ratios[size] = peak_ratio_db(expose(relighter.relight(Change(100, 25)), Camera()), truth)
    assert ratios[40.0] > ratios[3.0] + 1


def test_a_height_from_the_mask_meets_the_truth_at_28_db() -> None:
    _, mask = cap()
    fitted = []
    for angle in (30.0, 60.0):
        scene = scene_of(photo(60, 40), bead_height(mask, angle, PIXEL_MM), mask)
        fitted.append((fit_light(scene), scene))
    light, scene = min(fitted, key=lambda one: one[0].loss)
    assert light is fitted[1][0]  # 62 degrees are rendered
    for azimuth, elevation in ((90, 40), (120, 50), (60, 60)):
        truth = expose(rendered(azimuth, elevation), CAMERA)
        relit = expose(Relighter(scene, light).relight(Change(azimuth, elevation)), Camera())
        assert peak_ratio_db(relit, truth) >= max(28, peak_ratio_db(photo(60, 40), truth) + 1)


def test_gain_and_falloff_scale_linear_light(known: Relighter) -> None:
    lit = known.relight(Change(gain=0.5, falloff=0.4)) / known.scene.photo.clamp(min=1e-9)
    assert lit[0, 0, 0] == pytest.approx(0.5 * 0.6)
    assert lit[0, HEIGHT // 2, WIDTH // 2] == pytest.approx(0.5, abs=0.01)


def test_clipped_pixels_and_what_the_model_does_not_explain_are_left_alone(known: Relighter) -> None:
    scene = known.scene
    strange = scene.photo.clone()
    strange[:, 5:20, 5:25] = 0.9  # a white label on the sheet
    clipped = torch.zeros_like(scene.clipped)
    clipped[:, 60:66, 70:80] = True
    relighter = Relighter(Scene(strange, clipped, scene.height_mm, scene.raised, PIXEL_MM), known.light)
    lit = relighter.relight(Change(240, 40, gain=1.5))
    assert torch.equal(lit[:, 60:66, 70:80], strange[:, 60:66, 70:80])
    turned = relighter.relight(Change(60, 65))
    assert torch.allclose(turned[:, 8:17, 8:22], strange[:, 8:17, 8:22])
    assert relighter.held[:, 8:17, 8:22].max() == 0 and relighter.held[:, 30:50, 40:60].mean() > 0.9


def test_a_cap_has_its_height_its_angle_and_its_width() -> None:
    mask = np.zeros((60, 80), bool)
    mask[20:41] = True  # 21 px wide
    height = bead_height(mask, 60, pixel_mm=0.1)[0, 0]
    half, angle = 10.5, math.radians(60)
    assert float(height.max()) == pytest.approx(0.1 * half / math.sin(angle) * (1 - math.cos(angle)), rel=0.03)
    assert height[:17].max() < 1e-3 and torch.allclose(height[:, :1], height, atol=1e-9)


def test_shape_from_shading_finds_the_hill_up_to_its_scale() -> None:
    y, x = np.mgrid[:64, :64]
    hill = torch.from_numpy(0.6 * np.exp(-((x - 32.0) ** 2 + (y - 32.0) ** 2) / 60))[None, None]
    lit = shade(hill, 1.0, Material(0.5, 0.5, 0.0), [Light(30, 50)], shadows=False).diffuse[0]

    def likeness(azimuth_deg: float) -> float:
        found = shading_height(lit, azimuth_deg, 50)
        return float(torch.corrcoef(torch.stack([found.flatten(), hill.flatten()]))[0, 1])

    assert likeness(30) > 0.6
    assert likeness(210) < -0.6  # light from the other side would make it a hollow: nobody can tell from one photo


# files in, files out


@pytest.fixture
def station(tmp_path: Path) -> Path:
    """photos/ with two photos of 8 bit under unlike light, masks/ and heights/."""
    height, mask = cap()
    for folder in ("photos", "masks", "heights"):
        (tmp_path / folder).mkdir()
    for name, azimuth in (("a", 60), ("b", 75)):
        codes = photo(azimuth, 40)[0].numpy().astype(np.uint8)
        (tmp_path / f"photos/{name}.png").write_bytes(png_bytes(codes, 8))
        (tmp_path / f"masks/{name}.png").write_bytes(png_bytes(mask.astype(np.uint8) * 255, 8, {"kept": "as it is"}))
        np.save(tmp_path / f"heights/{name}.npy", height[0, 0].numpy())
    return tmp_path


def point(value: float) -> Range:
    return Range(low=value, high=value)


def rows(out: Path) -> list[RelitRow]:
    return [RelitRow.model_validate_json(line) for line in (out / "relight.jsonl").read_text().splitlines()]


def test_a_folder_is_relit_with_masks_bit_for_bit_marks_and_rows(station: Path) -> None:
    out = station / "out"
    settings = RelightSettings(azimuth_deg=point(120), gain=point(1.1), pixel_mm=PIXEL_MM)
    relit = relight_photos(station / "photos", out, settings, station / "masks", station / "heights")
    assert relit.files == ("a.png", "b.png") and relit.extrapolated == 2
    assert relit.made is not None and relit.made.azimuth_deg == point(120)
    assert relit.found.azimuth_deg is not None and 50 < relit.found.azimuth_deg.low < relit.found.azimuth_deg.high < 85
    for row in rows(out):
        assert row.mask is not None
        assert (out / row.mask).read_bytes() == (station / "masks" / row.photo).read_bytes()
        assert any(said.startswith("azimuth 120 is outside") for said in row.outside)
        assert b"algorithmicallyEnhanced" in (out / row.file).read_bytes()
        assert read_png(out / row.file).dtype == np.uint8
    assert {"flat.png", "residual.png", "clipped.png"} <= {path.name for path in (out / "light").iterdir()}


def test_the_command_takes_the_lamp_as_large_as_stated(station: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["relight", str(station / "photos/a.png"), "--height", str(station / "heights/a.npy"), "--azimuth", "120"]
    words += ["--pixel-mm", str(PIXEL_MM), "--photo-azimuth", "60", "--photo-elevation", "40"]
    pictures = []
    for size in ("3", "40"):
        assert app.main([*words, "--lamp-size", size, "--out", str(station / size)]) == 0
        pictures.append(read_png(station / size / "a.png").astype(int))
    assert np.abs(pictures[0] - pictures[1]).max() > 5
    assert app.main([*words, "--lamp-size", "90", "--out", str(station / "no")]) == 2
    assert "60" in capsys.readouterr().err and not (station / "no").exists()


def test_draws_stay_inside_the_envelope_and_are_repeatable(station: Path) -> None:
    settings = RelightSettings(count=3, seed=5, photo_elevation_deg=40, pixel_mm=PIXEL_MM)
    sets = [
        relight_photos(station / "photos", station / name, settings, station / "masks", station / "heights")
        for name in ("one", "two")
    ]
    assert sets[0].extrapolated == 0 and len(sets[0].files) == 6
    assert [row.pixels_sha256 for row in rows(station / "one")] == [row.pixels_sha256 for row in rows(station / "two")]
    assert len({row.azimuth_deg for row in rows(station / "one")}) == 6


def test_a_photo_of_12_bits_keeps_them(tmp_path: Path) -> None:
    codes = (np.random.default_rng(0).random((40, 50)) * 3000 + 100).astype(np.uint16)
    (tmp_path / "p.png").write_bytes(png_bytes(codes, 12))
    relit = relight_photos(tmp_path / "p.png", tmp_path / "out", RelightSettings(gain=point(0.5)))
    half = read_png(tmp_path / "out" / relit.files[0])
    assert half.dtype == np.uint16 and np.abs(half.astype(int) - codes / 2).max() <= 1  # above 8 bit: linear


def test_without_a_new_light_only_the_light_is_said(station: Path) -> None:
    relit = relight_photos(station / "photos", station / "out", RelightSettings())
    assert relit.files == () and relit.made is None and relit.found.azimuth_deg is None
    assert "2 of 2 photos show one view" in relit.station[0]


def test_the_command_says_assumptions_and_extrapolation(station: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["relight", str(station / "photos/a.png"), "--mask", str(station / "masks/a.png"), "--azimuth", "200",
             "--photo-azimuth", "60", "--photo-elevation", "40", "--contact-angle", "60",
             "--pixel-mm", str(PIXEL_MM), "--out", str(station / "out")]  # fmt: skip
    assert app.main(words) == 0
    shown = capsys.readouterr().out
    assert "bas-relief" in shown and "outside what was found" in shown and "60 degrees was stated" in shown
    assert app.main([*words[:-1], str(station / "again"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["extrapolated"] == 1


@pytest.mark.parametrize(
    ("settings", "what", "allowed"),
    [
        (RelightSettings(elevation_deg=point(2)), "elevation is 2 degrees", "from 5 to 90"),
        (RelightSettings(azimuth_deg=point(400)), "azimuth is 400 degrees", "-360 to 360"),
        (RelightSettings(gain=point(0)), "gain is 0", "0.05 to 20"),
        (RelightSettings(azimuth_deg=point(30)), "what shape", "--mask"),
        (RelightSettings(gain=Range(low=0.8, high=1.2)), "no number of lights", "--count"),
    ],
)
def test_impossible_lights_are_refused(station: Path, settings: RelightSettings, what: str, allowed: str) -> None:
    with pytest.raises(UserError) as error:
        relight_photos(station / "photos", station / "out", settings)
    assert what in error.value.what and allowed in error.value.allowed


def test_masks_and_heights_that_do_not_fit_are_refused(station: Path) -> None:
    settings, out = RelightSettings(azimuth_deg=point(30)), station / "out"
    (station / "small.png").write_bytes(png_bytes(np.eye(20, dtype=np.uint8) * 255, 8))
    with pytest.raises(UserError) as error:
        relight_photos(station / "photos/a.png", out, settings, masks=station / "small.png")
    assert "20x20" in error.value.what and "96x72" in error.value.what
    hole = np.zeros((HEIGHT, WIDTH))
    hole[3, 4:6] = np.nan
    np.save(station / "hole.npy", hole)
    with pytest.raises(UserError) as error:
        relight_photos(station / "photos/a.png", out, settings, heights=station / "hole.npy")
    assert "2 of 6912" in error.value.what and "NaN" in error.value.what
    (station / "masks/b.png").unlink()
    with pytest.raises(UserError) as error:
        relight_photos(station / "photos", out, settings, masks=station / "masks")
    assert "no mask of b.png" in error.value.what
    assert not out.exists()


def test_a_saturated_photo_is_refused_with_its_share(tmp_path: Path) -> None:
    codes = np.full((40, 40), 255, np.uint8)
    codes[:10] = 100
    (tmp_path / "p.png").write_bytes(png_bytes(codes, 8))
    with pytest.raises(UserError) as error:
        relight_photos(tmp_path / "p.png", tmp_path / "out", RelightSettings(gain=point(1.1)))
    assert "75%" in error.value.what


def test_an_envelope_knows_that_azimuths_go_round() -> None:
    around = azimuth_range([350, 10, 20])
    assert (around.low, around.high) == (350, 380)
    assert parse_range("gain", "0.8:1.2") == Range(low=0.8, high=1.2)
    envelope = Envelope(photos=3, azimuth_deg=around, elevation_deg=None, gain=point(1), falloff=point(0))
    assert envelope.outside(5, None, 1, 0) == []
    assert envelope.outside(30, 40, 1.2, 0) == [
        "azimuth 30 is outside 350 to 380.",
        "elevation 40: which ones the photos have is not known.",
        "gain 1.2 is outside 1 to 1.",
    ]
    with pytest.raises(UserError, match="20:60"):
        parse_range("azimuth", "60:20")
