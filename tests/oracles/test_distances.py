"""FID and KID against what torch-fidelity printed; make_distances.py beside this file made the numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from handful.scores import fid, kid
from handful.scores.base import FeatureSets

FOLDER = Path(__file__).parent
PRINTED = json.loads((FOLDER / "distances.json").read_text("utf-8"))["printed"]


def stored(name: str) -> tuple[np.ndarray, np.ndarray]:
    with np.load(FOLDER / "distances.npz") as arrays:
        return arrays[f"{name}_a"].astype(np.float64), arrays[f"{name}_b"].astype(np.float64)


@pytest.mark.parametrize("name", PRINTED)
def test_fid_equals_the_oracle(name: str) -> None:
    samples, photos = stored(name)
    found = fid.score(FeatureSets(samples, photos, photos, photos[:0])).value
    # a singular product has eigenvalues of rounding noise, whose square roots put the oracle off by about 1e-8
    singular = min(len(samples), len(photos)) <= samples.shape[1]
    assert found == pytest.approx(PRINTED[name]["fid"], rel=1e-6 if singular else 1e-9)


@pytest.mark.parametrize("name", PRINTED)
def test_kid_equals_the_oracle(name: str) -> None:
    samples, photos = (features[: PRINTED[name]["kid_rows"]] for features in stored(name))
    found = kid.score(FeatureSets(samples, photos, photos, photos[:0])).value
    assert found == pytest.approx(PRINTED[name]["kid_first_rows"], rel=1e-9)
