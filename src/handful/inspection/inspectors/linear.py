"""Logistic regression on the features of a frozen network: the strongest simple inspector where photos are few.

Paper: Kornblith, Shlens, Le (2018), "Do Better ImageNet Models Transfer Better?", arXiv 1805.08974, section 4.2:
    logistic regression on fixed features, its penalty chosen on held-out training images.
Differs: the penalty is chosen by cross-validation whose folds never part a group of near-duplicates, by the log loss of
    good against defective, with each of the two counting one half.
Good for: from a few photos of each class on; fits in seconds; no training budget.
Weak at: defects that are small beside the image, which one row of pooled features hardly shows.
Origin: written here; the regression is scikit-learn's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from handful.core.config import Settings
from handful.core.images import Floats
from handful.core.seeds import stream_seed
from handful.features.image_set import Features
from handful.inspection.base import Inspector, InspectorFacts, Predictions, Weights, usable_rows
from handful.inspection.gradient import balanced_shares
from handful.inspection.kept_features import KeptFeatures
from handful.inspection.labelled_set import LabelledSet, Labels

FACTS = InspectorFacts(tasks=("binary", "kinds"), good_only=False, network="efficientnet-lite0")

_LEAST_CHANCE = 1e-6


class LinearSettings(Settings):
    """The penalties to choose from."""

    penalties: tuple[float, ...] = Field((1e-4, 1e-3, 1e-2, 1e-1, 1.0), min_length=1)
    """Values of C, the inverse of the penalty; the middle one is taken where too few groups are there to choose."""
    folds: int = Field(5, ge=2)
    """Of the inner cross-validation; fewer where a class has fewer groups."""
    most_iterations: int = Field(500, ge=1)
    """Of the solver, for each fit."""


class Linear(Inspector):
    """Standardised features, multinomial logistic regression."""

    settings_class = LinearSettings

    def __init__(self, settings: LinearSettings, seed: int, device: str = "cpu", cache: Path | None = None) -> None:
        super().__init__(settings, seed, device, cache)
        self.settings = settings
        self.penalty = float("nan")
        """C, as the last `fit` chose it."""
        self._features = KeptFeatures(FACTS.network, device, cache)
        self._model: Pipeline | None = None
        self._classes = 0

    def fit(self, train: LabelledSet, weights: Weights | None = None) -> None:
        """As `Inspector.fit`: learns anew.

        Raises:
            UserError: too few images, or the network's weights are missing.
        """
        rows = usable_rows("linear", FACTS, train, weights)
        shares = None if weights is None else weights[rows]
        features, labels = self._features(train.images[rows]), train.labels[rows]
        self.penalty = self._choose_penalty(features, labels, train.groups[rows], shares)
        self._model = self._fitted(features, labels, shares, self.penalty)
        self._classes = 1 + len(train.kinds)

    def predict(self, images: Floats) -> Predictions:
        """As `Inspector.predict`; `defect` is the log of the odds of any defect. A kind that training lacked has
        probability 0."""
        assert self._model is not None, "fit comes first"
        known = self._model.classes_
        kinds = np.zeros((len(images), self._classes))
        features = self._features(images)
        kinds[:, known] = self._model.predict_proba(features)
        logits = self._model.decision_function(features)
        if logits.ndim == 1:  # two classes: already the log of their odds
            return Predictions(logits.astype(np.float64), kinds, None)
        return Predictions(np.logaddexp.reduce(logits[:, 1:], axis=1) - logits[:, 0], kinds, None)

    def _choose_penalty(self, features: Features, labels: Labels, groups: Labels, shares: Weights | None) -> float:
        penalties = sorted(self.settings.penalties)
        defective = labels > 0
        folds = min(self.settings.folds, *(len(np.unique(groups[side])) for side in (defective, ~defective)))
        if folds < 2 or len(penalties) == 1:
            return penalties[len(penalties) // 2]
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=stream_seed(self.seed, "linear") % 2**32)
        losses = np.zeros(len(penalties))
        counts = balanced_shares(defective.astype(np.intp), shares)
        for inside, outside in splitter.split(features, defective, groups):
            if len(np.unique(defective[inside])) < 2:  # one group may hold a whole class
                continue
            for place, penalty in enumerate(penalties):
                own = None if shares is None else shares[inside]
                model = self._fitted(features[inside], labels[inside], own, penalty)
                good = model.predict_proba(features[outside])[:, 0]  # good is the first class, and always there
                chance = np.where(defective[outside], 1 - good, good).clip(_LEAST_CHANCE)
                losses[place] -= counts[outside] @ np.log(chance)
        return penalties[int(losses.argmin())]

    def _fitted(self, features: Features, labels: Labels, shares: Weights | None, penalty: float) -> Pipeline:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=self.settings.most_iterations))
        counts: npt.NDArray[np.float64] = balanced_shares(labels, shares) * len(labels)
        return model.fit(features, labels, logisticregression__sample_weight=counts)
