"""The gradient penalty that keeps SinGAN's critic from growing steep (WGAN-GP, arXiv 1704.00028, equation 3).

Twice: with the gradient that autograd finds, and with the same gradient written out by hand. The second needs to be
differentiated only once, which is all that torch.compile can do; uncompiled it is slower.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

LEAK = 0.2
NORM_EPSILON = 1e-5


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """Mean over pixels of (|gradient| - 1)^2 between a photo and a fake, as a 0-d tensor with a graph.

    SinGAN takes the norm of the gradient over the channels of each pixel, not over the whole image.

    Args:
        critic: images (n, c, h, w) -> maps (n, 1, h', w'), whose values are summed.
        real, fake: images (n, c, h, w).
        mix: share of the real one, 0 to 1, 0-d.
    """
    between = torch.lerp(fake, real, mix).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return _penalty(gradient)


def penalty_written_out(layers: Sequence[Any], real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """The same of a critic of these layers: (convolution, image norm, leaky ReLU) times any, and a convolution.

    The gradient of an image norm, scale * (x - mean) / deviation, takes from what comes back its mean, and the
    normalised maps times their mean product with it; then it divides by the deviation.
    """
    maps, kept = torch.lerp(fake, real, mix), []
    for convolution, norm in zip(layers[:-1:3], layers[1::3], strict=True):
        maps = F.conv2d(maps, convolution.weight)
        variance, mean = torch.var_mean(maps.float(), dim=(2, 3), correction=0, keepdim=True)
        deviation = (variance + NORM_EPSILON).sqrt()
        normal = (maps - mean) / deviation
        scaled = normal * norm.weight.view(1, -1, 1, 1) + norm.bias.view(1, -1, 1, 1)
        kept.append((convolution.weight, norm.weight, normal, deviation, scaled > 0))
        maps = F.leaky_relu(scaled, LEAK)
    tail = layers[-1].weight
    rows, columns = maps.shape[2] - 2, maps.shape[3] - 2
    gradient = F.conv_transpose2d(maps.new_ones(len(maps), 1, rows, columns), tail)
    for weight, scale, normal, deviation, positive in reversed(kept):
        gradient = gradient * torch.where(positive, 1.0, LEAK) * scale.view(1, -1, 1, 1)
        along = (gradient * normal).mean((2, 3), keepdim=True)
        gradient = (gradient - gradient.mean((2, 3), keepdim=True) - normal * along) / deviation
        gradient = F.conv_transpose2d(gradient, weight)
    return _penalty(gradient)


def _penalty(gradient: Tensor) -> Tensor:
    steepness: Tensor = torch.linalg.vector_norm(gradient.float(), dim=1)  # (n, h, w)
    return (steepness - 1).square().mean()
