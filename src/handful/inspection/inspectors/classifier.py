"""A small convolutional network, trained here from scratch to tell good from each kind of defect.

Paper: He, Zhang, Ren, Sun (2015), "Deep Residual Learning for Image Recognition", arXiv 1512.03385, for the stages that
    halve the resolution and double the channels.
Differs: four plain stages without residuals; group norm instead of batch norm, so that an image's prediction depends on
    no other; the mean and the maximum of the last maps are read, because a small defect hardly moves the mean.
Good for: comparing training sets: it knows nothing but the images it was given.
Weak at: very few images: features learnt elsewhere (`linear`) then do better.
Origin: written here from the paper.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from handful.core.config import Settings
from handful.core.images import Floats
from handful.inspection.augment import Mirror
from handful.inspection.base import Inspector, InspectorFacts, Predictions, Weights, usable_rows
from handful.inspection.gradient import (
    ConvNormRelu,
    Standardise,
    balanced_shares,
    hide_unseen,
    initialise,
    predict_network,
    train_network,
)
from handful.inspection.labelled_set import LabelledSet

FACTS = InspectorFacts(tasks=("binary", "kinds"), good_only=False, goes_on=True)


class ClassifierSettings(Settings):
    """Budget, size and augmentation. All defaults are ours."""

    steps: int = Field(300, ge=1)
    """Batches of one `fit`."""
    batch_images: int = Field(16, ge=2)
    """Images of a batch; good ones are half of it, kinds share the rest."""
    learning_rate: float = Field(0.002, gt=0, le=1)
    """AdamW's highest rate."""
    width: int = Field(16, ge=4, le=256)
    """Channels of the first stage; each of the four doubles them."""
    augment: float = Field(1.0, ge=0, le=4)
    """Strength of the classical augmentation; 0 leaves it out."""
    mirror: Mirror = "none"
    """Along which sides half of the images are mirrored; none where left and right differ on the station."""


class ClassifierNetwork(nn.Module):
    """(n, c, h, w) -> logits (n, 1 + k)."""

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        for stage in range(4):
            wide = width * 2**stage
            stages += [ConvNormRelu(channels, wide, stride=2), ConvNormRelu(wide, wide)]
            channels = wide
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(2 * channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.stages(x)  # (n, 8 * width, h / 16, w / 16)
        logits: Tensor = self.head(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1))
        return logits


class Classifier(Inspector):
    """Cross-entropy over good and the kinds."""

    settings_class = ClassifierSettings

    def __init__(self, settings: ClassifierSettings, seed: int, device: str = "cpu", cache: Path | None = None) -> None:
        super().__init__(settings, seed, device, cache)
        self.settings = settings
        self._network: nn.Module | None = None
        self._fits = 0
        self._seen: set[int] = set()

    def fit(self, train: LabelledSet, weights: Weights | None = None) -> None:
        """As `Inspector.fit`; a second call goes on with the weights of the first and a schedule of its own."""
        rows = usable_rows("classifier", FACTS, train, weights)
        train = train.take(rows)
        if self._network is None:
            network = ClassifierNetwork(train.images.shape[1], 1 + len(train.kinds), self.settings.width)
            initialise(network, self.seed, "inspection/classifier")
            self._network = nn.Sequential(Standardise(train.images), network)
            self._network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        train_network(
            self._network,
            train,
            balanced_shares(train.labels, None if weights is None else weights[rows]),
            self.settings,
            lambda logits, labels, _: F.cross_entropy(logits, labels),
            self.seed,
            "inspection/classifier/batches",
            self._fits,
            self.device,
        )
        self._fits += 1
        self._seen |= set(train.labels.tolist())

    def predict(self, images: Floats) -> Predictions:
        """As `Inspector.predict`; `defect` is the log of the odds of any defect."""
        assert self._network is not None, "fit comes first"
        logits = hide_unseen(predict_network(self._network, images, self.device).double(), self._seen)
        defect = torch.logsumexp(logits[:, 1:], dim=1) - logits[:, 0]
        return Predictions(defect.numpy(), np.asarray(torch.softmax(logits, dim=1)), None)
