"""EfficientNet-Lite0 with its classifier: a logit for each of ImageNet's 1000 classes.

Paper: Tan, Le (2019), "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", arXiv 1905.11946.
Origin: the network of `efficientnet_lite0` with the classifier that its weights file holds.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from handful.scores.networks import efficientnet_lite0
from handful.scores.networks.efficientnet_lite0 import EfficientNetLite0


class Logits(EfficientNetLite0):
    """(n, 3, 224, 224), scaled as (x - 127) / 128 -> logits (n, 1000)."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(1280, 1000)

    def forward(self, x: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        return {"logits": self.classifier(super().forward(x))}


def build() -> nn.Module:
    """The network with random weights."""
    return Logits()


def port_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """As `efficientnet_lite0`, with the classifier."""
    classifier = {f"classifier.{leaf}": tensors[f"_fc.{leaf}"] for leaf in ("weight", "bias")}
    return efficientnet_lite0.port_tensors(tensors) | classifier
