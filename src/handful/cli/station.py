"""handful station: photos of a rendered sealant station, to try things on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handful.cli import options
from handful.cli.output import JsonFlag, emit

EXAMPLE = "handful station photos/ -n 12 --seed 0"


def command(
    out: Annotated[Path, typer.Argument(help="A new or empty folder.", show_default=False)],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Photos to render.")] = 40,
    seed: Annotated[int, typer.Option(help="Photo i depends on this and i alone.")] = 0,
    width: Annotated[int, typer.Option(min=64, max=8192, help="Pixels.")] = 658,
    height: Annotated[int, typer.Option(min=64, max=8192, help="Pixels.")] = 490,
    colour: Annotated[bool, typer.Option(help="RGB photos instead of grey ones.")] = False,
    preset: Annotated[
        str, typer.Option(help="seam, seam-straight or seam-corner (fixed view), or glue (close up).")
    ] = "seam",
    defects: Annotated[
        str | None,
        typer.Option(help="Comma-separated: gap, thin, thick, offset, bubble, lump, smear, foreign_body; or all."),
    ] = None,
    defect_share: Annotated[float | None, typer.Option(help="Share of the photos with defects; 0.5.")] = None,
    defects_per_photo: Annotated[int | None, typer.Option(help="Defects in each of those; 1.")] = None,
    defect_size_mm: Annotated[float | None, typer.Option(help="Left out: one that suits the bead.")] = None,
    defect_strength: Annotated[float | None, typer.Option(help="1: plain to see; 0.02: invisible.")] = None,
    truth: Annotated[bool, typer.Option("--truth", help="Height, normals and masks too, into OUT_truth.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Renders photos of a sealant bead on sheet metal; light, pose, bead and defects vary, and are known."""
    from handful.sealer.defects import defect_settings
    from handful.sealer.station import render_station

    wanted = defect_settings(
        options.words(defects),
        options.given(
            share=defect_share, per_photo=defects_per_photo, size_mm=defect_size_mm, strength=defect_strength
        ),
    )
    paths = render_station(out, count, seed, width, height, colour, preset, wanted, truth)
    document = {"folder": str(out), "photos": [path.relative_to(out).as_posix() for path in paths]}
    lines = [f"{len(paths)} photos of {width}x{height} in {out}"]
    if truth or wanted:
        lines.append(f"truth: {out.with_name(f'{out.name}_truth')}")
        document["truth"] = str(out.with_name(f"{out.name}_truth"))
    emit(as_json, document, lines)
