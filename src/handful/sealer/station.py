"""A rendered sealant station with known truth: the photos that the demo needs when nobody has a camera at hand.

Every photo shows the same kind of part: a brushed steel sheet with an embossed bolt hole and an edge, and a
bead of sealant laid across it. Light, gain, pose, path and width vary a little, as they do at a real station.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from handful.core.config import Settings
from handful.core.errors import UserError
from handful.core.images import Integers, png_bytes
from handful.core.provenance import generated_xmp
from handful.core.seeds import numpy_stream
from handful.core.workspace import sweep_temporaries, write_atomically
from handful.sealer.camera import Radiance, collect, develop, read_out
from handful.sealer.light import Layers, Light, shade
from handful.sealer.scene import Bead, Part, Pose

TRUTH_FILE = "station.json"
_RENDERER = 1  # raise when the same seed gives another picture
_LEAST_SIDE_PX = 32
_TINTS = {  # red, green, blue: how much of the light each material returns
    "lamp": (1.44, 1.40, 1.34),
    "sealant": (0.62, 0.65, 0.67),
    "metal": (0.14, 0.14, 0.137),
    "sheen": (0.50, 0.50, 0.485),
    "behind": (0.026, 0.027, 0.031),
}


class Conditions(Settings):
    """What varies from photo to photo."""

    light_azimuth_deg: float
    """0: light from the right, 90: from the top of the picture."""
    light_elevation_deg: float
    gain: float
    bead_width_px: float
    """Full width at the foot, averaged along the path."""
    right_px: float
    down_px: float
    turn_deg: float


def render_station(
    out: Path, count: int, seed: int = 0, width: int = 658, height: int = 490, colour: bool = False
) -> list[Path]:
    """Renders `count` photos station_000.png, ... and their truth, station.json, into `out`.

    Photo i depends on (seed, i) and the size alone. Photos that the same call left there before are kept, so an
    interrupted rendering goes on and a larger count adds photos.

    Args:
        out: a new or empty folder, or one that this function filled with the same settings.
        count: number of photos, from 1.
        seed: decides the part and every photo.
        width: of a photo in pixels, from 32.
        height: of a photo in pixels, from 32.
        colour: three channels instead of one.

    Raises:
        UserError: a count or size out of range, or a folder that holds something else.
    """
    _check(count, width, height)
    header = {"renderer": _RENDERER, "seed": seed, "width": width, "height": height, "colour": colour}
    _check_folder(out, header, count)
    part = Part(seed, width, height)
    drawn = [_draw_conditions(part, seed, index) for index in range(count)]
    names = [f"station_{index:03d}.png" for index in range(count)]
    truth = header | {"photos": [_truth(name, *one) for name, one in zip(names, drawn, strict=True)]}
    sweep_temporaries(out)
    write_atomically(out / TRUTH_FILE, (json.dumps(truth, indent=1) + "\n").encode())
    for index, (name, (conditions, bead)) in enumerate(zip(names, drawn, strict=True)):
        if not (out / name).exists():
            photo = render_photo(part, conditions, bead, numpy_stream(seed, "sealer photo", index), colour)
            texts = {"Description": f"rendered by Handful, not a photo: sealant station, seed {seed}, number {index}"}
            write_atomically(out / name, png_bytes(photo, 8, texts, generated_xmp("algorithmicMedia")))
    return [out / name for name in names]


def render_photo(part: Part, conditions: Conditions, bead: Bead, random: np.random.Generator, colour: bool) -> Integers:
    """One photo (h, w) or (h, w, 3), 8 bit."""
    pose = Pose(conditions.right_px, conditions.down_px, conditions.turn_deg)
    scene = part.place(pose, bead, random)
    layers = shade(scene, Light(conditions.light_azimuth_deg, conditions.light_elevation_deg))
    sensor = collect(tint(layers, colour))
    return develop(read_out(sensor, conditions.gain, random))


def tint(layers: Layers, colour: bool) -> Radiance:
    """Adds up the layers in the colours of lamp and materials: (1, h, w), or (3, h, w)."""
    channels = []
    for channel in range(3) if colour else (1,):
        shade_of = {name: values[channel] for name, values in _TINTS.items()}
        channels.append(
            shade_of["lamp"]
            * (
                shade_of["sealant"] * layers.sealant_diffuse
                + layers.sealant_specular
                + shade_of["metal"] * layers.metal_diffuse
                + shade_of["sheen"] * layers.metal_specular
                + shade_of["behind"] * layers.behind
            )
        )
    return np.stack(channels)


def _draw_conditions(part: Part, seed: int, index: int) -> tuple[Conditions, Bead]:
    random = numpy_stream(seed, "sealer conditions", index)
    conditions = Conditions(
        light_azimuth_deg=round(random.normal(112, 7), 2),
        light_elevation_deg=round(random.uniform(38, 52), 2),
        gain=round(random.uniform(0.85, 1.15), 4),
        bead_width_px=round(random.normal(46, 2.2) * part.unit, 3),
        right_px=round(random.normal(0, 3) * part.unit, 3),
        down_px=round(random.normal(0, 2) * part.unit, 3),
        turn_deg=round(random.normal(0, 0.35), 3),
    )
    return conditions, part.draw_bead(random, conditions.bead_width_px)


def _truth(name: str, conditions: Conditions, bead: Bead) -> dict[str, Any]:
    coarse = bead.path[:: max(1, len(bead.path) // 32)]
    return {"file": name} | conditions.model_dump() | {"path": np.round(coarse, 2).tolist()}


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
            f"colour {found.get('colour')} and a count from {photos}.",
            "Give those settings, or another folder.",
        )
