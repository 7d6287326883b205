"""Settings refuse typos and values out of range, and say what would do."""

from pathlib import Path

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
