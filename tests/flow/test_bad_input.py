"""From the shell: what must not be compared is refused in three lines, with what was seen and what to do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import handful
from handful.cli import app
from handful.study.plan import arrange_settings


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `photos`, and a finished comparison `work`."""
    folder = tmp_path_factory.mktemp("bad input")
    handful.render_station(folder / "photos", 1, seed=3, width=96, height=72)
    values = {"generators": ["copies"], "canvas": "24", "samples": 4, "features": ["pixels"], "threads": 1}
    handful.compare(folder / "photos", folder / "work", arrange_settings(values, "the test"))
    return folder


@pytest.fixture
def work(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made / "work", tmp_path / "work")
    return tmp_path / "work"


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> list[str]:
    """The last three lines of what a command says that refuses."""
    capsys.readouterr()
    assert app.main([str(word) for word in words]) == 2
    return capsys.readouterr().err.strip().splitlines()[-3:]


def test_a_plan_changed_after_the_run_began(made: Path, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = work / "plan.json"
    plan.write_text(plan.read_text().replace('"canvas": "24x18"', '"canvas": "48x36"'))
    flags = ["--generators", "copies", "--canvas", "24", "--samples", "4", "--features", "pixels", "--threads", "1"]
    said = refused(capsys, "compare", made / "photos", "--out", work, *flags)
    assert "was changed by hand after its runs began: canvas was 48x36, is now 24x18" in said[0] and "--out" in said[2]


def test_more_samples_than_the_set_holds(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = (work / "4_samples").iterdir()
    asked = ["--protocol", "single-v1", "--features", "pixels", "--count", "100"]
    said = refused(capsys, "score", run, work / "2_dataset", *asked)
    assert "100 samples are to be judged" in said[0] and "holds 4" in said[0] and "1 to 4" in said[1]


def test_held_out_photos_that_the_run_was_trained_on(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run,) = (work / "4_samples").iterdir()
    shutil.copytree(work / "2_dataset/images", tmp_path / "held out")
    shutil.copy(next((tmp_path / "held out").iterdir()), tmp_path / "held out/again.png")
    said = refused(capsys, "score", run, tmp_path / "held out", "--features", "pixels")
    assert "was trained on 2 of these 2 photos, for example" in said[0] and "never saw" in said[1]


def test_a_card_joined_to_those_of_another_protocol(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (card,) = (work / "5_scores").glob("*/single-v1+pixels.json")
    card.rename(card.with_name("heldout-v1+pixels.json"))
    said = refused(capsys, "report", work)
    assert "is a score card of single-v1+pixels, under the name of heldout-v1+pixels" in said[0]
    assert "never joined" in said[1]


def test_a_data_set_too_small_for_its_protocol(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = (work / "4_samples").iterdir()
    said = refused(capsys, "score", run, work / "2_dataset", "--features", "pixels")
    assert said[0] == "Fold 0 has 0 held-out photo(s)." and "single-v1" in said[2]
