"""What the feature networks share: a convolution with its batch norm, and folding the two into one."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConvNorm(nn.Module):
    """Convolution without bias, then batch norm (epsilon 0.001, as in TensorFlow's networks of that time)."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, stride, padding, groups=groups, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(channels_out, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(self.conv(x))
        return out


def convolve_relu(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """ReLU of a convolution; in one pass over memory where oneDNN can (CPU, no gradients): the same bits, sooner."""
    if x.device.type == "cpu" and not torch.is_grad_enabled() and _FUSES_RELU:
        fused: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, conv.weight, conv.bias, conv.padding, conv.stride, conv.dilation, conv.groups, "relu", [], ""
        )
        return fused
    return torch.relu_(conv(x))


_FUSES_RELU = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")  # type: ignore[no-untyped-call]


@torch.no_grad()
def fold_batch_norms(network: nn.Module) -> None:
    """Folds every batch norm of a network in evaluation mode into its convolution, computed in float64."""
    for block in network.modules():
        if not isinstance(block, ConvNorm) or not isinstance(block.bn, nn.BatchNorm2d):
            continue
        norm = block.bn.double()
        assert norm.running_mean is not None and norm.running_var is not None
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weight = block.conv.weight
        block.conv.bias = nn.Parameter((norm.bias - norm.running_mean * scale).to(weight.dtype))
        block.conv.weight = nn.Parameter((weight.double() * scale[:, None, None, None]).to(weight.dtype))
        block.bn = nn.Identity()
