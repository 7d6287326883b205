"""How close relit photos of the rendered station come to the same scene rendered under the new lamp.

The station is no friend of the model that relights: it has a second lamp, a room that brushed metal mirrors, windows in
wet sealant, light inside the bead, a lens and a sensor. Each photo is relit with its known height or with a cap over
its mask: on a sheet taken as matt; with its grooves stated; with the whole rig stated (grooves, size of the lamp, the
second lamp, the room that metal mirrors); and with the direction of its lamp as well. It is turned as far from the
light that was fitted or stated as the truth is from its own; PSNR in 8-bit grey levels against the noiseless
rendering, of the whole picture and of the bead.

    python benchmarks/relight_station.py [--photos 6] [--seed 5] [--picture FILE]
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import statistics
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from relight_accuracy import peak_ratio_db
from torch import Tensor

from handful.core.seeds import numpy_stream
from handful.light.camera import Camera, expose, linearise
from handful.light.fit import FittedLight, Scene, fit_light
from handful.light.height import bead_height
from handful.light.photo_shape import best_contact_angle
from handful.light.relight import Change, Relighter
from handful.light.rig import ONE_LAMP, Fill, Rig
from handful.light.sheet import Finish
from handful.sealer import scene as sealer
from handful.sealer.part import Part
from handful.sealer.photograph import draw_surroundings, radiance, through_lens
from handful.sealer.presets import preset
from handful.sealer.station import render_photo

WIDTH, HEIGHT = 658, 490
BRUSHED = Finish(albedo=0.1, f0=0.9, roughness=0.2, across=0.55)
RIG = Rig(size_deg=6, fill=Fill(turned_deg=160, elevation_deg=55, strength=0.25), mirrored=0.5, translucent=True)
KNOWN: dict[str, tuple[Finish | None, Rig, bool]] = {
    "as if matt": (None, ONE_LAMP, False),
    "grooves stated": (BRUSHED, ONE_LAMP, False),
    "rig stated": (BRUSHED, RIG, False),
    "rig and lamp stated": (BRUSHED, RIG, True),
}
"""What is known besides the shape: the sheet, the rig, whether the lamp's direction."""
TURNS = ((10, 0), (-15, 5), (0, -8), (0, 8), (30, 0), (0, 20))
"""Degrees of azimuth and elevation; the station's own lamps differ by 7 (one standard deviation) and 38 to 52."""


class Photo:
    """One photo of the station, and what it would be under another lamp."""

    def __init__(self, part: Part, seed: int, index: int) -> None:
        self.part, self.seed, self.index = part, seed, index
        self.plan = sealer.plan(part, seed, index, None)
        self.scene = sealer.build(part, self.plan, seed, index)
        self.codes = torch.from_numpy(np.asarray(render_photo(part, self.plan, self.scene, seed, index, False)))[None]
        self.bead = torch.from_numpy(self.scene.surface.cover >= 0.5)[None]
        self.height = torch.from_numpy(self.scene.height_mm.astype(np.float64))[None, None]

    def under(self, turn_deg: float, rise_deg: float) -> Tensor:
        """Without noise."""
        plan = dataclasses.replace(
            self.plan,
            light_azimuth_deg=self.plan.light_azimuth_deg + turn_deg,
            light_elevation_deg=self.plan.light_elevation_deg + rise_deg,
        )
        around = draw_surroundings(self.part, numpy_stream(self.seed, "sealer surroundings", self.index))
        sensor = through_lens(radiance(self.part, plan, self.scene, around, False), self.part, around)
        return expose(torch.from_numpy(sensor), Camera(gain=plan.gain, gamma=self.part.preset.gamma))

    def seen(self, known: str, by_mask: bool) -> tuple[Scene, FittedLight]:
        """The scene and its light, with the known height or with the cap over the mask that fits best."""
        sheet, rig, lamp_known = KNOWN[known]
        linear = linearise(self.codes, Camera(), torch.float64)
        material = None if sheet is None else sheet.material()
        stated = (self.plan.light_azimuth_deg, self.plan.light_elevation_deg) if lamp_known else (None, None)

        def scene(height: Tensor) -> Scene:
            return Scene(linear, self.codes >= 255, height, self.bead, self.scene.pixel_mm, material, rig)

        def cap(angle: float) -> Scene:
            return scene(bead_height(self.bead[0].numpy(), angle, self.scene.pixel_mm))

        if not by_mask:
            shown = scene(self.height)
        else:
            shown = cap(best_contact_angle(lambda angle: fit_light(cap(angle), *stated).loss))
        return shown, fit_light(shown, *stated)


