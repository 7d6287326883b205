"""A study: several comparisons on one page; a generator trained as it alone is told, and drawn from in several ways."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from handful.core.artifacts import DatasetManifest, RunManifest, SampleManifest, ScoreCard, StudyManifest
from handful.core.errors import UserError
from handful.pipeline import compare, compare_parts
from handful.sealer.station import render_station
from handful.study.parts import arrange_study, is_study
from handful.study.plan import arrange_settings

STEERED = str(Path(__file__).parents[1] / "samples" / "steered_generator.py")
RECIPE: dict[str, Any] = {
    "generators": [STEERED, "copies"],
    "features": ["efficientnet-lite0"],
    "samples": 6,
    "heldout": 0.4,
    "threads": 1,
    "settings": {STEERED: {"spread": 0.25}},
    "draws": {STEERED: {"bright": {"level": 0.6}}},
    "parts": {"small": {"canvas": "16"}, "large": {"canvas": "32", "generators": ["copies"]}},
    "study": {
        "title": "What it is",
        "tables": [
            {
                "heading": "Distances",
                "parts": ["small", "large"],
                "columns": ["heldout-v1+efficientnet-lite0:kid"],
                "published": "kid",
            }
        ],
        "published": [{"contestant": "copies", "score": "kid", "value": 52.27, "conditions": "other photos <b>"}],
        "remarks": ["Not comparable."],
    },
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study") / "photos"
    render_station(folder, 10, seed=3, width=48, height=36)
    return folder


@pytest.fixture(scope="module")
def study(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("study") / "out"
    compare_parts(photos, out, arrange_study(RECIPE, {}, "the recipe"))
    return out


def test_each_part_is_a_comparison_of_its_own_in_its_own_folder(study: Path) -> None:
    assert StudyManifest.read(study).parts == ("small", "large")
    for part in ("small", "large"):
        assert (study / part / "6_report" / "index.html").is_file()
    assert not list((study / "large" / "4_samples").glob("steered*"))


def test_a_run_drawn_from_in_two_ways_gives_two_contestants_and_is_trained_once(study: Path) -> None:
    runs = [RunManifest.read(path.parent) for path in (study / "small" / "3_train").glob("steered*/run.json")]
    assert len(runs) == 1
    sets = {one.draw: one for one in map(SampleManifest.read, (study / "small" / "4_samples").glob("steered*"))}
    assert sets[""].controls == {} and sets["bright"].controls == {"level": 0.6}
    assert sets["bright"].set_id == f"{runs[0].run_id}@bright"
    folders = sorted((study / "small" / "5_scores").glob("steered*"))
    cards = [ScoreCard.read(folder, "heldout-v1+efficientnet-lite0.json") for folder in folders]
    assert [card.generator.removeprefix(STEERED) for card in cards] == ["", " bright"]
    assert cards[0].scores != cards[1].scores


def test_the_page_shows_every_contestant_with_its_canvas_and_what_was_published_beside_it(study: Path) -> None:
    page = (study / "index.html").read_text(encoding="utf-8")
    text = re.sub(r"<[^>]*>", " ", page)
    assert re.search(r"steered_generator\s+1 run\s+small\s+16x12", text)
    assert re.search(r"steered_generator bright\s+1 run\s+small\s+16x12", text)
    assert re.search(r"copies\s+anchor\s+copies photos\s+1 run\s+large\s+32x24", text)
    assert text.count("52.27") == 3  # beside copies in both parts, and with its conditions
    assert "other photos &lt;b&gt;" in page and "Not comparable." in page
    assert "http" not in page  # it opens offline


def test_a_study_run_again_keeps_what_is_finished(photos: Path, study: Path) -> None:
    runs = sorted(study.glob("*/3_train/*/run.json"))
    before = [path.stat().st_mtime_ns for path in runs]
    compare_parts(photos, study, arrange_study(RECIPE, {}, "the recipe"))
    assert [path.stat().st_mtime_ns for path in runs] == before


def test_a_generator_is_trained_as_it_alone_is_told(photos: Path, tmp_path: Path) -> None:
    values = {
        "generators": ["dcgan", "classic"],
        "features": ["efficientnet-lite0"],
        "samples": 4,
        "canvas": "16",
        "heldout": 0.4,
        "budget": "2steps",
        "settings": {"dcgan": {"width": 4}},
        "training": {"dcgan": {"budget": "3steps", "batch": 2, "most_photos": 3}},
    }
    compare(photos, tmp_path / "w", arrange_settings(values, "the recipe"))
    run = next(RunManifest.read(path.parent) for path in (tmp_path / "w" / "3_train").glob("dcgan*/run.json"))
    assert (run.steps, run.images_seen, run.training_images) == (3, 6, 3)
    dataset = DatasetManifest.read(tmp_path / "w" / "2_dataset")
    training = [image.pixels_sha256 for image in dataset.training(0)]
    assert [training.index(pixels) for pixels in training if pixels in run.training_pixels] == [1, 3, 5]


@pytest.mark.parametrize(
    ("change", "what", "do"),
    [
        ({"training": {"dcgann": {"batch": 2}}}, "compared generator called 'dcgann'", "handful compare --help"),
        ({"training": {"copies": {"bach": 2}}}, "training of copies has no setting 'bach'", "'batch'"),
        ({"draws": {"copies": {"bright": {"level": 1}}}}, "copies was given level", "--set"),
        ({"draws": {STEERED: {"bright": {"levle": 1}}}}, "levle", "'level'"),
    ],
)
def test_what_a_generator_cannot_be_told_is_refused_before_anything_is_built(
    photos: Path, tmp_path: Path, change: dict[str, Any], what: str, do: str
) -> None:
    values = {"generators": [STEERED, "copies"], **change}
    with pytest.raises(UserError) as refused:
        compare(photos, tmp_path / "w", arrange_settings(values, "the recipe"))
    assert what in refused.value.what and do in refused.value.do
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"parts": {"Big Canvas": {}}}, "Big Canvas"),
        ({"parts": {"small": {"canvass": "16"}}}, "recipe, part small has no setting 'canvass'"),
        ({"study": {"title": "t", "tables": [{"heading": "h", "parts": ["smal"], "columns": ["a:b"]}]}}, "smal"),
        ({"study": {"title": "t", "titel": "t"}}, "titel"),
    ],
)
def test_a_study_with_a_mistake_is_refused(change: dict[str, Any], what: str) -> None:
    with pytest.raises(UserError) as refused:
        arrange_study({**RECIPE, **change}, {}, "the recipe")
    assert what in refused.value.what


def test_flags_go_before_the_recipe_in_every_part() -> None:
    study = arrange_study(RECIPE, {"samples": 3}, "the recipe", {"copies": {}})
    assert is_study(RECIPE) and not is_study({"canvas": "16"})
    assert {settings.samples for settings in study.parts.values()} == {3}
    assert json.loads(study.page.model_dump_json())["title"] == "What it is"
