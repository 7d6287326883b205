"""What inspectors trained by gradient share: balanced batches, the loop over the budget, prediction in batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from handful.core.images import Floats
from handful.core.seeds import torch_stream
from handful.inspection.augment import Mirror, augment_batch
from handful.inspection.base import Weights
from handful.inspection.labelled_set import LabelledSet, Labels

_WARM_UP = 0.1  # of the steps
_WEIGHT_DECAY = 1e-2
_ROWS = 16
"""Images predicted at once; the last batch is padded, so that sums never round by how many neighbours one has."""

Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""Output of the network, labels (b,), masks (b, h, w) or None -> a 0-d tensor."""


class GradientSettings(Protocol):
    """What the settings of such an inspector have."""

    @property
    def steps(self) -> int: ...
    @property
    def batch_images(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def augment(self) -> float: ...
    @property
    def mirror(self) -> Mirror: ...


def balanced_shares(labels: Labels, weights: Weights | None) -> npt.NDArray[np.float64]:
    """How likely each image is drawn, (n,), summing to 1: good images have one half together, the kinds present share
    the other half equally; within a class images are drawn as their weights say."""
    shares = np.ones(len(labels)) if weights is None else weights.astype(np.float64)
    kinds = np.unique(labels[labels > 0])
    for label in np.unique(labels):
        inside = labels == label
        whole = 1.0 if len(kinds) == 0 else 0.5 if label == 0 else 0.5 / len(kinds)
        shares[inside] *= whole / shares[inside].sum()
    normalised: npt.NDArray[np.float64] = shares / shares.sum()
    return normalised


def train_network(
    network: nn.Module,
    train: LabelledSet,
    shares: npt.NDArray[np.float64],
    settings: GradientSettings,
    loss: Loss,
    seed: int,
    purpose: str,
    fit: int,
    device: str,
) -> None:
    """Trains for `settings.steps` batches: AdamW (arXiv 1711.05101), the rate warmed up, then down a cosine to 0.

    Args:
        network: on `device`; left in evaluation mode.
        train: the images.
        shares: how likely each is drawn, (n,).
        settings: the budget and the augmentation.
        loss: what is made small.
        seed: decides every draw.
        purpose: name of the stream.
        fit: number of this fit; later ones draw other numbers.
        device: where to train.
    """
    random = torch_stream(seed, purpose, fit)
    images, labels = torch.tensor(train.images), torch.tensor(train.labels, dtype=torch.int64)
    masks = None if train.masks is None else torch.tensor(train.masks)
    chances = torch.from_numpy(shares)
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=_WEIGHT_DECAY)
    network.train()
    for step in range(settings.steps):
        rows = torch.multinomial(chances, settings.batch_images, replacement=True, generator=random)
        batch, outlines = augment_batch(
            images[rows], None if masks is None else masks[rows], settings.augment, settings.mirror, random
        )
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * _rate(step / settings.steps)
        optimiser.zero_grad(set_to_none=True)
        output = network(batch.to(device, memory_format=torch.channels_last))
        loss(output, labels[rows].to(device), None if outlines is None else outlines.to(device)).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    network.eval()


def predict_network(network: nn.Module, images: Floats, device: str) -> Tensor:
    """The network's output for all images, on the CPU; each depends on its own image alone."""
    outputs = []
    with torch.inference_mode():
        for start in range(0, len(images), _ROWS):
            part = torch.tensor(images[start : start + _ROWS])
            batch = torch.zeros(_ROWS, *part.shape[1:])
            batch[: len(part)] = part
            outputs.append(network(batch.to(device, memory_format=torch.channels_last))[: len(part)].float().cpu())
    return torch.cat(outputs)


def hide_unseen(logits: Tensor, seen: Iterable[int]) -> Tensor:
    """Logits (n, 1 + k, ...) in which a class that no training image had has probability 0."""
    hidden = torch.ones(logits.shape[1], dtype=torch.bool)
    hidden[list(seen)] = False
    logits[:, hidden] = -torch.inf
    return logits


@torch.no_grad()
def initialise(network: nn.Module, seed: int, purpose: str) -> None:
    """He's initial weights (arXiv 1502.01852) from a stream of `seed`: biases 0, scales of norms 1; those of `head` a
    tenth, so that no class is ruled out before anything is learnt."""
    random = torch_stream(seed, purpose)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            parameter.zero_()
        elif parameter.ndim == 1:
            parameter.fill_(1)
        else:
            nn.init.kaiming_normal_(parameter, nonlinearity="relu", generator=random)
            if name.startswith("head"):
                parameter.mul_(0.1)


class ConvNormRelu(nn.Sequential):
    """3 x 3 convolution, group norm (arXiv 1803.08494: no image depends on its batch), ReLU."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False),
            nn.GroupNorm(math.gcd(8, channels_out), channels_out),
            nn.ReLU(inplace=True),
        )


class Standardise(nn.Module):
    """Shifts and scales images by the mean and the spread of the first training images."""

    mean: Tensor
    spread: Tensor

    def __init__(self, images: Floats) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(float(images.mean(dtype=np.float64))))
        self.register_buffer("spread", torch.tensor(max(float(images.std(dtype=np.float64)), 1e-3)))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.spread


def _rate(progress: float) -> float:
    return min(progress / _WARM_UP + 0.02, 1.0) * (1 + math.cos(math.pi * progress)) / 2
