"""What several generators share: initial weights, batch norm with measured statistics, a bank of photos."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from handful.core.seeds import torch_stream

INITIAL_STD = 0.02


class BatchNorm(nn.BatchNorm2d):
    """Batch norm that keeps no running statistics in training, so that they are neither weights nor averaged.

    For sampling, `measure_batch_norms` sets exact ones. They are a function of the weights and therefore stay
    out of the state dict. In eval mode before any measurement it uses the statistics of the batch.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, track_running_stats=False)
        self.register_buffer("running_mean", None, persistent=False)
        self.register_buffer("running_var", None, persistent=False)


@torch.no_grad()
def measure_batch_norms(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Sets the statistics that the batch norms of `network` use in eval mode.

    They are the means, over `batches`, of the batch means and unbiased batch variances that each layer meets
    when the network runs in train mode. The network is left in eval mode.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, BatchNorm)]
    seen: dict[nn.Module, list[tuple[Tensor, Tensor]]] = {layer: [] for layer in layers}
    hooks = [
        layer.register_forward_pre_hook(
            # in float64, which MPS lacks, hence on the CPU
            lambda layer, inputs: seen[layer].append(torch.var_mean(inputs[0].cpu().double(), dim=(0, 2, 3)))
        )
        for layer in layers
    ]
    try:
        network.train()
        for batch in batches:
            network(batch)
    finally:
        for hook in hooks:
            hook.remove()
    for layer in layers:
        variances, means = zip(*seen[layer], strict=True)
        layer.running_mean = torch.stack(means).mean(0).to(layer.weight.dtype).to(layer.weight.device)
        layer.running_var = torch.stack(variances).mean(0).to(layer.weight.dtype).to(layer.weight.device)
    network.eval()


@torch.no_grad()
def initialise(network: nn.Module, seed: int, purpose: str) -> None:
    """Draws DCGAN's initial weights (section 3 of arXiv 1511.06434 and the authors' code) from a stream of `seed`.

    Weights of linear and convolution layers N(0, 0.02), scales of batch norms N(1, 0.02), every bias 0.
    """
    random = torch_stream(seed, purpose)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            parameter.zero_()
        else:
            parameter.normal_(1.0 if parameter.ndim == 1 else 0.0, INITIAL_STD, generator=random)


def fused_adam(network: nn.Module, learning_rate: float, betas: tuple[float, float]) -> torch.optim.Adam:
    """Adam in one pass over memory. Safe to restore into networks of another memory format."""
    optimiser = torch.optim.Adam(network.parameters(), lr=learning_rate, betas=betas, fused=True)
    optimiser.register_step_pre_hook(_match_layouts)
    return optimiser


def _match_layouts(optimiser: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
    # The fused update walks memory, not indices: a restored contiguous moment beside a channels_last weight would
    # silently be paired with the wrong elements.
    for parameter, state in optimiser.state.items():
        for name in ("exp_avg", "exp_avg_sq"):
            if state[name].stride() != parameter.stride():
                state[name] = torch.empty_like(parameter).copy_(state[name])


class PhotoBank(nn.Module):
    """The training photos (n, c, h, w), kept with the weights so that a restored generator has them."""

    photos: Tensor
    masks: Tensor
    """(n, h, w) uint8: their index maps; empty where they have none."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("photos", torch.empty(0))
        self.register_buffer("masks", torch.empty(0, dtype=torch.uint8))

    def fill(self, photos: Tensor) -> None:
        self.photos = photos.detach().clone()
        self.masks = torch.empty(0, dtype=torch.uint8, device=photos.device)

    def fill_masks(self, masks: Tensor) -> None:
        self.masks = masks.detach().clone()

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        for name, buffer in list(self.named_buffers()):
            if (stored := state_dict.get(prefix + name)) is not None:
                setattr(self, name, torch.empty_like(stored, device=buffer.device))  # takes the stored count and size
        super()._load_from_state_dict(state_dict, prefix, *rest)
