"""The rendered station: same seed same bytes, and truth that agrees with the pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handful.core.errors import UserError
from handful.core.seeds import numpy_stream
from handful.sealer.camera import collect, develop, linearise, read_out
from handful.sealer.light import Light, cast_shadow, shade
from handful.sealer.scene import Bead, Part, Pose, bead_height
from handful.sealer.station import Conditions, render_photo, render_station, tint

WIDTH, HEIGHT = 96, 72


def straight_bead(width: int, y: float, width_px: float) -> Bead:
    x = np.linspace(-20, width + 20, 4 * (width + 40))
    return Bead(np.stack([x, np.full_like(x, y)], axis=1), width_px)


def measured_width_px(picture: np.ndarray, y: int) -> float:
    """Twice the distance from the centre line to the lit upper edge, at half the step from metal to sealant."""
    linear = linearise(picture)[:, 10:-10].mean(axis=1)
    metal, sealant = np.median(linear[y - 45 : y - 30]), np.median(linear[y - 8 : y])
    edge = y - 45 + int(np.argmax(linear[y - 45 : y] > (metal + sealant) / 2))
    return 2.0 * (y - edge)


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    first = render_station(tmp_path / "a", 2, seed=5, width=WIDTH, height=HEIGHT)
    again = render_station(tmp_path / "b", 2, seed=5, width=WIDTH, height=HEIGHT)
    other = render_station(tmp_path / "c", 2, seed=6, width=WIDTH, height=HEIGHT)
    assert [path.name for path in first] == ["station_000.png", "station_001.png"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    assert first[0].read_bytes() != other[0].read_bytes()


def test_photos_of_one_station_differ_but_resemble_each_other(tmp_path: Path) -> None:
    def load(path: Path) -> np.ndarray:
        return np.asarray(Image.open(path)).astype(float).ravel()

    own = [load(path) for path in render_station(tmp_path / "a", 3, seed=1, width=WIDTH, height=HEIGHT)]
    foreign = load(render_station(tmp_path / "b", 1, seed=2, width=WIDTH, height=HEIGHT)[0])
    assert np.abs(own[0] - own[1]).mean() > 3
    assert np.corrcoef(own[0], own[1])[0, 1] > np.corrcoef(own[0], foreign)[0, 1]


def test_photo_i_depends_on_seed_and_number_alone_and_existing_photos_are_kept(tmp_path: Path) -> None:
    three = render_station(tmp_path / "a", 3, seed=1, width=WIDTH, height=HEIGHT)
    wanted = three[2].read_bytes()
    render_station(tmp_path / "b", 1, seed=1, width=WIDTH, height=HEIGHT)
    kept = (tmp_path / "b/station_000.png").stat().st_mtime_ns
    grown = render_station(tmp_path / "b", 3, seed=1, width=WIDTH, height=HEIGHT)
    assert grown[2].read_bytes() == wanted
    assert grown[0].stat().st_mtime_ns == kept
    assert len(json.loads((tmp_path / "b/station.json").read_text())["photos"]) == 3


def test_truth_names_every_photo_and_its_conditions(tmp_path: Path) -> None:
    photos = render_station(tmp_path, 4, seed=3, width=WIDTH, height=HEIGHT, colour=True)
    truth = json.loads((tmp_path / "station.json").read_text())
    assert [row["file"] for row in truth["photos"]] == [path.name for path in photos]
    assert len({row["light_azimuth_deg"] for row in truth["photos"]}) == 4
    for row, path in zip(truth["photos"], photos, strict=True):
        x = np.array(row["path"])[:, 0]
        assert x[0] < 0 and x[-1] > WIDTH - 8 and (np.diff(x) > 0).all()
        assert np.asarray(Image.open(path)).shape == (HEIGHT, WIDTH, 3)


def test_the_bead_covers_its_stated_width() -> None:
    for width_px in (20.0, 40.0):
        covered = (bead_height(straight_bead(300, 50.3, width_px), 300, 100, unit=0.05) > 1e-6).sum() / 300
        assert covered == pytest.approx(width_px, rel=0.03)


def test_a_wider_bead_is_wider_in_the_picture_by_as_much() -> None:
    part = Part(0, 329, 245)
    conditions = Conditions(
        light_azimuth_deg=90, light_elevation_deg=45, gain=1, bead_width_px=1, right_px=0, down_px=0, turn_deg=0
    )
    narrow, wide = (
        measured_width_px(
            render_photo(part, conditions, straight_bead(329, 110, width_px), numpy_stream(0, "test"), False), 110
        )
        for width_px in (24.0, 44.0)
    )
    assert wide - narrow == pytest.approx(20, abs=3)
    assert narrow == pytest.approx(24, abs=4)


def test_brightness_is_linear_in_gain_in_linear_light() -> None:
    part = Part(0, WIDTH, HEIGHT)
    scene = part.place(Pose(0, 0, 0), straight_bead(WIDTH, 30, 8), numpy_stream(0, "test"))
    sensor = collect(tint(shade(scene, Light(100, 45)), colour=False))
    dim, bright = (linearise(develop(read_out(sensor, gain, numpy_stream(0, "test", 1)))).mean() for gain in (0.5, 1.0))
    assert bright / dim == pytest.approx(2, rel=0.01)
    assert bright == pytest.approx(sensor.mean(), rel=0.01)


def test_light_from_the_top_brightens_the_upper_flank_and_shadows_the_lower_side() -> None:
    height = bead_height(straight_bead(80, 40, 20), 80, 80, unit=1)
    scene = Part(0, 80, 80).place(Pose(0, 0, 0), straight_bead(80, 40, 20), numpy_stream(0, "test"))
    diffuse = shade(scene, Light(90, 35)).sealant_diffuse
    assert diffuse[34, 40] > 1.3 * diffuse[46, 40]
    shadow = cast_shadow(height, Light(90, 25))
    assert shadow[51:53, 40].max() < 0.6 and shadow[24:27, 40].min() > 0.95


def test_a_foreign_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"is not empty and holds no station\.json") as caught:
        render_station(tmp_path, 1)
    assert "another folder" in caught.value.do
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_other_settings_and_a_smaller_count_are_refused_with_the_settings_found(tmp_path: Path) -> None:
    render_station(tmp_path, 2, seed=4, width=WIDTH, height=HEIGHT)
    for count, seed in ((2, 5), (1, 4)):
        with pytest.raises(UserError, match="holds 2 photos") as caught:
            render_station(tmp_path, count, seed=seed, width=WIDTH, height=HEIGHT)
        assert "seed 4, size 96x72" in caught.value.allowed and "count from 2" in caught.value.allowed


@pytest.mark.parametrize(
    ("arguments", "seen", "allowed"),
    [({"count": 0}, "0 photos", "At least 1"), ({"count": 1, "width": 20}, "20x490", "at least 32")],
)
def test_impossible_numbers_are_refused(tmp_path: Path, arguments: dict[str, int], seen: str, allowed: str) -> None:
    with pytest.raises(UserError, match=seen) as caught:
        render_station(tmp_path / "out", **arguments)
    assert allowed in caught.value.allowed
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_folders_place_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "afile").write_text("x")
    with pytest.raises(UserError, match=r"afile is a file\.\n.*new or empty folder.*\n.*another folder"):
        render_station(tmp_path / "afile", 1, width=64, height=64)
    with pytest.raises(UserError, match=r"Nothing can be written into"):
        render_station(tmp_path / "afile" / "below", 1, width=64, height=64)
    assert (tmp_path / "afile").read_text() == "x"
