"""Trains a method that learns each photo by itself: a photo a process, each on cores of its own.

Every photo is a run of its own kind below the run's folder, with its own checkpoints, so that a kill costs no photo
that was done; at the end their states are joined into the run's one checkpoint. A photo is trained exactly as it
would be in its turn: with a budget of steps that photos and their stages divide evenly, the joined weights equal
those of one process with as many threads, bit for bit. With a budget of time each photo gets more of it, as many
times as there are processes.
"""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from handful.core.artifacts import Alarm, RunManifest
from handful.core.checkpoint import read_checkpoint, write_checkpoint
from handful.core.cores import cores_here
from handful.core.device import Runtime
from handful.core.progress import EventLog, Listener
from handful.generators.base import Facts, Generator
from handful.generators.restore import build_generator, weights_sha256
from handful.train.alarms import CollapseWatch, mean_distance
from handful.train.augment import build_augment
from handful.train.budget import Budget, resolve_budget
from handful.train.fleet_members import MEMBERS, plan_members
from handful.train.fleet_processes import Progress, train_members
from handful.train.fleet_worker import TrainRun
from handful.train.forecast import Forecast, forecast_training, free_memory_bytes
from handful.train.previews import preview_png
from handful.train.run_folder import RunFolder
from handful.train.settings import TrainSettings
from handful.train.standing import Standing
from handful.train.training_set import TrainingSet

_SAY_EVERY_S = 1.0


