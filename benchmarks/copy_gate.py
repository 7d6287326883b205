"""Does the gate catch planted copies and let new photos pass? Measured on photos that it was not calibrated with.

Of each set, 30 photos count as training photos and 10 as held out (or as many of another --photos, three to one): the
gate is calibrated on these. Then copies of the 30 are planted again, with other shifts and gains, and every photo left
is an honest sample. Groups of photos (by a pattern in their names) are never split. This is repeated with other photos
in each part. Goal: of each kind at least 99 % caught, at most 1 % false alarms. Copies changed in ways that are not
planted, and that the gate does not claim to find, are judged as well: blurred, with noise, mixed with another photo, of
other JPEG qualities. Last, sets of 100 samples are put together from honest photos and 1, 5 and 20 % of planted copies
of all kinds, and it is counted how many fail.

Usage: python benchmarks/copy_gate.py NAME=FOLDER[=PATTERN[=EVERY]] ... [--side PX] [--photos N] [--draws N]
           [--splits N [--part K]] [--json]
    PATTERN: its matches in file names are groups, in natural order; EVERY: take every so-manieth photo.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hardware import hardware
from PIL import Image
from scipy import ndimage

from handful.core.decode import list_photo_files
from handful.scores.alike import Photos
from handful.scores.gate import SHARES, Calibration, calibrate, chance_to_fail, warnings
from handful.scores.planted import KINDS, SHIFT_SHARE, plant
from handful.scores.recompressed import compress
from handful.statistics.binomial import share_limits

PHOTOS, TRAINING_SHARE = 40, 0.75
SET_IMAGES, SETS = 100, 2000


def noisy(images: np.ndarray) -> np.ndarray:
    """Of 6 grey levels."""
    return np.clip(images + np.random.default_rng(3).normal(0, 6, images.shape), 0, 255).astype(np.float32)


UNCLAIMED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "blurred by 1 px": lambda images: ndimage.gaussian_filter(images, (0, 1, 1)),
    "blurred by 2 px": lambda images: ndimage.gaussian_filter(images, (0, 2, 2)),
    "noise": noisy,
    "15 % of another": lambda images: 0.85 * images + 0.15 * np.roll(images, 7, axis=0),
    "30 % of another": lambda images: 0.7 * images + 0.3 * np.roll(images, 7, axis=0),
    **{
        f"JPEG {quality}": lambda images, quality=quality: np.stack([compress(image, quality) for image in images])
        for quality in (50, 60, 68, 85)
    },
}


def read(folder: Path, pattern: str, every: int, side_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Photos (n, h, w) on the scale 0 to 255 in order of their groups, and the group of each."""
    paths = list_photo_files(folder)[::every]
    found = [re.search(pattern, path.name) if pattern else None for path in paths]
    keys = [match.group() if match else path.name for match, path in zip(found, paths, strict=True)]
    names = list(dict.fromkeys(keys))
    rows = []
    for path in paths:
        with Image.open(path) as picture:
            grey = picture.convert("L")
        scale = side_px / max(grey.size)
        size = (round(grey.width * scale), round(grey.height * scale))
        rows.append(np.asarray(grey.resize(size, Image.Resampling.BICUBIC), np.float32))
    groups = np.array([names.index(key) for key in keys])
    order = np.argsort(groups, kind="stable")
    return np.stack(rows)[order], groups[order]


