"""The gradient penalty that keeps SinGAN's critic from growing steep (WGAN-GP, arXiv 1704.00028, equation 3)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


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
    steepness: Tensor = torch.linalg.vector_norm(gradient.float(), dim=1)  # (n, h, w)
    return (steepness - 1).square().mean()
