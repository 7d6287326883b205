"""Draws a set of samples from a run: PNG files, a line for each in samples.jsonl, samples.json at the end."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from handful.core.artifacts import MASKS, PASSPORTS, SAMPLE_ROWS, RunManifest, SampleManifest, SampleRow, Size
from handful.core.config import Settings
from handful.core.device import check_runtime, start_runtime
from handful.core.errors import UserError
from handful.core.images import Integers, pixels_sha256, png_bytes, read_png, unit_to_integers
from handful.core.labels import label_of
from handful.core.progress import Listener, ignore
from handful.core.provenance import generated_texts, generated_xmp
from handful.core.sample_rows import append_rows, is_intact, read_unfinished_rows, write_rows
from handful.core.workspace import hold_folder, sweep_temporaries, write_atomically
from handful.generators.base import Generator, parse_controls
from handful.generators.restore import restore_run
from handful.samples.passports import passport_row, write_legend, write_passport

BATCH = 16
"""Images drawn at once. Seed s is always drawn as number s % BATCH of its block, beside the same neighbours, so that
its pixels never depend on which other seeds were asked for: sums in a convolution may round otherwise."""
SEEDS_A_RUN = 1_000_000
"""Training seed s draws from seed s * SEEDS_A_RUN on."""

Rows = dict[int, SampleRow]
Controls = dict[str, Any]
"""What a manifest keeps of the controls."""


def draw_samples(
    run: Path,
    out: Path,
    count: int,
    first_seed: int | None = None,
    listener: Listener = ignore,
    device: str = "auto",
    threads: int | None = None,
    controls: Mapping[str, Any] | None = None,
    draw: str = "",
) -> SampleManifest:
    """Draws images of the seeds first_seed ... first_seed + count - 1; seed i gives image i.

    Always in float32. What the folder holds of this run already is kept, as far as its files are intact; a set
    only ever grows.

    Args:
        run: folder of a finished (or stopped) run.
        out: folder of this set alone.
        count: images to have in the end.
        first_seed: seed of the first image; None: the run's own first, a million times its training seed, so that
            sets of two training seeds share no noise.
        listener: hears a "drawn" event after each batch.
        device: auto, cpu, cuda or mps.
        threads: CPU threads of one operation, at least 1; None: torch's choice.
        controls: what the generator's `controls_class` lets one choose, name -> value; the rest by default.
        draw: name of this way of drawing, where the run is drawn from in several.

    Returns:
        The manifest; its `count` includes images of other seeds drawn into this folder before.

    Raises:
        UserError: a run that is missing or unfinished, a count below 1, controls that the generator lacks or the run
            cannot follow, a folder that holds anything but samples of these very weights under these very controls,
            a device that is not there, a full disk.
    """
    _check_request(count, first_seed)
    check_runtime(device, threads=threads)
    generator, trained = restore_run(run)
    if first_seed is None:
        first_seed = trained.seed * SEEDS_A_RUN
    told = parse_controls(generator, trained.generator, controls or {})
    record = _record(told)
    _check_folder(out, read_unfinished_rows(out), trained, record)
    busy = UserError(
        f"Another process is drawing into {out}.",
        "One process at a time may write to a set of samples.",
        "Wait until it ends, or give this set another folder with --out.",
    )
    with hold_folder(out, busy):
        sweep_temporaries(out)
        rows = read_unfinished_rows(out)
        missing = [seed for seed in range(first_seed, first_seed + count) if not is_intact(out, rows.get(seed))]
        finished = SampleManifest.read(out) if (out / SampleManifest.file_name).exists() else None
        if finished is not None and not missing:
            return finished
        # On CUDA the fastest algorithm may differ from run to run, and with it the last bit.
        runtime = start_runtime(device, "fp32", threads, deterministic=torch.cuda.is_available())
        generator.to(runtime.device, runtime.memory_format)
        if told is not None:
            generator.check_controls(told)
        started = time.perf_counter() - (finished.seconds if finished is not None else 0.0)
        (out / SampleManifest.file_name).unlink(missing_ok=True)  # from here on the set is unfinished
        write_rows(out, rows)
        _draw(generator, told, record, trained, out, rows, missing, listener)
        write_rows(out, rows)
        height, width = read_png(out / rows[min(rows)].file).shape[:2]
        manifest = SampleManifest(
            run_id=trained.run_id,
            generator=trained.generator,
            anchor=trained.anchor,
            source_type=trained.source_type,
            seed=trained.seed,
            first_seed=min(rows),
            count=len(rows),
            canvas=Size(width=width, height=height),
            channels=trained.channels,
            bit_depth=trained.bit_depth,
            training_fingerprint=trained.training_fingerprint,
            training_pixels=trained.training_pixels,
            weights_sha256=_weights(trained),
            controls=record,
            draw=draw,
            kinds=trained.kinds,
            seconds=time.perf_counter() - started,
        )
        manifest.write(out)
    words = f"{trained.run_id}: {len(rows)} samples, {len(missing)} of them new"
    listener({"event": "drawn", "name": trained.run_id, "progress": 1.0, "words": words})
    return manifest


def _draw(
    generator: Generator,
    controls: Settings | None,
    record: Controls,
    trained: RunManifest,
    out: Path,
    rows: Rows,
    missing: list[int],
    listener: Listener,
) -> None:
    """Draws the missing seeds block by block. Each row is written before its file, so no file lacks its row."""
    wanted, done = set(missing), 0
    for block in sorted({seed // BATCH for seed in missing}):
        whole = range(block * BATCH, (block + 1) * BATCH)
        seeds = [seed for seed in whole if seed in wanted] if generator.alone else list(whole)
        drawn_images = generator.sample(seeds) if controls is None else generator.sample_controlled(seeds, controls)
        images = drawn_images.float().cpu()
        if not torch.isfinite(images).all():
            raise UserError(
                f"The run {trained.run_id} draws values that are not finite numbers (seeds from {seeds[0]}).",
                "A generator must draw values in [-1, 1].",
                "Train it again with other settings; the events of its run say when it went wrong.",
            )
        drawn = {
            seed: unit_to_integers(image, trained.bit_depth)
            for seed, image in zip(seeds, images.numpy(), strict=True)
            if seed in wanted
        }
        sources = _sources(generator, controls, trained, list(drawn))
        passports = {seed: passport for seed, passport in generator.passports().items() if seed in wanted}
        if passports and done == 0:
            write_legend(out, generator.passport_photos(), trained)
        masks = {seed: mask.cpu().numpy() for seed, mask in generator.masks().items() if seed in wanted}
        new = {seed: _row(trained, record, seed, pixels, sources[seed]) for seed, pixels in drawn.items()}
        for seed, mask in masks.items():
            known = {"label": label_of(mask, trained.kinds), "mask": f"{MASKS}/{seed:06d}.png"}
            new[seed] = new[seed].model_copy(update=known)
        for seed, passport in passports.items():
            new[seed] = new[seed].model_copy(update={"passport": passport_row(seed, passport)})
        append_rows(out, new.values())
        for seed, pixels in drawn.items():
            name = Path(trained.generator).stem  # no path of the user's
            texts = generated_texts(name, trained.run_id, seed, trained.source_type, trained.training_fingerprint)
            png = png_bytes(pixels, trained.bit_depth, texts, generated_xmp(trained.source_type))
            if seed in passports:
                write_passport(out, passports[seed], new[seed])
            if (mask_file := new[seed].mask) is not None:
                write_atomically(out / mask_file, png_bytes(masks[seed], 8))
            write_atomically(out / new[seed].file, png)
        rows |= new
        done += len(new)
        words = f"{trained.run_id}: {done:,} of {len(missing):,} samples"
        listener({"event": "drawn", "name": trained.run_id, "progress": done / len(missing), "words": words})


def _record(controls: Settings | None) -> Controls:
    """Controls as rows keep them: those that are no default; a file by its content, for paths are the user's own."""
    if controls is None:
        return {}
    values = controls.model_dump(mode="json", exclude_defaults=True)
    for name, value in controls:
        if isinstance(value, Path):
            try:
                values[name] = "sha256:" + hashlib.sha256(value.read_bytes()).hexdigest()
            except OSError as error:
                raise UserError(
                    f"The file {value} for {name} cannot be read: {error.strerror}.",
                    "It must be an image that you may read.",
                    f"Check the path after --set {name}=.",
                ) from None
    return values


