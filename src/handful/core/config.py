"""Base of every setting: frozen, unknown keys refused, TOML in, fingerprint out."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from handful.core.errors import UserError, nearest_name

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class Settings(BaseModel):
    """A frozen set of documented values. A field's docstring is its help text."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False, validate_default=True
    )


AnySettings = TypeVar("AnySettings", bound=BaseModel)


def parse_settings(settings_class: type[AnySettings], values: dict[str, Any], where: str) -> AnySettings:
    """Builds settings from plain values; strings are read as the field's type.

    Args:
        settings_class: the class to build.
        values: setting name -> value.
        where: whose settings these are, for the error: "generator dcgan", "recipe smoke.toml".

    Raises:
        UserError: an unknown name (with the nearest one) or a value out of range.
    """
    try:
        return settings_class.model_validate(values)
    except ValidationError as error:
        raise _explain(settings_class, error, where) from None


def _explain(settings_class: type[BaseModel], error: ValidationError, where: str) -> UserError:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    known = list(settings_class.model_fields)
    if first["type"] == "extra_forbidden":
        near = nearest_name(name, known)
        do = f"Did you mean '{near}'?" if near else "Remove it, or correct its name."
        allowed = f"Its settings: {', '.join(known)}." if known else "It has no settings."
        return UserError(f"{where} has no setting '{name}'.", allowed, do)
    if first["type"] == "missing":
        return UserError(f"{where} lacks '{name}'.", f"It needs: {', '.join(known)}.", f"Add {name} = ...")
    default = _default_text(settings_class, first["loc"])
    near = _nearest_literal(first)
    return UserError(
        f"{where}: {_place(first['loc']) or 'the settings'} is {first['input']!r}.",
        allowed_value(first),
        f"Did you mean '{near}'?" if near else f"Give {name or 'it'} an allowed value{default}.",
    )


_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "bool": "true or false",
    "string": "text",
    "tuple": "a list",
}


def allowed_value(failure: ErrorDetails) -> str:
    """What pydantic's complaint about a value allows, as one sentence for users."""
    kind, limits = failure["type"], failure.get("ctx", {})
    if kind in ("too_short", "too_long"):
        least = kind == "too_short"
        number = limits["min_length" if least else "max_length"]
        entries = "entry" if number == 1 else "entries"
        return f"It must have at {'least' if least else 'most'} {number} {entries}."
    stem, _, rest = kind.partition("_")
    if rest in ("parsing", "type", "from_float", "number", "parsing_size") and stem in _KINDS:
        return f"It must be {_KINDS[stem]}."
    words = failure["msg"]
    if words.startswith("Input should be "):
        return f"It must be {words.removeprefix('Input should be ')}."
    return f"{words[:1].upper()}{words[1:]}."


def _place(location: tuple[int | str, ...]) -> str:
    """('seeds', 0) -> 'entry 1 of seeds'."""
    place = ""
    for part in location:
        dotted = f"{place}.{part}" if place else str(part)
        place = f"entry {part + 1} of {place}" if isinstance(part, int) else dotted
    return place


def _nearest_literal(failure: ErrorDetails) -> str | None:
    if failure["type"] != "literal_error" or not isinstance(failure["input"], str):
        return None
    return nearest_name(failure["input"], re.findall(r"'([^']*)'", failure["ctx"]["expected"]))


def _default_text(settings_class: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """' (the default is 3.0)'; nothing where there is none, or where it only means that nothing is set."""
    field = settings_class.model_fields.get(str(location[0])) if location else None
    if field is None or field.is_required():
        return ""
    default = field.default
    for part in location[1:]:
        default = getattr(default, str(part), None) if isinstance(default, BaseModel) else default
    return "" if default is None or isinstance(default, BaseModel) else f" (the default is {default!r})"


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as a dictionary; a three-line error where it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"There is no recipe file at {path}.",
            "A recipe is a TOML file.",
            "Check the path after --recipe.",
        ) from None
    except OSError as error:
        raise UserError(
            f"The recipe {path} cannot be read: {error.strerror}.",
            "A recipe is a TOML file that you may read.",
            "Check the path after --recipe.",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} is not valid TOML: {error}.",
            'A recipe holds lines such as budget = "3min" and sections such as [settings.dcgan].',
            "Correct that line and run the command again.",
        ) from None


def fingerprint(value: Any) -> str:
    """SHA-256 (64 hex digits) of a JSON-able value or of settings, independent of key order."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
