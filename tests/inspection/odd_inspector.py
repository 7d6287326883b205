"""An inspector that learns from good images alone: how far an image is from their mean, where the pattern counts."""

from __future__ import annotations

import numpy as np

from handful.core.config import Settings
from handful.core.images import Floats
from handful.inspection.base import Inspector, InspectorFacts, Predictions, Weights, usable_rows
from handful.inspection.labelled_set import LabelledSet

FACTS = InspectorFacts(tasks=("binary", "anomaly"), good_only=True, least_defective=0)


class OddSettings(Settings):
    """None."""


class Odd(Inspector):
    """Distance to the mean of the good images."""

    settings_class = OddSettings

    def fit(self, train: LabelledSet, weights: Weights | None = None) -> None:
        self.mean = train.images[usable_rows("odd", FACTS, train, weights)].mean(axis=0)

    def predict(self, images: Floats) -> Predictions:
        distances = np.square(images - self.mean).sum(axis=(1, 2, 3), dtype=np.float64)
        return Predictions(distances, None, None)
