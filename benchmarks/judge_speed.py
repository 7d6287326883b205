"""How long does the judge take? Every score of heldout-v1 on 40 photos and 100 samples at 256 px, one by one and whole.

Of the photos given, 40 are the data set (30 to learn from, 10 held out), the others are samples. In each space the
features come first, then each score; then everything is asked again, from what was kept. Seconds by the clock and of
the processor: on a machine that does other things only the latter mean anything. Goal: 90 s whole, 5 s from what was
kept.

Usage: python benchmarks/judge_speed.py PHOTOS [--samples N] [--spaces A,B] [--threads N] [--anchors] [--json]
    PHOTOS: a folder of at least 40 + N images of one size, as `handful station PHOTOS -n 140 --width 256 --height 256`
        makes it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hardware import hardware
from PIL import Image

from handful.core.decode import list_photo_files
from handful.core.device import start_runtime
from handful.core.progress import ignore
from handful.dataset.build import build_dataset
from handful.dataset.settings import DatasetSettings
from handful.photos.audit import audit_photos
from handful.scores.bench import Bench
from handful.scores.image_sets import read_photos, read_samples
from handful.scores.photo_anchors import score_photo_anchors
from handful.scores.protocol import PIXELS, find_protocol

PHOTOS, HELDOUT = 40, 0.25
SPACES = ("inception-2015", "efficientnet-lite0", PIXELS)
GOAL_S, KEPT_GOAL_S = 90.0, 5.0
Seconds = dict[str, float]


@contextmanager
def timed(found: dict[str, Seconds], name: str) -> Iterator[None]:
    clock, processor = time.perf_counter(), time.process_time()
    yield
    found[name] = {
        "clock_s": round(time.perf_counter() - clock, 3),
        "processor_s": round(time.process_time() - processor, 3),
    }


def arrange(photos: Path, work: Path, samples: int) -> None:
    """The first 40 as a data set, the others as a folder of samples."""
    paths = list_photo_files(photos)[: PHOTOS + samples]
    assert len(paths) == PHOTOS + samples, f"{photos} holds {len(paths)} images, {PHOTOS + samples} are needed"
    for path in paths:
        folder = work / ("photos" if path in paths[:PHOTOS] else "samples")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / path.name)
    with Image.open(paths[0]) as picture:
        canvas = f"{picture.width}x{picture.height}"
    build_dataset(audit_photos(work / "photos"), work / "dataset", DatasetSettings(canvas=canvas, heldout=HELDOUT))


def judge(work: Path, spaces: Sequence[str], threads: int | None) -> dict[str, dict[str, Seconds]]:
    """Space -> what was done -> how long it took."""
    device = start_runtime("cpu", precision="fp32", threads=threads).device
    protocol = find_protocol("heldout-v1")
    known = read_photos(work / "dataset", 0, "heldout")
    drawn = read_samples(work / "samples", known)
    found: dict[str, dict[str, Seconds]] = {}
    for space in spaces:
        own = found.setdefault(space, {})
        bench = Bench(protocol, space, known, device, work / "kept", ignore)
        with timed(own, "features"):
            sets = bench.sets(drawn)
        names, left_out = bench.usable(sets)
        for name in names:
            with timed(own, name):
                refused = bench.ask([name], sets)[1]
            left_out |= refused
        for name, error in left_out.items():
            print(f"{name} is left out: {error.what} {error.allowed}", flush=True)
    return found


def total(found: dict[str, dict[str, Seconds]]) -> Seconds:
    parts = [seconds for own in found.values() for seconds in own.values()]
    return {name: round(sum(part[name] for part in parts), 2) for name in ("clock_s", "processor_s")}


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("photos", type=Path)
    options.add_argument("--samples", type=int, default=100)
    options.add_argument("--spaces", default=",".join(SPACES), help="Those of them to ask.")
    options.add_argument("--threads", type=int)
    options.add_argument("--anchors", action="store_true")
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args()
    spaces = chosen.spaces.split(",")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        arrange(chosen.photos, work, chosen.samples)
        first = judge(work, spaces, chosen.threads)
        kept = judge(work, spaces, chosen.threads)
        anchors: dict[str, Seconds] = {}
        for space in spaces if chosen.anchors else ():
            with timed(anchors, space):
                score_photo_anchors(work / "dataset", work, "heldout-v1", space, threads=chosen.threads)
    document: dict[str, Any] = {
        "hardware": hardware(chosen.threads),
        "samples": chosen.samples,
        "first": first,
        "first_total": total(first),
        "first_goal_s": GOAL_S,
        "kept": kept,
        "kept_total": total(kept),
        "kept_goal_s": KEPT_GOAL_S,
        "anchors": anchors,
    }
    if chosen.json:
        print(json.dumps(document))
        return
    for words, asked in (("first", first), ("from what was kept", kept)):
        for space, own in asked.items():
            for name, seconds in own.items():
                print(f"{words:20} {space:20} {name:18} {seconds['clock_s']:8.2f} s {seconds['processor_s']:8.2f} s")
        print(f"{words:20} {'whole':39} {total(asked)}")
    for space, seconds in anchors.items():
        print(f"{'anchors':20} {space:39} {seconds}")


if __name__ == "__main__":
    main()
