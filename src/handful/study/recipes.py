"""Finds recipes: TOML files of settings, ours by name or the user's by path."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handful.core.config import read_toml
from handful.core.errors import unknown_name

_FOLDER = Path(__file__).parents[1] / "recipes"


def recipe_names() -> tuple[str, ...]:
    """The recipes that come with Handful."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def read_recipe(recipe: str) -> dict[str, Any]:
    """The settings of a recipe.

    Args:
        recipe: the name of one that comes with Handful, or the path of a TOML file: what ends in .toml, or holds a
            slash, is a path.

    Raises:
        UserError: no such recipe (the nearest name is offered), or a file that cannot be read.
    """
    if Path(recipe).suffix == ".toml" or Path(recipe).name != recipe:
        return read_toml(Path(recipe))
    if recipe not in recipe_names():
        raise unknown_name("recipe", recipe, recipe_names(), "handful compare --help")
    return read_toml(_FOLDER / f"{recipe}.toml")


def with_flags(values: Mapping[str, Any], flags: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe with flags before its own values. Settings of its generators that the flags leave out rest.

    Args:
        values: of the recipe.
        flags: by the same names.
    """
    joined = {**values, **flags}
    left_out = set(values.get("generators", ())) - set(joined.get("generators", ()))
    for section in ("settings", "training", "draws"):
        if section in values:
            joined[section] = {name: own for name, own in values[section].items() if name not in left_out}
    return joined
