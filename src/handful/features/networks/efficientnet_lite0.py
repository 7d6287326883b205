"""EfficientNet-Lite0 trained on ImageNet, up to its 1280 pooled features: small, with an open licence.

Paper: Tan, Le (2019), "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
    arXiv 1905.11946; the Lite variant (2020) leaves out squeeze-and-excitation and uses ReLU6.
Differs: the classifier is left out.
Origin: written here from the paper and the layer table of the Lite variant; TensorFlow's 'same' padding.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from handful.features.networks.layers import ConvNorm

# kernel, stride, expansion, channels in, channels out: one row a block
_BLOCKS = (
    (3, 1, 1, 32, 16),
    (3, 2, 6, 16, 24),
    (3, 1, 6, 24, 24),
    (5, 2, 6, 24, 40),
    (5, 1, 6, 40, 40),
    (3, 2, 6, 40, 80),
    (3, 1, 6, 80, 80),
    (3, 1, 6, 80, 80),
    (5, 1, 6, 80, 112),
    (5, 1, 6, 112, 112),
    (5, 1, 6, 112, 112),
    (5, 2, 6, 112, 192),
    (5, 1, 6, 192, 192),
    (5, 1, 6, 192, 192),
    (5, 1, 6, 192, 192),
    (3, 1, 6, 192, 320),
)


class SameConv(ConvNorm):
    """Convolution and batch norm with 'same' padding: the odd pixel goes to the right and the bottom."""

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.conv.kernel_size[0], self.conv.stride[0]
        missing = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[-2:]]
        top, left = missing[0] // 2, missing[1] // 2
        return super().forward(F.pad(x, (left, missing[1] - left, top, missing[0] - top)))


class Block(nn.Module):
    """Inverted residual: widen, filter each channel, narrow; added to its input where the shapes agree."""

    def __init__(self, kernel: int, stride: int, expansion: int, channels_in: int, channels_out: int) -> None:
        super().__init__()
        wide = channels_in * expansion
        self.expand = SameConv(channels_in, wide, 1) if expansion > 1 else None
        self.depthwise = SameConv(wide, wide, kernel, stride, groups=wide)
        self.project = SameConv(wide, channels_out, 1)
        self.residual = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        wide = x if self.expand is None else F.relu6(self.expand(x))
        narrow: Tensor = self.project(F.relu6(self.depthwise(wide)))
        return x + narrow if self.residual else narrow


class EfficientNetLite0(nn.Module):
    """(n, 3, 224, 224), scaled as (x - 127) / 128 -> features (n, 1280)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, 32, 3, 2)
        self.blocks = nn.Sequential(*(Block(*row) for row in _BLOCKS))
        self.head = SameConv(320, 1280, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(F.relu6(self.stem(x)))  # (n, 320, 7, 7)
        return F.relu6(self.head(x)).float().mean((2, 3))


def build() -> nn.Module:
    """The network with random weights."""
    return EfficientNetLite0()


# the common port's names -> ours, outside and inside the blocks
_OUTSIDE = {"_conv_stem": "stem.conv", "_bn0": "stem.bn", "_conv_head": "head.conv", "_bn1": "head.bn"}
_INSIDE = {
    "_expand_conv": "expand.conv",
    "_bn0": "expand.bn",
    "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.bn",
    "_project_conv": "project.conv",
    "_bn2": "project.bn",
}


def port_classifier(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A weights file's classifier: `weight` (1000, 1280) and `bias` (1000,), classes of ImageNet in its order."""
    return {leaf: tensors[f"_fc.{leaf}"] for leaf in ("weight", "bias")}


def port_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A weights file's tensors under this network's names; the classifier is left out."""
    ported = {}
    for name, tensor in tensors.items():
        *path, part, leaf = name.split(".")
        if part != "_fc" and leaf != "num_batches_tracked":
            where = f"blocks.{path[1]}.{_INSIDE[part]}" if path else _OUTSIDE[part]
            ported[f"{where}.{leaf}"] = tensor
    return ported
