"""Controls steer drawing, are kept with every sample, and are refused where a generator or a run cannot follow."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_draw import files_of, make_run, rows_of

from handful.cli import app
from handful.core import registry
from handful.core.artifacts import SampleManifest, Size
from handful.core.errors import UserError
from handful.core.images import read_png
from handful.samples.draw import draw_samples

STEERED = str(Path(__file__).with_name("steered_generator.py"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run"), STEERED)


def test_a_control_changes_what_is_drawn_and_stands_in_manifest_and_rows(run: Path, tmp_path: Path) -> None:
    draw_samples(run, tmp_path / "plain", count=2)
    manifest = draw_samples(run, tmp_path / "bright", count=2, controls={"level": "0.5", "columns": 33})
    assert manifest.controls == {"level": 0.5, "columns": 33} and manifest.canvas == Size(width=33, height=16)
    assert [row.controls for row in rows_of(tmp_path / "bright")] == [manifest.controls] * 2
    plain, bright = (read_png(tmp_path / name / "000000.png").mean() for name in ("plain", "bright"))
    assert 110 < plain < 145 and bright > plain + 40
    assert SampleManifest.read(tmp_path / "plain").controls == {}


def test_seeds_alone_and_in_batch_give_the_same_files_under_controls(run: Path, tmp_path: Path) -> None:
    draw_samples(run, tmp_path / "one", count=1, first_seed=17, controls={"columns": 50})
    draw_samples(run, tmp_path / "many", count=20, controls={"columns": 50})
    assert files_of(tmp_path / "one").items() <= files_of(tmp_path / "many").items()


def test_a_control_at_its_default_is_no_control(run: Path, tmp_path: Path) -> None:
    draw_samples(run, tmp_path / "set", count=1)
    assert draw_samples(run, tmp_path / "set", count=2, controls={"level": 0}).controls == {}


def test_a_file_is_kept_by_its_content_and_not_by_its_path(run: Path, tmp_path: Path) -> None:
    stencil = tmp_path / "private name.png"
    Image.fromarray(np.eye(16, 20, dtype=np.uint8) * 255).save(stencil)
    controls = {"stencil": str(stencil)}
    manifest = draw_samples(run, tmp_path / "set", count=1, controls=controls)
    assert manifest.controls == {"stencil": "sha256:" + hashlib.sha256(stencil.read_bytes()).hexdigest()}
    assert "private name" not in (tmp_path / "set" / "samples.jsonl").read_text()
    drawn = read_png(tmp_path / "set" / "000000.png")
    assert (drawn[read_png(stencil) == 0] == 0).all() and drawn.any()
    Image.fromarray(np.eye(16, 20, dtype=np.uint8)).save(stencil)  # another file under the same name
    with pytest.raises(UserError, match="one set of controls"):
        draw_samples(run, tmp_path / "set", count=2, controls=controls)
    stencil.unlink()
    with pytest.raises(UserError) as caught:
        draw_samples(run, tmp_path / "other", count=1, controls=controls)
    assert "private name.png" in caught.value.what and "--set stencil=" in caught.value.do


def test_samples_of_other_controls_are_refused_and_left_alone(run: Path, tmp_path: Path) -> None:
    draw_samples(run, tmp_path / "set", count=1)
    before = files_of(tmp_path / "set")
    with pytest.raises(UserError) as caught:
        draw_samples(run, tmp_path / "set", count=2, controls={"level": 0.25})
    assert "no controls" in caught.value.what and "level=0.25" in caught.value.allowed and "--out" in caught.value.do
    assert files_of(tmp_path / "set") == before


@pytest.mark.parametrize(
    ("controls", "what", "allowed"),
    [
        ({"levle": 1}, "drawing from steered_generator has no setting 'levle'", "level, columns, stencil"),
        ({"level": 3}, "level is 3", "less than or equal to 1"),
        ({"columns": 101}, "columns is 101", "at most 100"),
    ],
)
def test_controls_that_do_not_exist_or_cannot_be_followed_are_refused_before_anything_is_drawn(
    run: Path, tmp_path: Path, controls: dict[str, object], what: str, allowed: str
) -> None:
    with pytest.raises(UserError) as caught:
        draw_samples(run, tmp_path / "set", count=1, controls=controls)
    assert what in caught.value.what and allowed in caught.value.allowed
    assert not files_of(tmp_path / "set") and not (tmp_path / "set" / "samples.jsonl").exists()


def test_a_generator_without_controls_refuses_them_and_says_where_they_are_listed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    with pytest.raises(UserError) as caught:
        draw_samples(run, tmp_path / "set", count=1, controls={"level": 1})
    assert caught.value.what == "dcgan was given level to draw by." and "0 controls" in caught.value.allowed
    assert "handful generators NAME" in caught.value.do


def test_the_command_takes_controls(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sample", str(run), "--count", "1", "--out", str(tmp_path / "set"), "--set"]
    assert app.main([*words, "columns=9", "--json"]) == 0
    assert '"controls": {"columns": 9}' in capsys.readouterr().out
    assert app.main([*words, "columns=many", "--json"]) == 2
    assert "a whole number" in capsys.readouterr().err


def test_the_listing_tells_settings_and_controls_apart(capsys: pytest.CaptureFixture[str]) -> None:
    entry = registry.describe("generators", STEERED)
    assert [row.name for row in entry.settings] == ["spread"]
    assert [row.name for row in entry.controls] == ["level", "columns", "stencil"]
    assert app.main(["generators", STEERED]) == 0
    shown = capsys.readouterr().out
    assert "Controls (handful sample --set NAME=VALUE):\n  level = 0.0  (float) Mean brightness." in shown
