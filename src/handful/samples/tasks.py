"""SinGAN's tasks on pictures: each result is a file with its row in samples.jsonl, and samples.json at the end."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from handful.core.artifacts import SAMPLE_ROWS, RunManifest, SampleManifest, SampleRow
from handful.core.config import parse_settings
from handful.core.decode import keep_out_of_photos
from handful.core.device import start_runtime
from handful.core.errors import UserError
from handful.core.images import Integers, pixels_sha256, png_bytes, read_png
from handful.core.progress import Listener, ignore
from handful.core.provenance import generated_texts, generated_xmp
from handful.core.workspace import hold_folder, sweep_temporaries, write_atomically
from handful.generators.restore import restore_run
from handful.generators.singan import Singan
from handful.samples.task_results import Result, TaskResults
from handful.samples.task_settings import AnimateSettings, Task, find_task


def apply_task(
    task: str,
    run: Path,
    out: Path,
    pictures: Path | None = None,
    masks: Path | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    listener: Listener = ignore,
    device: str = "auto",
    threads: int | None = None,
) -> SampleManifest:
    """Does one of SinGAN's tasks on a picture or on each of a folder.

    Everything is checked before anything is drawn. Nothing is ever overwritten; a task that was interrupted goes on
    when it is asked for again.

    Args:
        task: harmonise, edit, paint, enlarge or animate.
        run: folder of a finished (or stopped) run of singan.
        out: folder of these results alone.
        pictures: a picture or a folder of them; None for animate.
        masks: of the region, for harmonise and edit: a file for all pictures, or a folder paired by name.
        settings: what the task's settings class lets one choose, name -> value.
        seed: of the first picture; the others follow.
        listener: hears a "drawn" event after each result.
        device: auto, cpu, cuda or mps.
        threads: CPU threads of one operation, at least 1; None: torch's choice.

    Raises:
        UserError: no such task or setting, a run that is not singan's, a picture or mask that does not fit, a scale
            or photo that the run lacks, a result beyond memory, a folder that holds anything else, a full disk.
    """
    chosen = find_task(task)
    told = parse_settings(chosen.settings_class, dict(settings or {}), f"task {task}")
    _check_inputs(task, chosen, pictures, masks, out, seed)
    singan, trained = _restore(run)
    runtime = start_runtime(device, "fp32", threads, deterministic=torch.cuda.is_available())
    singan.to(runtime.device, runtime.memory_format)
    controls = {"task": task, **told.model_dump(mode="json", exclude_defaults=True)}
    source_type = chosen.source_type
    made = TaskResults(singan, trained, told, controls)
    results, size, picture_hashes = made.plan(pictures, masks, seed)
    wanted = {result.row.file: result for result in results}
    _check_folder(out, wanted)
    busy = UserError(
        f"Another process is writing into {out}.", "One process at a time may.", "Wait, or give another --out."
    )
    with hold_folder(out, busy):
        sweep_temporaries(out)
        rows = {name: row for name, row in _read_rows(out).items() if _is_intact(out, row)}
        missing = [result for name, result in wanted.items() if name not in rows]
        if not missing and (out / SampleManifest.file_name).exists():
            return SampleManifest.read(out)
        started = time.perf_counter()
        for done, result in enumerate(missing):

            def tell(share: float, done: int = done) -> None:
                progress = (done + share) / len(missing)
                listener({"event": "drawn", "name": trained.run_id, "progress": progress, "words": ""})

            pixels = result.draw(tell)
            row = result.row.model_copy(update={"pixels_sha256": pixels_sha256(pixels)})
            rows[row.file] = row
            ordered = [rows[name] for name in wanted if name in rows]
            write_atomically(out / SAMPLE_ROWS, "".join(one.model_dump_json() + "\n" for one in ordered).encode())
            texts = generated_texts(
                Path(trained.generator).stem, trained.run_id, row.seed, source_type, trained.training_fingerprint
            ) | {"Comment": f"task {task}"}
            if row.file.endswith(".gif"):
                assert isinstance(told, AnimateSettings)
                content = _gif_bytes(pixels, told.frames_per_second, f"{texts['Description']}, {texts['Comment']}")
            else:
                content = png_bytes(pixels, result.bit_depth, texts, generated_xmp(source_type))
            write_atomically(out / row.file, content)
            tell(1.0)
        manifest = SampleManifest(
            run_id=trained.run_id,
            generator=trained.generator,
            anchor=trained.anchor,
            source_type=source_type,
            seed=trained.seed,
            first_seed=seed,
            count=len(rows),
            canvas=size,
            channels=trained.channels,
            bit_depth=results[0].bit_depth,
            training_fingerprint=trained.training_fingerprint,
            training_pixels=tuple(sorted({*trained.training_pixels, *picture_hashes})),
            weights_sha256=results[0].row.weights_sha256,
            controls=controls,
            seconds=time.perf_counter() - started,
        )
        manifest.write(out)
    return manifest


def _restore(run: Path) -> tuple[Singan, RunManifest]:
    generator, trained = restore_run(run)
    if not isinstance(generator, Singan):
        raise UserError(
            f"The run {trained.run_id} is one of {Path(trained.generator).stem}.",
            "The tasks need 1 run of singan.",
            "Train one on the photo: `handful train singan --work WORK`.",
        )
    return generator, trained


def _check_inputs(task: str, chosen: Task, pictures: Path | None, masks: Path | None, out: Path, seed: int) -> None:
    if chosen.takes_pictures != (pictures is not None):
        given = "no picture" if pictures is None else f"{pictures}"
        allowed = (
            "a picture or a folder of pictures"
            if chosen.takes_pictures
            else "0 pictures: it starts from the run's photo"
        )
        raise UserError(f"{task} was given {given}.", f"It takes {allowed}.", f"`handful apply {task}` explains it.")
    if chosen.takes_masks != (masks is not None):
        given = "no mask" if masks is None else f"the mask {masks}"
        allowed = "a mask of the region, or a folder of masks" if chosen.takes_masks else "0 masks"
        raise UserError(
            f"{task} was given {given}.", f"It takes {allowed}.",
            "Give it with --mask." if chosen.takes_masks else "Leave --mask out.",
        )  # fmt: skip
    if seed < 0:
        raise UserError(f"The seed is {seed}.", "Seeds are 0 and above.", "Give --seed a number from 0.")
    for folder in (pictures, masks):
        if folder is not None and folder.is_dir():
            keep_out_of_photos(out, folder)


def _check_folder(out: Path, wanted: Mapping[str, Result]) -> None:
    """Refuses a folder that holds anything but results of this very request."""
    if not out.exists():
        return
    rows = _read_rows(out)
    own = {
        name
        for name, row in rows.items()
        if name in wanted and row.model_copy(update={"pixels_sha256": ""}) == wanted[name].row
    }
    known = {SampleManifest.file_name, SAMPLE_ROWS} if own == set(rows) else set()
    files = [path for path in sorted(out.rglob("*")) if path.is_file()] if out.is_dir() else [out]
    names = [path.relative_to(out).as_posix() for path in files if not path.name.startswith(".")]
    foreign = [name for name in names if name not in own | known]
    if foreign:
        raise UserError(
            f"{out} holds {len(foreign)} file(s) of something else, for example {foreign[0]}.",
            "A task writes into a folder of its own, and overwrites nothing.",
            "Give a new folder with --out.",
        )


def _read_rows(out: Path) -> dict[str, SampleRow]:
    """The rows in the folder by file; none where there are none that this version wrote."""
    try:
        lines = (out / SAMPLE_ROWS).read_text(encoding="utf-8").splitlines()
        return {row.file: row for row in map(SampleRow.model_validate_json, lines)}
    except (OSError, ValueError):
        return {}


def _is_intact(out: Path, row: SampleRow) -> bool:
    path = out / row.file
    if not path.is_file() or path.suffix != ".png":
        return path.is_file()  # a GIF's palette does not keep colours; it was written whole or not at all
    try:
        return pixels_sha256(read_png(path)) == row.pixels_sha256
    except UserError:
        return False


def _gif_bytes(frames: Integers, frames_per_second: float, words: str) -> bytes:
    """A GIF that repeats for ever, from 8-bit integers (frames, h, w) or (frames, h, w, 3)."""
    buffer = io.BytesIO()
    pictures = [Image.fromarray(np.ascontiguousarray(frame)) for frame in frames]
    pictures[0].save(
        buffer, "GIF", save_all=True, append_images=pictures[1:], duration=round(1000 / frames_per_second), loop=0,
        comment=words.encode(),
    )  # fmt: skip
    return buffer.getvalue()
