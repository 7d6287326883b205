"""Settings refuse typos and values out of range, and say what would do."""

from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field

from handful.core.config import Settings, fingerprint, parse_settings, read_toml
from handful.core.errors import UserError


class Oven(Settings):
    heat: float = Field(0.5, ge=0, le=1)
    """How hot."""
    minutes: int = 3
    """How long."""


def test_a_typo_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UserError) as caught:
        parse_settings(Oven, {"minuets": 3}, "the oven")
    assert (
        str(caught.value) == "the oven has no setting 'minuets'.\nIts settings: heat, minutes.\nDid you mean 'minutes'?"
    )


def test_a_value_out_of_range_is_refused_with_the_range_and_the_default() -> None:
    with pytest.raises(UserError) as caught:
        parse_settings(Oven, {"heat": 7}, "the oven")
    assert "heat is 7" in caught.value.what
    assert "less than or equal to 1" in caught.value.allowed
    assert "default is 0.5" in caught.value.do


class Kitchen(Settings):
    oven: Oven = Oven(minutes=5)
    spare: Oven | None = None


@pytest.mark.parametrize(
    ("values", "do"),
    [
        ({"oven": {"minutes": "x"}}, "Give oven.minutes an allowed value (the default is 5)."),
        ({"oven": 3}, "Give oven an allowed value."),
        ({"spare": {"heat": 7}}, "Give spare.heat an allowed value."),
    ],
)
def test_a_value_in_a_section_is_refused_with_its_own_default(values: dict[str, Any], do: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_settings(Kitchen, values, "the kitchen")
    assert caught.value.do == do


class Bakery(Settings):
    shelves: tuple[int, ...] = Field((0,), min_length=1)
    flour: Literal["wheat", "rye", "spelt"] = "wheat"
    ovens: int = 1
    open: bool = True


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"shelves": [1, "a"]}, "bakery: entry 2 of shelves is 'a'.\nIt must be a whole number.\nGive shelves"),
        ({"shelves": []}, "bakery: shelves is [].\nIt must have at least 1 entry.\nGive shelves"),
        ({"shelves": 3}, "bakery: shelves is 3.\nIt must be a list.\n"),
        ({"flour": "ry"}, "bakery: flour is 'ry'.\nIt must be 'wheat', 'rye' or 'spelt'.\nDid you mean 'rye'?"),
        ({"flour": 3}, "bakery: flour is 3.\nIt must be 'wheat', 'rye' or 'spelt'.\nGive flour an allowed value (the"),
        ({"ovens": "two"}, "bakery: ovens is 'two'.\nIt must be a whole number.\n"),
        ({"ovens": 1.5}, "bakery: ovens is 1.5.\nIt must be a whole number.\n"),
        ({"open": "maybe"}, "bakery: open is 'maybe'.\nIt must be true or false.\n"),
    ],
)
def test_a_value_of_the_wrong_kind_is_explained_in_plain_words(values: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_settings(Bakery, values, "bakery")
    assert str(caught.value).startswith(told)


def test_every_user_error_has_exactly_three_lines() -> None:
    assert str(UserError("a\n b", "c", "d")).splitlines() == ["a b", "c", "d"]


def test_a_fingerprint_ignores_key_order_and_sees_every_value() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1, "b": 2}) != fingerprint({"a": 1, "b": 3})


def test_broken_toml_is_a_user_error(tmp_path: Path) -> None:
    recipe = tmp_path / "bad.toml"
    recipe.write_text("budget = 3min\n")
    with pytest.raises(UserError) as caught:
        read_toml(recipe)
    assert "bad.toml" in caught.value.what
    assert "[settings.dcgan]" in caught.value.allowed
    with pytest.raises(UserError, match=r"cannot be read: Is a directory\.\n.*TOML file.*\n.*--recipe"):
        read_toml(tmp_path)
    with pytest.raises(UserError, match="no recipe file"):
        read_toml(tmp_path / "none.toml")
