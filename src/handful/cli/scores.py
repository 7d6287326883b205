"""handful scores: which are there, and how is each read?"""

from __future__ import annotations

from typing import Annotated

import typer

from handful.cli.output import JsonFlag, emit, table_lines

EXAMPLE = "handful scores kid"


def command(
    name: Annotated[str | None, typer.Argument(help="One score, to read all about it.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Lists the scores; with a name, explains how to read one."""
    from handful.core import registry

    if name is None:
        found = [registry.describe("scores", known) for known in registry.names("scores")]
        rows = [("score", "better", "photos", "looks at", "what")]
        rows += [
            (e.name, e.facts["better"], f"{e.facts['least_reference']}+", e.facts.get("needs", "features"), e.title)
            for e in found
        ]
        emit(as_json, [{"name": e.name, "title": e.title, **e.facts} for e in found], table_lines(rows))
        return
    entry = registry.describe("scores", name)
    lines = [entry.title, ""]
    lines += [f"{word}: {text}" for word, text in entry.sections.items()]
    lines += [f"{word.replace('_', ' ')}: {value}" for word, value in entry.facts.items()]
    emit(as_json, {"name": entry.name, "title": entry.title, **entry.sections, **entry.facts}, lines)
