"""handful station: photos of a rendered sealant station, to try things on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handful.cli.output import JsonFlag, emit

EXAMPLE = "handful station photos/ -n 12 --seed 0"


def command(
    out: Annotated[Path, typer.Argument(help="A new or empty folder.", show_default=False)],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Photos to render.")] = 40,
    seed: Annotated[int, typer.Option(help="Photo i depends on this and i alone.")] = 0,
    width: Annotated[int, typer.Option(min=64, max=8192, help="Pixels.")] = 658,
    height: Annotated[int, typer.Option(min=64, max=8192, help="Pixels.")] = 490,
    colour: Annotated[bool, typer.Option(help="RGB photos instead of grey ones.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Renders photos of a sealant bead on sheet metal; light, gain, bead path and width vary, and are known."""
    from handful.sealer.station import render_station

    paths = render_station(out, count, seed, width, height, colour)
    document = {"folder": str(out), "photos": [path.name for path in paths]}
    emit(as_json, document, [f"{len(paths)} photos of {width}x{height} in {out}"])
