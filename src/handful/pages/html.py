"""Fills a page's template: one self-contained HTML file; every value is escaped."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from handful.pages.words import number, plural

_TEMPLATES = Path(__file__).parent / "templates"


def render(templates: Path, template: str, filters: Mapping[str, Callable[..., Any]], **values: Any) -> str:
    """The page that a template makes of these values. All must be given that it names.

    Args:
        templates: folder of the stage's own templates; what all pages share is found beside them.
        template: its file.
        filters: the stage's own, beside number, plural and code.
        values: for the template.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([templates, _TEMPLATES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "plural": plural, "code": _code, **filters}
    style = Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8"))
    return environment.get_template(template).render(style=style, **values)


def _code(text: str) -> Markup:
    """Escapes a sentence and sets what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
