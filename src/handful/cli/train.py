"""handful train: one generator, one data set, one seed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handful.cli import options
from handful.cli.output import JsonFlag, emit, note
from handful.cli.progress_bar import progress_bar

EXAMPLE = "handful train dcgan --work work/ --budget 20steps"


def command(
    generator: Annotated[str, typer.Argument(help="`handful generators` lists them; or a file of yours, mine.py.")],
    work: Annotated[Path, typer.Option(help="The workspace that `handful dataset` wrote.")],
    budget: options.Budget = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides weights, batches and noise.")] = 0,
    fold: Annotated[int, typer.Option(help="The fold whose photos are held out.")] = 0,
    assignments: options.Assignments = None,
    batch: options.Batch = None,
    augment: options.Augment = None,
    augment_photos: options.AugmentPhotos = None,
    device: options.Device = None,
    precision: options.Precision = None,
    threads: options.Threads = None,
    deterministic: options.Deterministic = None,
    untuned: options.Untuned = False,
    tensorboard: options.Tensorboard = False,
    as_json: JsonFlag = False,
) -> None:
    """Trains a generator. Interrupted, the same command goes on from the last checkpoint."""
    from handful.core.config import parse_settings
    from handful.core.progress import Listener, tee
    from handful.core.workspace import Workspace
    from handful.train.loop import train_generator
    from handful.train.settings import TrainSettings

    flags = options.given(
        budget=budget, batch=batch, augment=options.words(augment),
        augment_photos=options.words(augment_photos), device=device, precision=precision,
        threads=threads, deterministic=deterministic, tuned=False if untuned else None,
    )  # fmt: skip
    settings = parse_settings(TrainSettings, flags, "handful train")
    place = Workspace(work)
    values = options.assignments(assignments)
    with progress_bar() as bar:
        listener: Listener = bar
        if tensorboard:
            from handful.train.tensorboard import tensorboard_listener

            listener = tee(bar, tensorboard_listener(place.train / "tensorboard"))
        run = train_generator(generator, place.dataset, place.train, settings, values, seed, fold, listener)
    for alarm in run.alarms:
        note(f"alarm: {alarm.words}")
    folder = place.train / run.run_id
    lines = [
        f"{run.status} after {run.steps} steps, {run.images_seen} images, {run.seconds:.0f} s",
        f"run: {folder}",
    ]
    emit(as_json, {"run": str(folder), **run.model_dump(mode="json")}, lines)
