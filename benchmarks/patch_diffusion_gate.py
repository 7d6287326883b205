"""How many samples of patch_diffusion does the copy gate call copies, and of which photos?

Each folder of photos is split in two as `handful compare --folds 2` does; samples are drawn from each half, and the
gate judges them by that half and the held-out one. A sample called a copy is counted as being like a photo that was
mixed, like a near-duplicate of one, or like another. `one` counts samples with at least 0.9 of their detail from one
photo; spread is the standard deviation of pixels over samples over that over photos.

Usage: python benchmarks/patch_diffusion_gate.py NAME=FOLDER ... [--canvas PX,PX] [--samples N] [--split groups|blocks]
       [--set NAME=VALUE ...] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hardware import hardware

from handful.core.config import parse_settings
from handful.core.images import unit_to_integers
from handful.dataset.build import build_dataset
from handful.dataset.settings import DatasetSettings
from handful.features.image_set import ImageSet
from handful.generators.base import ImageSpec
from handful.generators.patch_diffusion import PatchDiffusion, PatchDiffusionSettings
from handful.photos.audit import audit_photos
from handful.scores.gate import judge_copies
from handful.scores.image_sets import Photos, read_photos

ONE_PHOTO = 0.9


def judge(photos: Photos, settings: PatchDiffusionSettings, count: int) -> dict[str, Any]:
    """One fold: `count` samples from the training photos, judged."""
    known = photos.training
    training = torch.from_numpy(known.all())
    generator = PatchDiffusion(settings, ImageSpec(training.shape[3], training.shape[2], training.shape[1]), seed=0)
    generator.prepare(training)
    samples = generator.sample(range(count))
    passports = generator.passports().values()
    pixels = [unit_to_integers(sample.numpy(), 8) for sample in samples]
    names = tuple(str(seed) for seed in range(count))
    drawn = ImageSet(names, names, 8, lambda row: pixels[row], None, known.channels)
    calibration, judged = judge_copies(drawn, known, photos.heldout)
    place = {name: number for number, name in enumerate(known.names)}
    groups = known.photo_numbers()
    of: Counter[str] = Counter()
    for one, passport in zip(judged, passports, strict=True):
        if one.verdict == "new":
            continue
        photo, mixed = place[one.photo], passport.facts.get("mixed", [])
        near = groups[photo] in groups[mixed]
        of["mixed" if photo in mixed else "near-duplicate" if near else "other"] += 1
    return {
        "copies": sum(of.values()),
        "of": dict(of),
        "samples": count,
        "allowed_share": calibration.allowed_share,
        "near_limit": calibration.near_likeness,
        "one_photo": sum(passport.most_used_share >= ONE_PHOTO for passport in passports),
        "groups": len(np.unique(groups)),
        "photos": len(known),
        "spread": float(samples.std(0).mean() / training.std(0).mean()),
    }


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("sets", nargs="+", metavar="NAME=FOLDER")
    options.add_argument("--canvas", default="64")
    options.add_argument("--samples", type=int, default=200)
    options.add_argument("--split", default="groups")
    options.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    values = dict(word.split("=", 1) for word in given.set)
    settings = parse_settings(PatchDiffusionSettings, values, "patch_diffusion")
    rows = []
    for name, folder in (word.split("=", 1) for word in given.sets):
        audit = audit_photos(Path(folder))
        for canvas in given.canvas.split(","):
            with tempfile.TemporaryDirectory() as place:
                wanted = DatasetSettings(canvas=canvas, folds=2, split=given.split)
                build_dataset(audit, Path(place) / "set", wanted)
                for fold in (0, 1):
                    found = judge(read_photos(Path(place) / "set", fold, "training"), settings, given.samples)
                    rows.append({"set": name, "canvas": canvas, "fold": fold, **found})
                    print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    if given.json:
        print(json.dumps({"rows": rows, "set": given.set, "hardware": hardware()}))
        return
    for row in rows:
        print(
            f"{row['set']:8} {row['canvas']:>4} px fold {row['fold']}: {row['copies']} of {row['samples']} copies "
            f"({row['of']}), allowed {row['allowed_share']:.1%}, limit {row['near_limit']:.3f}; "
            f"{row['one_photo']} from one photo; spread {row['spread']:.2f}; "
            f"{row['photos']} photos in {row['groups']} groups"
        )


if __name__ == "__main__":
    main()
