"""Averages of weights over training (exponential moving average, EMA), from which samples are drawn.

The half-life with its ramp-up follows Karras, Aittala, Laine, Aila: Elucidating the Design Space of
Diffusion-Based Generative Models, 2022, arXiv 2206.00364, appendix F.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from handful.generators.base import Generator
from handful.generators.restore import AVERAGES


class Averages:
    """Averaged weights and buffers of some of a generator's modules, beside the weights in training."""

    def __init__(self, generator: Generator, names: Sequence[str], half_life_images: float, ramp_up: float) -> None:
        """Args:
        generator: on its device; the averages start as copies of its weights.
        names: the modules to average; none for no averages.
        half_life_images: images after which a weight's share has halved.
        ramp_up: the half-life is at most this share of the images seen.
        """
        self._generator = generator
        self._names = tuple(names)
        self._half_life_images = half_life_images
        self._ramp_up = ramp_up
        self._tensors: dict[str, dict[str, Tensor]] = {}
        self.update(batch=0, images=0)

    @torch.no_grad()
    def update(self, batch: int, images: int) -> None:
        """Moves the averages towards the present weights.

        Args:
            batch: images of the step just done.
            images: images seen so far, those included.
        """
        half_life_images = min(self._half_life_images, self._ramp_up * images)
        keep = 0.5 ** (batch / half_life_images) if half_life_images else 0.0
        for name in self._names:
            averages = self._tensors.setdefault(name, {})
            for key, weight in self._weights(name).items():
                average = averages.get(key)
                if average is None or average.shape != weight.shape:  # at the start, or grown since
                    averages[key] = weight.detach().clone()
                elif average.is_floating_point():
                    average.lerp_(weight, 1 - keep)
                else:
                    average.copy_(weight)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Puts the averages in the weights' place, and exactly the weights back at the end."""
        kept = {name: {key: weight.clone() for key, weight in self._weights(name).items()} for name in self._tensors}
        self._put(self._tensors)
        try:
            yield
        finally:
            self._put(kept)

    def states(self) -> dict[str, dict[str, Any]]:
        """What a checkpoint holds of them."""
        return {AVERAGES + name: dict(tensors) for name, tensors in self._tensors.items()}

    def load(self, states: Mapping[str, Mapping[str, Any]]) -> None:
        """Takes the averages of a checkpoint. Call it after the generator's own weights are loaded."""
        for name in self._names:
            weights = self._weights(name)
            self._tensors[name] = {
                key: torch.empty_like(weights[key]).copy_(average) for key, average in states[AVERAGES + name].items()
            }

    def _weights(self, name: str) -> dict[str, Tensor]:
        return {
            key: value for key, value in self._generator.modules()[name].state_dict().items() if torch.is_tensor(value)
        }

    @torch.no_grad()
    def _put(self, tensors: Mapping[str, Mapping[str, Tensor]]) -> None:
        for name, wanted in tensors.items():
            weights = self._weights(name)
            for key, value in wanted.items():
                weights[key].copy_(value)
