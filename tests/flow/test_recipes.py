"""Recipes are found by name or by path."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from handful.core.errors import UserError
from handful.study.cells import check_generators
from handful.study.plan import arrange_settings
from handful.study.recipes import read_recipe, recipe_names, with_flags


def test_a_recipe_is_found_by_its_name_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "demo" in recipe_names()
    assert read_recipe("demo")["budget"] == "120s"


def test_a_path_goes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo.toml").write_text('budget = "7steps"\n', encoding="utf-8")
    assert read_recipe("demo.toml") == {"budget": "7steps"}


@pytest.mark.parametrize(("recipe", "what", "do"), [("demp", "demp", "demo"), ("none/here.toml", "none", "--recipe")])
def test_a_recipe_that_is_not_there_is_refused(recipe: str, what: str, do: str) -> None:
    with pytest.raises(UserError) as refused:
        read_recipe(recipe)
    assert what in refused.value.what and do in refused.value.do


def test_settings_of_generators_that_flags_leave_out_rest_and_misspelt_ones_stay_to_be_refused() -> None:
    recipe = {
        "generators": ["dcgan", "classic"],
        "settings": {"dcgan": {"width": 8}, "clasic": {}},
        "training": {"dcgan": {"budget": "5steps"}},
    }
    joined = with_flags(recipe, {"generators": ["classic"], "seeds": [1]})
    assert joined == {"generators": ["classic"], "seeds": [1], "settings": {"clasic": {}}, "training": {}}
    assert with_flags(recipe, {"seeds": [1]}) == {**recipe, "seeds": [1]}
    values = with_flags(read_recipe("untrained"), {"generators": ["singan", "classic"]})
    check_generators(arrange_settings(values, "recipe untrained"))
    with pytest.raises(UserError, match="clasic"):
        check_generators(arrange_settings(joined, "recipe"))


def test_every_recipe_is_explained_with_its_canvas() -> None:
    page = (Path(__file__).parents[2] / "docs/recipes.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([^`]+)` \|.*\| ([\w, ]+) \|$", page, re.M))
    assert set(rows) == set(recipe_names())
    for name, canvas in rows.items():
        recipe = read_recipe(name)
        own = [recipe, *recipe.get("parts", {}).values()]
        wanted = sorted({int(part["canvas"]) for part in own if "canvas" in part})
        assert canvas == (f"{wanted[0]} to {wanted[-1]}" if len(wanted) > 2 else ", ".join(map(str, wanted))), name
