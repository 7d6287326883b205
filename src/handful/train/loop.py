"""Trains one generator on one fold of a data set: forecast, steps, checkpoints, previews, alarms.

A run that was killed goes on from its last checkpoint as if nothing had happened: every random number is a
function of (seed, step), so resumed weights equal those of a run that was never interrupted, bit for bit.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from handful.core import registry
from handful.core.artifacts import Alarm, RunManifest, library_versions
from handful.core.checkpoint import read_checkpoint, write_checkpoint
from handful.core.config import fingerprint, parse_settings
from handful.core.device import Runtime, check_runtime, start_runtime
from handful.core.errors import UserError
from handful.core.progress import EventLog, Listener, ignore
from handful.core.seeds import torch_stream
from handful.generators.base import Clock, Facts, check_spec, generator_class, losses_to_floats
from handful.generators.restore import build_generator, load_modules, weights_sha256
from handful.train.alarms import CollapseWatch, DivergenceWatch, mean_distance, weights_are_finite
from handful.train.augment import build_augment
from handful.train.batches import batch_indices
from handful.train.budget import resolve_budget
from handful.train.ema import Averages
from handful.train.fleet import goes_as_fleet, train_fleet
from handful.train.forecast import forecast_training
from handful.train.previews import moments_passed, preview_png
from handful.train.run_folder import RunFolder
from handful.train.settings import TrainSettings
from handful.train.standing import Standing
from handful.train.training_set import TrainingSet, read_training_set

__all__ = ["TrainSettings", "train_generator"]

_STEP_EVENT_EVERY_S = 1.0


def train_generator(
    generator: str,
    dataset: Path,
    out: Path,
    settings: TrainSettings,
    generator_settings: dict[str, Any] | None = None,
    seed: int = 0,
    fold: int = 0,
    listener: Listener = ignore,
) -> RunManifest:
    """Trains a generator, or goes on with a run of the same settings that was interrupted.

    Args:
        generator: a registered name, or the path of a generator file.
        dataset: folder with dataset.json.
        out: folder of all runs; this one becomes out / run_id.
        settings: budget, batch and the like.
        generator_settings: setting name -> value; the others take their defaults.
        seed: decides initial weights, order of photos and all noise.
        fold: the images of this fold are held out.
        listener: hears the same events as events.jsonl.

    Returns:
        The manifest of the finished or stopped run; at once where the run had ended before and its final checkpoint
        is still as it was.

    Raises:
        UserError: anything the user can mend: data set, settings, memory, disk, a run in use.
    """
    source = read_training_set(dataset, fold, settings.most_photos)
    module = registry.load("generators", generator)
    settings_class = generator_class(module).settings_class
    own_settings = parse_settings(settings_class, generator_settings or {}, f"generator {generator}")
    facts: Facts = module.FACTS
    check_spec(generator, facts, source.spec, len(source.photos))
    check_runtime(settings.device, settings.precision, settings.threads)

    file = registry.find("generators", generator)
    identity = fingerprint(
        {
            "generator": hashlib.sha256(file.read_bytes()).hexdigest(),
            "generator_settings": own_settings.model_dump(mode="json"),
            "train_settings": settings.model_dump(mode="json", exclude=set(settings.ONLY_HOW)),
            "dataset": source.manifest.fingerprint,
        }
    )
    run_id = f"{file.stem}-s{seed}-f{fold}-{identity[:8]}"
    folder = RunFolder(out / run_id)
    with folder.hold():
        run = folder.manifest()
        if run is not None and run.status != "running":
            if _can_be_sampled(run, folder, source):
                return run
            # Its final checkpoint is lost: the run goes on from the one before and ends again
            folder.set_aside_from(folder.root / str(run.checkpoint))
            run = run.model_copy(update={"status": "running", "checkpoint": None, "weights_sha256": None, "alarms": ()})
            run.write(folder.root)
        # What auto chose at the first start holds for the whole run.
        precision = settings.precision if run is None else str(run.train_settings["precision"])
        runtime = start_runtime(settings.device, precision, settings.threads, settings.deterministic, settings.tuned)
        if run is None:
            run = RunManifest(
                run_id=run_id,
                generator=str(file.resolve()) if generator.endswith(".py") else generator,
                generator_settings=own_settings.model_dump(mode="json"),
                train_settings=settings.model_dump(mode="json") | runtime.describe(),
                seed=seed,
                fold=fold,
                dataset_folder=str(dataset.resolve()),
                dataset_fingerprint=source.manifest.fingerprint,
                training_fingerprint=source.fingerprint,
                training_pixels=tuple(sorted(source.pixels)),
                training_order=source.pixels,
                canvas=source.manifest.canvas,
                channels=source.manifest.channels,
                bit_depth=source.manifest.bit_depth,
                kinds=source.manifest.kinds,
                label=source.label,
                training_images=len(source.photos),
                source_type=facts.source_type,
                anchor=facts.anchor,
                status="running",
                device=str(runtime.describe()["device"]),
                versions=library_versions(),
            )
            run.write(folder.root)
        processes = goes_as_fleet(folder, facts, source, settings, runtime)
        if processes:
            run = train_fleet(run, folder, source, settings, facts, runtime, listener, processes, _train)
        else:
            run = _train(run, folder, source, settings, facts, runtime, listener)
        run.write(folder.root)
        return run


def _can_be_sampled(run: RunManifest, folder: RunFolder, source: TrainingSet) -> bool:
    """Whether the final checkpoint of an ended run is there, whole, and the one that its manifest describes."""
    try:
        states, _ = read_checkpoint(folder.root / str(run.checkpoint))
    except UserError:
        return False
    learner = build_generator(run.generator, run.generator_settings, source.spec, run.seed)
    return weights_sha256(learner, states) == run.weights_sha256


def _train(
    run: RunManifest,
    folder: RunFolder,
    source: TrainingSet,
    settings: TrainSettings,
    facts: Facts,
    runtime: Runtime,
    listener: Listener,
) -> RunManifest:
    """Everything between the first manifest and the last one, which it returns."""
    # Build
    build_learner = partial(build_generator, run.generator, run.generator_settings, source.spec, run.seed)
    learner = build_learner()
    learner.to(runtime.device, runtime.memory_format)
    photos = source.photos.to(runtime.device)  # (n, c, h, w)
    augment = build_augment(settings.augment, source.photos)
    augment_photos = build_augment(settings.augment_photos, source.photos)
    budget = resolve_budget(settings.budget, settings.batch, len(photos))

    # Resume: weights and standing are those of the newest checkpoint; what came after it never happened
    standing = Standing()
    states: dict[str, dict[str, Any]] = {}
    saved = folder.checkpoints()
    if saved:
        states, header = read_checkpoint(saved[-1])
        load_modules(learner, states, folder.root)
        standing = Standing.of(header, folder.root)
        if standing.healthy_step is not None and not folder.checkpoint(standing.healthy_step).exists():
            standing.healthy_step = None  # removed when a newer one was healthy, and that one is lost
    folder.remove_previews_after(standing.step)
    divergence = DivergenceWatch(standing.loss_scales)
    collapse = CollapseWatch(0.0, standing.alike_in_a_row)
    if len(photos) > 1:  # one photo differs from nothing, so nobody knows how much samples should
        collapse.least_distance = settings.collapse_threshold * mean_distance(photos)

    log = EventLog(folder.events, keep_through_step=standing.step if saved else None)
    with contextlib.closing(log):

        def say(event: str, words: str, **values: Any) -> None:
            entry = {"event": event, "name": run.run_id, "step": standing.step, **values, "words": words}
            log(entry)
            listener(entry)

        begin = f"goes on from step {standing.step:,}" if saved else "starts"
        where = f"{len(photos)} photo(s), {settings.budget}, {runtime.precision} on {run.device}"
        say("start", f"{run.run_id} {begin}: {where}", resumed=bool(saved))
        if facts.trains and settings.forecast and not saved:
            forecast = forecast_training(build_learner, photos, settings.batch, budget, runtime, augment, run.seed)
            say("forecast", f"{run.run_id}: {forecast.words()}", **asdict(forecast))

        # Begin
        started = time.perf_counter() - standing.seconds
        if not saved:
            learner.prepare(photos)
            if source.masks is not None:
                learner.prepare_masks(source.masks.to(runtime.device))
            for note in learner.notes():
                say("prepared", f"{run.run_id}: {note}")
        averaged = learner.averaged if settings.ema else ()
        averages = Averages(learner, averaged, settings.ema_half_life_images, settings.ema_ramp_up)
        if saved:
            averages.load(states)

        def save() -> None:
            standing.loss_scales = divergence.scales
            standing.alike_in_a_row = collapse.alike_in_a_row
            path = folder.checkpoint(standing.step)
            modules = {name: module.state_dict() for name, module in learner.modules().items()}
            write_checkpoint(path, modules | averages.states(), asdict(standing))
            folder.remove_old_checkpoints(standing.healthy_step)
            say("checkpoint", "", file=folder.relative(path))

        def raise_alarm(kind: Literal["divergence", "collapse"], words: str) -> None:
            words = f"At step {standing.step:,}: {words}."
            standing.alarms.append(Alarm(kind=kind, step=standing.step, words=words).model_dump())
            say("alarm", f"{run.run_id}: {words}", kind=kind)

        if not saved:
            save()
        good_step = standing.step  # of the checkpoint that the run would end with
        last_saved, last_said = time.perf_counter(), -math.inf

        def used() -> float:
            return 1.0 if learner.finished else budget.progress(standing.step, standing.seconds)

        progress = used()
        while facts.trains and (progress < 1 or standing.step == 0):
            # Learn from one batch
            indices = batch_indices(run.seed, standing.step, settings.batch, len(photos)).to(runtime.device)
            batch = augment_photos(photos[indices], torch_stream(run.seed, "train/augment photos", standing.step))
            batch = batch.contiguous(memory_format=runtime.memory_format)  # (b, c, h, w)
            clock = Clock(standing.step, standing.images, progress, torch_stream(run.seed, "train", standing.step))
            with runtime.autocast():
                losses = losses_to_floats(learner.step(batch, clock, augment))
            standing.step += 1
            standing.images += settings.batch
            averages.update(settings.batch, standing.images)
            now = time.perf_counter()
            standing.seconds = now - started
            progress = used()

            # Look: at losses always, at weights and samples before they are kept
            moments = moments_passed(progress)
            at_moment = moments > standing.moments
            saving = at_moment or now - last_saved >= settings.checkpoint_every_s
            samples: Tensor | None = None
            wrong = divergence.check(losses)
            if wrong is None and saving and not weights_are_finite(learner):
                wrong = "a weight is not a finite number"
            if wrong is None and at_moment and settings.preview_images:
                with averages.applied():
                    samples = learner.sample(range(settings.preview_images)).detach()
                wrong = None if samples.isfinite().all() else "a sample is not made of finite numbers"
            if wrong is not None:
                raise_alarm("divergence", f"{wrong}; the run ends with the last good checkpoint, of step {good_step:,}")
                break

            # Say
            if progress >= 1 or now - last_said >= _STEP_EVENT_EVERY_S:
                last_said = now
                left_s = budget.seconds_left(standing.step, standing.seconds)
                say(
                    "step",
                    f"{run.run_id}: step {standing.step:,}, {_losses_text(losses)}, {left_s:,.0f} s left",
                    progress=progress,
                    images=standing.images,
                    losses=losses,
                    seconds=standing.seconds,
                    seconds_left=left_s,
                )

            # Preview
            if samples is not None:
                png = preview_png(samples, Path(run.generator).stem, run.run_id, run.source_type)
                say("preview", "", file=folder.relative(folder.write_preview(standing.step, png)))
                verdict = collapse.judge(samples, standing.images, progress)
                if verdict == "healthy":
                    standing.healthy_step = standing.step
                elif verdict == "collapsed" and standing.healthy_step is not None:
                    good_step = standing.healthy_step
                    raise_alarm(
                        "collapse",
                        f"{collapse.words()}; the run ends with the last checkpoint before, of step {good_step:,}",
                    )
                    break
                elif verdict == "collapsed" and not standing.alarms:
                    raise_alarm("collapse", f"{collapse.words()}; they never differed more, so training goes on")

            # Keep
            if saving:
                standing.moments = moments
                save()
                good_step = standing.step
                last_saved = time.perf_counter()

        # End: with the newest checkpoint, or with the good one that an alarm went back to
        path = folder.checkpoint(good_step)
        states, header = read_checkpoint(path)
        status = "finished" if good_step == standing.step else "stopped"
        say("end", f"{run.run_id}: {status} at step {good_step:,} after {standing.seconds:,.0f} s", status=status)
        return run.model_copy(
            update={
                "status": status,
                "alarms": tuple(Alarm(**alarm) for alarm in standing.alarms),
                "steps": header["step"],
                "images_seen": header["images"],
                "seconds": standing.seconds,
                "notes": learner.notes(),
                "checkpoint": folder.relative(path),
                "weights_sha256": weights_sha256(learner, states),
            }
        )


def _losses_text(losses: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in losses.items())
