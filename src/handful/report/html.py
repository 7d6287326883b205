"""Fills the report's templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from handful.pages import html
from handful.report.tables import better_word

_TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: Any) -> str:
    """The page that one of the report's templates makes of these values."""
    return html.render(_TEMPLATES, template, {"better": better_word}, **values)
