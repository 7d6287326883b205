"""The first five convolutions of the Inception v3 that FID is defined with, as maps: what SIFID looks at.

Paper: Szegedy, Vanhoucke, Ioffe, Shlens, Wojna (2016), "Rethinking the Inception Architecture for Computer
    Vision", arXiv 1512.00567, figure of the whole network.
Differs: stops before the second max pool. The tensors are those of `inception_2015`, not of the ImageNet Inception v3
    of today's libraries, which was trained anew.
Origin: written here from the paper.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from handful.features.networks import inception_2015
from handful.features.networks.inception_2015 import Conv


class Stem(nn.Module):
    """(n, 3, h, w), scaled as (x - 128) / 128 -> the maps before the first and before the second max pool."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = Conv(32, 32, 3)
        self.Conv2d_2b_3x3 = Conv(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = Conv(80, 192, 3)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        early = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))  # (n, 64, (h - 3) // 2 - 1, ...)
        late = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(early, 3, stride=2)))
        return {"64": early, "192": late}


def build() -> nn.Module:
    """The network with random weights."""
    return Stem()


def port_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The stem's part of a weights file's tensors, under this network's names."""
    layers = {name for name, _ in Stem().named_children()}
    ported = inception_2015.port_tensors(tensors)
    return {name: tensor for name, tensor in ported.items() if name.partition(".")[0] in layers}
