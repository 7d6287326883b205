"""The rendered station: same seed same bytes, and truth that agrees with the pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from handful.cli import app
from handful.core.errors import UserError
from handful.light.camera import linearise
from handful.sealer.defects import KINDS, DefectSettings, defect_settings
from handful.sealer.part import Part
from handful.sealer.photograph import camera_of
from handful.sealer.presets import PRESETS
from handful.sealer.station import render_station

WIDTH, HEIGHT = 96, 72


def load(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(float)


def truth_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "station.json").read_text())
    return found


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    first = render_station(tmp_path / "a", 2, seed=5, width=WIDTH, height=HEIGHT)
    again = render_station(tmp_path / "b", 2, seed=5, width=WIDTH, height=HEIGHT)
    other = render_station(tmp_path / "c", 2, seed=6, width=WIDTH, height=HEIGHT)
    assert [path.name for path in first] == ["station_000.png", "station_001.png"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    assert first[0].read_bytes() != other[0].read_bytes()


def test_a_photo_has_the_same_bytes_alone_and_in_a_set_that_is_rendered_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = torch.get_num_threads()
    monkeypatch.setattr("handful.sealer.station._WORTH_THREADS_PX", 1)
    many = render_station(tmp_path / "a", 3, width=320, height=240)
    one = render_station(tmp_path / "b", 1, width=320, height=240)
    assert one[0].read_bytes() == many[0].read_bytes()
    assert torch.get_num_threads() == threads


def test_photos_of_one_station_differ_but_resemble_each_other(tmp_path: Path) -> None:
    own = [load(path).ravel() for path in render_station(tmp_path / "a", 3, seed=1, width=WIDTH, height=HEIGHT)]
    foreign = load(render_station(tmp_path / "b", 1, seed=2, width=WIDTH, height=HEIGHT)[0]).ravel()
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
    assert len(truth_of(tmp_path / "b")["photos"]) == 3


@pytest.mark.parametrize("preset", PRESETS)
def test_truth_names_every_photo_and_its_conditions(tmp_path: Path, preset: str) -> None:
    photos = render_station(tmp_path, 3, seed=3, width=WIDTH, height=HEIGHT, colour=True, preset=preset)
    truth = truth_of(tmp_path)
    assert truth["pixel_mm"] == pytest.approx(PRESETS[preset].field_mm / WIDTH, rel=0.01)
    assert [row["file"] for row in truth["photos"]] == [path.name for path in photos]
    assert len({row["light_azimuth_deg"] for row in truth["photos"]}) == 3
    for row, path in zip(truth["photos"], photos, strict=True):
        assert row["class"] == "good" and row["defects"] == []
        assert row["bead_width_px"] == pytest.approx(row["bead_width_mm"] / truth["pixel_mm"], abs=0.01)
        assert np.asarray(Image.open(path)).shape == (HEIGHT, WIDTH, 3)
        assert load(path).std() > 10


def test_the_bead_mask_has_the_stated_width_and_lies_on_the_stated_path(tmp_path: Path) -> None:
    render_station(tmp_path / "p", 2, seed=3, width=329, height=245, preset="seam-straight", truth=True)
    for row in truth_of(tmp_path / "p")["photos"]:
        mask = load(tmp_path / f"p_truth/bead/{row['file']}") > 0
        path = np.array(row["path_px"])
        course = np.polyfit(path[:, 0], path[:, 1], 1)
        across = np.cos(np.arctan(course[0]))
        assert mask.sum(axis=0).mean() * across == pytest.approx(row["bead_width_px"], rel=0.04)
        middle = (mask * np.arange(245)[:, None]).sum(axis=0) / mask.sum(axis=0)
        assert np.abs(middle - np.polyval(course, np.arange(329))).max() < 1.5


def test_height_and_normals_describe_one_surface_as_high_as_the_contact_angle_says(tmp_path: Path) -> None:
    render_station(tmp_path / "p", 1, seed=3, width=329, height=245, preset="seam-straight", truth=True)
    truth = truth_of(tmp_path / "p")
    row = truth["photos"][0]
    height_mm = (load(tmp_path / f"p_truth/height/{row['file']}") - 20000) * 0.0002
    normals = load(tmp_path / f"p_truth/normals/{row['file']}") / 127.5 - 1
    assert np.abs(np.linalg.norm(normals, axis=2) - 1).max() < 0.02
    slope = np.gradient(height_mm, truth["pixel_mm"], axis=0)
    found = -normals[..., 1] / normals[..., 2]
    flat = np.abs(slope) < 1
    assert np.abs(found - slope)[flat].max() < 0.05
    half, angle = row["bead_width_mm"] / 2, np.deg2rad(row["contact_angle_deg"])
    apex_mm = half * np.tan(angle / 2)  # of a circular cap
    bead = load(tmp_path / f"p_truth/bead/{row['file']}") > 0
    assert height_mm[bead].max() == pytest.approx(apex_mm, rel=0.12)


def test_the_lit_flank_of_the_bead_is_brighter(tmp_path: Path) -> None:
    render_station(tmp_path / "p", 1, seed=0, width=329, height=245, preset="seam-straight", truth=True)
    row = truth_of(tmp_path / "p")["photos"][0]
    assert 80 < row["light_azimuth_deg"] < 140  # from the top
    photo, normals = (load(tmp_path / folder / row["file"]) for folder in ("p", "p_truth/normals"))
    bead = load(tmp_path / f"p_truth/bead/{row['file']}") > 0
    towards_top = normals[..., 1] < 100
    away = normals[..., 1] > 155
    light = linearise(torch.from_numpy(photo.astype(np.uint8)), camera_of(PRESETS["seam"], row["gain"])).numpy()
    assert light[bead & towards_top].mean() > 1.3 * light[bead & away].mean()


@pytest.mark.parametrize("kind", KINDS)
def test_a_defect_changes_the_photo_where_its_mask_says_and_hardly_elsewhere(tmp_path: Path, kind: str) -> None:
    sizes: dict[str, Any] = {"seed": 2, "width": 220, "height": 164}
    plain = load(render_station(tmp_path / "good", 1, **sizes)[0])
    photo = render_station(tmp_path / "bad", 1, **sizes, defects=DefectSettings(kinds=(kind,), share=1))[0]
    assert photo == tmp_path / f"bad/{kind}/station_000.png"
    mask = load(tmp_path / f"bad_truth/defect/{kind}/station_000_mask.png") > 0
    row = truth_of(tmp_path / "bad")["photos"][0]
    assert row["class"] == kind and row["defects"][0]["kind"] == kind
    change = np.abs(load(photo) - plain)
    assert 5 < mask.sum() < 0.1 * mask.size
    assert change[mask].mean() > 6
    x, y = row["defects"][0]["at_px"]
    near = np.hypot(*np.meshgrid(np.arange(220) - x, np.arange(164) - y)) < 60
    assert mask[near].sum() == mask.sum()
    assert np.mean(change[~near] > 1) < 0.002  # the noise is the same; only light thrown far may differ by a code


def test_a_weak_defect_keeps_its_mask_and_fades_from_the_photo(tmp_path: Path) -> None:
    def render(strength: float) -> tuple[np.ndarray, np.ndarray]:
        folder = tmp_path / str(strength)
        settings = DefectSettings(kinds=("lump",), share=1, strength=strength, size_mm=2)
        photo = render_station(folder, 1, seed=2, width=220, height=164, defects=settings)[0]
        mask = load(folder.with_name(f"{strength}_truth") / "defect/lump/station_000_mask.png") > 0
        return load(photo), mask

    plain = load(render_station(tmp_path / "good", 1, seed=2, width=220, height=164)[0])
    strong, mask = render(1.0)
    middle, _ = render(0.3)
    faint, faint_mask = render(0.02)
    assert np.mean(mask != faint_mask) < 0.001 and mask.sum() > 50
    changes = [np.abs(photo - plain)[mask].mean() for photo in (strong, middle, faint)]
    assert changes[0] > 1.6 * changes[1] and changes[1] > 3 * changes[2]
    assert changes[2] < 1


def test_the_gap_is_as_long_as_asked_for(tmp_path: Path) -> None:
    settings = DefectSettings(kinds=("gap",), share=1, size_mm=6)
    render_station(tmp_path / "p", 1, 0, 329, 245, preset="seam-straight", defects=settings, truth=True)
    bead = load(tmp_path / "p_truth/bead/gap/station_000.png") > 0
    missing_px = int((~bead.any(axis=0)).sum())
    assert missing_px * truth_of(tmp_path / "p")["pixel_mm"] == pytest.approx(6, abs=0.3)


def test_shares_and_kinds_are_kept_whatever_the_count(tmp_path: Path) -> None:
    settings = DefectSettings(kinds=("gap", "bubble"), share=0.4, per_photo=2)
    kinds = [settings.kind_of(index) for index in range(100)]
    assert sum(kind is not None for kind in kinds) == 40
    assert kinds.count("gap") == kinds.count("bubble") == 20
    photos = render_station(tmp_path / "p", 5, 0, WIDTH, HEIGHT, defects=settings)
    folders = [path.parent.name for path in photos]
    assert folders == [kind or "good" for kind in kinds[:5]]
    assert [len(row["defects"]) for row in truth_of(tmp_path / "p")["photos"]] == [2 * (f != "good") for f in folders]


def test_the_folder_of_photos_holds_photos_and_one_table_only(tmp_path: Path) -> None:
    render_station(tmp_path / "p", 2, 0, WIDTH, HEIGHT, truth=True)
    assert sorted(path.name for path in (tmp_path / "p").rglob("*")) == [
        "station.json", "station_000.png", "station_001.png",
    ]  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "p_truth").iterdir()) == ["bead", "height", "normals"]


def test_positions_on_the_part_and_in_the_picture_undo_each_other() -> None:
    part = Part(PRESETS["seam"].model_copy(update={"shift_mm": 2, "turn_deg": 5, "tilt_deg": 8}), 0, 120, 90)
    pose = part.pose(np.random.default_rng(1))
    grid = part.grid(pose)
    places = np.array([[0, 0], [119, 0], [60, 45], [7, 88]])
    on_part = np.stack([grid.x_mm[places[:, 1], places[:, 0]], grid.y_mm[places[:, 1], places[:, 0]]], axis=1)
    assert np.abs(part.to_picture(on_part.astype(float), pose) - places).max() < 0.01


def test_a_foreign_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"is not empty and holds no station\.json") as caught:
        render_station(tmp_path, 1)
    assert "another folder" in caught.value.do
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]
    (tmp_path / "p_truth").mkdir()
    (tmp_path / "p_truth/mine.txt").write_text("x")
    with pytest.raises(UserError, match="p_truth is not empty"):
        render_station(tmp_path / "p", 1, truth=True)
    assert not (tmp_path / "p").exists()


def test_other_settings_and_a_smaller_count_are_refused_with_the_settings_found(tmp_path: Path) -> None:
    render_station(tmp_path, 2, seed=4, width=WIDTH, height=HEIGHT)
    for count, seed, preset in ((2, 5, "seam"), (1, 4, "seam"), (2, 4, "glue")):
        with pytest.raises(UserError, match="holds 2 photos") as caught:
            render_station(tmp_path, count, seed=seed, width=WIDTH, height=HEIGHT, preset=preset)
        assert "seed 4, size 96x72" in caught.value.allowed and "count from 2" in caught.value.allowed


@pytest.mark.parametrize(
    ("arguments", "seen", "allowed"),
    [
        ({"count": 0}, "0 photos", "At least 1"),
        ({"count": 1, "width": 20}, "20x490", "at least 32"),
        ({"count": 1, "preset": "gleu"}, "no station called 'gleu'", "glue"),
    ],
)
def test_impossible_wishes_are_refused(tmp_path: Path, arguments: dict[str, Any], seen: str, allowed: str) -> None:
    with pytest.raises(UserError, match=seen) as caught:
        render_station(tmp_path / "out", **arguments)
    assert allowed in caught.value.allowed
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("kinds", "values", "seen", "helps"),
    [
        (["gab"], {}, "no defect called 'gab'", "Did you mean 'gap'"),
        (None, {"strength": 0.5}, "strength of defects was given without defects", "--defects all"),
        (["gap"], {"strength": 0}, "strength is 0", "allowed value"),
        (["gap"], {"share": 1.5}, "share is 1.5", "allowed value"),
    ],
)
def test_impossible_defects_are_refused(
    kinds: list[str] | None, values: dict[str, float], seen: str, helps: str
) -> None:
    with pytest.raises(UserError, match=seen) as caught:
        defect_settings(kinds, values)
    assert helps in caught.value.do


def test_a_file_in_the_folders_place_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "afile").write_text("x")
    with pytest.raises(UserError, match=r"afile is a file\.\n.*new or empty folder.*\n.*another folder"):
        render_station(tmp_path / "afile", 1, width=64, height=64)
    with pytest.raises(UserError, match=r"Nothing can be written into"):
        render_station(tmp_path / "afile" / "below", 1, width=64, height=64)
    assert (tmp_path / "afile").read_text() == "x"


def test_the_command_renders_defects_and_says_where_the_truth_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "p"
    small = ["--width", "96", "--height", "72", "--defects", "gap,lump", "--defect-share", "1", "--truth", "--json"]
    assert app.main(["station", str(out), "-n", "2", *small]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["photos"] == ["gap/station_000.png", "lump/station_001.png"]
    assert (Path(document["truth"]) / "height/lump/station_001.png").exists()
    assert app.main(["station", str(tmp_path / "q"), "--defects", "lamp"]) == 2
    assert "Did you mean 'lump'?" in capsys.readouterr().err
