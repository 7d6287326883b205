"""Full frames of the ball screw for docs/img/patch_diffusion_frames.jpg: two photos, and four samples below them.

Usage: python benchmarks/patch_diffusion_frames.py PHOTOS OUT.jpg [--place 305000_090] [--width 1400]
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np
import torch
from patch_diffusion_quality import MOST_PHOTOS
from PIL import Image

from handful.core.images import integers_to_unit, unit_to_integers
from handful.generators.base import ImageSpec
from handful.generators.patch_diffusion import PatchDiffusion, PatchDiffusionSettings


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("photos", type=Path, help="folder of the ball screw set, with data/ and label/")
    options.add_argument("out", type=Path)
    options.add_argument("--place", default="305000_090", help="no setting was chosen on the default")
    options.add_argument("--width", type=int, default=1400)
    given = options.parse_args()
    labelled = {path.stem for path in (given.photos / "label").glob("*.json")}
    named = re.compile(rf"_{given.place}_crop_2\.jpg$")
    files = [path for path in sorted((given.photos / "data").iterdir()) if named.search(path.name)]
    good = [path for path in files if path.stem not in labelled][:MOST_PHOTOS]
    photos = torch.from_numpy(
        np.stack([integers_to_unit(np.asarray(Image.open(path).convert("RGB")), 8) for path in good])
    )
    generator = PatchDiffusion(PatchDiffusionSettings(), ImageSpec(photos.shape[3], photos.shape[2], 3), seed=0)
    generator.prepare(photos)
    print(*generator.notes(), sep="\n")
    shown = torch.cat([photos[:2], generator.sample(range(4))])
    for seed, passport in generator.passports().items():
        print(f"seed {seed}: largest region {passport.largest_region:.2f}, novelty {passport.novelty:.2f}")
    rows = [torch.cat(list(shown[first : first + 2]), 2) for first in range(0, len(shown), 2)]
    sheet = Image.fromarray(unit_to_integers(torch.cat(rows, 1).numpy(), 8))
    height = round(sheet.height * given.width / sheet.width)
    sheet.resize((given.width, height), Image.Resampling.LANCZOS).save(given.out, quality=88)


if __name__ == "__main__":
    main()
