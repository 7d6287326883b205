"""handful weights: the feature networks, where their tensors are, and how to add them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handful.cli.output import JsonFlag, emit, table_lines

EXAMPLE = "handful weights"


def command(
    add: Annotated[Path | None, typer.Option(help="A weights file of your own; it is known by its content.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Lists the feature networks by content hash, and says how to add one that is missing."""
    from handful.features.weights import add_weights, list_weights

    if add is not None:
        add_weights(add)
    found = list_weights()
    rows = [("network", "state", "sha256", "licence", "where, or how to get it")]
    rows += [
        (w.network, w.state, w.sha256[:12], w.licence, str(w.path) if w.state == "found" else w.how) for w in found
    ]
    emit(as_json, [w.model_dump(mode="json") for w in found], table_lines(rows))
