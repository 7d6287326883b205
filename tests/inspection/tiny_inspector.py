"""A linear inspector that fits in milliseconds: ridge regression on pixels and on how rough an image is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field

from handful.core.config import Settings
from handful.core.images import Floats
from handful.core.seeds import numpy_stream
from handful.inspection.base import Inspector, InspectorFacts, Predictions, Weights, usable_rows
from handful.inspection.labelled_set import LabelledSet

FACTS = InspectorFacts(tasks=("binary",), good_only=False, goes_on=True)


class TinySettings(Settings):
    """As small as can be."""

    ridge: float = Field(30.0, gt=0)
    steps: int = Field(2, ge=1)


class Tiny(Inspector):
    """Each fit draws its rows anew, so that seeds differ; a second fit is drawn towards the first."""

    settings_class = TinySettings

    def __init__(self, settings: TinySettings, seed: int, device: str = "cpu", cache: Path | None = None) -> None:
        super().__init__(settings, seed, device, cache)
        self.settings = settings
        self.weights: npt.NDArray[np.float64] | None = None

    def fit(self, train: LabelledSet, weights: Weights | None = None) -> None:
        rows = usable_rows("tiny", FACTS, train, weights)
        random = numpy_stream(self.seed, "tiny rows")
        sides = [rows[train.labels[rows] == 0], rows[train.labels[rows] > 0]]
        rows = np.concatenate([random.choice(side, len(side)) for side in sides])
        x, y = features(train.images[rows]), np.where(train.labels[rows] > 0, 1.0, -1.0)
        balance = np.where(y > 0, 1 / (y > 0).sum(), 1 / (y < 0).sum()) * len(y) / 2
        before = np.zeros(x.shape[1]) if self.weights is None else self.weights
        gram = x.T @ (x * balance[:, None]) + self.settings.ridge * np.eye(x.shape[1])
        self.weights = np.linalg.solve(gram, x.T @ (balance * y) + self.settings.ridge * before)

    def predict(self, images: Floats) -> Predictions:
        assert self.weights is not None
        return Predictions(features(images) @ self.weights, None, None)


def features(images: Floats) -> npt.NDArray[np.float64]:
    """Pixels, and what is left of an image where its neighbours' mean is taken away."""
    flat = images.reshape(len(images), -1).astype(np.float64)
    rough = np.abs(np.diff(images, axis=3)).mean(axis=(1, 2, 3)) - 0.34
    return np.column_stack([flat, 8 * rough, np.full(len(flat), 0.3)])
