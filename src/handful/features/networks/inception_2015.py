"""The Inception v3 that the Frechet inception distance is defined with, up to its 2048 pooled features.

Paper: Szegedy, Vanhoucke, Ioffe, Shlens, Wojna (2016), "Rethinking the Inception Architecture for Computer
    Vision", arXiv 1512.00567. The tensors are those of the graph published on 2015-12-05 under Apache-2.0.
Differs: from the ImageNet Inception v3 of today's libraries in two ways, both as in that graph: 3x3 average
    pools do not count the padding, and the pool of the last block is a max pool.
Origin: written here from the paper; tensor names follow the common PyTorch port.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from handful.features.networks.layers import ConvNorm, convolve, from_blocks, to_blocks


class Conv(ConvNorm):
    """Convolution, batch norm, ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        if self.folded:
            return convolve(self.conv, x, relu=True)
        return F.relu(super().forward(x), inplace=True)

    def of_average(self, x: Tensor) -> Tensor:
        """forward(average_pool(x)). A folded 1x1 convolution goes first, as the pool then has fewer channels: both are
        linear, and an average leaves the bias as it is."""
        if self.folded:
            return torch.relu_(average_pool(convolve(self.conv, x, relu=False)))
        return self.forward(average_pool(x))


def average_pool(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class Mixed35(nn.Module):
    """Inception block on the 35x35 grid (figure 5 of the paper); gives 224 + pool_channels channels."""

    def __init__(self, channels: int, pool_channels: int) -> None:
        super().__init__()
        self.branch1x1 = Conv(channels, 64, 1)
        self.branch5x5_1 = Conv(channels, 48, 1)
        self.branch5x5_2 = Conv(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = Conv(channels, 64, 1)
        self.branch3x3dbl_2 = Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Conv(96, 96, 3, padding=1)
        self.branch_pool = Conv(channels, pool_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        one = self.branch1x1(x)
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([one, five, three, self.branch_pool.of_average(x)], 1)


class Reduce35To17(nn.Module):
    """Halves the grid from 35x35 to 17x17: 288 -> 768 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.branch3x3 = Conv(288, 384, 3, stride=2)
        self.branch3x3dbl_1 = Conv(288, 64, 1)
        self.branch3x3dbl_2 = Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Conv(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, F.max_pool2d(x, 3, stride=2)], 1)


class Mixed17(nn.Module):
    """Inception block on the 17x17 grid with 1x7 and 7x1 convolutions (figure 6); 768 -> 768 channels."""

    def __init__(self, inner: int) -> None:
        super().__init__()

        def wide(channels_in: int, channels_out: int) -> Conv:
            return Conv(channels_in, channels_out, (1, 7), padding=(0, 3))

        def tall(channels_in: int, channels_out: int) -> Conv:
            return Conv(channels_in, channels_out, (7, 1), padding=(3, 0))

        self.branch1x1 = Conv(768, 192, 1)
        self.branch7x7_1 = Conv(768, inner, 1)
        self.branch7x7_2 = wide(inner, inner)
        self.branch7x7_3 = tall(inner, 192)
        self.branch7x7dbl_1 = Conv(768, inner, 1)
        self.branch7x7dbl_2 = tall(inner, inner)
        self.branch7x7dbl_3 = wide(inner, inner)
        self.branch7x7dbl_4 = tall(inner, inner)
        self.branch7x7dbl_5 = wide(inner, 192)
        self.branch_pool = Conv(768, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        one = self.branch1x1(x)
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([one, seven, double, self.branch_pool.of_average(x)], 1)


class Reduce17To8(nn.Module):
    """Halves the grid from 17x17 to 8x8: 768 -> 1280 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.branch3x3_1 = Conv(768, 192, 1)
        self.branch3x3_2 = Conv(192, 320, 3, stride=2)
        self.branch7x7x3_1 = Conv(768, 192, 1)
        self.branch7x7x3_2 = Conv(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = Conv(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = Conv(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([three, seven, F.max_pool2d(x, 3, stride=2)], 1)


class Mixed8(nn.Module):
    """Inception block on the 8x8 grid with parallel 1x3 and 3x1 convolutions (figure 7); gives 2048 channels."""

    def __init__(self, channels: int, max_pool: bool) -> None:
        super().__init__()
        self.max_pool = max_pool
        self.branch1x1 = Conv(channels, 320, 1)
        self.branch3x3_1 = Conv(channels, 384, 1)
        self.branch3x3_2a = Conv(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = Conv(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = Conv(channels, 448, 1)
        self.branch3x3dbl_2 = Conv(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = Conv(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = Conv(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = Conv(channels, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        one = self.branch1x1(x)
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        if self.max_pool:
            pooled = self.branch_pool(F.max_pool2d(x, 3, stride=1, padding=1))
        else:
            pooled = self.branch_pool.of_average(x)
        return torch.cat(
            [
                one,
                self.branch3x3_2a(three),
                self.branch3x3_2b(three),
                self.branch3x3dbl_3a(double),
                self.branch3x3dbl_3b(double),
                pooled,
            ],
            1,
        )


class Inception2015(nn.Module):
    """(n, 3, 299, 299), scaled as (x - 128) / 128 -> features (n, 2048)."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = Conv(32, 32, 3)
        self.Conv2d_2b_3x3 = Conv(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = Conv(80, 192, 3)
        self.Mixed_5b = Mixed35(192, 32)
        self.Mixed_5c = Mixed35(256, 64)
        self.Mixed_5d = Mixed35(288, 64)
        self.Mixed_6a = Reduce35To17()
        self.Mixed_6b = Mixed17(128)
        self.Mixed_6c = Mixed17(160)
        self.Mixed_6d = Mixed17(160)
        self.Mixed_6e = Mixed17(192)
        self.Mixed_7a = Reduce17To8()
        self.Mixed_7b = Mixed8(1280, max_pool=False)
        self.Mixed_7c = Mixed8(2048, max_pool=True)

    def forward(self, x: Tensor) -> Tensor:
        if self.Conv2d_1a_3x3.folded:
            x = to_blocks(x)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))  # (n, 64, 147, 147)
        x = F.max_pool2d(x, 3, stride=2)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))  # (n, 192, 71, 71)
        x = from_blocks(F.max_pool2d(x, 3, stride=2))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))  # (n, 288, 35, 35)
        x = self.Mixed_6a(x)
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))  # (n, 768, 17, 17)
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))  # (n, 2048, 8, 8)
        return x.mean((2, 3), dtype=torch.promote_types(x.dtype, torch.float32))


def build() -> nn.Module:
    """The network with random weights."""
    return Inception2015()


def port_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A weights file's tensors under this network's names.

    A state dict of the common port has these names already. The TorchScript archive has `weight`, `beta`,
    `mean`, `var` for each convolution, and holds the convolutions in the same order as this network.
    """
    if "Conv2d_1a_3x3.conv.weight" in tensors:
        return dict(tensors)
    found = [name.removesuffix(".beta") for name in tensors if name.endswith(".beta")]
    blocks = [name for name, module in Inception2015().named_modules() if isinstance(module, Conv)]
    ported = {}
    for theirs, ours in zip(found, blocks, strict=True):
        ported[f"{ours}.conv.weight"] = tensors[f"{theirs}.weight"]
        ported[f"{ours}.bn.weight"] = torch.ones_like(tensors[f"{theirs}.beta"])  # that graph has no scale
        ported[f"{ours}.bn.bias"] = tensors[f"{theirs}.beta"]
        ported[f"{ours}.bn.running_mean"] = tensors[f"{theirs}.mean"]
        ported[f"{ours}.bn.running_var"] = tensors[f"{theirs}.var"]
    return ported
