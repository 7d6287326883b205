"""What the examples and recipes show is what runs."""

import runpy
import tomllib
from pathlib import Path

import pytest

import handful
from handful.core.registry import names
from handful.scores.protocol import PROTOCOLS
from handful.study.cells import check_generators
from handful.study.inspection import arrange_inspection, check_inspection
from handful.study.parts import arrange_study, is_study
from handful.study.plan import arrange_settings

ROOT = Path(__file__).parents[2]


def test_the_python_session_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / "examples/session.py"))["main"](tmp_path)
    printed = capsys.readouterr().out
    assert "kid:" in printed
    assert (tmp_path / "work/6_report/index.html").is_file()


@pytest.mark.parametrize("recipe", sorted((ROOT / "src/handful/recipes").glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_holds_known_settings_generators_and_scores(recipe: Path) -> None:
    values = tomllib.loads(recipe.read_text(encoding="utf-8"))
    if recipe.stem.startswith("inspection"):
        check_inspection(arrange_inspection(values, str(recipe)))
        return
    if not is_study(values):
        check_generators(arrange_settings(values, str(recipe)))
        return
    study = arrange_study(values, {}, str(recipe))
    for settings in study.parts.values():
        check_generators(settings)
    columns = [column for table in study.page.tables for column in table.columns]
    for column in [*columns, study.page.quality, study.page.diversity]:
        card, _, score = column.partition(":")
        assert card.split("+")[0] in PROTOCOLS and score in names("scores"), column


def test_the_smoke_recipe_does_the_whole_job_with_a_generator_of_ones_own(tmp_path: Path) -> None:
    handful.render_station(tmp_path / "photos", 8, width=96, height=72)
    values = tomllib.loads((ROOT / "src/handful/recipes/smoke.toml").read_text(encoding="utf-8"))
    values["generators"] = ["copies", str(ROOT / "examples/my_generator.py")]
    result = handful.compare(tmp_path / "photos", tmp_path / "work", arrange_settings(values, "smoke"))
    assert "my_generator" in result.path.read_text(encoding="utf-8")
