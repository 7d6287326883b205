"""handful generators: which are there, and what is each good for?"""

from __future__ import annotations

from typing import Annotated

import typer

from handful.cli.output import JsonFlag, emit, table_lines

EXAMPLE = "handful generators dcgan"


def command(
    name: Annotated[str | None, typer.Argument(help="One generator, to read all about it.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Lists the generators; with a name, explains one and its settings."""
    from handful.core import registry

    if name is None:
        found = [registry.describe("generators", known) for known in registry.names("generators")]
        rows = [("generator", "photos", "trains", "what")]
        for entry in found:
            trains = "yes" if entry.facts["trains"] else "no"
            rows.append((entry.name, f"{entry.facts['least_photos']}+", trains, entry.title))
        emit(as_json, [{"name": entry.name, "title": entry.title, **entry.facts} for entry in found], table_lines(rows))
        return
    entry = registry.describe("generators", name)
    lines = [entry.title, ""]
    lines += [f"{word}: {text}" for word, text in entry.sections.items()]
    lines += [f"{word.replace('_', ' ')}: {value}" for word, value in entry.facts.items()]
    tables = {"settings": entry.settings, "controls": entry.controls}
    for word, table in tables.items():
        if table:
            command = "sample" if word == "controls" else "train"
            lines += ["", f"{word.capitalize()} (handful {command} --set NAME=VALUE):"]
            lines += [f"  {row.name} = {row.default}  ({row.type}) {row.help}" for row in table]
    document = {"name": entry.name, "title": entry.title, **entry.sections, **entry.facts}
    document |= {word: [vars(row) for row in table] for word, table in tables.items()}
    emit(as_json, document, lines)
