"""Turns images into the maps of a network's layers, for scores that look at images. What an image gives depends on
that image alone."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import nn

from handful.core.images import Floats
from handful.features.extract import centre, exact_convolutions, load_network
from handful.features.networks import find_map_network
from handful.features.networks.layers import fold_batch_norms

_MOST_ROWS = 16
_MOST_PIXELS = 2**20
"""Of a batch: bounds the memory that the first layers take (about 0.3 GB in float32)."""


class MapExtractor:
    """A map network made ready: batch norms folded, channels last. Loaded at its first image."""

    def __init__(self, name: str, device: torch.device | str = "cpu") -> None:
        """Args:
        name: a map network.
        device: where it runs.

        Raises:
            UserError: there is no such network.
        """
        self.network = find_map_network(name)
        self.device = torch.device(device)

    @cached_property
    def module(self) -> nn.Module:
        """The network on its device."""
        module = load_network(self.network)
        fold_batch_norms(module)
        module.to(device=self.device)
        return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def __call__(self, images: Floats) -> dict[str, Floats]:
        """Images (n, c, h, w) in [-1, 1], n >= 1 -> layer name -> float32 (n, ...).

        Raises:
            UserError: the network's weights are missing or wrong.
        """
        pixels = images.shape[2] * images.shape[3]
        rows = min(_MOST_ROWS, max(1, _MOST_PIXELS // pixels))  # the same for every set of images of this size
        parts = [self._batch(images[start : start + rows], rows) for start in range(0, len(images), rows)]
        return {layer: np.concatenate([part[layer] for part in parts]) for layer in self.network.layers}

    def _batch(self, images: Floats, rows: int) -> dict[str, Floats]:
        """Padded to exactly `rows`, so that sums never round by how many neighbours an image has."""
        levels = (images + np.float32(1)) * np.float32(127.5)
        inputs = torch.from_numpy(np.stack([centre(one, self.network.owner) for one in levels]))
        batch = torch.zeros(rows, *inputs.shape[1:])
        batch[: len(inputs)] = inputs
        batch = batch.to(device=self.device, memory_format=torch.channels_last)
        with torch.inference_mode(), exact_convolutions():
            maps = self.module(batch)
        return {name: map[: len(images)].float().cpu().contiguous().numpy() for name, map in maps.items()}
