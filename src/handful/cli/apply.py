"""handful apply: SinGAN's tasks on a picture or a folder of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handful.cli import options
from handful.cli.output import JsonFlag, emit
from handful.cli.progress_bar import progress_bar

EXAMPLE = "handful apply edit"


def command(
    task: Annotated[str, typer.Argument(help="harmonise, edit, paint, enlarge or animate; alone, it is explained.")],
    run: Annotated[Path | None, typer.Argument(help="A run of singan below 3_train.")] = None,
    pictures: Annotated[Path | None, typer.Argument(help="A picture or a folder of them; none for animate.")] = None,
    out: Annotated[Path | None, typer.Option(help="A new folder for the results.")] = None,
    mask: Annotated[
        Path | None, typer.Option(help="The region, white on black: one file, or a folder paired by name.")
    ] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the task, NAME=VALUE; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the first picture; the others follow.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads of one operation; default: torch's choice.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Harmonises, edits, paints, enlarges or animates with a trained singan."""
    from handful.core.errors import UserError
    from handful.samples.task_settings import find_task

    chosen = find_task(task)
    if run is None:
        takes = "RUN " + "PICTURES " * chosen.takes_pictures + "--mask MASKS " * chosen.takes_masks + "--out FOLDER"
        fields = chosen.settings_class.model_fields
        lines = [
            str(chosen.settings_class.__doc__),
            "",
            f"handful apply {task} {takes}",
            "",
            "Settings (--set NAME=VALUE):",
        ]
        lines += [
            f"  {name} = {field.default}  {' '.join((field.description or '').split())}"
            for name, field in fields.items()
        ]
        document = {
            "task": task, "title": chosen.settings_class.__doc__, "usage": f"handful apply {task} {takes}",
            "settings": {name: {"default": field.default, "help": field.description} for name, field in fields.items()},
        }  # fmt: skip
        emit(as_json, document, lines)
        return
    if out is None:
        raise UserError(
            f"{task} was given no folder to write into.",
            "Results go into a folder of their own.",
            "Give it with --out.",
        )
    from handful.samples.tasks import apply_task

    values = options.assignments(assignments)
    with progress_bar() as listener:
        made = apply_task(task, run, out, pictures, mask, values, seed, listener, device, threads)
    emit(as_json, {"results": str(out), **made.model_dump(mode="json")}, [f"{task}: {made.count} file(s) in {out}"])
