"""Does the gate catch planted copies and let new photos pass? Measured on photos that it was not calibrated with.

Of each set, 30 photos count as training photos and 10 as held out: the gate is calibrated on these 40. Then copies of
all 30 are planted again, with other shifts and gains, and every photo left is an honest sample. Groups of photos (by a
pattern in their names) are never split. Goal: of each kind at least 99 % caught, at most 1 % false alarms.

Usage: python benchmarks/copy_gate.py NAME=FOLDER[=PATTERN[=EVERY]] ... [--side PX] [--draws N] [--json]
    PATTERN: its matches in file names are groups, in natural order; EVERY: take every so-manieth photo.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path

import numpy as np
from hardware import hardware
from PIL import Image

from handful.core.decode import list_photo_files
from handful.scores.alike import Photos
from handful.scores.gate import calibrate, warnings
from handful.scores.planted import KINDS, SHIFT_SHARE, plant
from handful.statistics.binomial import share_at_most

TRAINING, HELDOUT = 30, 10


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


def split(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of training, held-out and honest photos: whole groups, in order, of which each takes so many photos."""
    parts: list[list[int]] = [[], [], []]
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group).tolist()
        place = 0 if len(parts[0]) < TRAINING else 1 if len(parts[1]) < HELDOUT else 2
        parts[place] += rows
    return np.array(parts[0][:TRAINING]), np.array(parts[1][:HELDOUT]), np.array(parts[2])


def measure(images: np.ndarray, groups: np.ndarray, draws: int) -> dict[str, object]:
    training, heldout, honest = split(groups)
    start = time.perf_counter()
    photos = Photos(images[training], SHIFT_SHARE, 255.0)
    calibration = calibrate(photos, images[training], groups[training], images[heldout])
    calibrated_s = time.perf_counter() - start
    caught = {}
    for kind in KINDS:
        hits: list[bool] = []
        right: list[bool] = []
        for draw in range(1, 1 + (draws if kind in ("shifted", "all together") else 1)):
            matches = photos.match(plant(images[training], kind, seed=draw))
            hits += [np.arctanh(min(match.likeness, 1 - 1e-9)) > calibration.near_limit for match in matches]
            right += [match.photo == row for row, match in enumerate(matches)]
        caught[kind] = {"share": float(np.mean(hits)), "n": len(hits), "right_photo": float(np.mean(right))}
    start = time.perf_counter()
    likeness = np.array([match.likeness for match in photos.match(images[honest])])
    alarms = int(np.sum(np.arctanh(np.clip(likeness, -1, 1 - 1e-9)) > calibration.near_limit))
    return {
        "canvas": f"{images.shape[2]}x{images.shape[1]}",
        "near_limit": float(np.tanh(calibration.near_limit)),
        "copy_limit": float(np.tanh(calibration.copy_limit)),
        "stated_caught": calibration.caught,
        "stated_false_alarms": calibration.false_alarms,
        "caught": caught,
        "honest_photos": len(honest),
        "false_alarms": alarms,
        "false_alarms_at_most": share_at_most(alarms, len(honest)),
        "most_alike_honest": float(likeness.max()),
        "calibration_s": calibrated_s,
        "ms_a_sample": 1000 * (time.perf_counter() - start) / len(honest),
        "notes": warnings(calibration),
    }


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("sets", nargs="+")
    options.add_argument("--side", type=int, default=128)
    options.add_argument("--draws", type=int, default=3)
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args()
    results = {}
    for words in chosen.sets:
        name, folder, pattern, every = (*words.split("="), "", "", "")[:4]
        results[name] = measure(*read(Path(folder), pattern, int(every or 1), chosen.side), chosen.draws)
        if not chosen.json:
            print(name, json.dumps(results[name], indent=1), flush=True)
    document = {"hardware": hardware(), "sets": results}
    if chosen.json:
        print(json.dumps(document))


if __name__ == "__main__":
    main()