def goes_as_fleet(
    folder: RunFolder, facts: Facts, source: TrainingSet, settings: TrainSettings, runtime: Runtime
) -> int:
    """How many processes photos are shared out to; 0 where they are trained in turn, in this process.

    On a CPU that is as many as the cores have room for, with `--threads` cores each, by default one; a run that was
    begun one way goes on so.
    """
    photos = len(source.photos)
    steps = resolve_budget(settings.budget, settings.batch, photos).steps
    if not facts.one_photo_at_a_time or runtime.device.type != "cpu" or photos < 2:
        return 0
    processes = max(1, min(photos, len(cores_here()) // (settings.threads or 1)))
    if (folder.root / MEMBERS).exists():
        return processes
    too_short = steps is not None and steps < photos
    return 0 if processes == 1 or too_short or folder.checkpoints() else processes


def train_fleet(
    run: RunManifest,
    folder: RunFolder,
    source: TrainingSet,
    settings: TrainSettings,
    facts: Facts,
    runtime: Runtime,
    listener: Listener,
    processes: int,
    train_run: TrainRun,
) -> RunManifest:
    """Everything between the first manifest and the last one, which it returns: as the training loop does.

    Where a photo's training was ended by an alarm, the run ends with that photo's last good checkpoint and the
    photos before it, as it would in turn.
    """
    build = partial(build_generator, run.generator, run.generator_settings, source.spec, run.seed)
    budget = resolve_budget(settings.budget, settings.batch, len(source.photos))
    resumed = (folder.root / MEMBERS).exists()
    log = EventLog(folder.events, keep_through_step=sys.maxsize if resumed else None)
    with contextlib.closing(log):
        standing, last_said = Standing(), -math.inf

        def say(event: str, words: str, **values: Any) -> None:
            entry = {"event": event, "name": run.run_id, "step": standing.step, **values, "words": words}
            log(entry)
            listener(entry)

        how = f"{len(source.photos)} photo(s), {settings.budget}, {runtime.precision}, {processes} processes"
        say("start", f"{run.run_id} {'goes on' if resumed else 'starts'}: {how}", resumed=resumed)
        if settings.forecast and not resumed:
            forecast = _forecast(build, source, settings, budget, runtime, run.seed)
            processes = min(processes, _most_processes(forecast))
            forecast = forecast.shared_out(processes, budget)
            say("forecast", f"{run.run_id}: {forecast.words()}", **asdict(forecast))

        def say_step(progress: Progress) -> None:
            share = sum(progress.shares.values()) / len(source.photos)
            done = sum(used >= 1 for used in progress.shares.values())
            words = f"{run.run_id}: step {standing.step:,}, {done} of {len(source.photos)} photos done"
            say("step", words, progress=share, images=standing.images, losses=progress.losses)

        def hear(progress: Progress) -> None:
            nonlocal last_said
            standing.step = sum(progress.steps.values())
            standing.images = standing.step * settings.batch
            if time.perf_counter() - last_said >= _SAY_EVERY_S and progress.losses:
                last_said = time.perf_counter()
                say_step(progress)

        members = plan_members(run, folder, source, settings, facts, budget, processes)
        progress = Progress()
        runs = train_members(members, train_run, processes, progress, hear)
        hear(progress)

        # Join: up to the first photo whose training an alarm ended
        last = next((index for index, one in enumerate(runs) if one.status == "stopped"), len(runs) - 1)
        states = [
            read_checkpoint(member.folder / str(one.checkpoint))[0]
            for member, one in zip(members[: last + 1], runs, strict=False)
        ]
        learner = build()
        learner.prepare(source.photos)
        learner.join(states)
        standing.seconds = sum(one.seconds for one in runs) / processes
        alarms = list(_alarms_of(runs))
        if settings.preview_images:
            samples = learner.sample(range(settings.preview_images)).detach()
            png = preview_png(samples, Path(run.generator).stem, run.run_id, run.source_type)
            say("preview", "", file=folder.relative(folder.write_preview(standing.step, png)))
            collapse = CollapseWatch(settings.collapse_threshold * mean_distance(source.photos))
            if collapse.judge(samples, standing.images, 1.0) == "alike":
                words = f"At step {standing.step:,}: {collapse.words()}."
                alarms.append(Alarm(kind="collapse", step=standing.step, words=words))
        for alarm in alarms:
            say("alarm", f"{run.run_id}: {alarm.words}", kind=alarm.kind)
        standing.alarms = [alarm.model_dump() for alarm in alarms]
        path = folder.checkpoint(standing.step)
        modules = {name: module.state_dict() for name, module in learner.modules().items()}
        write_checkpoint(path, modules, asdict(standing))
        say("checkpoint", "", file=folder.relative(path))
        status = "stopped" if any(one.status == "stopped" for one in runs) else "finished"
        say_step(progress)
        words = f"{run.run_id}: {status} at step {standing.step:,} after {standing.seconds:,.0f} s"
        say("end", words, status=status)
        return run.model_copy(
            update={
                "status": status,
                "alarms": tuple(alarms),
                "steps": standing.step,
                "images_seen": standing.images,
                "seconds": standing.seconds,
                "checkpoint": folder.relative(path),
                "weights_sha256": weights_sha256(learner, modules),
            }
        )


def _forecast(
    build: Callable[[], Generator], source: TrainingSet, settings: TrainSettings, budget: Budget, runtime: Runtime,
    seed: int,
) -> Forecast:  # fmt: skip
    """Of one process, with as many threads as each will have."""
    threads = torch.get_num_threads()
    torch.set_num_threads(settings.threads or 1)
    try:
        augment = build_augment(settings.augment, source.photos)
        return forecast_training(build, source.photos, settings.batch, budget, runtime, augment, seed)
    finally:
        torch.set_num_threads(threads)


def _most_processes(forecast: Forecast) -> int:
    """As many as memory holds."""
    free_bytes = free_memory_bytes(torch.device("cpu"))
    return 1_000_000 if free_bytes is None else max(1, free_bytes // max(1, forecast.memory_bytes))


def _alarms_of(runs: list[RunManifest]) -> Iterator[Alarm]:
    """The alarms of all members, each with its photo."""
    for index, run in enumerate(runs):
        for alarm in run.alarms:
            yield alarm.model_copy(update={"words": f"Photo {index}: {alarm.words}"})
