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
from handful.train.fleet_members import MEMBERS, Member, plan_members
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
    fleet = _Fleet(run, folder, source, settings, runtime, listener)
    with contextlib.closing(fleet.log):
        processes = fleet.start(processes)
        members = plan_members(run, folder, source, settings, facts, fleet.budget, processes)
        progress = Progress()
        runs = train_members(members, train_run, processes, progress, fleet.hear)
        fleet.hear(progress)
        fleet.standing.seconds = sum(one.seconds for one in runs) / processes
        learner = fleet.join(members, runs)
        alarms = fleet.judge(learner, runs)
        status = "stopped" if any(one.status == "stopped" for one in runs) else "finished"
        return fleet.end(learner, alarms, status, progress)


class _Fleet:
    """One training of a fleet: what is said of it, and what its members' results become."""

    def __init__(
        self, run: RunManifest, folder: RunFolder, source: TrainingSet, settings: TrainSettings, runtime: Runtime,
        listener: Listener,
    ) -> None:  # fmt: skip
        self.run, self.folder, self.source, self.settings, self.runtime = run, folder, source, settings, runtime
        self.build = partial(build_generator, run.generator, run.generator_settings, source.spec, run.seed)
        self.budget = resolve_budget(settings.budget, settings.batch, len(source.photos))
        self.resumed = (folder.root / MEMBERS).exists()
        self.log = EventLog(folder.events, keep_through_step=sys.maxsize if self.resumed else None)
        self.standing, self._listener, self._last_said = Standing(), listener, -math.inf

    def say(self, event: str, words: str, **values: Any) -> None:
        """`words` follow the run's name; none are given where there is nothing to read."""
        name = self.run.run_id
        entry = {"event": event, "name": name, "step": self.standing.step, **values, "words": words and name + words}
        self.log(entry)
        self._listener(entry)

    def start(self, processes: int) -> int:
        """Says what begins, and forecasts it; as many processes as memory has room for."""
        settings = self.settings
        how = f"{len(self.source.photos)} photo(s), {settings.budget}, {self.runtime.precision}, {processes} processes"
        self.say("start", f" {'goes on' if self.resumed else 'starts'}: {how}", resumed=self.resumed)
        if settings.forecast and not self.resumed:
            forecast = _forecast(self.build, self.source, settings, self.budget, self.runtime, self.run.seed)
            processes = min(processes, _most_processes(forecast))
            forecast = forecast.shared_out(processes, self.budget)
            self.say("forecast", f": {forecast.words()}", **asdict(forecast))
        return processes

    def hear(self, progress: Progress) -> None:
        """Says how far all members are together, once a second."""
        self.standing.step = sum(progress.steps.values())
        self.standing.images = self.standing.step * self.settings.batch
        if time.perf_counter() - self._last_said >= _SAY_EVERY_S and progress.losses:
            self._last_said = time.perf_counter()
            self._say_step(progress)

    def join(self, members: list[Member], runs: list[RunManifest]) -> Generator:
        """One generator of all members, up to the first whose training an alarm ended."""
        last = next((index for index, one in enumerate(runs) if one.status == "stopped"), len(runs) - 1)
        states = [
            read_checkpoint(member.folder / str(one.checkpoint))[0]
            for member, one in zip(members[: last + 1], runs, strict=False)
        ]
        learner = self.build()
        learner.prepare(self.source.photos)
        learner.join(states)
        return learner

    def judge(self, learner: Generator, runs: list[RunManifest]) -> list[Alarm]:
        """The alarms of all members, and of samples of the whole, which are kept as a preview."""
        alarms, standing = list(_alarms_of(runs)), self.standing
        if self.settings.preview_images:
            samples = learner.sample(range(self.settings.preview_images)).detach()
            png = preview_png(samples, Path(self.run.generator).stem, self.run.run_id, self.run.source_type)
            self.say("preview", "", file=self.folder.relative(self.folder.write_preview(standing.step, png)))
            collapse = CollapseWatch(self.settings.collapse_threshold * mean_distance(self.source.photos))
            if collapse.judge(samples, standing.images, 1.0) == "alike":
                words = f"At step {standing.step:,}: {collapse.words()}."
                alarms.append(Alarm(kind="collapse", step=standing.step, words=words))
        for alarm in alarms:
            self.say("alarm", f": {alarm.words}", kind=alarm.kind)
        standing.alarms = [alarm.model_dump() for alarm in alarms]
        return alarms

    def end(self, learner: Generator, alarms: list[Alarm], status: str, progress: Progress) -> RunManifest:
        """Writes the checkpoint of the whole; the last manifest."""
        standing, folder = self.standing, self.folder
        path = folder.checkpoint(standing.step)
        modules = {name: module.state_dict() for name, module in learner.modules().items()}
        write_checkpoint(path, modules, asdict(standing))
        self.say("checkpoint", "", file=folder.relative(path))
        self._say_step(progress)
        self.say("end", f": {status} at step {standing.step:,} after {standing.seconds:,.0f} s", status=status)
        return self.run.model_copy(
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

    def _say_step(self, progress: Progress) -> None:
        photos, standing = len(self.source.photos), self.standing
        share = sum(progress.shares.values()) / photos
        done = sum(used >= 1 for used in progress.shares.values())
        words = f": step {standing.step:,}, {done} of {photos} photos done"
        self.say("step", words, progress=share, images=standing.images, losses=progress.losses)


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
