"""handful sample: draw new images from a trained run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handful.cli import options
from handful.cli.output import JsonFlag, emit
from handful.cli.progress_bar import progress_bar

EXAMPLE = "handful sample work/3_train/RUN --count 20"


def command(
    run: Annotated[Path, typer.Argument(help="A run folder below 3_train.", show_default=False)],
    count: Annotated[int, typer.Option(help="Images to have in the end; those already drawn are kept.")] = 1000,
    first_seed: Annotated[
        int | None,
        typer.Option(help="Seed of the first image; the others follow. Default: training seed times a million."),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", help="A control of the generator, NAME=VALUE; may be repeated. It needs its own --out."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for this set; default: 4_samples/RUN.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads of one operation; default: torch's choice.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Draws samples. Seed i gives image i, today or tomorrow, alone or among a thousand."""
    from handful.core.workspace import Workspace
    from handful.samples.draw import draw_samples

    run = run.resolve()
    folder = out or Workspace(run.parent.parent).samples / run.name
    controls = options.assignments(assignments)
    with progress_bar() as listener:
        samples = draw_samples(run, folder, count, first_seed, listener, device, threads, controls)
    document = {"samples": str(folder), **samples.model_dump(mode="json")}
    emit(as_json, document, [f"{samples.count} samples of {samples.generator} in {folder}"])
