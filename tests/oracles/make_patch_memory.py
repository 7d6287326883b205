"""What anomalib's PatchCore says of stored feature maps: makes patch_memory.npz, and prints for the benchmark.

Run in an environment of its own, with anomalib 2.7.0 beside a CPU build of torch:
    python tests/oracles/make_patch_memory.py                 # the small stored arrays, written beside this file
    python tests/oracles/make_patch_memory.py MAPS.npz 5      # maps that benchmarks/patch_memory.py saved, 5 seeds

Only the network is replaced: by one that hands out the given maps. Pooling, joining, coreset, search, reweighting and
map are anomalib's own code.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

warnings.filterwarnings("ignore")
# torchvision's compiled operators do not load beside a CPU build of torch; anomalib's PatchCore needs none of them
_library = torch.library.Library("torchvision", "DEF")
_library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
_library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from anomalib.models.image.patchcore import torch_model  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402

FOLDER = Path(__file__).parent
LAYERS = ("stride-8", "stride-16")
BATCH = 16


class Handed(torch.nn.Module):
    """Stands where the network was: an image's only pixel value is its row among the maps."""

    def __init__(self, maps: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        rows = images[:, 0, 0, 0].long()
        return {layer: self.maps[layer][rows] for layer in LAYERS}


def run(
    train: dict[str, np.ndarray], test: dict[str, np.ndarray], size: tuple[int, int], share: float, seed: int
) -> dict[str, Any]:
    """Fits to the maps of training images and scores those of test images."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    torch_model.TimmFeatureExtractor = lambda **_: torch.nn.Identity()
    model = torch_model.PatchcoreModel(layers=LAYERS, pre_trained=False)
    start = time.process_time()
    model.train()
    batches(model, train, size)
    model.subsample_embedding(share)
    fitted = time.process_time()
    model.eval()
    found = batches(model, test, size)
    done = time.process_time()
    return {
        "scores": torch.cat([one.pred_score for one in found]).numpy(),
        "memory": model.memory_bank.numpy(),
        "fit_s": fitted - start,
        "predict_s": done - fitted,
    }


def batches(model: torch.nn.Module, maps: dict[str, np.ndarray], size: tuple[int, int]) -> list[Any]:
    model.feature_extractor = Handed({layer: torch.from_numpy(maps[layer]) for layer in LAYERS})
    count = len(maps[LAYERS[0]])
    rows = torch.arange(count, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 3, *size)
    with torch.no_grad():
        return [model(rows[start : start + BATCH]) for start in range(0, count, BATCH)]


def draw(seed: int, images: int, odd: int) -> dict[str, np.ndarray]:
    """Smooth maps with a decaying spectrum; the last `odd` images have a patch of another kind."""
    random = np.random.default_rng(seed)
    mix = {8: np.random.default_rng(98).normal(size=(6, 6)), 4: np.random.default_rng(99).normal(size=(6, 10))}
    maps = {}
    for layer, side in zip(LAYERS, (8, 4), strict=True):
        values = random.normal(size=(images, side, side, 6)) / np.arange(1, 7)
        for row in range(images - odd, images):
            place = random.integers(1, side - 1, size=2)
            values[row, place[0], place[1]] += 1.5
        maps[layer] = np.moveaxis(values @ mix[side], 3, 1).astype(np.float32)
    return maps


def named(maps: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {f"{prefix}/{layer}": array for layer, array in maps.items()}


def versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in ("anomalib", "torch", "numpy")}


def small() -> None:
    train, test = draw(0, 6, 0), draw(1, 12, 6)
    found = run(train, test, (32, 32), 1.0, seed=0)  # all patches kept: the coreset decides their order alone
    np.savez_compressed(
        FOLDER / "patch_memory.npz",
        **named(train, "train"),
        **named(test, "test"),
        memory=found["memory"],
        scores=found["scores"],
    )


def large(path: Path, seeds: int) -> None:
    with np.load(path) as stored:
        maps = {side: {layer: stored[f"{side}/{layer}"] for layer in LAYERS} for side in ("train", "test")}
        defective, size, share = stored["defective"], tuple(stored["size"].tolist()), float(stored["share"])
        torch.set_num_threads(int(stored["threads"]))
    runs = [run(maps["train"], maps["test"], size, share, seed) for seed in range(seeds)]
    printed = {
        "versions": versions(),
        "auroc": [float(roc_auc_score(defective, one["scores"])) for one in runs],
        "memory": len(runs[0]["memory"]),
        "fit_s": [one["fit_s"] for one in runs],
        "predict_s": [one["predict_s"] for one in runs],
    }
    print(json.dumps(printed))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        large(Path(sys.argv[1]), seeds=int(sys.argv[2]))
    else:
        small()
