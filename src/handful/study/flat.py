"""Settings that stand flat in flags and recipes, each in the part that it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handful.core.config import Settings, parse_settings
from handful.core.errors import UserError, nearest_name

_OTHER_NAMES = {("dataset", "seed"): "split_seed"}  # beside `seeds`, `seed` would be read as the training's


def arrange(
    values: Mapping[str, Any], where: str, whole: type[Settings], parts: Mapping[str, type[Settings]]
) -> dict[str, Any]:
    """Flat names and values as the values of `whole`, whose fields named in `parts` are settings of their own.

    Args:
        values: setting name -> value; lists where the setting is a list.
        where: what they come from, for errors: "demo".
        whole: its own fields go before equal names in parts.
        parts: field -> class.

    Raises:
        UserError: an unknown name (with the nearest one) or a value out of range in a part.
    """
    own = {name for name in whole.model_fields if name not in parts}
    homes = {
        _OTHER_NAMES.get((part, field), field): (part, field)
        for part, settings in parts.items()
        for field in settings.model_fields
    }
    given: dict[str, dict[str, Any]] = {part: {} for part in parts}
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if name in own:
            flat[name] = value
        elif name in homes:
            part, field = homes[name]
            given[part][field] = value
        else:
            raise _unknown(name, where, own | set(homes))
    return flat | {part: parse_settings(parts[part], values, where) for part, values in given.items()}


def _unknown(name: str, where: str, known: set[str]) -> UserError:
    near = nearest_name(name, known)
    return UserError(
        f"{where} has no setting '{name}'.",
        f"It may set: {', '.join(sorted(known))}.",
        f"Did you mean '{near}'?" if near else "Remove it, or correct its name.",
    )
