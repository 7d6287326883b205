"""patch_memory against anomalib's PatchCore; make_patch_memory.py and benchmarks/patch_memory.py made the numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from handful.core.images import Floats, integers_to_unit
from handful.inspection.base import build_inspector
from handful.inspection.inspectors.patch_memory import choose_centres, find_nearest, join_layers, reweigh
from handful.inspection.labelled_set import LabelledSet
from handful.inspection.metrics import auroc

FOLDER = Path(__file__).parent
LAYERS = ("stride-8", "stride-16")


@pytest.fixture(scope="module")
def stored() -> dict[str, torch.Tensor]:
    with np.load(FOLDER / "patch_memory.npz") as arrays:
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


def embed(stored: dict[str, torch.Tensor], side: str) -> torch.Tensor:
    """(n, d, 8, 8)."""
    return join_layers([stored[f"{side}/{layer}"] for layer in LAYERS])


def test_scores_equal_the_oracle(stored: dict[str, torch.Tensor]) -> None:
    patches = embed(stored, "test").flatten(2).transpose(1, 2)
    distances, nearest = (
        found.view(len(patches), -1) for found in find_nearest(patches.flatten(0, 1), stored["memory"])
    )
    torch.testing.assert_close(
        reweigh(patches, distances, nearest, stored["memory"], 9), stored["scores"], rtol=1e-4, atol=0
    )
    plain = reweigh(patches, distances, nearest, stored["memory"], 1)
    assert not torch.allclose(plain, stored["scores"], rtol=1e-2)  # so the weights were not 1


def test_patches_equal_the_oracles(stored: dict[str, torch.Tensor]) -> None:
    patches = embed(stored, "train").flatten(2).transpose(1, 2).flatten(0, 1)
    rows = choose_centres(patches, len(patches), 4, torch.Generator().manual_seed(0))
    assert rows.sort().values.tolist() == list(range(len(patches)))
    distances, _ = find_nearest(stored["memory"], patches[rows])
    assert len(stored["memory"]) == len(patches) and distances.max() < 1e-5


def test_each_centre_is_the_patch_farthest_from_those_before() -> None:
    line = torch.tensor([[0.0], [1.0], [4.0], [9.0], [10.0]])
    for seed in range(5):
        rows = choose_centres(line, 4, 1, torch.Generator().manual_seed(seed)).tolist()
        for count in range(1, 4):
            far = (line - line[rows[:count]].T).abs().min(dim=1).values
            assert far[rows[count]] == far.max(), rows


@pytest.mark.slow
def test_auroc_on_real_pits_is_within_one_hundredth_of_the_oracles(shared_data: Path, lite0: str) -> None:
    printed = json.loads((FOLDER / "patch_memory.json").read_text("utf-8"))
    crop_px, defective = printed["crop_px"], np.array([crop[3] for crop in printed["test"]])

    def read(crops: list[tuple[str, int, int, bool]]) -> Floats:
        images = []
        for name, left, top, _ in crops:
            with Image.open(shared_data / "bsdata_ballscrew" / "data" / f"{name}.jpg") as photo:
                images.append(integers_to_unit(np.asarray(photo.crop((left, top, left + crop_px, top + crop_px))), 8))
        return np.stack(images)

    good, none = read(printed["train"]), ("",) * len(printed["train"])
    train = LabelledSet(good, np.zeros(len(good), np.intp), ("pit",), None, none, np.arange(len(good)), none)
    found = []
    for seed in range(len(printed["anomalib"]["auroc"])):
        inspector = build_inspector("patch_memory", {"side_px": printed["side_px"]}, seed)
        inspector.fit(train)
        found.append(auroc(inspector.predict(read(printed["test"])).defect, defective))
    assert np.mean(found) == pytest.approx(np.mean(printed["anomalib"]["auroc"]), abs=0.01)
