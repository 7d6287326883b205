"""A rendered sealant station with known truth: photos for whoever has no camera at hand, and the place where a verdict
can be checked.

Every photo shows the same kind of part: a sheet with a bead of sealant laid across it. Light, gain, pose, path and
width vary a little, as they do at a real station; defects come on request.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from handful.core.errors import UserError
from handful.core.images import Integers, png_bytes
from handful.core.provenance import generated_xmp
from handful.core.seeds import numpy_stream, torch_stream
from handful.core.workspace import sweep_temporaries, write_atomically
from handful.sealer.defects import DefectSettings
from handful.sealer.part import Part
from handful.sealer.photograph import draw_surroundings, radiance, take, through_lens
from handful.sealer.presets import preset as preset_named
from handful.sealer.scene import Plan, Scene, build, plan
from handful.sealer.truth import PLANES, planes, truth_row

TRUTH_FILE = "station.json"
_RENDERER = 2  # raise when the same seed gives another picture
_LEAST_SIDE_PX = 32
_WORTH_THREADS_PX = 2_000_000  # of all photos together


def render_station(
    out: Path,
    count: int,
    seed: int = 0,
    width: int = 658,
    height: int = 490,
    colour: bool = False,
    preset: str = "seam",
    defects: DefectSettings | None = None,
    truth: bool = False,
) -> list[Path]:
    """Renders `count` photos station_000.png, ... and what is known of each, station.json, into `out`.

    With defects, photos lie in folders named good, gap, ...; their masks, and with `truth` the other planes too, lie
    beside `out` in a folder OUT_truth, so that `out` stays a folder of photos. Photo i depends on (seed, i) and the
    settings alone. Photos that the same call left there before are kept, so an interrupted rendering goes on and a
    larger count adds photos.

    Args:
        out: a new or empty folder, or one that this function filled with the same settings.
        count: number of photos, from 1.
        seed: decides the part and every photo.
        width: of a photo in pixels, from 32.
        height: of a photo in pixels, from 32.
        colour: three channels instead of one.
        preset: seam or glue (presets.py).
        defects: which, how many and how strong; None for good photos only.
        truth: writes height, normals and masks of every photo.

    Returns:
        The photos in the order of their numbers.

    Raises:
        UserError: a count or size out of range, an unknown preset, or a folder that holds something else.
    """
    station = preset_named(preset)
    _check(count, width, height)
    header = {
        "renderer": _RENDERER,
        "seed": seed,
        "width": width,
        "height": height,
        "colour": colour,
        "preset": preset,
        "defects": defects.model_dump(mode="json") if defects else None,
    }
    beside = out.with_name(f"{out.name}_truth")
    _check_folder(out, header, count)
    if defects or truth:
        _check_beside(out, beside)
    part = Part(station, seed, width, height)
    plans = [plan(part, seed, index, defects) for index in range(count)]
    names = [_name(index, one, defects) for index, one in enumerate(plans)]
    rows = [truth_row(name, part, one) for name, one in zip(names, plans, strict=True)]
    sweep_temporaries(out)
    document = header | {"pixel_mm": part.pixel_mm, "planes": PLANES, "photos": rows}
    write_atomically(out / TRUTH_FILE, (json.dumps(document, indent=1) + "\n").encode())

    def finish(index: int) -> None:
        name, one = names[index], plans[index]
        wanted = _plane_names(name, one, truth)
        if (out / name).exists() and all((beside / file).exists() for file in wanted.values()):
            return
        scene = build(part, one, seed, index)
        found = planes(scene) if wanted else {}
        for kind, file in wanted.items():
            write_atomically(beside / file, found[kind])
        if not (out / name).exists():
            photo = render_photo(part, one, scene, seed, index, colour)
            texts = {"Description": f"rendered by Handful, not a photo: sealant station, seed {seed}, number {index}"}
            write_atomically(out / name, png_bytes(photo, 8, texts, generated_xmp("algorithmicMedia")))

    with _one_torch_thread():
        if count > 1 and count * width * height >= _WORTH_THREADS_PX:
            with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
                list(pool.map(finish, range(count)))
        else:
            for index in range(count):
                finish(index)
    return [out / name for name in names]


def render_photo(part: Part, plan: Plan, scene: Scene, seed: int, index: int, colour: bool) -> Integers:
    """One photo (h, w) or (h, w, 3), 8 bit."""
    around = draw_surroundings(part, numpy_stream(seed, "sealer surroundings", index))
    sensor = through_lens(radiance(part, plan, scene, around, colour), part, around)
    return take(sensor, part, plan.gain, torch_stream(seed, "sealer noise", index))


def _name(index: int, plan: Plan, defects: DefectSettings | None) -> str:
    file = f"station_{index:03d}.png"
    return f"{plan.defects[0].kind if plan.defects else 'good'}/{file}" if defects else file


def _plane_names(name: str, plan: Plan, truth: bool) -> dict[str, str]:
    """Plane -> its file in the folder beside: height/station_000.png, defect/gap/station_001_mask.png."""
    wanted = {kind: f"{kind}/{name}" for kind in PLANES if kind != "defect"} if truth else {}
    if plan.defects:
        wanted["defect"] = f"defect/{name.removesuffix('.png')}_mask.png"
    return wanted


@contextlib.contextmanager
def _one_torch_thread() -> Iterator[None]:
    """Photos are rendered side by side, each on one thread: so a photo's bytes do not depend on the number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _check(count: int, width: int, height: int) -> None:
    if count < 1:
        raise UserError(
            f"{count} photos of the rendered station were asked for.",
            "At least 1 can be rendered.",
            "Ask for 40: as many as one shift might bring.",
        )
    if min(width, height) < _LEAST_SIDE_PX:
        raise UserError(
            f"The photo size is {width}x{height}.",
            f"Each side must have at least {_LEAST_SIDE_PX} pixels.",
            "Leave it at 658x490, or give a larger size.",
        )


def _check_folder(out: Path, header: dict[str, Any], count: int) -> None:
    """Refuses a folder that holds anything but an earlier, not longer rendering with the same settings."""
    if out.exists() and not out.is_dir():
        raise UserError(
            f"{out} is a file.",
            "The rendered station goes into a new or empty folder.",
            "Give another folder.",
        )
    if not out.exists() or not any(path for path in out.iterdir() if not path.name.endswith(".tmp")):
        return
    try:
        found = json.loads((out / TRUTH_FILE).read_text(encoding="utf-8"))
        photos = len(found["photos"])
        same = {key: found.get(key) for key in header} == header
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{out} is not empty and holds no {TRUTH_FILE}.",
            "The rendered station goes into a new or empty folder.",
            "Give another folder.",
        ) from None
    if not same or photos > count:
        raise UserError(
            f"{out} holds {photos} photos of a station rendered with other settings.",
            f"It can be added to with seed {found.get('seed')}, size {found.get('width')}x{found.get('height')}, "
            f"colour {found.get('colour')}, preset {found.get('preset')}, the same defects and a count from {photos}.",
            "Give those settings, or another folder.",
        )


def _check_beside(out: Path, beside: Path) -> None:
    """Refuses a folder for the truth that holds anything but what belongs to an earlier rendering."""
    if beside.exists() and not (out / TRUTH_FILE).exists() and (not beside.is_dir() or any(beside.iterdir())):
        raise UserError(
            f"{beside} is not empty.",
            f"The truth of {out.name} goes there: it must be new or empty.",
            "Move it away, or give the photos another folder.",
        )
