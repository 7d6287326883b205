"""patch_memory against anomalib's PatchCore: AUROC and CPU seconds with the same features on the same split.

Crops around the pits of the ball screw (CC BY-SA 4.0, arXiv 2103.13003) against crops of the same height elsewhere in
the same late photos; every second place teaches (its good crops alone), the others test. Handful's network computes the
feature maps once; from there on each side runs its own code: pooling, joining, memory, search, reweighting and map.
anomalib runs in its own environment: tests/oracles/make_patch_memory.py says how. Without --oracle only Handful runs.

Prints one JSON line; --write keeps it, with the crops, for tests/oracles/test_patch_memory.py.

Usage: python benchmarks/patch_memory.py DATA [--oracle PYTHON] [--crop 64] [--side 96] [--seeds 3] [--write FILE]
    DATA is a folder of the data set with data/ and label/.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hardware import hardware
from PIL import Image
from torch.nn import functional as F

from handful.core.images import Floats, integers_to_unit
from handful.core.seeds import numpy_stream
from handful.features.maps import MapExtractor
from handful.inspection.inspectors import patch_memory
from handful.inspection.inspectors.patch_memory import FACTS, PatchMemory, PatchMemorySettings
from handful.inspection.labelled_set import LabelledSet
from handful.inspection.metrics import auroc

ORACLE = Path(__file__).parents[1] / "tests" / "oracles" / "make_patch_memory.py"
LAYERS = ("stride-8", "stride-16")
SHARE = 0.1
TRIES = 50  # to find a good crop beside a pit

Crop = tuple[str, int, int, bool]
"""Photo, left, top, whether a pit is inside."""


def choose_crops(data: Path, side: int) -> tuple[list[Crop], list[Crop]]:
    """Good crops of every second place, and crops of both kinds of the others."""
    random, places = numpy_stream(0, "benchmark/pits"), {}
    for sheet in sorted((data / "label").glob("*.json")):
        labels = json.loads(sheet.read_text("utf-8"))
        width, height = labels["imageWidth"], labels["imageHeight"]
        corners = [np.array(shape["points"]) for shape in labels["shapes"]]
        boxes = [(*polygon.min(axis=0), *polygon.max(axis=0)) for polygon in corners]
        crops = places.setdefault(sheet.stem.split("_", 2)[2], [])
        for left, top, right, bottom in boxes:
            x, y = (
                int(np.clip((low + high) / 2 - side / 2 + random.integers(-side // 4, side // 4 + 1), 0, most - side))
                for low, high, most in ((left, right, width), (top, bottom, height))
            )
            crops.append((sheet.stem, x, y, True))
            for _ in range(TRIES):
                x = int(random.integers(0, width - side + 1))
                if all(x + side < l or x > r or y + side < t or y > b for l, t, r, b in boxes):  # noqa: E741
                    crops.append((sheet.stem, x, y, False))
                    break
    inside = [crop for place in sorted(places)[::2] for crop in places[place] if not crop[3]]
    return inside, [crop for place in sorted(places)[1::2] for crop in places[place]]


def read_crops(data: Path, crops: list[Crop], crop_px: int, side_px: int) -> Floats:
    """(n, 3, side_px, side_px) in [-1, 1]."""
    pictures = []
    for name, left, top, _ in crops:
        with Image.open(data / "data" / f"{name}.jpg") as photo:
            pictures.append(integers_to_unit(np.asarray(photo.crop((left, top, left + crop_px, top + crop_px))), 8))
    images = torch.from_numpy(np.stack(pictures))
    return F.interpolate(images, (side_px, side_px), mode="bilinear", align_corners=False, antialias=True).numpy()


class Handed:
    """Stands where the network was: an image's only pixel value is its row among the maps."""

    def __init__(self, maps: dict[str, Floats]) -> None:
        self.maps = maps

    def __call__(self, images: Floats) -> dict[str, Floats]:
        rows = images[:, 0, 0, 0].astype(int)
        return {layer: self.maps[layer][rows] for layer in LAYERS}


