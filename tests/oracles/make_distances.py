"""Makes distances.npz and distances.json: FID and KID of stored features as torch-fidelity computes them.

Run once, in an environment with torch-fidelity 0.4.0: python tests/oracles/make_distances.py
"""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import numpy as np
import torch

# torchvision's compiled operators do not load beside a CPU build of torch; torch-fidelity needs only its Python part
_library = torch.library.Library("torchvision", "DEF")
_library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
_library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric  # noqa: E402
from torch_fidelity.metric_kid import kid_features_to_metric  # noqa: E402

FOLDER = Path(__file__).parent


def draw(seed: int, images: int, dimensions: int, shift: float, rank: int) -> np.ndarray:
    """Non-negative features with a decaying spectrum, as pooled ReLU features are; float32."""
    random = np.random.default_rng(seed)
    directions = np.random.default_rng(99).normal(size=(rank, dimensions)) / np.arange(1, rank + 1)[:, None] ** 0.5
    return np.maximum(0.3 + shift + 0.4 * random.normal(size=(images, rank)) @ directions, 0).astype(np.float32)


def main() -> None:
    pairs = {
        "full_rank": (draw(0, 60, 32, 0.0, 32), draw(1, 80, 32, 0.15, 32)),
        "few_images": (draw(2, 60, 64, 0.0, 48), draw(3, 80, 64, 0.1, 48)),
        "rank_deficient": (draw(4, 12, 256, 0.0, 64), draw(5, 40, 256, 0.05, 64)),
    }
    printed = {}
    for name, (samples, photos) in pairs.items():
        a, b = (torch.from_numpy(features.astype(np.float64)) for features in (samples, photos))
        fid = fid_statistics_to_metric(fid_features_to_statistics(a), fid_features_to_statistics(b), verbose=False)
        entry = {"fid": float(fid["frechet_inception_distance"])}
        # torch-fidelity draws subsets of equal size from both sets: with all rows of both, one subset is the
        # plain unbiased estimate. So both sets are cut to the shorter one here, and the test does the same.
        n = min(len(a), len(b))
        kid = kid_features_to_metric(
            a[:n],
            b[:n],
            kid_subsets=1,
            kid_subset_size=n,
            kid_kernel_poly_degree=3,
            kid_kernel_poly_gamma=None,
            kid_kernel_poly_coef0=1,
            rng_seed=0,
            verbose=False,
        )
        entry["kid_first_rows"] = float(kid["kernel_inception_distance_mean"])
        entry["kid_rows"] = n
        printed[name] = entry
    arrays = {f"{name}_{side}": array for name, pair in pairs.items() for side, array in zip("ab", pair, strict=True)}
    np.savez_compressed(FOLDER / "distances.npz", **arrays)
    versions = {name: metadata.version(name) for name in ("torch-fidelity", "torch", "numpy", "scipy")}
    text = json.dumps({"versions": versions, "printed": printed}, indent=2) + "\n"
    (FOLDER / "distances.json").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
