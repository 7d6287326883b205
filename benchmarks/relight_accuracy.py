"""How close relit photos come to rendered truth: PSNR in 8-bit grey levels at 658x490.

A bead with a bent centre line and linked circles on a textured sheet is rendered under one lamp and even sky, and
photographed with noise; it is relit to other directions and compared with a noiseless rendering under them. The height
is known, taken from the mask (contact angle by best fit), or from shading under the stated light. The sheet is matt,
even metal, or brushed: metal is relit as if it were matt, with its finish known, and with its finish fitted to 12
photos of the part under other lights.

    python benchmarks/relight_accuracy.py [--scenes 4]
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Iterator

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from handful.core.seeds import numpy_stream, torch_stream
from handful.light.camera import Camera, expose, linearise
from handful.light.fit import Scene, assumed_light, fit_light
from handful.light.height import bead_height, shading_height
from handful.light.photo_shape import best_contact_angle
from handful.light.relight import Change, Relighter
from handful.light.shade import Material, shade
from handful.light.sheet import Finish
from handful.light.sheet_fit import fit_finish
from handful.light.sources import Light

WIDTH, HEIGHT, PIXEL_MM, AMBIENT = 658, 490, 0.05, 0.3
CAMERA = Camera(gain=0.85)
SHEETS = {
    "matt": None,
    "metal": Finish(albedo=0.25, f0=0.5, roughness=0.4),
    "brushed": Finish(albedo=0.25, f0=0.5, roughness=0.2, across=0.5, grooves_deg=20),
}
OTHERS = 12
"""Photos of the same part under other lights, where the finish is fitted."""
TURNS = ((30, 0), (-60, 10), (0, -12), (0, 20))
"""New lights: degrees of azimuth and elevation from that of the photo."""


class Truth:
    """One scene, decided by the seed: bead, texture, and the light of the photo."""

    def __init__(self, seed: int) -> None:
        self.seed, random = seed, numpy_stream(seed, "relight accuracy")
        y, x = np.mgrid[:HEIGHT, :WIDTH]
        bend, period = random.uniform(30, 80), random.uniform(100, 160)
        phase, half, contact = random.uniform(0, 6.28), random.uniform(24, 40), math.radians(random.uniform(35, 70))
        middle = HEIGHT / 2 + bend * np.sin(x / period + phase)
        across = np.abs(y - middle) / np.hypot(1, bend / period * np.cos(x / period + phase))
        width = half * (1 + 0.03 * np.sin(x / 7))  # linked circles
        radius = width / math.sin(contact)
        cap = np.sqrt(np.maximum(radius**2 - across**2, 0)) - radius * math.cos(contact)
        self.mask = across < width
        self.height = torch.from_numpy(gaussian_filter(np.where(self.mask, cap, 0), 1.2) * PIXEL_MM)[None, None]
        grain = gaussian_filter(random.standard_normal((HEIGHT, WIDTH)), (0.6, 12))
        self.albedo = torch.from_numpy(np.where(self.mask, 0.6, 0.25 * (1 + 0.06 * grain / grain.std())))[None, None]
        self.azimuth, self.elevation = random.uniform(0, 360), random.uniform(35, 50)

    def radiance(self, azimuth_deg: float, elevation_deg: float, sheet: Finish | None) -> Tensor:
        """(1, h, w) linear, of a wet bead on a sheet."""
        bead = torch.from_numpy(self.mask)[None, None]
        finish = Finish(albedo=1, f0=0, roughness=0.4) if sheet is None else sheet

        def map_of(sheet_value: float, bead_value: float = 0.2) -> Tensor:
            return torch.where(bead, bead_value, sheet_value).double()

        across = None if finish.across is None else map_of(finish.across)
        gloss = map_of(finish.f0, 0.04)
        material = Material(self.albedo, map_of(finish.roughness), gloss, across, finish.grooves_deg)
        return shade(self.height, PIXEL_MM, material, [Light(azimuth_deg, elevation_deg)], AMBIENT).radiance[0]


def others(truth: Truth, height: Tensor, sheet: Finish) -> Iterator[Scene]:
    """The same part under other lights, from which the finish of its sheet is learnt, with the height as known."""
    random = numpy_stream(truth.seed, "relight accuracy lights")
    for place in range(OTHERS):
        light = random.uniform(0, 360), random.uniform(25, 70)
        codes = expose(truth.radiance(*light, sheet), CAMERA, torch_stream(truth.seed, "other lights", place))
        linear = linearise(codes, Camera(), torch.float64)
        yield Scene(linear, codes >= 255, height, torch.from_numpy(truth.mask)[None], PIXEL_MM)


def measure(seed: int, finish: Finish | None) -> dict[str, list[float]]:
    """PSNRs over the new lights, by where the height came from; 'not relit' is the photo as it was."""
    truth = Truth(seed)
    random = torch_stream(seed, "relight accuracy noise")
    photo = expose(truth.radiance(truth.azimuth, truth.elevation, finish), CAMERA, random)
    linear, raised = linearise(photo, Camera(), torch.float64), torch.from_numpy(truth.mask)[None]

    def scene(height: Tensor, sheet: Material | None = None) -> Scene:
        return Scene(linear, photo >= 255, height, raised, PIXEL_MM, sheet)

    def masked(angle: float, sheet: Material | None) -> Scene:
        return scene(bead_height(truth.mask, angle, PIXEL_MM), sheet)

    def fitted(height: Tensor, true: Finish) -> Material | None:
        found = fit_finish([fit_light(one) for one in others(truth, height, true)]).finish
        return None if found is None else found.material()

    finishes: list[tuple[str, Material | None, Material | None]] = [("", None, None)]
    if finish is not None:
        angle = best_contact_angle(lambda angle: fit_light(masked(angle, None)).loss)
        finishes.append((", finish known", finish.material(), finish.material()))
        cap = bead_height(truth.mask, angle, PIXEL_MM)
        finishes.append((", finish fitted", fitted(truth.height, finish), fitted(cap, finish)))
    relighters = {}
    for words, known, from_mask in finishes:
        one = scene(truth.height, known)
        relighters[f"known height{words}"] = Relighter(one, fit_light(one))
        best = best_contact_angle(lambda angle, sheet=from_mask: fit_light(masked(angle, sheet)).loss)
        one = masked(best, from_mask)
        relighters[f"height from mask{words}"] = Relighter(one, fit_light(one))
    shaped = scene(shading_height(linear, truth.azimuth, truth.elevation, PIXEL_MM))
    relighters["shape from shading"] = Relighter(shaped, assumed_light(truth.azimuth, truth.elevation))

    ratios: dict[str, list[float]] = {name: [] for name in ("not relit", *relighters)}
    for turn, rise in TURNS:
        azimuth, elevation = (truth.azimuth + turn) % 360, truth.elevation + rise
        wanted = expose(truth.radiance(azimuth, elevation, finish), CAMERA)
        ratios["not relit"].append(peak_ratio_db(photo, wanted))
        for name, relighter in relighters.items():
            relit = expose(relighter.relight(Change(azimuth, elevation)), Camera())
            ratios[name].append(peak_ratio_db(relit, wanted))
    identity = max(
        int((expose(relighter.relight(Change()), Camera()) - photo).abs().max()) for relighter in relighters.values()
    )
    ratios["identity, grey levels"] = [float(identity)]
    return ratios


def peak_ratio_db(first: Tensor, second: Tensor) -> float:
    return 10 * math.log10(255**2 / float((first.double() - second.double()).square().mean()))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--scenes", type=int, default=4)
    scenes = arguments.parse_args().scenes
    torch.set_num_threads(1)
    print("| sheet | height | PSNR, dB: median (minimum to maximum) | n |\n|---|---|---|---|")
    for sheet, finish in SHEETS.items():
        began = time.process_time()
        all_found = [measure(seed, finish) for seed in range(scenes)]
        for name in all_found[0]:
            values = [value for found in all_found for value in found[name]]
            spread = f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"
            print(f"| {sheet} | {name} | {spread} | {len(values)} |", flush=True)
        print(f"{(time.process_time() - began) / scenes:.1f} s of CPU time a scene", flush=True)


if __name__ == "__main__":
    main()
