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

    @property
    def folded(self) -> bool:
        """Whether the batch norm has gone into the convolution."""
        return isinstance(self.bn, nn.Identity)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(self.conv(x))
        return out


def convolve(conv: nn.Conv2d, x: Tensor, relu: bool) -> Tensor:
    """A convolution, and ReLU of it in one pass over memory where oneDNN can: the same bits, sooner."""
    if _is_for_onednn(x):
        attribute = "relu" if relu else "none"
        fused: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, conv.weight, conv.bias, conv.padding, conv.stride, conv.dilation, conv.groups, attribute, [], ""
        )
        return fused
    out: Tensor = conv(x)
    return torch.relu_(out) if relu else out


def to_blocks(x: Tensor) -> Tensor:
    """float32 (n, c, h, w) in oneDNN's own layout, where it has one: its convolutions there are as fast as on
    channels-last tensors, and round large images less (docs/findings/speed.md)."""
    return x.contiguous().to_mkldnn() if _is_for_onednn(x) and x.dtype is torch.float32 else x


def from_blocks(x: Tensor) -> Tensor:
    """An ordinary tensor again, channels last."""
    return x.to_dense().contiguous(memory_format=torch.channels_last) if x.is_mkldnn else x


def _is_for_onednn(x: Tensor) -> bool:
    """On a CPU, without gradients, in a precision that it computes in."""
    inference = x.device.type == "cpu" and not torch.is_grad_enabled() and x.dtype is not torch.float64
    return inference and _HAS_ONEDNN


_HAS_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")  # type: ignore[no-untyped-call]


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
