"""handful inspectors: which are there, and what does each need?"""

from __future__ import annotations

from typing import Annotated

import typer

from handful.cli.output import JsonFlag, emit, table_lines

EXAMPLE = "handful inspectors patch_memory"


def command(
    name: Annotated[str | None, typer.Argument(help="One inspector, to read all about it.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Lists the inspectors; with a name, explains one and its settings."""
    from handful.core import registry

    if name is None:
        found = [registry.describe("inspectors", known) for known in registry.names("inspectors")]
        rows = [("inspector", "tasks", "learns from", "what")]
        rows += [
            (e.name, ", ".join(e.facts["tasks"]), "good images" if e.facts["good_only"] else "all", e.title)
            for e in found
        ]
        emit(as_json, [{"name": e.name, "title": e.title, **e.facts} for e in found], table_lines(rows))
        return
    entry = registry.describe("inspectors", name)
    lines = [entry.title, ""]
    lines += [f"{word}: {text}" for word, text in entry.sections.items()]
    lines += [f"{word.replace('_', ' ')}: {value}" for word, value in entry.facts.items()]
    lines += ["", "Settings:"]
    lines += [f"  {row.name} = {row.default}  ({row.type}) {row.help}" for row in entry.settings]
    document = {"name": entry.name, "title": entry.title, **entry.sections, **entry.facts}
    emit(as_json, document | {"settings": [vars(row) for row in entry.settings]}, lines)