def _sources(
    generator: Generator, controls: Settings | None, trained: RunManifest, seeds: list[int]
) -> dict[int, str | None]:
    """Seed -> pixel hash of the one training image that its sample is made from, where there is one."""
    photos, order = generator.sources(seeds, controls), trained.training_order
    if photos is None or not order:  # a run of an earlier version does not know the order of its photos
        return dict.fromkeys(seeds)
    return {seed: order[photo] for seed, photo in zip(seeds, photos, strict=True)}


def _row(trained: RunManifest, controls: Controls, seed: int, pixels: Integers, source: str | None) -> SampleRow:
    return SampleRow(
        file=f"{seed:06d}.png",
        seed=seed,
        run_id=trained.run_id,
        photos_fingerprint=trained.training_fingerprint,
        weights_sha256=_weights(trained),
        pixels_sha256=pixels_sha256(pixels),
        source=source,
        controls=controls,
        label=trained.label,
    )


def _weights(trained: RunManifest) -> str:
    assert trained.weights_sha256 is not None  # restore_run returns finished runs alone
    return trained.weights_sha256


def _check_request(count: int, first_seed: int | None) -> None:
    if count < 1:
        raise UserError(f"{count} samples were asked for.", "The least is 1.", "Give --count a number from 1.")
    if first_seed is not None and first_seed < 0:
        raise UserError(
            f"The first seed is {first_seed}.", "Seeds are 0 and above.", "Give --first-seed a number from 0."
        )


def _check_folder(out: Path, rows: Rows, trained: RunManifest, controls: Controls) -> None:
    """Refuses a folder that holds anything but samples of this state of this run, drawn under these controls."""
    if not out.exists():
        return
    known = {SampleManifest.file_name, SAMPLE_ROWS, PASSPORTS, MASKS, *(row.file for row in rows.values())}
    entries = sorted(out.iterdir()) if out.is_dir() else [out]
    foreign = [path.name for path in entries if path.name not in known and not path.name.startswith(".")]
    if foreign:
        raise UserError(
            f"{out} holds {len(foreign)} thing(s) that are no samples of Handful's, for example {foreign[0]}.",
            "Samples go into a folder of their own: a new one, or one that holds samples of the same run.",
            "Give another folder with --out.",
        )
    for row in rows.values():
        if (row.run_id, row.weights_sha256) != (trained.run_id, trained.weights_sha256):
            raise UserError(
                f"{out} holds samples of the run {row.run_id} with the weights {row.weights_sha256[:12]}.",
                f"A folder holds samples of one state of one run; this is {trained.run_id} "
                f"with the weights {_weights(trained)[:12]}.",
                "Give another folder with --out, or delete that one.",
            )
        if row.controls != controls:
            raise UserError(
                f"{out} holds samples drawn with {_words(row.controls)}.",
                f"A folder holds samples of one set of controls; these are drawn with {_words(controls)}.",
                "Give another folder with --out.",
            )


def _words(controls: Controls) -> str:
    return ", ".join(f"{name}={value}" for name, value in controls.items()) or "no controls"