def run(maps: dict[str, dict[str, Floats]], side_px: int, seed: int) -> dict[str, Any]:
    """Handful's side, from the maps on."""
    inspector = PatchMemory(PatchMemorySettings(side_px=side_px, memory_share=SHARE), seed)

    def numbered(side: str) -> Floats:
        count = len(maps[side][LAYERS[0]])
        return np.broadcast_to(np.arange(count, dtype=np.float32)[:, None, None, None], (count, 3, side_px, side_px))

    train, test = numbered("train"), numbered("test")
    none = ("",) * len(train)
    start = time.process_time()
    inspector._extractor = Handed(maps["train"])
    inspector.fit(LabelledSet(train, np.zeros(len(train), int), ("pit",), None, none, np.arange(len(train)), none))
    fitted = time.process_time()
    inspector._extractor = Handed(maps["test"])
    scores = inspector.predict(test).defect
    return {
        "scores": scores,
        "memory": len(inspector._memory),
        "fit_s": fitted - start,
        "predict_s": time.process_time() - fitted,
    }


def join_inside(maps: list[torch.Tensor]) -> torch.Tensor:
    """As `join_layers`, but a patch at the border is the mean of those neighbours that lie inside the image."""
    pooled = [F.avg_pool2d(one, 3, stride=1, padding=1, count_include_pad=False) for one in maps]
    size = pooled[0].shape[2:]
    return torch.cat([F.interpolate(one, size, mode="bilinear", align_corners=False) for one in pooled], dim=1)


def ask_oracle(python: str, maps: dict[str, dict[str, Floats]], defective: np.ndarray, side_px: int, seeds: int) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "maps.npz"
        arrays = {f"{side}/{layer}": array for side, layers in maps.items() for layer, array in layers.items()}
        np.savez(file, **arrays, defective=defective, size=[side_px, side_px], share=SHARE, threads=1)
        done = subprocess.run([python, str(ORACLE), str(file), str(seeds)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--oracle")
    parser.add_argument("--crop", type=int, default=64)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--write", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    train, test = choose_crops(chosen.data, chosen.crop)
    network, start = MapExtractor(FACTS.network), time.process_time()
    maps = {}
    for side, crops in (("train", train), ("test", test)):
        found = network(read_crops(chosen.data, crops, chosen.crop, chosen.side))
        maps[side] = {layer: found[layer] for layer in LAYERS}
    features_s = time.process_time() - start
    defective = np.array([crop[3] for crop in test])
    runs = [run(maps, chosen.side, seed) for seed in range(chosen.seeds)]
    ours = {
        "auroc": [auroc(one["scores"], defective) for one in runs],
        "memory": runs[0]["memory"],
        "fit_s": [one["fit_s"] for one in runs],
        "predict_s": [one["predict_s"] for one in runs],
    }
    result: dict[str, Any] = {
        "hardware": hardware(threads=1),
        "crop_px": chosen.crop,
        "side_px": chosen.side,
        "train_good": len(train),
        "test_good": int(np.sum(~defective)),
        "test_defective": int(np.sum(defective)),
        "features_s": features_s,
        "handful": ours,
    }
    patch_memory.join_layers = join_inside
    scores = [run(maps, chosen.side, seed)["scores"] for seed in range(chosen.seeds)]
    result["auroc_with_means_inside_the_image"] = [auroc(one, defective) for one in scores]
    if chosen.oracle:
        theirs = ask_oracle(chosen.oracle, maps, defective, chosen.side, chosen.seeds)
        result["anomalib"] = theirs
        for word in ("fit_s", "predict_s"):
            result[f"{word}_ratio"] = float(np.median(theirs[word]) / np.median(ours[word]))
        result["auroc_difference"] = float(np.mean(ours["auroc"]) - np.mean(theirs["auroc"]))
    print(json.dumps(result))
    if chosen.write:
        chosen.write.write_text(json.dumps(result | {"train": train, "test": test}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