def save_picture(path: Path, photo: Photo, turn: tuple[int, int]) -> None:
    """The photo and the truth under another lamp; below, relit as if matt and with rig and lamp stated."""
    pictures = [photo.codes, photo.under(*turn)]
    for known in ("as if matt", "rig and lamp stated"):
        scene, light = photo.seen(known, by_mask=False)
        change = Change((light.azimuth_deg + turn[0]) % 360, light.elevation_deg + turn[1])
        pictures.append(expose(Relighter(scene, light).relight(change), Camera()))
    rows = [torch.cat(pictures[start : start + 2], 2)[0] for start in (0, 2)]
    Image.fromarray(torch.cat(rows).clamp(0, 255).to(torch.uint8).numpy()).save(path)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--photos", type=int, default=6)
    arguments.add_argument("--seed", type=int, default=5)
    arguments.add_argument(
        "--picture", type=Path, help="only draw the second photo, relit by 30 degrees, into this file"
    )
    told = arguments.parse_args()
    photos, seed = told.photos, told.seed
    torch.set_num_threads(1)
    part = Part(preset("seam"), seed, WIDTH, HEIGHT)
    if told.picture is not None:
        save_picture(told.picture, Photo(part, seed, 1), (30, 0))
        return
    whole: dict[tuple[str, tuple[int, int]], list[float]] = {}
    bead: dict[tuple[str, tuple[int, int]], list[float]] = {}
    off: dict[str, list[tuple[float, float]]] = {}
    for index in range(photos):
        photo = Photo(part, seed, index)
        truths = {turn: photo.under(*turn) for turn in TURNS}
        relit = {("not relit", turn): photo.codes for turn in TURNS}
        for shape, known in itertools.product(("known height", "height from mask"), KNOWN):
            name = f"{shape}, {known}"
            scene, light = photo.seen(known, shape == "height from mask")
            turned = (light.azimuth_deg - photo.plan.light_azimuth_deg + 180) % 360 - 180
            off.setdefault(name, []).append((turned, light.elevation_deg - photo.plan.light_elevation_deg))
            relighter = Relighter(scene, light)
            for turn, rise in TURNS:
                change = Change((light.azimuth_deg + turn) % 360, min(light.elevation_deg + rise, 90.0))
                relit[name, (turn, rise)] = expose(relighter.relight(change), Camera())
        for key, codes in relit.items():
            truth = truths[key[1]]
            whole.setdefault(key, []).append(peak_ratio_db(codes, truth))
            bead.setdefault(key, []).append(peak_ratio_db(codes[photo.bead], truth[photo.bead]))
    for title, table in (("whole picture", whole), ("bead", bead)):
        print(f"\n| {title} | {' | '.join(f'{turn:+d}, {rise:+d}' for turn, rise in TURNS)} |")
        print("|---" * (len(TURNS) + 1) + "|")
        for name in dict.fromkeys(name for name, _ in table):
            cells = [f"{statistics.median(table[name, turn]):.1f} ({min(table[name, turn]):.1f})" for turn in TURNS]
            print(f"| {name} | {' | '.join(cells)} |")
    for name, errors in off.items():
        turned, raised = (statistics.median(abs(error[axis]) for error in errors) for axis in (0, 1))
        print(
            f"{name}: fitted azimuth off by {turned:.1f}, elevation by {raised:.1f} degrees in the median, n = {photos}"
        )


if __name__ == "__main__":
    main()