def split(groups: np.ndarray, turn: float, photos: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of training, held-out and honest photos: whole groups, in order from a share `turn` of them on, of which
    the first two parts together take so many photos."""
    training = round(TRAINING_SHARE * photos)
    heldout = photos - training
    parts: list[list[int]] = [[], [], []]
    names = np.unique(groups)
    for group in np.roll(names, -round(turn * len(names))):
        rows = np.flatnonzero(groups == group).tolist()
        place = 0 if len(parts[0]) < training else 1 if len(parts[1]) < heldout else 2
        parts[place] += rows
    return np.array(parts[0][:training]), np.array(parts[1][:heldout]), np.array(parts[2])


def measure(images: np.ndarray, groups: np.ndarray, draws: int, turn: float, photos: int) -> dict[str, Any]:
    """One split: whether each planted copy, and each honest photo, is called a copy."""
    training, heldout, honest = split(groups, turn, photos)
    start = time.perf_counter()
    known = Photos(images[training], SHIFT_SHARE)
    calibration = calibrate(known, images[training], groups[training], images[heldout])
    calibrated_s = time.perf_counter() - start

    def called(samples: np.ndarray) -> list[bool]:
        z = np.arctanh([min(match.likeness, 1 - 1e-9) for match in known.match(samples)])
        return (z > calibration.near_limit).tolist()

    others = {kind: called(change(images[training])) for kind, change in UNCLAIMED.items()}
    caught = {}
    for kind in KINDS:
        often = draws if kind in ("shifted", "all together") else 1
        caught[kind] = [hit for draw in range(often) for hit in called(plant(images[training], kind, seed=draw + 1))]
    start = time.perf_counter()
    alarms = called(images[honest])
    return {
        "near_limit": calibration.near_likeness,
        "copy_limit": calibration.copy_likeness,
        "stated_caught": calibration.caught,
        "stated_false_alarms": calibration.false_alarms,
        "stated_fails": {f"{share:.0%}": chance_to_fail(share, SET_IMAGES, calibration) for share in SHARES},
        "caught": caught,
        "others": others,
        "alarms": alarms,
        "fails": {f"{share:.0%}": fails(share, caught, alarms, calibration) for share in (0.0, *SHARES)},
        "calibration_s": calibrated_s,
        "ms_a_sample": 1000 * (time.perf_counter() - start) / len(honest),
        "notes": warnings(calibration),
    }


def fails(share: float, caught: dict[str, list[bool]], alarms: list[bool], calibration: Calibration) -> float:
    """The share of sets that fail: copies of any kind, the rest honest photos, drawn from what was measured."""
    random = np.random.default_rng(0)
    copies = np.concatenate([random.choice(hits, 300) for hits in caught.values()])  # every kind as often
    planted = round(share * SET_IMAGES)
    flagged = random.choice(copies, (SETS, planted)).sum(1) + random.choice(alarms, (SETS, SET_IMAGES - planted)).sum(1)
    return float(np.mean([share_limits(int(hits), SET_IMAGES)[0] > calibration.allowed_share for hits in flagged]))


def joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts over all splits."""
    caught = {kind: [hit for part in parts for hit in part["caught"][kind]] for kind in KINDS}
    others = {kind: [hit for part in parts for hit in part["others"][kind]] for kind in UNCLAIMED}
    alarms = [alarm for part in parts for alarm in part["alarms"]]
    return {
        "caught": {kind: f"{sum(hits)}/{len(hits)}" for kind, hits in caught.items()},
        "others": {kind: f"{sum(hits)}/{len(hits)}" for kind, hits in others.items()},
        "all_caught": f"{sum(map(sum, caught.values()))}/{sum(map(len, caught.values()))}",
        "false_alarms": f"{sum(alarms)}/{len(alarms)}",
        "fails": {share: [part["fails"][share] for part in parts] for share in parts[0]["fails"]},
        "stated_fails": {share: [part["stated_fails"][share] for part in parts] for share in parts[0]["stated_fails"]},
        "stated_caught": [part["stated_caught"] for part in parts],
        "limits": [(part["near_limit"], part["copy_limit"]) for part in parts],
        "calibration_s": [part["calibration_s"] for part in parts],
        "ms_a_sample": [part["ms_a_sample"] for part in parts],
        "notes": [part["notes"] for part in parts],
    }


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("sets", nargs="+")
    options.add_argument("--side", type=int, default=128)
    options.add_argument("--photos", type=int, default=PHOTOS, help="The gate has so many.")
    options.add_argument("--draws", type=int, default=3)
    options.add_argument("--splits", type=int, default=3)
    options.add_argument("--part", type=int, help="Only this one of the splits, from 0.")
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args()
    results = {}
    for words in chosen.sets:
        name, folder, pattern, every = (*words.split("="), "", "", "")[:4]
        images, groups = read(Path(folder), pattern, int(every or 1), chosen.side)
        parts = range(chosen.splits) if chosen.part is None else [chosen.part]
        turns = [part / chosen.splits for part in parts]
        results[name] = {
            "canvas": f"{images.shape[2]}x{images.shape[1]}",
            "photos": len(images),
            **joined([measure(images, groups, chosen.draws, turn, chosen.photos) for turn in turns]),
        }
        if not chosen.json:
            print(name, json.dumps(results[name], indent=1), flush=True)
    document = {"hardware": hardware(), "sets": results}
    if chosen.json:
        print(json.dumps(document))


if __name__ == "__main__":
    main()
