"""A study: several comparisons of the same photos, on other canvases say, that one page shows together.

A recipe is a study where it has sections [parts.NAME]: each is a comparison, with all settings that stand outside the
parts and its own, which go before. A section [study] says what the page shows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from handful.core.artifacts import StudyManifest
from handful.core.config import parse_settings
from handful.core.errors import UserError, unknown_name
from handful.study.plan import CompareSettings, arrange_settings

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True)
class Study:
    """What is compared, part by part, and what the page shows."""

    parts: dict[str, CompareSettings]
    """Name, which is the folder within the study's, -> the comparison."""
    page: StudyManifest


def is_study(values: Mapping[str, Any]) -> bool:
    """Whether a recipe has parts."""
    return "parts" in values


def arrange_study(
    values: Mapping[str, Any],
    flags: Mapping[str, Any],
    where: str,
    generator_settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> Study:
    """A recipe with parts as a study.

    Args:
        values: of the recipe.
        flags: go before the recipe's, in every part.
        where: what they come from, for errors.
        generator_settings: generator -> settings that go before those of `values`, in the parts that compare it.

    Raises:
        UserError: an unknown name, a value out of range, a page that shows a part which is none.
    """
    common = {name: value for name, value in values.items() if name not in ("parts", "study")}
    parts = {}
    for name, own in values["parts"].items():
        if _NAME.fullmatch(name) is None:
            raise UserError(
                f"{where} has a part called '{name}'.",
                "A part's name becomes a folder: small letters, digits and hyphens.",
                "Rename it.",
            )
        arranged = {"generators": CompareSettings().generators, **common, **own, **flags}
        for section in ("settings", "training", "draws"):  # those of generators that this part does not compare rest
            given = {**common.get(section, {}), **own.get(section, {})}
            arranged[section] = {key: value for key, value in given.items() if key in arranged["generators"]}
        here = {key: value for key, value in (generator_settings or {}).items() if key in arranged["generators"]}
        parts[name] = arrange_settings(arranged, f"{where}, part {name}", here)
    page = parse_settings(StudyManifest, {**values.get("study", {}), "parts": list(parts)}, f"{where}, study")
    for table in page.tables:
        for part in table.parts:
            if part not in parts:
                raise unknown_name("part", part, parts, "handful compare --help")
    return Study(parts, page)
