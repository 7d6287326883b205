"""EfficientNet-Lite0 as maps: what it sees at each of its five resolutions, for distances between looks.

Paper: Tan, Le (2019), "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", arXiv 1905.11946.
Origin: the network of `efficientnet_lite0`, cut before each halving of the resolution.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from handful.features.networks import efficientnet_lite0
from handful.features.networks.efficientnet_lite0 import EfficientNetLite0

_LAST_BLOCKS = {0: "stride-2", 2: "stride-4", 4: "stride-8", 10: "stride-16", 15: "stride-32"}
"""The last block of each resolution."""


class Stages(EfficientNetLite0):
    """(n, 3, h, w), scaled as (x - 127) / 128 -> maps of 16, 24, 40, 112 and 320 channels."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        x, maps = F.relu6(self.stem(x)), {}
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in _LAST_BLOCKS:
                maps[_LAST_BLOCKS[number]] = x
        return maps


def build() -> nn.Module:
    """The network with random weights."""
    return Stages()


def port_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """As `efficientnet_lite0`."""
    return efficientnet_lite0.port_tensors(tensors)
