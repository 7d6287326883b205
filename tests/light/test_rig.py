"""A second lamp, and the part of the room that metal mirrors: relit by what is stated of them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_sheet import BRUSHED, CAMERA, PIXEL_MM, bead, scene

from handful.cli import app
from handful.core.errors import UserError
from handful.core.images import png_bytes, read_png
from handful.light.camera import Camera, expose
from handful.light.fit import fit_light
from handful.light.relight import Change, Relighter
from handful.light.rig import Fill, Rig, parse_fill
from handful.light.shade import Material, shade
from handful.light.shape import height_to_normals
from handful.light.sources import Light

AMBIENT, MIRRORED, GLOW = 0.6, 0.2, 0.5
RIG = Rig(size_deg=6, fill=Fill(turned_deg=160, elevation_deg=55, strength=0.4), mirrored=MIRRORED)
LIGHT, CHANGES = (60.0, 40.0), ((85, 40), (60, 52), (35, 34))


def codes(azimuth_deg: float, elevation_deg: float, glow: float = 0.0) -> torch.Tensor:
    """The bead on brushed metal under both lamps, in a room whose mirrored part is dark; int32 (1, h, w)."""
    height, mask = bead()
    here = torch.from_numpy(mask)[None, None]

    def each(raised: float, sheet: float | None) -> torch.Tensor:
        return torch.where(here, raised, sheet or 0.0).double()

    material = Material(
        each(0.6, BRUSHED.albedo),
        each(0.2, BRUSHED.roughness),
        each(0.04, BRUSHED.f0),
        each(0.2, BRUSHED.across),
        BRUSHED.grooves_deg,
    )
    lamps = [
        Light(azimuth_deg, elevation_deg, size_deg=6),
        Light((azimuth_deg + 160) % 360, 55, 0.4, size_deg=20, casts_shadow=False),
    ]
    lamped, room = shade(height, PIXEL_MM, material, lamps), shade(height, PIXEL_MM, material, [], AMBIENT)
    mirrored = room.specular * torch.where(here, 1.0, MIRRORED / AMBIENT)
    rims = torch.where(here, 1 + glow * (1 - height_to_normals(height, PIXEL_MM)[:, 2:]), 1.0)
    return expose((lamped.specular + mirrored + (lamped.diffuse + room.diffuse) * rims)[0], CAMERA)


def worst_db(rig: Rig) -> float:
    """Of one photo relit to three lights as if its station were lit like that."""
    shown = replace(scene(codes(*LIGHT), BRUSHED), rig=rig)
    relighter = Relighter(shown, fit_light(shown))
    errors = [expose(relighter.relight(Change(*light)), Camera()) - codes(*light) for light in CHANGES]
    return min(10 * math.log10(255**2 / float(error.double().square().mean())) for error in errors)


def test_a_known_rig_is_relit_best_and_every_part_of_it_counts() -> None:
    known = worst_db(RIG)
    assert known >= 38
    for wrong in (RIG.model_copy(update={"fill": None}), RIG.model_copy(update={"mirrored": None})):
        assert worst_db(wrong) < known - 1


def test_the_light_of_a_station_with_a_known_rig_is_found() -> None:
    light = fit_light(replace(scene(codes(*LIGHT), BRUSHED), rig=RIG))
    assert abs(light.azimuth_deg - LIGHT[0]) < 3 and abs(light.elevation_deg - LIGHT[1]) < 3
    assert light.ambient == pytest.approx(AMBIENT, rel=0.25)


def test_the_glow_of_a_translucent_bead_is_found_where_it_is_stated() -> None:
    shown = scene(codes(*LIGHT, GLOW), BRUSHED)
    light, wrong = (
        fit_light(replace(shown, rig=RIG.model_copy(update={"translucent": known}))) for known in (True, False)
    )
    assert light.glow == pytest.approx(GLOW, rel=0.3) and wrong.glow == 0
    assert abs(light.azimuth_deg - LIGHT[0]) < 3 and abs(light.elevation_deg - LIGHT[1]) < 3
    assert abs(wrong.elevation_deg - LIGHT[1]) > abs(light.elevation_deg - LIGHT[1]) + 2


def test_the_second_lamp_turns_with_the_main_one_and_keeps_its_height() -> None:
    main, second = RIG.lamps(300, 35)
    assert (main.azimuth_deg, main.elevation_deg, main.size_deg) == (300, 35, 6)
    assert (second.azimuth_deg, second.elevation_deg, second.strength) == (100, 55, 0.4)
    assert RIG.room(0.7) == MIRRORED and Rig().room(0.7) == 0.7 and len(Rig().lamps(0, 45)) == 1


def test_the_command_takes_the_rig(tmp_path: Path) -> None:
    height, _ = bead()
    np.save(tmp_path / "a.npy", height[0, 0].numpy())
    (tmp_path / "a.png").write_bytes(png_bytes(codes(*LIGHT)[0].numpy().astype(np.uint8), 8))
    words = ["relight", str(tmp_path / "a.png"), "--height", str(tmp_path / "a.npy"), "--pixel-mm", str(PIXEL_MM)]
    words += ["--azimuth", "85", "--sheet", "0.25,0.5,0.2,0.5,20"]
    ratios = {}
    for name, more in (("none", []), ("rig", ["--lamp-size", "6", "--fill", "160,55,0.4", "--mirrored", "0.2"])):
        assert app.main([*words, *more, "--out", str(tmp_path / name)]) == 0
        error = read_png(tmp_path / name / "a.png").astype(float) - codes(85, LIGHT[1])[0].numpy()
        ratios[name] = 10 * math.log10(255**2 / np.square(error).mean())
    assert ratios["rig"] > ratios["none"] + 1


@pytest.mark.parametrize("text", ["160,55", "160,55,0.25,1", "left,55,0.25", "300,55,0.25", "160,0,0.25", "160,55,-1"])
def test_a_second_lamp_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(UserError) as refused:
        parse_fill(text)
    assert text in refused.value.what and "-180 to 180" in refused.value.allowed


def test_a_room_that_cannot_be_is_refused_on_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.png").write_bytes(png_bytes(np.full((40, 40), 90, np.uint8), 8))
    words = ["relight", str(tmp_path / "a.png"), "--azimuth", "85", "--mirrored", "-1", "--out", str(tmp_path / "no")]
    assert app.main(words) == 2
    said = capsys.readouterr().err
    assert "mirrored" in said and "-1" in said and not (tmp_path / "no").exists()
