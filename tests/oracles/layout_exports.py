"""The exported sets and the outlines that make_layouts.py gives to the formats' own readers: the same every time."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from handful.core.artifacts import SAMPLE_ROWS, SampleManifest, SampleRow, Size
from handful.core.images import pixels_sha256, png_bytes
from handful.core.labels import label_of
from handful.samples.export import export_set
from handful.samples.export_formats import Format

KINDS = ("bubble", "gap")
SIZE = Size(width=40, height=30)
FORMATS: tuple[Format, ...] = ("coco", "yolo", "voc")


def index_maps() -> list[np.ndarray]:
    """Good; a ring; two kinds that touch; specks, one on the border."""
    good, ring, two, specks = (np.zeros((30, 40), np.uint8) for _ in range(4))
    ring[5:20, 8:30] = 2
    ring[9:15, 12:24] = 0
    two[3:10, 3:12], two[10:25, 6:20] = 1, 2
    specks[0, 0], specks[12:14, 20:23], specks[25:30, 35:40] = 1, 1, 2
    return [good, ring, two, specks]


def polygons() -> list[list[tuple[float, float]]]:
    """Stars of 12 random corners around random places, partly over the border."""
    random = np.random.default_rng(7)
    found = []
    for _ in range(12):
        angles = np.sort(random.uniform(0, 2 * np.pi, 12))
        radii = random.uniform(2, 12, 12)
        x, y = random.uniform(5, 35), random.uniform(5, 25)
        corners = np.stack([x + radii * np.cos(angles), y + radii * np.sin(angles)], axis=1)
        found.append([tuple(corner) for corner in np.clip(corners, 0, (40, 30)).round(3).tolist()])
    return found


def make_exports(folder: Path) -> None:
    """folder/set, a set of samples, folder/coco, ..., its exports, and folder/polygons.json."""
    samples = folder / "set"
    (samples / "masks").mkdir(parents=True)
    rows = []
    for seed, found in enumerate(index_maps()):
        pixels = np.random.default_rng(seed).integers(0, 256, found.shape, dtype=np.uint8)
        (samples / f"{seed:06d}.png").write_bytes(png_bytes(pixels, 8))
        (samples / f"masks/{seed:06d}.png").write_bytes(png_bytes(found, 8))
        label = label_of(found, KINDS)
        rows.append(
            SampleRow(file=f"{seed:06d}.png", seed=seed, run_id="oracle-0", photos_fingerprint="", weights_sha256="",
                      pixels_sha256=pixels_sha256(pixels), label=label,
                      mask=None if label == "good" else f"masks/{seed:06d}.png")
        )  # fmt: skip
    (samples / SAMPLE_ROWS).write_text("".join(row.model_dump_json() + "\n" for row in rows), encoding="utf-8")
    SampleManifest(
        run_id="oracle-0", generator="cutter", anchor=False, source_type="algorithmicMedia", seed=0, count=len(rows),
        canvas=SIZE, channels=1, bit_depth=8, training_fingerprint="", weights_sha256="", kinds=KINDS, seconds=0.0,
    ).write(samples)  # fmt: skip
    for format in FORMATS:
        export_set(samples, folder / format, format)
    (folder / "polygons.json").write_text(json.dumps(polygons()), encoding="utf-8")


if __name__ == "__main__":
    make_exports(Path(sys.argv[1]))
