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
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from multiprocessing import connection
from multiprocessing.context import BaseContext
from pathlib import Path
from queue import Empty
from types import ModuleType
from typing import Any

import torch

from handful.core.artifacts import Alarm, RunManifest
from handful.core.checkpoint import read_checkpoint, write_checkpoint
from handful.core.cores import cores_here, pin
from handful.core.device import Runtime, start_runtime
from handful.core.errors import UserError
from handful.core.progress import EventLog, Listener
from handful.generators.base import Facts, Generator
from handful.generators.restore import build_generator, weights_sha256
from handful.train.alarms import CollapseWatch, mean_distance
from handful.train.augment import build_augment
from handful.train.budget import Budget, resolve_budget
from handful.train.forecast import Forecast, forecast_training, free_memory_bytes
from handful.train.previews import preview_png
from handful.train.run_folder import RunFolder
from handful.train.settings import TrainSettings
from handful.train.standing import Standing
from handful.train.training_set import TrainingSet

TrainRun = Callable[[RunManifest, RunFolder, TrainingSet, TrainSettings, Facts, Runtime, Listener], RunManifest]
"""The training loop of one run."""

_MEMBERS = "members"
_SAY_EVERY_S = 1.0
_LISTEN_EVERY_S = 0.2


@dataclass(frozen=True)
class Member:
    """One photo's training."""

    index: int
    run: RunManifest
    folder: Path
    source: TrainingSet
    """Of this photo alone."""
    settings: TrainSettings
    facts: Facts


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
    if (folder.root / _MEMBERS).exists():
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
    resumed = (folder.root / _MEMBERS).exists()
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


def plan_members(
    run: RunManifest,
    folder: RunFolder,
    source: TrainingSet,
    settings: TrainSettings,
    facts: Facts,
    budget: Budget,
    processes: int,
) -> list[Member]:
    """One member a photo, each with its share of the budget."""
    photos, members = len(source.photos), []
    for index in range(photos):
        if budget.steps is not None:
            edges = [math.ceil(place * budget.steps / photos) for place in (index, index + 1)]
            share = f"{edges[1] - edges[0]}steps"
        else:
            share = f"{(budget.seconds or 0) * processes / photos:.3f}s"
        members.append(
            Member(
                index=index,
                run=run.model_copy(
                    update={
                        "run_id": f"{run.run_id}/photo-{index:03d}",
                        "training_images": 1,
                        "train_settings": run.train_settings | {"budget": share},
                    }
                ),
                folder=folder.root / _MEMBERS / f"photo-{index:03d}",
                source=replace(source, photos=source.photos[index : index + 1].clone()),
                # one preview image: that it is finite is looked at, and nothing more can be told of one photo
                settings=settings.model_copy(
                    update={"budget": share, "forecast": False, "threads": settings.threads or 1, "preview_images": 1}
                ),
                facts=facts,
            )
        )
    return members


@dataclass
class Progress:
    """What the members have said."""

    shares: dict[int, float] = field(default_factory=dict)
    """Member -> share of its budget used."""
    steps: dict[int, int] = field(default_factory=dict)
    losses: dict[str, float] = field(default_factory=dict)
    """Of the last member that spoke."""


def train_members(
    members: list[Member], train_run: TrainRun, processes: int, progress: Progress, hear: Callable[[Progress], None]
) -> list[RunManifest]:
    """Trains every member, or goes on with those that were interrupted; their manifests, in order.

    Args:
        members: of one fleet.
        train_run: the training loop; it must be picklable.
        processes: at a time.
        progress: kept up to date.
        hear: is called when it has changed.

    Raises:
        UserError: what a member met; a process that was ended from outside.
    """
    context = _fresh_processes()
    places, events = context.Queue(), context.Queue()
    for place in range(processes):
        places.put(place)

    def listen() -> None:
        while True:
            try:
                index, event = events.get_nowait()
            except Empty:
                return
            progress.shares[index] = max(progress.shares.get(index, 0.0), event.get("progress", 0.0))
            progress.steps[index] = event.get("step", 0)
            progress.losses = event.get("losses", progress.losses)
            hear(progress)

    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(processes, context, initializer=_start, initargs=(places, events, processes))
    try:
        with _no_main_module():
            waiting: dict[Future[RunManifest], int] = {
                pool.submit(_train_member, member, train_run): member.index for member in members
            }
        done: dict[int, RunManifest] = {}
        while waiting:
            for future in wait(waiting, timeout=_LISTEN_EVERY_S, return_when=FIRST_COMPLETED).done:
                index = waiting.pop(future)
                done[index] = _result(future, processes)
                progress.shares[index], progress.steps[index] = 1.0, done[index].steps
            listen()
    except BaseException:
        workers = set(multiprocessing.active_children()) - others
        pool.shutdown(wait=False, cancel_futures=True)
        for process in workers:
            process.terminate()
        raise
    pool.shutdown()
    listen()
    return [done[member.index] for member in members]


def _alarms_of(runs: list[RunManifest]) -> Iterator[Alarm]:
    """The alarms of all members, each with its photo."""
    for index, run in enumerate(runs):
        for alarm in run.alarms:
            yield alarm.model_copy(update={"words": f"Photo {index}: {alarm.words}"})


def _fresh_processes() -> BaseContext:
    """Processes that inherit nothing from this one: a forked torch may hang on its thread pool's locks."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")  # imports once for all
    context.set_forkserver_preload([__name__])
    return context


@contextlib.contextmanager
def _no_main_module() -> Iterator[None]:
    """New processes do not run the user's script again, which then needs no `if __name__ == "__main__"`."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _result(future: Future[RunManifest], processes: int) -> RunManifest:
    try:
        return future.result()
    except BrokenProcessPool:
        raise UserError(
            "A process that trained a photo was ended from outside, perhaps because memory ran out.",
            f"{processes} processes ran at a time, one a core.",
            f"Run the same command again with --threads {2 * len(cores_here()) // processes}, which halves them; "
            "finished photos are kept.",
        ) from None


_events: Any = None
"""Where this process sends what its members say; set in the processes of a fleet alone."""


def _start(places: Any, events: Any, processes: int) -> None:
    global _events
    _events = events
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one ends the others
    threading.Thread(target=_end_with_the_first, daemon=True).start()
    pin(places.get(), processes)


def _end_with_the_first() -> None:
    """Ends this process when the first one is killed: it would hold its photo's folder."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _train_member(member: Member, train_run: TrainRun) -> RunManifest:
    folder = RunFolder(member.folder)
    with folder.hold():
        run = folder.manifest()
        if run is not None and run.status != "running":
            return run
        described = member.run.train_settings
        runtime = start_runtime(
            "cpu", str(described["precision"]), member.settings.threads, member.settings.deterministic,
            member.settings.tuned,
        )  # fmt: skip
        member.run.write(folder.root)
        run = train_run(
            member.run, folder, member.source, member.settings, member.facts, runtime,
            lambda event: _events.put((member.index, dict(event))),
        )  # fmt: skip
        run.write(folder.root)
        return run
